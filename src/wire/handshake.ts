/**
 * The handshake that opens a connection between peers (BEP 3), and the bits
 * with which either side says what else it speaks (BEP 4). Pure.
 *
 * @module
 */

import { HASH_LENGTH, hashesEqual } from "../bytes/hash.ts";
import { ProtocolError } from "../errors.ts";

/** The length of a handshake in bytes. */
export const HANDSHAKE_LENGTH = 68;

/** What one side says of itself before the first message. */
export interface Handshake {
  /** The torrent that it wants to talk about. */
  readonly infoHash: Uint8Array;
  /** The identity of the program that is running. */
  readonly peerId: Uint8Array;
  /** Eight bytes of flags; bits without a meaning to us are ignored. */
  readonly reserved: Uint8Array;
}

/** The info hashes under which a torrent is known to peers, 20 bytes each. */
export interface WireHashes {
  /** The SHA-1 of the info dictionary, of torrents for v1. */
  readonly v1: Uint8Array | undefined;
  /** As much of its SHA-256, of torrents for v2 (BEP 52). */
  readonly v2: Uint8Array | undefined;
}

/**
 * The info hashes of a torrent, as peers name them.
 *
 * @param source The torrent, or a link to it.
 * @returns Those that are known; at least one.
 */
export function wireHashesOf(
  { infoHash, infoHashV2, hasV1 }: {
    infoHash: Uint8Array;
    infoHashV2: Uint8Array | undefined;
    hasV1: boolean;
  },
): WireHashes {
  return {
    v1: hasV1 ? infoHash : undefined,
    v2: infoHashV2?.slice(0, HASH_LENGTH),
  };
}

/** 19, then the name of the protocol. */
const PROTOCOL = new TextEncoder().encode("\x13BitTorrent protocol");

/** A bit of `reserved`: the byte that it is in, and its place there. */
interface ReservedBit {
  byte: number;
  mask: number;
}

/** The extension protocol (BEP 10). */
const EXTENSIONS: ReservedBit = { byte: 5, mask: 0x10 };

/** The DHT (BEP 5). */
const DHT: ReservedBit = { byte: 7, mask: 0x01 };

/** BitTorrent v2, said with the info hash of v1 (BEP 52, "Upgrade Path"). */
const V2: ReservedBit = { byte: 7, mask: 0x10 };

/** The fast extension (BEP 6). */
const FAST: ReservedBit = { byte: 7, mask: 0x04 };

const RESERVED_AT = 20;
const INFO_HASH_AT = 28;
const PEER_ID_AT = 48;

/**
 * The reserved bytes of our own handshake.
 *
 * @param options Whether we are a node of the DHT, and whether we know the
 * torrent as one of v2 too.
 * @returns Eight bytes: the bits of all that we speak.
 */
export function ourReserved(
  options: { isDhtNode?: boolean; supportsV2?: boolean } = {},
): Uint8Array {
  const reserved = new Uint8Array(INFO_HASH_AT - RESERVED_AT);
  const spoken = [
    EXTENSIONS,
    FAST,
    ...(options.isDhtNode ? [DHT] : []),
    ...(options.supportsV2 ? [V2] : []),
  ];
  for (const { byte, mask } of spoken) reserved[byte]! |= mask;
  return reserved;
}

/**
 * Whether somebody is a node of the DHT (BEP 5).
 *
 * @param reserved The reserved bytes of its handshake.
 * @returns Whether it wants to know our node.
 */
export function supportsDht(reserved: Uint8Array): boolean {
  return hasBit(reserved, DHT);
}

/**
 * Whether somebody knows a hybrid torrent as one of v2 too (BEP 52).
 *
 * @param reserved The reserved bytes of its handshake.
 * @returns Whether it can be answered with the info hash of v2.
 */
export function supportsV2(reserved: Uint8Array): boolean {
  return hasBit(reserved, V2);
}

/**
 * Whether somebody speaks the fast extension (BEP 6).
 *
 * @param reserved The reserved bytes of its handshake.
 * @returns Whether its messages may be sent there.
 */
export function supportsFast(reserved: Uint8Array): boolean {
  return hasBit(reserved, FAST);
}

/**
 * Whether somebody speaks the extension protocol (BEP 10).
 *
 * @param reserved The reserved bytes of its handshake.
 * @returns Whether an extension handshake may be sent there.
 */
export function supportsExtensions(reserved: Uint8Array): boolean {
  return hasBit(reserved, EXTENSIONS);
}

function hasBit(reserved: Uint8Array, { byte, mask }: ReservedBit): boolean {
  return (reserved[byte]! & mask) !== 0;
}

/**
 * Writes a handshake.
 *
 * @param handshake What to say.
 * @returns {@linkcode HANDSHAKE_LENGTH} bytes.
 */
export function encodeHandshake(handshake: Handshake): Uint8Array {
  const bytes = new Uint8Array(HANDSHAKE_LENGTH);
  bytes.set(PROTOCOL);
  bytes.set(handshake.reserved, RESERVED_AT);
  bytes.set(handshake.infoHash, INFO_HASH_AT);
  bytes.set(handshake.peerId, PEER_ID_AT);
  return bytes;
}

/**
 * Reads a handshake.
 *
 * @param bytes {@linkcode HANDSHAKE_LENGTH} bytes; the result copies them.
 * @returns What the other side said.
 * @throws {ProtocolError} If it speaks another protocol.
 */
export function decodeHandshake(bytes: Uint8Array): Handshake {
  if (!hashesEqual(bytes.subarray(0, PROTOCOL.length), PROTOCOL)) {
    throw new ProtocolError("Cannot shake hands: not the BitTorrent protocol");
  }
  return {
    reserved: bytes.slice(RESERVED_AT, INFO_HASH_AT),
    infoHash: bytes.slice(INFO_HASH_AT, PEER_ID_AT),
    peerId: bytes.slice(PEER_ID_AT, HANDSHAKE_LENGTH),
  };
}
