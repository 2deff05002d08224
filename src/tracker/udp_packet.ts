/**
 * The packets of the UDP tracker protocol (BEP 15, 41): bytes ↔ values. Pure.
 *
 * ```
 *   connect   → magic · 0 · transaction            ← 0 · transaction · connection
 *   announce  → connection · 1 · transaction · …   ← 1 · transaction · interval …
 *   scrape    → connection · 2 · transaction · …   ← 2 · transaction · counts …
 *                                        any error ← 3 · transaction · message
 * ```
 *
 * @module
 */

import {
  type AddressFamily,
  decodeCompactEndpoints,
} from "../bytes/endpoint.ts";
import { HASH_LENGTH } from "../bytes/hash.ts";
import { ProtocolError } from "../errors.ts";
import type { AnnounceRequest, ScrapeCounts, TrackerPeer } from "./tracker.ts";

/** What every packet does. */
export const ACTION = { connect: 0, announce: 1, scrape: 2, error: 3 } as const;

/** "Magic constant" (BEP 15). */
export const PROTOCOL_ID = 0x41727101980n;

const EVENTS = { completed: 1, started: 2, stopped: 3 } as const;

/** BEP 41: the option that carries path and query of the tracker's URL. */
const OPTION_URL_DATA = 2;

/** An option's length is one byte. */
const MAX_OPTION_LENGTH = 255;

/** A longer path and query than this is no tracker's. */
const MAX_URL_DATA_LENGTH = 2048;

/** A stranger's list must have an end; a datagram has room for ten thousand. */
const MAX_PEERS = 1000;

/** As many torrents fit into one packet (BEP 15: "up to about 74"). */
export const MAX_SCRAPED = 74;

/** The name of a connection, which proves that we receive at our address. */
export type ConnectionId = bigint;

/** A packet from a tracker, as far as it is the same for all. */
export interface ResponseHead {
  /** What it does. */
  action: number;
  /** Which request it answers. */
  transaction: number;
}

/** What a UDP tracker answers to an announce. */
export interface UdpAnnounceResponse {
  /** When it wants to hear of us again, in seconds. */
  interval: number;
  /** How many peers are still downloading. */
  leechers: number;
  /** How many peers have everything. */
  seeders: number;
  /** The peers that it names. */
  peers: TrackerPeer[];
}

/**
 * Asks for a connection.
 *
 * @param transaction What the answer must repeat.
 * @returns 16 bytes.
 */
export function encodeConnect(transaction: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(16));
  view.setBigUint64(0, PROTOCOL_ID);
  view.setUint32(8, ACTION.connect);
  view.setUint32(12, transaction);
  return new Uint8Array(view.buffer);
}

/** What an announce by UDP says beyond the request. */
export interface UdpAnnounceOptions {
  /** The connection. */
  connection: ConnectionId;
  /** What the answer must repeat. */
  transaction: number;
  /** Path and query of the tracker's URL (BEP 41). */
  urlData: string;
}

/**
 * Announces.
 *
 * @param request What to tell.
 * @param options Over which connection.
 * @returns 98 bytes, and the options of BEP 41.
 */
export function encodeAnnounce(
  request: AnnounceRequest,
  { connection, transaction, urlData }: UdpAnnounceOptions,
): Uint8Array {
  const options = encodeUrlData(urlData);
  const bytes = new Uint8Array(98 + options.length);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, connection);
  view.setUint32(8, ACTION.announce);
  view.setUint32(12, transaction);
  bytes.set(request.infoHash, 16);
  bytes.set(request.peerId, 36);
  view.setBigUint64(56, BigInt(request.downloaded));
  view.setBigUint64(64, BigInt(request.left));
  view.setBigUint64(72, BigInt(request.uploaded));
  view.setUint32(80, request.event ? EVENTS[request.event] : 0);
  // 84: our address; 0 is the one that the packet comes from.
  view.setUint32(88, parseInt(request.key, 16));
  view.setInt32(92, request.numWant);
  view.setUint16(96, request.port);
  bytes.set(options, 98);
  return bytes;
}

