/**
 * `Patience`: how long nothing may come, and what to say when it has run out.
 * Pure.
 *
 * @module
 */

import { GaveUpError } from "../errors.ts";

/** How a download stands that has stalled. */
export interface Situation {
  /** How many peers are connected. */
  peers: number;
  /** How many of them serve us. */
  serving: number;
  /** The bytes of blocks that came from peers and web seeds. */
  receivedBytes: number;
  /** How many pieces came with a wrong hash. */
  mismatches: number;
  /** How many web seeds may have something. */
  webSeeds: number;
  /** Why the last web seed that failed did. */
  webSeedError: string | undefined;
  /** Whether any peer was ever connected. */
  wasConnected: boolean;
  /** How many trackers have answered. */
  trackersAnswered: number;
  /** Why the last tracker that failed did. */
  trackerError: string | undefined;
}

/** What is looked for before a download can begin. */
export type Sought = "metadata" | "piece hashes";

/** How the search for metadata or piece hashes stands. */
export interface FindingSituation {
  /** How many peers are connected. */
  peers: number;
  /** How many peers may have it. */
  offering: number;
  /** How many addresses are known that could be dialled. */
  candidates: number;
  /** How many peers were dialled, or came. */
  tried: number;
  /** How many peers were banned: they gave something else. */
  banned: number;
  /** Whether any peer was ever connected. */
  wasConnected: boolean;
  /** How many trackers there are. */
  trackers: number;
  /** How many trackers have answered. */
  trackersAnswered: number;
  /** Why the last tracker that failed did. */
  trackerError: string | undefined;
  /** Whether the DHT is asked too. */
  usesDht: boolean;
  /** How many nodes of the DHT are known. */
  dhtNodes: number;
}

/** Watches over the progress of a download. */
export class Patience {
  readonly #timeoutMs: number;
  #progress = -1;
  #since = 0;

  /**
   * Patience that has not begun.
   *
   * @param timeoutMs After how long without progress it ends; never if not
   * given.
   */
  constructor(timeoutMs = Infinity) {
    this.#timeoutMs = timeoutMs;
  }

  /**
   * The download begins.
   *
   * @param now The time in milliseconds.
   */
  begin(now: number): void {
    this.#since = now;
  }

  /**
   * Whether there is reason to wait.
   *
   * @param progress How far the download has come; more is better.
   * @param now The time in milliseconds.
   * @returns Whether to go on.
   */
  lasts(progress: number, now: number): boolean {
    if (progress > this.#progress) {
      this.#progress = progress;
      this.#since = now;
    }
    return now - this.#since < this.#timeoutMs;
  }

  /**
   * Says why it makes no sense to wait.
   *
   * @param situation How the download stands.
   * @returns The error to end with.
   */
  giveUp(situation: Situation): GaveUpError {
    const { peers, serving, receivedBytes, mismatches } = situation;
    const gaveUp = `Gave up after ${
      this.#timeoutMs / 1000
    } s without progress:`;
    if (mismatches > 0 && receivedBytes > 0 && peers === 0) {
      return new GaveUpError(
        "mismatch",
        `${gaveUp} what came did not match its hash, and nobody else has it`,
      );
    }
    const webSeeds = situation.webSeedError ??
      (situation.webSeeds > 0 ? "no web seed sends anything" : undefined);
    const and = webSeeds === undefined ? "" : `, and ${webSeeds}`;
    if (peers > 0) {
      const why = serving > 0 ? "sends what is missing" : "serves us";
      return new GaveUpError(
        "stalled",
        `${gaveUp} none of the connected peers (${peers}) ${why}${and}`,
      );
    }
    const wasReached = situation.wasConnected || receivedBytes > 0 ||
      situation.trackersAnswered > 0;
    if (wasReached) {
      return new GaveUpError("stalled", `${gaveUp} no peer is connected${and}`);
    }
    const trackers = situation.trackerError ??
      (webSeeds === undefined ? "there is no tracker to ask" : undefined);
    const reasons = [trackers, webSeeds].filter((why) => why !== undefined);
    return new GaveUpError(
      "unreachable",
      `${gaveUp} no peer could be reached, and ${reasons.join(", and ")}`,
    );
  }

  /**
   * Says why it makes no sense to wait for metadata, or for piece hashes.
   *
   * @param what What was looked for.
   * @param situation How the search stands.
   * @returns The error to end with.
   */
  giveUpFinding(what: Sought, situation: FindingSituation): GaveUpError {
    const { peers, offering, tried, banned, wasConnected } = situation;
    const gaveUp = `Gave up after ${this.#timeoutMs / 1000} s without ${what}:`;
    if (peers > 0) {
      const it = what === "metadata" ? "it" : "them";
      const why = offering > 0 ? `sends ${it}` : `has ${it}`;
      return new GaveUpError(
        "stalled",
        `${gaveUp} none of the connected peers (${peers}) ${why}`,
      );
    }
    if (banned > 0) {
      const came = what === "metadata"
        ? "what came is not what the link names, and nobody else has it"
        : "what came does not match the torrent, and nobody else has them";
      return new GaveUpError("stalled", `${gaveUp} ${came}`);
    }
    if (wasConnected) {
      return new GaveUpError("stalled", `${gaveUp} no peer is connected`);
    }
    if (tried > 0) {
      return new GaveUpError(
        "unreachable",
        `${gaveUp} no peer could be reached (${tried} tried)`,
      );
    }
    if (situation.trackersAnswered > 0 || situation.dhtNodes > 0) {
      return new GaveUpError("stalled", `${gaveUp} nobody has the torrent`);
    }
    const reasons = [
      situation.trackerError,
      situation.usesDht ? "no node of the DHT answers" : undefined,
    ].filter((reason) => reason !== undefined);
    const why = reasons.join(", and ") || "there is nobody to ask";
    return new GaveUpError("unreachable", `${gaveUp} ${why}`);
  }
}
