import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertGreater,
  assertLess,
} from "@std/assert";
import { BLOCK_LENGTH } from "../../src/metainfo/layout.ts";
import { RequestWindow } from "../../src/policy/request_window.ts";
import { seededRandom } from "../support/seeded_random.ts";
import { type PathOptions, SimulatedPath } from "../support/simulated_path.ts";

const MIB = 1024 * 1024;

/** The paths that must be filled. */
const PATHS: Record<string, Omit<PathOptions, "random">> = {
  "200 Mbit/s, 20 ms": { bytesPerSecond: 25e6, roundTripMs: 20 },
  "200 Mbit/s, 100 ms": { bytesPerSecond: 25e6, roundTripMs: 100 },
  "200 Mbit/s, 300 ms": { bytesPerSecond: 25e6, roundTripMs: 300 },
  "400 Mbit/s, 300 ms": { bytesPerSecond: 50e6, roundTripMs: 300 },
  "1 MiB/s, 20 ms": { bytesPerSecond: MIB, roundTripMs: 20 },
  "1 MiB/s, 300 ms": { bytesPerSecond: MIB, roundTripMs: 300 },
  "10 KiB/s, 20 ms": { bytesPerSecond: 10 * 1024, roundTripMs: 20 },
  "10 KiB/s, 300 ms": { bytesPerSecond: 10 * 1024, roundTripMs: 300 },
};

function pathOf(options: Omit<PathOptions, "random">, seed = 1) {
  const window = new RequestWindow();
  const random = seededRandom(seed);
  return { window, path: new SimulatedPath(window, { ...options, random }) };
}

Deno.test("RequestWindow fills a very long path in the end", () => {
  const { path } = pathOf({ bytesPerSecond: MIB, roundTripMs: 1500 });
  path.run(20_000);
  const share = path.run(120_000);
  assert(share >= 0.9, `only ${share.toFixed(2)} of the line`);
});

Deno.test("RequestWindow does not look for the shortest delay while it sees it", () => {
  const window = new RequestWindow();
  let now = feed(window, { from: 0, count: 100, everyMs: 10, delayMs: 100 });
  const { size } = window;
  for (let i = 0; i < 100; i++) {
    now = feed(window, { from: now, count: 100, everyMs: 10, delayMs: 105 });
    assertEquals(window.size, size);
  }
  // Now it has not been seen for long.
  for (let i = 0; i < 20; i++) {
    now = feed(window, { from: now, count: 100, everyMs: 10, delayMs: 150 });
  }
  assert(window.size > size);
});

/** A second's worth beyond the need, and the least there is. */
function allowed(path: SimulatedPath): number {
  return path.need + path.bytesPerSecond / BLOCK_LENGTH + 4;
}

Deno.test("RequestWindow fills the line after five seconds", async (t) => {
  for (const [name, options] of Object.entries(PATHS)) {
    for (const jitterMs of [0, 20]) {
      await t.step(`${name}, ${jitterMs} ms of chance`, () => {
        const { path } = pathOf({ ...options, jitterMs });
        path.run(5_000);
        const share = path.run(30_000);
        assert(share >= 0.9, `only ${share.toFixed(2)} of the line`);
      });
    }
  }
});

Deno.test("RequestWindow fills the line although requests are lost", async (t) => {
  for (const [name, options] of Object.entries(PATHS)) {
    await t.step(name, () => {
      for (let seed = 1; seed <= 5; seed++) {
        const { path } = pathOf({ ...options, loss: 0.05 }, seed);
        path.run(5_000);
        // Of a slow peer few blocks come, and chance counts for more.
        const share = path.run(options.bytesPerSecond < MIB ? 600_000 : 60_000);
        assert(share >= 0.7, `only ${share.toFixed(2)}, seed ${seed}`);
      }
    });
  }
});

Deno.test("RequestWindow asks for no more than a second's worth beyond the need", async (t) => {
  for (const [name, options] of Object.entries(PATHS)) {
    await t.step(name, () => {
      const { path } = pathOf(options);
      // What it begins with, a very slow peer has to send before.
      path.run(options.bytesPerSecond < MIB ? 60_000 : 5_000);
      path.mostOpen = 0;
      // Long enough for what creeps up to be seen.
      path.run(options.bytesPerSecond > MIB ? 60_000 : 20 * 60_000);
      assert(
        path.mostOpen <= allowed(path),
        `${path.mostOpen} were open, ${path.need.toFixed(1)} are needed`,
      );
    });
  }
});

