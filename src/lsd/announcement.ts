/**
 * The message of local service discovery (BEP 14) ↔ bytes. Pure.
 *
 * @module
 */

import { fromLatin1, latin1 } from "../bytes/bencode.ts";
import { type Endpoint, formatEndpoint } from "../bytes/endpoint.ts";
import { decodeHex, encodeHex } from "@std/encoding/hex";

/** The multicast groups of BEP 14, for IPv4 and IPv6. */
export const LSD_GROUPS: readonly Endpoint[] = [
  { hostname: "239.192.152.143", port: 6771 },
  { hostname: "ff15::efc0:988f", port: 6771 },
];

/** BEP 14: "the packet length should not exceed 1400 bytes": that holds 24. */
export const MAX_INFO_HASHES = 20;

/** Nobody sends more than 1400 bytes; this is generous. */
const MAX_LENGTH = 2048;

/** Ours has 16, libtorrent's 8; a long one would only cost. */
const MAX_COOKIE_LENGTH = 64;

/** Somebody takes part in some torrents. */
export interface Announcement {
  /** The port at which he listens for peers. */
  readonly port: number;
  /** The torrents. */
  readonly infoHashes: readonly Uint8Array[];
  /** By which he knows his own messages. */
  readonly cookie: string | undefined;
}

/**
 * Writes a message.
 *
 * @param announcement Who takes part in what; at most 20 torrents.
 * @param group The group that it is sent to.
 * @returns The packet.
 */
export function encodeAnnouncement(
  announcement: Announcement,
  group: Endpoint,
): Uint8Array {
  const { port, infoHashes, cookie } = announcement;
  if (infoHashes.length > MAX_INFO_HASHES) {
    throw new RangeError(`Cannot announce ${infoHashes.length} torrents`);
  }
  return fromLatin1(
    [
      "BT-SEARCH * HTTP/1.1",
      `Host: ${formatEndpoint(group)}`,
      `Port: ${port}`,
      ...infoHashes.map((infoHash) => `Infohash: ${encodeHex(infoHash)}`),
      ...(cookie === undefined ? [] : [`cookie: ${cookie}`]),
      // BEP 14 prints two empty lines.
      ...["", "", ""],
    ].join("\r\n"),
  );
}

/**
 * Reads a packet. Anybody can send one: what is not right is left out.
 *
 * @param packet The packet.
 * @returns The message, or `undefined` if it names no torrent or no port.
 */
export function decodeAnnouncement(
  packet: Uint8Array,
): Announcement | undefined {
  if (packet.length > MAX_LENGTH) return undefined;
  const [first = "", ...lines] = latin1(packet).split(/\r?\n/);
  if (!/^BT-SEARCH \S+ HTTP\/1\.\d$/i.test(first)) return undefined;
  const infoHashes: Uint8Array[] = [];
  let port = 0;
  let cookie: string | undefined;
  for (const line of lines) {
    // Further headers are not for us, and a body there is none.
    if (line === "") break;
    const [, name = "", value = ""] = /^([\w-]+):\s*(.*?)\s*$/.exec(line) ?? [];
    switch (name.toLowerCase()) {
      case "port":
        if (/^\d{1,5}$/.test(value)) port = Number(value);
        break;
      case "infohash":
        if (/^[0-9a-f]{40}$/i.test(value)) infoHashes.push(decodeHex(value));
        break;
      case "cookie":
        if (value.length <= MAX_COOKIE_LENGTH) cookie = value;
        break;
    }
  }
  if (port < 1 || port > 65_535 || infoHashes.length === 0) return undefined;
  return { port, infoHashes, cookie };
}
