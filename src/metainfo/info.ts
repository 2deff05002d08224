/**
 * `Info`: what the info dictionary of a torrent says (BEP 3, 27, 52), parsed
 * and validated. Pure.
 *
 * The info hash is taken over the bytes of the dictionary as they are written:
 * a re-encoding would lose what this program does not know.
 *
 * @module
 */

import {
  type BencodeDictionary,
  bencodedLength,
  bytesAt,
  decodeBencode,
  dictionaryEntries,
  latin1,
  type RawEntry,
  textAt,
} from "../bytes/bencode.ts";
import { HASH_LENGTH, sha1, sha256 } from "../bytes/hash.ts";
import { MetainfoError } from "../errors.ts";
import {
  executable,
  fileLength,
  filesIn,
  type ListedFile,
  readFileList,
  requiredInteger,
  type TorrentFile,
} from "./file_list.ts";
import {
  checkPieceLengthV2,
  joinHybrid,
  readFileTree,
  withPads,
} from "./file_tree.ts";
import { MAX_PIECES, PieceLayout } from "./layout.ts";
import { withTargets } from "./links.ts";
import { LINUX_NAMES, type NameRules, safeName } from "./safe_path.ts";
import { encodeHex } from "@std/encoding/hex";

/** What the info dictionary says. */
export interface Info {
  /**
   * The torrent's identity, 20 bytes: the SHA-1 of the info dictionary, or as
   * much of the SHA-256 if the torrent is for v2 alone.
   */
  readonly infoHash: Uint8Array;
  /** The SHA-256 of the info dictionary, of torrents for v2 (BEP 52). */
  readonly infoHashV2: Uint8Array | undefined;
  /** 2 for torrents for v2, hybrid ones among them. */
  readonly metaVersion: 1 | 2;
  /** Whether it is a torrent for v1, and `pieceHashes` are those of its pieces. */
  readonly hasV1: boolean;
  /** The info dictionary as it is written. */
  readonly infoBytes: Uint8Array;
  /** The name of the file, or of the folder: safe as a name. */
  readonly name: string;
  /** The same as the torrent has it, byte by byte. */
  readonly rawName: Uint8Array;
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
}

/** What a reader of torrents is told. */
export interface MetainfoOptions {
  /** What the file system makes of names; Linux's rules if not given. */
  names?: NameRules;
}

/**
 * Every piece is put together in memory, several at a time. The largest in
 * use are 64 MiB.
 */
const MAX_PIECE_LENGTH = 128 * 1024 * 1024;

