import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { MIN_SLOTS, UploadSlots } from "../../src/policy/upload_slots.ts";
import { seededRandom } from "../support/seeded_random.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

Deno.test("UploadSlots.next() follows the rate while there are enough", () => {
  const rows: [bytesPerSecond: number, slots: number][] = [
    [0, 4],
    [10 * KIB, 4],
    [50 * KIB, 5],
    [200 * KIB, 11],
    [MIB, 25],
    [10 * MIB, 78],
    [100 * MIB, 100],
    [10_000 * MIB, 100],
  ];
  for (const [sentPerSecond, count] of rows) {
    const slots = new UploadSlots();
    assertEquals(slots.count, MIN_SLOTS);
    for (let i = 0; i < 3; i++) {
      assertEquals(slots.next({ sentPerSecond, isShort: false }), count);
    }
    assertEquals(slots.count, count);
  }
});

Deno.test("UploadSlots.next() rises at once and falls slowly", () => {
  const slots = new UploadSlots();
  const counts = [0, MIB, 0, 0, 0, 0].map((sentPerSecond) =>
    slots.next({ sentPerSecond, isShort: false })
  );
  assertEquals(counts, [4, 25, 21, 19, 16, 14]);
});

/** How many slots there are in the end, with a line and peers of one kind. */
function settle(
  options: { line: number; each: number; rounds: number; noise?: number },
): number[] {
  const { line, each, rounds, noise = 0 } = options;
  const random = seededRandom(1);
  const slots = new UploadSlots();
  const counts: number[] = [];
  let sentPerSecond = 0;
  for (let round = 0; round < rounds; round++) {
    const count = slots.next({ sentPerSecond, isShort: true });
    const chance = 1 + noise * (2 * random() - 1);
    sentPerSecond = Math.min(line, count * each) * chance;
    counts.push(count);
  }
  return counts;
}

Deno.test("UploadSlots.next() finds room for many slow peers on a fast line", () => {
  // The rule alone would stay at 5 slots, with 50 of 1024 KiB/s.
  const counts = settle({ line: MIB, each: 10 * KIB, rounds: 60 });
  assert(counts.at(-1)! >= 40, `${counts}`);
});

Deno.test("UploadSlots.next() does not grow beyond the rule on a full line", () => {
  for (const noise of [0, 0.05, 0.2]) {
    const counts = settle({ line: MIB, each: MIB, rounds: 720, noise });
    const usual = counts.slice(10).reduce((a, b) => a + b) / 710;
    assertLessOrEqual(usual, 28, `with noise ${noise}`);
    assertLessOrEqual(Math.max(...counts), 34, `with noise ${noise}`);
  }
});

Deno.test("UploadSlots.next() changes little while the rate stays", () => {
  const counts = settle({ line: MIB, each: MIB, rounds: 70 }).slice(10);
  const changes = counts.filter((count, i) => i > 0 && count !== counts[i - 1]);
  // One trial in seven rounds, there and back.
  assertLessOrEqual(changes.length, 20);
});

Deno.test("UploadSlots.next() forgets at the cap what it could not open", () => {
  const slots = new UploadSlots();
  for (let i = 0; i < 200; i++) {
    slots.next({ sentPerSecond: 100 * MIB * (1 + i), isShort: true });
  }
  let count = slots.count;
  for (let i = 0; i < 80; i++) {
    count = slots.next({ sentPerSecond: 0, isShort: false });
  }
  assertLessOrEqual(count, 5);
});
