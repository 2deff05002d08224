/**
 * Torrents and their payloads, made in memory.
 *
 * @module
 */

import { type BencodeInput, encodeBencode } from "../../src/bytes/bencode.ts";
import { sha1 } from "../../src/bytes/hash.ts";
import { type Metainfo, parseMetainfo } from "../../src/metainfo/metainfo.ts";
import { randomBytes, seededRandom } from "./seeded_random.ts";
import { dirname, join } from "@std/path";

/** What to make. */
export interface TorrentRecipe {
  /** The name of the file or folder; `payload` if not given. */
  name?: string;
  /** The length of a piece; 32 KiB if not given. */
  pieceLength?: number;
  /** The file's length, or each file's path and length. */
  files: number | Record<string, number>;
  /** More keys of files, by their paths; links have no payload (BEP 47). */
  fileInfo?: Record<string, Record<string, BencodeInput>>;
  /** Tracker URLs, each in a tier of its own. */
  trackers?: readonly string[];
  /** More keys of the info dictionary. */
  info?: Record<string, BencodeInput>;
  /** More keys of the file. */
  extra?: Record<string, BencodeInput>;
  /** What the payload is drawn from; 1 if not given. */
  seed?: number;
}

/** A torrent with its payload. */
export interface MadeTorrent {
  /** The .torrent file. */
  bytes: Uint8Array;
  /** What it says. */
  metainfo: Metainfo;
  /** All files in one row. */
  payload: Uint8Array;
  /** Each file's path below the download folder, and its bytes. */
  files: Map<string, Uint8Array>;
}

/**
 * Makes a torrent.
 *
 * @param recipe What to make.
 * @returns The torrent and its payload.
 */
export function makeTorrent(recipe: TorrentRecipe): MadeTorrent {
  const { name = "payload", pieceLength = 32_768 } = recipe;
  const lengths = typeof recipe.files === "number"
    ? [recipe.files]
    : Object.values(recipe.files);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const payload = randomBytes(total, seededRandom(recipe.seed ?? 1));
  const hashes: number[] = [];
  for (let at = 0; at < total; at += pieceLength) {
    hashes.push(...sha1(payload.subarray(at, at + pieceLength)));
  }
  const list = typeof recipe.files === "number" ? { length: recipe.files } : {
    files: Object.entries(recipe.files).map(([path, length]) => ({
      length,
      path: path.split("/"),
      ...recipe.fileInfo?.[path],
    })),
  };
  const bytes = encodeBencode({
    ...(recipe.trackers
      ? { "announce-list": recipe.trackers.map((url) => [url]) }
      : {}),
    ...recipe.extra,
    info: {
      name,
      "piece length": pieceLength,
      pieces: Uint8Array.from(hashes),
      ...list,
      ...recipe.info,
    },
  });
  const paths = typeof recipe.files === "number"
    ? [name]
    : Object.keys(recipe.files).map((path) => `${name}/${path}`);
  const metainfo = parseMetainfo(bytes);
  const files = new Map<string, Uint8Array>();
  let at = 0;
  paths.forEach((path, i) => {
    const content = payload.slice(at, at += lengths[i]!);
    if (metainfo.files[i]!.kind === "file") files.set(path, content);
  });
  return { bytes, metainfo, payload, files };
}

/**
 * Writes the payload of a torrent to disk.
 *
 * @param torrent The torrent.
 * @param folder Where to.
 */
export function writePayload(torrent: MadeTorrent, folder: string): void {
  for (const [path, bytes] of torrent.files) {
    const target = join(folder, path);
    Deno.mkdirSync(dirname(target), { recursive: true });
    Deno.writeFileSync(target, bytes);
  }
}

/**
 * Compares the files on disk with the payload of a torrent.
 *
 * @param torrent The torrent.
 * @param folder Where the files lie.
 * @throws If one differs.
 */
export function checkPayload(torrent: MadeTorrent, folder: string): void {
  for (const [path, bytes] of torrent.files) {
    const found = Deno.readFileSync(join(folder, path));
    if (found.length !== bytes.length || found.some((b, i) => b !== bytes[i])) {
      throw new Error(`${path} differs`);
    }
  }
}
