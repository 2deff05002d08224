/**
 * A list of files and their hashes → the bytes of a .torrent file: for v1
 * (BEP 3), v2 (BEP 52) or both. Pure.
 *
 * The same files give the same bytes: they stand in the order of v2's tree,
 * whatever order they are found in, and nothing of this machine is written.
 *
 * @module
 */

import { type BencodeInput, encodeBencode, latin1 } from "../bytes/bencode.ts";
import { SHA256_LENGTH } from "../bytes/hash.ts";
import { MetainfoError } from "../errors.ts";
import { MAX_FILES, padFile } from "./file_list.ts";
import { type FileAttributes, fileTreeOf, withPads } from "./file_tree.ts";
import { MAX_PIECES, PieceLayout } from "./layout.ts";
import { merkleRoot, pieceLevel } from "./merkle.ts";

/** For whom a torrent is. */
export type TorrentForm = "v1" | "v2" | "hybrid";

/** A file to put into a torrent. */
export interface NewFile {
  /** Its names below the torrent's folder; none if it is the only one. */
  readonly path: readonly string[];
  /** How long it is. */
  readonly length: number;
  /** Whether it is a program that is to be run (BEP 47). */
  readonly isExecutable: boolean;
  /** Where it leads, if it is a link (BEP 47): names as those of `path`. */
  readonly target?: readonly string[];
}

/** A torrent before its pieces are hashed. */
export interface TorrentPlan<File extends NewFile = NewFile> {
  /** For whom it is. */
  readonly form: TorrentForm;
  /** The files in the torrent's order; `undefined` stands for a pad. */
  readonly files: readonly (File | undefined)[];
  /** Where the pieces lie. */
  readonly layout: PieceLayout;
}

/** The smallest piece: one block, as v2 wants. */
export const MIN_PIECE_LENGTH = 16 * 1024;

/** The largest piece that is chosen: above it, other clients need patience. */
export const MAX_PIECE_LENGTH = 16 * 1024 * 1024;

/** 2048 pieces are 40 KiB of hashes for v1, and 64 KiB for v2. */
const MAX_CHOSEN_PIECES = 2048;

/**
 * Chooses the length of a piece: the smallest power of two from 16 KiB to 16
 * MiB with which there are at most 2048 pieces, and those that files which
 * begin pieces of their own cost anyway. So a magnet link needs little before
 * it knows the files, and a wrong byte costs little to mend.
 *
 * @param lengths The lengths of the files.
 * @param form For whom the torrent is.
 * @returns The length.
 */
export function choosePieceLength(
  lengths: readonly number[],
  form: TorrentForm,
): number {
  const total = lengths.reduce((sum, length) => sum + length, 0);
  let pieceLength = MIN_PIECE_LENGTH;
  const isTooMany = () =>
    form === "v1" ? total / pieceLength > MAX_CHOSEN_PIECES : lengths.reduce(
      (sum, length) => sum + Math.ceil(length / pieceLength),
      -lengths.length,
    ) > MAX_CHOSEN_PIECES;
  while (pieceLength < MAX_PIECE_LENGTH && isTooMany()) pieceLength *= 2;
  return pieceLength;
}

/**
 * Puts files into the order of a torrent, with the pads that it needs.
 *
 * @param files The files.
 * @param options For whom it is, and the length of a piece if it is not to be
 * chosen.
 * @returns What to hash.
 * @throws {MetainfoError} If no torrent can hold so much.
 */
export function planTorrent<File extends NewFile>(
  files: readonly File[],
  options: { form: TorrentForm; pieceLength?: number | undefined },
): TorrentPlan<File> {
  const { form } = options;
  const keys = new Map(files.map((file) => [file, sortKey(file.path)]));
  const sorted = files.toSorted((a, b) => compare(keys.get(a)!, keys.get(b)!));
  const lengths = sorted.map(({ length }) => length);
  const pieceLength = options.pieceLength ?? choosePieceLength(lengths, form);
  const entries: { length: number; file?: File }[] = sorted
    .map((file) => ({ length: file.length, file }));
  // As libtorrent does it: a hybrid torrent of several files fills up the last
  // piece too. BEP 52 leaves that open, but the info hash depends on it.
  const atEnd = form === "hybrid" && files.length > 1;
  const padded = form === "v1"
    ? entries
    : withPads(entries, { pieceLength, atEnd });
  const layout = new PieceLayout(
    pieceLength,
    padded.map(({ length }) => length),
  );
  if (files.length > MAX_FILES) {
    throw new MetainfoError(
      "it",
      `would have more than ${MAX_FILES} files`,
    );
  }
  if (layout.pieceCount > MAX_PIECES) {
    throw new MetainfoError(
      "it",
      `would have more than ${MAX_PIECES} pieces; a longer --piece-length makes fewer`,
    );
  }
  return {
    form,
    files: padded.map((entry) => "file" in entry ? entry.file : undefined),
    layout,
  };
}

