/**
 * Compares the files of a torrent on disk with what the torrent says of them,
 * and changes nothing.
 *
 * @module
 */

import { HASH_LENGTH, SHA256_LENGTH } from "../bytes/hash.ts";
import type { Metainfo } from "../metainfo/metainfo.ts";
import { contradictoryTorrent, PieceHashes } from "../metainfo/piece_hashes.ts";
import type { FilePlace } from "./file_storage.ts";
import { findFiles, isProgram } from "./find_files.ts";
import { type HashJob, hashJob } from "./hash_files.ts";
import { isLink } from "./links.ts";
import { NOWHERE } from "./piece_reader.ts";
import type { DownloadPlaces } from "./places.ts";
import { lookAt } from "./safe_folders.ts";
import { storageError } from "./storage_error.ts";
import { StorageError } from "../errors.ts";
import { relative } from "@std/path";

/**
 * What is wrong with a file:
 *
 * - `missing`: nothing is there;
 * - `unreadable`: something is there that cannot be read, or is no file;
 * - `link`: it is not the symbolic link that it should be;
 * - `size`: it is too long or too short;
 * - `bad`: bytes are not those of the torrent;
 * - `unknown`: bytes share a piece with what is missing, and v1 cannot tell;
 * - `mode`: it is a program and cannot be run, which is only a remark;
 * - `extra`: it is not of this torrent.
 */
export type FileProblem =
  | "missing"
  | "unreadable"
  | "link"
  | "size"
  | "bad"
  | "unknown"
  | "mode"
  | "extra";

/** Bytes of a file. */
export interface ByteRange {
  /** The first. */
  readonly begin: number;
  /** The one after the last. */
  readonly end: number;
}

/** Something that is wrong. */
export interface Finding {
  /** What. */
  readonly problem: FileProblem;
  /** The file, as names below the download folder. */
  readonly path: readonly string[];
  /** How long it is, and should be, if that differs. */
  readonly size?: { readonly found: number; readonly wanted: number };
  /** Which of its bytes. */
  readonly ranges?: readonly ByteRange[];
}

/** A torrent whose files are to be compared. */
export interface Verification {
  /** The torrent. */
  readonly metainfo: Metainfo;
  /** What to hash; then {@linkcode judge} knows. */
  readonly job: HashJob;
  /** What is wrong before a byte is read, by the position of the file. */
  readonly looks: ReadonlyMap<number, Finding>;
  /** What is not as it should be, and not wrong either. */
  readonly remarks: readonly Finding[];
  /** Where the files lie. */
  readonly places: DownloadPlaces;
}

/**
 * Looks at the files of a torrent.
 *
 * @param metainfo The torrent.
 * @param places Where its files lie.
 * @returns What to hash.
 */
export function beginVerification(
  metainfo: Metainfo,
  places: DownloadPlaces,
): Verification {
  const looks = new Map<number, Finding>();
  const remarks: Finding[] = [];
  const paths = metainfo.files.map(({ path, length, kind, ...file }, i) => {
    const place = places.files[i]!;
    const problem = kind === "symlink" ? lookAtLink(place) : undefined;
    if (problem) looks.set(i, { problem, path });
    if (kind !== "file") return undefined;
    const found = look(place.path);
    if (typeof found === "string") {
      looks.set(i, { problem: found, path });
      return NOWHERE;
    }
    if (found.size !== length) {
      const size = { found: found.size, wanted: length };
      looks.set(i, { problem: "size", path, size });
    }
    if (file.isExecutable && !isProgram(found)) {
      remarks.push({ problem: "mode", path });
    }
    return place.path;
  });
  const job = hashJob({
    layout: metainfo.layout,
    paths,
    hasV1: metainfo.hasV1,
    hasV2: metainfo.metaVersion === 2,
  });
  return { metainfo, job, looks, remarks, places };
}

/** What is wrong with a link; one that is not to be made need not be there. */
function lookAtLink(
  { path, link }: FilePlace,
): "missing" | "link" | undefined {
  if (link === undefined) return undefined;
  try {
    const info = lookAt(path);
    if (!info) return "missing";
    return info.isSymlink && isLink(path, link) ? undefined : "link";
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    return "link";
  }
}

/** What a file is like, or why it cannot be read. */
function look(path: string): Deno.FileInfo | "missing" | "unreadable" {
  try {
    const info = Deno.statSync(path);
    // A pipe would wait for somebody who writes.
    if (!info.isFile) return "unreadable";
    using _file = Deno.openSync(path);
    return info;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "missing";
    storageError(error, path);
    return "unreadable";
  }
}

