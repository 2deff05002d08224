/**
 * `Announcer`: what the trackers of a torrent are told: how far it has come,
 * and the events `started`, `completed` and `stopped` (BEP 3).
 *
 * Of the torrent's own tiers one tracker is enough (BEP 12); each of the
 * user's is asked beside them. Who is asked when, `AnnounceLine` knows.
 *
 * @module
 */

import { familyOf, formatEndpoint } from "../bytes/endpoint.ts";
import { type Clock, REAL_CLOCK } from "../clock.ts";
import { TrackerError } from "../errors.ts";
import { TaskGroup } from "../task_group.ts";
import { AnnounceLine } from "./announce_line.ts";
import { AnnounceSlots } from "./announce_slots.ts";
import type {
  AnnounceEvent,
  AnnounceRequest,
  AnnounceResponse,
  Tracker,
} from "./tracker.ts";

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
  /**
   * A private torrent has another tracker now, and so another swarm: BEP 27
   * wants every peer of the old one let go. It comes before the answer.
   */
  onSwitch?(): void;
}

/** What an announcer is made of. */
export interface AnnouncerOptions {
  /** The torrent's own trackers in their tiers: one is enough. */
  tiers: readonly (readonly Tracker[])[];
  /** Trackers that are asked beside them, each for itself. */
  others?: readonly Tracker[] | undefined;
  /** Whether only one tracker may be used at a time (BEP 27). */
  isPrivate?: boolean;
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
  /** Room for announces, shared with other torrents; its own if not given. */
  slots?: AnnounceSlots | undefined;
  /** The time; the real one if not given. */
  clock?: Clock;
}

/** A tracker that knows of us. */
interface Acquaintance {
  /** What it asked to be told again. */
  trackerId: Uint8Array | undefined;
  /** Whether it knows that the download has become complete. */
  isCompletedTold: boolean;
}

/** Keeps the trackers of one torrent informed. */
export class Announcer {
  readonly #options: AnnouncerOptions;
  readonly #clock: Clock;
  readonly #slots: AnnounceSlots;
  readonly #lines: AnnounceLine[];
  readonly #told = new Map<Tracker, Acquaintance>();
  /** What ends the last question to a tracker; one family may still answer. */
  readonly #asking = new Map<Tracker, AbortController>();
  readonly #externalAddresses = new Map<number, string>();
  #tasks: TaskGroup | undefined;
  /** The tracker of a private torrent that answered last. */
  #current: Tracker | undefined;
  /** Ends the announces to those beside the tiers. */
  readonly #othersLeft = new AbortController();
  /** What was complete from the start never becomes so. */
  #canComplete = true;
  /** Whether it has become complete while we were there. */
  #isCompleted = false;

  /**
   * Tells nobody anything yet.
   *
   * @param options The trackers, and what to tell them.
   */
  constructor(options: AnnouncerOptions) {
    this.#options = options;
    const clock = this.#clock = options.clock ?? REAL_CLOCK;
    const slots = this.#slots = options.slots ?? new AnnounceSlots({ clock });
    const { tiers, others = [], isPrivate = false, random } = options;
    this.#lines = [tiers, ...others.map((tracker) => [[tracker]])]
      .map((tiers) =>
        new AnnounceLine({
          tiers,
          isOneByOne: isPrivate,
          ask: (tracker, { signal }) => this.#ask(tracker, signal),
          isDue: (tracker) => this.#isCompletedDue(tracker),
          isHungry: () => options.wantsPeers() && options.totals().left > 0,
          slots,
          random,
          clock,
        })
      );
  }

  /** How many trackers there are. */
  get size(): number {
    return this.#lines.reduce((sum, { size }) => sum + size, 0);
  }

