/**
 * `Announcers`: what the trackers are told. A hybrid torrent has two swarms
 * (BEP 52), and its trackers hear of us in both, as libtorrent does it.
 *
 * @module
 */

import { TaskGroup } from "../task_group.ts";
import {
  type AnnounceOutcome,
  Announcer,
  type AnnouncerHandler,
  type AnnouncerOptions,
} from "../tracker/announcer.ts";
import type { AnnounceRequest } from "../tracker/tracker.ts";
import type { WireHashes } from "../wire/handshake.ts";

/** What the owner of announcers hears of them. */
export interface AnnouncersHandler extends Pick<AnnouncerHandler, "onSwitch"> {
  /**
   * A tracker has answered, or has not.
   *
   * @param outcome What came of it.
   * @param isV2 Whether it is about the swarm of v2.
   */
  onAnnounce(outcome: AnnounceOutcome, isV2: boolean): void;
}

/** What announcers are made of. */
export interface AnnouncersOptions
  extends Omit<AnnouncerOptions, "identity" | "handler"> {
  /** The info hashes of the torrent, as far as they are known. */
  hashes: WireHashes;
  /** What stays the same in every request. */
  identity: Pick<AnnounceRequest, "peerId" | "port" | "key">;
  /** Who hears of the answers. */
  handler: AnnouncersHandler;
}

/** Keeps the trackers of one torrent informed. */
export class Announcers {
  readonly #first: Announcer;
  /** That of the other swarm of a hybrid torrent. */
  readonly #second: Announcer | undefined;
  /** Ends the announces to the other swarm. */
  readonly #secondLeft = new AbortController();

  /**
   * Tells nobody anything yet.
   *
   * @param options The trackers, and what to tell them.
   */
  constructor(options: AnnouncersOptions) {
    const { hashes: { v1, v2 }, identity, handler } = options;
    const announcer = (infoHash: Uint8Array, isV2: boolean) =>
      new Announcer({
        ...options,
        identity: { ...identity, infoHash },
        handler: {
          onAnnounce: (outcome) => handler.onAnnounce(outcome, isV2),
          onSwitch: () => handler.onSwitch?.(),
        },
      });
    this.#first = announcer((v1 ?? v2)!, v1 === undefined);
    // The tracker of a private torrent knows it by one info hash, and may take
    // the other for a breach of its rules.
    if (v1 && v2 && !options.isPrivate) this.#second = announcer(v2, true);
  }

  /** How many trackers there are. */
  get size(): number {
    return this.#first.size;
  }

  /** The download has become complete: the trackers should know now. */
  completed(): void {
    this.#first.completed();
    this.#second?.completed();
  }

  /**
   * The torrent is private after all (BEP 27): only its tiers may hear of it,
   * and by one info hash.
   */
  leaveOthers(): void {
    this.#first.leaveOthers();
    this.#second?.leaveOthers();
    this.#secondLeft.abort();
  }

  /**
   * Announces until stopped.
   *
   * @param options What stops it; {@linkcode Announcers.stop} comes after.
   */
  async run({ signal }: { signal: AbortSignal }): Promise<void> {
    await using tasks = new TaskGroup({ signal });
    tasks.spawn((signal) => this.#first.run({ signal }));
    tasks.spawn((signal) => this.#runSecond(signal));
    await tasks.join();
  }

  /** Tells every tracker that knows of us that we leave; does not take long. */
  async stop(): Promise<void> {
    await Promise.all([this.#first.stop(), this.#second?.stop()]);
  }

  async #runSecond(signal: AbortSignal): Promise<void> {
    const left = this.#secondLeft.signal;
    if (!this.#second || left.aborted) return;
    try {
      await this.#second.run({ signal: AbortSignal.any([signal, left]) });
    } catch (error) {
      if (signal.aborted || !left.aborted) throw error;
    }
    if (left.aborted) await this.#second.stop();
  }
}
