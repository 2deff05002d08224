import { assert, assertEquals } from "@std/assert";
import { concat } from "@std/bytes/concat";
import { fromLatin1 } from "../../src/bytes/bencode.ts";
import { ProtocolError } from "../../src/errors.ts";
import {
  decodeExtensionHandshake,
  encodeExtensionHandshake,
  type ExtensionHandshake,
  mergeExtensionHandshakes,
} from "../../src/wire/extension_handshake.ts";
import vectors from "../../testdata/extension_handshake_vectors.json" with {
  type: "json",
};
import { randomBytes, seededRandom } from "../support/seeded_random.ts";

const RUNS = 100_000;

type Random = () => number;

const SAMPLES = [...vectors.handshakes, ...vectors.refused]
  .map(({ payload }) => fromLatin1(payload));

/** The keys that mean something, and one that does not. */
const KEYS = "1:m 1:v 1:p 4:reqq 6:yourip 11:upload_only 13:metadata_size 1:x"
  .split(" ");

/** Values that some key could have. */
const VALUES =
  "i0e i1e i-1e i255e i65535e i65536e i18446744073709551616e 0: 4:abcd le de d6:ut_pexi1ee d6:ut_pexi0ee"
    .split(" ");

/** What bencoding is made of. */
const PARTS = [..."d l e i 0 1 - : 9".split(" "), ...KEYS, ...VALUES];

function below(limit: number, random: Random): number {
  return Math.floor(random() * limit);
}

function oneOf<T>(from: readonly T[], random: Random): T {
  return from[below(from.length, random)]!;
}

/** A handshake somebody sent, cut and mixed; parts of one; or mere noise. */
function drawPayload(random: Random): Uint8Array {
  const roll = random();
  if (roll < 0.1) return randomBytes(below(60, random), random);
  if (roll < 0.5) {
    const entries = Array.from({ length: below(8, random) }, () => {
      return oneOf(KEYS, random) +
        oneOf(random() < 0.05 ? PARTS : VALUES, random);
    });
    return fromLatin1(`d${entries.join("")}e`);
  }
  let payload = oneOf(SAMPLES, random);
  for (let changes = below(4, random); changes > 0; changes--) {
    const at = below(payload.length + 1, random);
    const other = random() < 0.5
      ? fromLatin1(oneOf(PARTS, random))
      : randomBytes(1, random);
    const end = random() < 0.5 ? at : at + below(8, random);
    payload = concat([payload.subarray(0, at), other, payload.subarray(end)]);
  }
  return payload;
}

function assertBounded(handshake: ExtensionHandshake, seed: number): void {
  const { messages, v, p, reqq, uploadOnly, yourip, metadataSize } = handshake;
  const isPositive = (value: number | undefined) =>
    value === undefined || (Number.isSafeInteger(value) && value >= 1);
  assert(messages instanceof Map && messages.size <= 64, `seed ${seed}: m`);
  for (const [name, id] of messages) {
    const isId = Number.isInteger(id) && id >= 0 && id <= 255;
    assert(isId && name.length <= 64, `seed ${seed}: m`);
  }
  assert(
    v === undefined || (v.length > 0 && v.length <= 128),
    `seed ${seed}: v`,
  );
  assert(isPositive(p) && (p ?? 0) <= 65_535, `seed ${seed}: p`);
  assert(isPositive(reqq), `seed ${seed}: reqq`);
  assert(isPositive(metadataSize), `seed ${seed}: metadata_size`);
  assert(["undefined", "boolean"].includes(typeof uploadOnly), `seed ${seed}`);
  assert([undefined, 4, 16].includes(yourip?.length), `seed ${seed}: yourip`);
}

/**
 * Whatever bytes arrive, `decodeExtensionHandshake()` gives a handshake within
 * its bounds, or throws `ProtocolError`, and nothing else; a handshake that it
 * gives it reads again the same; and merging any number keeps the bounds.
 */
Deno.test("decodeExtensionHandshake() keeps its bounds whatever arrives", () => {
  let known: ExtensionHandshake = { messages: new Map() };
  let taken = 0;
  for (let seed = 1; seed <= RUNS; seed++) {
    const payload = drawPayload(seededRandom(seed));
    let handshake: ExtensionHandshake;
    try {
      handshake = decodeExtensionHandshake(payload);
    } catch (error) {
      if (error instanceof ProtocolError) continue;
      throw new Error(`seed ${seed}`, { cause: error });
    }
    taken++;
    assertBounded(handshake, seed);
    known = mergeExtensionHandshakes(known, handshake);
    assertBounded(known, seed);
    if (seed % 10 > 0) continue;
    const again = decodeExtensionHandshake(encodeExtensionHandshake(handshake));
    assertEquals(again, handshake, `seed ${seed}`);
  }
  // Else the draw would show little.
  assert(taken > RUNS / 5 && taken < RUNS * 4 / 5, `${taken} were taken`);
});
