/**
 * Runs a torrent in this process, the way the program does.
 *
 * @module
 */

import type { Endpoint } from "../../src/bytes/endpoint.ts";
import type { DhtOptions } from "../../src/torrent/session.ts";
import {
  type Magnet,
  placeFiles,
  Session,
  type TorrentEvent,
  type TorrentOptions,
  type TorrentStats,
  trackersOf,
} from "../../src/mod.ts";
import type { MadeTorrent } from "./make_torrent.ts";

/** What differs from a plain download. */
export interface RunOptions extends Partial<TorrentOptions> {
  /** Where the files go. */
  folder: string;
  /** The link that it is known by; the torrent itself if not given. */
  magnet?: Magnet | undefined;
  /** Its part in the DHT; none if not given. */
  dht?: DhtOptions | undefined;
  /** How fast everybody may send, in bytes per second, if limited. */
  maxDownloadRate?: number;
  /** Peers to dial. */
  peers?: readonly Endpoint[];
  /** Stops the run. */
  signal?: AbortSignal;
  /** Hears of every event as it happens. */
  onEvent?: (event: TorrentEvent, stats: TorrentStats) => void;
  /** Hears of the port once others can connect. */
  onListening?: (endpoint: Endpoint) => void;
}

/** How a run ended. */
export interface RunResult {
  /** How the torrent stood at the end. */
  stats: TorrentStats;
  /** Everything that happened. */
  events: TorrentEvent[];
  /** What `run()` threw, if it did. */
  error: unknown;
}

/**
 * Downloads a torrent.
 *
 * @param made The torrent.
 * @param options Where to, from whom.
 * @returns How it ended.
 */
export async function runTorrent(
  made: MadeTorrent,
  options: RunOptions,
): Promise<RunResult> {
  const { magnet, dht, folder, maxDownloadRate } = options;
  const source = magnet ?? made.metainfo;
  await using session = new Session({
    listenPorts: [0],
    dht,
    maxDownloadRate,
  });
  const torrent = session.add(source, {
    places: (metainfo) => placeFiles(metainfo, { folder }),
    trackers: trackersOf(source, session).tiers,
    maxPeers: 50,
    canRead: true,
    canWrite: true,
    mustCheckAll: false,
    mayOverwrite: false,
    isCheckOnly: false,
    peers: [],
    ...options,
  })!;
  const events: TorrentEvent[] = [];
  const listening = (async () => {
    for await (const event of torrent.events) {
      events.push(event);
      options.onEvent?.(event, torrent.stats());
    }
  })();
  options.onListening?.({ hostname: "127.0.0.1", port: session.port! });
  let error: unknown;
  try {
    await torrent.run({
      signal: options.signal ?? AbortSignal.timeout(60_000),
    });
  } catch (thrown) {
    error = thrown;
  }
  await listening;
  return { stats: torrent.stats(), events, error };
}
