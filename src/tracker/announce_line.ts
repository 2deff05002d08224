/**
 * `AnnounceLine`: trackers in tiers that stand in for each other (BEP 12):
 * which of them is asked, and when.
 *
 * They are asked in the order of their tiers, shuffled within each. The next
 * one is asked when one fails, and also when one does not answer for a while,
 * so that a dead tracker delays nobody. The first that answers ends the round
 * and moves to the front of its tier.
 *
 * A private torrent uses one tracker at a time (BEP 27): nobody is asked beside
 * another, and the one that answered is kept until it fails.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import { TrackerError } from "../errors.ts";
import { TaskGroup } from "../task_group.ts";
import type { AnnounceSlots } from "./announce_slots.ts";
import type { AnnounceResponse, Tracker } from "./tracker.ts";

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

/** What a line is made of. */
export interface AnnounceLineOptions {
  /** The trackers in their tiers. */
  tiers: readonly (readonly Tracker[])[];
  /** Whether a tracker is only asked when no other may answer any more. */
  isOneByOne: boolean;
  /**
   * Asks a tracker.
   *
   * @param tracker The tracker.
   * @param options What gives up.
   * @returns Its first answer, or its failure.
   */
  ask(
    tracker: Tracker,
    options: { signal: AbortSignal },
  ): Promise<AnnounceResponse | TrackerError>;
  /**
   * Whether a tracker should hear more at once.
   *
   * @param tracker The tracker that has answered.
   * @returns Whether there is news that it does not know.
   */
  isDue(tracker: Tracker): boolean;
  /** Whether the swarm is looked for more often while nobody is there. */
  isHungry: () => boolean;
  /** Where there is room for an announce. */
  slots: AnnounceSlots;
  /** A number from 0 to less than 1. */
  random: () => number;
  /** The time. */
  clock: Clock;
}

/** The first tracker that answered in a round. */
interface Winner {
  tracker: Tracker;
  response: AnnounceResponse;
}

/** Trackers of which one is enough. */
export class AnnounceLine {
  readonly #tiers: Tracker[][];
  readonly #options: AnnounceLineOptions;
  /** Trackers that do not want to be asked before some time. */
  readonly #notBefore = new Map<Tracker, number>();
  #current: Tracker | undefined;
  #failedRounds = 0;
  #wake: (() => void) | undefined;

  /**
   * Asks nobody yet.
   *
   * @param options The trackers, and how to ask them.
   */
  constructor(options: AnnounceLineOptions) {
    this.#options = options;
    this.#tiers = options.tiers.map((tier) => shuffled(tier, options.random));
  }

  /** How many trackers there are. */
  get size(): number {
    return this.#tiers.reduce((sum, tier) => sum + tier.length, 0);
  }

  /** There is news: whoever waits for the next round need not. */
  wake(): void {
    this.#wake?.();
  }

  /**
   * Asks until stopped.
   *
   * @param options What stops it.
   */
  async run({ signal }: { signal: AbortSignal }): Promise<void> {
    if (this.size === 0) return;
    while (!signal.aborted) {
      const winner = await this.#round(signal);
      // It may have become complete while the tracker heard of the start.
      if (winner && this.#options.isDue(winner.tracker)) continue;
      await this.#pause(winner?.response, signal);
    }
  }

  /** Asks one tracker after the other until one answers. */
  async #round(signal: AbortSignal): Promise<Winner | undefined> {
    const decided = new AbortController();
    let winner: Winner | undefined;
    await using tasks = new TaskGroup({
      signal: AbortSignal.any([signal, decided.signal]),
    });
    let turn = Promise.resolve();
    for (const tracker of this.#order()) {
      const [mine, next] = [turn, Promise.withResolvers<void>()];
      turn = next.promise;
      const pass = () => next.resolve();
      tasks.signal.addEventListener("abort", pass);
      tasks.spawn(async (signal) => {
        await mine;
        signal.throwIfAborted();
        const response = await this.#ask(tracker, { pass, signal });
        if (!response) return pass();
        winner ??= { tracker, response };
        decided.abort();
      });
    }
    await tasks.join();
    if (winner) this.#promote(winner.tracker);
    return winner;
  }

  /** Everybody who may be asked now, as BEP 12 wants it. */
  #order(): Tracker[] {
    const now = this.#options.clock.now();
    const all = this.#tiers.flat();
    const kept = this.#options.isOneByOne ? this.#current : undefined;
    return [...kept ? [kept] : [], ...all.filter((other) => other !== kept)]
      .filter((tracker) => now >= (this.#notBefore.get(tracker) ?? 0));
  }

  #promote(tracker: Tracker): void {
    this.#current = tracker;
    const tier = this.#tiers.find((tier) => tier.includes(tracker))!;
    tier.splice(tier.indexOf(tracker), 1);
    tier.unshift(tracker);
  }

  /** Asks one; the turn passes on when it is silent for long. */
  async #ask(
    tracker: Tracker,
    { pass, signal }: { pass: () => void; signal: AbortSignal },
  ): Promise<AnnounceResponse | undefined> {
    const { slots, ask, isOneByOne, clock } = this.#options;
    return await slots.run(async () => {
      await using silence = new TaskGroup({ signal });
      if (!isOneByOne) {
        silence.spawn(async (signal) => {
          await clock.delay(HEDGE_MS, { signal });
          pass();
        });
      }
      const answer = await ask(tracker, { signal });
      if (!(answer instanceof TrackerError)) return answer;
      const { retryIn = 0 } = answer.options;
      this.#notBefore.set(tracker, clock.now() + retryIn * 1000);
      return undefined;
    }, { signal });
  }

  async #pause(
    response: AnnounceResponse | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const seconds = response ? this.#interval(response) : this.#retry();
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    const ended = AbortSignal.any([signal, woken.signal]);
    try {
      await this.#options.clock.delay(seconds * 1000, { signal: ended });
    } catch (error) {
      if (!ended.aborted) throw error;
    }
    this.#wake = undefined;
  }

  /** Until the next announce; sooner while nobody is there, if permitted. */
  #interval({ interval, minInterval, peers }: AnnounceResponse): number {
    this.#failedRounds = 0;
    const wanted = peers.length === 0 && this.#options.isHungry()
      ? MIN_INTERVAL_S
      : interval ?? DEFAULT_INTERVAL_S;
    const permitted = Math.max(wanted, minInterval ?? 0);
    return Math.max(MIN_INTERVAL_S, Math.min(permitted, MAX_INTERVAL_S));
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
