/**
 * Trackers that answer as a test wants, and a clock that a test moves.
 *
 * @module
 */

import type { Clock } from "../../src/clock.ts";
import type {
  AnnounceRequest,
  AnnounceResponse,
  ScrapeCounts,
  Tracker,
} from "../../src/tracker/tracker.ts";

/** What a fake tracker does when it is asked. */
export type FakeAnswer =
  | Partial<AnnounceResponse>
  | Error
  | "silence"
  | (() => Partial<AnnounceResponse> | Error | "silence");

/** A tracker that answers at once, or never. */
export class FakeTracker implements Tracker {
  /** What it was told, in order. */
  readonly requests: AnnounceRequest[] = [];
  /** How many requests it has not answered, and nobody has given up. */
  pending = 0;
  /** What another family of addresses answers later, if there is one. */
  otherFamily: Promise<Partial<AnnounceResponse>> | undefined;

  /**
   * A tracker.
   *
   * @param name Its name.
   * @param answer What it does; it can be changed at any time.
   * @param diary What everybody does, as `name event`.
   */
  constructor(
    readonly name: string,
    public answer: FakeAnswer = {},
    readonly diary: string[] = [],
  ) {}

  /**
   * Notes the request, and answers.
   *
   * @param request What it is told.
   * @param options What gives up.
   * @yields {AnnounceResponse} The answer, and what another family adds.
   */
  async *announce(
    request: AnnounceRequest,
    { signal }: { signal: AbortSignal },
  ): AsyncGenerator<AnnounceResponse, void, undefined> {
    signal.throwIfAborted();
    this.requests.push(request);
    this.diary.push(`${this.name} ${request.event ?? "again"}`);
    const answer = typeof this.answer === "function"
      ? this.answer()
      : this.answer;
    if (answer instanceof Error) throw answer;
    if (answer === "silence") return await this.#silence(signal);
    yield response(answer);
    if (!this.otherFamily) return;
    const aborted = Promise.withResolvers<never>();
    signal.addEventListener("abort", () => aborted.reject(signal.reason));
    yield response(await Promise.race([this.otherFamily, aborted.promise]));
  }

  /**
   * Knows of no torrent.
   *
   * @param infoHashes The torrents.
   * @returns Nothing of each.
   */
  scrape(
    infoHashes: readonly Uint8Array[],
  ): Promise<(ScrapeCounts | undefined)[]> {
    return Promise.resolve(infoHashes.map(() => undefined));
  }

  async #silence(signal: AbortSignal): Promise<never> {
    const { promise, reject } = Promise.withResolvers<never>();
    this.pending++;
    signal.addEventListener("abort", () => {
      this.pending--;
      reject(signal.reason);
    });
    return await promise;
  }
}

function response(answer: Partial<AnnounceResponse>): AnnounceResponse {
  return {
    peers: [],
    interval: undefined,
    minInterval: undefined,
    trackerId: undefined,
    warning: undefined,
    seeders: undefined,
    leechers: undefined,
    externalAddress: undefined,
    ...answer,
  };
}

/** Time that passes only when a test says so. */
export class FakeClock implements Clock {
  #now = 1_000_000;
  readonly #waiting = new Set<{ until: number; wake: () => void }>();

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * The time.
   *
   * @returns Milliseconds.
   */
  now(): number {
    return this.#now;
  }

  /**
   * Waits until a test moves the clock far enough.
   *
   * @param ms How long.
   * @param options What gives up.
   */
  async delay(ms: number, { signal }: { signal: AbortSignal }): Promise<void> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const entry = { until: this.#now + ms, wake: resolve };
    this.#waiting.add(entry);
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort);
    try {
      await promise;
    } finally {
      this.#waiting.delete(entry);
      signal.removeEventListener("abort", abort);
    }
  }

  /**
   * Lets time pass, and everything happen that it brings.
   *
   * @param seconds How much.
   */
  async advance(seconds: number): Promise<void> {
    const end = this.#now + seconds * 1000;
    await settled();
    for (;;) {
      const [next] = [...this.#waiting].sort((a, b) => a.until - b.until);
      if (!next || next.until > end) break;
      this.#now = Math.max(this.#now, next.until);
      next.wake();
      await settled();
    }
    this.#now = end;
  }
}

/** Lets everything happen that needs no time. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 100; i++) await Promise.resolve();
}
