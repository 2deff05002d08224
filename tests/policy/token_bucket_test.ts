import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { TokenBucket } from "../../src/policy/token_bucket.ts";
import { seededRandom } from "../support/seeded_random.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

Deno.test("TokenBucket.take() lets pass at once what the rate allows, then later", () => {
  // 1000 bytes a second: a byte takes a millisecond.
  const bucket = new TokenBucket(1000);
  const rows: [now: number, bytes: number, wait: number][] = [
    // The first goes at once, and with it all that is behind it for 20 ms.
    [5_000, 10, 0],
    [5_000, 10, 0],
    [5_000, 100, 0],
    [5_000, 512, 120],
    // First come, first served.
    [5_000, 1, 632],
    [5_600, 100, 33],
    // All is paid for.
    [5_733, 50, 0],
    [5_733, 50, 50],
    // Who did not take for long may make up for 200 ms, and no more.
    [9_000, 150, 0],
    [9_000, 60, 0],
    [9_000, 20, 0],
    [9_000, 1, 30],
  ];
  for (const [now, bytes, wait] of rows) {
    assertEquals(bucket.take(bytes, now), wait, `${bytes} at ${now}`);
  }
});

Deno.test("TokenBucket.take() makes nobody wait without a limit", () => {
  const bucket = new TokenBucket(Infinity);
  for (let i = 0; i < 1000; i++) assertEquals(bucket.take(1e9, i), 0);
  assertEquals(bucket.quantum, Infinity);
});

Deno.test("TokenBucket.bytesPerSecond can change", () => {
  const bucket = new TokenBucket(1000);
  bucket.take(100, 0);
  bucket.bytesPerSecond = 100;
  assertEquals(bucket.bytesPerSecond, 100);
  // What was reserved at the old rate stays as it was.
  assertEquals(bucket.take(10, 0), 100);
  assertEquals(bucket.take(10, 0), 200);
  bucket.bytesPerSecond = Infinity;
  assertEquals(bucket.take(1e6, 0), 0);
  bucket.bytesPerSecond = 1000;
  assertEquals(bucket.take(10, 0), 300);
});

Deno.test("TokenBucket.quantum is a hundredth of a second's worth, within bounds", () => {
  const rows: [bytesPerSecond: number, quantum: number][] = [
    [1, 512],
    [10 * KIB, 512],
    [50 * KIB, 512],
    [100 * KIB, 1024],
    [MIB, 10_485],
    [10 * MIB, 104_857],
    [100 * MIB, 256 * KIB],
    [1000 * MIB, 256 * KIB],
  ];
  for (const [bytesPerSecond, quantum] of rows) {
    assertEquals(new TokenBucket(bytesPerSecond).quantum, quantum);
  }
});

/** Takers that always want more, and whose timers are late. */
function passed(
  bucket: TokenBucket,
  options: { takers: number; ms: number; random: () => number },
): { at: number; taker: number; bytes: number }[] {
  const { takers, ms, random } = options;
  const wakings = Array.from({ length: takers }, () => 0);
  const passings: { at: number; taker: number; bytes: number }[] = [];
  while (true) {
    const now = Math.min(...wakings);
    if (now > ms) return passings.sort((a, b) => a.at - b.at);
    const taker = wakings.indexOf(now);
    // Not everybody always finds as much.
    const bytes = Math.ceil(bucket.quantum * (0.5 + random() / 2));
    const wait = bucket.take(bytes, now);
    // Mostly a little late, now and then much.
    const late = random() < 0.01 ? 150 * random() : 3 * random();
    const at = wait > 0 ? now + wait + late : now;
    passings.push({ at, taker, bytes });
    // What was let pass takes a moment.
    wakings[taker] = at + random();
  }
}

Deno.test("TokenBucket keeps its rate over ten seconds, whoever takes", async (t) => {
  for (const rate of [10 * KIB, 100 * KIB, MIB, 10 * MIB, 100 * MIB]) {
    for (const takers of [1, 4, 50]) {
      await t.step(`${rate / KIB} KiB/s, ${takers} takers`, () => {
        for (let seed = 1; seed <= 3; seed++) {
          const random = seededRandom(seed);
          const bucket = new TokenBucket(rate);
          const all = passed(bucket, { takers, ms: 30_000, random });
          for (const start of [0, 5_000, 17_000]) {
            const bytes = all
              .filter(({ at }) => at >= start && at < start + 10_000)
              .reduce((sum, { bytes }) => sum + bytes, 0);
            assertAlmostEquals(
              bytes / (10 * rate),
              1,
              0.05,
              `seed ${seed}, from ${start} ms`,
            );
          }
        }
      });
    }
  }
});

Deno.test("TokenBucket gives everybody about the same", async (t) => {
  for (const rate of [10 * KIB, MIB, 100 * MIB]) {
    await t.step(`${rate / KIB} KiB/s`, () => {
      const takers = 20;
      const all = passed(new TokenBucket(rate), {
        takers,
        ms: 60_000,
        random: seededRandom(1),
      });
      const shares = new Array<number>(takers).fill(0);
      for (const { taker, bytes } of all) shares[taker]! += bytes;
      const [least, most] = [Math.min(...shares), Math.max(...shares)];
      assert(least > 0.8 * most, `${least} and ${most}`);
    });
  }
});
