/**
 * `PieceStore`: blocks gather in memory, the piece is hashed, then it is
 * written once. It owns `have`.
 *
 * Only two things set a bit of `have`: a hash that is right, followed by a
 * write that has succeeded; and a check of what lies on disk.
 *
 * Hashing keeps up with the blocks as they arrive in order, while they are in
 * the processor's cache, so that the last block of a large piece does not hold
 * up the event loop.
 *
 * Whole pieces that come at once, as from a fast web seed, skip the gathering:
 * a `SideWriter` hashes and writes them off the event loop.
 *
 * Of a piece whose hash is wrong nothing is left, unless its owner keeps it: in
 * v2 it can be found out which blocks are bad, and these alone gather again.
 *
 * ```
 *               add()              the hash is right
 *   gathering ────────► complete ────────────────────► written
 *       ▲                   │ the hash is wrong
 *       │ mend()            ▼            discard()
 *       └──────────────── kept ────────────────────────► nothing
 * ```
 *
 * @module
 */

import { Bitfield } from "../bytes/bitfield.ts";
import { MetainfoError, StorageError } from "../errors.ts";
import {
  type Block,
  BLOCK_LENGTH,
  type PieceLayout,
} from "../metainfo/layout.ts";
import type { PieceHasher } from "../metainfo/piece_digest.ts";
import {
  contradictoryTorrent,
  type PieceHashes,
} from "../metainfo/piece_hashes.ts";
import type { FileStorage } from "./file_storage.ts";
import type { SideFinding, SidePiece } from "./side_hand.ts";
import type { SideResult, SideWriter } from "./side_writer.ts";

/** How much of a piece is hashed at a time: a call for each block costs more. */
const HASH_STEP = 128 * 1024;

/** Buffers that are kept for the next piece, in bytes. */
const MAX_SPARE_BYTES = 16 * 1024 * 1024;

/** Beyond so much that waits for the disk, the peers must wait as well. */
const MAX_QUEUED_BYTES = 16 * 1024 * 1024;

/** What small pieces are put together to: a message for each would cost more. */
const RUN_LENGTH = 1024 * 1024;

/** Larger pieces than this are not taken as a whole: it might be for nothing. */
const MAX_RUN_LENGTH = 8 * 1024 * 1024;

/**
 * What became of a piece whose blocks are all there:
 *
 * - `written`: its hash is right, and it is on disk;
 * - `mismatch`: its hash is wrong, its bytes are to be seen for the last time
 *   unless {@linkcode PieceStore.keep} is called now; in v2 `leaves` are the
 *   SHA-256 of its blocks;
 * - `failed`: its hash is right, and the disk refused it; or the torrent
 *   contradicts itself, and nobody is to blame.
 */
export type PieceOutcome =
  | { type: "written"; index: number; piece: Uint8Array }
  | {
    type: "mismatch";
    index: number;
    piece: Uint8Array;
    leaves: Uint8Array | undefined;
  }
  | { type: "failed"; index: number; error: StorageError | MetainfoError };

/** What the owner of a store hears of it. */
export interface PieceStoreHandler {
  /**
   * All blocks of a piece are there.
   *
   * @param outcome What became of it; its bytes are a view that holds until
   * the call returns.
   */
  onPiece(outcome: PieceOutcome): void;
}

/** What a store is made of. */
export interface PieceStoreOptions {
  /** What every piece must hash to. */
  hashes: PieceHashes;
  /** Where verified pieces go. */
  storage: FileStorage;
  /** What is there already. */
  have: Bitfield;
  /** Who hears of complete pieces. */
  handler: PieceStoreHandler;
  /** Who can hash and write pieces off the event loop, if anybody can. */
  sideWriter?: SideWriter | undefined;
}

/** A piece whose blocks are arriving. */
interface Gathering {
  /** The piece; the pad at its end is there from the start. */
  buffer: Uint8Array;
  /** How long its data is. */
  length: number;
  /** Which blocks are there. */
  blocks: Bitfield;
  hasher: PieceHasher;
  /** How much of the start is there, and how much of it is hashed. */
  contiguous: number;
  hashed: number;
}

