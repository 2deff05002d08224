/**
 * The tracker's side of the packets of BEP 15: questions from bytes, answers to
 * bytes. Pure.
 *
 * @module
 */

import { HASH_LENGTH } from "../bytes/hash.ts";
import { ProtocolError } from "../errors.ts";
import type { AnnounceEvent, ScrapeCounts } from "./tracker.ts";
import { ACTION, type ConnectionId, PROTOCOL_ID } from "./udp_packet.ts";
import { concat } from "@std/bytes/concat";

/** By their numbers. */
const EVENTS: readonly (AnnounceEvent | undefined)[] = [
  undefined,
  "completed",
  "started",
  "stopped",
];

/** What is sent when a client does not say how many peers it wants. */
const DEFAULT_WANTED = 50;

/** What a client asks. */
export type UdpRequest =
  | { type: "connect"; transaction: number }
  | {
    type: "announce";
    transaction: number;
    connection: ConnectionId;
    infoHash: Uint8Array;
    peerId: Uint8Array;
    isSeed: boolean;
    event: AnnounceEvent | undefined;
    wanted: number;
    port: number;
  }
  | {
    type: "scrape";
    transaction: number;
    connection: ConnectionId;
    infoHashes: Uint8Array[];
  };

/** What a tracker answers. */
export type UdpResponse =
  | { type: "connect"; transaction: number; connection: ConnectionId }
  | {
    type: "announce";
    transaction: number;
    interval: number;
    leechers: number;
    seeders: number;
    /** In compact form. */
    peers: readonly Uint8Array[];
  }
  | { type: "scrape"; transaction: number; counts: readonly ScrapeCounts[] }
  | { type: "error"; transaction: number; message: string };

/**
 * Reads what a client asks.
 *
 * @param packet The packet.
 * @returns The question; its bytes are copies.
 * @throws {ProtocolError} If it is none.
 */
export function decodeRequest(packet: Uint8Array): UdpRequest {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  if (packet.length < 16) throw new ProtocolError("The packet is too short");
  const connection = view.getBigUint64(0);
  const action = view.getUint32(8);
  const transaction = view.getUint32(12);
  if (action === ACTION.connect && connection === PROTOCOL_ID) {
    return { type: "connect", transaction };
  }
  if (action === ACTION.announce && packet.length >= 98) {
    const wanted = view.getInt32(92);
    return {
      type: "announce",
      transaction,
      connection,
      infoHash: packet.slice(16, 36),
      peerId: packet.slice(36, 56),
      isSeed: view.getBigUint64(64) === 0n,
      event: EVENTS[view.getUint32(80)],
      wanted: wanted < 0 ? DEFAULT_WANTED : wanted,
      port: view.getUint16(96),
    };
  }
  if (action === ACTION.scrape) {
    const count = Math.floor((packet.length - 16) / HASH_LENGTH);
    const infoHashes = Array.from({ length: count }, (_, i) => {
      const at = 16 + i * HASH_LENGTH;
      return packet.slice(at, at + HASH_LENGTH);
    });
    return { type: "scrape", transaction, connection, infoHashes };
  }
  throw new ProtocolError(`The packet does nothing known: ${action}`);
}

/**
 * Writes what a tracker answers.
 *
 * @param response The answer.
 * @returns The packet.
 */
export function encodeResponse(response: UdpResponse): Uint8Array {
  const head = numbers(ACTION[response.type], response.transaction);
  switch (response.type) {
    case "connect": {
      const connection = new DataView(new ArrayBuffer(8));
      connection.setBigUint64(0, response.connection);
      return concat([head, new Uint8Array(connection.buffer)]);
    }
    case "announce": {
      const { interval, leechers, seeders, peers } = response;
      return concat([head, numbers(interval, leechers, seeders), ...peers]);
    }
    case "scrape":
      return concat([
        head,
        ...response.counts.map(({ seeders, completed, leechers }) =>
          numbers(seeders, completed, leechers)
        ),
      ]);
    case "error":
      return concat([head, new TextEncoder().encode(response.message)]);
    default:
      return response satisfies never;
  }
}

function numbers(...values: number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * 4));
  values.forEach((value, i) => view.setUint32(i * 4, value));
  return new Uint8Array(view.buffer);
}