/** Whether a torrent lists files, and is not one file itself. */
function isList(files: readonly NewFile[]): boolean {
  return files.length !== 1 || files[0]!.path.length > 0;
}

/** The names as bytes: what v2's tree is sorted by. */
function sortKey(path: readonly string[]): string[] {
  const encoder = new TextEncoder();
  return path.map((name) => latin1(encoder.encode(name)));
}

/** Name by name, so that what is in a folder stays together. */
function compare(a: readonly string[], b: readonly string[]): number {
  const at = a.findIndex((name, i) => name !== b[i]);
  if (at < 0 || b[at] === undefined) return a.length - b.length;
  return a[at]! < b[at]! ? -1 : 1;
}

/** The hashes of a torrent's pieces. */
export interface PieceDigests {
  /** The SHA-1 of every piece, for v1. */
  readonly hashes: Uint8Array | undefined;
  /** The node of every piece in the tree of its file, for v2. */
  readonly nodes: Uint8Array | undefined;
}

/** What a torrent says beside its files. */
export interface TorrentDetails {
  /** The name of the file, or of the folder. */
  name: string;
  /** Tracker URLs in their tiers (BEP 12). */
  announceTiers?: readonly (readonly string[])[] | undefined;
  /** Web seeds (BEP 19). */
  webSeeds?: readonly string[] | undefined;
  /** Whether peers may come from trackers only (BEP 27). */
  isPrivate?: boolean | undefined;
  /** Makes the info hash one of its own, as some private trackers want. */
  source?: string | undefined;
  /** A remark. */
  comment?: string | undefined;
  /** The program that makes the torrent. */
  createdBy?: string | undefined;
  /** When it is made, in seconds since 1970. */
  creationDate?: number | undefined;
}

/**
 * Writes a .torrent file.
 *
 * @param plan The files.
 * @param options The hashes of their pieces, and what else it says.
 * @returns The file.
 */
export function createTorrent(
  plan: TorrentPlan,
  options: PieceDigests & TorrentDetails,
): Uint8Array {
  const { form, files, layout } = plan;
  const { name, hashes, nodes, announceTiers = [], webSeeds = [] } = options;
  const trackers = announceTiers.flat();
  const written = files.filter((file) => file !== undefined);
  const trees = nodes && form !== "v1" ? treesOf(plan, nodes) : undefined;
  const single = isList(written) ? undefined : written[0];
  const info: Record<string, BencodeInput | undefined> = {
    name,
    "piece length": layout.pieceLength,
    private: options.isPrivate ? 1 : undefined,
    source: options.source,
    ...(trees ? { "meta version": 2, "file tree": trees.tree(name) } : {}),
    ...(form === "v2" ? {} : {
      pieces: hashes,
      ...(single ? { length: single.length, ...attributesOf(single) } : {
        files: files.map((file, i) => listed(file, layout.fileLength(i))),
      }),
    }),
  };
  return encodeBencode({
    announce: trackers[0],
    "announce-list": trackers.length > 1
      ? announceTiers.map((tier) => [...tier])
      : undefined,
    comment: options.comment,
    "created by": options.createdBy,
    "creation date": options.creationDate,
    info,
    "piece layers": trees?.layers,
    "url-list": webSeeds.length > 0 ? [...webSeeds] : undefined,
  });
}

function listed(file: NewFile | undefined, length: number): BencodeInput {
  if (file) {
    return { length, path: [...file.path], ...attributesOf(file) };
  }
  return { length, path: [...padFile(length).path], attr: "p" };
}

/** What is said of a file beside its bytes (BEP 47). */
function attributesOf({ isExecutable, target }: NewFile): FileAttributes {
  if (target) return { attr: "l", "symlink path": [...target] };
  return isExecutable ? { attr: "x" } : {};
}

/** The roots of all files, and the layers of those of several pieces. */
function treesOf({ files, layout }: TorrentPlan, nodes: Uint8Array) {
  const { pieceLength } = layout;
  const layers = new Map<string, Uint8Array>();
  const roots = files.map((file, i) => {
    if (!file || file.length === 0) return undefined;
    const { first, end } = layout.filePieces(i);
    const row = nodes.subarray(first * SHA256_LENGTH, end * SHA256_LENGTH);
    if (file.length <= pieceLength) return row;
    const root = merkleRoot(row, { level: pieceLevel(pieceLength) });
    layers.set(latin1(root), row);
    return root;
  });
  const tree = (name: string) =>
    fileTreeOf(files.flatMap((file, i) =>
      file
        ? [{
          path: file.path.length > 0 ? file.path : [name],
          length: file.length,
          piecesRoot: roots[i],
          attributes: attributesOf(file),
        }]
        : []
    ));
  return { tree, layers };
}
