/**
 * Which peers belong together (BEP 40): a number that both ends of a
 * connection find alike. Pure.
 *
 * When everybody keeps those with the highest priorities, a newcomer has the
 * same chance as who came first, and who fills a swarm with connections from
 * one network gets no more than its share.
 *
 * @module
 */

import { crc32c } from "../bytes/crc32c.ts";
import { type Endpoint, familyOf, parseAddress } from "../bytes/endpoint.ts";

/** How much of an address counts in any case, in bytes. */
const NETWORK_LENGTH = { 4: 2, 6: 6 } as const;

/**
 * How much counts behind what two addresses have in common, in bytes. For IPv6
 * the BEP can be read as one byte, too; but libtorrent, which most peers are,
 * takes two, and both ends must find the same.
 */
const DIFFERING_LENGTH = { 4: 1, 6: 2 } as const;

/** What counts of the bytes behind it: every second bit. */
const HOST_MASK = 0x55;

/**
 * The priority of a connection.
 *
 * @param a One end, as the other sees it.
 * @param b The other end, as the one sees it.
 * @returns A number of 32 bits, the higher the better; `undefined` if the two
 * are no IP addresses of one family.
 */
export function peerPriority(a: Endpoint, b: Endpoint): number | undefined {
  const family = familyOf(a);
  if (family === undefined || family !== familyOf(b)) return undefined;
  const addresses = [a, b].map(({ hostname }) => parseAddress(hostname));
  const [one, other] = addresses as [Uint8Array, Uint8Array];
  const same = one.findIndex((byte, i) => byte !== other[i]);
  if (same < 0) return hashSorted(portBytes(a), portBytes(b));
  const whole = Math.max(
    NETWORK_LENGTH[family],
    same + DIFFERING_LENGTH[family],
  );
  const mask = (address: Uint8Array) =>
    address.map((byte, i) => i < whole ? byte : byte & HOST_MASK);
  return hashSorted(mask(one), mask(other));
}

function portBytes({ port }: Endpoint): Uint8Array {
  return Uint8Array.of(port >> 8, port & 0xff);
}

function hashSorted(a: Uint8Array, b: Uint8Array): number {
  const differing = a.findIndex((byte, i) => byte !== b[i]);
  const isSorted = differing < 0 || a[differing]! < b[differing]!;
  const [first, second] = isSorted ? [a, b] : [b, a];
  const bytes = new Uint8Array(a.length + b.length);
  bytes.set(first);
  bytes.set(second, a.length);
  return crc32c(bytes);
}
