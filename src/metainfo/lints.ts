/**
 * What in a torrent will make trouble somewhere, though it can be used. Pure.
 *
 * @module
 */

import {
  bencodedLength,
  dictionaryEntries,
  latin1,
  type RawEntry,
} from "../bytes/bencode.ts";
import { encodeHex } from "@std/encoding/hex";
import { readFileList } from "./file_list.ts";
import { readFileTree } from "./file_tree.ts";
import type { Metainfo } from "./metainfo.ts";
import {
  distinctPaths,
  LINUX_NAMES,
  type NameRules,
  safePath,
} from "./safe_path.ts";

/** Something to be warned of. */
export interface Lint {
  /** What it is, for programs. */
  readonly code: string;
  /** The same in a sentence. */
  readonly message: string;
}

/** Old clients do not go above. */
const MAX_PIECE_LENGTH = 16 * 1024 * 1024;

/** Less than a block: each piece costs a message more. */
const MIN_PIECE_LENGTH = 16 * 1024;

/** Some clients refuse more than this from peers, all need long for it. */
const MAX_METADATA_BYTES = 1024 * 1024;

/** What every client can announce to. */
const TRACKER_SCHEME = /^(https?|udp):\/\//i;

/**
 * Looks for trouble.
 *
 * @param bytes The .torrent file.
 * @param metainfo What it says.
 * @returns What there is.
 */
export function findLints(bytes: Uint8Array, metainfo: Metainfo): Lint[] {
  const lints: Lint[] = [];
  const warn = (code: string, message: string) => lints.push({ code, message });
  lintBencoding(bytes, { metainfo, warn });
  lintPeers(metainfo, warn);
  lintPieces(metainfo, warn);
  lintNames(metainfo, warn);
  return lints;
}

type Warn = (code: string, message: string) => void;

function lintBencoding(
  bytes: Uint8Array,
  { metainfo, warn }: { metainfo: Metainfo; warn: Warn },
): void {
  const spare = bytes.length - bencodedLength(bytes);
  if (spare > 0) {
    warn(
      "trailing-bytes",
      `${spare} bytes follow the torrent: some programs refuse it`,
    );
  }
  const dictionaries: [name: string, bytes: Uint8Array][] = [
    ["the file", bytes],
    ["the info dictionary", metainfo.infoBytes],
  ];
  for (const [name, dictionary] of dictionaries) {
    const keys = [...dictionaryEntries(dictionary) ?? []]
      .map(({ key }: RawEntry) => key);
    if (new Set(keys).size < keys.length) {
      warn(
        "duplicate-key",
        `A key stands in ${name} twice: programs read different torrents`,
      );
    } else if (keys.some((key, i) => i > 0 && key < keys[i - 1]!)) {
      warn(
        "unsorted-keys",
        `The keys of ${name} are not sorted: some programs refuse it`,
      );
    }
  }
}

