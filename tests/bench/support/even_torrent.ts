/**
 * A torrent of which every block is the same: nobody has to hold its payload,
 * and a seeder can have its answers ready before it is asked.
 *
 * @module
 */

import { encodeBencode } from "../../../src/bytes/bencode.ts";
import { HASH_LENGTH, sha1 } from "../../../src/bytes/hash.ts";
import { BLOCK_LENGTH } from "../../../src/metainfo/layout.ts";
import {
  type Metainfo,
  parseMetainfo,
} from "../../../src/metainfo/metainfo.ts";
import { randomBytes, seededRandom } from "../../support/seeded_random.ts";

/** How long it is; both are multiples of a block. */
export interface EvenRecipe {
  /** The length of a piece. */
  pieceLength: number;
  /** The length of all of it, a multiple of that of a piece. */
  length: number;
  /** How many files it has; 1 if not given. */
  files?: number;
}

/** The block. */
export const BLOCK: Uint8Array = randomBytes(BLOCK_LENGTH, seededRandom(1));

/**
 * Bytes of the payload.
 *
 * @param length How many, a multiple of a block.
 * @returns The bytes.
 */
export function evenBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += BLOCK_LENGTH) bytes.set(BLOCK, at);
  return bytes;
}

/**
 * Makes the torrent.
 *
 * @param recipe How long it is.
 * @returns What it says.
 */
export function evenTorrent(recipe: EvenRecipe): Metainfo {
  return parseMetainfo(evenMetainfo(recipe));
}

/**
 * Makes the torrent file.
 *
 * @param recipe How long it is.
 * @returns Its bytes.
 */
export function evenMetainfo(
  { pieceLength, length, files = 1 }: EvenRecipe,
): Uint8Array {
  const pieceCount = length / pieceLength;
  const hash = sha1(evenBytes(pieceLength));
  const pieces = new Uint8Array(pieceCount * HASH_LENGTH);
  for (let i = 0; i < pieceCount; i++) pieces.set(hash, i * HASH_LENGTH);
  const each = Math.floor(length / files);
  const list = files === 1 ? { length } : {
    files: Array.from({ length: files }, (_, i) => ({
      length: i === 0 ? length - each * (files - 1) : each,
      path: [`${Math.floor(i / 100)}`, `${i}`],
    })),
  };
  return encodeBencode({
    info: { name: "even", "piece length": pieceLength, pieces, ...list },
  });
}
