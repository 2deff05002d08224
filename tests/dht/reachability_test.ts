import { assert, assertEquals } from "@std/assert";
import { Reachability } from "../../src/dht/reachability.ts";

const MINUTE_MS = 60_000;

function host(number: number) {
  return { hostname: `8.8.8.${number}`, port: 1 };
}

/** Somebody who has talked to some hosts, at the start. */
function talker(count = 20): Reachability {
  const reachability = new Reachability();
  for (let i = 0; i < count; i++) reachability.sent(host(i), 0);
  return reachability;
}

function isReadOnly(reachability: Reachability, minutes: number): boolean {
  return reachability.isReadOnly(minutes * MINUTE_MS);
}

Deno.test("Reachability: whom no stranger asks for ten minutes is read-only", () => {
  const alone = talker();
  // Those whom we talked to prove nothing.
  alone.queried(host(3), 5 * MINUTE_MS);
  assertEquals([0, 9.9, 10].map((at) => isReadOnly(alone, at)), [
    ...[false, false, true],
  ]);
});

Deno.test("Reachability: a stranger proves that we can be reached, for an hour", () => {
  const reached = talker();
  reached.queried(host(99), 5 * MINUTE_MS);
  assertEquals([10, 64.9, 65].map((at) => isReadOnly(reached, at)), [
    ...[false, false, true],
  ]);
  reached.queried(host(98), 70 * MINUTE_MS);
  assert(!isReadOnly(reached, 70));
});

Deno.test("Reachability: who is read-only tries again after an hour", () => {
  const alone = talker();
  const states = [10, 69.9, 70, 79.9, 80, 139, 140]
    .map((at) => isReadOnly(alone, at));
  assertEquals(states, [true, true, false, false, true, true, false]);
});

Deno.test("Reachability: few hosts, or neighbours, tell nothing", () => {
  assert(!isReadOnly(talker(19), 60));
  assert(!isReadOnly(new Reachability(), 60));
  const neighbours = new Reachability();
  for (let i = 0; i < 100; i++) {
    neighbours.sent({ hostname: `192.168.0.${i}`, port: 1 }, 0);
  }
  assert(!isReadOnly(neighbours, 60));
  const alone = talker();
  alone.queried({ hostname: "192.168.0.1", port: 1 }, 5 * MINUTE_MS);
  assert(isReadOnly(alone, 10));
});

Deno.test("Reachability: another address is another chance", () => {
  const alone = talker();
  alone.reset(20 * MINUTE_MS);
  assert(!isReadOnly(alone, 29));
  assert(isReadOnly(alone, 30));
});
