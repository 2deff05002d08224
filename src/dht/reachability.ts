/**
 * `Reachability`: whether others can reach us unasked, or we should say that we
 * only ask (BEP 43). Pure.
 *
 * A router lets in answers, and whatever else comes from hosts that we have
 * talked to. Only a question from a host that we never talked to shows that
 * everybody gets through.
 *
 * @module
 */

import type { Endpoint } from "../bytes/endpoint.ts";
import { isLocal } from "../bytes/local_host.ts";
import { hostOf } from "./node_id.ts";

/** Who talks to so many is named to others, who then ask. */
const MIN_HOSTS = 20;

/** In the large DHT the first strangers ask within a minute. */
const PATIENCE_MS = 10 * 60_000;

/** A stranger proves something for so long. */
const PROOF_MS = 60 * 60_000;

/** After so long without asking to be asked, it is tried again. */
const READ_ONLY_MS = 60 * 60_000;

/** Longer ago than this many hosts, a router has forgotten it too. */
const MAX_HOSTS = 1000;

/** Finds out whether we can be reached in one family. */
export class Reachability {
  /** The hosts that we talked to, the one longest ago first. */
  readonly #hosts = new Set<string>();
  /** Since when nobody has proven anything. */
  #since: number | undefined;
  #patience = PATIENCE_MS;

  /**
   * A packet of ours goes out.
   *
   * @param to Where to.
   * @param now The time in milliseconds.
   */
  sent({ hostname }: Endpoint, now: number): void {
    // A neighbour reaches us whatever the router lets in.
    if (isLocal(hostname)) return;
    this.#since ??= now;
    const host = hostOf(hostname);
    this.#hosts.delete(host);
    this.#hosts.add(host);
    for (const oldest of this.#hosts) {
      if (this.#hosts.size <= MAX_HOSTS) break;
      this.#hosts.delete(oldest);
    }
  }

  /**
   * Somebody asks us something.
   *
   * @param from Who.
   * @param now The time in milliseconds.
   */
  queried({ hostname }: Endpoint, now: number): void {
    if (isLocal(hostname) || this.#hosts.has(hostOf(hostname))) return;
    this.#since = now;
    this.#patience = PROOF_MS;
  }

  /**
   * Whether we should say that we answer nothing.
   *
   * @param now The time in milliseconds.
   * @returns Whether it is time to give up being asked.
   */
  isReadOnly(now: number): boolean {
    if (this.#hosts.size < MIN_HOSTS || this.#since === undefined) return false;
    const over = now - this.#since - this.#patience;
    // Nobody asks who says so: now and then it does not.
    return over >= 0 && over % (READ_ONLY_MS + PATIENCE_MS) < READ_ONLY_MS;
  }

  /**
   * We have another address now: nothing is proven.
   *
   * @param now The time in milliseconds.
   */
  reset(now: number): void {
    this.#since = now;
    this.#patience = PATIENCE_MS;
  }
}
