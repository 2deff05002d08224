/**
 * `HoldUps`: whether a disk is so slow that reads from it must not hold up the
 * event loop. Pure.
 *
 * A read that takes long waits for the disk; or it has lost its turn on a busy
 * machine, which says nothing of the disk. So not one slow read decides, but
 * the part of the time that they take. And what was decided is tried again
 * soon: to read off the loop costs a busy machine more than it has.
 *
 * @module
 */

/** A read that takes longer does not come from the page cache, as it seems. */
const SLOW_MS = 10;

/** The part of the time for which slow reads may hold up the loop. */
const SLOW_SHARE = 1 / 10;

/** For so long they may do so at once. */
const MAX_SLOW_MS = 100;

/** So many reads go off the loop then, before one is tried on it again. */
const SPARED_READS = 32;

/** Watches how long reads take. */
export class HoldUps {
  /** How long slow reads have taken, as far as it is not forgotten. */
  #slowMs = 0;
  #slowAt = 0;
  #toSpare = 0;

  /** Whether the next read should not hold up the loop. */
  get isSlow(): boolean {
    return this.#toSpare > 0;
  }

  /**
   * A read has held up the loop.
   *
   * @param durationMs For how long.
   * @param now The time in milliseconds.
   */
  add(durationMs: number, now: number): void {
    if (durationMs <= SLOW_MS) return;
    const forgotten = (now - this.#slowAt) * SLOW_SHARE;
    this.#slowMs = Math.max(0, this.#slowMs - forgotten) + durationMs;
    this.#slowAt = now;
    if (this.#slowMs > MAX_SLOW_MS) this.#toSpare = SPARED_READS;
  }

  /** A read goes off the loop. */
  spared(): void {
    this.#toSpare = Math.max(0, this.#toSpare - 1);
  }
}
