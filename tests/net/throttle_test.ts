import { assert, assertEquals, assertRejects } from "@std/assert";
import { NetworkError } from "../../src/errors.ts";
import type { Connection } from "../../src/net/connection.ts";
import { throttle } from "../../src/net/throttle.ts";
import { TokenBucket } from "../../src/policy/token_bucket.ts";
import { FakeTime } from "../support/fake_time.ts";
import {
  type MemoryConnection,
  type MemoryConnectionOptions,
  memoryConnections,
} from "../support/memory_connection.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";

/** Quanta are of 512 bytes, half a second each. */
const RATE = 1024;

interface LimitRates {
  download?: number[];
  upload?: number[];
}

function bucketsOf(rates: number[] = []): TokenBucket[] {
  return rates.map((rate) => new TokenBucket(rate));
}

/** A limited connection, what is below it, and its other end. */
function limited(
  rates: LimitRates,
  options?: MemoryConnectionOptions,
): [Connection, MemoryConnection, MemoryConnection] {
  const [inner, theirs] = memoryConnections(options);
  const ours = throttle(inner, {
    download: bucketsOf(rates.download),
    upload: bucketsOf(rates.upload),
  });
  return [ours, inner, theirs];
}

/** Reads until told otherwise, and counts. */
function drain(connection: Connection): { bytes: number } {
  const count = { bytes: 0 };
  const buffer = new Uint8Array(65_536);
  (async () => {
    try {
      for (;;) {
        const length = await connection.read(buffer);
        count.bytes += length ?? NaN;
      }
    } catch (error) {
      if (!(error instanceof NetworkError)) throw error;
    }
  })();
  return count;
}

Deno.test("throttle() gives the connection itself where nothing is limited", () => {
  const [inner] = memoryConnections();
  assertEquals(throttle(inner, { download: [], upload: [] }), inner);
});

Deno.test("throttle() hands on what arrives as it is paid for, and reads no more", async () => {
  using time = new FakeTime();
  const [ours, inner, theirs] = limited({ download: [RATE] });
  const sent = randomBytes(4096, seededRandom(1));
  await theirs.write(sent);
  const buffer = new Uint8Array(4096);
  let got = 0;
  const reading = (async () => {
    while (got < sent.length) {
      got += (await ours.read(buffer.subarray(got)))!;
    }
  })();
  await time.settle();
  const rows: [ms: number, got: number, read: number][] = [
    [0, 512, 1024],
    [499, 512, 1024],
    [1, 1024, 1536],
    [500, 1536, 2048],
    [2500, 4096, 4096],
  ];
  for (const [ms, wanted, read] of rows) {
    await time.advance(ms);
    assertEquals([got, inner.bytesRead], [wanted, read]);
  }
  await reading;
  assertEquals(buffer, sent);
  ours.close();
});

Deno.test("throttle() sends in small parts as they are paid for", async () => {
  using time = new FakeTime();
  const [ours, inner, theirs] = limited({ upload: [RATE] });
  const sent = randomBytes(2000, seededRandom(1));
  let isSent = false;
  const writing = ours.write(sent).then(() => isSent = true);
  const lengths = () => inner.writes.map(({ length }) => length);
  await time.settle();
  assertEquals(lengths(), [512]);
  await time.advance(500);
  assertEquals(lengths(), [512, 512]);
  await time.advance(999);
  assertEquals(isSent, false);
  await time.advance(1);
  assertEquals(lengths(), [512, 512, 512, 464]);
  await writing;
  ours.close();
  assertEquals(await theirs.readAll(), sent);
});

Deno.test("throttle() limits one direction and leaves the other alone", async () => {
  const [ours, inner, theirs] = limited({ upload: [1] }, { capacity: 1 << 20 });
  await theirs.write(new Uint8Array(1 << 20));
  assertEquals(await ours.read(new Uint8Array(1 << 18)), 1 << 18);
  assertEquals(inner.bytesRead, 1 << 18);
  const [other, below] = limited({ download: [1] }, { capacity: 1 << 20 });
  await other.write(new Uint8Array(1 << 20));
  assertEquals(below.writes.map(({ length }) => length), [1 << 20]);
});

