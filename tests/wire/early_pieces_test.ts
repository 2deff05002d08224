import { assert, assertEquals, assertThrows } from "@std/assert";
import { ProtocolError } from "../../src/errors.ts";
import { MAX_PIECES } from "../../src/metainfo/layout.ts";
import { EarlyPieces } from "../../src/wire/early_pieces.ts";

function earlyPieces(...said: (number | number[])[]): EarlyPieces {
  const early = new EarlyPieces();
  for (const what of said) {
    if (typeof what === "number") early.addHave(what);
    else early.addBitfield(Uint8Array.from(what));
  }
  return early;
}

Deno.test("EarlyPieces.toBitfield() is all that has been said", async (t) => {
  const table: [
    what: string,
    said: (number | number[])[],
    count: number,
    have: number[],
  ][] = [
    ["nothing", [], 9, []],
    ["nothing of no pieces", [], 0, []],
    ["one piece", [8], 9, [8]],
    ["a piece twice", [3, 3], 9, [3]],
    ["a bitfield", [[0x81, 0x80]], 9, [0, 7, 8]],
    ["an empty bitfield", [[]], 0, []],
    ["a bitfield, then a piece in it", [[0x80, 0], 8], 9, [0, 8]],
    ["a piece, then a bitfield", [8, [0x80, 0]], 9, [0, 8]],
    ["two bitfields", [[0x80, 0], [0x01, 0x80]], 9, [0, 7, 8]],
    ["pieces far apart", [0, 20_000], 20_001, [0, 20_000]],
    ["the last piece of all", [MAX_PIECES - 1], MAX_PIECES, [MAX_PIECES - 1]],
  ];
  for (const [what, said, count, have] of table) {
    await t.step(what, () => {
      const bitfield = earlyPieces(...said).toBitfield(count);
      assertEquals([...bitfield], have);
      assertEquals(bitfield.length, count);
      assertEquals(bitfield.count, have.length);
    });
  }
});

Deno.test("EarlyPieces.toBitfield() knows what is not true of so many pieces", async (t) => {
  const table: [what: string, said: (number | number[])[], count: number][] = [
    ["a piece too far in the same byte", [9], 9],
    ["a piece too far", [16], 9],
    ["a piece much too far", [2_000_000], 9],
    ["a bitfield too short", [[0x80]], 9],
    ["a bitfield too long", [[0x80, 0, 0]], 9],
    ["an empty bitfield", [[]], 9],
    ["a spare bit", [[0x80, 0x40]], 9],
  ];
  for (const [what, said, count] of table) {
    await t.step(what, () => {
      const early = earlyPieces(...said);
      assertThrows(() => early.toBitfield(count), ProtocolError);
    });
  }
});

Deno.test("EarlyPieces.addAll() stands for however many there are", () => {
  for (const count of [0, 1, 9, 70_000]) {
    const early = earlyPieces();
    early.addAll();
    assert(early.toBitfield(count).isFull);
  }
  const early = earlyPieces(9);
  early.addAll();
  assertThrows(() => early.toBitfield(9), ProtocolError);
});

Deno.test("EarlyPieces.addHave() refuses what no torrent has", () => {
  for (const index of [MAX_PIECES, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]) {
    const early = earlyPieces();
    assertThrows(() => early.addHave(index), ProtocolError, "Cannot believe");
    assert(early.toBitfield(9).isEmpty);
  }
});

Deno.test("EarlyPieces.addBitfield() refuses what cannot be true of any torrent", () => {
  const longest = new Uint8Array(MAX_PIECES / 8);
  assert(earlyPieces([...longest]).toBitfield(MAX_PIECES).isEmpty);
  assertThrows(
    () => earlyPieces().addBitfield(new Uint8Array(longest.length + 1)),
    ProtocolError,
    "too many for any torrent",
  );
  assertThrows(
    () => earlyPieces([0x80], [0x80, 0]),
    ProtocolError,
    "2 bytes after one of 1",
  );
});

Deno.test("EarlyPieces.addBitfield() keeps no view of the bytes", () => {
  const bytes = Uint8Array.of(0xf0);
  const early = new EarlyPieces();
  early.addBitfield(bytes);
  bytes.fill(0);
  assertEquals([...early.toBitfield(8)], [0, 1, 2, 3]);
});
