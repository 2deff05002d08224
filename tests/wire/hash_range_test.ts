import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import { ProtocolError } from "../../src/errors.ts";
import {
  decodeHashes,
  decodeHashRange,
  HASH_RANGE_LENGTH,
  type HashRange,
  isSameRange,
  uncleCount,
  writeHashRange,
} from "../../src/wire/hash_range.ts";

const RANGE: HashRange = {
  piecesRoot: new Uint8Array(32).fill(7),
  baseLayer: 3,
  index: 8,
  length: 4,
  proofLayers: 5,
};

function bytesOf(range: HashRange, hashes: number): Uint8Array {
  const bytes = new Uint8Array(HASH_RANGE_LENGTH + hashes * 32);
  writeHashRange(range, bytes);
  return bytes;
}

Deno.test("uncleCount() leaves out what the hashes themselves give", async (t) => {
  const table: [length: number, proofLayers: number, uncles: number][] = [
    [2, 0, 0],
    [2, 1, 1],
    [2, 5, 5],
    [4, 1, 0],
    [4, 2, 1],
    [512, 8, 0],
    [512, 9, 1],
    [512, 12, 4],
    // BEP 52 has no such range; libtorrent counts the sibling.
    [1, 0, 1],
    [1, 3, 4],
  ];
  for (const [length, proofLayers, uncles] of table) {
    await t.step(`${length} hashes, ${proofLayers} layers: ${uncles}`, () => {
      assertEquals(uncleCount({ length, proofLayers }), uncles);
    });
  }
});

Deno.test("decodeHashRange() reads what writeHashRange() wrote", () => {
  assertEquals(decodeHashRange(bytesOf(RANGE, 0)), RANGE);
});

Deno.test("isSameRange() compares every field", () => {
  assert(isSameRange(RANGE, { ...RANGE }));
  for (const key of ["baseLayer", "index", "length", "proofLayers"] as const) {
    assertFalse(isSameRange(RANGE, { ...RANGE, [key]: RANGE[key] + 1 }), key);
  }
  const piecesRoot = new Uint8Array(32);
  assertFalse(isSameRange(RANGE, { ...RANGE, piecesRoot }));
});

Deno.test("decodeHashes() wants as many hashes as the range says", async (t) => {
  assertEquals(decodeHashes(bytesOf(RANGE, 8)).hashes.length, 8 * 32);
  const wrong: Record<string, Uint8Array> = {
    "one too few": bytesOf(RANGE, 7),
    "one too many": bytesOf(RANGE, 9),
    "a byte too few": bytesOf(RANGE, 8).subarray(0, -1),
    "a length of zero": bytesOf({ ...RANGE, length: 0 }, 0),
    "a length of three": bytesOf({ ...RANGE, length: 3 }, 3),
    "a huge length": bytesOf({ ...RANGE, length: 2 ** 31 }, 8),
    "a huge proof": bytesOf({ ...RANGE, proofLayers: 2 ** 32 - 1 }, 8),
  };
  for (const [what, bytes] of Object.entries(wrong)) {
    await t.step(what, () => {
      assertThrows(() => decodeHashes(bytes), ProtocolError, "Cannot use");
    });
  }
});
