import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { ConnectionBudget } from "../../src/policy/connection_budget.ts";
import { seededRandom } from "../support/seeded_random.ts";

/** Takes until nothing more is given. */
function fill(budget: ConnectionBudget<string>, key: string): number {
  while (budget.take(key));
  return budget.usedBy(key);
}

/** What every torrent has, after each has let go what it should. */
function settle(
  budget: ConnectionBudget<string>,
  keys: readonly string[],
): number[] {
  for (let round = 0; round < 100; round++) {
    for (const key of keys) {
      if (budget.isOverdrawn(key)) budget.release(key);
      budget.take(key);
    }
  }
  return keys.map((key) => budget.usedBy(key));
}

Deno.test("ConnectionBudget.take() gives as many as there are, to anybody", () => {
  const budget = new ConnectionBudget<string>(10);
  assertEquals(fill(budget, "a"), 10);
  assertEquals(budget.used, 10);
  assert(!budget.isOverdrawn("a"), "nobody else wants any");
  budget.release("a");
  assertEquals(budget.used, 9);
  assert(budget.take("a"));
  assert(!budget.take("a"));
});

Deno.test("ConnectionBudget keeps what comes free for who asked in vain", () => {
  const budget = new ConnectionBudget<string>(10);
  fill(budget, "a");
  assert(!budget.take("b"));
  budget.release("a");
  assert(!budget.take("a"), "it is kept for b");
  assert(budget.take("b"));
  assertEquals([budget.usedBy("a"), budget.usedBy("b")], [9, 1]);
  // b has not asked in vain since, so a may take what comes free.
  budget.release("a");
  assert(budget.take("a"));
});

Deno.test("ConnectionBudget.isOverdrawn() brings everybody to an equal share", () => {
  const budget = new ConnectionBudget<string>(10);
  fill(budget, "a");
  assertEquals(settle(budget, ["a", "b"]), [5, 5]);
  assertEquals(settle(budget, ["a", "b", "c"]).sort(), [3, 3, 4]);
  const had = budget.usedBy("b");
  budget.close("b");
  assertEquals(budget.used, 10 - had);
  const [a, , c] = settle(budget, ["a", "b", "c"]);
  assert(a! >= 3 && c! >= 3);
  assertEquals(budget.used, 10);
});

Deno.test("ConnectionBudget leaves who wants little alone, and gives the rest", () => {
  const budget = new ConnectionBudget<string>(10);
  budget.take("small");
  assertEquals(fill(budget, "a"), 9);
  assert(!budget.isOverdrawn("a"));
  assert(!budget.isOverdrawn("small"));
  assert(!budget.isOverdrawn("unknown"));
});

Deno.test("ConnectionBudget.release() of what nobody took is nothing", () => {
  const budget = new ConnectionBudget<string>(2);
  budget.release("a");
  budget.take("a");
  budget.release("a");
  budget.release("a");
  budget.close("b");
  assertEquals(budget.used, 0);
  assertEquals(fill(budget, "a"), 2);
});

Deno.test("ConnectionBudget with more torrents than connections spends all", () => {
  const budget = new ConnectionBudget<string>(3);
  const keys = ["a", "b", "c", "d", "e"];
  fill(budget, "c");
  // One each, as far as it goes.
  assertEquals(settle(budget, keys).sort(), [0, 0, 1, 1, 1]);
});

/**
 * Whatever torrents do, no more connections are given than there are, the
 * numbers agree, and whoever keeps asking has its share in the end.
 */
Deno.test("ConnectionBudget starves nobody, whatever torrents do", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = seededRandom(seed);
    const below = (limit: number) => Math.floor(random() * limit);
    const limit = 1 + below(40);
    const budget = new ConnectionBudget<string>(limit);
    const keys = ["a", "b", "c", "d", "e"].slice(0, 1 + below(5));
    const counts = new Map(keys.map((key) => [key, 0]));
    for (let step = 0; step < 300; step++) {
      const key = keys[below(keys.length)]!;
      const roll = random();
      if (roll < 0.6) {
        if (budget.take(key)) counts.set(key, counts.get(key)! + 1);
      } else if (roll < 0.95) {
        if (counts.get(key)! === 0) continue;
        budget.release(key);
        counts.set(key, counts.get(key)! - 1);
      } else {
        budget.close(key);
        counts.set(key, 0);
      }
      const where = `seed ${seed}, step ${step}`;
      for (const [key, count] of counts) {
        assertEquals(budget.usedBy(key), count, where);
      }
      const sum = [...counts.values()].reduce((a, b) => a + b);
      assertEquals(budget.used, sum, where);
      assertLessOrEqual(sum, limit, where);
    }
    const share = Math.floor(limit / keys.length);
    const settled = settle(budget, keys);
    assert(Math.min(...settled) >= share, `seed ${seed}: ${settled}`);
    assertEquals(budget.used, limit, `seed ${seed}: ${settled}`);
  }
});
