/**
 * `FastState`: what a peer lets us have, or wants us to take, by the messages
 * of the fast extension (BEP 6), within bounds. Pure.
 *
 * @module
 */

import { ProtocolError } from "../errors.ts";

/** BEP 6 allows 10 pieces, and leaves the number open; this is generous. */
const MAX_ALLOWED = 100;

/** libtorrent's limit; older suggestions are worth less than new ones. */
const MAX_SUGGESTED = 16;

/**
 * libtorrent's limit for rejects of what was never asked for. BEP 6 would have
 * us close at the first, but clients get it wrong around a choke or a cancel.
 */
const MAX_UNASKED_REJECTS = 50;

/** What a peer has said in the messages of BEP 6. */
export class FastState {
  #pieceCount: number;
  readonly #allowed = new Set<number>();
  readonly #suggested = new Set<number>();
  #unaskedRejects = 0;

  /**
   * The state before the first message.
   *
   * @param pieceCount The number of pieces.
   */
  constructor(pieceCount: number) {
    this.#pieceCount = pieceCount;
  }

  /**
   * The number of pieces was not known, and is now: what was said of others is
   * forgotten.
   *
   * @param pieceCount The number of pieces.
   */
  learn(pieceCount: number): void {
    this.#pieceCount = pieceCount;
    for (const said of [this.#allowed, this.#suggested]) {
      for (const index of said) if (index >= pieceCount) said.delete(index);
    }
  }

  /** The pieces that we may ask for while choked; the peer may lack them. */
  get allowed(): ReadonlySet<number> {
    return this.#allowed;
  }

  /** The pieces that the peer would like us to take, the newest last. */
  get suggested(): ReadonlySet<number> {
    return this.#suggested;
  }

  /**
   * The peer allows a piece. A piece that does not exist is ignored: the sets
   * of some clients are made before they know how many there are.
   *
   * @param index The piece.
   * @returns Whether that is news.
   */
  receiveAllowed(index: number): boolean {
    if (index >= this.#pieceCount || this.#allowed.size >= MAX_ALLOWED) {
      return false;
    }
    const { size } = this.#allowed;
    return this.#allowed.add(index).size > size;
  }

  /**
   * The peer suggests a piece. One that does not exist is ignored, as
   * libtorrent does.
   *
   * @param index The piece.
   */
  receiveSuggestion(index: number): void {
    if (index >= this.#pieceCount) return;
    this.#suggested.delete(index);
    this.#suggested.add(index);
    if (this.#suggested.size <= MAX_SUGGESTED) return;
    const [oldest] = this.#suggested;
    this.#suggested.delete(oldest!);
  }

  /**
   * The peer will not send what it says that we asked for.
   *
   * @param wasAsked Whether we did.
   * @throws {ProtocolError} If it has rejected too much that we did not.
   */
  receiveReject(wasAsked: boolean): void {
    if (wasAsked || ++this.#unaskedRejects <= MAX_UNASKED_REJECTS) return;
    throw new ProtocolError("The peer rejects what nobody asked for");
  }
}