Deno.test("throttle() keeps to the tightest of several limits", async () => {
  for (const rates of [[RATE, 10 * RATE], [10 * RATE, RATE]]) {
    using time = new FakeTime();
    const [ours, inner] = limited({ upload: [...rates, Infinity] });
    const writing = ours.write(new Uint8Array(5 * 512));
    await time.advance(1600);
    assertEquals(inner.writes.length, 4);
    await time.advance(400);
    await writing;
    ours.close();
  }
});

Deno.test("throttle() does not split what has no limit now", async () => {
  const [ours, inner] = limited({ upload: [Infinity] });
  await ours.write(new Uint8Array(20_000));
  assertEquals(inner.writes.length, 1);
});

Deno.test("throttle() shares a limit fairly", async () => {
  using time = new FakeTime();
  const download = bucketsOf([20 * RATE]);
  const join = () => {
    const [inner, theirs] = memoryConnections();
    const ours = throttle(inner, { download, upload: [] });
    (async () => {
      try {
        for (;;) await theirs.write(new Uint8Array(10_000));
      } catch (error) {
        if (!(error instanceof NetworkError)) throw error;
      }
    })();
    return { ours, theirs, count: drain(ours) };
  };
  const counts = Array.from({ length: 7 }, join);
  await time.advance(1_000);
  for (const { count } of counts) count.bytes = 0;
  // Who comes later has the same from then on.
  counts.push(join());
  await time.advance(5_000);
  const bytes = counts.map(({ count }) => count.bytes);
  const sum = bytes.reduce((a, b) => a + b);
  assert(Math.abs(sum / (5 * 20 * RATE) - 1) < 0.05, `${sum}`);
  for (const share of bytes) {
    assert(Math.abs(share * 8 / sum - 1) < 0.2, `${bytes}`);
  }
  for (const { ours, theirs } of counts) {
    ours.close();
    theirs.close();
  }
  await time.settle();
});

Deno.test("throttle() ends a wait at once when it is closed", async () => {
  // A byte takes a second: no timer may be left, the sanitizers look for it.
  const [ours, inner, theirs] = limited({ download: [1], upload: [1] });
  await theirs.write(new Uint8Array(2000));
  await ours.read(new Uint8Array(1000));
  const reading = ours.read(new Uint8Array(1000));
  const writing = ours.write(new Uint8Array(2000));
  const failures = Promise.all(
    [reading, writing].map((waiting) =>
      assertRejects(() => waiting, NetworkError, "The connection was closed")
    ),
  );
  ours.close();
  ours.close();
  await failures;
  assert(inner.isClosed);
  await assertRejects(() => ours.read(new Uint8Array(10)), NetworkError);
  await assertRejects(() => ours.write(new Uint8Array(10)), NetworkError);
});

Deno.test("throttle() tells a wait for itself from a wait for the other end", async () => {
  using time = new FakeTime();
  const [ours, , theirs] = limited(
    { download: [RATE], upload: [RATE] },
    { capacity: 1024 },
  );
  assertEquals([ours.heldMs, ours.writingSince], [0, undefined]);
  const writing = ours.write(new Uint8Array(2048));
  await time.advance(900);
  // Two parts fit, and the third waits for its turn.
  assertEquals(ours.writingSince, undefined);
  await time.advance(200);
  const blockedAt = ours.writingSince!;
  assertEquals(blockedAt, time.now - 100);
  for (let i = 0; i < 2; i++) await theirs.read(new Uint8Array(512));
  await time.advance(500);
  assertEquals(ours.writingSince, undefined);
  await writing;

  await theirs.write(new Uint8Array(1024));
  await ours.read(new Uint8Array(512));
  assertEquals(ours.heldMs, 0);
  const reading = ours.read(new Uint8Array(512));
  await time.advance(300);
  assertEquals(ours.heldMs, 300);
  await time.advance(200);
  await reading;
  assertEquals(ours.heldMs, 500);
  // Now it is the other end that is waited for.
  const idle = ours.read(new Uint8Array(512));
  await time.advance(1000);
  assertEquals(ours.heldMs, 500);
  ours.close();
  await assertRejects(() => idle, NetworkError);
});

Deno.test("throttle() passes on where the other end is, and when it ends", async () => {
  const [ours, inner, theirs] = limited({ download: [RATE] });
  assertEquals(ours.remote, inner.remote);
  theirs.close();
  assertEquals(await ours.read(new Uint8Array(10)), null);
  ours.close();
});
