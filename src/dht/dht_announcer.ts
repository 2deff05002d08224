/**
 * `DhtAnnouncer`: keeps one torrent known in the DHT, and its owner supplied
 * with peers (BEP 5). Not for private torrents (BEP 27).
 *
 * @module
 */

import type { Endpoint } from "../bytes/endpoint.ts";
import { type Clock, REAL_CLOCK } from "../clock.ts";
import type { GetPeersOptions, LookupOutcome } from "./dht_node.ts";

/** Half of what nodes keep a peer for. */
const INTERVAL_MS = 15 * 60_000;

/** Who wants peers gets new ones, but not by the second. */
const MIN_INTERVAL_MS = 60_000;

/** Many torrents shall not go on all at once. */
const JITTER = 0.1;

/** When nobody answered at all: the next time, then twice as long each time. */
const RETRY_MS = 30_000;

/** What an announcer needs of a node. */
export interface PeerFinder {
  /**
   * Looks for the peers of a torrent, and announces that we are one.
   *
   * @param infoHash The torrent.
   * @param options Whether to announce, and what gives up.
   */
  getPeers(
    infoHash: Uint8Array,
    options: GetPeersOptions,
  ): AsyncGenerator<Endpoint[], LookupOutcome, undefined>;
}

/** What the owner of an announcer hears of it. */
export interface DhtAnnouncerHandler {
  /**
   * Peers were found.
   *
   * @param peers Where they are; ourselves perhaps among them.
   */
  onPeers(peers: readonly Endpoint[]): void;
  /**
   * A search has ended.
   *
   * @param outcome What came of it.
   */
  onSearched?(outcome: LookupOutcome): void;
}

/** What an announcer is made of. */
export interface DhtAnnouncerOptions {
  /** The node. */
  node: PeerFinder;
  /** The torrent. */
  infoHash: Uint8Array;
  /** Tells the port that we listen on, if we do. */
  port: () => number | undefined;
  /** Tells whether we have everything (BEP 33). */
  isSeed: () => boolean;
  /** Who hears of peers. */
  handler: DhtAnnouncerHandler;
  /** A number from 0 to less than 1. */
  random: () => number;
  /** The time; the real one if not given. */
  clock?: Clock;
}

/** Keeps one torrent known in the DHT. */
export class DhtAnnouncer {
  readonly #options: DhtAnnouncerOptions;
  #wanted = Promise.withResolvers<void>();

  /**
   * Asks nobody yet.
   *
   * @param options The torrent, and who hears of it.
   */
  constructor(options: DhtAnnouncerOptions) {
    this.#options = options;
  }

  /** Searches again soon, not only when the interval is over. */
  wake(): void {
    this.#wanted.resolve();
  }

  /**
   * Searches and announces until stopped.
   *
   * @param options What stops it.
   */
  async run({ signal }: { signal: AbortSignal }): Promise<void> {
    const { random } = this.#options;
    for (let failures = 0;;) {
      this.#wanted = Promise.withResolvers();
      const { answers } = await this.#search(signal);
      failures = answers > 0 ? 0 : failures + 1;
      const ms = failures === 0
        ? INTERVAL_MS
        : Math.min(INTERVAL_MS, RETRY_MS * 2 ** (failures - 1));
      await this.#rest(ms * (1 + JITTER * (random() * 2 - 1)), signal);
    }
  }

  async #search(signal: AbortSignal): Promise<LookupOutcome> {
    const { node, infoHash, port, isSeed, handler } = this.#options;
    const search = node.getPeers(infoHash, {
      announcePort: port(),
      isSeed: isSeed(),
      signal,
    });
    for (;;) {
      const { done, value } = await search.next();
      if (!done) {
        handler.onPeers(value);
        continue;
      }
      handler.onSearched?.(value);
      return value;
    }
  }

  async #rest(ms: number, signal: AbortSignal): Promise<void> {
    const { clock = REAL_CLOCK } = this.#options;
    const first = Math.min(ms, MIN_INTERVAL_MS);
    await clock.delay(first, { signal });
    const isOver = new AbortController();
    const giveUp = () => isOver.abort(signal.reason);
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      const patience = clock.delay(ms - first, { signal: isOver.signal });
      await Promise.race([this.#wanted.promise, patience]);
    } finally {
      signal.removeEventListener("abort", giveUp);
      isOver.abort();
    }
  }
}
