/**
 * The hash trees of BitTorrent v2 (BEP 52). Pure.
 *
 * Every file is a binary tree of SHA-256. Its leaves, level 0, are the hashes
 * of the file's blocks of 16 KiB; a node is the hash of its two children. The
 * row of leaves is filled up with zeros to a power of two:
 *
 *     level 2                root
 *                    ┌────────┴────────┐
 *     level 1        a                 b
 *                ┌───┴───┐         ┌───┴───┐
 *     level 0  block   block     block     0
 *
 * A row of nodes is their bytes, one after the other. The level on which a node
 * stands for a whole piece is the piece layer; that is what a torrent brings
 * for every file of more than one piece.
 *
 * @module
 */

import { hashesEqual, Sha256, sha256, SHA256_LENGTH } from "../bytes/hash.ts";
import { BLOCK_LENGTH } from "./layout.ts";

/** No file is longer than 2^53 bytes, so no tree is higher. */
const MAX_HEIGHT = 53;

/** The node over nothing but zeros, by its level. */
const PADS: Uint8Array[] = [new Uint8Array(SHA256_LENGTH)];

/**
 * The node that stands for blocks beyond the end of a file.
 *
 * @param level Its level; zeros on level 0.
 * @returns 32 bytes, not to be changed.
 */
export function padNode(level: number): Uint8Array {
  if (level > MAX_HEIGHT) throw new RangeError(`No tree has level ${level}`);
  for (let below = PADS.length - 1; below < level; below++) {
    PADS.push(parentOf(PADS[below]!, PADS[below]!));
  }
  return PADS[level]!;
}

/**
 * The leaves of some blocks.
 *
 * @param bytes Blocks of 16 KiB; the last one may be shorter.
 * @returns A row of level 0.
 */
export function leavesOf(bytes: Uint8Array): Uint8Array {
  const count = Math.ceil(bytes.length / BLOCK_LENGTH);
  const leaves = new Uint8Array(count * SHA256_LENGTH);
  for (let i = 0; i < count; i++) {
    const block = bytes.subarray(i * BLOCK_LENGTH, (i + 1) * BLOCK_LENGTH);
    leaves.set(sha256(block), i * SHA256_LENGTH);
  }
  return leaves;
}

/** Makes leaves of bytes that come in parts. */
export class LeafHasher {
  readonly #leaves: Uint8Array;
  #count = 0;
  /** How many bytes are still to come. */
  #left: number;
  /** The leaf that has begun, and how much of its block is still to come. */
  #open: Sha256 | undefined;
  #openLeft = 0;

