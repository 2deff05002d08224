/**
 * The arithmetic between pieces, blocks and spans of files, and nothing else.
 * Pure.
 *
 * A piece is the unit of hashing, a block the unit of asking (16 KiB of one
 * piece). All bytes of a torrent stand in one row, file after file; an offset
 * counts from the start of that row.
 *
 * @module
 */

import type { Bitfield } from "../bytes/bitfield.ts";

/** What every client asks for at a time (BEP 3: "2^14"), and the most we ask. */
export const BLOCK_LENGTH = 16_384;

/** The most pieces a torrent may have: libtorrent's limit; 40 MiB of hashes. */
export const MAX_PIECES = 0x200000;

/** A part of one piece, in BEP 3's words. */
export interface Block {
  /** The piece. */
  readonly index: number;
  /** Where the block begins in the piece. */
  readonly begin: number;
  /** How long it is. */
  readonly length: number;
}

/** A part of one file. */
export interface Span {
  /** The position of the file in the torrent's list. */
  readonly file: number;
  /** Where the part begins in the file. */
  readonly begin: number;
  /** Where the part begins in what was asked for. */
  readonly at: number;
  /** How long it is; never zero. */
  readonly length: number;
}

/** Where every piece, block and file of one torrent lies. */
export class PieceLayout {
  /** The length of every piece but the last. */
  readonly pieceLength: number;
  /** The number of pieces. */
  readonly pieceCount: number;
  /** The length of all files together. */
  readonly length: number;
  /** The number of blocks of every piece but the last. */
  readonly blocksPerPiece: number;
  /** Where each file begins, and at the end where the last one ends. */
  readonly #offsets: Float64Array;

  /**
   * Lays files out in a row and cuts it into pieces.
   *
   * @param pieceLength The length of a piece.
   * @param fileLengths The lengths of the files, in the torrent's order.
   */
  constructor(pieceLength: number, fileLengths: readonly number[]) {
    this.pieceLength = pieceLength;
    this.#offsets = new Float64Array(fileLengths.length + 1);
    fileLengths.forEach((length, file) => {
      this.#offsets[file + 1] = this.#offsets[file]! + length;
    });
    this.length = this.#offsets[fileLengths.length]!;
    this.pieceCount = Math.ceil(this.length / pieceLength);
    this.blocksPerPiece = Math.ceil(pieceLength / BLOCK_LENGTH);
  }

  /** The number of files. */
  get fileCount(): number {
    return this.#offsets.length - 1;
  }

  /**
   * Where a piece begins.
   *
   * @param index The piece.
   * @returns Its offset.
   */
  pieceOffset(index: number): number {
    return index * this.pieceLength;
  }

  /**
   * How long a piece is; the last one may be shorter.
   *
   * @param index The piece.
   * @returns Its length.
   */
  pieceSize(index: number): number {
    return Math.min(this.pieceLength, this.length - this.pieceOffset(index));
  }

  /**
   * How many blocks a piece has.
   *
   * @param index The piece.
   * @returns At least 1.
   */
  blockCount(index: number): number {
    return Math.ceil(this.pieceSize(index) / BLOCK_LENGTH);
  }

  /**
   * How many bytes some pieces have together.
   *
   * @param pieces The pieces.
   * @returns Their length.
   */
  bytesOf(pieces: Bitfield): number {
    const last = this.pieceCount - 1;
    const spare = this.pieceLength * this.pieceCount - this.length;
    return pieces.count * this.pieceLength - (pieces.has(last) ? spare : 0);
  }

  /**
   * One block of a piece; the last one may be shorter.
   *
   * @param index The piece.
   * @param number The number of the block in the piece.
   * @returns The block.
   */
  block(index: number, number: number): Block {
    const begin = number * BLOCK_LENGTH;
    const length = Math.min(BLOCK_LENGTH, this.pieceSize(index) - begin);
    return { index, begin, length };
  }

  /**
   * Whether a stranger's block is one of those that we ask for.
   *
   * @param block Any integers.
   * @returns Whether it is exactly one of {@linkcode PieceLayout.block}.
   */
  isBlock({ index, begin, length }: Block): boolean {
    return index >= 0 && index < this.pieceCount && begin >= 0 &&
      begin % BLOCK_LENGTH === 0 && begin < this.pieceSize(index) &&
      length === Math.min(BLOCK_LENGTH, this.pieceSize(index) - begin);
  }

  /**
   * Where a file begins.
   *
   * @param file Its position in the list.
   * @returns Its offset.
   */
  fileOffset(file: number): number {
    return this.#offsets[file]!;
  }

  /**
   * How long a file is.
   *
   * @param file Its position in the list.
   * @returns Its length.
   */
  fileLength(file: number): number {
    return this.#offsets[file + 1]! - this.#offsets[file]!;
  }

  /**
   * The pieces that a file has a part in.
   *
   * @param file Its position in the list.
   * @returns The first piece, and the one after the last; the same number
   * for an empty file.
   */
  filePieces(file: number): { first: number; end: number } {
    const begin = this.#offsets[file]!;
    const end = this.#offsets[file + 1]!;
    const first = Math.floor(begin / this.pieceLength);
    return {
      first,
      end: begin === end ? first : Math.ceil(end / this.pieceLength),
    };
  }

  /**
   * The parts of files that a run of bytes is made of, in order.
   *
   * @param offset Where the run begins.
   * @param length How long it is.
   * @returns The spans; empty files have none.
   */
  spans(offset: number, length: number): Span[] {
    if (offset < 0 || offset + length > this.length) {
      throw new RangeError(
        `Cannot find byte ${offset + length}: the files have ${this.length}`,
      );
    }
    const spans: Span[] = [];
    let file = this.#fileAt(offset);
    let at = 0;
    while (at < length) {
      const end = this.#offsets[file + 1]!;
      const part = Math.min(end - (offset + at), length - at);
      if (part > 0) {
        const begin = offset + at - this.#offsets[file]!;
        spans.push({ file, begin, at, length: part });
        at += part;
      }
      file++;
    }
    return spans;
  }

  /** The last file that begins at or before an offset. */
  #fileAt(offset: number): number {
    let low = 0;
    let high = this.fileCount - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#offsets[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
