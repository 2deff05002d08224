/**
 * `SuperSeeder`: which piece a seed shows to whom, so that a swarm gets a whole
 * copy for little more than one copy of uploading (BEP 16). Pure.
 *
 * The seed says that it has nothing, and then shows single pieces, the rarest
 * ones, each to one peer where possible. The life of a piece that is shown:
 *
 * ```
 *   shown ──► requested() ──► gained() by the peer ──► gained() by another one
 *     │            │                   │                     │
 *     │ not wanted │ gone silent       │ nobody takes it     ▼
 *     └────────────┴───────────────────┴──────────────► the next one
 * ```
 *
 * While the swarm lacks a whole copy, a piece that some peer has or is just
 * fetching is not shown to another one, unless that one has waited for long:
 * it will get the piece from its neighbours, and the seed sends the rest.
 *
 * @module
 */

import { Bitfield } from "../bytes/bitfield.ts";

/** One that is passed on, and one that is fetched: libtorrent's number too. */
const SHOWN_AT_A_TIME = 2;

/** Some peers say nothing when they have nothing; the others say it at once. */
const GREETING_MS = 1000;

/** How often it is tried again when there was nothing to show. */
const RETRY_MS = 1000;

/** Whoever asks for nothing for so long is not fetching what it was shown. */
const SILENCE_MS = 20_000;

/**
 * Who passes nothing on, or has all that is rare, gets little of the seed, but
 * never nothing: its neighbours may be out of its reach.
 */
const PATIENCE_MS = 30_000;

/** A piece to be announced to a peer as if the seed had just got it. */
export interface Reveal<Peer> {
  /** To whom. */
  readonly peer: Peer;
  /** The piece. */
  readonly index: number;
}

/** Options for {@linkcode SuperSeeder}. */
export interface SuperSeederOptions<Peer> {
  /**
   * Whether a peer is interested in something that it was shown.
   *
   * @param peer The peer.
   * @returns `PeerState.peerInterested`.
   */
  wants: (peer: Peer) => boolean;
  /** A number from 0 to less than 1. */
  random: () => number;
}

/** A piece that a peer was shown and has not passed on. */
interface Showing {
  /** When it was shown, or a block of it asked for last. */
  activeAt: number;
  /** Whether a block of it was asked for, or the peer has it. */
  isBegun: boolean;
  /** When the peer had it. */
  heldSince: number | undefined;
}

class Pupil {
  /** All that it was ever shown: that cannot be taken back. */
  readonly shown: Bitfield;
  readonly open = new Map<number, Showing>();
  /** Since when it could have been shown one more. */
  freeSince: number | undefined;
  retryAt: number;

  constructor(readonly have: Bitfield, now: number) {
    this.shown = new Bitfield(have.length);
    this.retryAt = now + GREETING_MS;
  }

  /**
   * Who has not begun with the last piece, choked perhaps, needs no other. But
   * who gets all pieces from us is shown the last two at once: libtorrent takes
   * us for a seed then, and leaves a seed of which it wants nothing just now.
   */
  get hasRoom(): boolean {
    const isLast = this.shown.count === this.shown.length - 1;
    if (isLast && !this.have.isEmpty) return true;
    if (this.open.size >= SHOWN_AT_A_TIME) return false;
    for (const { isBegun } of this.open.values()) if (!isBegun) return false;
    return true;
  }
}

/** Decides which piece is shown to whom. */
export class SuperSeeder<Peer> {
  readonly #wants: (peer: Peer) => boolean;
  readonly #random: () => number;
  readonly #pupils = new Map<Peer, Pupil>();
  /** How many peers have each piece. */
  readonly #availability: Uint16Array;
  /** To whom each piece is shown at present. */
  readonly #showings = new Map<number, Set<Showing>>();
  /** The pieces that no peer has. */
  #missing: number;

  /**
   * A seeder that knows no peer.
   *
   * @param pieceCount The number of pieces.
   * @param options Who wants something, and randomness.
   */
  constructor(pieceCount: number, options: SuperSeederOptions<Peer>) {
    this.#availability = new Uint16Array(pieceCount);
    this.#missing = pieceCount;
    this.#wants = options.wants;
    this.#random = options.random;
  }

  /** Whether the peers together have every piece. */
  get isSpread(): boolean {
    return this.#missing === 0;
  }

  /**
   * A peer has come.
   *
   * @param peer The peer.
   * @param options What it has, which is never copied, and the time in
   * milliseconds.
   */
  join(peer: Peer, { have, now }: { have: Bitfield; now: number }): void {
    const pupil = new Pupil(have, now);
    this.#pupils.set(peer, pupil);
    for (const index of have) this.#count(index, 1);
  }

  /**
   * A peer has gone.
   *
   * @param peer The peer.
   */
  leave(peer: Peer): void {
    const pupil = this.#pupils.get(peer);
    if (!pupil) return;
    for (const index of [...pupil.open.keys()]) this.#close(pupil, index);
    for (const index of pupil.have) this.#count(index, -1);
    this.#pupils.delete(peer);
  }

