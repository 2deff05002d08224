/**
 * The ids of nodes: how far two are apart (BEP 5), and which of them an address
 * may have (BEP 42). Pure.
 *
 * Whoever could choose its id freely could sit down beside any torrent and hide
 * it. BEP 42 lets an address have 8 places only, which nobody can choose.
 *
 * @module
 */

import { crc32c } from "../bytes/crc32c.ts";
import { parseAddress } from "../bytes/endpoint.ts";
import { HASH_LENGTH } from "../bytes/hash.ts";
import { isLocal } from "../bytes/local_host.ts";

/** The bits of an id, and of a distance. */
export const ID_BITS = HASH_LENGTH * 8;

/** BEP 42: which bits of an address count, the high half of it for IPv6. */
const MASKS = {
  4: [0x03, 0x0f, 0x3f, 0xff],
  16: [0x01, 0x03, 0x07, 0x0f, 0x1f, 0x3f, 0x7f, 0xff],
} as const;

/** How much of an address is one network: a /24, or a /64 (IPv6). */
const NETWORK_BYTES = { 4: 3, 16: 8 } as const;

/** What lies between the first 21 bits, which BEP 42 gives, and the rest. */
const THIRD_BYTE_MASK = 0xf8;

/**
 * Which of two ids is nearer to a third.
 *
 * @param target The third.
 * @param options The two.
 * @returns Less than 0 if `a` is nearer, more if `b` is, 0 if they are equal.
 */
export function compareDistance(
  target: Uint8Array,
  { a, b }: { a: Uint8Array; b: Uint8Array },
): number {
  for (let i = 0; i < HASH_LENGTH; i++) {
    const difference = (a[i]! ^ target[i]!) - (b[i]! ^ target[i]!);
    if (difference !== 0) return difference;
  }
  return 0;
}

/**
 * How many bits two ids share at their start.
 *
 * @param a The one.
 * @param b The other.
 * @returns From 0 to 160.
 */
export function commonPrefixLength(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < HASH_LENGTH; i++) {
    const difference = a[i]! ^ b[i]!;
    if (difference !== 0) return i * 8 + Math.clz32(difference) - 24;
  }
  return ID_BITS;
}

/**
 * An id that shares so many bits with another and no more: what lies in one
 * bucket.
 *
 * @param id The other.
 * @param options How many bits, and 20 random bytes for the rest.
 * @returns The id.
 */
export function idAtDistance(
  id: Uint8Array,
  { prefix, random }: { prefix: number; random: Uint8Array },
): Uint8Array {
  const other = random.slice(0, HASH_LENGTH);
  for (let bit = 0; bit <= Math.min(prefix, ID_BITS - 1); bit++) {
    const [at, mask] = [bit >> 3, 0x80 >> (bit & 7)];
    const isSet = (id[at]! & mask) !== 0;
    // The first bit behind the prefix is another one.
    const mustBeSet = bit < prefix ? isSet : !isSet;
    other[at] = mustBeSet ? other[at]! | mask : other[at]! & ~mask;
  }
  return other;
}

/**
 * An id that an address may have (BEP 42).
 *
 * @param random 20 random bytes.
 * @param address The address as others see it; any id will do without one.
 * @returns The id.
 */
export function createNodeId(
  random: Uint8Array,
  address?: string,
): Uint8Array {
  const id = random.slice(0, HASH_LENGTH);
  if (address === undefined) return id;
  const prefix = idPrefix(address, id[HASH_LENGTH - 1]!);
  id[0] = prefix[0]!;
  id[1] = prefix[1]!;
  id[2] = prefix[2]! & THIRD_BYTE_MASK | id[2]! & ~THIRD_BYTE_MASK;
  return id;
}

/**
 * Whether a node may have its id (BEP 42). What is local may have any: nobody
 * outside knows its address.
 *
 * @param id The id.
 * @param address The node's address.
 * @returns Whether the two fit.
 */
export function idFitsAddress(id: Uint8Array, address: string): boolean {
  if (isLocal(address)) return true;
  const prefix = idPrefix(address, id[HASH_LENGTH - 1]!);
  return id[0] === prefix[0] && id[1] === prefix[1] &&
    ((id[2]! ^ prefix[2]!) & THIRD_BYTE_MASK) === 0;
}

/** The 32 bits that the first 21 of an id are taken from. */
function idPrefix(address: string, random: number): Uint8Array {
  const bytes = parseAddress(address);
  const mask = MASKS[bytes.length as 4 | 16];
  const masked = Uint8Array.from(mask, (bits, i) => bits & bytes[i]!);
  masked[0]! |= (random & 7) << 5;
  const prefix = new Uint8Array(4);
  new DataView(prefix.buffer).setUint32(0, crc32c(masked));
  return prefix;
}

/**
 * The network of an address: who has one address of it often has all.
 *
 * @param address The address.
 * @returns Text that is the same for all addresses of a /24, or of a /64.
 */
export function networkOf(address: string): string {
  const bytes = parseAddress(address);
  return bytes.subarray(0, NETWORK_BYTES[bytes.length as 4 | 16]).join(".");
}

/**
 * Who has an address, as far as anybody can tell.
 *
 * @param address The address.
 * @returns An IPv4 address as it is; for IPv6 its network, which one host has.
 */
export function hostOf(address: string): string {
  return address.includes(":") ? networkOf(address) : address;
}
