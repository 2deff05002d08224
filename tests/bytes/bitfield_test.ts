import { Bitfield } from "../../src/bytes/bitfield.ts";
import { seededRandom } from "../support/seeded_random.ts";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { decodeHex, encodeHex } from "@std/encoding/hex";

function bitfieldOf(length: number, indices: Iterable<number>): Bitfield {
  const bitfield = new Bitfield(length);
  for (const index of indices) bitfield.add(index);
  return bitfield;
}

function assertSame(bitfield: Bitfield, model: ReadonlySet<number>): void {
  const indices = [...model].sort((a, b) => a - b);
  assertEquals([...bitfield], indices);
  assertEquals(bitfield.count, model.size);
  assertEquals(bitfield.isEmpty, model.size === 0);
  assertEquals(bitfield.isFull, model.size === bitfield.length);
  for (let index = 0; index < bitfield.length; index++) {
    assertEquals(bitfield.has(index), model.has(index));
  }
  const again = Bitfield.fromBytes(bitfield.bytes, bitfield.length);
  assertEquals(again && [...again], indices);
}

Deno.test("Bitfield has the bit order of BEP 3, both ways", async (t) => {
  const table: [hex: string, length: number, indices: number[]][] = [
    ["", 0, []],
    ["80", 1, [0]],
    ["00", 1, []],
    ["80", 8, [0]],
    ["01", 8, [7]],
    ["0180", 9, [7, 8]],
    ["fe", 7, [0, 1, 2, 3, 4, 5, 6]],
    ["a0c001", 24, [0, 2, 8, 9, 23]],
  ];
  for (const [hex, length, indices] of table) {
    await t.step(`${hex} of ${length}`, () => {
      const bitfield = Bitfield.fromBytes(decodeHex(hex), length);
      assert(bitfield);
      assertSame(bitfield, new Set(indices));
      assertEquals(encodeHex(bitfieldOf(length, indices).bytes), hex);
    });
  }
});

Deno.test("Bitfield.fromBytes() refuses a wrong size and spare bits", async (t) => {
  const table: [hex: string, length: number][] = [
    ["", 1],
    ["00", 0],
    ["0000", 8],
    ["00", 9],
    ["40", 1],
    ["01", 7],
    ["ffff", 15],
    ["000001", 17],
  ];
  for (const [hex, length] of table) {
    await t.step(`${hex} of ${length}`, () => {
      assertEquals(Bitfield.fromBytes(decodeHex(hex), length), undefined);
    });
  }
});

Deno.test("Bitfield.fromBytes() copies its bytes", () => {
  const bytes = decodeHex("80");
  const bitfield = Bitfield.fromBytes(bytes, 8);
  bytes[0] = 0xff;
  assertEquals(bitfield && [...bitfield], [0]);
});

Deno.test("Bitfield.bytes is a view that changes with the set", () => {
  const bitfield = new Bitfield(8);
  const { bytes } = bitfield;
  bitfield.add(0);
  assertEquals(encodeHex(bytes), "80");
});

Deno.test("Bitfield.has() is false outside of the range", () => {
  const bitfield = new Bitfield(13);
  bitfield.fill();
  const outside = [
    -1,
    -8,
    -(2 ** 32),
    13,
    15,
    16,
    2 ** 31,
    2 ** 32 - 1,
    2 ** 32,
    2 ** 32 + 5,
    2 ** 53,
    NaN,
  ];
  for (const index of outside) assertEquals(bitfield.has(index), false);
  assertEquals(new Bitfield(0).has(0), false);
});

Deno.test("Bitfield.add() and delete() throw outside of the range", () => {
  const bitfield = new Bitfield(13);
  for (const index of [-1, 13, 2 ** 32]) {
    assertThrows(() => bitfield.add(index), RangeError);
    assertThrows(() => bitfield.delete(index), RangeError);
  }
  assert(bitfield.isEmpty);
});

Deno.test("Bitfield.firstCommon() begins near an index and goes round", async (t) => {
  const table: [
    ours: number[],
    theirs: number[],
    from: number,
    found?: number,
  ][] = [
    [[1, 9, 17], [9], 0, 9],
    [[1, 9, 17], [1, 17], 8, 17],
    [[1, 9, 17], [1], 8, 1],
    [[1, 9, 17], [2, 10], 0],
    [[], [1], 0],
    [[18], [18], 18, 18],
    [[0], [0], 18, 0],
  ];
  for (const [ours, theirs, from, found] of table) {
    await t.step(`${ours} and ${theirs} from ${from}`, () => {
      const common = bitfieldOf(19, ours).firstCommon(
        bitfieldOf(19, theirs),
        from,
      );
      assertEquals(common, found);
    });
  }
  assertEquals(new Bitfield(0).firstCommon(new Bitfield(0), 0), undefined);
});

// Whatever is done to a bitfield, it says what a set of numbers would say to
// which the same is done.
Deno.test("Bitfield is a set of numbers", () => {
  const seed = 0xb17;
  const random = seededRandom(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  for (let round = 0; round < 300; round++) {
    const length = below(40);
    const some = () =>
      Array.from({ length }, (_, index) => index).filter(() => random() < 0.3);
    let bitfield = new Bitfield(length);
    let model = new Set<number>();
    for (let step = 0; step < 30; step++) {
      const index = below(length);
      const action = below(length > 0 ? 8 : 5);
      if (action === 0) {
        bitfield.fill();
        for (let i = 0; i < length; i++) model.add(i);
      } else if (action === 1) {
        bitfield = bitfield.complement();
        model = new Set(Array.from({ length }, (_, i) => i)).difference(model);
      } else if (action === 2) {
        const copy = bitfield.clone();
        if (length > 0) bitfield.add(index);
        bitfield = copy;
      } else if (action === 3) {
        const other = new Set(some());
        const added = bitfield.addAll(bitfieldOf(length, other));
        assertSame(added, other.difference(model));
        model = model.union(other);
      } else if (action === 4) {
        const other = new Set(some());
        const from = below(length + 1);
        const found = bitfield.firstCommon(bitfieldOf(length, other), from);
        const common = model.intersection(other);
        assertEquals(found === undefined, common.size === 0, `seed ${seed}`);
        if (found !== undefined) assert(common.has(found), `seed ${seed}`);
      } else if (action === 5) {
        assertEquals(bitfield.delete(index), model.delete(index));
      } else {
        assertEquals(bitfield.add(index), !model.has(index));
        model.add(index);
      }
      assertSame(bitfield, model);
    }
  }
});
