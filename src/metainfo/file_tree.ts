/**
 * The files of a torrent, as v2 has them: `file tree` and `piece layers`
 * (BEP 52), with attributes (BEP 47). Pure.
 *
 * Every file begins a piece of its own. Between the end of a file and the next
 * piece lie zeros that no file has: they are pads here, as hybrid torrents
 * write them down for v1, so that one row of pieces serves both.
 *
 * @module
 */

import {
  type BencodeDictionary,
  type BencodeInput,
  BencodeReader,
  bytesAt,
  decodeBencode,
  dictionaryEntries,
  encodeBencode,
  fromLatin1,
  latin1,
  textAt,
} from "../bytes/bencode.ts";
import { hashesEqual, SHA256_LENGTH } from "../bytes/hash.ts";
import { MetainfoError } from "../errors.ts";
import {
  executable,
  fileLength,
  type ListedFile,
  MAX_FILES,
  padFile,
  rawTarget,
  tooManyFiles,
  type TorrentFile,
} from "./file_list.ts";
import { BLOCK_LENGTH } from "./layout.ts";
import { merkleRoot, pieceLevel } from "./merkle.ts";
import { type NameRules, safePath } from "./safe_path.ts";
import { encodeHex } from "@std/encoding/hex";

/** What the tree is called in messages. */
const FIELD = "info.file tree";

/** What the layers are called in messages. */
const LAYERS_FIELD = "piece layers";

/**
 * Reads the tree of files.
 *
 * @param tree The value of `file tree` as it is written.
 * @param rules The rules for names.
 * @returns The files, in the tree's order, without pads.
 * @throws {MetainfoError} If the tree cannot be used.
 * @throws {BencodeError} If it is not bencoded.
 */
export function readFileTree(tree: Uint8Array, rules: NameRules): ListedFile[] {
  const reader = new BencodeReader(tree);
  if (!reader.isDictionary) throw new MetainfoError(FIELD, "is no dictionary");
  const files: ListedFile[] = [];
  readFolder(reader, { path: [], files, rules });
  if (files.length === 0) throw new MetainfoError(FIELD, "has no files");
  return files;
}

interface Folder {
  /** Where it lies. */
  path: readonly Uint8Array[];
  /** All files that were found until now. */
  files: ListedFile[];
  rules: NameRules;
}

function readFolder(reader: BencodeReader, folder: Folder): void {
  const { path, files, rules } = folder;
  reader.open();
  let before: string | undefined;
  while (!reader.close()) {
    const field = `${FIELD}[${files.length}]`;
    const name = reader.byteString();
    const key = latin1(name);
    // Programs that sort anew would find another order of pieces.
    if (before !== undefined && key <= before) {
      throw new MetainfoError(field, "is out of order, or stands there twice");
    }
    if (before === "" || (key === "" && path.length === 0)) {
      throw new MetainfoError(field, "is a file and a folder at once");
    }
    before = key;
    if (key === "") {
      if (files.length >= MAX_FILES) throw tooManyFiles(FIELD);
      files.push(treeFile(reader.raw(), { path, field, rules }));
    } else if (reader.isDictionary) {
      readFolder(reader, { ...folder, path: [...path, name] });
    } else {
      throw new MetainfoError(field, "is not a dictionary");
    }
  }
}

function treeFile(
  bytes: Uint8Array,
  { path: rawPath, field, rules }: {
    path: readonly Uint8Array[];
    field: string;
    rules: NameRules;
  },
): ListedFile {
  const entry = decodeBencode(bytes);
  if (!(entry instanceof Map)) {
    throw new MetainfoError(field, "is not a dictionary");
  }
  if (!hashesEqual(encodeBencode(entry), bytes)) {
    throw new MetainfoError(field, "is not written in the one right way");
  }
  const path = safePath(rawPath, rules);
  if (typeof path === "string") throw new MetainfoError(field, path);
  const attributes = textAt(entry, "attr") ?? "";
  if (attributes.includes("p")) {
    throw new MetainfoError(field, "is a pad, which no tree has");
  }
  // BEP 47: those who read "should not require" a length of links, and
  // libtorrent writes none.
  if (attributes.includes("l") && (entry.get("length") ?? 0) === 0) {
    const file = { path, length: 0, kind: "symlink" } as const;
    return { rawPath, rawTarget: rawTarget(entry), file };
  }
  const length = fileLength(entry, field);
  const root = length > 0 ? { piecesRoot: readRoot(entry, field) } : {};
  const kind = "file" as const;
  return {
    rawPath,
    file: { path, length, kind, ...root, ...executable(attributes) },
  };
}

function readRoot(entry: BencodeDictionary, field: string): Uint8Array {
  const root = bytesAt(entry, "pieces root");
  if (root?.length !== SHA256_LENGTH || root.every((byte) => byte === 0)) {
    throw new MetainfoError(`${field}.pieces root`, "is missing or no SHA-256");
  }
  return root;
}

/**
 * Checks what v2 wants of the length of pieces.
 *
 * @param pieceLength The length.
 * @throws {MetainfoError} If no tree goes with it.
 */
export function checkPieceLengthV2(pieceLength: number): void {
  if (
    pieceLength < BLOCK_LENGTH || !Number.isInteger(Math.log2(pieceLength))
  ) {
    throw new MetainfoError(
      "info.piece length",
      `is ${pieceLength}; in a v2 torrent it must be a power of two from ` +
        `${BLOCK_LENGTH}`,
    );
  }
}

/**
 * Puts pads behind files, so that the next begins a piece.
 *
 * @param files The files, without pads.
 * @param options The length of a piece, and whether the last piece is filled
 * up too.
 * @returns The files with pads.
 */
