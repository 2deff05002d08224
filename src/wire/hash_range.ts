/**
 * `HashRange`: some hashes of a file's tree, as the messages `hash request`,
 * `hashes` and `hash reject` name them (BEP 52), and its bytes, both ways.
 * Pure.
 *
 * ```
 *   proof layers  4                   (root)
 *                 3          x                       [uncle]
 *                 2     x          [uncle]        .           .
 *   proof layer   1   x     x     .     .     .      .     .     .
 *   base layer    0  h h   h h
 *                    └ index, length ┘
 * ```
 *
 * Proof layers are counted from the one above the base layer. What follows
 * from the hashes themselves is counted and not sent: the lowest uncle that is
 * sent is the sibling of the node above all of them.
 *
 * @module
 */

import { hashesEqual, SHA256_LENGTH } from "../bytes/hash.ts";
import { ProtocolError } from "../errors.ts";

/** Some hashes of a file, in the words of BEP 52. */
export interface HashRange {
  /** The root of the file's tree: 32 bytes. */
  readonly piecesRoot: Uint8Array;
  /** The level of the hashes; 0 is that of blocks. */
  readonly baseLayer: number;
  /** Where in their row they begin: a multiple of their number. */
  readonly index: number;
  /** Their number: a power of two. */
  readonly length: number;
  /** On how many levels above the base layer they are proven. */
  readonly proofLayers: number;
}

/** How many bytes a range takes. */
export const HASH_RANGE_LENGTH: number = SHA256_LENGTH + 4 * 4;

/** BEP 52: "Length SHOULD NOT be greater than 512". */
export const MAX_HASHES = 512;

/**
 * No tree is higher than the 53 levels of 2^53 bytes, so no proof has more
 * uncles.
 */
const MAX_UNCLES = 53;

/** The most hashes of an answer that anybody can be asked for, in bytes. */
export const MAX_HASHES_LENGTH: number = (MAX_HASHES + MAX_UNCLES) *
  SHA256_LENGTH;

/**
 * How many uncles prove a range.
 *
 * @param range The range; its length is a power of two.
 * @returns The number of hashes that follow those of the base layer.
 */
export function uncleCount(
  { length, proofLayers }: Pick<HashRange, "length" | "proofLayers">,
): number {
  // BEP 52: the first log2(length) - 1 proof layers are left out.
  return Math.max(0, proofLayers - Math.log2(length) + 1);
}

/**
 * Whether two ranges are the same.
 *
 * @param a The one.
 * @param b The other.
 * @returns Whether they name the same hashes and the same proof.
 */
export function isSameRange(a: HashRange, b: HashRange): boolean {
  return a.baseLayer === b.baseLayer && a.index === b.index &&
    a.length === b.length && a.proofLayers === b.proofLayers &&
    hashesEqual(a.piecesRoot, b.piecesRoot);
}

/**
 * Reads a range.
 *
 * @param bytes At least {@linkcode HASH_RANGE_LENGTH} bytes.
 * @returns The range, whatever its numbers; its root is a view into the bytes.
 */
export function decodeHashRange(bytes: Uint8Array): HashRange {
  const fields = new DataView(bytes.buffer, bytes.byteOffset + SHA256_LENGTH);
  return {
    piecesRoot: bytes.subarray(0, SHA256_LENGTH),
    baseLayer: fields.getUint32(0),
    index: fields.getUint32(4),
    length: fields.getUint32(8),
    proofLayers: fields.getUint32(12),
  };
}

/**
 * Reads a range and the hashes that follow it.
 *
 * @param bytes All bytes of the message but its id.
 * @returns Both, as views into the bytes.
 * @throws {ProtocolError} If there are more hashes than the range says, or
 * fewer.
 */
export function decodeHashes(
  bytes: Uint8Array,
): HashRange & { hashes: Uint8Array } {
  const range = decodeHashRange(bytes);
  const hashes = bytes.subarray(HASH_RANGE_LENGTH);
  const isPower = Number.isInteger(Math.log2(range.length));
  const count = isPower ? range.length + uncleCount(range) : NaN;
  if (hashes.length !== count * SHA256_LENGTH) {
    throw new ProtocolError(
      `Cannot use hashes: ${hashes.length} bytes for ${range.length} and their proof`,
    );
  }
  return { ...range, hashes };
}

/**
 * Writes a range.
 *
 * @param range The range.
 * @param bytes Where to: {@linkcode HASH_RANGE_LENGTH} bytes.
 */
export function writeHashRange(range: HashRange, bytes: Uint8Array): void {
  bytes.set(range.piecesRoot);
  const fields = new DataView(bytes.buffer, bytes.byteOffset + SHA256_LENGTH);
  fields.setUint32(0, range.baseLayer);
  fields.setUint32(4, range.index);
  fields.setUint32(8, range.length);
  fields.setUint32(12, range.proofLayers);
}
