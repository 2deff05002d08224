/**
 * How a torrent stands, gathered from those who know.
 *
 * @module
 */

import { formatEndpoint } from "../bytes/endpoint.ts";
import type { Contacts } from "./contacts.ts";
import type { TorrentPhase, TorrentStats } from "./events.ts";
import type { Identity } from "./identity.ts";
import type { TorrentFiles } from "./torrent_files.ts";
import type { Transfer } from "./transfer.ts";

/** Who knows how a torrent stands. */
export interface StatsSources {
  /** What it is doing. */
  phase: TorrentPhase;
  /** What is known of it. */
  identity: Identity;
  /** Its files, once it is known which. */
  files: TorrentFiles | undefined;
  /** Whom we know. */
  contacts: Contacts;
  /** What moves, once something does. */
  transfer: Transfer | undefined;
}

/**
 * Takes a snapshot.
 *
 * @param sources Who knows.
 * @returns How the torrent stands now.
 */
export function takeStats(sources: StatsSources): TorrentStats {
  const { phase, identity, files, contacts, transfer } = sources;
  const { metainfo, metadata, trees } = identity;
  const layout = metainfo?.layout;
  const have = files?.have;
  const verifiedBytes = transfer?.store.verifiedBytes ??
    (have && layout?.bytesOf(have)) ?? 0;
  const gatheringBytes = transfer?.store.gatheringBytes ?? 0;
  const now = performance.now();
  const bytesPerSecond = transfer?.download.received.bytesPerSecond(now) ?? 0;
  const missing = (layout?.dataLength ?? 0) - verifiedBytes - gatheringBytes;
  const peers = [...contacts.peers];
  const { progress } = metadata;
  return {
    phase,
    totalBytes: layout?.dataLength ?? 0,
    verifiedBytes,
    gatheringBytes,
    pieceCount: layout?.pieceCount ?? 0,
    verifiedPieces: have?.count ?? 0,
    metadataBytes: metadata.length ?? progress.received,
    metadataTotalBytes: metadata.length ?? progress.length,
    metadataPeers: progress.offering,
    metadataFrom: progress.givers.map(({ endpoint }) =>
      formatEndpoint(endpoint)
    ),
    hashBytes: trees.progress.received,
    hashTotalBytes: trees.progress.total,
    checkedBytes: files?.progress.checkedBytes ?? 0,
    bytesToCheck: files?.progress.totalBytes ?? 0,
    receivedBytes: transfer?.download.received.total ?? 0,
    wastedBytes: transfer?.download.wastedBytes ?? 0,
    bytesPerSecond,
    sentBytes: transfer?.upload.sent.total ?? 0,
    sentPerSecond: transfer?.upload.sent.bytesPerSecond(now) ?? 0,
    secondsLeft: bytesPerSecond > 0 ? missing / bytesPerSecond : undefined,
    peers: peers.length,
    seeds: peers.filter(({ state }) => state.hasAll).length,
    serving: peers.filter(({ state }) => !state.peerChoking).length,
    served: peers.filter(({ state }) => !state.amChoking).length,
    webSeeds: transfer?.webSeeds.usable ?? 0,
    webSeedsServing: transfer?.webSeeds.serving ?? 0,
    candidates: contacts.candidates.idleCount,
    tried: contacts.tried,
    banned: contacts.swarm.banned,
    hashMismatches: transfer?.mismatches ?? 0,
    trackers: contacts.announcer.size,
    trackersAnswered: contacts.trackersAnswered,
    dhtNodes: contacts.dhtNodes,
  };
}
