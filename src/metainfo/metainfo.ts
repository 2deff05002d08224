/**
 * `Metainfo`: what a .torrent file says (BEP 3, 5, 12, 19, 27, 47), parsed and
 * validated. Pure.
 *
 * The info hash is taken over the bytes of the info dictionary as they are
 * written: a re-encoding would lose what this program does not know.
 *
 * @module
 */

import {
  type BencodeDictionary,
  bencodedLength,
  type BencodeValue,
  bytesAt,
  decodeBencode,
  dictionaryEntries,
  integerAt,
  latin1,
  listAt,
  listItems,
  textAt,
} from "../bytes/bencode.ts";
import { type Endpoint, endpointOf } from "../bytes/endpoint.ts";
import { HASH_LENGTH, sha1 } from "../bytes/hash.ts";
import { MetainfoError } from "../errors.ts";
import { MAX_PIECES, PieceLayout } from "./layout.ts";
import {
  distinctPaths,
  LINUX_NAMES,
  type NameRules,
  safeName,
  safePath,
} from "./safe_path.ts";
import { encodeHex } from "@std/encoding/hex";

/**
 * What becomes of an entry of the file list: a `file` is written, the bytes of
 * a `pad` (BEP 47) are zeros that exist in the pieces only, and a `symlink` is
 * not created.
 */
export type FileKind = "file" | "pad" | "symlink";

/** An entry of the file list. */
export interface TorrentFile {
  /**
   * Where it goes, as names below the download folder: safe, and shared with
   * no other file of the torrent.
   */
  readonly path: readonly string[];
  /** How long it is. */
  readonly length: number;
  /** What becomes of it. */
  readonly kind: FileKind;
}

/** A torrent's metainfo. */
export interface Metainfo {
  /** The SHA-1 of the info dictionary: the torrent's identity. */
  readonly infoHash: Uint8Array;
  /** The info dictionary as it is written. */
  readonly infoBytes: Uint8Array;
  /** The name of the file, or of the folder: safe as a name. */
  readonly name: string;
  /** Whether the files lie in a folder called `name`. */
  readonly isMultiFile: boolean;
  /** The files, in the torrent's order. */
  readonly files: readonly TorrentFile[];
  /** Where every piece and file lies. */
  readonly layout: PieceLayout;
  /** The SHA-1 of every piece, one after the other. */
  readonly pieceHashes: Uint8Array;
  /** Whether peers may come from trackers only (BEP 27). */
  readonly isPrivate: boolean;
  /** Tracker URLs as they are written, in their tiers (BEP 12). */
  readonly announceTiers: readonly (readonly string[])[];
  /** Web seeds (BEP 19, `url-list`), as they are written. */
  readonly webSeeds: readonly string[];
  /** DHT nodes (BEP 5). */
  readonly nodes: readonly Endpoint[];
  /** A remark by whoever made the torrent. */
  readonly comment: string | undefined;
  /** The program that made the torrent. */
  readonly createdBy: string | undefined;
  /** When the torrent was made, in seconds since 1970. */
  readonly creationDate: number | undefined;
}

/** Options for {@linkcode parseMetainfo}. */
export interface MetainfoOptions {
  /** What the file system makes of names; Linux's rules if not given. */
  names?: NameRules;
}

/**
 * Every piece is put together in memory, several at a time. The largest in
 * use are 64 MiB.
 */
const MAX_PIECE_LENGTH = 128 * 1024 * 1024;

/** The most files: a little more than libtorrent's limits let through. */
export const MAX_FILES = 300_000;

/** The most trackers: more would only be a way to make us ask around. */
export const MAX_TRACKERS = 100;

/** The most web seeds: more would only be a way to make us ask around. */
export const MAX_WEB_SEEDS = 100;

/** The most DHT nodes: a bucket times a few; the rest adds nothing. */
export const MAX_NODES = 100;

/** BitComet had pads before BEP 47 had its attribute. */
const BITCOMET_PAD = "_____padding_file_";

