/**
 * A clock that stands still until it is told to go on.
 *
 * @module
 */

interface Timer {
  at: number;
  callback: () => void;
}

/**
 * Takes the place of `performance.now`, `setTimeout` and `AbortSignal.timeout`
 * in the block that declares it with `using`.
 */
export class FakeTime implements Disposable {
  readonly #real = {
    now: performance.now,
    setTimeout: globalThis.setTimeout,
    clearTimeout: globalThis.clearTimeout,
    timeout: AbortSignal.timeout,
  };
  readonly #timers = new Map<number, Timer>();
  #now: number;
  #lastId = 0;

  /**
   * Stops the time.
   *
   * @param now What the clock shows, in milliseconds.
   */
  constructor(now = 1000) {
    this.#now = now;
    performance.now = () => this.#now;
    globalThis.setTimeout =
      ((callback: () => void, ms = 0) =>
        this.#start(callback, ms)) as unknown as typeof setTimeout;
    globalThis.clearTimeout = (id) => {
      if (!this.#timers.delete(Number(id))) this.#real.clearTimeout(id);
    };
    AbortSignal.timeout = (ms) => {
      const controller = new AbortController();
      const reason = new DOMException("Signal timed out.", "TimeoutError");
      this.#start(() => controller.abort(reason), ms);
      return controller.signal;
    };
  }

  /** What the clock shows, in milliseconds. */
  get now(): number {
    return this.#now;
  }

  /**
   * Sets the clock forward without a look at the timers.
   *
   * @param ms By how much.
   */
  skip(ms: number): void {
    this.#now += ms;
  }

  /**
   * Lets time go by: each timer goes off when its time has come, and what it
   * causes has settled before the next one does.
   *
   * @param ms How much time, in milliseconds.
   */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await this.settle();
    for (let next = this.#due(end); next; next = this.#due(end)) {
      const [id, { at, callback }] = next;
      this.#timers.delete(id);
      this.#now = Math.max(this.#now, at);
      callback();
      await this.settle();
    }
    this.#now = end;
  }

  /** Waits until every promise that can settle now has done so. */
  settle(): Promise<void> {
    return new Promise((resolve) => {
      this.#real.setTimeout.call(globalThis, resolve, 0);
    });
  }

  /** Lets the time go on as ever. */
  [Symbol.dispose](): void {
    performance.now = this.#real.now;
    globalThis.setTimeout = this.#real.setTimeout;
    globalThis.clearTimeout = this.#real.clearTimeout;
    AbortSignal.timeout = this.#real.timeout;
  }

  #start(callback: () => void, ms: number): number {
    this.#timers.set(++this.#lastId, { at: this.#now + ms, callback });
    return this.#lastId;
  }

  #due(end: number): [id: number, timer: Timer] | undefined {
    let first: [number, Timer] | undefined;
    for (const entry of this.#timers) {
      if (entry[1].at > end) continue;
      if (!first || entry[1].at < first[1].at) first = entry;
    }
    return first;
  }
}
