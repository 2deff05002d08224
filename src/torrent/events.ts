/**
 * What the outside may see of a torrent: what happens, as events, and what is,
 * as a snapshot.
 *
 * @module
 */

/**
 * What a torrent is doing:
 *
 * - `finding`: it looks for what the torrent is that a link names;
 * - `checking`: it reads what lies on disk;
 * - `downloading`: pieces are missing;
 * - `complete`: every piece is verified and on disk;
 * - `seeding`: it serves others;
 * - `stopped`: it does nothing any more.
 */
export type TorrentPhase =
  | "finding"
  | "checking"
  | "downloading"
  | "complete"
  | "seeding"
  | "stopped";

/** Something that happened. */
export type TorrentEvent =
  | { type: "phase"; phase: TorrentPhase }
  | { type: "metadata" }
  | { type: "piece"; index: number }
  | { type: "hash_mismatch"; index: number }
  | { type: "tracker_answered"; tracker: string; peers: number }
  | { type: "tracker_warning"; tracker: string; message: string }
  | { type: "tracker_failed"; tracker: string; message: string }
  | { type: "peer_connected"; peer: string; client: string }
  | { type: "peer_unreachable"; peer: string; message: string }
  | { type: "peer_disconnected"; peer: string; message: string }
  | { type: "peer_banned"; peer: string }
  | { type: "web_seed_failed"; webSeed: string; message: string }
  | { type: "web_seed_banned"; webSeed: string }
  | { type: "piece_lost"; index: number }
  | { type: "notice"; message: string };

/** How a torrent stands. */
export interface TorrentStats {
  /** What it is doing. */
  phase: TorrentPhase;
  /** The bytes of all pieces. */
  totalBytes: number;
  /** The bytes of the pieces that are verified and on disk. */
  verifiedBytes: number;
  /** The bytes of blocks that wait for the rest of their piece. */
  gatheringBytes: number;
  /** How many pieces there are. */
  pieceCount: number;
  /** How many pieces are verified. */
  verifiedPieces: number;
  /** While finding: how many bytes of the info dictionary are here. */
  metadataBytes: number;
  /** How many bytes it has, as far as is known. */
  metadataTotalBytes: number;
  /** How many peers offer it, while it is not here. */
  metadataPeers: number;
  /** Who has sent some of it, while it is not here. */
  metadataFrom: readonly string[];
  /** How many bytes of piece hashes have come that were missing (BEP 52). */
  hashBytes: number;
  /** How many were missing. */
  hashTotalBytes: number;
  /** While checking: how many bytes were read. */
  checkedBytes: number;
  /** While checking: how many bytes must be read. */
  bytesToCheck: number;
  /** The bytes of blocks that came from peers and web seeds in this run. */
  receivedBytes: number;
  /** The bytes that came and were of no use. */
  wastedBytes: number;
  /** How fast blocks come, in bytes per second. */
  bytesPerSecond: number;
  /** The bytes of blocks that went to peers in this run. */
  sentBytes: number;
  /** How fast blocks go, in bytes per second. */
  sentPerSecond: number;
  /** The time until the download is complete, in seconds, if it can be told. */
  secondsLeft: number | undefined;
  /** How many peers are connected. */
  peers: number;
  /** How many of them have everything. */
  seeds: number;
  /** How many of them serve us. */
  serving: number;
  /** How many of them we serve. */
  served: number;
  /** How many web seeds may have something for us. */
  webSeeds: number;
  /** How many of them give us something now. */
  webSeedsServing: number;
  /** How many addresses are known that could be dialled. */
  candidates: number;
  /** How many peers were dialled, or came. */
  tried: number;
  /** How many peers were banned. */
  banned: number;
  /** How many pieces had a wrong hash. */
  hashMismatches: number;
  /** How many trackers there are. */
  trackers: number;
  /** How many trackers have answered. */
  trackersAnswered: number;
  /** How many nodes of the DHT are known. */
  dhtNodes: number;
}
