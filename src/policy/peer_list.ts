/**
 * `PeerList`: the candidates: who could be dialled, when again, and who never.
 * Pure.
 *
 * A candidate is an endpoint that somebody named. It is `idle`, `dialling` or
 * `connected`, and no endpoint is ever two of them, so that nobody is dialled
 * twice at once.
 *
 * @module
 */

import {
  type AddressFamily,
  type Endpoint,
  familyOf,
  formatEndpoint,
} from "../bytes/endpoint.ts";
import { peerPriority } from "./peer_priority.ts";

/**
 * Where a candidate comes from: the user, a tracker, the DHT, another peer, the
 * local network, or the peer itself, which connected to us.
 */
export type PeerSource =
  | "user"
  | "tracker"
  | "dht"
  | "pex"
  | "lsd"
  | "incoming";

/** Whose word is that of anybody. */
const STRANGERS: ReadonlySet<PeerSource> = new Set(["dht", "pex", "lsd"]);

/** Who could be dialled. */
export interface Candidate {
  /** Where it listens. */
  readonly endpoint: Endpoint;
  /** Who named it: if several did, the one whose word counts most. */
  readonly source: PeerSource;
  /** The peer id that a tracker promised, if any. */
  readonly peerId: Uint8Array | undefined;
  /** Whether it was named as a peer of the swarm of v2 (BEP 52). */
  readonly isV2: boolean;
}

interface Entry extends Candidate {
  source: PeerSource;
  isV2: boolean;
  /** Whether it goes for good as soon as it is idle. */
  isForgotten: boolean;
  state: "idle" | "dialling" | "connected";
  /** Attempts and connections in a row that came to nothing. */
  failures: number;
  /** Not to be dialled before. */
  notBefore: number;
  /** Among equals the lowest is first. */
  lot: number;
}

/** Whose word counts more than that of all others, the most first. */
const TRUSTED: readonly PeerSource[] = ["user", "tracker"];

/** rain keeps 2,000, libtorrent 3,000; trackers name 50 to 200 at a time. */
const MAX_CANDIDATES = 2000;

/** After this many attempts a tracker's word is not worth another one. */
const MAX_FAILURES = 5;

/** Anybody can put an address into the DHT, or tell a peer of it. */
const MAX_STRANGER_FAILURES = 2;

/** Addresses that were given up; strangers cannot make us dial them again. */
const MAX_GIVEN_UP = 2000;

/** The pause after the first failure; it doubles with every further one. */
const FIRST_PAUSE_MS = 5_000;

/** What the pause grows to. */
const MAX_PAUSE_MS = 5 * 60_000;

/** A peer that was connected and left is not called back at once. */
const RECONNECT_PAUSE_MS = 10_000;

/** After so many bans a host is taken for one offender with many ports. */
const MAX_OFFENCES = 3;

/** Options for {@linkcode PeerList}. */
export interface PeerListOptions {
  /** A number from 0 to less than 1. */
  random: () => number;
}

/** The candidates of one torrent. */
export class PeerList {
  readonly #random: () => number;
  readonly #entries = new Map<string, Entry>();
  /** How often peers of a host were banned. */
  readonly #offences = new Map<string, number>();
  readonly #own = new Set<string>();
  /** Who could not be reached, the oldest first. */
  readonly #givenUp = new Set<string>();
  /** Where others see us, as far as we know. */
  readonly #seenAt = new Map<AddressFamily, Endpoint>();

  /**
   * A list without candidates.
   *
   * @param options The randomness.
   */
  constructor(options: PeerListOptions) {
    this.#random = options.random;
  }

  /** How many candidates there are. */
  get size(): number {
    return this.#entries.size;
  }

  /** How many candidates could be dialled, now or later. */
  get idleCount(): number {
    let count = 0;
    for (const entry of this.#entries.values()) {
      if (entry.state === "idle") count++;
    }
    return count;
  }

  /**
   * Others see us at an address: from now on candidates of that family are
   * dialled in the order of BEP 40, instead of by lot.
   *
   * @param endpoint The address, and the port that we listen on.
   */
  seenAt(endpoint: Endpoint): void {
    const family = familyOf(endpoint);
    if (family === undefined) return;
    this.#seenAt.set(family, endpoint);
    for (const entry of this.#entries.values()) {
      entry.lot = this.#lot(entry.endpoint);
    }
  }

