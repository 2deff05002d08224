/**
 * SHA-1 and the 20-byte identities made of it or beside it (info hash and peer
 * id), and the SHA-256 of BitTorrent v2 (BEP 52). Pure.
 *
 * @module
 */

import { VERSION } from "../version.ts";
import { timingSafeEqual } from "@std/crypto/timing-safe-equal";
import { createHash } from "node:crypto";

/** The length of a SHA-1 digest, and of every identity, in bytes. */
export const HASH_LENGTH = 20;

/** The length of a SHA-256 digest, in bytes. */
export const SHA256_LENGTH = 32;

/** The start of our peer ids (BEP 20): client and version. */
const PEER_ID_PREFIX = `-bg${VERSION.replaceAll(".", "").padEnd(4, "0")}-`;

/**
 * The SHA-1 of some bytes, at once. The platform's asynchronous digest costs
 * twice as much for the sizes met here.
 *
 * @param bytes The bytes.
 * @returns 20 bytes.
 */
export function sha1(bytes: Uint8Array): Uint8Array {
  return plain(createHash("sha1").update(bytes).digest());
}

/**
 * The SHA-256 of some bytes, at once.
 *
 * @param bytes The bytes.
 * @returns 32 bytes.
 */
export function sha256(bytes: Uint8Array): Uint8Array {
  return plain(createHash("sha256").update(bytes).digest());
}

/** A SHA-1 that is fed in parts, so that no call has to take long. */
export class Sha1 {
  readonly #hash = createHash("sha1");

  /**
   * Adds bytes.
   *
   * @param bytes The next bytes; they are not kept.
   */
  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  /**
   * Ends the hash.
   *
   * @returns The 20 bytes of the digest.
   */
  digest(): Uint8Array {
    return plain(this.#hash.digest());
  }
}

/** A SHA-256 that is fed in parts. */
export class Sha256 {
  readonly #hash = createHash("sha256");

  /**
   * Adds bytes.
   *
   * @param bytes The next bytes; they are not kept.
   */
  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  /**
   * Ends the hash.
   *
   * @returns The 32 bytes of the digest.
   */
  digest(): Uint8Array {
    return plain(this.#hash.digest());
  }
}

/**
 * Node's `Buffer` looks like a `Uint8Array`, but its `slice` does not copy:
 * it must not get out.
 */
function plain(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer);
}

/**
 * Whether two digests or identities are the same.
 *
 * @param a The one.
 * @param b The other.
 * @returns Whether their bytes are equal.
 */
export function hashesEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/**
 * A peer id of our own (BEP 20).
 *
 * @param random 12 random bytes.
 * @returns 20 bytes: client, version, and the random part in readable text.
 */
export function createPeerId(random: Uint8Array): Uint8Array {
  const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuv";
  const tail = Array.from(
    random.subarray(0, HASH_LENGTH - PEER_ID_PREFIX.length),
    (byte) => alphabet[byte % alphabet.length],
  );
  return new TextEncoder().encode(PEER_ID_PREFIX + tail.join(""));
}
