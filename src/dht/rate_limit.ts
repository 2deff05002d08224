/**
 * How much is answered to whom: each address a little, all together no more
 * than a share of the line, so that nobody can use us against a third. Pure.
 *
 * Who sent a packet nobody knows: an address may have been forged. So what is
 * refused here is an answer only; answers to our own questions always count.
 *
 * @module
 */

import { hostOf } from "./node_id.ts";

/** libtorrent's numbers: 5 packets a second over 10 seconds are a flood. */
const WINDOW_MS = 10_000;
const MAX_QUERIES = 50;

/** libtorrent's number: how long a flood is not answered. */
const BLOCK_MS = 5 * 60_000;

/** With forged addresses there are as many as one likes. */
const MAX_HOSTS = 4096;

/** What a node of the large DHT is asked takes a tenth of it. */
const BYTES_PER_SECOND = 32 * 1024;

/** What may be made up for. */
const BURST_MS = 4_000;

/** Counts the queries of each address. */
export class QueryLimit {
  /** The oldest first. */
  readonly #hosts = new Map<string, { count: number; until: number }>();

  /** How many addresses it remembers. */
  get size(): number {
    return this.#hosts.size;
  }

  /**
   * Counts a query.
   *
   * @param address Who asks.
   * @param now The time in milliseconds.
   * @returns Whether it should be answered.
   */
  allows(address: string, now: number): boolean {
    const host = hostOf(address);
    let entry = this.#hosts.get(host);
    if (!entry || entry.until <= now) {
      entry = { count: 0, until: now + WINDOW_MS };
      this.#hosts.delete(host);
      this.#hosts.set(host, entry);
      for (const oldest of this.#hosts.keys()) {
        if (this.#hosts.size <= MAX_HOSTS) break;
        this.#hosts.delete(oldest);
      }
    }
    entry.count++;
    if (entry.count <= MAX_QUERIES) return true;
    if (entry.count === MAX_QUERIES + 1) entry.until = now + BLOCK_MS;
    return false;
  }
}

/** Counts the bytes of all answers. */
export class AnswerBudget {
  #left = BYTES_PER_SECOND * BURST_MS / 1000;
  #at: number | undefined;

  /**
   * Takes bytes for an answer.
   *
   * @param bytes How many.
   * @param now The time in milliseconds.
   * @returns Whether they are there; if not, nothing is taken.
   */
  take(bytes: number, now: number): boolean {
    const earned = (now - (this.#at ?? now)) * BYTES_PER_SECOND / 1000;
    this.#at = now;
    this.#left = Math.min(
      BYTES_PER_SECOND * BURST_MS / 1000,
      this.#left + earned,
    );
    if (this.#left < bytes) return false;
    this.#left -= bytes;
    return true;
  }
}
