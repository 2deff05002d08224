import { assert, assertEquals } from "@std/assert";
import { Bitfield } from "../../src/bytes/bitfield.ts";
import { RarityRow } from "../../src/policy/rarity_row.ts";
import { seededRandom } from "../support/seeded_random.ts";

function setOf(length: number, indices: Iterable<number>): Bitfield {
  const set = new Bitfield(length);
  for (const index of indices) set.add(index);
  return set;
}

function full(length: number): Bitfield {
  const set = new Bitfield(length);
  set.fill();
  return set;
}

/** The whole row in its order, told by taking one after the other out. */
function orderOf(row: RarityRow, length: number): number[] {
  const rest = full(length);
  const order: number[] = [];
  for (
    let index = row.first(rest);
    index !== undefined;
    index = row.first(rest)
  ) {
    order.push(index);
    rest.delete(index);
  }
  return order;
}

Deno.test("RarityRow.first() searches from a part of the row on, and around", () => {
  const row = new RarityRow(setOf(8, [1, 3, 4, 6]), () => 0.999);
  const order = orderOf(row, 8);
  assertEquals([...order].sort(), [1, 3, 4, 6]);
  assertEquals(row.length, 4);
  const all = full(8);
  assertEquals(
    [0, 0.25, 0.5, 0.75, 0.999].map((from) => row.first(all, { from })),
    [...order, order[3]],
  );
  const one = setOf(8, [order[1]!]);
  assertEquals(row.first(one, { from: 0.75 }), order[1]);
  assertEquals(row.first(new Bitfield(8)), undefined);
  assertEquals(row.first(setOf(8, [0, 2, 5, 7])), undefined);
});

Deno.test("RarityRow.first() passes over what it is told to", () => {
  const row = new RarityRow(setOf(8, [1, 3, 4, 6]), () => 0.999);
  const order = orderOf(row, 8);
  const except = new Map([[order[0]!, 0], [order[2]!, 0], [7, 0]]);
  assertEquals(row.first(full(8), { except }), order[1]);
  assertEquals(row.first(full(8), { from: 0.5, except }), order[3]);
  for (const index of order) except.set(index, 0);
  assertEquals(row.first(full(8), { except }), undefined);
});

Deno.test("RarityRow.run() finds neighbours that wait", async (t) => {
  const table: [
    waiting: string,
    peer: string,
    from: number,
    length: number,
    run: [first: number, length: number] | undefined,
  ][] = [
    ["xxxxxxxx", "xxxxxxxx", 0, 3, [0, 3]],
    ["xxxxxxxx", "xxxxxxxx", 2, 3, [2, 3]],
    ["xxxxxxxx", "xxxxxxxx", 6, 3, [0, 3]],
    ["xxxxxxxx", "xxxxxxxx", 6, 9, [0, 6]],
    ["x.xx.xxx", "xxxxxxxx", 0, 2, [2, 2]],
    ["x.xx.xxx", "xxxxxxxx", 4, 2, [5, 2]],
    ["x.xx.xxx", "xxxxxxxx", 0, 9, [5, 3]],
    ["xxxxxxxx", "x.xx.x..", 0, 9, [2, 2]],
    ["x.......", "xxxxxxxx", 5, 2, [0, 1]],
    ["x......x", "xxxxxxxx", 7, 2, [7, 1]],
    ["........", "xxxxxxxx", 0, 1, undefined],
    ["xxxxxxxx", "........", 0, 1, undefined],
    ["xxxxxxxx", "xxxxxxxx", 0, 0, undefined],
  ];
  const drawn = (picture: string) =>
    setOf(8, [...picture].flatMap((mark, i) => mark === "x" ? i : []));
  for (const [waiting, peer, from, length, run] of table) {
    await t.step(`${waiting} for ${peer} from ${from}, ${length}`, () => {
      const row = new RarityRow(drawn(waiting), () => 0.999);
      const found = row.run(drawn(peer), { from, length });
      assertEquals(found && [found.first, found.length], run);
    });
  }
  await t.step("without those to pass over", () => {
    const row = new RarityRow(full(8), () => 0.999);
    const except = new Map([[3, 0]]);
    const found = row.run(full(8), { from: 0, length: 8, except });
    assertEquals(found, { first: 4, length: 4 });
  });
});

Deno.test("RarityRow.firstOf() finds the one that stands first", () => {
  const row = new RarityRow(setOf(8, [1, 3, 4, 6]), () => 0.999);
  const order = orderOf(row, 8);
  assertEquals(row.firstOf(order.toReversed()), order[0]);
  assertEquals(row.firstOf([0, order[3]!, 7, order[1]!]), order[1]);
  assertEquals(row.firstOf([0, 2, 5, 7]), undefined);
  assertEquals(row.firstOf([]), undefined);
  row.remove(order[0]!);
  assertEquals(row.firstOf(order), orderOf(row, 8)[0]);
});

Deno.test("RarityRow.version changes when a piece comes back", () => {
  const row = new RarityRow(full(3), () => 0);
  const { version } = row;
  row.change(1, 1);
  row.remove(1);
  row.change(1, 1);
  assertEquals(row.version, version);
  row.add(1);
  assert(row.version !== version);
});

