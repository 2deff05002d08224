/**
 * What we tell a peer of ourselves, before anything is asked for and when it
 * changes: the pieces that we have (BEP 3, 6), and the rest (BEP 10, 21).
 *
 * @module
 */

import type { Bitfield } from "../bytes/bitfield.ts";
import { parseAddress } from "../bytes/endpoint.ts";
import type { Peer } from "../peer/peer.ts";
import { CLIENT_NAME } from "../version.ts";
import {
  encodeExtensionHandshake,
  EXTENSION_HANDSHAKE_ID,
} from "../wire/extension_handshake.ts";
import { type Handshake, ourReserved } from "../wire/handshake.ts";
import type { Message } from "../wire/message.ts";
import { MAX_REQUESTS } from "./upload.ts";

/**
 * What we say when we shake hands.
 *
 * @param infoHash The torrent.
 * @param peerId Who we are.
 * @returns The handshake.
 */
export function ourHandshake(
  infoHash: Uint8Array,
  peerId: Uint8Array,
): Handshake {
  return { infoHash, peerId, reserved: ourReserved() };
}

/** What there is to tell. */
export interface Introduction {
  /** The pieces that we have. */
  have: Bitfield;
  /** The port we listen on. */
  port: number;
}

/**
 * Introduces us.
 *
 * @param peer To whom.
 * @param introduction What to tell.
 */
export function introduce(peer: Peer, introduction: Introduction): void {
  const { have, port } = introduction;
  const { supportsFast } = peer.state;
  // BEP 6 wants one of these three, and as the first message.
  if (supportsFast && have.isFull) peer.send({ type: "have_all" });
  else if (supportsFast && have.isEmpty) peer.send({ type: "have_none" });
  else if (!have.isEmpty) {
    peer.send({ type: "bitfield", bitfield: have.bytes.slice() });
  }
  if (!peer.supportsExtensions) return;
  peer.send(extensionHandshake({
    messages: new Map(),
    v: CLIENT_NAME,
    p: port,
    reqq: MAX_REQUESTS,
    uploadOnly: have.isFull,
    yourip: parseAddress(peer.endpoint.hostname),
  }));
}

/**
 * Tells that we want nothing any more (BEP 21).
 *
 * @param peer To whom.
 */
export function tellUploadOnly(peer: Peer): void {
  if (!peer.supportsExtensions) return;
  peer.send(extensionHandshake({ messages: new Map(), uploadOnly: true }));
}

function extensionHandshake(
  handshake: Parameters<typeof encodeExtensionHandshake>[0],
): Message {
  const payload = encodeExtensionHandshake(handshake);
  return { type: "extended", id: EXTENSION_HANDSHAKE_ID, payload };
}