  /** Our own addresses as trackers see them, one of a family (BEP 24). */
  get externalAddresses(): string[] {
    return [...this.#externalAddresses.values()];
  }

  /** The download has become complete: the trackers should know now. */
  completed(): void {
    if (this.#isCompleted || !this.#canComplete) return;
    this.#isCompleted = true;
    for (const line of this.#lines) line.wake();
  }

  /**
   * Announces until stopped.
   *
   * @param options What stops it; {@linkcode Announcer.stop} comes after.
   */
  async run({ signal }: { signal: AbortSignal }): Promise<void> {
    await using tasks = new TaskGroup({ signal });
    this.#tasks = tasks;
    if (this.#options.totals().left === 0) {
      this.#canComplete = this.#isCompleted;
    }
    const [own, ...others] = this.#lines;
    tasks.spawn((signal) => own!.run({ signal }));
    for (const line of others) {
      tasks.spawn((signal) => this.#runOther(line, signal));
    }
    await tasks.join();
  }

  /** The torrent is private after all (BEP 27): only its tiers may hear of it. */
  leaveOthers(): void {
    this.#othersLeft.abort();
    for (const tracker of this.#options.others ?? []) {
      if (!this.#told.has(tracker)) continue;
      this.#tasks?.spawn((signal) => this.#leave(tracker, signal));
      this.#told.delete(tracker);
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
      try {
        await this.#clock.delay(STOPPED_TIMEOUT_MS, { signal: over.signal });
      } catch (error) {
        if (!over.signal.aborted) throw error;
      }
      over.abort();
    };
    await Promise.all([leave(), patience()]);
    this.#told.clear();
  }

  async #runOther(line: AnnounceLine, signal: AbortSignal): Promise<void> {
    const left = this.#othersLeft.signal;
    try {
      await line.run({ signal: AbortSignal.any([signal, left]) });
    } catch (error) {
      if (signal.aborted || !left.aborted) throw error;
    }
  }

  async #leave(tracker: Tracker, signal: AbortSignal): Promise<void> {
    const events: AnnounceEvent[] = this.#isCompletedDue(tracker)
      ? ["completed", "stopped"]
      : ["stopped"];
    for (const event of events) {
      try {
        await this.#slots.run(async () => {
          const request = this.#request(tracker, event);
          // Each family is a swarm of its own, which we leave.
          await Array.fromAsync(tracker.announce(request, { signal }));
        }, { signal });
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

  /** Asks one tracker; what its slower family says comes later. */
  async #ask(
    tracker: Tracker,
    signal: AbortSignal,
  ): Promise<AnnounceResponse | TrackerError> {
    const { handler } = this.#options;
    const known = this.#told.get(tracker);
    // A tracker that does not know of us yet must hear "started" first.
    const event = !known
      ? "started"
      : this.#isCompletedDue(tracker)
      ? "completed"
      : undefined;
    const question = new AbortController();
    this.#asking.get(tracker)?.abort();
    this.#asking.set(tracker, question);
    using _ending = endWith(signal, question);
    try {
      const answers = tracker.announce(this.#request(tracker, event), {
        signal: question.signal,
      });
      const first = await answers.next();
      if (first.done) throw new TrackerError(`${tracker.name} says nothing`);
      this.#told.set(tracker, {
        trackerId: first.value.trackerId ?? known?.trackerId,
        isCompletedTold: event === "completed" ||
          known?.isCompletedTold === true,
      });
      if (this.#options.isPrivate) this.#switchTo(tracker);
      const rest = { answers, question };
      this.#tasks!.spawn((signal) => this.#listen(tracker, rest, signal));
      return this.#answered(tracker, first.value);
    } catch (error) {
      if (!(error instanceof TrackerError)) throw error;
      handler.onAnnounce({ type: "failed", tracker: tracker.name, error });
      return error;
    }
  }

  /** Hears what the families say that are slower than the first. */
  async #listen(
    tracker: Tracker,
    { answers, question }: {
      answers: AsyncIterable<AnnounceResponse>;
      question: AbortController;
    },
    signal: AbortSignal,
  ): Promise<void> {
    using _ending = endWith(signal, question);
    try {
      for await (const response of answers) this.#answered(tracker, response);
    } catch (error) {
      if (!question.signal.aborted) throw error;
    }
  }

  /** A tracker has answered; nobody needs to hear of ourselves. */
  #answered(tracker: Tracker, response: AnnounceResponse): AnnounceResponse {
    const { handler, identity: { port } } = this.#options;
    const ours = response.externalAddress;
    if (ours !== undefined) {
      const family = familyOf({ hostname: ours, port });
      if (family) this.#externalAddresses.set(family, ours);
    }
    const own = new Set(
      this.externalAddresses.map((hostname) =>
        formatEndpoint({ hostname, port })
      ),
    );
    const peers = response.peers
      .filter(({ endpoint }) => !own.has(formatEndpoint(endpoint)));
    const answer = { ...response, peers };
    handler.onAnnounce({
      type: "answered",
      tracker: tracker.name,
      response: answer,
    });
    return answer;
  }

  #switchTo(tracker: Tracker): void {
    const isOther = this.#current !== undefined && this.#current !== tracker;
    this.#current = tracker;
    if (isOther) this.#options.handler.onSwitch?.();
  }

  #request(
    tracker: Tracker,
    event: AnnounceEvent | undefined,
  ): AnnounceRequest {
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
}

/**
 * Aborts a question with a signal, as long as it is not disposed of: the answers
 * of one question are waited for under different signals, one after the other.
 * An abort that has been counts too.
 */
function endWith(signal: AbortSignal, question: AbortController): Disposable {
  const abort = () => question.abort(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  return {
    [Symbol.dispose]: () => signal.removeEventListener("abort", abort),
  };
}
