/**
 * The list of files of a torrent, as v1 has it: `length`, or `files` (BEP 3)
 * with attributes (BEP 47). Pure.
 *
 * @module
 */

import {
  type BencodeDictionary,
  decodeBencode,
  integerAt,
  listAt,
  listItems,
  textAt,
} from "../bytes/bencode.ts";
import { hashesEqual } from "../bytes/hash.ts";
import { MetainfoError } from "../errors.ts";
import { distinctPaths, type NameRules, safePath } from "./safe_path.ts";

/**
 * What becomes of an entry of the file list: a `file` is written, the bytes of
 * a `pad` (BEP 47) are zeros that exist in the pieces only, and a `symlink` has
 * none.
 */
export type FileKind = "file" | "pad" | "symlink";

/** An entry of the file list. */
export interface TorrentFile {
  /**
   * Where it goes, as names below the download folder: safe, and shared with
   * no other file of the torrent.
   */
  readonly path: readonly string[];
  /**
   * What the torrent calls it, below its folder and byte by byte, if that is
   * not what `path` says in UTF-8: few files are called so.
   */
  readonly rawPath?: readonly Uint8Array[];
  /** How long it is. */
  readonly length: number;
  /** What becomes of it. */
  readonly kind: FileKind;
  /**
   * Where a link leads, as a path like `path`: to a file or folder of the
   * torrent. A link that leads elsewhere has none, and is not made.
   */
  readonly target?: readonly string[];
  /** Whether it is a program that is to be run (BEP 47, `x`). */
  readonly isExecutable?: true;
  /** The root of its hash tree (BEP 52); an empty file has none. */
  readonly piecesRoot?: Uint8Array;
}

/** A file as a torrent lists it. */
export interface ListedFile {
  /** Its path, as it is written; none for pads. */
  readonly rawPath: readonly Uint8Array[];
  /** Where it leads, as it is written, if it is a link. */
  readonly rawTarget?: readonly Uint8Array[];
  /** The file; its path may meet others yet. */
  readonly file: TorrentFile;
}

/** The most files: a little more than libtorrent's limits let through. */
export const MAX_FILES = 300_000;

/** BitComet had pads before BEP 47 had its attribute. */
const BITCOMET_PAD = "_____padding_file_";

/**
 * Reads the list of files.
 *
 * @param list The value of `files` as it is written.
 * @param rules The rules for names.
 * @returns The files.
 * @throws {MetainfoError} If one of them cannot be used.
 */
export function readFileList(list: Uint8Array, rules: NameRules): ListedFile[] {
  const items = listItems(list);
  if (!items) throw new MetainfoError("info.files", "is not a list");
  const listed: ListedFile[] = [];
  for (const item of items) {
    if (listed.length >= MAX_FILES) throw tooManyFiles("info.files");
    listed.push(listedFile(item, `info.files[${listed.length}]`, rules));
  }
  if (listed.length === 0) throw new MetainfoError("info.files", "is empty");
  return listed;
}

/**
 * Says that there are too many files.
 *
 * @param field What lists them.
 * @returns The error to throw.
 */
export function tooManyFiles(field: string): MetainfoError {
  return new MetainfoError(field, `has more than ${MAX_FILES} entries`);
}

/**
 * Puts files into their folder, each under a path of its own.
 *
 * @param files The files.
 * @param options The name of the folder, and the rules for names.
 * @returns The files with their final paths.
 */
export function filesIn(
  files: readonly TorrentFile[],
  { name, rules }: { name: string; rules: NameRules },
): TorrentFile[] {
  const written = files.filter((file) => file.kind !== "pad")
    .map((file) => [name, ...file.path]);
  const paths = distinctPaths(written, rules).values();
  return files.map(({ rawPath, ...file }) => {
    if (file.kind === "pad") return { ...file, path: [name, ...file.path] };
    const path = paths.next().value!;
    return rawPath && file.kind === "file" && isOther(rawPath, path.slice(1))
      ? { ...file, path, rawPath }
      : { ...file, path };
  });
}

/** Whether a path is written in other bytes than its safe names in UTF-8. */
function isOther(
  raw: readonly Uint8Array[],
  names: readonly string[],
): boolean {
  return raw.length !== names.length ||
    raw.some((bytes, i) =>
      !hashesEqual(bytes, new TextEncoder().encode(names[i]!))
    );
}

/**
 * A pad: zeros that are in pieces and in no file.
 *
 * @param length How many.
 * @returns The entry. Pads are never written, so they share their path freely.
 */
export function padFile(length: number): TorrentFile {
  return { path: [".pad", String(length)], length, kind: "pad" };
}

function listedFile(
  item: Uint8Array,
  field: string,
  rules: NameRules,
): ListedFile {
  const entry = decodeBencode(item);
  if (!(entry instanceof Map)) {
    throw new MetainfoError(field, "is not a dictionary");
  }
  const attributes = textAt(entry, "attr") ?? "";
  if (attributes.includes("p")) {
    return { rawPath: [], file: padFile(fileLength(entry, field)) };
  }
  const rawPath = listedPath(entry, field);
  const path = safePath(rawPath, rules);
  if (typeof path === "string") throw new MetainfoError(`${field}.path`, path);
  // BEP 47: "The length of a symlink is always zero"
  if (attributes.includes("l")) {
    const file = { path, length: 0, kind: "symlink" } as const;
    return { rawPath, rawTarget: rawTarget(entry), file };
  }
  const length = fileLength(entry, field);
  if (path.at(-1)!.startsWith(BITCOMET_PAD)) {
    return { rawPath: [], file: { path, length, kind: "pad" } };
  }
  return {
    rawPath,
    file: { path, length, kind: "file", ...executable(attributes) },
  };
}

/**
 * Where a link leads, as it is written.
 *
 * @param entry What describes the link.
 * @returns The names below the torrent's folder; none if that is no list of
 * names, and the link leads nowhere.
 */
export function rawTarget(entry: BencodeDictionary): Uint8Array[] {
  const elements = listAt(entry, "symlink path") ?? [];
  const raw = elements.filter((element) => element instanceof Uint8Array);
  return raw.length === elements.length ? raw : [];
}

/**
 * What the attributes say about running a file.
 *
 * @param attributes The value of `attr`.
 * @returns The property to set, if any.
 */
export function executable(attributes: string): { isExecutable?: true } {
  return attributes.includes("x") ? { isExecutable: true } : {};
}

function listedPath(entry: BencodeDictionary, field: string): Uint8Array[] {
  const key = Array.isArray(entry.get("path.utf-8")) ? "path.utf-8" : "path";
  const elements = listAt(entry, key);
  if (!elements) {
    throw new MetainfoError(`${field}.path`, "is missing or not a list");
  }
  const raw = elements.filter((element) => element instanceof Uint8Array);
  if (raw.length !== elements.length) {
    throw new MetainfoError(`${field}.path`, "holds what is not a byte string");
  }
  return raw;
}

/**
 * The length of a file.
 *
 * @param dictionary What describes the file.
 * @param field What that is called in messages.
 * @returns The length.
 * @throws {MetainfoError} If it is none.
 */
export function fileLength(
  dictionary: BencodeDictionary,
  field: string,
): number {
  const length = requiredInteger(dictionary, "length", field);
  if (length < 0) throw new MetainfoError(`${field}.length`, "is negative");
  return length;
}

/**
 * An integer that must be there.
 *
 * @param dictionary Where.
 * @param key Under which key.
 * @param field What the dictionary is called in messages.
 * @returns The integer.
 * @throws {MetainfoError} If it is missing, or something else.
 */
export function requiredInteger(
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