export function withPads<File extends { readonly length: number }>(
  files: readonly File[],
  { pieceLength, atEnd }: { pieceLength: number; atEnd: boolean },
): (File | TorrentFile)[] {
  const last = files.findLastIndex(({ length }) => length > 0);
  return files.flatMap((file, i) => {
    const spare = aligned(file.length, pieceLength) - file.length;
    return spare > 0 && (atEnd || i !== last) ? [file, padFile(spare)] : [file];
  });
}

/**
 * Checks that a hybrid torrent is the same for v1 and v2, and tells v1's files
 * their trees.
 *
 * @param list What it lists for v1, pads and all.
 * @param options What it lists for v2, and the length of a piece.
 * @returns The files of v1, with the roots of v2.
 * @throws {MetainfoError} If the two differ.
 */
export function joinHybrid(
  list: readonly ListedFile[],
  { tree, pieceLength }: { tree: readonly ListedFile[]; pieceLength: number },
): TorrentFile[] {
  const differs = (problem: string) =>
    new MetainfoError(FIELD, `and the files of v1 differ: ${problem}`);
  const rest = tree.values();
  let offset = 0;
  let end = 0;
  const joined = list.map(({ rawPath, rawTarget, file }, i) => {
    const begin = offset;
    offset += file.length;
    if (file.kind === "pad") return file;
    const other = rest.next().value;
    if (
      !other || !samePath(rawPath, other.rawPath) ||
      file.length !== other.file.length || file.kind !== other.file.kind ||
      !samePath(rawTarget ?? [], other.rawTarget ?? [])
    ) throw differs(`file ${i} is not the same`);
    if (file.length > 0) {
      if (begin !== aligned(end, pieceLength)) {
        throw differs(`file ${i} does not begin the next piece`);
      }
      end = offset;
    }
    const { piecesRoot } = other.file;
    return { ...file, rawPath, ...(piecesRoot ? { piecesRoot } : {}) };
  });
  if (!rest.next().done) throw differs("v1 has fewer");
  if (offset !== end && offset !== aligned(end, pieceLength)) {
    throw differs("more than a pad follows the last file");
  }
  return joined;
}

function aligned(offset: number, pieceLength: number): number {
  return Math.ceil(offset / pieceLength) * pieceLength;
}

function samePath(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  return a.length === b.length &&
    a.every((name, i) => hashesEqual(name, b[i]!));
}

/** The piece layers of files, by the roots of the files in hex. */
export type PieceLayers = ReadonlyMap<string, Uint8Array>;

/**
 * Reads the piece layers. A file without its layer is fine: peers have it.
 *
 * @param bytes The value of `piece layers` as it is written.
 * @param options The files, and the length of a piece.
 * @returns The layers, each proven by the root of its file.
 * @throws {MetainfoError} If a layer is of no file, or wrong.
 */
export function readPieceLayers(
  bytes: Uint8Array,
  { files, pieceLength }: {
    files: readonly TorrentFile[];
    pieceLength: number;
  },
): PieceLayers {
  const entries = dictionaryEntries(bytes);
  if (!entries) throw new MetainfoError(LAYERS_FIELD, "is not a dictionary");
  const lengths = new Map<string, number>();
  for (const { piecesRoot, length } of files) {
    if (!piecesRoot || length <= pieceLength) continue;
    lengths.set(
      encodeHex(piecesRoot),
      Math.ceil(length / pieceLength) * SHA256_LENGTH,
    );
  }
  const level = pieceLevel(pieceLength);
  const layers = new Map<string, Uint8Array>();
  for (const { key, bytes } of entries) {
    const root = encodeHex(fromLatin1(key));
    const length = lengths.get(root);
    const field = `${LAYERS_FIELD}[${layers.size}]`;
    if (length === undefined) throw new MetainfoError(field, "is of no file");
    const layer = decodeBencode(bytes);
    if (!(layer instanceof Uint8Array) || layer.length !== length) {
      throw new MetainfoError(field, `is not ${length} bytes long`);
    }
    if (encodeHex(merkleRoot(layer, { level })) !== root) {
      throw new MetainfoError(field, "does not lead to the root of its file");
    }
    layers.set(root, layer);
  }
  return layers;
}

/** What a torrent says of a file beside its bytes (BEP 47). */
export interface FileAttributes {
  /** A letter for each attribute, if it has any. */
  readonly attr?: string;
  /** Where it leads, if it is a link. */
  readonly "symlink path"?: string[];
}

/** What a tree says of a file. */
export interface TreeFile {
  /** Its names below the torrent's folder. */
  readonly path: readonly string[];
  /** How long it is. */
  readonly length: number;
  /** The root of its hash tree, unless it is empty. */
  readonly piecesRoot: Uint8Array | undefined;
  /** What else is said of it. */
  readonly attributes: FileAttributes;
}

/** A folder of a tree that is being written. */
interface Branch extends Map<string, BencodeInput> {}

/**
 * Writes a tree of files.
 *
 * @param files The files, without pads.
 * @returns The value of `file tree`.
 */
export function fileTreeOf(files: readonly TreeFile[]): BencodeInput {
  const encoder = new TextEncoder();
  const tree: Branch = new Map();
  for (const { path, length, piecesRoot, attributes } of files) {
    let folder = tree;
    for (const name of path) {
      const key = latin1(encoder.encode(name));
      const below = folder.get(key) as Branch | undefined ?? new Map();
      folder.set(key, below);
      folder = below;
    }
    folder.set("", {
      ...attributes,
      // As libtorrent does it: the info hash depends on it.
      length: attributes.attr === "l" ? undefined : length,
      "pieces root": piecesRoot,
    });
  }
  return tree;
}
