/**
 * `RequestWindow`: how many blocks to have asked a peer for at a time. Pure.
 *
 * Too few, and the line idles while requests travel; too many, and blocks wait
 * in a slow peer's queue that a fast one could send. What is needed is the
 * bandwidth times the delay: the rate at which blocks arrive, times the time
 * from a request to its block when nothing queues. On top of it comes some
 * slack, so that the window can grow when the peer turns out to be faster.
 *
 * ```
 *   growing ── the rate grows no more ──► steady ◄──► draining
 * ```
 *
 * - growing: one more for each block that comes, which doubles the window with
 *   each round trip, until that does not make the blocks come faster;
 * - steady: the rate times (the shortest delay + slack);
 * - draining: with slack in it the queue is never empty, and a delay then says
 *   nothing about the path. Once in a while the window is half of what is
 *   needed, until a block has come that was asked for since: its delay is that
 *   of the path, and from then on the one to go by.
 *
 * @module
 */

import { BLOCK_LENGTH } from "../metainfo/layout.ts";

/** What a new peer is asked for: enough to see how fast it is. */
const FIRST_BLOCKS = 16;

/** A slow peer keeps this many, so that it never waits for us. */
const MIN_BLOCKS = 3;

/**
 * Where the path is short, more would only wait, and what is received would be
 * out of the processor's cache before its piece is complete.
 */
const USUAL_MAX_BLOCKS = 500;

/**
 * No client in use keeps more requests (BEP 10 `reqq`). 25 MB/s over 300 ms
 * need 458, and when some are lost, those that wait to be missed on top.
 */
const MAX_BLOCKS = 2000;

/** How many times what a path needs may be asked for. */
const MAX_NEEDS = 2;

/**
 * How much may wait at the peer on top of what is on its way: covers a
 * scheduler's delay on either side. On a long path it is another delay, so
 * that the window can double with each round trip.
 */
const MIN_SLACK_MS = 150;

/**
 * From fast peers together so much is enough of it, unless the path itself
 * holds more: what lies in the system's buffers any longer has left the
 * processor's cache when it is read, which costs more than it gains.
 */
const FAST_SLACK_BYTES = 2 * 1024 * 1024;

/** But for each of them it is as much as comes while we are busy otherwise. */
const MIN_FAST_SLACK_BYTES = 512 * 1024;

/** A block that waits longer could have come from somebody else. */
const MAX_SLACK_MS = 1000;

/** The window doubles until the rate grows by less than this. */
const GROWTH = 1.25;

/** A path can become longer: how long the shortest delay is believed. */
const DELAY_MEMORY_MS = 10_000;

/** On a long path draining takes long: then it is believed so many times it. */
const DELAY_MEMORY_TRIPS = 30;

/** A delay that is longer by so little is still the shortest. */
const DELAY_TOLERANCE = 1.1;

/** A disk that sleeps, or a scheduler, may hold a block back that long. */
const MIN_LATE_MS = 1000;

/** What is taken for the delay of a peer that has not sent anything. */
const UNKNOWN_LATENCY_MS = 10_000;

/** What our own limit lets through in this time is enough for any path. */
const LIMITED_MS = 2000;

/** How long blocks are counted before the rate is taken. */
const RATE_INTERVAL_MS = 100;

/** Options for {@linkcode RequestWindow}. */
export interface RequestWindowOptions {
  /** How fast blocks may come at most, in bytes per second, if limited. */
  maxBytesPerSecond?: number | undefined;
}

/** Follows the rate and the delay of one peer. */
export class RequestWindow {
  readonly #most: number;
  #size = FIRST_BLOCKS;
  #phase: "growing" | "steady" | "draining" = "growing";
  /** Bytes per millisecond. */
  #rate = 0;
  /** What has come since the last rate was taken. */
  #counted = 0;
  #countedSince: number | undefined;
  #shortest = Infinity;
  #shortestSeenAt = 0;
  #drainingSince = 0;
  #serving = 1;
  #smoothed: number | undefined;

  /**
   * A window on a peer that has sent nothing yet.
   *
   * @param options What limits it.
   */
  constructor({ maxBytesPerSecond = Infinity }: RequestWindowOptions = {}) {
    // What is asked for is on its way at once, whatever we take in: with a
    // low limit it only lie in the system's buffers, and all of a peer's at once.
    const bytes = maxBytesPerSecond * LIMITED_MS / 1000;
    this.#most = Math.max(MIN_BLOCKS, Math.ceil(bytes / BLOCK_LENGTH));
  }

