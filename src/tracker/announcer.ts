/**
 * `Announcer`: which tracker hears what of us, and when: tiers (BEP 12),
 * intervals, and the events `started`, `completed` and `stopped` (BEP 3).
 *
 * Trackers are asked in the order of their tiers, shuffled within each. The
 * next one is asked when one fails, and also when one does not answer for a
 * while, so that a dead tracker delays nobody. The first that answers ends the
 * round and moves to the front of its tier.
 *
 * @module
 */

import { TrackerError } from "../errors.ts";
import { TaskGroup } from "../task_group.ts";
import type {
  AnnounceEvent,
  AnnounceRequest,
  AnnounceResponse,
  Tracker,
} from "./tracker.ts";
import { delay } from "@std/async/delay";

/** A tracker that is alive answers sooner; if not, the next is asked too. */
const HEDGE_MS = 2_000;

/** What is kept when a tracker names no interval: BEP 3's example. */
const DEFAULT_INTERVAL_S = 1800;

/** More often would be an attack on the tracker, whatever it says. */
const MIN_INTERVAL_S = 60;

/** Less often would miss the swarm, whatever it says. */
const MAX_INTERVAL_S = 3600;

/** The pause after a round in which nobody answered; it doubles. */
const FIRST_RETRY_S = 5;

/** What that pause grows to. */
const MAX_RETRY_S = 1800;

/** Leaving must not take longer, answered or not. */
const STOPPED_TIMEOUT_MS = 2_000;

/** As many as other clients ask for. */
const NUM_WANT = 50;

/** How far a download has come, for the trackers. */
export interface TransferTotals {
  /** How many bytes we have sent to peers. */
  uploaded: number;
  /** How many bytes we have received from peers. */
  downloaded: number;
  /** How many bytes are missing. */
  left: number;
}

/** What came of asking a tracker. */
export type AnnounceOutcome =
  | { type: "answered"; tracker: string; response: AnnounceResponse }
  | { type: "failed"; tracker: string; error: TrackerError };

/** What the owner of an announcer hears of it. */
export interface AnnouncerHandler {
  /**
   * A tracker has answered, or has not.
   *
   * @param outcome What came of it.
   */
  onAnnounce(outcome: AnnounceOutcome): void;
}

/** What an announcer is made of. */
export interface AnnouncerOptions {
  /** The trackers in their tiers. */
  tiers: readonly (readonly Tracker[])[];
  /** What stays the same in every request. */
  identity: Pick<AnnounceRequest, "infoHash" | "peerId" | "port" | "key">;
  /** Tells how far the download has come. */
  totals: () => TransferTotals;
  /** Tells whether more peers are wanted. */
  wantsPeers: () => boolean;
  /** Who hears of the answers. */
  handler: AnnouncerHandler;
  /** A number from 0 to less than 1. */
  random: () => number;
}

/** Keeps the trackers of one torrent informed. */
export class Announcer {
  readonly #tiers: Tracker[][];
  readonly #options: AnnouncerOptions;
  /** Trackers that know of us, and what each asked to be told again. */
  readonly #told = new Map<Tracker, string | undefined>();
  #failedRounds = 0;
  #isCompleted = false;
  #isCompletedTold = false;
  #wake: (() => void) | undefined;

  /**
   * Tells nobody anything yet.
   *
   * @param options The trackers, and what to tell them.
   */
  constructor(options: AnnouncerOptions) {
    this.#options = options;
    this.#tiers = options.tiers.map((tier) => shuffled(tier, options.random));
  }

  /** How many trackers there are. */
  get size(): number {
    return this.#tiers.reduce((sum, tier) => sum + tier.length, 0);
  }

  /** The download has become complete: the trackers should know now. */
  completed(): void {
    this.#isCompleted = true;
    this.#wake?.();
  }

  /**
   * Announces until stopped.
   *
   * @param options What stops it; {@linkcode Announcer.stop} comes after.
   */
  async run({ signal }: { signal: AbortSignal }): Promise<void> {
    if (this.size === 0) return;
    while (!signal.aborted) {
      const event = this.#isCompleted && !this.#isCompletedTold
        ? "completed"
        : undefined;
      const response = await this.#round(event, signal);
      if (response && event) this.#isCompletedTold = true;
      const isUrgent = response && this.#isCompleted && !this.#isCompletedTold;
      if (!isUrgent) await this.#pause(response, signal);
    }
  }