Deno.test("RequestWindow.size is 500 at most, and 2000 on a long path", () => {
  for (const [roundTripMs, most] of [[1, 500], [50, 2000]] as const) {
    const { path } = pathOf({ bytesPerSecond: 1e9, roundTripMs });
    path.run(10_000);
    assertEquals(path.mostOpen, most);
  }
});

Deno.test("RequestWindow.size leaves 2 MiB of slack where the path is short and fast", () => {
  for (const bytesPerSecond of [5e7, 2e8, 1e9]) {
    const { path, window } = pathOf({ bytesPerSecond, roundTripMs: 1 });
    path.run(10_000);
    assertAlmostEquals(window.size, path.need + 128, 5);
  }
});

Deno.test("RequestWindow.size leaves less slack for each of several fast peers", () => {
  const sizes = [1, 2, 4, 8, 50].map((serving) => {
    const window = new RequestWindow();
    // 160 MB/s over 2 ms: 20 blocks are on their way.
    feed(window, { from: 0, count: 5000, everyMs: 0.1, delayMs: 2, serving });
    return window.size;
  });
  assertEquals(sizes, [148, 84, 52, 52, 52]);
});

Deno.test("RequestWindow follows a line that becomes slower", async (t) => {
  for (const roundTripMs of [20, 100, 300]) {
    await t.step(`${roundTripMs} ms`, () => {
      const { path } = pathOf({ bytesPerSecond: 10 * MIB, roundTripMs });
      path.run(10_000);
      path.bytesPerSecond /= 10;
      path.run(10_000);
      path.mostOpen = 0;
      const share = path.run(10_000);
      assert(share > 0.9, share.toFixed(2));
      assert(path.mostOpen <= allowed(path), `${path.mostOpen} were open`);
    });
  }
});

Deno.test("RequestWindow follows a line that becomes faster", async (t) => {
  for (const roundTripMs of [20, 100, 300]) {
    await t.step(`${roundTripMs} ms`, () => {
      const { path } = pathOf({ bytesPerSecond: MIB, roundTripMs });
      path.run(10_000);
      path.bytesPerSecond *= 10;
      path.run(5_000);
      const share = path.run(5_000);
      assert(share > 0.9, share.toFixed(2));
    });
  }
});

Deno.test("RequestWindow follows a path that becomes longer", async (t) => {
  for (const roundTripMs of [20, 100, 300]) {
    for (const factor of [2, 4]) {
      await t.step(`${roundTripMs} ms times ${factor}`, () => {
        const { path } = pathOf({ bytesPerSecond: MIB, roundTripMs });
        path.run(10_000);
        path.roundTripMs *= factor;
        path.run(10_000);
        path.mostOpen = 0;
        const share = path.run(20_000);
        assert(share > 0.9, share.toFixed(2));
        assert(path.mostOpen <= allowed(path), `${path.mostOpen} were open`);
      });
    }
  }
});

Deno.test("RequestWindow fills a line that eight peers share, and does not swamp it", () => {
  const bytesPerSecond = 25e6;
  const line = { freeAt: 0 };
  const paths = [10, 20, 40, 80, 120, 160, 240, 300].map((roundTripMs, i) =>
    pathOf({ bytesPerSecond, roundTripMs, line, loss: 0.01 }, i + 1).path
  );
  let [mostOpen, before] = [0, 0];
  const bytes = () => paths.reduce((sum, path) => sum + path.bytes, 0);
  for (let ms = 0; ms < 60_000; ms++) {
    // Each in turn is the first to find the line free.
    for (let i = 0; i < paths.length; i++) {
      paths[(ms + i) % paths.length]!.run(1);
    }
    if (ms < 5_000) continue;
    if (ms === 5_000) before = bytes();
    const open = paths.reduce((sum, path) => sum + path.openCount, 0);
    mostOpen = Math.max(mostOpen, open);
  }
  const share = (bytes() - before) / (bytesPerSecond * 55);
  assert(share >= 0.9, `only ${share.toFixed(2)} of the line`);
  // All of it is here within two seconds: nobody else would wait for longer.
  const inTwoSeconds = 2 * bytesPerSecond / BLOCK_LENGTH;
  assert(mostOpen <= inTwoSeconds, `${mostOpen} were open`);
});

Deno.test("RequestWindow follows a path that becomes shorter", () => {
  const { path } = pathOf({ bytesPerSecond: MIB, roundTripMs: 400 });
  path.run(10_000);
  path.roundTripMs = 20;
  path.run(40_000);
  path.mostOpen = 0;
  assert(path.run(10_000) > 0.9);
  assert(path.mostOpen <= 20, `${path.mostOpen} were open`);
});

