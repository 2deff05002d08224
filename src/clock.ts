/**
 * The time, for those who wait: passed in, so that tests have one of their own.
 *
 * @module
 */

import { delay } from "@std/async/delay";

/** What those who wait know of the time. */
export interface Clock {
  /** The time in milliseconds. */
  now(): number;
  /**
   * Waits.
   *
   * @param ms How long.
   * @param options What gives up.
   */
  delay(ms: number, options: { signal: AbortSignal }): Promise<void>;
}

/** The time as it is. */
export const REAL_CLOCK: Clock = {
  now: () => performance.now(),
  delay,
};