  /** Tells every tracker that knows of us that we leave; does not take long. */
  async stop(): Promise<void> {
    const signal = AbortSignal.timeout(STOPPED_TIMEOUT_MS);
    await Promise.all(
      [...this.#told.keys()].map(async (tracker) => {
        try {
          await tracker.announce(this.#request(tracker, "stopped"), { signal });
        } catch (error) {
          // We leave, whether anybody heard it or not.
          if (!signal.aborted && !(error instanceof TrackerError)) throw error;
        }
      }),
    );
    this.#told.clear();
  }

  /** Asks one tracker after the other until one answers. */
  async #round(
    event: AnnounceEvent | undefined,
    signal: AbortSignal,
  ): Promise<AnnounceResponse | undefined> {
    const decided = new AbortController();
    let winner: AnnounceResponse | undefined;
    await using tasks = new TaskGroup({
      signal: AbortSignal.any([signal, decided.signal]),
    });
    let turn = Promise.resolve();
    for (const tier of this.#tiers) {
      for (const tracker of [...tier]) {
        const [mine, next] = [turn, Promise.withResolvers<void>()];
        turn = next.promise;
        tasks.signal.addEventListener("abort", () => next.resolve());
        tasks.spawn(async (signal) => {
          await mine;
          signal.throwIfAborted();
          const response = await this.#ask(tracker, { event, signal });
          if (!response) return next.resolve();
          winner ??= response;
          tier.splice(tier.indexOf(tracker), 1);
          tier.unshift(tracker);
          decided.abort();
        });
        tasks.spawn(async (signal) => {
          await mine;
          await delay(HEDGE_MS, { signal });
          next.resolve();
        });
      }
    }
    await tasks.join();
    return winner;
  }

  async #ask(
    tracker: Tracker,
    { event, signal }: {
      event: AnnounceEvent | undefined;
      signal: AbortSignal;
    },
  ): Promise<AnnounceResponse | undefined> {
    const { handler } = this.#options;
    try {
      // A tracker that does not know of us yet must hear "started" first.
      const told = this.#told.has(tracker) ? event : "started";
      const request = this.#request(tracker, told);
      const response = await tracker.announce(request, { signal });
      this.#told.set(
        tracker,
        response.trackerId ?? this.#told.get(tracker),
      );
      handler.onAnnounce({ type: "answered", tracker: tracker.name, response });
      return response;
    } catch (error) {
      if (!(error instanceof TrackerError)) throw error;
      handler.onAnnounce({ type: "failed", tracker: tracker.name, error });
      return undefined;
    }
  }

  #request(tracker: Tracker, event: AnnounceEvent | undefined) {
    return {
      ...this.#options.identity,
      ...this.#options.totals(),
      event,
      numWant: event === "stopped" || !this.#options.wantsPeers()
        ? 0
        : NUM_WANT,
      trackerId: this.#told.get(tracker),
    };
  }

  async #pause(
    response: AnnounceResponse | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const seconds = response ? this.#interval(response) : this.#retry();
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    try {
      await delay(seconds * 1000, {
        signal: AbortSignal.any([signal, woken.signal]),
      });
    } catch (error) {
      if (!woken.signal.aborted && !signal.aborted) throw error;
    } finally {
      this.#wake = undefined;
    }
  }

  /** Until the next announce; sooner while nobody is there, if permitted. */
  #interval({ interval, minInterval, peers }: AnnounceResponse): number {
    this.#failedRounds = 0;
    const wanted = peers.length === 0 && this.#options.wantsPeers()
      ? minInterval ?? MIN_INTERVAL_S
      : interval ?? DEFAULT_INTERVAL_S;
    return clamp(wanted, MIN_INTERVAL_S, MAX_INTERVAL_S);
  }

  #retry(): number {
    const pause = FIRST_RETRY_S * 2 ** this.#failedRounds++;
    return Math.min(pause, MAX_RETRY_S) * (1 + this.#options.random() / 4);
  }
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [result[i], result[j]] = [result[j]!, result[i]!];
  }
  return result;
}

function clamp(value: number, min: number, max: number): number {
  return Math.max(min, Math.min(max, value));
}
