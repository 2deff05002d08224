/**
 * `LeafReader`: the SHA-256 of the blocks of verified pieces (BEP 52), read
 * from disk when somebody needs them.
 *
 * @module
 */

import type { Block, PieceLayout } from "../metainfo/layout.ts";
import { LeafHasher, merkleRoot } from "../metainfo/merkle.ts";
import type { PieceHashes } from "../metainfo/piece_hashes.ts";
import { Turns } from "../turns.ts";

/** A piece is read in parts, so that the event loop is not held for long. */
const PART_LENGTH = 512 * 1024;

/** A bad piece is asked for by several at a time, and again soon. */
const MAX_KEPT_BYTES = 2 * 1024 * 1024;

/** Reads verified pieces. */
export interface VerifiedBytes {
  /** Reads off the event loop what is to be read next. */
  warm(part: Block, buffer: Uint8Array): Promise<void>;
  /** Reads a part of a piece; tells whether it is what was verified. */
  readSync(part: Block, buffer: Uint8Array): boolean;
}

/** What a leaf reader is made of. */
export interface LeafReaderOptions {
  /** Reads the pieces. */
  reader: VerifiedBytes;
  /** What they must hash to. */
  hashes: PieceHashes;
}

/** Reads the leaves of pieces, one piece at a time. */
export class LeafReader {
  readonly #layout: PieceLayout;
  readonly #options: LeafReaderOptions;
  /** The leaves of pieces that were read last. */
  readonly #kept = new Map<number, Uint8Array>();
  #keptBytes = 0;
  #reading: Promise<unknown> = Promise.resolve();
  #buffer: Uint8Array | undefined;
  readonly #turns = new Turns();

  /**
   * Reads nothing yet.
   *
   * @param layout Where the pieces lie.
   * @param options Where they can be read.
   */
  constructor(layout: PieceLayout, options: LeafReaderOptions) {
    this.#layout = layout;
    this.#options = options;
  }

  /**
   * Reads the leaves of a piece.
   *
   * @param index A piece that is verified.
   * @returns One for each of its blocks; `undefined` if it cannot be read, or
   * is not what it was.
   */
  async read(index: number): Promise<Uint8Array | undefined> {
    const reading = this.#reading.then(() => this.#read(index));
    this.#reading = reading;
    return await reading;
  }

  /** Waits until nothing is being read. */
  async settled(): Promise<void> {
    await this.#reading;
  }

  async #read(index: number): Promise<Uint8Array | undefined> {
    const kept = this.#kept.get(index);
    if (kept) return kept;
    const { reader, hashes } = this.#options;
    const length = this.#layout.dataSize(index);
    const buffer = this.#buffer ??= new Uint8Array(PART_LENGTH);
    const hasher = new LeafHasher(length);
    for (let begin = 0; begin < length; begin += PART_LENGTH) {
      const bytes = buffer.subarray(0, Math.min(PART_LENGTH, length - begin));
      const part = { index, begin, length: bytes.length };
      await reader.warm(part, bytes);
      if (!reader.readSync(part, bytes)) return undefined;
      hasher.update(bytes);
      await this.#turns.pause(performance.now());
    }
    const { leaves } = hasher;
    const node = merkleRoot(leaves, { height: hashes.nodeLevel(index) });
    if (hashes.judge(index, { node }) !== "right") return undefined;
    this.#keep(index, leaves);
    return leaves;
  }

  #keep(index: number, leaves: Uint8Array): void {
    this.#kept.set(index, leaves);
    this.#keptBytes += leaves.length;
    for (const [oldest, { length }] of this.#kept) {
      if (this.#keptBytes <= MAX_KEPT_BYTES) return;
      this.#kept.delete(oldest);
      this.#keptBytes -= length;
    }
  }
}
