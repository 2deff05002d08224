/**
 * btget as a library: a `Session` takes torrents in and downloads them.
 *
 * The map of the code, from the top down; imports go the same way:
 *
 * - `cli/`: words and pictures for a person;
 * - `mod.ts`: this door;
 * - `torrent/`: one torrent from start to end, and the session that holds many;
 * - `peer/`: one connection being lived;
 * - `tracker/`, `dht/`: ways to find peers;
 * - `storage/`, `net/`: the only doors to disk and network;
 * - `policy/`: what to ask of whom, whom to dial; pure;
 * - `wire/`: the protocol between peers; pure;
 * - `metainfo/`: what a .torrent file says; pure;
 * - `bytes/`: bencode, bitfields, endpoints, hashes; pure.
 *
 * @example Download the files of a torrent into a folder
 * ```ts
 * import { parseMetainfo, placeFiles, Session, trackersOf } from "./src/mod.ts";
 *
 * const metainfo = parseMetainfo(await Deno.readFile("file.torrent"));
 * await using session = new Session({ listenPorts: [0] });
 * const torrent = session.add(metainfo, {
 *   places: (metainfo) => placeFiles(metainfo, { folder: "downloads" }),
 *   trackers: trackersOf(metainfo, session).tiers,
 *   peers: [],
 *   maxPeers: 50,
 *   canRead: true,
 *   canWrite: true,
 *   mustCheckAll: false,
 *   mayOverwrite: false,
 *   isCheckOnly: false,
 * });
 * await torrent?.run({ signal: AbortSignal.timeout(600_000) });
 * ```
 *
 * @module
 */

export * from "./errors.ts";
export {
  type Endpoint,
  formatEndpoint,
  parseEndpoint,
} from "./bytes/endpoint.ts";
export {
  type FileKind,
  type Info,
  type Metainfo,
  type MetainfoOptions,
  parseMetainfo,
  type PieceLayers,
  type TorrentFile,
} from "./metainfo/metainfo.ts";
export { formatMagnet, type Magnet, parseMagnet } from "./metainfo/magnet.ts";
export { createTorrent, planTorrent } from "./metainfo/create.ts";
export { encodeTorrent } from "./metainfo/torrent_file.ts";
export type { NameRules } from "./metainfo/safe_path.ts";
export { type DownloadPlaces, placeFiles } from "./storage/places.ts";
export type {
  TorrentEvent,
  TorrentPhase,
  TorrentStats,
} from "./torrent/events.ts";
export {
  type DhtOptions,
  Session,
  type SessionOptions,
} from "./torrent/session.ts";
export { Torrent, type TorrentOptions } from "./torrent/torrent.ts";
export type { SeedingGoal } from "./torrent/options.ts";
export {
  type TrackerChoice,
  type TrackerSelection,
  trackersOf,
} from "./torrent/trackers.ts";
