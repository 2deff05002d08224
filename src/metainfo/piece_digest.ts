/**
 * What one piece is, for v1 (BEP 3), for v2 (BEP 52), or for both; and whether
 * it is what it should be, which `piece_hashes.ts` knows of every piece. Pure.
 *
 * @module
 */

import { hashesEqual, Sha1 } from "../bytes/hash.ts";
import { LeafHasher, merkleRoot } from "./merkle.ts";

/**
 * What the hashes say of a piece:
 *
 * - `right`: it is what the torrent says;
 * - `wrong`: it is not;
 * - `contradictory`: it is for v1 or for v2, and not for the other: the torrent
 *   itself is wrong, and cannot be downloaded.
 */
export type PieceVerdict = "right" | "wrong" | "contradictory";

/** What a piece should be, as far as that is known. */
export interface ExpectedPiece {
  /** Its SHA-1. */
  readonly hash?: Uint8Array | undefined;
  /** The node that stands for it in the tree of its file. */
  readonly node?: Uint8Array | undefined;
}

/** What is to be found out about a piece; it can be sent to a worker. */
export interface DigestOrder {
  /** What it should be; nothing else of it is digested. */
  readonly expected: ExpectedPiece;
  /** What its node depends on, if that is expected. */
  readonly tree?: {
    /** How long its data is, without the pad that may follow. */
    readonly dataLength: number;
    /** The level on which the node stands. */
    readonly level: number;
  } | undefined;
}

/** What a piece is. */
export interface PieceDigest {
  /** Its SHA-1. */
  hash?: Uint8Array | undefined;
  /** The node that stands for it in the tree of its file. */
  node?: Uint8Array | undefined;
}

/**
 * Compares a piece with what it should be.
 *
 * @param digest What it is, as far as that is known.
 * @param expected What it should be.
 * @returns Whether it is right.
 */
export function judge(
  digest: PieceDigest,
  expected: ExpectedPiece,
): PieceVerdict {
  const isRightV1 = expected.hash && digest.hash &&
    hashesEqual(digest.hash, expected.hash);
  const isRightV2 = expected.node && digest.node &&
    hashesEqual(digest.node, expected.node);
  const isRight = isRightV1 ?? isRightV2 ?? false;
  if (isRightV2 !== undefined && isRight !== isRightV2) {
    return "contradictory";
  }
  return isRight ? "right" : "wrong";
}

/** Hashes one piece as it comes, and compares it with what it should be. */
export class PieceHasher {
  readonly #expected: ExpectedPiece;
  readonly #hash: Sha1 | undefined;
  readonly #leaves: LeafHasher | undefined;
  readonly #level: number | undefined;

  /**
   * Has got nothing yet.
   *
   * @param order What to find out about it.
   */
  constructor({ expected, tree }: DigestOrder) {
    this.#expected = expected;
    this.#hash = expected.hash && new Sha1();
    this.#leaves = tree && new LeafHasher(tree.dataLength);
    this.#level = tree?.level;
  }

  /**
   * Adds bytes.
   *
   * @param bytes The next bytes of the piece, in any lengths; they are not kept.
   */
  update(bytes: Uint8Array): void {
    this.#hash?.update(bytes);
    this.#leaves?.update(bytes);
  }

  /** The SHA-256 of every block that is complete, for v2: a row of level 0. */
  get leaves(): Uint8Array | undefined {
    return this.#leaves?.leaves;
  }

  /**
   * Ends it, after the last byte.
   *
   * @returns What the whole piece is.
   */
  verdict(): PieceVerdict {
    const leaves = this.#leaves?.leaves;
    const digest = {
      hash: this.#hash?.digest(),
      node: leaves && merkleRoot(leaves, { height: this.#level! }),
    };
    return judge(digest, this.#expected);
  }
}
