/**
 * `HashRow`: a row of hashes that is being put together from proven parts
 * (BEP 52): the piece layer of a file, or the leaves of a piece. Pure.
 *
 * @module
 */

import { SHA256_LENGTH } from "../bytes/hash.ts";
import type { FileTree, PieceInTree } from "../metainfo/file_trees.ts";
import { checkProof } from "../metainfo/merkle.ts";
import { type HashRange, MAX_HASHES } from "../wire/hash_range.ts";

/** A part of a row, which is asked for in one go. */
export interface HashPart {
  /** The row. */
  readonly row: HashRow;
  /** The hashes. */
  readonly range: HashRange;
  /** The first of the pieces that are below them, and the one after the last. */
  readonly first: number;
  /** See `first`. */
  readonly end: number;
  /** How many answers are still awaited. */
  awaited: number;
}

/** Where a row stands. */
interface Place {
  kind: "layer" | "leaves";
  tree: FileTree;
  index: number;
  /** What is trusted: the root of the file, or the node of the piece. */
  top: Uint8Array;
  /** The level of the row, and that of the top. */
  level: number;
  height: number;
  /** How many hashes the row has. */
  count: number;
  /** How many hashes on its level precede it in the file. */
  before: number;
  since: number;
}

/** A row of hashes, as far as it is here. */
export class HashRow {
  readonly #place: Place;
  readonly #bytes: Uint8Array;
  #missing: number;

  private constructor(place: Place) {
    this.#place = place;
    this.#bytes = new Uint8Array(place.count * SHA256_LENGTH);
    this.#missing = place.count;
  }

  /**
   * The piece layer of a file.
   *
   * @param tree The tree of the file, which has more than one piece.
   * @param level The level of the layer.
   * @returns The row, of which nothing is here.
   */
  static layer(tree: FileTree, level: number): HashRow {
    return new HashRow({
      kind: "layer",
      tree,
      index: tree.firstPiece,
      top: tree.piecesRoot,
      level,
      height: tree.height,
      count: tree.pieceCount,
      before: 0,
      since: 0,
    });
  }

  /**
   * The leaves of a piece.
   *
   * @param piece The piece, which has more than one block.
   * @param options The node that stands for it, how many blocks a whole piece
   * has, and the time in milliseconds.
   * @returns The row, of which nothing is here.
   */
  static leaves(
    { tree, at, level, blockCount }: PieceInTree,
    { node, perPiece, now }: {
      node: Uint8Array;
      perPiece: number;
      now: number;
    },
  ): HashRow {
    return new HashRow({
      kind: "leaves",
      tree,
      index: tree.firstPiece + at,
      top: node,
      level: 0,
      height: level,
      count: blockCount,
      before: at * perPiece,
      since: now,
    });
  }

  /** What the hashes are. */
  get kind(): "layer" | "leaves" {
    return this.#place.kind;
  }

  /** The tree of the file. */
  get tree(): FileTree {
    return this.#place.tree;
  }

  /** The piece whose leaves they are; the first of the file in a layer. */
  get index(): number {
    return this.#place.index;
  }

  /** When the row was wanted, in milliseconds; not known of layers. */
  get since(): number {
    return this.#place.since;
  }

  /** The hashes, in order; zeros where they are not here. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Whether every hash is here. */
  get isComplete(): boolean {
    return this.#missing === 0;
  }

  /**
   * The parts to ask for.
   *
   * @returns Ranges of 2 to 512 hashes, as BEP 52 allows them, and with their
   * proof up to what is trusted.
   */
  parts(): HashPart[] {
    const { kind, tree, index, level, height, count, before } = this.#place;
    const most = Math.min(MAX_HASHES, 2 ** (height - level));
    const parts: HashPart[] = [];
    for (let begin = 0; begin < count; begin += most) {
      const rest = 2 ** Math.ceil(Math.log2(count - begin));
      const length = kind === "leaves"
        ? most
        : Math.max(2, Math.min(most, rest));
      const isLayer = kind === "layer";
      parts.push({
        row: this,
        range: {
          piecesRoot: tree.piecesRoot,
          baseLayer: level,
          index: before + begin,
          length,
          proofLayers: height - level - 1,
        },
        first: index + (isLayer ? begin : 0),
        end: index + (isLayer ? Math.min(begin + length, count) : 1),
        awaited: 0,
      });
    }
    return parts;
  }

  /**
   * Whether hashes are what was asked for.
   *
   * @param range The part.
   * @param hashes The hashes and the uncles that prove them.
   * @returns Whether they lead to what is trusted.
   */
  proves(range: HashRange, hashes: Uint8Array): boolean {
    const { top, level, height, before } = this.#place;
    const nodes = hashes.subarray(0, range.length * SHA256_LENGTH);
    return checkProof(top, {
      nodes,
      uncles: hashes.subarray(nodes.length),
      level,
      index: range.index - before,
      height,
    });
  }

  /**
   * Takes hashes that are proven, and were not here.
   *
   * @param range The part.
   * @param hashes The hashes, which are copied.
   * @returns How many of them are of the row; others are beyond its end.
   */
  put(range: HashRange, hashes: Uint8Array): number {
    const begin = range.index - this.#place.before;
    const count = Math.min(range.length, this.#place.count - begin);
    this.#bytes.set(
      hashes.subarray(0, count * SHA256_LENGTH),
      begin * SHA256_LENGTH,
    );
    this.#missing -= count;
    return count;
  }
}
