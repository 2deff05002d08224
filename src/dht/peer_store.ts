/**
 * `PeerStore`: the peers that have been announced to us, bounded, and forgotten
 * in time (BEP 5, 33). Pure.
 *
 * A torrent has one peer for each address (BEP 33), and an address has a
 * bounded number of torrents, so that nobody can push out everybody else with
 * one address.
 *
 * @module
 */

import { latin1 } from "../bytes/bencode.ts";
import {
  type AddressFamily,
  type Endpoint,
  familyOf,
  formatEndpoint,
} from "../bytes/endpoint.ts";
import { isLocal } from "../bytes/local_host.ts";
import { BloomFilter } from "./bloom_filter.ts";
import { hostOf } from "./node_id.ts";

/** Twice what clients take to announce again. */
const PEER_LIFE_MS = 30 * 60_000;

/** How often those who have left are looked for. */
const EXPIRY_INTERVAL_MS = 60_000;

/** libtorrent's number: the one announced longest ago goes for a new one. */
const MAX_TORRENTS = 2000;

/** libtorrent's number: of one torrent, the oldest goes for a new one. */
const MAX_PEERS_PER_TORRENT = 500;

/** 10 MB or so, whoever announces what. */
const MAX_PEERS = 50_000;

/**
 * A node is asked to keep what is near to its id: of one host that seeds
 * thousands of torrents that is a handful.
 */
const MAX_TORRENTS_PER_HOST = 50;

interface StoredPeer {
  endpoint: Endpoint;
  isSeed: boolean;
  expiresAt: number;
}

/** What somebody announces. */
export interface PeerAnnouncement {
  /** The torrent. */
  infoHash: Uint8Array;
  /** Where the peer listens. */
  endpoint: Endpoint;
  /** Whether it has everything. */
  isSeed: boolean;
}

/** Which peers are wanted. */
export interface PeerSelection {
  /** The family of their addresses. */
  family: AddressFamily;
  /** How many at most. */
  limit: number;
  /** Whether seeds should be left out (BEP 33). */
  noSeed: boolean;
  /** A number from 0 to less than 1. */
  random: () => number;
  /** The time in milliseconds. */
  now: number;
}

/** Peers by torrent. */
export class PeerStore {
  /** By the info hash, the one announced longest ago first; then by host. */
  readonly #torrents = new Map<string, Map<string, StoredPeer>>();
  /** The torrents of a host, the oldest first. */
  readonly #hosts = new Map<string, Set<string>>();
  #size = 0;
  #expiredAt = -Infinity;

  /** How many torrents have peers. */
  get torrents(): number {
    return this.#torrents.size;
  }

  /** How many peers there are, over all torrents. */
  get size(): number {
    return this.#size;
  }

  /**
   * Keeps a peer.
   *
   * @param announcement What it announces.
   * @param now The time in milliseconds.
   */
  announce(
    { infoHash, endpoint, isSeed }: PeerAnnouncement,
    now: number,
  ): void {
    if (now - this.#expiredAt >= EXPIRY_INTERVAL_MS) this.#expire(now);
    const key = latin1(infoHash);
    const host = holderOf(endpoint);
    this.#remove(key, host);
    const peers = this.#torrents.get(key) ?? new Map<string, StoredPeer>();
    // Set anew, it is the youngest.
    this.#torrents.delete(key);
    this.#torrents.set(key, peers);
    peers.set(host, { endpoint, isSeed, expiresAt: now + PEER_LIFE_MS });
    this.#size++;
    const announced = this.#hosts.get(host) ?? new Set();
    this.#hosts.set(host, announced.add(key));
    this.#makeRoom(key, host);
  }

  /**
   * Some peers of a torrent, drawn anew each time.
   *
   * @param infoHash The torrent.
   * @param selection Which.
   * @returns Their endpoints.
   */
  peers(infoHash: Uint8Array, selection: PeerSelection): Endpoint[] {
    const { family, limit, noSeed, random, now } = selection;
    const fitting = this.#living(infoHash, { family, now });
    const wanted = fitting.filter(({ isSeed }) => !(noSeed && isSeed));
    for (let i = 0; i < Math.min(limit, wanted.length - 1); i++) {
      const j = i + Math.floor(random() * (wanted.length - i));
      [wanted[i], wanted[j]] = [wanted[j]!, wanted[i]!];
    }
    return wanted.slice(0, limit).map(({ endpoint }) => endpoint);
  }

  /**
   * Counts the peers of a torrent (BEP 33).
   *
   * @param infoHash The torrent.
   * @param options The family of their addresses, and the time.
   * @returns The seeds and the others; `undefined` if there are none.
   */
  filters(
    infoHash: Uint8Array,
    options: { family: AddressFamily; now: number },
  ): { seeds: BloomFilter; downloaders: BloomFilter } | undefined {
    const peers = this.#living(infoHash, options);
    if (peers.length === 0) return undefined;
    const [seeds, downloaders] = [new BloomFilter(), new BloomFilter()];
    for (const { endpoint, isSeed } of peers) {
      (isSeed ? seeds : downloaders).add(endpoint.hostname);
    }
    return { seeds, downloaders };
  }

  #living(
    infoHash: Uint8Array,
    { family, now }: { family: AddressFamily; now: number },
  ): StoredPeer[] {
    const peers = this.#torrents.get(latin1(infoHash));
    return [...peers?.values() ?? []].filter(({ endpoint, expiresAt }) =>
      expiresAt > now && familyOf(endpoint) === family
    );
  }

  #expire(now: number): void {
    this.#expiredAt = now;
    for (const [key, peers] of this.#torrents) {
      for (const [host, { expiresAt }] of peers) {
        if (expiresAt <= now) this.#remove(key, host);
      }
    }
  }

  #makeRoom(key: string, host: string): void {
    const announced = this.#hosts.get(host)!;
    if (announced.size > MAX_TORRENTS_PER_HOST) {
      this.#remove(first(announced)!, host);
    }
    const peers = this.#torrents.get(key)!;
    if (peers.size > MAX_PEERS_PER_TORRENT) {
      this.#remove(key, first(peers.keys())!);
    }
    while (this.#torrents.size > MAX_TORRENTS || this.#size > MAX_PEERS) {
      const oldest = first(this.#torrents.keys())!;
      for (const host of [...this.#torrents.get(oldest)!.keys()]) {
        this.#remove(oldest, host);
      }
    }
  }

  #remove(key: string, host: string): void {
    const peers = this.#torrents.get(key);
    if (!peers?.delete(host)) return;
    this.#size--;
    if (peers.size === 0) this.#torrents.delete(key);
    const announced = this.#hosts.get(host)!;
    announced.delete(key);
    if (announced.size === 0) this.#hosts.delete(host);
  }
}

/** Who is one peer: behind an address of its own there is one, elsewhere not. */
function holderOf(endpoint: Endpoint): string {
  const { hostname } = endpoint;
  return isLocal(hostname) ? formatEndpoint(endpoint) : hostOf(hostname);
}

function first<T>(items: Iterable<T>): T | undefined {
  for (const item of items) return item;
  return undefined;
}
