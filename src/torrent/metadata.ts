/**
 * `MetadataFetcher`: the info dictionary from peers (BEP 9), for magnet links.
 * Pure: it is told what happened and when, and says whom to ask for what.
 *
 * Anybody can offer metadata, and only the whole of it shows whether it is
 * right. So peers that name the same length form a group:
 *
 * ```
 *   together ──hash is right──▶ done; who gave other bytes before is a liar
 *      │ hash is wrong
 *      ▼
 *   one by one ──hash is right──▶ done, likewise
 *      │ hash is wrong
 *      ▼
 *   the one that gave all of it is a liar; the next is tried
 * ```
 *
 * A liar can waste some time of its group, but no honest peer is taken for one,
 * and groups do not wait for each other.
 *
 * @module
 */

import { hashesEqual, sha1, sha256, SHA256_LENGTH } from "../bytes/hash.ts";
import {
  MAX_METADATA_LENGTH,
  METADATA_PIECE_LENGTH,
  type MetadataMessage,
} from "../wire/ut_metadata.ts";
import type { MetadataAttempt } from "./metadata_attempt.ts";
import {
  MetadataGroup,
  type MetadataRecord,
  type MetadataRequest,
} from "./metadata_group.ts";

/** What all attempts may hold in memory: two of the longest. */
const MAX_HELD_LENGTH = 2 * MAX_METADATA_LENGTH;

/** How long a group may hold memory that another waits for, at first. */
const FIRST_TURN_MS = 60_000;

/** What the owner of a fetcher hears of it. */
export interface MetadataHandler<Peer> {
  /**
   * The metadata is here, and its hash is right: nothing is asked any more.
   *
   * @param bytes The info dictionary.
   */
  onMetadata(bytes: Uint8Array): void;
  /**
   * A peer gave what is not the metadata; it may have left since.
   *
   * @param peer The liar.
   */
  onLiar(peer: Peer): void;
}

/** What a fetcher is made of. */
export interface MetadataFetcherOptions<Peer> {
  /** The SHA-1 of the metadata, or its whole SHA-256 (BEP 52). */
  infoHash: Uint8Array;
  /** Who hears of it. */
  handler: MetadataHandler<Peer>;
}

/** How far it has come, for a person who waits. */
export interface MetadataProgress<Peer> {
  /** The length of the metadata in bytes, as the most successful group says. */
  readonly length: number;
  /** How many bytes of it are here. */
  readonly received: number;
  /** Who has given some of it. */
  readonly givers: readonly Peer[];
  /** How many peers offer it. */
  readonly offering: number;
}

/** Who may hold memory, and since when. */
interface Turn<Peer> {
  readonly group: MetadataGroup<Peer>;
  /** Who had fewer turns goes first when there is no memory for all. */
  count: number;
  began: number | undefined;
}

/** Fetches the metadata of one torrent. */
export class MetadataFetcher<Peer extends object> {
  readonly #infoHash: Uint8Array;
  readonly #handler: MetadataHandler<Peer>;
  readonly #groupOf = new Map<Peer, MetadataGroup<Peer>>();
  /** The groups by the length that they name. */
  readonly #turns = new Map<number, Turn<Peer>>();
  readonly #liars = new WeakSet<Peer>();
  #isDone = false;

  /**
   * A fetcher that nobody has offered anything.
   *
   * @param options What to fetch, and who hears of it.
   */
  constructor(options: MetadataFetcherOptions<Peer>) {
    this.#infoHash = options.infoHash;
    this.#handler = options.handler;
  }