  /**
   * Who goes when there is no room for a newcomer (BEP 40).
   *
   * @param newcomer Where it comes from.
   * @param peers Who is connected.
   * @returns The peer with the lowest priority, if the newcomer has a higher
   * one; nobody while we do not know our own address.
   */
  outranked<Peer extends { readonly endpoint: Endpoint }>(
    newcomer: Endpoint,
    peers: Iterable<Peer>,
  ): Peer | undefined {
    let lowest = this.#priority(newcomer);
    let outranked: Peer | undefined;
    if (lowest === undefined) return undefined;
    for (const peer of peers) {
      const priority = this.#priority(peer.endpoint);
      if (priority === undefined || priority >= lowest) continue;
      lowest = priority;
      outranked = peer;
    }
    return outranked;
  }

  /**
   * Somebody names a candidate.
   *
   * @param endpoint Where it listens.
   * @param options Who names it, the peer id promised, and whether it is of
   * the swarm of v2.
   * @returns Whether it is news.
   */
  add(
    endpoint: Endpoint,
    options: {
      source: PeerSource;
      peerId?: Uint8Array | undefined;
      isV2?: boolean;
    },
  ): boolean {
    const key = formatEndpoint(endpoint);
    if (this.#own.has(key) || this.isBanned(endpoint)) return false;
    const isStranger = STRANGERS.has(options.source);
    const known = this.#entries.get(key);
    if (known) {
      // Named again by the user or a tracker: it may have come back.
      const most = isStranger ? Infinity : MAX_FAILURES - 1;
      known.failures = Math.min(known.failures, most);
      known.isForgotten = false;
      known.isV2 ||= options.isV2 ?? false;
      known.source = TRUSTED.find((source) =>
        source === options.source || source === known.source
      ) ?? known.source;
      return false;
    }
    if (isStranger && this.#givenUp.has(key)) return false;
    this.#givenUp.delete(key);
    if (this.#entries.size >= MAX_CANDIDATES && !this.#dropWorst()) {
      return false;
    }
    this.#entries.set(key, {
      endpoint,
      source: options.source,
      peerId: options.peerId,
      isV2: options.isV2 ?? false,
      isForgotten: false,
      state: "idle",
      failures: 0,
      notBefore: 0,
      lot: this.#lot(endpoint),
    });
    return true;
  }

  /**
   * Whether there is a candidate to dial now.
   *
   * @param now The time in milliseconds.
   * @returns Whether {@linkcode PeerList.next} gives one.
   */
  hasNext(now: number): boolean {
    for (const entry of this.#entries.values()) {
      if (entry.state === "idle" && entry.notBefore <= now) return true;
    }
    return false;
  }

  /**
   * The best candidate to dial now; it counts as `dialling` from here on.
   *
   * @param now The time in milliseconds.
   * @returns The candidate, or `undefined` if there is none now.
   */
  next(now: number): Candidate | undefined {
    let best: Entry | undefined;
    for (const entry of this.#entries.values()) {
      if (entry.state !== "idle" || entry.notBefore > now) continue;
      if (!best || isBetter(entry, best)) best = entry;
    }
    if (best) best.state = "dialling";
    return best;
  }