/**
 * Asks how torrents stand.
 *
 * @param infoHashes The torrents; no more than {@linkcode MAX_SCRAPED}.
 * @param options Over which connection.
 * @returns The packet.
 */
export function encodeScrape(
  infoHashes: readonly Uint8Array[],
  { connection, transaction }: {
    connection: ConnectionId;
    transaction: number;
  },
): Uint8Array {
  const bytes = new Uint8Array(16 + infoHashes.length * HASH_LENGTH);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, connection);
  view.setUint32(8, ACTION.scrape);
  view.setUint32(12, transaction);
  infoHashes.forEach((hash, i) => bytes.set(hash, 16 + i * HASH_LENGTH));
  return bytes;
}

/**
 * Reads what all answers begin with.
 *
 * @param packet The packet.
 * @returns What it answers, or `undefined` if it is no tracker's.
 */
export function decodeHead(packet: Uint8Array): ResponseHead | undefined {
  if (packet.length < 8) return undefined;
  const view = viewOf(packet);
  const action = view.getUint32(0);
  if (action > ACTION.error) return undefined;
  return { action, transaction: view.getUint32(4) };
}

/**
 * Reads the answer to a connect.
 *
 * @param packet The packet.
 * @returns The connection.
 * @throws {ProtocolError} If it is too short.
 */
export function decodeConnect(packet: Uint8Array): ConnectionId {
  requireLength(packet, 16);
  return viewOf(packet).getBigUint64(8);
}

/**
 * Reads the answer to an announce.
 *
 * @param packet The packet.
 * @param family The family of the address that we announced from: it is the
 * one of the peers.
 * @returns What the tracker says.
 * @throws {ProtocolError} If it is too short.
 */
export function decodeAnnounce(
  packet: Uint8Array,
  family: AddressFamily,
): UdpAnnounceResponse {
  requireLength(packet, 20);
  const view = viewOf(packet);
  const peers = decodeCompactEndpoints(packet.subarray(20), {
    family,
    limit: MAX_PEERS,
  });
  return {
    interval: view.getUint32(8),
    leechers: view.getUint32(12),
    seeders: view.getUint32(16),
    peers: peers.map((endpoint) => ({ endpoint })),
  };
}

/**
 * Reads the answer to a scrape.
 *
 * @param packet The packet.
 * @param count How many torrents were asked for.
 * @returns How each stands, in the order of the question.
 * @throws {ProtocolError} If it is too short.
 */
export function decodeScrape(
  packet: Uint8Array,
  count: number,
): ScrapeCounts[] {
  requireLength(packet, 8 + count * 12);
  const view = viewOf(packet);
  return Array.from({ length: count }, (_, i) => ({
    seeders: view.getUint32(8 + i * 12),
    completed: view.getUint32(12 + i * 12),
    leechers: view.getUint32(16 + i * 12),
  }));
}

/**
 * Reads an error.
 *
 * @param packet The packet.
 * @returns What the tracker says.
 */
export function decodeError(packet: Uint8Array): string {
  return new TextDecoder().decode(packet.subarray(8));
}

/** BEP 41: a long path goes into several options. */
function encodeUrlData(urlData: string): Uint8Array {
  const data = new TextEncoder().encode(urlData)
    .subarray(0, MAX_URL_DATA_LENGTH);
  const bytes: number[] = [];
  for (let at = 0; at < data.length; at += MAX_OPTION_LENGTH) {
    const part = data.subarray(at, at + MAX_OPTION_LENGTH);
    bytes.push(OPTION_URL_DATA, part.length, ...part);
  }
  return Uint8Array.from(bytes);
}

function requireLength(packet: Uint8Array, length: number): void {
  if (packet.length >= length) return;
  throw new ProtocolError(
    `Cannot use the tracker's answer: expected ${length} bytes, got ${packet.length}`,
  );
}

function viewOf(packet: Uint8Array): DataView {
  return new DataView(packet.buffer, packet.byteOffset, packet.length);
}
