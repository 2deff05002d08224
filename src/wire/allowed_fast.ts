/**
 * The allowed fast set (BEP 6): the pieces that a peer may ask us for while we
 * choke it. Pure.
 *
 * @module
 */

import { parseAddress } from "../bytes/endpoint.ts";
import { sha1 } from "../bytes/hash.ts";

/**
 * How much of an IPv4 address counts: whoever has several in one network shall
 * have one set (BEP 6).
 */
const IPV4_NETWORK_BYTES = 3;

/**
 * BEP 6 has no rule for IPv6. libtorrent takes all 16 bytes; but nobody is
 * given less than a /64, which would mean 2^64 sets, and so the whole torrent.
 */
const IPV6_NETWORK_BYTES = 8;

/** Options for {@linkcode allowedFastSet}. */
export interface AllowedFastOptions {
  /** The info hash of the torrent. */
  infoHash: Uint8Array;
  /** The number of pieces of the torrent. */
  pieceCount: number;
  /** How many pieces to allow; BEP 6 uses 10. */
  count: number;
}

/**
 * The pieces that a peer may ask for while it is choked. Everybody works out
 * the same ones for it, a larger set being a smaller one and some more.
 *
 * @param address The IP address of the peer, in canonical text.
 * @param options The torrent, and how many pieces.
 * @returns The pieces, in the order of the algorithm; all of them if the
 * torrent has no more than `count`.
 */
export function allowedFastSet(
  address: string,
  { infoHash, pieceCount, count }: AllowedFastOptions,
): number[] {
  const network = parseAddress(address);
  network.fill(
    0,
    network.length === 4 ? IPV4_NETWORK_BYTES : IPV6_NETWORK_BYTES,
  );
  let bytes: Uint8Array = Uint8Array.of(...network, ...infoHash);
  const wanted = Math.min(count, pieceCount);
  const pieces = new Set<number>();
  while (pieces.size < wanted) {
    bytes = sha1(bytes);
    const words = new DataView(bytes.buffer);
    for (let at = 0; at < bytes.length && pieces.size < wanted; at += 4) {
      pieces.add(words.getUint32(at) % pieceCount);
    }
  }
  return [...pieces];
}
