import { assert, assertEquals, assertRejects } from "@std/assert";
import { delay } from "@std/async/delay";
import { TaskGroup } from "../src/task_group.ts";

function forever(signal: AbortSignal): Promise<void> {
  return delay(1_000_000, { signal });
}

Deno.test("TaskGroup aborts the siblings of a task that fails", async () => {
  await using tasks = new TaskGroup();
  tasks.spawn(forever);
  tasks.spawn(() => Promise.reject(new Error("broken")));
  await assertRejects(() => tasks.join(), Error, "broken");
  assert(tasks.signal.aborted);
});

Deno.test("TaskGroup stops every task when its block is left", async () => {
  const ended: string[] = [];
  {
    await using tasks = new TaskGroup();
    for (const name of ["a", "b"]) {
      tasks.spawn((signal) => forever(signal).finally(() => ended.push(name)));
    }
    assertEquals(tasks.size, 2);
  }
  assertEquals(ended, ["a", "b"]);
});

Deno.test("TaskGroup passes the abort of its owner on", async () => {
  const owner = new AbortController();
  await using tasks = new TaskGroup({ signal: owner.signal });
  tasks.spawn(forever);
  owner.abort();
  await tasks.join();
  assertEquals(tasks.size, 0);
});
