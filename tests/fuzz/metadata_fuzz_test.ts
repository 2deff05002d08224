import { assert, assertEquals } from "@std/assert";
import { METADATA_PIECE_LENGTH } from "../../src/wire/ut_metadata.ts";
import {
  answerFrom,
  type MetadataPeer,
  MetadataScene,
} from "../support/metadata_scene.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";

const RUNS = 600;

/** Longer than every pause after a few failures in a row. */
const PATIENCE_MS = 20 * 60_000;

type Random = () => number;

function below(limit: number, random: Random): number {
  return Math.floor(random() * limit);
}

/** A peer that means well, but may be slow, or have a bad moment. */
function drawHonest(i: number, metadata: Uint8Array, random: Random) {
  const answer = answerFrom(metadata);
  let bad = below(3, random);
  return {
    name: `honest ${i}`,
    length: metadata.length,
    delayMs: 1 + below(3_000, random),
    answer: (piece: number) => {
      if (bad > 0 && random() < 0.2) {
        bad--;
        return random() < 0.5 ? undefined : { type: "reject" as const, piece };
      }
      return answer(piece);
    },
  };
}

/** A peer that does harm, sometimes or always. */
function drawHostile(i: number, metadata: Uint8Array, random: Random) {
  const right = answerFrom(metadata);
  const length = random() < 0.6
    ? metadata.length
    : 1 + below(2 * metadata.length, random);
  const wrong = answerFrom(randomBytes(length, random));
  const malice = random();
  const peer: MetadataPeer = {
    name: `hostile ${i}`,
    length,
    delayMs: 1 + below(500, random),
    answer: (piece) => {
      if (random() > malice) return right(piece);
      const roll = random();
      if (roll < 0.5) return wrong(piece);
      if (roll < 0.6) return undefined;
      if (roll < 0.7) return { type: "reject", piece };
      if (roll < 0.8) return wrong(piece + 1);
      const bytes = randomBytes(below(20_000, random), random);
      return { type: "data", piece, totalSize: below(1e6, random), bytes };
    },
  };
  return peer;
}

/**
 * However many peers lie, stall, reject and send garbage: as long as one is
 * honest, the metadata is found, and it is the right one; nobody honest is
 * ever called a liar.
 */
Deno.test("MetadataFetcher finds the metadata wherever one peer is honest", () => {
  let liars = 0;
  for (let seed = 1; seed <= RUNS; seed++) {
    const random = seededRandom(seed);
    const length = 1 + below(6 * METADATA_PIECE_LENGTH, random);
    const metadata = randomBytes(length, random);
    const peers: MetadataPeer[] = [];
    for (let i = below(12, random); i > 0; i--) {
      peers.push(drawHostile(i, metadata, random));
    }
    for (let i = 1 + below(3, random); i > 0; i--) {
      const at = below(peers.length + 1, random);
      peers.splice(at, 0, drawHonest(i, metadata, random));
    }
    const scene = new MetadataScene(metadata, peers);
    scene.runUntil(PATIENCE_MS);
    assertEquals(scene.metadata, metadata, `seed ${seed}`);
    assert(
      scene.liars.every((name) => name.startsWith("hostile")),
      `seed ${seed}: ${scene.liars}`,
    );
    assertEquals(
      new Set(scene.liars).size,
      scene.liars.length,
      `seed ${seed}: somebody is called a liar twice`,
    );
    liars += scene.liars.length;
  }
  assert(liars > RUNS / 2, `${liars} liars`);
});
