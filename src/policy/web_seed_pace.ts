/**
 * `WebSeedPace`: how much to ask a web seed for at a time, and when to come
 * again if it fails. Pure.
 *
 * @module
 */

import { BLOCK_LENGTH } from "../metainfo/layout.ts";

/** Short enough for a first answer soon. */
const FIRST_RUN_BYTES = 1024 * 1024;

/** Less than this is not worth a request. */
const MIN_RUN_BYTES = 256 * 1024;

/** Longer runs gain nothing, and hold the pieces of others back. */
const MAX_RUN_BYTES = 8 * 1024 * 1024;

/** How long a run should take: much longer than the way there and back. */
const RUN_MS = 1000;

/** A single fast answer says little. */
const MAX_GROWTH = 4;

/** When to come again after a failure; twice as long after every further one. */
const RETRY_MS = 2000;

/** But never later than this. */
const MAX_RETRY_MS = 5 * 60_000;

/** Files that are not there, one after the other, before none is looked for. */
const MAX_MISSING = 10;

/** Paces the requests to one web seed. */
export class WebSeedPace {
  #runBytes = FIRST_RUN_BYTES;
  #failures = 0;
  #missing = 0;
  #retryAt = -Infinity;

  /** How many blocks to ask for at a time. */
  get runBlocks(): number {
    return Math.ceil(this.#runBytes / BLOCK_LENGTH);
  }

  /** Whether it sends whole pieces in less time than anybody would notice. */
  get isFast(): boolean {
    return this.#runBytes === MAX_RUN_BYTES;
  }

  /** Whether it has none of the files that it was asked for of late. */
  get isHopeless(): boolean {
    return this.#missing >= MAX_MISSING;
  }

  /**
   * Whether it may be asked.
   *
   * @param now The time in milliseconds.
   * @returns Whether no failure is too recent.
   */
  mayAsk(now: number): boolean {
    return now >= this.#retryAt;
  }

  /**
   * It gave what it was asked for.
   *
   * @param bytes How much that is.
   * @param ms How long it took.
   */
  succeeded(bytes: number, ms: number): void {
    this.#failures = 0;
    this.#missing = 0;
    const wanted = bytes * RUN_MS / Math.max(1, ms);
    this.#runBytes = Math.min(
      MAX_RUN_BYTES,
      this.#runBytes * MAX_GROWTH,
      Math.max(MIN_RUN_BYTES, wanted),
    );
  }

  /** It does not have what it was asked for. */
  missed(): void {
    this.#missing++;
  }

  /**
   * It failed.
   *
   * @param now The time in milliseconds.
   * @param options Whether some of what it was asked for had come until then,
   * and its own wish when to come again, in milliseconds.
   */
  failed(
    now: number,
    { hasGiven, retryInMs }: {
      hasGiven: boolean;
      retryInMs?: number | undefined;
    },
  ): void {
    // Several requests fail at once where one fails: that counts once.
    if (!this.mayAsk(now)) return;
    this.#failures = hasGiven ? 1 : this.#failures + 1;
    const backoff = RETRY_MS * 2 ** (this.#failures - 1);
    this.#retryAt = now + (retryInMs ?? Math.min(MAX_RETRY_MS, backoff));
  }
}
