/**
 * Runs of blocks that are fetched from a web seed (BEP 17, 19): where on it
 * they lie, and how they are cut out of what it sends. Pure.
 *
 * @module
 */

import { joinBlocks } from "../metainfo/joined_blocks.ts";
import {
  type Block,
  BLOCK_LENGTH,
  type PieceLayout,
} from "../metainfo/layout.ts";
import type { Metainfo } from "../metainfo/metainfo.ts";
import {
  fileUrl,
  pieceUrl,
  type WebSeedPlace,
} from "../metainfo/web_seed_url.ts";
import type { RangeRequest } from "../net/http_range.ts";

/** A part of a run. */
export interface RunPart {
  /** How long it is. */
  length: number;
  /** The file that it is of; not given for pieces, and for zeros of pads. */
  file?: number;
  /** What to ask for; nothing for zeros, and for files that no URL can name. */
  request?: RangeRequest | undefined;
}

/**
 * Puts blocks in order and parts them where one does not follow the other.
 *
 * @param blocks The blocks.
 * @param pieceLength The length of a piece.
 * @returns Runs of blocks.
 */
export function runsOf(
  blocks: readonly Block[],
  pieceLength: number,
): Block[][] {
  const offsetOf = ({ index, begin }: Block) => index * pieceLength + begin;
  const runs: Block[][] = [];
  let end = -1;
  for (const block of blocks.toSorted((a, b) => offsetOf(a) - offsetOf(b))) {
    if (offsetOf(block) === end) runs.at(-1)!.push(block);
    else runs.push([block]);
    end = offsetOf(block) + block.length;
  }
  return runs;
}

/**
 * What to ask a web seed for, to get a run of blocks.
 *
 * @param place The web seed: its URL, and what it gives.
 * @param metainfo The torrent.
 * @param run The blocks, each next to the one before.
 * @returns The parts, in order.
 */
export function partsOf(
  place: Pick<WebSeedPlace, "url" | "givesPieces">,
  metainfo: Metainfo,
  run: readonly Block[],
): RunPart[] {
  const { layout, files } = metainfo;
  const [first] = run;
  const length = run.reduce((sum, block) => sum + block.length, 0);
  const offset = layout.pieceOffset(first!.index) + first!.begin;
  if (place.givesPieces) {
    return joinBlocks(run).map(({ part }) => {
      const { length } = part;
      const url = pieceUrl(place.url, metainfo, part);
      return { length, request: { url, begin: 0, length } };
    });
  }
  return layout.spans(offset, length).map(({ file, begin, length }) => {
    const listed = files[file]!;
    if (listed.kind === "pad") return { length };
    const url = fileUrl(place.url, metainfo, listed);
    const request = url && { url, begin, length, total: listed.length };
    return { length, file, request };
  });
}

/**
 * Parts a run into whole pieces, and what is before and behind them.
 *
 * @param run The blocks, each next to the one before.
 * @param layout Where they lie.
 * @returns Runs, and whether they are of whole pieces.
 */
export function wholesOf(
  run: readonly Block[],
  layout: PieceLayout,
): { blocks: Block[]; isWhole: boolean }[] {
  const parts: { blocks: Block[]; isWhole: boolean }[] = [];
  for (let at = 0; at < run.length;) {
    const { index, begin } = run[at]!;
    let end = at;
    while (run[end]?.index === index) end++;
    const isWhole = begin === 0 && end - at === layout.blockCount(index);
    const last = parts.at(-1);
    const blocks = run.slice(at, end);
    if (last?.isWhole === isWhole) last.blocks.push(...blocks);
    else parts.push({ blocks, isWhole });
    at = end;
  }
  return parts;
}

/** What gathers the bytes of a run. */
export interface RunSink {
  /** The blocks that are not there yet, in order. */
  readonly missing: Iterable<Block>;
  /** Memory for what comes next, as {@linkcode RangeSink} lends it. */
  room?(): Uint8Array<ArrayBuffer> | undefined;
  /** Takes bytes: what follows; no more than all blocks have. */
  push(bytes: Uint8Array<ArrayBuffer>): void;
}

/** Pieces that follow each other and have come as a whole. */
export interface WholePieces {
  /** Their blocks. */
  blocks: readonly Block[];
  /** Where they lie, from the start, at the distances that they have. */
  memory: Uint8Array<ArrayBuffer>;
}

