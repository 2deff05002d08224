/**
 * Theorems:
 *
 * - Whatever bytes arrive, `decodeBencode()` and its kin give a value or throw
 *   `BencodeError` with an offset in the input, and nothing else.
 * - What decodes is found again after encoding: decode(encode(x)) equals x.
 * - Looking over a value and building it agree about where it ends.
 */

import {
  bencodedLength,
  type BencodeValue,
  decodeBencode,
  decodeBencodePrefix,
  dictionaryEntries,
  encodeBencode,
  latin1,
  listItems,
} from "../../src/bytes/bencode.ts";
import { BencodeError } from "../../src/errors.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";
import { assert, assertEquals } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";

const INPUTS = 100_000;

/** What bencoding is made of; other bytes end most inputs at once. */
const ALPHABET = new TextEncoder().encode("iiillldddeeeeee0123456789:::::-ab");

function equal(a: BencodeValue, b: BencodeValue): boolean {
  if (a instanceof Uint8Array) {
    return b instanceof Uint8Array && a.length === b.length &&
      a.every((byte, i) => byte === b[i]);
  }
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length &&
      a.every((item, i) => equal(item, b[i]!));
  }
  if (a instanceof Map) {
    return b instanceof Map && a.size === b.size &&
      a.entries().every(([key, item]) =>
        b.has(key) && equal(item, b.get(key)!)
      );
  }
  return Object.is(a, b);
}

/** The result of some reading, or the words of the `BencodeError`. */
function outcome<T>(bytes: Uint8Array, read: () => T): T | string {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof BencodeError)) throw error;
    assert(error.offset >= 0 && error.offset <= bytes.length);
    return error.message;
  }
}

/** How many of them decode: a test that refuses everything proves nothing. */
function check(bytes: Uint8Array): number {
  const prefix = outcome(bytes, () => decodeBencodePrefix(bytes));
  const length = outcome(bytes, () => bencodedLength(bytes));
  const entries = outcome(
    bytes,
    () => Array.from(dictionaryEntries(bytes) ?? []).length,
  );
  const items = outcome(bytes, () => Array.from(listItems(bytes) ?? []).length);
  const whole = outcome(bytes, () => [decodeBencode(bytes)]);
  if (typeof prefix === "string") {
    assertEquals(length, prefix);
    assertEquals(whole, prefix);
    return 0;
  }
  assertEquals(length, prefix.length);
  assertEquals(typeof whole !== "string", prefix.length === bytes.length);
  if (Array.isArray(prefix.value)) assertEquals(items, prefix.value.length);
  if (prefix.value instanceof Map) {
    assert(typeof entries === "number" && entries >= prefix.value.size);
  }
  const again = decodeBencode(encodeBencode(prefix.value));
  assert(equal(again, prefix.value), "decode(encode(x)) is not x");
  return 1;
}

function drawnValue(random: () => number, depth: number): BencodeValue {
  const kind = Math.floor(random() * (depth > 0 ? 6 : 4));
  const count = Math.floor(random() * 4);
  if (kind === 0) return Math.floor((random() - 0.5) * 1000);
  if (kind === 1) {
    return BigInt(Math.floor((random() - 0.5) * 2 ** 52)) * 2n ** 12n +
      2n ** 70n;
  }
  if (kind <= 3) return randomBytes(count * 3, random);
  if (kind === 4) {
    return Array.from({ length: count }, () => drawnValue(random, depth - 1));
  }
  return new Map(Array.from({ length: count }, () => [
    latin1(randomBytes(Math.floor(random() * 3), random)),
    drawnValue(random, depth - 1),
  ]));
}

function mutated(bytes: Uint8Array, random: () => number): Uint8Array {
  const at = Math.floor(random() * (bytes.length + 1));
  const end = Math.min(bytes.length, at + Math.floor(random() * 4));
  const put = random() < 0.5
    ? Uint8Array.of(ALPHABET[Math.floor(random() * ALPHABET.length)]!)
    : random() < 0.5
    ? bytes.subarray(at, end + 3)
    : randomBytes(1, random);
  return new Uint8Array([
    ...bytes.subarray(0, at),
    ...put,
    ...bytes.subarray(end),
  ]);
}

function run(seed: number, draw: (random: () => number) => Uint8Array): number {
  const random = seededRandom(seed);
  let decoded = 0;
  for (let i = 0; i < INPUTS; i++) {
    const bytes = draw(random);
    try {
      decoded += check(bytes);
    } catch (error) {
      throw new Error(`seed ${seed}, input ${encodeHex(bytes)}`, {
        cause: error,
      });
    }
  }
  return decoded;
}

Deno.test("decodeBencode() gives a value or BencodeError for random bytes", () => {
  const decoded = run(0xbe0c, (random) =>
    Uint8Array.from(
      { length: Math.floor(random() * 24) },
      () => ALPHABET[Math.floor(random() * ALPHABET.length)]!,
    ));
  assert(decoded > INPUTS / 50, `only ${decoded} decoded`);
});

Deno.test("decodeBencode() gives a value or BencodeError for damaged values", () => {
  const decoded = run(0xbe0d, (random) => {
    let bytes = encodeBencode(drawnValue(random, 4));
    while (random() < 0.6) bytes = mutated(bytes, random);
    return bytes;
  });
  assert(decoded > INPUTS / 4, `only ${decoded} decoded`);
});

Deno.test("decodeBencode() undoes encodeBencode()", () => {
  const seed = 0xbe0e;
  const random = seededRandom(seed);
  for (let i = 0; i < INPUTS / 10; i++) {
    const value = drawnValue(random, 4);
    assert(
      equal(decodeBencode(encodeBencode(value)), value),
      `seed ${seed}, round ${i}`,
    );
  }
});
