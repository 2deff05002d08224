/**
 * `LocalSwarms`: which torrents to announce in the local network and when, and
 * what to make of the announcements of others (BEP 14). Pure.
 *
 * @module
 */

import { scopeOf } from "../bytes/address_scope.ts";
import { type Endpoint, endpointOf } from "../bytes/endpoint.ts";
import { decodeAnnouncement, MAX_INFO_HASHES } from "./announcement.ts";
import { encodeHex } from "@std/encoding/hex";

/** BEP 14: "it should send a LSD announce every 5 minutes". */
const ANNOUNCE_INTERVAL_MS = 5 * 60_000;

/** A part of the interval by which it varies: many start at the same time. */
const JITTER = 0.1;

/** BEP 14: "a client should send no more than 1 announce per minute". */
const MESSAGE_INTERVAL_MS = 60_000;

/** Torrents that are added soon after each other are announced together. */
const GATHER_MS = 200;

/**
 * Peers that are believed in a minute. More live in no local network, but one
 * machine can pretend to be any number.
 */
const MAX_PEERS_PER_MINUTE = 100;

/** What this is made of. */
export interface LocalSwarmsOptions {
  /** By which we know our own messages. */
  cookie: string;
  /** A number from 0 to less than 1. */
  random: () => number;
}

/** Somebody who takes part in a torrent of ours. */
export interface LocalPeer {
  /** The torrent. */
  readonly infoHash: Uint8Array;
  /** Where he listens. */
  readonly endpoint: Endpoint;
}

interface Swarm {
  readonly infoHash: Uint8Array;
  nextAt: number;
}

/** The torrents that are looked for in the local network. */
export class LocalSwarms {
  readonly #cookie: string;
  readonly #random: () => number;
  readonly #swarms = new Map<string, Swarm>();
  #nextMessageAt = 0;
  #minuteEndsAt = 0;
  #believed = 0;

  /**
   * No torrents.
   *
   * @param options The cookie, and the randomness.
   */
  constructor(options: LocalSwarmsOptions) {
    this.#cookie = options.cookie;
    this.#random = options.random;
  }

  /**
   * A torrent is to be announced, as soon as a message may be sent.
   *
   * @param infoHash The torrent; never a private one (BEP 27).
   * @param now The time in milliseconds.
   */
  add(infoHash: Uint8Array, now: number): void {
    const key = encodeHex(infoHash);
    if (this.#swarms.has(key)) return;
    this.#swarms.set(key, { infoHash, nextAt: now + GATHER_MS });
  }

  /**
   * A torrent is not to be announced any more.
   *
   * @param infoHash The torrent.
   */
  delete(infoHash: Uint8Array): void {
    this.#swarms.delete(encodeHex(infoHash));
  }

  /** When there is something to announce, in milliseconds; `Infinity` if never. */
  get nextAt(): number {
    let first = Infinity;
    for (const { nextAt } of this.#swarms.values()) {
      first = Math.min(first, nextAt);
    }
    return Math.max(first, this.#nextMessageAt);
  }

  /**
   * The torrents to announce now. They count as announced.
   *
   * @param now The time in milliseconds.
   * @returns At most as many as one message holds; the longest overdue first.
   */
  take(now: number): Uint8Array[] {
    if (now < this.nextAt) return [];
    const due = [...this.#swarms.values()]
      .filter(({ nextAt }) => nextAt <= now + GATHER_MS)
      .sort((a, b) => a.nextAt - b.nextAt)
      .slice(0, MAX_INFO_HASHES);
    for (const swarm of due) {
      const jitter = 1 + JITTER * (2 * this.#random() - 1);
      swarm.nextAt = now + ANNOUNCE_INTERVAL_MS * jitter;
    }
    this.#nextMessageAt = now + MESSAGE_INTERVAL_MS;
    return due.map(({ infoHash }) => infoHash);
  }

  /**
   * A packet has come.
   *
   * @param packet The packet.
   * @param from Who sent it.
   * @param now The time in milliseconds.
   * @returns The peers that it tells of.
   */
  receive(packet: Uint8Array, from: Endpoint, now: number): LocalPeer[] {
    if (now >= this.#minuteEndsAt) {
      this.#minuteEndsAt = now + 60_000;
      this.#believed = 0;
    }
    if (this.#believed >= MAX_PEERS_PER_MINUTE) return [];
    const announcement = decodeAnnouncement(packet);
    if (!announcement || announcement.cookie === this.#cookie) return [];
    const endpoint = endpointOf(from.hostname, announcement.port);
    if (!endpoint || !canBeDialled(endpoint)) return [];
    const peers = announcement.infoHashes
      .map((infoHash) => this.#swarms.get(encodeHex(infoHash))?.infoHash)
      .filter((infoHash) => infoHash !== undefined);
    const distinct = [...new Set(peers)]
      .slice(0, MAX_PEERS_PER_MINUTE - this.#believed);
    this.#believed += distinct.length;
    return distinct.map((infoHash) => ({ infoHash, endpoint }));
  }
}

/** An IPv6 address of one line says nothing without the line. */
function canBeDialled({ hostname }: Endpoint): boolean {
  const scope = scopeOf(hostname);
  return scope !== undefined && !(scope === "link" && hostname.includes(":"));
}
