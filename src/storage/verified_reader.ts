/**
 * `VerifiedReader`: the bytes of verified pieces, for others, and never any
 * other bytes.
 *
 * After its pieces were verified, anybody can change a file, cut it or take it
 * away. Whoever does so changes its times before the first new byte can be
 * read. So the reader reads first and looks then: if the file is what it was,
 * the bytes are those that were verified. If not, every piece of the file is
 * in doubt: it is hashed as it is read, and given if the hash is right.
 *
 * What this process writes changes a file too, and is verified. As long as it
 * does, nobody else can be told apart who writes to the same file.
 *
 * @module
 */

import { Bitfield } from "../bytes/bitfield.ts";
import { StorageError } from "../errors.ts";
import type { Block, PieceLayout } from "../metainfo/layout.ts";
import type { PieceHashes } from "../metainfo/piece_hashes.ts";
import {
  type FileFacts,
  type FileStorage,
  isSameFile,
} from "./file_storage.ts";
import { HoldUps } from "./hold_ups.ts";
import { PieceReader } from "./piece_reader.ts";
import { isOutOfDescriptors } from "./storage_error.ts";

/** A piece in doubt is read in parts, so that a large one needs no large buffer. */
const PART_LENGTH = 256 * 1024;

/** Options for {@linkcode VerifiedReader}. */
export interface VerifiedReaderOptions {
  /** Where the files lie, and who changes them for us. */
  storage: FileStorage;
  /** What every piece must hash to. */
  hashes: PieceHashes;
  /** What each file was like before its pieces were verified. */
  facts: readonly (FileFacts | undefined)[];
  /**
   * Hears of a piece that was verified, and is not on disk any more.
   *
   * @param index The piece.
   */
  onLost: (index: number) => void;
}

/** What a file was like when its pieces could be trusted. */
interface Stamp {
  facts: FileFacts | undefined;
  /** Our own changes until then. */
  changes: number;
  /** Whether a file that looks the same may be another. */
  isFresh: boolean;
}

/** Reads pieces that were verified. */
export class VerifiedReader implements Disposable {
  readonly #layout: PieceLayout;
  readonly #options: VerifiedReaderOptions;
  readonly #reader: PieceReader;
  readonly #stamps = new Map<number, Stamp>();
  /** Pieces that must be hashed before they are given. */
  readonly #doubtful: Bitfield;
  readonly #holdUps = new HoldUps();
  #part: Uint8Array | undefined;

