/**
 * `PieceHashes`: what every piece of a torrent must hash to, for v1 (BEP 3),
 * for v2 (BEP 52), or for both. Pure.
 *
 * For v1 it is the SHA-1 of the piece. For v2 it is the node that stands for
 * the piece in the hash tree of its file: in the piece layer, or the root
 * itself for a file that is no longer than a piece. A torrent from a link comes
 * without layers; what they will prove is not known until then.
 *
 * In a hybrid torrent both must say the same of every piece. If they do not,
 * the torrent is of two different files, and no peer is to blame.
 *
 * @module
 */

import { Bitfield } from "../bytes/bitfield.ts";
import { HASH_LENGTH, hashesEqual, SHA256_LENGTH } from "../bytes/hash.ts";
import { MetainfoError } from "../errors.ts";
import type { PieceLayers } from "./file_tree.ts";
import type { Info } from "./info.ts";
import { type LayoutShape, PieceLayout } from "./layout.ts";
import { merkleRoot, nodeLevel, pieceLevel } from "./merkle.ts";
import {
  type DigestOrder,
  type ExpectedPiece,
  judge,
  type PieceDigest,
  PieceHasher,
  type PieceVerdict,
} from "./piece_digest.ts";
import { encodeHex } from "@std/encoding/hex";

/** All that is compared with; it can be sent to a worker. */
export interface PieceHashesRecord {
  /** Where the pieces lie. */
  readonly shape: LayoutShape;
  /** The SHA-1 of every piece, of a torrent for v1. */
  readonly pieceHashes: Uint8Array | undefined;
  /** The node of every piece, of a torrent for v2. */
  readonly nodes: Uint8Array | undefined;
  /** Whose nodes are known, as a bitfield. */
  readonly known: Uint8Array;
}

/** The root of the tree of every file that has one. */
type Roots = readonly (Uint8Array | undefined)[];

/** What every piece of one torrent must hash to. */
export class PieceHashes {
  /** Where the pieces lie. */
  readonly layout: PieceLayout;
  readonly #pieceHashes: Uint8Array | undefined;
  readonly #roots: Roots;
  readonly #nodes: Uint8Array | undefined;
  readonly #known: Bitfield;
  /** The files of more than one piece, by their roots in hex. */
  readonly #layered = new Map<string, number[]>();

  private constructor(
    layout: PieceLayout,
    { pieceHashes, nodes, known, roots }: Omit<PieceHashesRecord, "shape"> & {
      roots: Roots;
    },
  ) {
    this.layout = layout;
    this.#pieceHashes = pieceHashes;
    this.#roots = roots;
    this.#nodes = nodes;
    this.#known = Bitfield.fromBytes(known, layout.pieceCount)!;
  }

  /**
   * The hashes of a torrent.
   *
   * @param info The torrent, with the piece layers that are known of it; these
   * have been proven.
   * @returns Its hashes.
   */
  static of(info: Info & { readonly pieceLayers?: PieceLayers }): PieceHashes {
    const { layout, files, hasV1, metaVersion } = info;
    if (metaVersion === 1) return PieceHashes.ofV1(layout, info.pieceHashes);
    const roots = files.map(({ piecesRoot }) => piecesRoot);
    const hashes = new PieceHashes(layout, {
      pieceHashes: hasV1 ? info.pieceHashes : undefined,
      // Shared, so that many workers need no copies. Memory is taken for what
      // is known only, whatever the number of pieces that a torrent claims.
      nodes: new Uint8Array(
        new SharedArrayBuffer(layout.pieceCount * SHA256_LENGTH),
      ),
      known: new Bitfield(layout.pieceCount).bytes,
      roots,
    });
    roots.forEach((root, file) => {
      if (root) hashes.#list(file, { root, layers: info.pieceLayers });
    });
    return hashes;
  }

  /**
   * The hashes of a torrent for v1 alone.
   *
   * @param layout Where the pieces lie.
   * @param pieceHashes The SHA-1 of every piece, one after the other.
   * @returns The hashes.
   */
  static ofV1(layout: PieceLayout, pieceHashes: Uint8Array): PieceHashes {
    return new PieceHashes(layout, {
      pieceHashes,
      nodes: undefined,
      known: new Bitfield(layout.pieceCount).bytes,
      roots: [],
    });
  }

  /**
   * Makes hashes anew, in a worker, where nothing more is learned.
   *
   * @param record What {@linkcode PieceHashes.record} gave.
   * @returns The hashes.
   */
  static from(record: PieceHashesRecord): PieceHashes {
    return new PieceHashes(PieceLayout.of(record.shape), {
      ...record,
      roots: [],
    });
  }

  /** All that is compared with, for a worker. */
  get record(): PieceHashesRecord {
    return {
      shape: this.layout.shape,
      pieceHashes: this.#pieceHashes,
      nodes: this.#nodes,
      known: this.#known.bytes,
    };
  }

