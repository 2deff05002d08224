/**
 * `AnnounceSlots`: how many trackers are asked at a time, over all torrents of
 * a session.
 *
 * @module
 */

import { type Clock, REAL_CLOCK } from "../clock.ts";

/** libtorrent's number: a hundred torrents must not ask all at once. */
const MAX_ANNOUNCES = 50;

/**
 * Who is silent for so long waits on without a place: the dead must not keep
 * out the living.
 */
const PLACE_MS = 15_000;

/** Options for {@linkcode AnnounceSlots}. */
export interface AnnounceSlotsOptions {
  /** How many places there are; 50 if not given. */
  count?: number;
  /** The time; the real one if not given. */
  clock?: Clock;
}

/** Places for announces; who finds none waits in line. */
export class AnnounceSlots {
  readonly #clock: Clock;
  readonly #line = new Set<() => void>();
  #free: number;

  /**
   * Places that are all free.
   *
   * @param options How many.
   */
  constructor(options: AnnounceSlotsOptions = {}) {
    this.#free = options.count ?? MAX_ANNOUNCES;
    this.#clock = options.clock ?? REAL_CLOCK;
  }

  /**
   * Does something as soon as there is a place for it.
   *
   * @param task What to do.
   * @param options What gives up waiting for a place.
   * @returns What comes of it.
   */
  async run<T>(
    task: () => Promise<T>,
    { signal }: { signal: AbortSignal },
  ): Promise<T> {
    await this.#enter(signal);
    const isDone = new AbortController();
    const place = this.#hold(isDone.signal);
    try {
      return await task();
    } finally {
      isDone.abort();
      await place;
    }
  }

  async #enter(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const giveUp = () => {
      // Who was called already has the place, and gives it back later.
      if (this.#line.delete(resolve)) reject(signal.reason);
    };
    this.#line.add(resolve);
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }

  async #hold(done: AbortSignal): Promise<void> {
    try {
      await this.#clock.delay(PLACE_MS, { signal: done });
    } catch (error) {
      if (!done.aborted) throw error;
    }
    const [next] = this.#line;
    if (next) {
      this.#line.delete(next);
      next();
    } else {
      this.#free++;
    }
  }
}
