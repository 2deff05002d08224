/**
 * `UploadSlots`: how many peers to serve at a time. Pure.
 *
 * Too many slots give nobody enough to be worth a return; too few leave the
 * line idle. What the line carries is not known, but only what went over it;
 * so the number follows the rate, and beyond that it is tried out: one slot
 * more, and it stays if it made us faster.
 *
 * @module
 */

/** BEP 3's number: three for those who give, and one to try others. */
export const MIN_SLOTS = 4;

/** A hundred writers at a time; each has its buffers. */
const MAX_SLOTS = 100;

/**
 * The rule of the first client: of the rate in KiB/s this part, and of that
 * the root. Slots and what each gets grow alike: 5 slots of 10 KiB/s at
 * 50 KiB/s, 25 of 42 KiB/s at 1 MiB/s, 100 of 1 MiB/s at 100 MiB/s, where the
 * root would give 248 and the cap holds.
 */
const RATE_PART = 0.6;

/** A slot more has paid if it brought so much of what the others have. */
const WORTH = 1 / 2;

/** After a trial that did not pay, so many rounds pass before the next. */
const PAUSE_ROUNDS = 6;

/** What a round is like. */
export interface SlotRound {
  /** How fast we give, in bytes per second. */
  sentPerSecond: number;
  /** Whether more peers want a slot than there are. */
  isShort: boolean;
}

/** Counts the slots of one torrent. */
export class UploadSlots {
  #count = MIN_SLOTS;
  /** The rate to go by: up at once, down slowly. */
  #rate = 0;
  /** Slots beyond the rule that have paid. */
  #extra = 0;
  #trial: { rate: number; count: number } | undefined;
  #pause = 0;

  /** How many peers may be served. */
  get count(): number {
    return this.#count;
  }

  /**
   * A round begins.
   *
   * @param round What it is like.
   * @returns How many peers may be served until the next one.
   */
  next({ sentPerSecond, isShort }: SlotRound): number {
    // A pause of one peer is no slower line.
    this.#rate = Math.max(sentPerSecond, (this.#rate * 3 + sentPerSecond) / 4);
    this.#judge(sentPerSecond);
    if (isShort && --this.#pause < 0) {
      this.#trial = { rate: sentPerSecond, count: this.#count };
      this.#extra++;
    }
    const rule = Math.round(Math.sqrt(this.#rate / 1024 * RATE_PART));
    const count = Math.max(MIN_SLOTS, rule) + this.#extra;
    this.#count = Math.min(MAX_SLOTS, count);
    this.#extra -= count - this.#count;
    return this.#count;
  }

  /** The trial of the last round: has it paid? */
  #judge(sentPerSecond: number): void {
    if (!this.#trial) return;
    const { rate, count } = this.#trial;
    this.#trial = undefined;
    if (sentPerSecond > rate * (1 + WORTH / count)) return;
    // Chance makes trials succeed as often as fail: so it costs two to fail.
    this.#extra = Math.max(0, this.#extra - 2);
    this.#pause = PAUSE_ROUNDS;
  }
}
