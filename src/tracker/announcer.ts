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
  /** The time; the real one if not given. */
  clock?: AnnouncerClock;
}

/** What an announcer knows of the time. */
export interface AnnouncerClock {
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

/** A tracker that knows of us. */
interface Acquaintance {
  /** What it asked to be told again. */
  trackerId: Uint8Array | undefined;
  /** Whether it knows that the download is complete. */
  isCompletedTold: boolean;
}

/** The first tracker that answered in a round. */
interface Winner {
  tracker: Tracker;
  response: AnnounceResponse;
}

/** Keeps the trackers of one torrent informed. */
export class Announcer {
  readonly #tiers: Tracker[][];
  readonly #options: AnnouncerOptions;
  readonly #clock: AnnouncerClock;
  readonly #told = new Map<Tracker, Acquaintance>();
  /** Trackers that do not want to be asked before some time. */
  readonly #notBefore = new Map<Tracker, number>();
  #failedRounds = 0;
  #isCompleted = false;
  #wake: (() => void) | undefined;

  /**
   * Tells nobody anything yet.
   *
   * @param options The trackers, and what to tell them.
   */
  constructor(options: AnnouncerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? { now: () => performance.now(), delay };
    this.#tiers = options.tiers.map((tier) => shuffled(tier, options.random));
  }

  /** How many trackers there are. */
  get size(): number {
    return this.#tiers.reduce((sum, tier) => sum + tier.length, 0);
  }

  /** The download has become complete: the trackers should know now. */
  completed(): void {
    if (this.#isCompleted) return;
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
      const winner = await this.#round(signal);
      // It may have become complete while the tracker heard of the start.
      if (winner && this.#isCompletedDue(winner.tracker)) continue;
      await this.#pause(winner?.response, signal);
    }
  }

  /** Tells every tracker that knows of us that we leave; does not take long. */
  async stop(): Promise<void> {
    const over = new AbortController();
    const leave = async () => {
      const trackers = [...this.#told.keys()];
      try {
        await Promise.all(
          trackers.map((tracker) => this.#leave(tracker, over.signal)),
        );
      } finally {
        over.abort();
      }
    };
    const patience = async () => {
      await this.#wait(STOPPED_TIMEOUT_MS, over.signal);
      over.abort();
    };
    await Promise.all([leave(), patience()]);
    this.#told.clear();
  }

  async #leave(tracker: Tracker, signal: AbortSignal): Promise<void> {
    const events: AnnounceEvent[] = this.#isCompletedDue(tracker)
      ? ["completed", "stopped"]
      : ["stopped"];
    for (const event of events) {
      try {
        await tracker.announce(this.#request(tracker, event), { signal });
      } catch (error) {
        // We leave, whether anybody heard it or not.
        if (signal.aborted) return;
        if (!(error instanceof TrackerError)) throw error;
      }
    }
  }

  #isCompletedDue(tracker: Tracker): boolean {
    return this.#isCompleted &&
      this.#told.get(tracker)?.isCompletedTold === false;
  }

  /** Asks one tracker after the other until one answers. */
  async #round(signal: AbortSignal): Promise<Winner | undefined> {
    const decided = new AbortController();
    let winner: Winner | undefined;
    await using tasks = new TaskGroup({
      signal: AbortSignal.any([signal, decided.signal]),
    });
    const now = this.#clock.now();
    let turn = Promise.resolve();
    for (const tier of this.#tiers) {
      for (const tracker of [...tier]) {
        if (now < (this.#notBefore.get(tracker) ?? 0)) continue;
        const [mine, next] = [turn, Promise.withResolvers<void>()];
        turn = next.promise;
        tasks.signal.addEventListener("abort", () => next.resolve());
        tasks.spawn(async (signal) => {
          await mine;
          signal.throwIfAborted();
          const response = await this.#ask(tracker, signal);
          if (!response) return next.resolve();
          winner ??= { tracker, response };
          tier.splice(tier.indexOf(tracker), 1);
          tier.unshift(tracker);
          decided.abort();
        });
        tasks.spawn(async (signal) => {
          await mine;
          const silence = this.#clock.delay(HEDGE_MS, { signal });
          await Promise.race([silence, next.promise]);
          next.resolve();
        });
      }
    }
    await tasks.join();
    return winner;
  }

  async #ask(
    tracker: Tracker,
    signal: AbortSignal,
  ): Promise<AnnounceResponse | undefined> {
    const { handler } = this.#options;
    const known = this.#told.get(tracker);
    // A tracker that does not know of us yet must hear "started" first.
    const event = !known
      ? "started"
      : this.#isCompletedDue(tracker)
      ? "completed"
      : undefined;
    try {
      const request = this.#request(tracker, event);
      const response = await tracker.announce(request, { signal });
      this.#told.set(tracker, {
        trackerId: response.trackerId ?? known?.trackerId,
        isCompletedTold: event === "completed" ||
          known?.isCompletedTold === true,
      });
      handler.onAnnounce({ type: "answered", tracker: tracker.name, response });
      return response;
    } catch (error) {
      if (!(error instanceof TrackerError)) throw error;
      const { retryIn = 0 } = error.options;
      this.#notBefore.set(tracker, this.#clock.now() + retryIn * 1000);
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
      trackerId: this.#told.get(tracker)?.trackerId,
    };
  }

  async #pause(
    response: AnnounceResponse | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const seconds = response ? this.#interval(response) : this.#retry();
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    const ended = AbortSignal.any([signal, woken.signal]);
    await this.#wait(seconds * 1000, ended);
    this.#wake = undefined;
  }

  /** Waits until some time has passed, or a signal ends it. */
  async #wait(ms: number, signal: AbortSignal): Promise<void> {
    try {
      await this.#clock.delay(ms, { signal });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** Until the next announce; sooner while nobody is there, if permitted. */
  #interval({ interval, minInterval, peers }: AnnounceResponse): number {
    this.#failedRounds = 0;
    const wanted = peers.length === 0 && this.#options.wantsPeers()
      ? MIN_INTERVAL_S
      : interval ?? DEFAULT_INTERVAL_S;
    const permitted = Math.max(wanted, minInterval ?? 0);
    return clamp(permitted, MIN_INTERVAL_S, MAX_INTERVAL_S);
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