/** What {@linkcode PieceFiller} needs. */
export interface PieceFillerOptions {
  /** How many pieces go together. */
  count: number;
  /** Gives memory for so many. */
  lend: () => Uint8Array<ArrayBuffer>;
  /** Takes pieces and their memory. */
  onPieces: (pieces: WholePieces) => void;
}

/** Fills memory with some whole pieces, and then with the next. */
export class PieceFiller implements RunSink {
  readonly #blocks: readonly Block[];
  readonly #options: PieceFillerOptions;
  /** The blocks that go together now: from the one to before the other. */
  #first = 0;
  #end = 0;
  #length = 0;
  #memory: Uint8Array<ArrayBuffer> | undefined;
  #filled = 0;
  #isLent = false;

  /**
   * Waits for the first byte.
   *
   * @param blocks The blocks of whole pieces, each next to the one before.
   * @param options Where they go.
   */
  constructor(blocks: readonly Block[], options: PieceFillerOptions) {
    this.#blocks = blocks;
    this.#options = options;
    this.#advance(0);
  }

  /** The blocks of the pieces that are not there yet, in order. */
  get missing(): Iterable<Block> {
    return blocksFrom(this.#blocks, this.#first);
  }

  /** Memory for what comes next; it is away until that is pushed. */
  room(): Uint8Array<ArrayBuffer> {
    this.#memory ??= this.#options.lend();
    this.#isLent = true;
    return this.#memory.subarray(this.#filled, this.#length);
  }

  /**
   * Takes bytes.
   *
   * @param bytes What follows; no more than all blocks have.
   */
  push(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#isLent) {
      this.#isLent = false;
      this.#memory = new Uint8Array(bytes.buffer);
      return this.#grow(bytes.length);
    }
    for (let at = 0; at < bytes.length;) {
      this.#memory ??= this.#options.lend();
      const room = this.#length - this.#filled;
      const part = bytes.subarray(at, at + room);
      this.#memory.set(part, this.#filled);
      at += part.length;
      this.#grow(part.length);
    }
  }

  #grow(length: number): void {
    this.#filled += length;
    if (this.#filled < this.#length) return;
    const blocks = this.#blocks.slice(this.#first, this.#end);
    const memory = this.#memory!;
    this.#memory = undefined;
    this.#filled = 0;
    this.#advance(this.#end);
    this.#options.onPieces({ blocks, memory });
  }

  #advance(first: number): void {
    this.#first = this.#end = first;
    this.#length = 0;
    const index = this.#blocks[first]?.index ?? 0;
    for (
      let block = this.#blocks[first];
      block && block.index < index + this.#options.count;
      block = this.#blocks[++this.#end]
    ) this.#length += block.length;
  }
}

/** For every chunk that comes one is looked at: a copy of all is too much. */
function* blocksFrom(
  blocks: readonly Block[],
  first: number,
): Generator<Block, void, void> {
  for (let at = first; at < blocks.length; at++) yield blocks[at]!;
}

/** Cuts bytes that come in any portions into blocks. */
export class BlockCutter implements RunSink {
  readonly #blocks: readonly Block[];
  readonly #onBlock: (block: Block, bytes: Uint8Array) => void;
  #next = 0;
  /** The start of a block whose end has not come. */
  #part: Uint8Array | undefined;
  #filled = 0;

  /**
   * Waits for the first byte.
   *
   * @param blocks The blocks that the bytes are.
   * @param onBlock Takes each block when it is there; its bytes hold until it
   * returns.
   */
  constructor(
    blocks: readonly Block[],
    onBlock: (block: Block, bytes: Uint8Array) => void,
  ) {
    this.#blocks = blocks;
    this.#onBlock = onBlock;
  }

  /** The blocks that are not there yet, in order. */
  get missing(): Iterable<Block> {
    return blocksFrom(this.#blocks, this.#next);
  }

  /**
   * Takes bytes.
   *
   * @param bytes What follows; no more than all blocks have.
   */
  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const block = this.#blocks[this.#next]!;
      const rest = bytes.subarray(at, at + block.length - this.#filled);
      at += rest.length;
      if (rest.length === block.length) {
        this.#next++;
        this.#onBlock(block, rest);
        continue;
      }
      this.#part ??= new Uint8Array(BLOCK_LENGTH);
      this.#part.set(rest, this.#filled);
      this.#filled += rest.length;
      if (this.#filled < block.length) continue;
      this.#filled = 0;
      this.#next++;
      this.#onBlock(block, this.#part.subarray(0, block.length));
    }
  }
}
