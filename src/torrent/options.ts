/**
 * What the user wants of a torrent while it moves, and what the session gives
 * to it.
 *
 * @module
 */

import type { Endpoint } from "../bytes/endpoint.ts";
import type { DhtNode } from "../dht/dht_node.ts";
import type { LocalDiscovery } from "../lsd/local_discovery.ts";
import type { Dialer } from "../net/connection.ts";
import type { TokenBucket } from "../policy/token_bucket.ts";
import type { AnnounceSlots } from "../tracker/announce_slots.ts";
import type { Tracker } from "../tracker/tracker.ts";
import type { Seats } from "./swarm.ts";

/** Our part in the DHT. */
export interface DhtPart {
  /** Our node. */
  node: Pick<DhtNode, "addNode" | "getPeers" | "stats">;
  /** Its port. */
  port: number;
}

/** What a transfer gets from its session. */
export interface TransferServices {
  /** Who we are. */
  peerId: Uint8Array;
  /** What proves to trackers that we are who we were. */
  trackerKey: string;
  /** The port that others can connect to, if there is one. */
  port: number | undefined;
  /** What opens connections. */
  dial: Dialer;
  /** Begins our part in the DHT, if it has not begun; none if not given. */
  dht?: (() => DhtPart | undefined) | undefined;
  /** Begins to look around in the local network; not at all if not given. */
  lsd?: (() => Pick<LocalDiscovery, "announce"> | undefined) | undefined;
  /** How fast all peers may send to us, in bytes per second, if limited. */
  maxDownloadRate?: number | undefined;
  /** What keeps that rate; nothing if it is not limited. */
  downloadLimits?: readonly TokenBucket[] | undefined;
  /** How many connections the other torrents leave us. */
  seats: Seats;
  /** Room for announces. */
  announceSlots: AnnounceSlots;
}

/** What the user wants of a transfer. */
export interface TransferLimits {
  /** The trackers to ask, in their tiers. */
  trackers: readonly (readonly Tracker[])[];
  /** Trackers that are asked beside them, each for itself. */
  extraTrackers?: readonly Tracker[] | undefined;
  /** Peers to dial whatever trackers say. */
  peers: readonly Endpoint[];
  /** URLs of web seeds beside those of the torrent; none if not given. */
  webSeeds?: readonly string[] | undefined;
  /** How many peers may be connected. */
  maxPeers: number;
  /** After how long without any progress to give up; never if not given. */
  stallTimeoutMs?: number | undefined;
  /** Whether every piece that is verified is an event; so if not given. */
  tellsPieces?: boolean | undefined;
  /** How long to serve others in the end; not at all if not given. */
  seeding?: SeedingGoal | undefined;
}

/** When enough was given; never if nothing is set. */
export interface SeedingGoal {
  /** When so many times the torrent was sent. */
  ratio?: number | undefined;
  /** After so long. */
  timeMs?: number | undefined;
  /** Whether pieces are revealed one by one, so that few are sent twice. */
  isSuper?: boolean | undefined;
}