/** Blocks that come one after the other, each as long on its way. */
function feed(
  window: RequestWindow,
  { from, count, everyMs, delayMs, serving = 1 }: {
    from: number;
    count: number;
    everyMs: number;
    delayMs: number;
    serving?: number;
  },
): number {
  let now = from;
  for (let i = 0; i < count; i++) {
    now += everyMs;
    window.received(BLOCK_LENGTH, { askedAt: now - delayMs, now, serving });
  }
  return now;
}

Deno.test("RequestWindow.size doubles with each trip until the rate grows no more", () => {
  const window = new RequestWindow();
  const sizes = [window.size];
  let now = 100;
  const trip = (count: number) => {
    now = feed(window, {
      from: now,
      count,
      everyMs: 100 / count,
      delayMs: 100,
    });
    sizes.push(window.size);
  };
  for (const count of [16, 32, 64, 128]) trip(count);
  assertEquals(sizes, [16, 32, 64, 128, 256]);
  for (let i = 0; i < 5; i++) trip(128);
  // 128 blocks a trip, and as much as slack.
  assertAlmostEquals(sizes.at(-1)!, 2 * 128, 5);
});

Deno.test("RequestWindow learns no delay from a block that was asked for twice", () => {
  const sizes = [undefined, 3].map((delayMs) => {
    const { path, window } = pathOf({ bytesPerSecond: 25e6, roundTripMs: 300 });
    // Asked for before a choke and after it, it comes at once as it seems.
    const askedAt = delayMs && path.now - delayMs;
    for (let i = 0; i < 16; i++) {
      window.received(BLOCK_LENGTH, { askedAt, now: path.now });
    }
    path.run(10_000);
    return window.size;
  });
  assertGreater(sizes[0]!, 800);
  // So much does one delay matter that was not one.
  assertLess(sizes[1]!, 200);
});

Deno.test("RequestWindow.latency is the usual delay", () => {
  const window = new RequestWindow();
  assertEquals(window.latency, undefined);
  feed(window, { from: 0, count: 1, everyMs: 80, delayMs: 80 });
  assertEquals(window.latency, 80);
  feed(window, { from: 80, count: 60, everyMs: 10, delayMs: 200 });
  assertAlmostEquals(window.latency!, 200, 1);
});

Deno.test("RequestWindow.lateAfter is three delays, and a second at least", () => {
  const window = new RequestWindow();
  assertEquals(window.lateAfter, 30_000);
  feed(window, { from: 0, count: 1, everyMs: 100, delayMs: 100 });
  assertEquals(window.lateAfter, 1000);
  feed(window, { from: 100, count: 100, everyMs: 10, delayMs: 500 });
  assertAlmostEquals(window.lateAfter, 1500, 10);
});

Deno.test("RequestWindow.stalled() leaves one block, until the peer sends again", () => {
  const { path, window } = pathOf({ bytesPerSecond: MIB, roundTripMs: 100 });
  path.run(5_000);
  const { size } = window;
  window.stalled();
  assertEquals(window.size, 1);
  feed(window, { from: path.now, count: 1, everyMs: 1, delayMs: 100 });
  assertEquals(window.size, 2);
  path.run(5_000);
  assertAlmostEquals(window.size, size, 3);
});

Deno.test("RequestWindow.resumed() keeps a pause out of the rate", () => {
  const steady = { everyMs: 10, delayMs: 100 };
  const [told, untold] = [true, false].map((isTold) => {
    const window = new RequestWindow();
    const now = feed(window, { from: 0, count: 200, ...steady });
    const before = window.size;
    if (isTold) window.resumed();
    feed(window, { from: now + 5_000, count: 1, ...steady });
    return { before, after: window.size };
  });
  assertEquals(told!.after, told!.before);
  assert(untold!.after < untold!.before);
});

Deno.test("RequestWindow.size is what our own limit lets through in two seconds at most", () => {
  const rows: [maxBytesPerSecond: number, size: number][] = [
    [1024, 3],
    [10 * 1024, 3],
    [100 * 1024, 13],
    [MIB, 16],
  ];
  for (const [maxBytesPerSecond, size] of rows) {
    const window = new RequestWindow({ maxBytesPerSecond });
    assertEquals(window.size, size);
  }
  const window = new RequestWindow({ maxBytesPerSecond: MIB });
  feed(window, { from: 0, count: 1000, everyMs: 1, delayMs: 100 });
  assertEquals(window.size, 128);
  window.stalled();
  assertEquals(window.size, 1);
});