  /**
   * Opens nothing yet.
   *
   * @param layout Where the pieces lie.
   * @param options The files.
   */
  constructor(layout: PieceLayout, options: VerifiedReaderOptions) {
    const { storage } = options;
    this.#layout = layout;
    this.#options = options;
    this.#doubtful = new Bitfield(layout.pieceCount);
    const files = Array.from({ length: layout.fileCount }, (_, file) => file);
    this.#reader = new PieceReader(
      layout,
      files.map((file) =>
        storage.isOnDisk(file) ? storage.pathOf(file) : undefined
      ),
    );
  }

  /** Whether the disk is so slow that reads should be warmed first. */
  get isSlow(): boolean {
    return this.#holdUps.isSlow;
  }

  /**
   * Reads a part of a verified piece.
   *
   * @param part Which; a block, or several that follow each other. What is
   * behind the data of the piece is zeros.
   * @param buffer Filled with the bytes.
   * @returns Whether they are those that were verified. If not, the owner has
   * heard that the piece is lost, unless it only cannot be read now.
   */
  readSync(part: Block, buffer: Uint8Array): boolean {
    const startedAt = performance.now();
    const data = this.#dataOf(part);
    buffer.fill(0, data.length);
    if (data.length === 0) return true;
    const isRead = this.#read(data, buffer.subarray(0, data.length));
    const now = performance.now();
    this.#holdUps.add(now - startedAt, now);
    return isRead;
  }

  /**
   * Reads off the event loop what {@linkcode VerifiedReader.readSync} will
   * read then.
   *
   * @param part Which; a block, or several that follow each other.
   * @param buffer Room for the bytes; what it holds then means nothing.
   */
  async warm(part: Block, buffer: Uint8Array): Promise<void> {
    this.#holdUps.spared();
    const { length } = this.#dataOf(part);
    if (length === 0) return;
    await this.#reader.warm(this.#offsetOf(part), buffer.subarray(0, length));
  }

  /** Closes the files. */
  [Symbol.dispose](): void {
    this.#reader[Symbol.dispose]();
  }

  /** As much of a part as is data. */
  #dataOf(part: Block): Block {
    const left = Math.max(0, this.#layout.dataSize(part.index) - part.begin);
    return { ...part, length: Math.min(part.length, left) };
  }

  #offsetOf({ index, begin }: Block): number {
    return this.#layout.pieceOffset(index) + begin;
  }

  #read(part: Block, buffer: Uint8Array): boolean {
    const { index, length } = part;
    try {
      if (!this.#doubtful.has(index)) {
        const isThere = this.#reader.readSync(this.#offsetOf(part), buffer);
        const isSame = this.#look(this.#offsetOf(part), length);
        if (isThere && isSame) return true;
      }
      if (this.#readHashed(part, buffer)) return true;
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      // That says nothing of the piece: it can be read later.
      if (isOutOfDescriptors(error.cause)) return false;
    }
    this.#doubtful.add(index);
    this.#options.onLost(index);
    return false;
  }

  /**
   * Reads a part, and hashes the whole piece in the same go: whatever happens
   * to the file meanwhile, the bytes are those that were hashed.
   */
  #readHashed({ index, begin }: Block, buffer: Uint8Array): boolean {
    const offset = this.#layout.pieceOffset(index);
    const length = this.#layout.pieceSize(index);
    this.#look(offset, length);
    this.#part ??= new Uint8Array(PART_LENGTH);
    const hasher = this.#options.hashes.hasher(index);
    for (let at = 0; at < length; at += PART_LENGTH) {
      const part = this.#part.subarray(0, Math.min(PART_LENGTH, length - at));
      if (!this.#reader.readSync(offset + at, part)) return false;
      hasher.update(part);
      copyOverlap({ bytes: part, at }, { bytes: buffer, at: begin });
    }
    if (hasher.verdict() !== "right") return false;
    this.#doubtful.delete(index);
    // This puts it in doubt again if it has changed since.
    this.#look(offset, length);
    return true;
  }

  #firstStamp(file: number): Stamp {
    const facts = this.#options.facts[file];
    return { facts, changes: 0, isFresh: facts?.isFresh === true };
  }

  /**
   * Looks at the files that some bytes lie in; tells whether they are what they
   * were. If not, all their pieces are in doubt from now on.
   */
  #look(offset: number, length: number): boolean {
    const { storage } = this.#options;
    let isSame = true;
    for (const { file } of this.#layout.spans(offset, length)) {
      if (!storage.isOnDisk(file)) continue;
      const known = this.#stamps.get(file) ?? this.#firstStamp(file);
      const facts = storage.inspect(file);
      if (isSameFile(facts, known.facts) && !known.isFresh) continue;
      const changes = storage.changesOf(file);
      const isOurs = changes !== known.changes;
      const isFresh = !isOurs && facts?.isFresh === true;
      this.#stamps.set(file, { facts, changes, isFresh });
      if (isOurs) continue;
      isSame = false;
      this.#reader.forget(file);
      const { first, end } = this.#layout.filePieces(file);
      for (let index = first; index < end; index++) this.#doubtful.add(index);
    }
    return isSame;
  }
}

interface Stretch {
  bytes: Uint8Array;
  /** Where it begins in the piece. */
  at: number;
}

/** Copies what two stretches of a piece have in common. */
function copyOverlap(from: Stretch, to: Stretch): void {
  const begin = Math.max(from.at, to.at);
  const end = Math.min(from.at + from.bytes.length, to.at + to.bytes.length);
  if (begin >= end) return;
  to.bytes.set(
    from.bytes.subarray(begin - from.at, end - from.at),
    begin - to.at,
  );
}
