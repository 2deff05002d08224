/**
 * The arithmetic between pieces, blocks and spans of files, and nothing else.
 * Pure.
 *
 * A piece is the unit of hashing, a block the unit of asking (16 KiB of one
 * piece). All bytes of a torrent stand in one row, file after file; an offset
 * counts from the start of that row.
 *
 * Pads (BEP 47) that fill up the end of a piece are zeros which everybody knows:
 * they are no data, so no block has them. In v1 they are hashed with the piece;
 * in v2 they only say where the next file begins (BEP 52).
 *
 * ```
 *   pieceSize  ├──────────────────────┤   what is hashed for v1
 *   dataSize   ├─────────────┤            what is asked for, counted and written
 *              file a         pad     file b
 * ```
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

/** What a layout has to know of pads. */
export interface PadOptions {
  /** The positions of the files that are pads; none if not given. */
  readonly pads?: ReadonlySet<number>;
  /** Whether pads are hashed with their pieces, as in v1; so if not given. */
  readonly padsAreHashed?: boolean;
}

/** All that makes a layout; it can be sent to a worker. */
export interface LayoutShape extends PadOptions {
  /** The length of a piece. */
  readonly pieceLength: number;
  /** The length of each file. */
  readonly fileLengths: readonly number[];
}

/** Where every piece, block and file of one torrent lies. */
export class PieceLayout {
  /** The length of every piece, unless it ends before. */
  readonly pieceLength: number;
  /** The number of pieces. */
  readonly pieceCount: number;
  /** The length of all files together, pads among them. */
  readonly length: number;
  /** The length of all data: what is to be downloaded. */
  readonly dataLength: number;
  /** The most blocks that a piece has. */
  readonly blocksPerPiece: number;
  /** Where each file begins, and at the end where the last one ends. */
  readonly #offsets: Float64Array;
  readonly #padOptions: PadOptions;
  /** Pieces that end with a pad → how much of it they have. */
  readonly #pads: ReadonlyMap<number, number>;

  /**
   * Lays files out in a row and cuts it into pieces.
   *
   * @param pieceLength The length of a piece.
   * @param fileLengths The lengths of the files, in the torrent's order.
   * @param padOptions Which of them are pads.
   */
  constructor(
    pieceLength: number,
    fileLengths: readonly number[],
    padOptions: PadOptions = {},
  ) {
    this.pieceLength = pieceLength;
    this.#padOptions = padOptions;
    this.#offsets = new Float64Array(fileLengths.length + 1);
    fileLengths.forEach((length, file) => {
      this.#offsets[file + 1] = this.#offsets[file]! + length;
    });
    this.length = this.#offsets[fileLengths.length]!;
    this.pieceCount = Math.ceil(this.length / pieceLength);
    this.blocksPerPiece = Math.ceil(pieceLength / BLOCK_LENGTH);
    this.#pads = this.#findPads(padOptions.pads);
    this.dataLength = this.length -
      this.#pads.values().reduce((sum, pad) => sum + pad, 0);
  }

  /**
   * Makes a layout anew, as in a worker.
   *
   * @param shape What {@linkcode PieceLayout.shape} of the other one gave.
   * @returns The layout.
   */
  static of({ pieceLength, fileLengths, ...pads }: LayoutShape): PieceLayout {
    return new PieceLayout(pieceLength, fileLengths, pads);
  }

  /** All that makes the layout, for a worker. */
  get shape(): LayoutShape {
    const fileLengths = Array.from(
      { length: this.fileCount },
      (_, file) => this.fileLength(file),
    );
    const { pieceLength } = this;
    return { pieceLength, fileLengths, ...this.#padOptions };
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
   * How long a piece is, which is: how much of it is hashed. The last one may
   * be shorter, and for v2 alone every last one of a file.
   *
   * @param index The piece.
   * @returns Its length.
   */
  pieceSize(index: number): number {
    return this.#padOptions.padsAreHashed === false
      ? this.dataSize(index)
      : this.#fullSize(index);
  }

  /**
   * How long the data of a piece is: the piece without the pad at its end. A
   * piece that is nothing but a pad counts as data, so that no piece is empty;
   * so does a pad with data behind it.
   *
   * @param index The piece.
   * @returns Its length; never zero.
   */
  dataSize(index: number): number {
    return this.#fullSize(index) - (this.#pads.get(index) ?? 0);
  }

  /**
   * How much of a piece others may ask for: its pad too, which is zeros. For v2
   * alone there is none, but libtorrent 2.0 asks for whole blocks all the same.
   *
   * @param index The piece.
   * @returns The length of what is served.
   */
  servedSize(index: number): number {
    return this.#padOptions.padsAreHashed === false
      ? this.blockCount(index) * BLOCK_LENGTH
      : this.#fullSize(index);
  }

  /**
   * How many blocks a piece has.
   *
   * @param index The piece.
   * @returns At least 1.
   */
  blockCount(index: number): number {
    return Math.ceil(this.dataSize(index) / BLOCK_LENGTH);
  }

  /**
   * How much data some pieces have together.
   *
   * @param pieces The pieces.
   * @returns Their length in bytes, without pads.
   */
  bytesOf(pieces: Bitfield): number {
    const last = this.pieceCount - 1;
    const spare = this.pieceLength * this.pieceCount - this.length;
    let bytes = pieces.count * this.pieceLength;
    if (pieces.has(last)) bytes -= spare;
    for (const [index, pad] of this.#pads) {
      if (pieces.has(index)) bytes -= pad;
    }
    return bytes;
  }

  /**
   * One block of a piece; the last one ends where the data does.
   *
   * @param index The piece.
   * @param number The number of the block in the piece.
   * @returns The block.
   */
  block(index: number, number: number): Block {
    const begin = number * BLOCK_LENGTH;
    const length = Math.min(BLOCK_LENGTH, this.dataSize(index) - begin);
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
      begin % BLOCK_LENGTH === 0 && begin < this.dataSize(index) &&
      length === Math.min(BLOCK_LENGTH, this.dataSize(index) - begin);
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

  /** How much of the row a piece takes. */
  #fullSize(index: number): number {
    return Math.min(this.pieceLength, this.length - this.pieceOffset(index));
  }

  /** Finds the pieces that end with a pad, and begin with something else. */
  #findPads(pads: ReadonlySet<number> = new Set()): Map<number, number> {
    const found = new Map<number, number>();
    // Where a run of pads began; empty files in it change nothing.
    let begin = 0;
    for (let file = 0; file < this.fileCount; file++) {
      const end = this.#offsets[file + 1]!;
      if (!pads.has(file)) {
        if (this.fileLength(file) > 0) begin = end;
        continue;
      }
      const index = Math.floor(begin / this.pieceLength);
      const pieceEnd = Math.min((index + 1) * this.pieceLength, this.length);
      if (begin > this.pieceOffset(index) && pieceEnd <= end) {
        found.set(index, pieceEnd - begin);
      }
    }
    return found;
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
