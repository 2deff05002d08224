/**
 * `AnnouncedSwarms`: what a tracker knows: who has announced what, bounded, and
 * forgotten in time. Pure.
 *
 * @module
 */

import { type Endpoint, formatEndpoint } from "../bytes/endpoint.ts";
import type { AnnounceEvent, ScrapeCounts } from "./tracker.ts";

/** When a peer should announce again: BEP 3's example. */
export const INTERVAL_S = 1800;

/** How long a peer is kept that does not announce again. */
const LIFE_MS = INTERVAL_S * 1500;

/** How many peers one answer names at most. */
const MAX_PEERS = 200;

/** How many torrents are kept: the oldest goes for a new one. */
const MAX_TORRENTS = 1000;

/** How many peers of a torrent are kept: the oldest goes for a new one. */
const MAX_SWARM = 2000;

/** A peer that has announced itself. */
export interface AnnouncedPeer {
  /** Where it listens. */
  endpoint: Endpoint;
  /** Who it says it is. */
  peerId: Uint8Array;
  /** Whether it has everything. */
  isSeed: boolean;
}

/** What a peer announces. */
export interface Announced extends AnnouncedPeer {
  /** The torrent's hash, one character for each byte. */
  infoHash: string;
  /** Why, if not because the interval is over. */
  event: AnnounceEvent | undefined;
  /** How many others it wants to know. */
  wanted: number;
}

interface AnnouncedSwarm {
  /** The peers by their endpoints, the oldest first. */
  peers: Map<string, AnnouncedPeer & { expiresAt: number }>;
  completed: number;
}

/** The swarms of a tracker. */
export class AnnouncedSwarms {
  /** By the info hash, the oldest first. */
  readonly #swarms = new Map<string, AnnouncedSwarm>();

  /** The hashes of all torrents. */
  get infoHashes(): string[] {
    return [...this.#swarms.keys()];
  }

  /**
   * A peer announces itself.
   *
   * @param announced What it says.
   * @param now The time in milliseconds.
   * @returns Others of its swarm.
   */
  announce(announced: Announced, now: number): AnnouncedPeer[] {
    const { infoHash, endpoint, peerId, isSeed, event, wanted } = announced;
    const swarm = this.#swarm(infoHash);
    const { peers } = swarm;
    const key = formatEndpoint(endpoint);
    peers.delete(key);
    if (event === "completed") swarm.completed++;
    if (event !== "stopped") {
      const expiresAt = now + LIFE_MS;
      peers.set(key, { endpoint, peerId, isSeed, expiresAt });
      dropOldest(peers, MAX_SWARM);
    }
    for (const [key, { expiresAt }] of peers) {
      if (expiresAt < now) peers.delete(key);
    }
    return [...peers].flatMap(([other, peer]) => other === key ? [] : peer)
      .slice(0, Math.min(wanted, MAX_PEERS));
  }

  /**
   * How a torrent stands.
   *
   * @param infoHash The torrent's hash, one character for each byte.
   * @returns Its counts, or `undefined` if nobody has announced it.
   */
  counts(infoHash: string): ScrapeCounts | undefined {
    const swarm = this.#swarms.get(infoHash);
    if (!swarm) return undefined;
    const { peers, completed } = swarm;
    const seeders = [...peers.values()].filter(({ isSeed }) => isSeed).length;
    return { seeders, completed, leechers: peers.size - seeders };
  }

  #swarm(infoHash: string): AnnouncedSwarm {
    const swarm = this.#swarms.get(infoHash) ??
      { peers: new Map(), completed: 0 };
    // Set anew, it is the youngest.
    this.#swarms.delete(infoHash);
    this.#swarms.set(infoHash, swarm);
    dropOldest(this.#swarms, MAX_TORRENTS);
    return swarm;
  }
}

function dropOldest<Key, Value>(map: Map<Key, Value>, size: number): void {
  for (const key of map.keys()) {
    if (map.size <= size) return;
    map.delete(key);
  }
}
