/**
 * `Finding`: what peers hear from us, and what becomes of what they say, while
 * we do not know what the torrent is, or what of it lies on disk: nothing is
 * given, and what they have is noted for later.
 *
 * @module
 */

import { Bitfield } from "../bytes/bitfield.ts";
import type { Peer } from "../peer/peer.ts";
import type { Message } from "../wire/message.ts";
import type { ContactsHandler } from "./contacts.ts";

/** Has patience with peers. */
export class Finding implements ContactsHandler {
  /** What we have, as far as others need to know. */
  readonly shown: Bitfield = new Bitfield(0);

  /** A peer has come: there is nothing to say. */
  onConnected(): void {}

  /** A peer has gone: nobody misses it. */
  onDisconnected(): void {}

  /** A peer has taken all that was said to it: there is no more. */
  onIdle(): void {}

  /**
   * A peer has said something.
   *
   * @param peer The peer.
   * @param messages What it said.
   */
  onMessages(peer: Peer, messages: readonly Message[]): void {
    for (const message of messages) {
      peer.state.receive(message);
      if (message.type === "request" && peer.state.supportsFast) {
        peer.send({ ...message, type: "reject_request" });
      }
    }
  }
}
