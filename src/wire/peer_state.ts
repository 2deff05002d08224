/**
 * `PeerState`: what a peer has, and the four bits of choking and interest
 * (BEP 3), with the rules that a peer can break. Pure.
 *
 * @module
 */

import { Bitfield } from "../bytes/bitfield.ts";
import { ProtocolError } from "../errors.ts";

/** What both sides of a connection know of each other. */
export class PeerState {
  /** The pieces that the peer says it has. */
  readonly have: Bitfield;
  /** Whether we do not serve the peer. */
  amChoking = true;
  /** Whether we want something that the peer has. */
  amInterested = false;
  /** Whether the peer does not serve us. */
  peerChoking = true;
  /** Whether the peer wants something that we have. */
  peerInterested = false;

  /**
   * The state at the start of a connection: both choke, nobody is interested.
   *
   * @param pieceCount The number of pieces.
   */
  constructor(pieceCount: number) {
    this.have = new Bitfield(pieceCount);
  }

  /**
   * The peer says that it has a piece.
   *
   * @param index The piece.
   * @returns Whether that is news.
   * @throws {ProtocolError} If there is no such piece.
   */
  receiveHave(index: number): boolean {
    if (index >= this.have.length) {
      throw new ProtocolError(
        `Cannot believe "have ${index}": there are ${this.have.length} pieces`,
      );
    }
    return this.have.add(index);
  }

  /**
   * The peer says which pieces it has. BEP 3 allows that only as the first
   * message; aria2 does it later too, so any number is taken.
   *
   * @param bytes The bits.
   * @returns The pieces that are news.
   * @throws {ProtocolError} If the size is wrong or a spare bit is set.
   */
  receiveBitfield(bytes: Uint8Array): Bitfield {
    const bitfield = Bitfield.fromBytes(bytes, this.have.length);
    if (!bitfield) {
      throw new ProtocolError(
        `Cannot use bitfield: ${bytes.length} bytes for ${this.have.length} pieces, or a spare bit is set`,
      );
    }
    return this.have.addAll(bitfield);
  }
}
