/**
 * `AddressVotes`: our own address, as those see it whom we ask (BEP 42). Pure.
 *
 * One node can say anything: several must say the same, each from a network of
 * its own, and more than say something else.
 *
 * @module
 */

import { type AddressFamily, familyOf } from "../bytes/endpoint.ts";
import { isLocal } from "../bytes/local_host.ts";
import { networkOf } from "./node_id.ts";

/** Whoever has fewer networks than this cannot move us. */
const MIN_VOTES = 4;

/** Those that voted last count: an address may change. */
const MAX_VOTES = 20;

/** Moving costs a search, and the table its order: not with every wind. */
const MIN_INTERVAL_MS = 10 * 60_000;

/** Finds out our address in one family. */
export class AddressVotes {
  readonly #family: AddressFamily;
  /** By the voter's network, the oldest first. */
  readonly #votes = new Map<string, string>();
  #address: string | undefined;
  #changedAt = -Infinity;

  /**
   * Knows nothing yet.
   *
   * @param family The family of our address.
   */
  constructor(family: AddressFamily) {
    this.#family = family;
  }

  /** Our address, if enough agree. */
  get address(): string | undefined {
    return this.#address;
  }

  /**
   * Takes a vote.
   *
   * @param address What our address is said to be.
   * @param options Who says so, and the time in milliseconds.
   * @returns Whether our address is another one now.
   */
  vote(
    address: string,
    { voter, now }: { voter: string; now: number },
  ): boolean {
    // A neighbour sees us from inside; and nobody outside has such an address.
    if (isLocal(voter) || isLocal(address)) return false;
    if (familyOf({ hostname: address, port: 1 }) !== this.#family) return false;
    const network = networkOf(voter);
    this.#votes.delete(network);
    this.#votes.set(network, address);
    for (const oldest of this.#votes.keys()) {
      if (this.#votes.size <= MAX_VOTES) break;
      this.#votes.delete(oldest);
    }
    if (address === this.#address) return false;
    const same = [...this.#votes.values()]
      .filter((other) => other === address).length;
    if (same < MIN_VOTES || same * 2 <= this.#votes.size) return false;
    if (now - this.#changedAt < MIN_INTERVAL_MS) return false;
    this.#address = address;
    this.#changedAt = now;
    return true;
  }
}
