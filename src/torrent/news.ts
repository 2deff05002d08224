/**
 * `News`: the pieces that peers do not know yet that we have. They are told of
 * several at a time: with many peers, a write to each of them for every piece
 * costs more than the piece.
 *
 * @module
 */

import type { Bitfield } from "../bytes/bitfield.ts";
import type { Message } from "../wire/message.ts";

/** Whoever waits for a piece of ours can spare so much. */
const MIN_INTERVAL_MS = 20;

/** All peers together are written to so often at most: 5,000 times a second. */
const WRITES_PER_MS = 5;

/** Who is told. */
export interface Listener {
  /** What it has; who has a piece need not know that we have it. */
  readonly state: { readonly have: Bitfield };
  /** Tells it something. */
  send(...messages: Message[]): void;
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
    const messages = [...this.#pieces].map((index) =>
      ({ type: "have", index }) as const
    );
    this.#pieces.clear();
    for (const peer of peers) {
      const { have } = peer.state;
      if (have.isFull || peer === informed) continue;
      peer.send(...messages.filter(({ index }) => !have.has(index)));
    }
  }
}
