/**
 * `Source`: a peer as somebody who gives blocks: how much it is asked for at a
 * time, and whether it keeps us waiting.
 *
 * @module
 */

import type { Peer } from "../peer/peer.ts";
import type { PickerPeer } from "../policy/piece_picker.ts";
import { RequestWindow } from "../policy/request_window.ts";

/** A peer as a source of blocks. */
export class Source {
  /** Who it is. */
  readonly peer: Peer;
  /** The same, as the picker knows it. */
  readonly seat: PickerPeer;
  /** How much it is asked for at a time. */
  readonly window: RequestWindow;
  /** When the last block came, or the peer began to serve us. */
  #lastBlockAt = 0;
  /** For how long our own limits had kept it back by then. */
  #heldMs = 0;
  /** When the newest request was sent that has been answered. */
  newestAnswered: number = -Infinity;
  /** Whether it owed us blocks for long, and has not sent one since. */
  isSnubbing: boolean = false;
  /** How many blocks came from it that nobody had asked for. */
  unasked: number = 0;
  /** Whether it gave what was wrong: what it says is worth nothing. */
  isLiar: boolean = false;

  /**
   * A peer that has given nothing yet.
   *
   * @param peer Who it is.
   * @param options Its seat at the picker, and what limits its rate.
   */
  constructor(
    peer: Peer,
    { seat, maxBytesPerSecond }: {
      seat: PickerPeer;
      maxBytesPerSecond: number | undefined;
    },
  ) {
    this.peer = peer;
    this.seat = seat;
    this.window = new RequestWindow({ maxBytesPerSecond });
  }

  /**
   * The peer has sent a block, or has reason to begin now.
   *
   * @param now The time in milliseconds.
   */
  begin(now: number): void {
    this.#lastBlockAt = now;
    this.#heldMs = this.peer.heldMs;
  }

  /**
   * For how long the peer has sent nothing, though it could have.
   *
   * @param now The time in milliseconds.
   * @returns Milliseconds.
   */
  silentMs(now: number): number {
    return now - this.#lastBlockAt - (this.peer.heldMs - this.#heldMs);
  }
}
