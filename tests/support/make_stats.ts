/**
 * Snapshots of torrents, for what is drawn from them.
 *
 * @module
 */

import type { TorrentStats } from "../../src/torrent/events.ts";

/**
 * How a torrent stands that is half done, but for what is said.
 *
 * @param changes What is different.
 * @returns The snapshot.
 */
export function makeStats(changes: Partial<TorrentStats> = {}): TorrentStats {
  return {
    phase: "downloading",
    totalBytes: 1000 * 1024,
    verifiedBytes: 500 * 1024,
    gatheringBytes: 0,
    pieceCount: 10,
    verifiedPieces: 5,
    metadataBytes: 0,
    metadataTotalBytes: 0,
    metadataPeers: 0,
    metadataFrom: [],
    hashBytes: 0,
    hashTotalBytes: 0,
    checkedBytes: 0,
    bytesToCheck: 0,
    receivedBytes: 500 * 1024,
    wastedBytes: 0,
    bytesPerSecond: 100 * 1024,
    sentBytes: 0,
    sentPerSecond: 0,
    secondsLeft: 5,
    peers: 3,
    seeds: 2,
    serving: 2,
    served: 0,
    webSeeds: 0,
    webSeedsServing: 0,
    candidates: 4,
    tried: 0,
    banned: 0,
    hashMismatches: 0,
    trackers: 1,
    trackersAnswered: 1,
    dhtNodes: 0,
    ...changes,
  };
}