/** What is read of the file; nothing else in it is ever built. */
const ROOT_KEYS = new Set([
  "announce",
  "announce-list",
  "comment",
  "created by",
  "creation date",
  "nodes",
  "url-list",
]);

/** What is read of the info dictionary. */
const INFO_KEYS = new Set([
  "files",
  "length",
  "meta version",
  "name",
  "name.utf-8",
  "piece length",
  "pieces",
  "private",
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
  for (const { key, bytes: value } of entries) {
    if (key === "info") {
      if (info) throw new MetainfoError("info", "stands there twice");
      info = value;
    } else if (ROOT_KEYS.has(key) && !root.has(key)) {
      root.set(key, decodeBencode(value));
    }
  }
  if (!info) throw new MetainfoError("info", "is missing");
  return {
    ...parseInfo(info, options),
    announceTiers: announceTiers(root),
    webSeeds: webSeeds(root),
    nodes: nodes(root),
    comment: textAt(root, "comment"),
    createdBy: textAt(root, "created by"),
    creationDate: integerAt(root, "creation date"),
  };
}

/** What the info dictionary itself says. */
export type Info = Pick<
  Metainfo,
  | "infoHash"
  | "infoBytes"
  | "name"
  | "isMultiFile"
  | "files"
  | "layout"
  | "pieceHashes"
  | "isPrivate"
>;

/**
 * Reads an info dictionary.
 *
 * @param infoBytes The dictionary as it is written.
 * @param options The rules for names.
 * @returns What it says.
 * @throws {MetainfoError} If it cannot be used, with the field to blame.
 * @throws {BencodeError} If it is not bencoded.
 */
export function parseInfo(
  infoBytes: Uint8Array,
  options: MetainfoOptions = {},
): Info {
  const rules = options.names ?? LINUX_NAMES;
  const entries = dictionaryEntries(infoBytes);
  if (!entries) throw new MetainfoError("info", "is not a dictionary");
  if (bencodedLength(infoBytes) !== infoBytes.length) {
    throw new MetainfoError("info", "is followed by other bytes");
  }
  const info: BencodeDictionary = new Map();
  let fileList: Uint8Array | undefined;
  for (const { key, bytes } of entries) {
    if (!INFO_KEYS.has(key)) continue;
    // Two values for one key: programs would differ about what the torrent is.
    if (info.has(key) || (key === "files" && fileList)) {
      throw new MetainfoError(`info.${key}`, "stands there twice");
    }
    // The list of files is read file by file: built whole it is far too big.
    if (key === "files") fileList = bytes;
    else info.set(key, decodeBencode(bytes));
  }

  const pieceLength = requiredInteger(info, "piece length", "info");
  if (pieceLength < 1 || pieceLength > MAX_PIECE_LENGTH) {
    throw new MetainfoError(
      "info.piece length",
      `is ${pieceLength}; it must be from 1 to ${MAX_PIECE_LENGTH}`,
    );
  }
  const pieceHashes = bytesAt(info, "pieces");
  if (!pieceHashes) {
    const isV2 = info.get("meta version") === 2;
    throw new MetainfoError(
      "info.pieces",
      isV2
        ? "is missing: this is a BitTorrent v2 torrent, and btget reads v1 and hybrid ones"
        : "is missing or not a byte string",
    );
  }

  const infoHash = sha1(infoBytes);
  const rawName = bytesAt(info, "name.utf-8") ?? bytesAt(info, "name");
  if (!rawName) {
    throw new MetainfoError("info.name", "is missing or not a byte string");
  }
  // A name that is nothing but a way out of the folder gives no name.
  const name =
    (latin1(rawName) === ".." ? undefined : safeName(rawName, rules)) ??
      encodeHex(infoHash);

  if (fileList && info.has("length")) {
    throw new MetainfoError("info", "holds both 'length' and 'files'");
  }
  const files = fileList ? multipleFiles(fileList, name, rules) : [{
    path: [name],
    length: fileLength(info, "info"),
    kind: "file" as const,
  }];

  const layout = new PieceLayout(pieceLength, files.map((file) => file.length));
  if (!Number.isSafeInteger(layout.length)) {
    throw new MetainfoError("info.files", "are more than 2^53 bytes together");
  }
  if (layout.pieceCount > MAX_PIECES) {
    throw new MetainfoError(
      "info.piece length",
      `cuts the files into more than ${MAX_PIECES} pieces`,
    );
  }
  if (pieceHashes.length !== layout.pieceCount * HASH_LENGTH) {
    throw new MetainfoError(
      "info.pieces",
      `has ${pieceHashes.length} bytes; ${layout.pieceCount} pieces need ${
        layout.pieceCount * HASH_LENGTH
      }`,
    );
  }
  return {
    infoHash,
    infoBytes,
    name,
    isMultiFile: fileList !== undefined,
    files,
    layout,
    pieceHashes,
    isPrivate: info.get("private") === 1,
  };
}

function multipleFiles(
  list: Uint8Array,
  name: string,
  rules: NameRules,
): TorrentFile[] {
  const items = listItems(list);
  if (!items) throw new MetainfoError("info.files", "is not a list");
  const listed: TorrentFile[] = [];
  for (const item of items) {
    if (listed.length >= MAX_FILES) {
      throw new MetainfoError(
        "info.files",
        `has more than ${MAX_FILES} entries`,
      );
    }
    const field = `info.files[${listed.length}]`;
    const file = listedFile(item, field, rules);
    listed.push({ ...file, path: [name, ...file.path] });
  }
  if (listed.length === 0) throw new MetainfoError("info.files", "is empty");
  const written = listed.filter((file) => file.kind !== "pad");
  const paths = distinctPaths(written.map((file) => file.path), rules).values();
  return listed.map((file) =>
    file.kind === "pad" ? file : { ...file, path: paths.next().value! }
  );
}

function listedFile(
  item: Uint8Array,
  field: string,
  rules: NameRules,
): TorrentFile {
  const entry = decodeBencode(item);
  if (!(entry instanceof Map)) {
    throw new MetainfoError(field, "is not a dictionary");
  }
  const attributes = textAt(entry, "attr") ?? "";
  // Pads are never written, so they need no path and share one freely.
  if (attributes.includes("p")) {
    const length = fileLength(entry, field);
    return { path: [".pad", String(length)], length, kind: "pad" };
  }
  const path = filePath(entry, field, rules);
  // BEP 47: "The length of a symlink is always zero"
  if (attributes.includes("l")) return { path, length: 0, kind: "symlink" };
  const isPad = path.at(-1)!.startsWith(BITCOMET_PAD);
  const length = fileLength(entry, field);
  return { path, length, kind: isPad ? "pad" : "file" };
}

function filePath(
  entry: BencodeDictionary,
  field: string,
  rules: NameRules,
): string[] {
  const key = Array.isArray(entry.get("path.utf-8")) ? "path.utf-8" : "path";
  const elements = listAt(entry, key);
  if (!elements) {
    throw new MetainfoError(`${field}.path`, "is missing or not a list");
  }
  const raw = elements.filter((element) => element instanceof Uint8Array);
  if (raw.length !== elements.length) {
    throw new MetainfoError(`${field}.path`, "holds what is not a byte string");
  }
  const path = safePath(raw, rules);
  if (typeof path === "string") throw new MetainfoError(`${field}.path`, path);
  return path;
}

function fileLength(dictionary: BencodeDictionary, field: string): number {
  const length = requiredInteger(dictionary, "length", field);
  if (length < 0) throw new MetainfoError(`${field}.length`, "is negative");
  return length;
}

function requiredInteger(
  dictionary: BencodeDictionary,
  key: string,
  field: string,
): number {
  const value = integerAt(dictionary, key);
  if (value !== undefined) return value;
  const problem = typeof dictionary.get(key) === "bigint"
    ? "is beyond 2^53"
    : "is missing or not an integer";
  throw new MetainfoError(`${field}.${key}`, problem);
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

/** BEP 19: one URL or a list of them. */
function webSeeds(root: BencodeDictionary): string[] {
  const value = root.get("url-list");
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
