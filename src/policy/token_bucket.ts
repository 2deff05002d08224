/**
 * `TokenBucket`: how soon bytes may pass, so that a rate is kept. Pure.
 *
 * Whoever takes reserves a stretch of time, as long as its bytes need at that
 * rate, behind all stretches reserved before: so it is first come, first
 * served, and those who take equally often and equally much share equally.
 *
 * ```
 *   ··· now − credit ······ now ······ now + slack ···
 *          │ made up for     │ goes at once │ waits for its turn
 * ```
 *
 * @module
 */

/**
 * A timer is late now and then: what was missed may be made up for. Over ten
 * seconds it is two in a hundred.
 */
const CREDIT_MS = 200;

/** Timers are not finer than this: a shorter wait is saved up for a longer. */
const SLACK_MS = 20;

/** What is taken at a time, in time: little, so that it goes round quickly. */
const QUANTUM_MS = 10;

/** Less than this at a time would be a packet for next to nothing. */
const MIN_QUANTUM = 512;

/** More than this at a time gains nothing (`net/connection.ts`). */
const MAX_QUANTUM = 256 * 1024;

/** Keeps one rate. */
export class TokenBucket {
  #bytesPerSecond: number;
  /** Until when all time is reserved; nobody has credit who never took. */
  #reservedUntil: number | undefined;

  /**
   * A bucket that nobody has taken from.
   *
   * @param bytesPerSecond The rate; `Infinity` for no limit.
   */
  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** The rate to keep; what is reserved already stays reserved. */
  get bytesPerSecond(): number {
    return this.#bytesPerSecond;
  }

  set bytesPerSecond(rate: number) {
    this.#bytesPerSecond = rate;
  }

  /** How much to take at a time, at most, so that others have their turn. */
  get quantum(): number {
    if (this.#bytesPerSecond === Infinity) return Infinity;
    const bytes = Math.floor(this.#bytesPerSecond * QUANTUM_MS / 1000);
    return Math.min(MAX_QUANTUM, Math.max(MIN_QUANTUM, bytes));
  }

  /**
   * Reserves bytes.
   *
   * @param bytes How many; no more than a {@linkcode TokenBucket.quantum}.
   * @param now The time in milliseconds.
   * @returns How long to wait until they may pass, in milliseconds.
   */
  take(bytes: number, now: number): number {
    if (this.#bytesPerSecond === Infinity) return 0;
    const from = Math.max(this.#reservedUntil ?? now, now - CREDIT_MS);
    this.#reservedUntil = from + bytes * 1000 / this.#bytesPerSecond;
    return from - now > SLACK_MS ? from - now : 0;
  }
}