  /** The files whose piece layer is missing, by their positions. */
  get filesWithoutLayer(): number[] {
    return this.#roots.flatMap((root, file) =>
      root && !this.layerOf(file) ? [file] : []
    );
  }

  /**
   * Whether it can be told if a piece is right.
   *
   * @param index The piece.
   * @returns Whether it can; not in a torrent for v2 alone, if the piece is of
   * a file of several whose layer is missing.
   */
  isKnown(index: number): boolean {
    return this.#pieceHashes !== undefined || this.#known.has(index);
  }

  /** The pieces of which it can not be told. */
  get unknown(): Bitfield {
    return this.#pieceHashes
      ? new Bitfield(this.layout.pieceCount)
      : this.#known.complement();
  }

  /**
   * The nodes of a file's pieces.
   *
   * @param file Its position in the list.
   * @returns The piece layer, or the root of a file of one piece: a view to be
   * read only. `undefined` if it is missing, or the file has no tree.
   */
  layerOf(file: number): Uint8Array | undefined {
    const { first, end } = this.layout.filePieces(file);
    if (!this.#roots[file] || !this.#known.has(first)) return undefined;
    return this.#nodes!.subarray(first * SHA256_LENGTH, end * SHA256_LENGTH);
  }

  /**
   * Takes a piece layer, if the root of a file proves it.
   *
   * @param root The root, as the torrent has it.
   * @param layer A row of nodes, one for each piece of the file.
   * @returns The files that it is of: several if they are the same, none if it
   * proves nothing.
   */
  learn(root: Uint8Array, layer: Uint8Array): number[] {
    const files = this.#layered.get(encodeHex(root)) ?? [];
    const right = files.filter((file) =>
      layer.length === this.#rowLength(file)
    );
    const level = pieceLevel(this.layout.pieceLength);
    if (
      right.length === 0 || !hashesEqual(merkleRoot(layer, { level }), root)
    ) return [];
    for (const file of right) this.#take(file, layer);
    return right;
  }

  /**
   * Begins to hash a piece.
   *
   * @param index A piece of which it can be told whether it is right.
   * @returns What to feed with the piece.
   */
  hasher(index: number): PieceHasher {
    return new PieceHasher(this.#orderFor(index));
  }

  /**
   * What to find out about a piece, to tell whether it is right.
   *
   * @param index A piece of which it can be told.
   * @returns What it should be, in memory of its own, for a worker.
   */
  orderFor(index: number): DigestOrder {
    const { expected: { hash, node }, tree } = this.#orderFor(index);
    return { expected: { hash: hash?.slice(), node: node?.slice() }, tree };
  }

  /**
   * Compares a piece with what it should be.
   *
   * @param index The piece.
   * @param digest What it is, as far as that is known here.
   * @returns Whether it is right.
   */
  judge(index: number, digest: PieceDigest): PieceVerdict {
    return judge(digest, this.#expected(index));
  }

  /**
   * The level on which the node of a piece stands in the tree of its file.
   *
   * @param index The piece.
   * @returns The level of the piece layer, or that of the root for a file that
   * is no longer than a piece.
   */
  nodeLevel(index: number): number {
    const { layout } = this;
    const [span] = layout.spans(layout.pieceOffset(index), 1);
    return nodeLevel(layout.fileLength(span!.file), layout.pieceLength);
  }

  #orderFor(index: number): DigestOrder {
    if (!this.isKnown(index)) {
      throw new RangeError(`Cannot hash piece ${index}: its hash is not known`);
    }
    const expected = this.#expected(index);
    const dataLength = this.layout.dataSize(index);
    const tree = expected.node && { dataLength, level: this.nodeLevel(index) };
    return { expected, tree };
  }

  #expected(index: number): ExpectedPiece {
    const hashes = this.#pieceHashes;
    const nodes = this.#known.has(index) ? this.#nodes : undefined;
    return {
      hash: hashes && rowAt(hashes, index, HASH_LENGTH),
      node: nodes && rowAt(nodes, index, SHA256_LENGTH),
    };
  }

  /** Takes what is known of a file: its root, or its layer. */
  #list(
    file: number,
    { root, layers }: { root: Uint8Array; layers: PieceLayers | undefined },
  ): void {
    if (this.layout.fileLength(file) <= this.layout.pieceLength) {
      return this.#take(file, root);
    }
    const key = encodeHex(root);
    const others = this.#layered.get(key);
    if (others) others.push(file);
    else this.#layered.set(key, [file]);
    const layer = layers?.get(key);
    // Files of different lengths may claim one root: a layer is of one length.
    if (layer?.length === this.#rowLength(file)) this.#take(file, layer);
  }

  #rowLength(file: number): number {
    const { first, end } = this.layout.filePieces(file);
    return (end - first) * SHA256_LENGTH;
  }

  #take(file: number, row: Uint8Array): void {
    const { first, end } = this.layout.filePieces(file);
    this.#nodes!.set(row, first * SHA256_LENGTH);
    for (let index = first; index < end; index++) this.#known.add(index);
  }
}

/**
 * Says that a hybrid torrent is of two different files.
 *
 * @param index The piece that shows it.
 * @returns The error that stops it.
 */
export function contradictoryTorrent(index: number): MetainfoError {
  return new MetainfoError(
    "info.pieces",
    `and its hash trees are of different data, as piece ${index} shows: ` +
      "nobody can have what it describes; get another torrent of it",
  );
}

function rowAt(row: Uint8Array, index: number, length: number): Uint8Array {
  return row.subarray(index * length, (index + 1) * length);
}