/**
 * Says what is wrong with the files of a torrent.
 *
 * @param verification The torrent, hashed.
 * @returns The findings in the torrent's order; none if all is well.
 * @throws {MetainfoError} If the files show that the torrent contradicts itself.
 */
export function judge(verification: Verification): Finding[] {
  const { metainfo, job, looks } = verification;
  const { files, layout } = metainfo;
  const isGood = comparison(verification);
  return files.flatMap(({ path, kind }, file) => {
    const findings: Finding[] = [];
    const seen = looks.get(file);
    if (seen) findings.push(seen);
    if (kind !== "file" || (seen && seen.problem !== "size")) return findings;
    const bad: ByteRange[] = [];
    const unknown: ByteRange[] = [];
    const { first, end } = layout.filePieces(file);
    const begin = layout.fileOffset(file);
    for (let index = first; index < end; index++) {
      const wasRead = job.wasRead[index] === 1;
      if (wasRead && isGood(index)) continue;
      const range = {
        begin: Math.max(layout.pieceOffset(index) - begin, 0),
        end: Math.min(
          layout.pieceOffset(index + 1) - begin,
          seen?.size?.found ?? Infinity,
          layout.fileLength(file),
        ),
      };
      if (range.begin < range.end) append(wasRead ? bad : unknown, range);
    }
    if (bad.length > 0) findings.push({ problem: "bad", path, ranges: bad });
    if (unknown.length > 0) {
      findings.push({ problem: "unknown", path, ranges: unknown });
    }
    return findings;
  });
}

function append(ranges: ByteRange[], range: ByteRange): void {
  const last = ranges.at(-1);
  if (last?.end !== range.begin) ranges.push(range);
  else ranges[ranges.length - 1] = { begin: last.begin, end: range.end };
}

/** Tells of pieces that were read whether they are what the torrent says. */
function comparison(
  { metainfo, job }: Verification,
): (index: number) => boolean {
  const { files, layout } = metainfo;
  const hashes = PieceHashes.of(metainfo);
  const digestsOf = (index: number) => ({
    hash: job.hashes && rowOf(job.hashes, HASH_LENGTH, index),
    node: job.nodes && rowOf(job.nodes, SHA256_LENGTH, index),
  });
  for (const file of hashes.filesWithoutLayer) {
    // Where all of a file is right, its nodes are its layer.
    const { first, end } = layout.filePieces(file);
    const layer = rowOf(job.nodes!, SHA256_LENGTH, first, end);
    if (hashes.learn(files[file]!.piecesRoot!, layer).length > 0) continue;
    if (!metainfo.hasV1 || job.wasRead.subarray(first, end).includes(0)) {
      continue;
    }
    const isRight = (index: number) =>
      hashes.judge(index, digestsOf(index)) === "right";
    const pieces = Array.from({ length: end - first }, (_, i) => first + i);
    if (pieces.every(isRight)) throw contradictoryTorrent(first);
  }
  return (index) => {
    const verdict = hashes.judge(index, digestsOf(index));
    if (verdict === "contradictory") throw contradictoryTorrent(index);
    return verdict === "right";
  };
}

/** The digests of some pieces. */
function rowOf(
  digests: Uint8Array,
  length: number,
  first: number,
  end = first + 1,
): Uint8Array {
  return digests.subarray(first * length, end * length);
}

/**
 * Finds what lies in the folder of a torrent and is none of its files.
 *
 * @param verification The torrent.
 * @returns A finding for each; none for a torrent of one file.
 */
export function findExtra({ metainfo, places }: Verification): Finding[] {
  if (!metainfo.isMultiFile) return [];
  const own = new Set(
    places.files.filter(({ kind }) => kind !== "pad").map(({ path }) => path),
  );
  const extra: string[][] = [];
  try {
    const { files, skipped } = findFiles([places.root], {
      isExcluded: () => false,
    });
    const others = [...files.map(({ location }) => location), ...skipped];
    for (const location of others) {
      if (own.has(location)) continue;
      extra.push(relative(places.folder, location).split(/[/\\]/));
    }
  } catch (error) {
    // Then its own files are missing too.
    if (!(error instanceof StorageError)) throw error;
  }
  return extra.map((path): Finding => ({ problem: "extra", path }))
    .sort((a, b) => a.path.join("/") < b.path.join("/") ? -1 : 1);
}