  /** Whether the metadata has been found. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** How far it has come. */
  get progress(): MetadataProgress<Peer> {
    const [best] = [...this.#turns.values()]
      .flatMap(({ group }) => group.attempts)
      .sort((a, b) => b.received - a.received);
    const { length = 0, received = 0, givers = [] } = best ?? {};
    return {
      length,
      received: Math.min(received * METADATA_PIECE_LENGTH, length),
      givers: [...givers],
      offering: this.#groupOf.size,
    };
  }

  /**
   * A peer offers the metadata, or names another length than before.
   *
   * @param peer The peer.
   * @param length What its extension handshake calls `metadata_size`.
   */
  join(peer: Peer, length: number): void {
    if (this.#isDone || this.#liars.has(peer)) return;
    if (this.#groupOf.get(peer)?.length === length) return;
    // Who changes its mind gains nothing by that.
    const record = this.#leave(peer);
    if (length < 1 || length > MAX_METADATA_LENGTH) return;
    const group = this.#turns.get(length)?.group ?? new MetadataGroup(length);
    if (group.size === 0) {
      this.#turns.set(length, { group, count: 0, began: undefined });
    }
    group.join(peer, record);
    this.#groupOf.set(peer, group);
  }

  /**
   * A peer has gone. What it gave stays.
   *
   * @param peer The peer.
   */
  leave(peer: Peer): void {
    this.#leave(peer);
  }

  /**
   * A peer answers. What was not asked for is ignored.
   *
   * @param peer The peer.
   * @param message The answer; its bytes are copied.
   * @param now The time in milliseconds.
   */
  receive(peer: Peer, message: MetadataMessage, now: number): void {
    const group = this.#groupOf.get(peer);
    const complete = group?.receive(peer, message, now);
    if (group && complete) this.#judge(group, complete);
  }

  /**
   * Says what to ask for now: to be called after every other call, and at
   * least once a second.
   *
   * @param now The time in milliseconds.
   * @returns The requests to send.
   */
  tick(now: number): MetadataRequest<Peer>[] {
    for (const { group } of this.#turns.values()) group.lookAfter(now);
    return this.#shareMemory(now).flatMap((group) => group.ask(now));
  }

  /** The groups that there is memory for; the others free theirs. */
  #shareMemory(now: number): MetadataGroup<Peer>[] {
    const turns = [...this.#turns.values()];
    for (const turn of turns) {
      const { count, began = now } = turn;
      // Longer each time: the metadata may be long, and everybody slow.
      if (now - began < FIRST_TURN_MS * 2 ** count) continue;
      turn.count++;
      turn.began = now;
    }
    let free = MAX_HELD_LENGTH;
    const chosen: MetadataGroup<Peer>[] = [];
    for (const turn of turns.sort(byTurn)) {
      const { group } = turn;
      if (group.maxHeld > free) {
        turn.began = undefined;
        group.release();
        continue;
      }
      free -= group.maxHeld;
      turn.began ??= now;
      chosen.push(group);
    }
    return chosen;
  }

  #judge(group: MetadataGroup<Peer>, attempt: MetadataAttempt<Peer>): void {
    const bytes = attempt.join();
    const digest = this.#infoHash.length === SHA256_LENGTH
      ? sha256(bytes)
      : sha1(bytes);
    if (!hashesEqual(digest, this.#infoHash)) {
      const [giver, ...others] = attempt.givers;
      if (others.length > 0) return group.doubt(attempt);
      group.end(attempt);
      this.#liars.add(giver!);
      this.#leave(giver!);
      return this.#handler.onLiar(giver!);
    }
    this.#isDone = true;
    const liars = [...this.#turns.values()]
      .flatMap(({ group }) => [...group.liars(attempt)])
      .filter((peer) => !this.#liars.has(peer));
    this.#groupOf.clear();
    this.#turns.clear();
    for (const peer of new Set(liars)) this.#handler.onLiar(peer);
    this.#handler.onMetadata(bytes);
  }

  #leave(peer: Peer): MetadataRecord | undefined {
    const group = this.#groupOf.get(peer);
    const record = group?.leave(peer);
    this.#groupOf.delete(peer);
    if (group?.size === 0) this.#turns.delete(group.length);
    return record;
  }
}

/**
 * Who had fewer turns is first, then who needs less: so somebody with a small
 * torrent does not wait for a few who pretend that it is huge.
 */
function byTurn<Peer>(a: Turn<Peer>, b: Turn<Peer>): number {
  return a.count - b.count || a.group.length - b.group.length;
}