/** The pieces of one torrent. */
export class PieceStore {
  readonly #layout: PieceLayout;
  readonly #hashes: PieceHashes;
  readonly #storage: FileStorage;
  readonly #have: Bitfield;
  readonly #handler: PieceStoreHandler;
  readonly #gathering = new Map<number, Gathering>();
  /** Complete pieces whose hash is wrong, and whose bytes may be of use. */
  readonly #kept = new Map<number, Gathering>();
  /** The piece that the handler hears of, if it may still be kept. */
  #offered: { index: number; piece: Gathering } | undefined;
  readonly #spare: Uint8Array[] = [];
  readonly #spareRuns: Uint8Array<ArrayBuffer>[] = [];
  readonly #sideWriter: SideWriter | undefined;
  /** Complete pieces that are being written, or hashed aside, in their order. */
  readonly #ending = new Set<Promise<void>>();
  #verifiedBytes: number;

  /**
   * A store in which nothing is gathering.
   *
   * @param layout Where the pieces lie.
   * @param options Their hashes, and where they go.
   */
  constructor(layout: PieceLayout, options: PieceStoreOptions) {
    this.#layout = layout;
    this.#hashes = options.hashes;
    this.#storage = options.storage;
    this.#have = options.have;
    this.#handler = options.handler;
    this.#sideWriter = options.sideWriter;
    this.#verifiedBytes = layout.bytesOf(options.have);
  }

  /** The pieces that are verified and on disk; to be read only. */
  get have(): Bitfield {
    return this.#have;
  }

  /** How much data the pieces of `have` are, in bytes. */
  get verifiedBytes(): number {
    return this.#verifiedBytes;
  }

  /** How many bytes have arrived that are not verified yet. */
  get gatheringBytes(): number {
    let bytes = 0;
    for (const { blocks, length } of this.#gathering.values()) {
      bytes += Math.min(blocks.count * BLOCK_LENGTH, length);
    }
    return bytes;
  }

  /**
   * Takes a block that was asked for. When it is the last one of its piece,
   * the handler hears of the piece, at once or when it is written.
   *
   * @param block Which it is; one of the layout's own.
   * @param bytes Its bytes; they are copied.
   */
  add(block: Block, bytes: Uint8Array): void {
    const piece = this.#gathering.get(block.index) ?? this.#begin(block.index);
    // What was hashed is what will be written: no block is taken twice.
    if (!piece.blocks.add(block.begin / BLOCK_LENGTH)) return;
    piece.buffer.set(bytes, block.begin);
    this.#hash(block.index, piece);
  }

  /**
   * How many pieces can be taken at a time by {@linkcode PieceStore.addRun}; 0
   * if nobody is there to hash and write them aside.
   */
  get piecesPerRun(): number {
    const { pieceLength } = this.#layout;
    if (!this.#sideWriter || pieceLength > MAX_RUN_LENGTH) return 0;
    return Math.max(1, Math.floor(RUN_LENGTH / pieceLength));
  }

  /** Memory for a run of pieces, until it is added or forgotten. */
  lend(): Uint8Array<ArrayBuffer> {
    return this.#spareRuns.pop() ??
      new Uint8Array(this.piecesPerRun * this.#layout.pieceLength);
  }

  /**
   * Takes whole pieces that follow each other, of which nothing has gathered.
   * They are hashed and written off the event loop; the handler hears of each.
   *
   * @param pieces The pieces: the first one, and the one after the last.
   * @param memory Where they lie, one after the other: lent by
   * {@linkcode PieceStore.lend}, and given back with this.
   */
  addRun(
    pieces: { first: number; end: number },
    memory: Uint8Array<ArrayBuffer>,
  ): void {
    this.#await(this.#endRun(pieces, memory));
  }

  /**
   * Keeps the bytes of a piece whose hash is wrong; to be called while its
   * `mismatch` is handled. They take memory until the piece is mended or
   * discarded.
   *
   * @param index The piece.
   */
  keep(index: number): void {
    if (this.#offered?.index !== index) {
      throw new RangeError(`Cannot keep piece ${index}: it is not at hand`);
    }
    this.#kept.set(index, this.#offered.piece);
    this.#offered = undefined;
  }

  /**
   * Lets the bad blocks of a kept piece gather again. When they are there, the
   * whole piece is hashed anew.
   *
   * @param index The piece.
   * @param bad The numbers of its bad blocks; at least one.
   */
  mend(index: number, bad: Iterable<number>): void {
    const piece = this.#kept.get(index);
    if (!piece) {
      throw new RangeError(`Cannot mend piece ${index}: it was not kept`);
    }
    for (const number of bad) piece.blocks.delete(number);
    if (piece.blocks.isFull) {
      throw new RangeError(`Cannot mend piece ${index}: no block is bad`);
    }
    this.#kept.delete(index);
    this.#gathering.set(index, {
      ...piece,
      hasher: this.#hashes.hasher(index),
      contiguous: 0,
      hashed: 0,
    });
  }