  /**
   * Has got nothing yet.
   *
   * @param length How many bytes will come.
   */
  constructor(length: number) {
    this.#left = length;
    this.#leaves = new Uint8Array(
      Math.ceil(length / BLOCK_LENGTH) * SHA256_LENGTH,
    );
  }

  /** The leaves that are complete, as a row of level 0; a view. */
  get leaves(): Uint8Array {
    return this.#leaves.subarray(0, this.#count * SHA256_LENGTH);
  }

  /**
   * Adds bytes.
   *
   * @param bytes The next bytes; they are not kept. What comes beyond the
   * length, as a pad does, is left out.
   */
  update(bytes: Uint8Array): void {
    const length = Math.min(bytes.length, this.#left);
    for (let at = 0; at < length;) {
      const blockLeft = this.#open
        ? this.#openLeft
        : Math.min(BLOCK_LENGTH, this.#left);
      const part = bytes.subarray(at, Math.min(at + blockLeft, length));
      at += part.length;
      this.#left -= part.length;
      if (!this.#open && part.length === blockLeft) this.#add(sha256(part));
      else this.#addPart(part, blockLeft);
    }
  }

  #addPart(part: Uint8Array, blockLeft: number): void {
    this.#open ??= new Sha256();
    this.#open.update(part);
    this.#openLeft = blockLeft - part.length;
    if (this.#openLeft > 0) return;
    this.#add(this.#open.digest());
    this.#open = undefined;
  }

  #add(leaf: Uint8Array): void {
    this.#leaves.set(leaf, this.#count++ * SHA256_LENGTH);
  }
}

/** Where a row of nodes stands. */
export interface RowOptions {
  /** The level of the row; leaves if not given. */
  level?: number;
  /**
   * The level of the node that is wanted; the lowest that is above all of the
   * row if not given.
   */
  height?: number;
}

/**
 * The node above a row.
 *
 * @param row The nodes: at least one; what is missing beyond them are pads.
 * @param options Where the row stands.
 * @returns The node: 32 bytes.
 */
export function merkleRoot(
  row: Uint8Array,
  options: RowOptions = {},
): Uint8Array {
  let { level = 0 } = options;
  let nodes = row;
  const height = options.height ?? level;
  while (nodes.length > SHA256_LENGTH || level < height) {
    nodes = rowAbove(nodes, level++);
  }
  return nodes.slice();
}

/**
 * The row above a row.
 *
 * @param row The nodes.
 * @param level Their level.
 * @returns The nodes over each two of them.
 */
export function rowAbove(row: Uint8Array, level: number): Uint8Array {
  const count = row.length / SHA256_LENGTH;
  const above = new Uint8Array(Math.ceil(count / 2) * SHA256_LENGTH);
  for (let i = 0; i < count; i += 2) {
    const pair = row.subarray(i * SHA256_LENGTH, (i + 2) * SHA256_LENGTH);
    const node = pair.length === 2 * SHA256_LENGTH
      ? sha256(pair)
      : parentOf(pair, padNode(level));
    above.set(node, i / 2 * SHA256_LENGTH);
  }
  return above;
}

function parentOf(left: Uint8Array, right: Uint8Array): Uint8Array {
  const pair = new Uint8Array(2 * SHA256_LENGTH);
  pair.set(left);
  pair.set(right, SHA256_LENGTH);
  return sha256(pair);
}

/**
 * The level on which a node stands for a piece.
 *
 * @param pieceLength The length of a piece: a power of two, 16 KiB or more.
 * @returns The level of the piece layer.
 */
export function pieceLevel(pieceLength: number): number {
  return Math.log2(pieceLength / BLOCK_LENGTH);
}

/**
 * The level of a file's root.
 *
 * @param length The length of the file; more than zero.
 * @returns The height of its tree; 0 for a file of one block.
 */
export function treeHeight(length: number): number {
  return Math.ceil(Math.log2(Math.ceil(length / BLOCK_LENGTH)));
}

/**
 * The level on which the nodes of a file's pieces stand.
 *
 * @param length The length of the file; more than zero.
 * @param pieceLength The length of a piece: a power of two, 16 KiB or more.
 * @returns The level of the piece layer, or that of the root for a file that
 * is no longer than a piece.
 */
export function nodeLevel(length: number, pieceLength: number): number {
  return Math.min(treeHeight(length), pieceLevel(pieceLength));
}

/** Some nodes of a row that are one subtree. */
export interface Subtree {
  /** The level of the row. */
  level: number;
  /** Where in the row they begin: a multiple of their number. */
  index: number;
  /** The level of the file's root. */
  height: number;
}

/**
 * What proves that some nodes belong to a file: the sibling of their common
 * ancestor, then that of its parent, and so on below the root.
 *
 * @param row All nodes of the file on that level.
 * @param options Which of them; their number, a power of two, is `count`.
 * @returns A row of uncles, the lowest first.
 */
export function makeProof(
  row: Uint8Array,
  { level, index, height, count }: Subtree & { count: number },
): Uint8Array {
  const uncles: Uint8Array[] = [];
  let nodes = row;
  const first = level + Math.log2(count);
  let at = index / count;
  for (let above = level; above < height; above++) {
    if (above >= first) {
      const start = (at ^ 1) * SHA256_LENGTH;
      const isIn = start < nodes.length;
      uncles.push(
        isIn ? nodes.subarray(start, start + SHA256_LENGTH) : padNode(above),
      );
      at >>= 1;
    }
    nodes = rowAbove(nodes, above);
  }
  const proof = new Uint8Array(uncles.length * SHA256_LENGTH);
  uncles.forEach((uncle, i) => proof.set(uncle, i * SHA256_LENGTH));
  return proof;
}

/**
 * Whether nodes belong to a file.
 *
 * @param root The root of the file's tree.
 * @param proof The nodes, a power of two in number, where they stand, and their
 * uncles up to the root.
 * @returns Whether they lead to the root.
 */
export function checkProof(
  root: Uint8Array,
  { nodes, uncles, level, index, height }: Subtree & {
    nodes: Uint8Array;
    uncles: Uint8Array;
  },
): boolean {
  const count = nodes.length / SHA256_LENGTH;
  const rows = Math.log2(count);
  if (
    !Number.isInteger(rows) || index % count !== 0 ||
    uncles.length !== (height - level - rows) * SHA256_LENGTH ||
    index + count > 2 ** (height - level)
  ) return false;
  let node = merkleRoot(nodes, { level });
  let at = index / count;
  for (let i = 0; i < uncles.length; i += SHA256_LENGTH) {
    const uncle = uncles.subarray(i, i + SHA256_LENGTH);
    node = at % 2 === 0 ? parentOf(node, uncle) : parentOf(uncle, node);
    at = Math.floor(at / 2);
  }
  return hashesEqual(node, root);
}
