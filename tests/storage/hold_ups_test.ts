import { assert, assertEquals } from "@std/assert";
import { HoldUps } from "../../src/storage/hold_ups.ts";

/** How many of a row of reads go off the loop. */
function spared(
  reads: number,
  durationOf: (read: number) => number,
  { pauseMs = 0 } = {},
): number {
  const holdUps = new HoldUps();
  let now = 1_000_000;
  let count = 0;
  for (let read = 0; read < reads; read++) {
    const duration = durationOf(read);
    now += duration + pauseMs;
    if (holdUps.isSlow) {
      holdUps.spared();
      count++;
    } else {
      holdUps.add(duration, now);
    }
  }
  return count;
}

Deno.test("HoldUps spares the loop on a slow disk nine reads of ten", () => {
  const count = spared(10_000, () => 15);
  assert(count > 8_500, `${count} of 10000`);
});

Deno.test("HoldUps spares the loop at once when the disk has to wake up", () => {
  assertEquals(spared(2, () => 3_000), 1);
});

Deno.test("HoldUps spares no read that comes from the cache", () => {
  assertEquals(spared(10_000, () => 0.1), 0);
  assertEquals(spared(10_000, () => 9), 0);
});

Deno.test("HoldUps takes turns that are lost on a busy machine for no slow disk", () => {
  const isLost = (read: number) => read % 500 === 499;
  const count = spared(10_000, (read) => isLost(read) ? 25 : 0.6);
  assertEquals(count, 0);
});

Deno.test("HoldUps tries it again when the disk is fast again", () => {
  const count = spared(10_000, (read) => read < 100 ? 15 : 0.1);
  assert(count < 150, `${count} of 10000`);
});
