import { assert, assertEquals } from "@std/assert";
import { Turns } from "../src/turns.ts";

Deno.test("Turns.pause() lets timers have their turn", async () => {
  let isDue = false;
  setTimeout(() => isDue = true, 1);
  // Microtasks alone would never end.
  for (let i = 0; i < 1e6 && !isDue; i++) {
    await new Turns().pause(performance.now());
  }
  assert(isDue);
});

Deno.test("Turns.pause() is one pause for everybody", async () => {
  const turns = new Turns();
  const pause = turns.pause(performance.now());
  assert(pause !== undefined);
  assert(turns.pause(performance.now()) === pause);
  await pause;
});

Deno.test("Turns.pause() lets us go on for 20 ms after each turn", async () => {
  const turns = new Turns();
  const before = performance.now();
  await turns.pause(before);
  assertEquals(turns.pause(before + 19), undefined);
  const after = performance.now();
  const pause = turns.pause(after + 20);
  assert(pause !== undefined);
  await pause;
});