  /**
   * A peer has said that it has pieces, or that it has none; its set holds
   * them already.
   *
   * @param peer The peer.
   * @param options The new ones, and the time in milliseconds.
   */
  gained(
    peer: Peer,
    { pieces, now }: { pieces: Iterable<number>; now: number },
  ): void {
    const pupil = this.#pupils.get(peer);
    if (!pupil) return;
    pupil.retryAt = now;
    for (const index of pieces) {
      this.#count(index, 1);
      const showing = pupil.open.get(index);
      if (!showing) continue;
      showing.heldSince = now;
      showing.isBegun = true;
    }
  }

  /**
   * A peer has asked for a block, and will get it.
   *
   * @param peer The peer.
   * @param options The piece, and the time in milliseconds.
   */
  requested(
    peer: Peer,
    { index, now }: { index: number; now: number },
  ): void {
    const showing = this.#pupils.get(peer)?.open.get(index);
    if (!showing) return;
    showing.activeAt = now;
    showing.isBegun = true;
  }

  /**
   * Whether a peer was shown a piece: it may ask for no other.
   *
   * @param peer The peer.
   * @param index The piece.
   * @returns Whether to serve it.
   */
  isShown(peer: Peer, index: number): boolean {
    return this.#pupils.get(peer)?.shown.has(index) ?? false;
  }

  /**
   * What is to be shown now: to be asked after every event, and every second.
   *
   * @param now The time in milliseconds.
   * @returns The pieces, each with the peer to be told of it.
   */
  next(now: number): Reveal<Peer>[] {
    const reveals: Reveal<Peer>[] = [];
    for (const [peer, pupil] of this.#pupils) {
      for (const [index, showing] of pupil.open) {
        if (!this.#isDone(peer, { index, showing, now })) continue;
        this.#close(pupil, index);
        pupil.retryAt = now;
      }
      while (pupil.hasRoom && now >= pupil.retryAt) {
        pupil.freeSince ??= now;
        const index = this.#choose(pupil, {
          now,
          isPatient: now - pupil.freeSince < PATIENCE_MS,
        });
        if (index === undefined) {
          pupil.retryAt = now + RETRY_MS;
        } else {
          this.#show(pupil, index, now);
          reveals.push({ peer, index });
        }
      }
    }
    return reveals;
  }

  #show(pupil: Pupil, index: number, now: number): void {
    const showing = { activeAt: now, isBegun: false, heldSince: undefined };
    pupil.shown.add(index);
    pupil.open.set(index, showing);
    pupil.freeSince = undefined;
    const all = this.#showings.get(index) ?? new Set();
    this.#showings.set(index, all.add(showing));
  }

  #close(pupil: Pupil, index: number): void {
    const showing = pupil.open.get(index)!;
    pupil.open.delete(index);
    const all = this.#showings.get(index)!;
    all.delete(showing);
    if (all.size === 0) this.#showings.delete(index);
  }

  #count(index: number, change: 1 | -1): void {
    const before = this.#availability[index]!;
    this.#availability[index] = before + change;
    if (before === 0) this.#missing--;
    if (before + change === 0) this.#missing++;
  }

  /** Whether a peer may be shown another piece instead of one. */
  #isDone(
    peer: Peer,
    { index, showing, now }: { index: number; showing: Showing; now: number },
  ): boolean {
    const { activeAt, heldSince } = showing;
    if (heldSince === undefined) {
      return now - activeAt >= SILENCE_MS && !this.#wants(peer);
    }
    return this.#availability[index]! > 1 || now - heldSince >= PATIENCE_MS ||
      !this.#hasNeighbours(peer);
  }

  /** Whether anybody is there to whom a peer could pass something on. */
  #hasNeighbours(peer: Peer): boolean {
    for (const other of this.#pupils.keys()) {
      if (other !== peer && this.#wants(other)) return true;
    }
    return false;
  }

  /** The piece that a peer should be shown. */
  #choose(
    pupil: Pupil,
    { now, isPatient }: { now: number; isPatient: boolean },
  ): number | undefined {
    const { length } = this.#availability;
    const start = Math.floor(this.#random() * length);
    const mayWait = isPatient && !this.isSpread;
    let best: number | undefined;
    let bestRarity = Infinity;
    for (let i = 0; i < length && bestRarity > 0; i++) {
      const index = start + i < length ? start + i : start + i - length;
      if (pupil.have.has(index) || pupil.shown.has(index)) continue;
      const rarity = this.#rarity(index, now);
      if (rarity >= bestRarity || (mayWait && rarity > 0)) continue;
      best = index;
      bestRarity = rarity;
    }
    return best;
  }

  /**
   * How many have a piece or are just fetching it; among those that nobody has,
   * the ones that nobody was shown come first.
   */
  #rarity(index: number, now: number): number {
    let rarity = this.#availability[index]!;
    const showings = this.#showings.get(index);
    if (!showings) return rarity;
    let idle = 0;
    for (const { activeAt, heldSince } of showings) {
      if (heldSince !== undefined) continue;
      if (now - activeAt < SILENCE_MS) rarity++;
      else idle++;
    }
    // Less than 1 in all, however many they are.
    return rarity + idle / (idle + 1);
  }
}