/** What is read of the info dictionary. */
const INFO_KEYS = new Set([
  "attr",
  "file tree",
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
  const { info, fileList, fileTree } = infoEntries(entries);

  const pieceLength = requiredInteger(info, "piece length", "info");
  if (pieceLength < 1 || pieceLength > MAX_PIECE_LENGTH) {
    throw new MetainfoError(
      "info.piece length",
      `is ${pieceLength}; it must be from 1 to ${MAX_PIECE_LENGTH}`,
    );
  }
  const metaVersion = metaVersionOf(info);
  const pieceHashes = bytesAt(info, "pieces");
  const hasV1 = metaVersion === 1 || info.has("pieces");
  if (hasV1 && !pieceHashes) {
    throw new MetainfoError("info.pieces", "is missing or not a byte string");
  }
  if (metaVersion === 2) checkPieceLengthV2(pieceLength);

  const infoHashV2 = metaVersion === 2 ? sha256(infoBytes) : undefined;
  const infoHash = hasV1 || !infoHashV2
    ? sha1(infoBytes)
    : infoHashV2.slice(0, HASH_LENGTH);
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
  const list = !hasV1
    ? undefined
    : fileList
    ? readFileList(fileList, rules)
    : [singleFile(info, { name, rawName })];
  const tree = metaVersion === 2 ? requiredTree(fileTree, rules) : undefined;
  const isMultiFile = hasV1
    ? fileList !== undefined
    : tree!.length > 1 || tree![0]!.rawPath.length > 1 ||
      latin1(tree![0]!.rawPath[0]!) !== latin1(rawName);
  const entriesOf = (listed: readonly ListedFile[]) =>
    listed.map(({ rawPath, file }) =>
      file.kind === "pad" ? file : { ...file, rawPath }
    );
  const listed = !tree
    ? entriesOf(list!)
    : list
    ? joinHybrid(list, { tree, pieceLength })
    : withPads(entriesOf(tree), { pieceLength, atEnd: false });
  const files = isMultiFile
    ? withTargets(filesIn(listed, { name, rules }), {
      listed: list ?? tree!,
      rules,
    })
    : listed.map(({ rawPath: _, ...file }) => ({ ...file, path: [name] }));

  const layout = new PieceLayout(
    pieceLength,
    files.map((file) => file.length),
    { pads: padsOf(files), padsAreHashed: hasV1 },
  );
  if (!Number.isSafeInteger(layout.length)) {
    throw new MetainfoError("info.files", "are more than 2^53 bytes together");
  }
  if (layout.pieceCount > MAX_PIECES) {
    throw new MetainfoError(
      "info.piece length",
      `cuts the files into more than ${MAX_PIECES} pieces`,
    );
  }
  if (
    pieceHashes && pieceHashes.length !== layout.pieceCount * HASH_LENGTH
  ) {
    throw new MetainfoError(
      "info.pieces",
      `has ${pieceHashes.length} bytes; ${layout.pieceCount} pieces need ${
        layout.pieceCount * HASH_LENGTH
      }`,
    );
  }
  return {
    infoHash,
    infoHashV2,
    metaVersion,
    hasV1,
    infoBytes,
    name,
    rawName,
    isMultiFile,
    files,
    layout,
    pieceHashes: pieceHashes ?? new Uint8Array(),
    isPrivate: info.get("private") === 1,
  };
}

function padsOf(files: readonly TorrentFile[]): Set<number> {
  const pads = new Set<number>();
  files.forEach(({ kind }, file) => kind === "pad" && pads.add(file));
  return pads;
}

/** The entries that count; what lists files is read file by file later. */
function infoEntries(entries: Iterable<RawEntry>) {
  const info: BencodeDictionary = new Map();
  let fileList: Uint8Array | undefined;
  let fileTree: Uint8Array | undefined;
  for (const { key, bytes } of entries) {
    if (!INFO_KEYS.has(key)) continue;
    // Two values for one key: programs would differ about what the torrent is.
    const isTwice = key === "files"
      ? fileList
      : key === "file tree"
      ? fileTree
      : info.has(key);
    if (isTwice) throw new MetainfoError(`info.${key}`, "stands there twice");
    // Built whole, a list of files is far too big.
    if (key === "files") fileList = bytes;
    else if (key === "file tree") fileTree = bytes;
    else info.set(key, decodeBencode(bytes));
  }
  return { info, fileList, fileTree };
}

function metaVersionOf(info: BencodeDictionary): 1 | 2 {
  const version = info.get("meta version");
  if (version === 1 || version === 2) return version;
  if (typeof version !== "number" && typeof version !== "bigint") return 1;
  throw new MetainfoError("info.meta version", "is neither 1 nor 2");
}

function requiredTree(
  tree: Uint8Array | undefined,
  rules: NameRules,
): ListedFile[] {
  if (tree) return readFileTree(tree, rules);
  throw new MetainfoError("info.file tree", "is missing");
}

function singleFile(
  info: BencodeDictionary,
  { name, rawName }: { name: string; rawName: Uint8Array },
): ListedFile {
  const file: TorrentFile = {
    path: [name],
    length: fileLength(info, "info"),
    kind: "file",
    ...executable(textAt(info, "attr") ?? ""),
  };
  return { rawPath: [rawName], file };
}
