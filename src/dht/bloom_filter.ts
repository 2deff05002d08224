/**
 * `BloomFilter`: a set of IP addresses of which only the size can be told
 * (BEP 33), so that swarms can be counted over many nodes. Pure.
 *
 * @module
 */

import { parseAddress } from "../bytes/endpoint.ts";
import { sha1 } from "../bytes/hash.ts";

/** BEP 33: the length of a filter, in bytes. */
export const BLOOM_FILTER_LENGTH = 256;

/** BEP 33: m, the bits of a filter. */
const BITS = BLOOM_FILTER_LENGTH * 8;

/** BEP 33: k, the bits that an address sets. */
const BITS_PER_ADDRESS = 2;

/** A set of addresses. */
export class BloomFilter {
  /** The filter as it goes over the wire. */
  readonly bytes: Uint8Array = new Uint8Array(BLOOM_FILTER_LENGTH);

  /**
   * Adds an address.
   *
   * @param address An IP address.
   */
  add(address: string): void {
    const hash = sha1(parseAddress(address));
    for (let i = 0; i < BITS_PER_ADDRESS; i++) {
      const index = (hash[i * 2]! | hash[i * 2 + 1]! << 8) % BITS;
      this.bytes[index >> 3]! |= 1 << (index & 7);
    }
  }

  /**
   * Adds all that another filter has.
   *
   * @param bytes The other, 256 bytes.
   */
  union(bytes: Uint8Array): void {
    for (let i = 0; i < this.bytes.length; i++) this.bytes[i]! |= bytes[i]!;
  }

  /**
   * About how many addresses are in it; beyond 6000 it is a guess.
   *
   * @returns BEP 33's estimate.
   */
  estimate(): number {
    let zeros = 0;
    for (const byte of this.bytes) {
      for (let bit = 0; bit < 8; bit++) zeros += byte >> bit & 1 ? 0 : 1;
    }
    const counted = Math.min(BITS - 1, Math.max(1, zeros));
    // An empty filter is empty; the equation has 0.5 for it.
    if (zeros === BITS) return 0;
    return Math.log(counted / BITS) /
      (BITS_PER_ADDRESS * Math.log(1 - 1 / BITS));
  }
}
