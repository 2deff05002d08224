/**
 * Which program a peer id stands for (BEP 20), for people to read. Pure.
 *
 * @module
 */

import { latin1 } from "../bytes/bencode.ts";

/** The two letters of the programs in use. */
const CLIENTS: Record<string, string> = {
  "7T": "aTorrent",
  AZ: "Vuze",
  BI: "BiglyBT",
  CD: "CTorrent",
  DE: "Deluge",
  FD: "Free Download Manager",
  GT: "anacrolix/torrent",
  KT: "KTorrent",
  LT: "libtorrent",
  PI: "PicoTorrent",
  RN: "rain",
  TR: "Transmission",
  TX: "Tixati",
  UT: "µTorrent",
  WW: "WebTorrent",
  XL: "Xunlei",
  bg: "btget",
  lt: "rTorrent",
  qB: "qBittorrent",
  rQ: "rqbit",
};

/**
 * The program behind a peer id. Whoever shows it escapes it: a peer id can
 * hold any bytes.
 *
 * @param peerId The peer id.
 * @returns A name and version where they can be told, or the readable start.
 */
export function clientName(peerId: Uint8Array): string {
  const text = latin1(peerId);
  const azureus = /^-([\x21-\x7e]{2})([0-9A-Za-z]{3})[^-]?-?/.exec(text);
  if (azureus) {
    const [, letters, version] = azureus;
    return `${CLIENTS[letters!] ?? letters} ${dotted([...version!])}`;
  }
  const aria2 = /^A2-(\d+)-(\d+)-(\d+)-/.exec(text);
  if (aria2) return `aria2 ${dotted(aria2.slice(1))}`;
  const mainline = /^M(\d+)-(\d+)-(\d+)-/.exec(text);
  if (mainline) return `BitTorrent ${dotted(mainline.slice(1))}`;
  return /^[\x20-\x7e]*/.exec(text)![0].trim() || "unknown";
}

/** Digits above nine are letters: A is 10. */
function dotted(parts: readonly string[]): string {
  return parts
    .map((part) => /^[A-Za-z]$/.test(part) ? parseInt(part, 36) : Number(part))
    .join(".");
}
