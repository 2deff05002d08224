/**
 * `RequestWindow`: how many blocks to have asked a peer for at a time. Pure.
 *
 * Too few, and the line idles while requests travel; too many, and blocks wait
 * in a slow peer's queue that a fast one could send. What is needed is the
 * bandwidth times the delay: the rate at which blocks arrive, times the time
 * from a request to its block when nothing queues, and some slack, so that the
 * window can grow when the peer turns out to be faster. Each round trip it
 * grows by the share which the slack has of the delay, until the rate grows no
 * more.
 *
 * @module
 */

import { BLOCK_LENGTH } from "../metainfo/layout.ts";

/** What a new peer is asked for: enough to see how fast it is. */
const FIRST_BLOCKS = 16;

/** A slow peer keeps this many, so that it never waits for us. */
const MIN_BLOCKS = 4;

/**
 * What clients take without saying so (BEP 10 `reqq`): libtorrent, the
 * strictest that drops the rest in silence, takes 500 and more.
 */
const MAX_BLOCKS = 500;

/**
 * How much may wait at the peer on top of what is on its way: covers a
 * scheduler's delay on either side. On a long path it is another delay, so
 * that the window doubles with each round trip.
 */
const MIN_SLACK_MS = 150;

/** A path can become longer; then the shortest delay must be learnt anew. */
const DELAY_MEMORY_MS = 60_000;

/** A disk that sleeps, or a scheduler, may hold a block back that long. */
const MIN_LATE_MS = 1000;

/** What is taken for the delay of a peer that has not sent anything. */
const UNKNOWN_LATENCY_MS = 10_000;

/** How long blocks are counted before the rate is taken. */
const RATE_INTERVAL_MS = 100;

/** Follows the rate and the delay of one peer. */
export class RequestWindow {
  #size = FIRST_BLOCKS;
  #shortest = Infinity;
  #shortestSince = 0;
  #smoothed: number | undefined;
  #countedSince: number | undefined;
  #counted = 0;
  #rate = 0;

  /** How many blocks may be asked for at a time. */
  get size(): number {
    return this.#size;
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
   * @param times When it was asked for, and when it came, in milliseconds.
   */
  received(
    bytes: number,
    { askedAt, now }: { askedAt: number; now: number },
  ): void {
    const delay = now - askedAt;
    this.#smoothed = this.#smoothed === undefined
      ? delay
      : this.#smoothed + (delay - this.#smoothed) / 8;
    if (delay < this.#shortest || now - this.#shortestSince > DELAY_MEMORY_MS) {
      this.#shortest = delay;
      this.#shortestSince = now;
    }
    this.#countedSince ??= askedAt;
    this.#counted += bytes;
    // Until there is a rate: one more for each that comes doubles it a trip.
    if (this.#rate === 0) this.#size = Math.min(MAX_BLOCKS, this.#size + 1);
    // A rate needs at least a round trip: until then little can have come.
    const interval = Math.max(RATE_INTERVAL_MS, this.#shortest);
    if (now - this.#countedSince < interval) return;
    const rate = this.#counted / (now - this.#countedSince);
    // Up at once, down slowly: a pause is not yet a slower line.
    this.#rate = rate > this.#rate ? rate : (this.#rate * 3 + rate) / 4;
    this.#counted = 0;
    this.#countedSince = now;
    const slack = Math.max(MIN_SLACK_MS, this.#shortest);
    const bytesWanted = this.#rate * (this.#shortest + slack);
    this.#size = Math.min(
      MAX_BLOCKS,
      Math.max(MIN_BLOCKS, Math.ceil(bytesWanted / BLOCK_LENGTH)),
    );
  }

  /** The peer was silent for a while: the pause is no part of its rate. */
  resumed(): void {
    this.#countedSince = undefined;
    this.#counted = 0;
  }

  /** The peer stalls: until it sends again it is asked for one block. */
  stalled(): void {
    this.#size = 1;
    this.#rate = 0;
    this.resumed();
  }
}
