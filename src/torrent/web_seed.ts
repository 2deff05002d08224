/**
 * `WebSeed`: one web seed (BEP 17, 19) as a source of blocks, and what is being
 * fetched from it.
 *
 * @module
 */

import { Bitfield } from "../bytes/bitfield.ts";
import { WebSeedError } from "../errors.ts";
import type { Block } from "../metainfo/layout.ts";
import type { Metainfo } from "../metainfo/metainfo.ts";
import { isOrderNearby, type WebSeedPlace } from "../metainfo/web_seed_url.ts";
import { displayUrl } from "../net/http.ts";
import {
  type RangeRequest,
  type RangeSink,
  readRange,
} from "../net/http_range.ts";
import { quantumOf, waitFor } from "../net/throttle.ts";
import type { PickerPeer, PiecePicker } from "../policy/piece_picker.ts";
import type { TokenBucket } from "../policy/token_bucket.ts";
import { WebSeedPace } from "../policy/web_seed_pace.ts";
import type { PieceStore } from "../storage/piece_store.ts";
import type { Download } from "./download.ts";
import {
  BlockCutter,
  partsOf,
  PieceFiller,
  type RunPart,
  type RunSink,
  runsOf,
  wholesOf,
} from "./web_seed_run.ts";
import { delay } from "@std/async/delay";

/** Zeros of pads, which nobody is asked for. */
const ZEROS = new Uint8Array(16 * 1024);

/** What a web seed feeds. */
export interface WebSeedParts {
  /** Who knows what it is asked for. */
  picker: PiecePicker;
  /** Where its blocks gather. */
  store: PieceStore;
  /** Who takes its blocks. */
  download: Download;
  /** What limits the rate of all downloads. */
  limits: readonly TokenBucket[];
}

/** One web seed. */
export class WebSeed {
  /** What to call it: its URL without secrets. */
  readonly name: string;
  /** Where it is. */
  readonly place: WebSeedPlace;
  /** The pieces that it may have: all whose files it has not missed. */
  readonly have: Bitfield;
  /** The same as the picker knows it. */
  readonly seat: PickerPeer;
  /** How much to ask for, and when. */
  readonly pace: WebSeedPace = new WebSeedPace();
  /** What is being fetched from it. */
  readonly fetches: Set<WebSeedFetch> = new Set();
  /** The piece from which on to look for more. */
  cursor: number;
  /** Why it is not asked for anything any more. */
  end: string | undefined;
  /** Whether it was said that it does not have every file. */
  hasMissed = false;
  readonly #layout: Metainfo["layout"];

  /**
   * A web seed that was not asked for anything.
   *
   * @param place Where it is.
   * @param options The torrent, who asks it, and where it is to begin.
   */
  constructor(
    place: WebSeedPlace,
    { metainfo, picker, cursor }: {
      metainfo: Metainfo;
      picker: PiecePicker;
      cursor: number;
    },
  ) {
    this.place = place;
    this.name = displayUrl(place.url);
    this.cursor = cursor;
    this.#layout = metainfo.layout;
    this.have = new Bitfield(metainfo.layout.pieceCount);
    this.have.fill();
    this.seat = picker.join(this.have);
    // As a seed it changes nothing about how rare a piece is among peers.
    picker.gainedAll(this.seat, this.have);
  }

  /**
   * It does not have a file.
   *
   * @param file The position of the file in the torrent's list.
   */
  miss(file: number): void {
    const { first, end } = this.#layout.filePieces(file);
    for (let index = first; index < end; index++) this.have.delete(index);
  }
}

/** One connection's work: what is asked of a web seed, and what has come. */
export class WebSeedFetch implements RangeSink {
  /** The file that is asked for now, if it is one. */
  file: number | undefined;
  /** Whether anything of what it asks for now has come. */
  hasGiven = false;
  /** Whether anything has ever come. */
  isServing = false;
  /** Since when it waits for the server; not while we keep it waiting. */
  waitingSince: number | undefined;
  /** Aborted when it is to end, or all is. */
  readonly signal: AbortSignal;
  readonly #abort = new AbortController();
  readonly #seed: WebSeed;
  readonly #metainfo: Metainfo;
  readonly #parts: WebSeedParts;
  #sink: RunSink | undefined;

