import { assert, assertEquals, assertRejects } from "@std/assert";
import { NetworkError } from "../../src/errors.ts";
import {
  readableOf,
  readExactly,
  writableOf,
} from "../../src/net/connection.ts";
import { memoryConnections } from "../support/memory_connection.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";

Deno.test("readExactly() waits for the last byte and takes no more", async () => {
  for (const maxRead of [1, 3, 100]) {
    const [ours, theirs] = memoryConnections({ maxRead });
    await theirs.write(Uint8Array.of(1, 2, 3));
    const reading = readExactly(ours, 5);
    await theirs.write(Uint8Array.of(4, 5, 6, 7));
    assertEquals(await reading, Uint8Array.of(1, 2, 3, 4, 5));
    assertEquals(await readExactly(ours, 2), Uint8Array.of(6, 7));
    assertEquals(await readExactly(ours, 0), new Uint8Array());
  }
});

Deno.test("readExactly() rejects when the stream ends before", async () => {
  const [ours, theirs] = memoryConnections();
  await theirs.write(Uint8Array.of(1, 2, 3));
  theirs.close();
  await assertRejects(() => readExactly(ours, 4), NetworkError, "hung up");
});

Deno.test("readExactly() rejects when the connection breaks", async () => {
  const [ours, theirs] = memoryConnections();
  const reading = readExactly(ours, 4);
  theirs.reset();
  await assertRejects(() => reading, NetworkError, "reset");
});

Deno.test("readableOf() gives what arrives, and ends with it", async () => {
  const [ours, theirs] = memoryConnections({ capacity: 100_000 });
  const sent = randomBytes(1_000_000, seededRandom(1));
  const writing = theirs.write(sent).then(() => theirs.close());
  let at = 0;
  for await (const chunk of readableOf(ours)) {
    assert(chunk.every((byte, i) => byte === sent[at + i]), `byte ${at}`);
    at += chunk.length;
  }
  assertEquals(at, sent.length);
  await writing;
});

Deno.test("readableOf() reads nothing that nobody asked for", async () => {
  const [ours, theirs] = memoryConnections();
  const stream = readableOf(ours);
  await theirs.write(Uint8Array.of(1, 2, 3));
  await Promise.resolve();
  assertEquals(ours.bytesRead, 0);
  await stream.cancel();
});

Deno.test("readableOf() gives chunks that hold until the one after the next is asked for", async () => {
  const [ours, theirs] = memoryConnections({ maxRead: 10 });
  const reader = readableOf(ours).getReader();
  let last: Uint8Array | undefined;
  for (let value = 0; value < 20; value++) {
    await theirs.write(new Uint8Array(10).fill(value));
    const { value: chunk } = await reader.read();
    assertEquals(chunk, new Uint8Array(10).fill(value));
    assertEquals(last, value ? new Uint8Array(10).fill(value - 1) : last);
    last = chunk;
  }
});

Deno.test("readableOf() grows its chunks for who sends much, up to 256 KiB", async () => {
  const [ours, theirs] = memoryConnections({ capacity: 1 << 20 });
  const reader = readableOf(ours).getReader();
  const lengths: number[] = [];
  // Few peers send much: for what fits there is no larger buffer.
  for (let i = 0; i < 3; i++) {
    await theirs.write(new Uint8Array(1000));
    lengths.push((await reader.read()).value!.length);
  }
  const writing = theirs.write(new Uint8Array(2 << 20));
  for (let i = 0; i < 7; i++) lengths.push((await reader.read()).value!.length);
  const kib = 1024;
  assertEquals(lengths.slice(0, 3), [1000, 1000, 1000]);
  assertEquals(
    lengths.slice(3),
    [16, 32, 64, 128, 256, 256, 256].map((length) => length * kib),
  );
  await reader.cancel();
  ours.close();
  await assertRejects(() => writing, NetworkError);
});

Deno.test("readableOf() fails when the connection breaks", async () => {
  const [ours, theirs] = memoryConnections();
  const reader = readableOf(ours).getReader();
  const reading = reader.read();
  theirs.reset();
  await assertRejects(() => reading, NetworkError);
});

Deno.test("writableOf() makes one write of each chunk, and waits for it", async () => {
  const [ours, theirs] = memoryConnections({ capacity: 4 });
  const writer = writableOf(ours).getWriter();
  await writer.write(Uint8Array.of(1, 2, 3));
  let isWritten = false;
  const writing = writer.write(Uint8Array.of(4, 5, 6)).then(() =>
    isWritten = true
  );
  assertEquals(await readExactly(theirs, 1), Uint8Array.of(1));
  assertEquals(isWritten, false);
  assertEquals(await readExactly(theirs, 5), Uint8Array.of(2, 3, 4, 5, 6));
  await writing;
  assertEquals(ours.writes.map((bytes) => bytes.length), [3, 3]);
});

Deno.test("writableOf() fails when the connection breaks", async () => {
  const [ours, theirs] = memoryConnections({ capacity: 4 });
  const writer = writableOf(ours).getWriter();
  const writing = writer.write(new Uint8Array(10));
  writer.closed.catch(() => {});
  theirs.close();
  await assertRejects(() => writing, NetworkError);
});