  /**
   * A connection to an endpoint stands.
   *
   * @param endpoint The other end.
   * @returns Whether it may stay: a second one is not needed, and one that was
   * forgotten meanwhile is not wanted.
   */
  connected(endpoint: Endpoint): boolean {
    const key = formatEndpoint(endpoint);
    const entry = this.#entries.get(key);
    if (entry?.state === "connected" || entry?.isForgotten) return false;
    if (entry) {
      entry.state = "connected";
    } else {
      this.#entries.set(key, {
        endpoint,
        source: "incoming",
        peerId: undefined,
        isV2: false,
        isForgotten: false,
        state: "connected",
        failures: 0,
        notBefore: 0,
        lot: 0,
      });
    }
    return true;
  }

  /**
   * An endpoint could not be reached, or did not speak as it should. Whoever
   * is connected to us from there meanwhile stays connected.
   *
   * @param endpoint The endpoint.
   * @param now The time in milliseconds.
   */
  failed(endpoint: Endpoint, now: number): void {
    const entry = this.#entries.get(formatEndpoint(endpoint));
    if (entry?.state === "dialling") this.#backOff(entry, now);
  }

  /**
   * A connection that stood has ended.
   *
   * @param endpoint The other end.
   * @param options Whether anything came of it, and the time in milliseconds.
   */
  disconnected(
    endpoint: Endpoint,
    { wasUseful, now }: { wasUseful: boolean; now: number },
  ): void {
    const key = formatEndpoint(endpoint);
    const entry = this.#entries.get(key);
    if (!entry) return;
    if (entry.source === "incoming" || entry.isForgotten) {
      // The port of a connection to us is not one where the peer listens.
      this.#entries.delete(key);
    } else if (wasUseful) {
      entry.state = "idle";
      entry.failures = 0;
      entry.notBefore = now + RECONNECT_PAUSE_MS;
    } else {
      this.#backOff(entry, now);
    }
  }

  /**
   * Forgets candidates; those that are being dialled or connected, as soon as
   * that has ended.
   *
   * @param sources Who named them.
   */
  forget(...sources: PeerSource[]): void {
    for (const [key, entry] of this.#entries) {
      if (!sources.includes(entry.source)) continue;
      if (entry.state === "idle") this.#entries.delete(key);
      else entry.isForgotten = true;
    }
  }

  /**
   * Who named a candidate.
   *
   * @param endpoint Its endpoint.
   * @returns Who, as far as it counts, or `undefined` if nobody did.
   */
  sourceOf(endpoint: Endpoint): PeerSource | undefined {
    return this.#entries.get(formatEndpoint(endpoint))?.source;
  }

  /**
   * An endpoint turned out to be our own: it is forgotten for good.
   *
   * @param endpoint The endpoint.
   */
  isOurs(endpoint: Endpoint): void {
    const key = formatEndpoint(endpoint);
    this.#own.add(key);
    this.#entries.delete(key);
  }

  /**
   * A peer gave what it should not. It is not spoken to again, and its host is
   * closed to newcomers, whatever port they come from. Whoever was known there
   * before may stay: it may be another machine behind the same address. A host
   * that offends again and again loses its other candidates as well.
   *
   * @param endpoint The offender.
   */
  ban(endpoint: Endpoint): void {
    const { hostname } = endpoint;
    const offences = (this.#offences.get(hostname) ?? 0) + 1;
    this.#offences.set(hostname, offences);
    this.#entries.delete(formatEndpoint(endpoint));
    if (offences < MAX_OFFENCES) return;
    for (const [key, entry] of this.#entries) {
      if (entry.endpoint.hostname === hostname && entry.state === "idle") {
        this.#entries.delete(key);
      }
    }
  }

  /**
   * Whether somebody is not to be spoken to.
   *
   * @param endpoint Its endpoint.
   * @returns Whether it is banned.
   */
  isBanned(endpoint: Endpoint): boolean {
    return this.#offences.has(endpoint.hostname) &&
      !this.#entries.has(formatEndpoint(endpoint));
  }

  #priority(endpoint: Endpoint): number | undefined {
    const ours = this.#seenAt.get(familyOf(endpoint)!);
    return ours && peerPriority(ours, endpoint);
  }

  /** From 0 to less than 1, the lower the sooner. */
  #lot(endpoint: Endpoint): number {
    const priority = this.#priority(endpoint);
    if (priority === undefined) return this.#random();
    return 1 - (priority + 1) / 2 ** 32;
  }

  #backOff(entry: Entry, now: number): void {
    entry.state = "idle";
    entry.failures++;
    const key = formatEndpoint(entry.endpoint);
    if (entry.isForgotten) return void this.#entries.delete(key);
    const patience = STRANGERS.has(entry.source)
      ? MAX_STRANGER_FAILURES
      : MAX_FAILURES;
    if (entry.failures >= patience && entry.source !== "user") {
      return this.#giveUp(key);
    }
    const pause = FIRST_PAUSE_MS * 2 ** (entry.failures - 1);
    // Whoever failed together should not come back together.
    const jitter = 1 + this.#random() / 4;
    entry.notBefore = now + Math.min(pause, MAX_PAUSE_MS) * jitter;
  }

  #giveUp(key: string): void {
    this.#entries.delete(key);
    this.#givenUp.add(key);
    if (this.#givenUp.size <= MAX_GIVEN_UP) return;
    const [oldest] = this.#givenUp;
    this.#givenUp.delete(oldest!);
  }

  /** Makes room: the idle candidate with the most failures goes. */
  #dropWorst(): boolean {
    let worst: [key: string, entry: Entry] | undefined;
    for (const [key, entry] of this.#entries) {
      if (entry.state !== "idle" || entry.source === "user") continue;
      if (!worst || isBetter(worst[1], entry)) worst = [key, entry];
    }
    if (!worst || worst[1].failures === 0) return false;
    this.#entries.delete(worst[0]);
    return true;
  }
}

/** The user's word first, then who failed least, then by priority or lot. */
function isBetter(a: Entry, b: Entry): boolean {
  if (a.source !== b.source) return a.source === "user";
  if (a.failures !== b.failures) return a.failures < b.failures;
  return a.lot < b.lot;
}
