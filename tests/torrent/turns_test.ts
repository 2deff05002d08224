import { assert, assertEquals } from "@std/assert";
import { Turns } from "../../src/torrent/turns.ts";

Deno.test("Turns.pause() lets timers go first, once for everybody", async () => {
  const turns = new Turns();
  const order: string[] = [];
  setTimeout(() => order.push("timer"), 0);
  const pause = turns.pause(performance.now());
  assert(turns.pause(performance.now()) === pause);
  await pause!.then(() => order.push("we"));
  assertEquals(order, ["timer", "we"]);
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
