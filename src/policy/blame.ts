/**
 * `Blame`: who gave the bad block of a piece whose hash is wrong. Pure.
 *
 * A piece that came from one peer convicts it. When several gave blocks, each
 * block's digest is kept; the piece is fetched anew, and once its hash is
 * right, whoever gave a block that differs is the liar. Honest peers lose
 * nothing but time.
 *
 * @module
 */

import { hashesEqual, sha1, sha256, SHA256_LENGTH } from "../bytes/hash.ts";
import { BLOCK_LENGTH } from "../metainfo/layout.ts";

/** Pieces under suspicion; the oldest is forgotten for a new one. */
const MAX_SUSPECT_PIECES = 256;

/** Attempts at one piece; the oldest is forgotten for a new one. */
const MAX_ATTEMPTS = 8;

/**
 * What is known of the blocks of a bad piece: the bytes, or the SHA-256 of each
 * block, one after the other.
 */
export type FailedPiece = { piece: Uint8Array } | { leaves: Uint8Array };

interface Evidence<Giver> {
  giver: Giver;
  /** The SHA-1 of the block, or its SHA-256. */
  digest: Uint8Array;
}

/** Keeps the evidence until it convicts. */
export class Blame<Giver> {
  /** Of each suspect piece: what each of its blocks was, in every attempt. */
  readonly #suspects = new Map<number, Evidence<Giver>[][]>();

  /**
   * The hash of a piece is wrong.
   *
   * @param index The piece.
   * @param options What came, and who gave each block.
   * @returns The giver, if there is but one; else it will show.
   */
  failed(
    index: number,
    options: FailedPiece & { givers: readonly Giver[] },
  ): Giver | undefined {
    const { givers } = options;
    const first = givers[0];
    if (givers.every((giver) => giver === first)) return first;
    const attempts = this.#suspects.get(index) ?? this.#suspect(index);
    if (attempts.length >= MAX_ATTEMPTS) attempts.shift();
    attempts.push(givers.map((giver, at) => ({
      giver,
      digest: "piece" in options
        ? sha1(blockOf(options.piece, at))
        : options.leaves.slice(at * SHA256_LENGTH, (at + 1) * SHA256_LENGTH),
    })));
    return undefined;
  }

  /**
   * The hash of a piece is right.
   *
   * @param index The piece.
   * @param piece Its bytes.
   * @returns Whoever gave other bytes for it before.
   */
  verified(index: number, piece: Uint8Array): Set<Giver> {
    const liars = new Set<Giver>();
    for (const attempt of this.#suspects.get(index) ?? []) {
      attempt.forEach(({ giver, digest }, at) => {
        const hash = digest.length === SHA256_LENGTH ? sha256 : sha1;
        if (!hashesEqual(digest, hash(blockOf(piece, at)))) liars.add(giver);
      });
    }
    this.#suspects.delete(index);
    return liars;
  }

  #suspect(index: number): Evidence<Giver>[][] {
    if (this.#suspects.size >= MAX_SUSPECT_PIECES) {
      const [oldest] = this.#suspects.keys();
      this.#suspects.delete(oldest!);
    }
    const attempts: Evidence<Giver>[][] = [];
    this.#suspects.set(index, attempts);
    return attempts;
  }
}

function blockOf(piece: Uint8Array, at: number): Uint8Array {
  return piece.subarray(at * BLOCK_LENGTH, (at + 1) * BLOCK_LENGTH);
}
