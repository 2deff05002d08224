/**
 * `HoldUps`: whether a disk is so slow that what is read from it or written to
 * it must not hold up the event loop. Pure.
 *
 * An access that takes long waits for the disk; or it has lost its turn on a
 * busy machine, which says nothing of the disk. So not one that is slow decides,
 * but the part of the time that they take. And what was decided is tried again
 * soon: off the loop it costs several times as much, which a busy machine does
 * not have.
 *
 * @module
 */

/** One that takes longer has not only met the page cache, as it seems. */
const SLOW_MS = 10;

/** The part of the time for which slow ones may hold up the loop. */
const SLOW_SHARE = 1 / 10;

/** For so long they may do so at once. */
const MAX_SLOW_MS = 100;

/** So many go off the loop then, before one is tried on it again. */
const SPARED = 32;

/** Watches how long reads or writes take. */
export class HoldUps {
  /** How long slow ones have taken, as far as it is not forgotten. */
  #slowMs = 0;
  #slowAt = 0;
  #toSpare = 0;

  /** Whether the next one should not hold up the loop. */
  get isSlow(): boolean {
    return this.#toSpare > 0;
  }

  /**
   * One has held up the loop.
   *
   * @param durationMs For how long.
   * @param now The time in milliseconds.
   */
  add(durationMs: number, now: number): void {
    if (durationMs <= SLOW_MS) return;
    const forgotten = (now - this.#slowAt) * SLOW_SHARE;
    this.#slowMs = Math.max(0, this.#slowMs - forgotten) + durationMs;
    this.#slowAt = now;
    if (this.#slowMs > MAX_SLOW_MS) this.#toSpare = SPARED;
  }

  /** One goes off the loop. */
  spared(): void {
    this.#toSpare = Math.max(0, this.#toSpare - 1);
  }
}
