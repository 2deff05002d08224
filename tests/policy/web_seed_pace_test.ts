import { assert, assertEquals } from "@std/assert";
import { WebSeedPace } from "../../src/policy/web_seed_pace.ts";

const MIB = 1024 * 1024;

/** A run in bytes. */
function runOf(pace: WebSeedPace): number {
  return pace.runBlocks * 16_384;
}

/** When it may be asked again, in milliseconds. */
function retryAfter(pace: WebSeedPace, now: number): number {
  let ms = 0;
  while (!pace.mayAsk(now + ms)) ms += 500;
  return ms;
}

Deno.test("WebSeedPace asks for as much as comes in a second", async (t) => {
  const table: [name: string, bytes: number, ms: number, run: number][] = [
    ["at once", MIB, 0, 4 * MIB],
    ["fast", MIB, 10, 4 * MIB],
    ["in half a second", MIB, 500, 2 * MIB],
    ["in two seconds", MIB, 2000, MIB / 2],
    ["very slowly", MIB, 1e9, MIB / 4],
  ];
  for (const [name, bytes, ms, run] of table) {
    await t.step(name, () => {
      const pace = new WebSeedPace();
      assertEquals(runOf(pace), MIB);
      pace.succeeded(bytes, ms);
      assertEquals(runOf(pace), run);
    });
  }
  await t.step("but never for more than 8 MiB", () => {
    const pace = new WebSeedPace();
    for (let i = 0; i < 5; i++) pace.succeeded(MIB, 1);
    assertEquals(runOf(pace), 8 * MIB);
  });
});

Deno.test("WebSeedPace waits longer after every failure", () => {
  const pace = new WebSeedPace();
  const waits: number[] = [];
  let now = 0;
  for (let i = 0; i < 10; i++) {
    pace.failed(now, { hasGiven: false });
    waits.push(retryAfter(pace, now) / 1000);
    now += retryAfter(pace, now);
  }
  assertEquals(waits, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
  pace.succeeded(1, 1);
  pace.failed(now, { hasGiven: false });
  assertEquals(retryAfter(pace, now), 2000);
});

Deno.test("WebSeedPace has patience with who gives a part", () => {
  const pace = new WebSeedPace();
  let now = 0;
  for (let i = 0; i < 5; i++) {
    pace.failed(now, { hasGiven: true });
    assertEquals(retryAfter(pace, now), 2000);
    now += 2000;
  }
});

Deno.test("WebSeedPace counts failures at the same time once", () => {
  const pace = new WebSeedPace();
  for (let i = 0; i < 3; i++) pace.failed(i, { hasGiven: false });
  assert(pace.mayAsk(2000));
});

Deno.test("WebSeedPace keeps to what a busy server says", () => {
  const pace = new WebSeedPace();
  pace.failed(0, { hasGiven: false, retryInMs: 90_000 });
  assertEquals(retryAfter(pace, 0), 90_000);
});

Deno.test("WebSeedPace loses hope after many files that are not there", () => {
  const pace = new WebSeedPace();
  for (let i = 0; i < 9; i++) pace.missed();
  assert(!pace.isHopeless);
  pace.succeeded(1, 1);
  for (let i = 0; i < 9; i++) pace.missed();
  assert(!pace.isHopeless);
  pace.missed();
  assert(pace.isHopeless);
});