Deno.test("RarityRow is in the order of rarity whatever happens", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = seededRandom(seed);
    const below = (limit: number) => Math.floor(random() * limit);
    const length = 1 + below(20);
    const waiting = setOf(
      length,
      Array.from({ length }, (_, index) => index).filter(() => random() < 0.8),
    );
    const wanted = waiting.clone();
    const row = new RarityRow(wanted, random);
    const availability = new Array<number>(length).fill(0);
    for (let i = 0; i < 200; i++) {
      const index = below(length);
      const roll = random();
      if (roll < 0.5) {
        availability[index]!++;
        row.change(index, 1);
      } else if (roll < 0.8) {
        if (availability[index] === 0) continue;
        availability[index]!--;
        row.change(index, -1);
      } else if (waiting.delete(index)) {
        row.remove(index);
      } else if (wanted.has(index)) {
        waiting.add(index);
        row.add(index);
      }
      const order = orderOf(row, length);
      const rarities = order.map((piece) => availability[piece]!);
      const where = `seed ${seed}, step ${i}`;
      assertEquals(row.length, waiting.count, where);
      assertEquals([...order].sort((a, b) => a - b), [...waiting], where);
      assertEquals(rarities, rarities.toSorted((a, b) => a - b), where);
    }
  }
});

Deno.test("RarityRow.changeAll() is as many changes of one piece", () => {
  const LENGTH = 1000;
  const random = seededRandom(1);
  const row = new RarityRow(full(LENGTH), random);
  const waiting = full(LENGTH);
  const peers: Bitfield[] = [];
  for (let i = 0; i < 60; i++) {
    const roll = random();
    if (roll < 0.6) {
      const share = roll < 0.1 ? 0.05 : random();
      const pieces = Array.from({ length: LENGTH }, (_, index) => index);
      peers.push(setOf(LENGTH, pieces.filter(() => random() < share)));
      row.changeAll(peers.at(-1)!, 1);
    } else if (roll < 0.75) {
      const peer = peers.pop();
      if (peer) row.changeAll(peer, -1);
    } else if (roll < 0.9) {
      const index = Math.floor(random() * LENGTH);
      if (waiting.delete(index)) row.remove(index);
      else if (waiting.add(index)) row.add(index);
    } else {
      const index = Math.floor(random() * LENGTH);
      peers.push(setOf(LENGTH, [index]));
      row.change(index, 1);
    }
    const order = orderOf(row, LENGTH);
    assertEquals(order.toSorted((a, b) => a - b), [...waiting]);
    const rarities = order.map((index) =>
      peers.filter((peer) => peer.has(index)).length
    );
    assertEquals(rarities, rarities.toSorted((a, b) => a - b), `step ${i}`);
  }
});

Deno.test("RarityRow.changeAll() leaves equally rare pieces in random order", () => {
  const LENGTH = 300;
  let before = 0;
  for (let seed = 1; seed <= 400; seed++) {
    const row = new RarityRow(full(LENGTH), seededRandom(seed));
    row.changeAll(full(LENGTH), 1);
    if (row.firstOf([0, 299]) === 0) before++;
  }
  // Four standard deviations of a fair coin are 40 of 400.
  assert(before > 160 && before < 240, `${before} of 400`);
});

/** How often piece 0 stands before each other piece, of 400 rows. */
function countsBefore(arrange: (row: RarityRow) => void): number[] {
  const LENGTH = 10;
  const counts = new Array<number>(LENGTH - 1).fill(0);
  for (let seed = 1; seed <= 400; seed++) {
    const row = new RarityRow(full(LENGTH), seededRandom(seed));
    arrange(row);
    const order = orderOf(row, LENGTH);
    for (let other = 1; other < LENGTH; other++) {
      if (order.indexOf(0) < order.indexOf(other)) counts[other - 1]!++;
    }
  }
  return counts;
}

Deno.test("RarityRow has pieces that are equally rare in random order", async (t) => {
  const pieces = Array.from({ length: 10 }, (_, index) => index);
  const cases: Record<string, (row: RarityRow) => void> = {
    "from the beginning": () => {},
    "when all become less rare": (row) => {
      for (const index of pieces) row.change(index, 1);
    },
    "when all become rarer": (row) => {
      for (const index of pieces) row.change(index, 1);
      for (const index of pieces) row.change(index, -1);
    },
    "when all come back": (row) => {
      for (const index of pieces) row.remove(index);
      for (const index of pieces) row.add(index);
    },
    "when one moves among the others": (row) => {
      row.change(0, 1);
      row.change(0, -1);
    },
    "when others pass through": (row) => {
      row.change(3, 1);
      row.change(7, 1);
      row.remove(3);
      row.change(7, -1);
      row.change(3, -1);
      row.add(3);
    },
  };
  for (const [name, arrange] of Object.entries(cases)) {
    await t.step(name, () => {
      for (const count of countsBefore(arrange)) {
        // Four standard deviations of a fair coin are 40 of 400.
        assert(count > 160 && count < 240, `${count} of 400`);
      }
    });
  }
});
