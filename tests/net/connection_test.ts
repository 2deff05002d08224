import { assert, assertEquals, assertRejects } from "@std/assert";
import { NetworkError } from "../../src/errors.ts";
import { ChunkReader, readExactly } from "../../src/net/connection.ts";
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

Deno.test("ChunkReader gives what arrives, and ends with it", async () => {
  const [ours, theirs] = memoryConnections({ capacity: 100_000 });
  const sent = randomBytes(1_000_000, seededRandom(1));
  const writing = theirs.write(sent).then(() => theirs.close());
  const reader = new ChunkReader(ours);
  let at = 0;
  for (let chunk = await reader.read(); chunk; chunk = await reader.read()) {
    assert(chunk.every((byte, i) => byte === sent[at + i]), `byte ${at}`);
    at += chunk.length;
  }
  assertEquals(at, sent.length);
  await writing;
});

Deno.test("ChunkReader reads nothing that nobody asked for", async () => {
  const [ours, theirs] = memoryConnections();
  const reader = new ChunkReader(ours);
  await theirs.write(Uint8Array.of(1, 2, 3));
  assertEquals(ours.bytesRead, 0);
  await reader.read();
  await theirs.write(Uint8Array.of(4));
  assertEquals(ours.bytesRead, 3);
});

Deno.test("ChunkReader grows its chunks for who sends much, up to 256 KiB", async () => {
  const [ours, theirs] = memoryConnections({ capacity: 1 << 20 });
  const reader = new ChunkReader(ours);
  const lengths: number[] = [];
  // Few peers send much: for what fits there is no larger buffer.
  for (let i = 0; i < 3; i++) {
    await theirs.write(new Uint8Array(1000));
    lengths.push((await reader.read())!.length);
  }
  const writing = theirs.write(new Uint8Array(2 << 20));
  const buffers = new Set<ArrayBufferLike>();
  for (let i = 0; i < 7; i++) {
    const chunk = (await reader.read())!;
    lengths.push(chunk.length);
    buffers.add(chunk.buffer);
  }
  const kib = 1024;
  assertEquals(lengths.slice(0, 3), [1000, 1000, 1000]);
  assertEquals(
    lengths.slice(3),
    [16, 32, 64, 128, 256, 256, 256].map((length) => length * kib),
  );
  assertEquals(buffers.size, 5);
  ours.close();
  await assertRejects(() => writing, NetworkError);
});

Deno.test("ChunkReader fails when the connection breaks", async () => {
  const [ours, theirs] = memoryConnections();
  const reading = new ChunkReader(ours).read();
  theirs.reset();
  await assertRejects(() => reading, NetworkError);
});