function lintPeers(metainfo: Metainfo, warn: Warn): void {
  const { isPrivate, nodes, webSeeds, httpSeeds } = metainfo;
  const trackers = metainfo.announceTiers.flat();
  if (trackers.length === 0 && isPrivate) {
    warn(
      "private-without-tracker",
      "It is private and has no tracker: nobody can be found",
    );
  } else if (trackers.length === 0) {
    warn("no-tracker", "It has no tracker: peers come from the DHT alone");
  }
  if (isPrivate && nodes.length > 0) {
    warn(
      "private-with-nodes",
      "It is private and names DHT nodes: clients ignore one or the other",
    );
  }
  for (const url of trackers) {
    if (TRACKER_SCHEME.test(url) && URL.canParse(url)) continue;
    warn("tracker-url", `Clients cannot ask this tracker: ${url}`);
  }
  for (const url of [...webSeeds, ...httpSeeds]) {
    if (/^https?:\/\//i.test(url) && URL.canParse(url)) continue;
    warn("web-seed-url", `Clients cannot use this web seed: ${url}`);
  }
}

function lintPieces(metainfo: Metainfo, warn: Warn): void {
  const { files, infoBytes, pieceLayers } = metainfo;
  const { pieceLength } = metainfo.layout;
  if (!Number.isInteger(Math.log2(pieceLength))) {
    warn(
      "piece-length",
      `Pieces of ${pieceLength} bytes are no power of two: some clients refuse them`,
    );
  } else if (pieceLength < MIN_PIECE_LENGTH) {
    warn(
      "piece-length",
      `Pieces of ${pieceLength} bytes are smaller than a block: all goes slowly`,
    );
  } else if (pieceLength > MAX_PIECE_LENGTH) {
    warn(
      "piece-length",
      `Pieces of ${pieceLength} bytes are more than some clients take`,
    );
  }
  if (infoBytes.length > MAX_METADATA_BYTES) {
    warn(
      "large-metadata",
      `The info dictionary has ${infoBytes.length} bytes: a magnet link needs long, and some clients refuse it`,
    );
  }
  const bare = files.filter(({ piecesRoot, length }) =>
    piecesRoot && length > pieceLength &&
    !pieceLayers.has(encodeHex(piecesRoot))
  );
  if (bare.length > 0) {
    warn(
      "no-piece-layer",
      `Of ${bare.length} files the piece layer is missing: it must come from peers`,
    );
  }
  const links = files.filter(({ kind }) => kind === "symlink");
  const wrong = links.find(({ target }) => !target);
  if (links.length > 0) {
    warn(
      "symlink",
      "It has symbolic links: some clients make them, others do not",
    );
  }
  if (wrong) {
    warn(
      "bad-symlink",
      `Clients leave out links that lead out of the torrent, or nowhere, such as this: ${
        wrong.path.slice(1).join("/")
      }`,
    );
  }
}

const WINDOWS_NAMES: NameRules = { windows: true, foldsCase: true };

function lintNames(metainfo: Metainfo, warn: Warn): void {
  const raw = rawPaths(metainfo);
  const decoder = new TextDecoder();
  const joined = (path: readonly Uint8Array[]) =>
    path.map((name) => decoder.decode(name)).join("/");
  const safe = (rules: NameRules) =>
    raw.map((path) => {
      const names = safePath(path, rules);
      return typeof names === "string" ? [] : names;
    });
  const onLinux = safe(LINUX_NAMES);
  const changed = raw.findIndex((path, i) =>
    joined(path) !== onLinux[i]!.join("/")
  );
  if (changed >= 0) {
    warn(
      "unsafe-name",
      `Clients change names such as this: ${joined(raw[changed]!)}`,
    );
  }
  const distinct = distinctPaths(onLinux, LINUX_NAMES);
  if (distinct.some((path, i) => path !== onLinux[i])) {
    warn("same-name", "Two files have the same name: clients rename one");
    return;
  }
  const onWindows = safe(WINDOWS_NAMES);
  const other = onWindows.findIndex((path, i) =>
    path.join("/") !== onLinux[i]!.join("/")
  );
  if (other >= 0) {
    warn(
      "windows-name",
      `Windows cannot hold names such as this: ${onLinux[other]!.join("/")}`,
    );
  }
  const folded = distinctPaths(onWindows, WINDOWS_NAMES);
  if (folded.some((path, i) => path !== onWindows[i])) {
    warn(
      "case",
      "Names differ in case only: Windows and macOS cannot hold both",
    );
  }
}

/** The paths as the torrent has them, without the name of the folder. */
function rawPaths({ infoBytes, hasV1, isMultiFile }: Metainfo) {
  const entries = new Map(
    [...dictionaryEntries(infoBytes)!].map(({ key, bytes }) => [key, bytes]),
  );
  const name = entries.get("name.utf-8") ?? entries.get("name")!;
  const named = [name.subarray(latin1(name.subarray(0, 20)).indexOf(":") + 1)];
  if (!isMultiFile) return [named];
  const listed = hasV1
    ? readFileList(entries.get("files")!, LINUX_NAMES)
    : readFileTree(entries.get("file tree")!, LINUX_NAMES);
  return [
    named,
    ...listed.filter(({ file }) => file.kind !== "pad")
      .map(({ rawPath }) => rawPath),
  ];
}
