/**
 * What every kind of tracker is asked, and what it answers (BEP 3, 7, 23, 24,
 * 31, 48).
 *
 * @module
 */

import type { Endpoint } from "../bytes/endpoint.ts";

/** Why a tracker is told something before the interval is over. */
export type AnnounceEvent = "started" | "completed" | "stopped";

/** What a tracker is told. */
export interface AnnounceRequest {
  /** The torrent. */
  infoHash: Uint8Array;
  /** Who we are. */
  peerId: Uint8Array;
  /** The port we listen on. */
  port: number;
  /** How many bytes we have sent to peers since `started`. */
  uploaded: number;
  /** How many bytes we have received from peers since `started`. */
  downloaded: number;
  /** How many bytes are still missing. */
  left: number;
  /** Why, if not because the interval is over. */
  event?: AnnounceEvent | undefined;
  /** How many peers we would like to know. */
  numWant: number;
  /** What proves that we are who we were, should our address change. */
  key: string;
  /** What the tracker asked us to tell it again. */
  trackerId?: Uint8Array | undefined;
}

/** A peer that a tracker names. */
export interface TrackerPeer {
  /** Where it listens. */
  endpoint: Endpoint;
  /** Its peer id, where the tracker tells it. */
  peerId?: Uint8Array | undefined;
}

/** What a tracker answers. */
export interface AnnounceResponse {
  /** Our own address as the tracker sees it (BEP 24), if it says so. */
  externalAddress: string | undefined;
  /** The peers that it names. */
  peers: TrackerPeer[];
  /** When it wants to hear of us again, in seconds, if it says so. */
  interval: number | undefined;
  /** When it may be asked again at the earliest, in seconds, if it says so. */
  minInterval: number | undefined;
  /** What it asks us to tell it again. */
  trackerId: Uint8Array | undefined;
  /** What it wants us to know. */
  warning: string | undefined;
  /** How many peers have everything, if it says so. */
  seeders: number | undefined;
  /** How many peers are still downloading, if it says so. */
  leechers: number | undefined;
}

/** How a torrent stands at a tracker (BEP 48). */
export interface ScrapeCounts {
  /** How many peers have everything. */
  seeders: number;
  /** How many downloads have become complete. */
  completed: number;
  /** How many peers are still downloading. */
  leechers: number;
}

/** A tracker that can be asked. */
export interface Tracker {
  /** Its URL, as it may be shown. */
  readonly name: string;
  /**
   * Tells the tracker of us and asks for peers, over both families of
   * addresses where it has both: each has a swarm of its own (BEP 7).
   *
   * @param request What to tell.
   * @param options What gives up.
   * @returns What it answers over each family, as it comes; at least one.
   * @throws {TrackerError} If it refuses or does not answer.
   */
  announce(
    request: AnnounceRequest,
    options: { signal: AbortSignal },
  ): AsyncGenerator<AnnounceResponse, void, undefined>;
  /**
   * Asks how torrents stand.
   *
   * @param infoHashes The torrents.
   * @param options What gives up.
   * @returns How each stands, in their order; `undefined` for what it does not
   * know.
   * @throws {TrackerError} If it refuses or does not answer.
   */
  scrape(
    infoHashes: readonly Uint8Array[],
    options: { signal: AbortSignal },
  ): Promise<(ScrapeCounts | undefined)[]>;
}
