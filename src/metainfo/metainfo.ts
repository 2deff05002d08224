/**
 * `Metainfo`: what a .torrent file says (BEP 3, 5, 12, 17, 19, 27, 52), parsed and
 * validated. Pure.
 *
 * @module
 */

import {
  type BencodeDictionary,
  bencodedLength,
  type BencodeValue,
  decodeBencode,
  dictionaryEntries,
  integerAt,
  listAt,
  textAt,
} from "../bytes/bencode.ts";
import { type Endpoint, endpointOf } from "../bytes/endpoint.ts";
import { MetainfoError } from "../errors.ts";
import { type PieceLayers, readPieceLayers } from "./file_tree.ts";
import { type Info, type MetainfoOptions, parseInfo } from "./info.ts";

export { type FileKind, MAX_FILES, type TorrentFile } from "./file_list.ts";
export type { PieceLayers } from "./file_tree.ts";
export { type Info, type MetainfoOptions, parseInfo } from "./info.ts";

/** A torrent's metainfo. */
export interface Metainfo extends Info {
  /** The hash trees of files, as far as they are known. */
  readonly pieceLayers: PieceLayers;
  /** Tracker URLs as they are written, in their tiers (BEP 12). */
  readonly announceTiers: readonly (readonly string[])[];
  /** Web seeds (BEP 19, `url-list`), as they are written. */
  readonly webSeeds: readonly string[];
  /** Web seeds of the other kind (BEP 17, `httpseeds`), as they are written. */
  readonly httpSeeds: readonly string[];
  /** DHT nodes (BEP 5). */
  readonly nodes: readonly Endpoint[];
  /** A remark by whoever made the torrent. */
  readonly comment: string | undefined;
  /** The program that made the torrent. */
  readonly createdBy: string | undefined;
  /** When the torrent was made, in seconds since 1970. */
  readonly creationDate: number | undefined;
}

/** The most trackers: more would only be a way to make us ask around. */
export const MAX_TRACKERS = 100;

/** The most web seeds: more would only be a way to make us ask around. */
export const MAX_WEB_SEEDS = 100;

/** The most DHT nodes: a bucket times a few; the rest adds nothing. */
export const MAX_NODES = 100;

/** What is read of the file; nothing else in it is ever built. */
const ROOT_KEYS = new Set([
  "announce",
  "announce-list",
  "comment",
  "created by",
  "creation date",
  "httpseeds",
  "nodes",
  "url-list",
]);

/**
 * Reads a .torrent file.
 *
 * @param bytes The file; what follows its dictionary is ignored.
 * @param options The rules for names.
 * @returns What it says; views into `bytes` where it is bytes.
 * @throws {MetainfoError} If it cannot be used, with the field to blame.
 * @throws {BencodeError} If it is not bencoded.
 */
export function parseMetainfo(
  bytes: Uint8Array,
  options: MetainfoOptions = {},
): Metainfo {
  const file = bytes.subarray(0, bencodedLength(bytes));
  const entries = dictionaryEntries(file);
  if (!entries) throw new MetainfoError("the file", "is not a dictionary");
  const root: BencodeDictionary = new Map();
  let info: Uint8Array | undefined;
  let layers: Uint8Array | undefined;
  for (const { key, bytes: value } of entries) {
    if (key === "info") {
      if (info) throw new MetainfoError("info", "stands there twice");
      info = value;
    } else if (key === "piece layers") {
      layers ??= value;
    } else if (ROOT_KEYS.has(key) && !root.has(key)) {
      root.set(key, decodeBencode(value));
    }
  }
  if (!info) throw new MetainfoError("info", "is missing");
  const parsed = parseInfo(info, options);
  const { files, layout: { pieceLength } } = parsed;
  return {
    ...parsed,
    pieceLayers: layers && parsed.metaVersion === 2
      ? readPieceLayers(layers, { files, pieceLength })
      : new Map(),
    announceTiers: announceTiers(root),
    webSeeds: webSeeds(root.get("url-list")),
    httpSeeds: webSeeds(root.get("httpseeds")),
    nodes: nodes(root),
    comment: textAt(root, "comment"),
    createdBy: textAt(root, "created by"),
    creationDate: integerAt(root, "creation date"),
  };
}

/** BEP 12: `announce` counts only where there is no `announce-list`. */
function announceTiers(root: BencodeDictionary): string[][] {
  const seen = new Set<string>();
  const fresh = (url: string) => {
    if (url === "" || seen.has(url) || seen.size >= MAX_TRACKERS) return false;
    seen.add(url);
    return true;
  };
  const tiers = (listAt(root, "announce-list") ?? [])
    .map((tier) => (Array.isArray(tier) ? texts(tier) : texts([tier])))
    .map((tier) => tier.filter(fresh))
    .filter((tier) => tier.length > 0);
  if (tiers.length > 0) return tiers;
  const announce = textAt(root, "announce");
  return announce ? [[announce]] : [];
}

/** BEP 19: one URL or a list of them; BEP 17: a list. */
function webSeeds(value: BencodeValue | undefined): string[] {
  const urls = texts(Array.isArray(value) ? value : [value]);
  return [...new Set(urls)].filter((url) => url !== "").slice(0, MAX_WEB_SEEDS);
}

/** BEP 5: a list of pairs of host and port. */
function nodes(root: BencodeDictionary): Endpoint[] {
  return (listAt(root, "nodes") ?? [])
    .flatMap((node) => {
      if (!Array.isArray(node)) return [];
      const [host, port] = node;
      if (!(host instanceof Uint8Array) || typeof port !== "number") return [];
      return endpointOf(new TextDecoder().decode(host), port) ?? [];
    })
    .slice(0, MAX_NODES);
}

function texts(values: readonly (BencodeValue | undefined)[]): string[] {
  return values
    .filter((value) => value instanceof Uint8Array)
    .map((value) => new TextDecoder().decode(value));
}