  /** How many blocks may be asked for at a time. */
  get size(): number {
    return Math.min(this.#size, this.#most);
  }

  /** The usual time from a request to its block, in milliseconds, if known. */
  get latency(): number | undefined {
    return this.#smoothed;
  }

  /**
   * When a block is late that was overtaken by one asked for after it, in
   * milliseconds after it was asked for: peers answer in order, but for what
   * their disk reorders.
   */
  get lateAfter(): number {
    return Math.max(MIN_LATE_MS, 3 * (this.#smoothed ?? UNKNOWN_LATENCY_MS));
  }

  /**
   * A block has arrived that was asked for.
   *
   * @param bytes Its length.
   * @param options When it was asked for, if that is sure, and when it came, in
   * milliseconds; and how many peers send at this time, this one among them.
   */
  received(
    bytes: number,
    { askedAt, now, serving = 1 }: {
      askedAt: number | undefined;
      now: number;
      serving?: number;
    },
  ): void {
    this.#serving = serving;
    this.#counted += bytes;
    const delay = askedAt === undefined ? undefined : now - askedAt;
    if (delay !== undefined) {
      this.#smoothed ??= delay;
      this.#smoothed += (delay - this.#smoothed) / 8;
    }
    if (this.#phase === "draining") {
      if (askedAt !== undefined && askedAt >= this.#drainingSince) {
        this.#drained(now - askedAt, now);
      }
      return;
    }
    if (this.#phase === "growing") {
      this.#size = Math.min(this.#max, this.#size + 1);
    }
    if (delay !== undefined && delay <= this.#shortest * DELAY_TOLERANCE) {
      this.#shortest = Math.min(this.#shortest, delay);
      this.#shortestSeenAt = now;
    }
    if (this.#countedSince === undefined) return this.#startCounting(now);
    const elapsed = now - this.#countedSince;
    if (elapsed < RATE_INTERVAL_MS) return;
    this.#follow(this.#counted / elapsed, now);
    this.#startCounting(now);
  }

  /** The peer was silent for a while: the pause is no part of its rate. */
  resumed(): void {
    this.#countedSince = undefined;
  }

  /** The peer stalls: until it sends again it is asked for one block. */
  stalled(): void {
    this.#size = 1;
    this.#rate = 0;
    this.#phase = "growing";
    this.resumed();
  }

  get #slack(): number {
    const slack = Math.max(MIN_SLACK_MS, this.#shortest);
    const share = FAST_SLACK_BYTES / this.#serving;
    const bytes = Math.max(MIN_FAST_SLACK_BYTES, share);
    const fast = Math.max(bytes / this.#rate, this.#shortest);
    return Math.min(MAX_SLACK_MS, slack, fast);
  }

  /** More than this is of no use. */
  get #max(): number {
    if (this.#rate === 0) return USUAL_MAX_BLOCKS;
    const needed = this.#rate * this.#shortest / BLOCK_LENGTH;
    const most = Math.ceil(MAX_NEEDS * needed);
    return Math.min(MAX_BLOCKS, Math.max(USUAL_MAX_BLOCKS, most));
  }

  get #memory(): number {
    return Math.max(DELAY_MEMORY_MS, DELAY_MEMORY_TRIPS * this.#shortest);
  }

  #startCounting(now: number): void {
    this.#counted = 0;
    this.#countedSince = now;
  }

  /** There is a new rate. */
  #follow(rate: number, now: number): void {
    const isGrowing = rate >= this.#rate * GROWTH;
    // Up at once, down slowly: a pause is not yet a slower line.
    this.#rate = rate > this.#rate ? rate : (this.#rate * 3 + rate) / 4;
    if (this.#phase === "growing") {
      if (isGrowing) return;
      this.#phase = "steady";
    } else if (now - this.#shortestSeenAt > this.#memory) {
      this.#phase = "draining";
      this.#drainingSince = now;
      return this.#resize(this.#shortest / 2);
    }
    this.#resize(this.#shortest + this.#slack);
  }

  /** A block has come that met no queue. */
  #drained(delay: number, now: number): void {
    this.#phase = "steady";
    this.#shortest = delay;
    this.#shortestSeenAt = now;
    this.#resize(this.#shortest + this.#slack);
    this.resumed();
  }

  /** Makes the window as long as the rate takes for so much time. */
  #resize(ms: number): void {
    const blocks = Math.ceil(this.#rate * ms / BLOCK_LENGTH);
    this.#size = Math.min(this.#max, Math.max(MIN_BLOCKS, blocks));
  }
}
