/**
 * `News`: the pieces that peers do not know yet that we have. They are told of
 * several at a time: with many peers, a write to each of them for every piece
 * costs more than the piece.
 *
 * @module
 */

import type { Bitfield } from "../bytes/bitfield.ts";
import { encodeHaves, type OutgoingMessage } from "../wire/message.ts";

/** Whoever waits for a piece of ours can spare so much. */
const MIN_INTERVAL_MS = 20;

/** All peers together are written to so often at most: 2,000 times a second. */
const WRITES_PER_MS = 2;

/** Who is told. */
export interface Listener {
  /** What it has; who has a piece need not know that we have it. */
  readonly state: { readonly have: Bitfield };
  /** Tells it something. */
  send(message: OutgoingMessage): void;
}

/** What has not been told yet. */
export class News {
  readonly #pieces = new Set<number>();

  /**
   * We have a piece.
   *
   * @param index The piece.
   * @returns Whether it is the only one that has not been told.
   */
  add(index: number): boolean {
    this.#pieces.add(index);
    return this.#pieces.size === 1;
  }

  /**
   * We do not have a piece any more.
   *
   * @param index The piece.
   */
  delete(index: number): void {
    this.#pieces.delete(index);
  }

  /**
   * How long pieces gather before they are told.
   *
   * @param peers How many peers there are.
   * @returns Milliseconds.
   */
  static intervalMs(peers: number): number {
    return Math.max(MIN_INTERVAL_MS, peers / WRITES_PER_MS);
  }

  /**
   * Tells all that has not been told.
   *
   * @param peers Whom to tell.
   * @param informed Who of them knows it already.
   */
  tell(peers: Iterable<Listener>, informed?: Listener): void {
    if (this.#pieces.size === 0) return;
    const news = Uint32Array.from(this.#pieces);
    this.#pieces.clear();
    // For hundreds of peers, a call for each piece would cost more than to tell.
    const lacking = new Uint32Array(news.length);
    for (const peer of peers) {
      const { have } = peer.state;
      if (have.isFull || peer === informed) continue;
      let count = 0;
      for (let i = 0; i < news.length; i++) {
        if (!have.has(news[i]!)) lacking[count++] = news[i]!;
      }
      if (count > 0) peer.send(encodeHaves(lacking.subarray(0, count)));
    }
  }
}
