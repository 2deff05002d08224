/**
 * How fast: bytes counted over a sliding window of time. Pure.
 *
 * @module
 */

/** Short enough to follow a change, long enough not to flicker. */
const BUCKET_MS = 250;

/** Buckets of the window; the newest is still filling. */
const BUCKETS = 12;

/** Counts bytes and tells how many came in the last seconds. */
export class RateMeter {
  readonly #buckets = new Float64Array(BUCKETS);
  #startedAt: number | undefined;
  #bucket = 0;
  #total = 0;

  /** All bytes that were ever counted. */
  get total(): number {
    return this.#total;
  }

  /**
   * Counts bytes.
   *
   * @param bytes How many.
   * @param now The time in milliseconds.
   */
  add(bytes: number, now: number): void {
    this.#startedAt ??= now;
    this.#advance(now);
    this.#buckets[this.#bucket % BUCKETS]! += bytes;
    this.#total += bytes;
  }

  /**
   * The rate of the last three seconds, or of the time since the first byte
   * if that is less.
   *
   * @param now The time in milliseconds.
   * @returns Bytes per second.
   */
  bytesPerSecond(now: number): number {
    if (this.#startedAt === undefined) return 0;
    this.#advance(now);
    const sum = this.#buckets.reduce((total, bucket) => total + bucket, 0);
    const age = now - this.#startedAt;
    const windowMs = (BUCKETS - 1) * BUCKET_MS + now % BUCKET_MS;
    return sum * 1000 / Math.max(BUCKET_MS, Math.min(age, windowMs));
  }

  #advance(now: number): void {
    const bucket = Math.floor(now / BUCKET_MS);
    const steps = Math.min(bucket - this.#bucket, BUCKETS);
    for (let i = 1; i <= steps; i++) {
      this.#buckets[(this.#bucket + i) % BUCKETS] = 0;
    }
    if (bucket > this.#bucket) this.#bucket = bucket;
  }
}
