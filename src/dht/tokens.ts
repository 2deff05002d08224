/**
 * `Tokens`: what proves that somebody who announces has asked before, from the
 * same address (BEP 5). Pure.
 *
 * They are not kept: a token is a hash of what it stands for and of a secret
 * that changes every five minutes, so no flood of questions takes memory.
 *
 * @module
 */

import { parseAddress } from "../bytes/endpoint.ts";
import { hashesEqual, sha1 } from "../bytes/hash.ts";
import { concat } from "@std/bytes/concat";

/** BEP 5: "a secret that changes every five minutes". */
const ROTATION_MS = 5 * 60_000;

/** BEP 5: "tokens up to ten minutes old are accepted". */
const GENERATIONS = 2;

/** Nobody guesses 64 bits over a network; answers should be short. */
const TOKEN_LENGTH = 8;

/** What a token is for. */
export interface TokenSubject {
  /** The address of who asks. */
  address: string;
  /** The torrent that it asks for. */
  infoHash: Uint8Array;
}

/** Gives tokens and knows them again. */
export class Tokens {
  readonly #key: Uint8Array;

  /**
   * Gives tokens that nobody else can make.
   *
   * @param key 20 random bytes.
   */
  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /**
   * Makes a token.
   *
   * @param subject What it is for.
   * @param now The time in milliseconds.
   * @returns 8 bytes.
   */
  create(subject: TokenSubject, now: number): Uint8Array {
    return this.#token(subject, Math.floor(now / ROTATION_MS));
  }

  /**
   * Checks a token.
   *
   * @param token What somebody shows.
   * @param options What it should be for, and the time.
   * @returns Whether it is that, and not too old.
   */
  isValid(
    token: Uint8Array,
    { subject, now }: { subject: TokenSubject; now: number },
  ): boolean {
    const generation = Math.floor(now / ROTATION_MS);
    let isValid = false;
    for (let age = 0; age < GENERATIONS; age++) {
      const own = this.#token(subject, generation - age);
      if (hashesEqual(own, token)) isValid = true;
    }
    return isValid;
  }

  #token({ address, infoHash }: TokenSubject, generation: number): Uint8Array {
    const secret = sha1(
      concat([this.#key, new TextEncoder().encode(`${generation}`)]),
    );
    return sha1(concat([secret, parseAddress(address), infoHash]))
      .slice(0, TOKEN_LENGTH);
  }
}
