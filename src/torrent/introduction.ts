/**
 * What we tell a peer of ourselves, before anything is asked for and when it
 * changes: the pieces that we have (BEP 3, 6), and the rest (BEP 10, 21).
 *
 * @module
 */

import type { Bitfield } from "../bytes/bitfield.ts";
import { parseAddress } from "../bytes/endpoint.ts";
import { NetworkError } from "../errors.ts";
import type { Peer } from "../peer/peer.ts";
import { CLIENT_NAME } from "../version.ts";
import {
  encodeExtensionHandshake,
  EXTENSION_HANDSHAKE_ID,
  type ExtensionHandshake,
} from "../wire/extension_handshake.ts";
import {
  type Handshake,
  ourReserved,
  supportsV2,
  type WireHashes,
} from "../wire/handshake.ts";
import type { Message } from "../wire/message.ts";
import type { TransferServices } from "./options.ts";
import { MAX_REQUESTS } from "./upload.ts";

/** More pieces than this are told in a bitfield, at the start of a connection. */
const MAX_HAVES = 10_000;

/**
 * What we say when we dial.
 *
 * @param hashes The torrent. If it is a hybrid one, it is named by its info
 * hash of v1, and that we know the other is said too (BEP 52).
 * @param services Who we are.
 * @returns The handshake.
 */
export function ourHandshake(
  { v1, v2 }: WireHashes,
  { peerId, dht }: TransferServices,
): Handshake {
  const reserved = ourReserved({
    isDhtNode: dht !== undefined,
    supportsV2: v1 !== undefined && v2 !== undefined,
  });
  return { infoHash: (v1 ?? v2)!, peerId, reserved };
}

/**
 * What we answer when somebody else dials.
 *
 * @param theirs What was said to us: for this torrent.
 * @param options What we would say, and the info hashes of the torrent.
 * @returns The handshake: with the info hash that was named, or that of v2 if
 * both know it (BEP 52, "Upgrade Path").
 */
export function ourAnswer(
  theirs: Handshake,
  { ours, hashes }: { ours: Handshake; hashes: WireHashes },
): Handshake {
  const isUpgraded = hashes.v2 && supportsV2(theirs.reserved);
  return { ...ours, infoHash: isUpgraded ? hashes.v2 : theirs.infoHash };
}

/** The ids under which we take the messages of extensions (BEP 10). */
export const OUR_EXTENSIONS = { ut_metadata: 1, ut_pex: 2 } as const;

/** What there is to tell. */
export interface Introduction {
  /** The pieces that we have. */
  have: Bitfield;
  /** The port we listen on, if we do. */
  port: number | undefined;
  /** How long the metadata is, in bytes, if it is here. */
  metadataSize: number | undefined;
  /** Whether we exchange peers; not for private torrents. */
  exchangesPeers: boolean;
}

/**
 * Introduces us.
 *
 * @param peer To whom.
 * @param introduction What to tell.
 */
export function introduce(peer: Peer, introduction: Introduction): void {
  const { have, port, metadataSize, exchangesPeers } = introduction;
  const { supportsFast } = peer.state;
  const isEmpty = have.length === 0 || have.isEmpty;
  // BEP 6 wants one of these three, and as the first message.
  if (supportsFast && isEmpty) peer.send({ type: "have_none" });
  else if (supportsFast && have.isFull) peer.send({ type: "have_all" });
  else if (!isEmpty) {
    peer.send({ type: "bitfield", bitfield: have.bytes.slice() });
  }
  const { ut_metadata, ut_pex } = OUR_EXTENSIONS;
  tell(peer, {
    messages: new Map(Object.entries({
      ut_metadata,
      ...(exchangesPeers ? { ut_pex } : {}),
    })),
    v: CLIENT_NAME,
    p: port,
    reqq: MAX_REQUESTS,
    uploadOnly: !isEmpty && have.isFull,
    yourip: parseAddress(peer.endpoint.hostname),
    metadataSize,
  });
}

/**
 * Tells what has changed since we were introduced.
 *
 * @param peer To whom.
 * @param news What is new.
 */
export function tell(
  peer: Peer,
  news: Partial<ExtensionHandshake>,
): void {
  if (!peer.supportsExtensions) return;
  const payload = encodeExtensionHandshake({ messages: new Map(), ...news });
  peer.send({ type: "extended", id: EXTENSION_HANDSHAKE_ID, payload });
}

/**
 * Tells a peer which pieces we have, long after we were introduced.
 *
 * @param peer To whom.
 * @param have The pieces.
 */
export function tellHave(peer: Peer, have: Bitfield): void {
  if (have.count > MAX_HAVES) {
    peer.close(new NetworkError("We know now what we have; connect again"));
    return;
  }
  peer.send(...[...have].map((index): Message => ({ type: "have", index })));
}
