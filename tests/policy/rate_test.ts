import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { RateMeter } from "../../src/policy/rate.ts";
import { seededRandom } from "../support/seeded_random.ts";

/** Adds bytes in steps, from one time to another. */
function pour(
  meter: RateMeter,
  { from, to, bytesPerSecond, everyMs }: {
    from: number;
    to: number;
    bytesPerSecond: number;
    everyMs: number;
  },
): void {
  for (let now = from; now < to; now += everyMs) {
    meter.add(bytesPerSecond * everyMs / 1000, now);
  }
}

Deno.test("RateMeter knows nothing before the first byte", () => {
  const meter = new RateMeter();
  assertEquals([meter.total, meter.bytesPerSecond(0)], [0, 0]);
  assertEquals(meter.bytesPerSecond(1e9), 0);
});

Deno.test("RateMeter.total counts every byte", () => {
  const meter = new RateMeter();
  for (const now of [0, 10, 10_000, 1e9]) meter.add(16_384, now);
  assertEquals(meter.total, 4 * 16_384);
});

Deno.test("RateMeter.bytesPerSecond() tells a steady rate, whenever it is asked", () => {
  for (const start of [0, 123.4, 1e9 + 0.5]) {
    const meter = new RateMeter();
    for (let second = 0; second < 10; second++) {
      const from = start + second * 1000;
      pour(meter, { from, to: from + 1000, bytesPerSecond: 1e6, everyMs: 5 });
      assertAlmostEquals(meter.bytesPerSecond(from + 1000), 1e6, 3e4);
    }
  }
});

Deno.test("RateMeter.bytesPerSecond() does not start from an empty window", () => {
  const meter = new RateMeter();
  pour(meter, { from: 5000, to: 5500, bytesPerSecond: 1e6, everyMs: 5 });
  assertAlmostEquals(meter.bytesPerSecond(5500), 1e6, 3e4);
});

Deno.test("RateMeter.bytesPerSecond() does not take the first block for a rate of its own", () => {
  const meter = new RateMeter();
  meter.add(16_384, 1000);
  // As if it had taken a quarter of a second, however short it was.
  assertEquals(meter.bytesPerSecond(1000), 65_536);
  assertEquals(meter.bytesPerSecond(1001), 65_536);
  assertEquals(meter.bytesPerSecond(2000), 16_384);
});

Deno.test("RateMeter.bytesPerSecond() spreads a burst over three seconds", () => {
  const meter = new RateMeter();
  pour(meter, { from: 0, to: 10_000, bytesPerSecond: 1000, everyMs: 100 });
  meter.add(3e6, 10_000);
  assertAlmostEquals(meter.bytesPerSecond(10_100), 1e6, 1e5);
  assertAlmostEquals(meter.bytesPerSecond(12_700), 1e6, 1e5);
  assertEquals(meter.bytesPerSecond(13_000), 0);
});

Deno.test("RateMeter.bytesPerSecond() falls to nothing in a pause", () => {
  const meter = new RateMeter();
  pour(meter, { from: 0, to: 10_000, bytesPerSecond: 1e6, everyMs: 10 });
  const rates = [0, 500, 1000, 1500, 2000, 2500].map((pause) =>
    meter.bytesPerSecond(10_000 + pause)
  );
  for (const [i, rate] of rates.entries()) {
    assert(i === 0 || rate < rates[i - 1]!, rates.join(" "));
  }
  assertEquals(meter.bytesPerSecond(13_000), 0);
  assertEquals(meter.bytesPerSecond(1e9), 0);
  // After it, the rate is that of the last three seconds again.
  pour(meter, { from: 2e9, to: 2e9 + 3000, bytesPerSecond: 1e6, everyMs: 10 });
  assertAlmostEquals(meter.bytesPerSecond(2e9 + 3000), 1e6, 3e4);
});

Deno.test("RateMeter.bytesPerSecond() is what came in the window, by its length", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = seededRandom(seed);
    const meter = new RateMeter();
    const came: [now: number, bytes: number][] = [];
    let now = random() * 1e6;
    for (let i = 0; i < 100; i++) {
      now += random() ** 6 * 4000;
      const bytes = Math.floor(random() * 20_000);
      meter.add(bytes, now);
      came.push([now, bytes]);
      // A window of eleven quarters of a second and what has begun of one.
      const from = (Math.floor(now / 250) - 11) * 250;
      const bytesInWindow = came
        .filter(([at]) => at >= from)
        .reduce((sum, [, bytes]) => sum + bytes, 0);
      const ms = Math.max(250, Math.min(now - came[0]![0], now - from));
      assertAlmostEquals(
        meter.bytesPerSecond(now),
        bytesInWindow * 1000 / ms,
        1e-3,
        `seed ${seed}`,
      );
    }
  }
});
