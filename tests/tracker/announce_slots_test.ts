import { assertEquals, assertRejects } from "@std/assert";
import { AnnounceSlots } from "../../src/tracker/announce_slots.ts";
import { FakeClock, settled } from "../support/fake_tracker.ts";

const NEVER = new AbortController().signal;

/** Tasks that note when they begin, and end when the test says so. */
class Stage {
  readonly clock = new FakeClock();
  readonly slots = new AnnounceSlots({ count: 2, clock: this.clock });
  /** Who has begun. */
  readonly begun: string[] = [];
  readonly #ends = new Map<string, PromiseWithResolvers<void>>();

  run(name: string, signal = NEVER): Promise<string> {
    return this.slots.run(async () => {
      this.begun.push(name);
      const end = Promise.withResolvers<void>();
      this.#ends.set(name, end);
      await end.promise;
      return name;
    }, { signal });
  }

  async end(name: string, error?: Error): Promise<void> {
    if (error) this.#ends.get(name)!.reject(error);
    else this.#ends.get(name)!.resolve();
    await settled();
  }
}

Deno.test("AnnounceSlots lets so many do something at a time, in their order", async () => {
  const stage = new Stage();
  const tasks = ["a", "b", "c", "d"].map((name) => stage.run(name));
  await settled();
  assertEquals(stage.begun, ["a", "b"]);
  await stage.end("b");
  assertEquals(stage.begun, ["a", "b", "c"]);
  const failing = assertRejects(() => tasks[0]!, Error, "no");
  await stage.end("a", new Error("no"));
  await failing;
  assertEquals(stage.begun, ["a", "b", "c", "d"]);
  await stage.end("c");
  await stage.end("d");
  assertEquals(await Promise.all(tasks.slice(1)), ["b", "c", "d"]);
  assertEquals(stage.clock.waiting, 0);
  // All places are free again.
  const more = ["e", "f"].map((name) => stage.run(name));
  await settled();
  assertEquals(stage.begun.slice(4), ["e", "f"]);
  await stage.end("e");
  await stage.end("f");
  await Promise.all(more);
});

Deno.test("AnnounceSlots: who is silent for 15 seconds keeps nobody out", async () => {
  const stage = new Stage();
  const tasks = ["a", "b", "c"].map((name) => stage.run(name));
  await stage.clock.advance(14.999);
  assertEquals(stage.begun, ["a", "b"]);
  await stage.clock.advance(0.001);
  assertEquals(stage.begun, ["a", "b", "c"]);
  // The place was given back once, not twice.
  const more = ["d", "e"].map((name) => stage.run(name));
  await settled();
  assertEquals(stage.begun, ["a", "b", "c", "d"]);
  await stage.end("a");
  assertEquals(stage.begun, ["a", "b", "c", "d"]);
  await stage.end("c");
  assertEquals(stage.begun, ["a", "b", "c", "d", "e"]);
  for (const name of ["b", "d", "e"]) await stage.end(name);
  await Promise.all([...tasks, ...more]);
  assertEquals(stage.clock.waiting, 0);
});

Deno.test("AnnounceSlots: who gives up leaves the line", async () => {
  const stage = new Stage();
  const abort = new AbortController();
  const tasks = ["a", "b"].map((name) => stage.run(name));
  const failing = assertRejects(
    () => stage.run("c", abort.signal),
    Error,
    "enough",
  );
  const last = stage.run("d");
  await settled();
  abort.abort(new Error("enough"));
  await failing;
  await stage.end("a");
  assertEquals(stage.begun, ["a", "b", "d"]);
  await stage.end("b");
  await stage.end("d");
  await Promise.all([...tasks, last]);
  await assertRejects(() => stage.run("e", abort.signal), Error, "enough");
  assertEquals(stage.begun, ["a", "b", "d"]);
});