  /**
   * Asks for nothing yet.
   *
   * @param seed The web seed.
   * @param options The torrent, what it feeds, and what ends all.
   */
  constructor(
    seed: WebSeed,
    { metainfo, parts, signal }: {
      metainfo: Metainfo;
      parts: WebSeedParts;
      signal: AbortSignal;
    },
  ) {
    this.#seed = seed;
    this.#metainfo = metainfo;
    this.#parts = parts;
    this.signal = AbortSignal.any([signal, this.#abort.signal]);
  }

  /**
   * Ends it.
   *
   * @param reason Why, if it is the web seed's fault.
   */
  abort(reason?: WebSeedError): void {
    this.#abort.abort(reason);
  }

  /**
   * Fetches blocks, as long as they are wanted.
   *
   * @param blocks The blocks.
   * @param client Whose connections to use.
   * @returns How many bytes that were.
   * @throws {WebSeedError} If the web seed does not give them.
   */
  async bring(
    blocks: readonly Block[],
    client: Deno.HttpClient,
  ): Promise<number> {
    let bytes = 0;
    this.hasGiven = false;
    for (const run of this.#runsOf(blocks)) {
      this.#sink = this.#sinkFor(run);
      for (
        const part of partsOf(this.#seed.place, this.#metainfo, run.blocks)
      ) {
        if (!this.isWanted) break;
        this.file = part.file;
        bytes += part.length;
        if (part.request) await this.#ask(part.request, client);
        else this.#fill(part);
      }
    }
    return bytes;
  }

  /** Whether it is still asked for any of what is to come. */
  get isWanted(): boolean {
    const { picker } = this.#parts;
    for (const block of this.#sink!.missing) {
      if (picker.isAsked(this.#seed.seat, block)) return true;
    }
    return false;
  }

  /** Lends memory for what the server sends next, if whole pieces are to come. */
  room(): Uint8Array<ArrayBuffer> | undefined {
    return this.#sink!.room?.();
  }

  /**
   * Takes what the server sends.
   *
   * @param bytes The bytes.
   * @returns A promise while our limits or the disk hold it up.
   */
  write(bytes: Uint8Array<ArrayBuffer>): Promise<void> | undefined {
    this.#sink!.push(bytes);
    if (bytes.length > 0) this.hasGiven = this.isServing = true;
    const { limits, store } = this.#parts;
    const now = performance.now();
    const ms = waitFor(limits, bytes.length, now);
    const drained = store.drained();
    this.waitingSince = ms > 0 || drained ? undefined : now;
    return ms > 0 || drained ? this.#hold(ms, drained) : undefined;
  }

  async #ask(request: RangeRequest, client: Deno.HttpClient): Promise<void> {
    const { isTrusted, givesPieces } = this.#seed.place;
    this.waitingSince = performance.now();
    try {
      await readRange(request, {
        sink: this,
        chunkLength: quantumOf(this.#parts.limits),
        client,
        // What is asked for by piece has our own query.
        refuse: (url) =>
          isTrusted || givesPieces || !isOrderNearby(url)
            ? undefined
            : "is nearby and has a query",
        signal: this.signal,
      });
    } finally {
      this.waitingSince = undefined;
    }
  }

  /** A part that nobody can be asked for: zeros, or a file without a URL. */
  #fill({ file, length }: RunPart): void {
    if (file !== undefined) {
      const message = "cannot be asked for a file of such a name";
      throw new WebSeedError("missing", `${this.#seed.name} ${message}`);
    }
    for (let at = 0; at < length; at += ZEROS.length) {
      this.#sink!.push(ZEROS.subarray(0, length - at));
    }
  }

  /** Whole pieces are taken as such, if the server sends them fast. */
  #runsOf(
    blocks: readonly Block[],
  ): { blocks: readonly Block[]; isWhole: boolean }[] {
    const { layout } = this.#metainfo;
    const runs = runsOf(blocks, layout.pieceLength);
    if (!this.#seed.pace.isFast || this.#parts.store.piecesPerRun === 0) {
      return runs.map((blocks) => ({ blocks, isWhole: false }));
    }
    return runs.flatMap((run) => wholesOf(run, layout));
  }

  #sinkFor(
    { blocks, isWhole }: { blocks: readonly Block[]; isWhole: boolean },
  ): RunSink {
    const { store, download } = this.#parts;
    const { seat } = this.#seed;
    if (isWhole) {
      return new PieceFiller(blocks, {
        count: store.piecesPerRun,
        lend: () => store.lend(),
        onPieces: (pieces) => {
          if (this.signal.aborted) return;
          download.receiveRun(seat, { ...pieces, now: performance.now() });
        },
      });
    }
    return new BlockCutter(blocks, (place, block) => {
      // What a liar gave before it was found out is worth nothing.
      if (this.signal.aborted) return;
      download.receiveFrom(seat, { place, block, now: performance.now() });
    });
  }

  async #hold(ms: number, drained: Promise<void> | undefined): Promise<void> {
    if (ms > 0) await delay(ms, { signal: this.signal });
    await drained;
    this.waitingSince = performance.now();
  }
}