  /**
   * Forgets the blocks of a piece that is not complete, or was kept.
   *
   * @param index The piece.
   */
  discard(index: number): void {
    const piece = this.#gathering.get(index) ?? this.#kept.get(index);
    if (!piece) return;
    this.#gathering.delete(index);
    this.#kept.delete(index);
    keepSpare(this.#spare, piece.buffer);
  }

  /**
   * A piece that was verified is not on disk any more.
   *
   * @param index The piece.
   */
  lose(index: number): void {
    if (!this.#have.delete(index)) return;
    this.#verifiedBytes -= this.#layout.dataSize(index);
  }

  /**
   * Whether the disk keeps up.
   *
   * @returns A promise for when it will, if it does not.
   */
  drained(): Promise<void> | undefined {
    const queuedBytes = this.#storage.queuedBytes +
      (this.#sideWriter?.queuedBytes ?? 0);
    if (queuedBytes <= MAX_QUEUED_BYTES) return undefined;
    // Pieces end in their order. To wait for any of them would cost more the
    // more there are, for every peer again and again.
    const [oldest] = this.#ending;
    return oldest;
  }

  /** Waits until every complete piece is written, or has failed. */
  async settled(): Promise<void> {
    while (this.#ending.size > 0) await Promise.all(this.#ending);
  }

  #begin(index: number): Gathering {
    const length = this.#layout.dataSize(index);
    const buffer = this.#spare.pop() ??
      new Uint8Array(Math.min(this.#layout.pieceLength, this.#layout.length));
    const size = this.#layout.pieceSize(index);
    if (size > length) buffer.fill(0, length, size);
    const piece = {
      buffer,
      length,
      blocks: new Bitfield(this.#layout.blockCount(index)),
      hasher: this.#hashes.hasher(index),
      contiguous: 0,
      hashed: 0,
    };
    this.#gathering.set(index, piece);
    return piece;
  }

  /** Hashes what has become contiguous, if it is enough or all. */
  #hash(index: number, piece: Gathering): void {
    while (
      piece.contiguous < piece.length &&
      piece.blocks.has(piece.contiguous / BLOCK_LENGTH)
    ) {
      piece.contiguous = Math.min(
        piece.contiguous + BLOCK_LENGTH,
        piece.length,
      );
    }
    const isComplete = piece.contiguous === piece.length;
    if (!isComplete && piece.contiguous - piece.hashed < HASH_STEP) return;
    const end = isComplete ? this.#layout.pieceSize(index) : piece.contiguous;
    piece.hasher.update(piece.buffer.subarray(piece.hashed, end));
    piece.hashed = end;
    if (isComplete) this.#complete(index, piece);
  }

  #complete(index: number, gathered: Gathering): void {
    this.#gathering.delete(index);
    switch (gathered.hasher.verdict()) {
      case "right":
        return this.#write(index, gathered);
      case "wrong":
        return this.#mismatched(index, gathered);
      case "contradictory":
        keepSpare(this.#spare, gathered.buffer);
        return this.#failed(index, contradictoryTorrent(index));
    }
  }

  async #endRun(
    { first, end }: { first: number; end: number },
    memory: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    const offset = this.#layout.pieceOffset(first);
    const pieces: SidePiece[] = [];
    for (let index = first; index < end; index++) {
      const begin = this.#layout.pieceOffset(index) - offset;
      const length = this.#layout.dataSize(index);
      const size = this.#layout.pieceSize(index);
      memory.fill(0, begin + length, begin + size);
      pieces.push({ begin, length, size, order: this.#hashes.orderFor(index) });
    }
    const { begin, length } = pieces.at(-1)!;
    let ended: SideResult;
    try {
      ended = await this.#storage.writeAside(offset, {
        length: begin + length,
        write: (targets) => this.#sideWriter!.end({ memory, pieces, targets }),
      });
    } catch (error) {
      for (let index = first; index < end; index++) this.#failed(index, error);
      return;
    }
    for (const [i, { begin, length }] of pieces.entries()) {
      const piece = ended.memory.subarray(begin, begin + length);
      this.#ended(first + i, { ...ended.findings[i]!, piece });
    }
    keepSpare(this.#spareRuns, ended.memory);
  }

  /** A piece of a run was hashed, and written if it is right. */
  #ended(
    index: number,
    { piece, verdict, leaves, failure }: SideFinding & { piece: Uint8Array },
  ): void {
    switch (verdict) {
      case "right":
        return failure
          ? this.#failed(index, new StorageError(failure.problem, failure))
          : this.#written(index, piece);
      case "wrong": {
        // In memory of its own it may be kept.
        const gathered = this.#begin(index);
        this.#gathering.delete(index);
        gathered.buffer.set(piece);
        for (let at = 0; at < this.#layout.blockCount(index); at++) {
          gathered.blocks.add(at);
        }
        return this.#mismatched(index, gathered, leaves);
      }
      case "contradictory":
        return this.#failed(index, contradictoryTorrent(index));
    }
  }

  #mismatched(
    index: number,
    gathered: Gathering,
    leaves: Uint8Array | undefined = gathered.hasher.leaves,
  ): void {
    const { buffer, length } = gathered;
    const offered = this.#offered = { index, piece: gathered };
    this.#handler.onPiece({
      type: "mismatch",
      index,
      piece: buffer.subarray(0, length),
      leaves,
    });
    if (this.#offered !== offered) return;
    this.#offered = undefined;
    keepSpare(this.#spare, buffer);
  }

  #write(index: number, { buffer, length }: Gathering): void {
    const piece = buffer.subarray(0, length);
    const done = () => {
      this.#written(index, piece);
      keepSpare(this.#spare, buffer);
    };
    try {
      const written = this.#storage.write(
        this.#layout.pieceOffset(index),
        piece,
      );
      if (!written) return done();
      this.#await(written.then(done, (error) => this.#failed(index, error)));
    } catch (error) {
      this.#failed(index, error);
    }
  }

  #await(step: Promise<void>): void {
    const ending = step.finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  #written(index: number, piece: Uint8Array): void {
    this.#have.add(index);
    this.#verifiedBytes += piece.length;
    this.#handler.onPiece({ type: "written", index, piece });
  }

  #failed(index: number, error: unknown): void {
    if (!(error instanceof StorageError || error instanceof MetainfoError)) {
      throw error;
    }
    this.#handler.onPiece({ type: "failed", index, error });
  }
}

/** Keeps a buffer for the next time, if there are not too many. */
function keepSpare<T extends Uint8Array>(spare: T[], buffer: T): void {
  const spareBytes = (spare.length + 1) * buffer.length;
  if (spareBytes <= MAX_SPARE_BYTES) spare.push(buffer);
}
