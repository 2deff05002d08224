/**
 * What lies on disk already → what of it is verified, and what may be changed.
 *
 * A file that exists is ours to complete if the control file says that this
 * download was begun here, or if a good part of it verifies: then it is a copy
 * of this torrent. Anything else is somebody's, and is not touched without the
 * user's word.
 *
 * @module
 */

import { Bitfield } from "../bytes/bitfield.ts";
import { StorageError } from "../errors.ts";
import { BLOCK_LENGTH, type PieceLayout } from "../metainfo/layout.ts";
import type { PieceHashes } from "../metainfo/piece_hashes.ts";
import { type CheckJob, checkPieces } from "./check.ts";
import { ControlFile, type ResumeRecord } from "./control_file.ts";
import {
  type FileFacts,
  FILES_PER_SLICE,
  type FileStamp,
  type FileStorage,
  isSameFile,
} from "./file_storage.ts";
import { checkFreeSpace } from "./free_space.ts";
import { delay } from "@std/async/delay";

/**
 * So much of a file must verify before the rest of it may be changed. A
 * torrent can be made so that one line or one byte of it is found in a file of
 * the user's: that is no copy of the torrent.
 */
const MIN_EVIDENCE_BYTES = BLOCK_LENGTH;

/** How far a check of existing files has come. */
export interface CheckProgress {
  /** The bytes that were read. */
  checkedBytes: number;
  /** The bytes that must be read. */
  totalBytes: number;
}

/** Options for {@linkcode recover}. */
export interface RecoverOptions {
  /** The torrent. */
  infoHash: Uint8Array;
  /** What every piece must hash to; a piece whose hash is unknown is not had. */
  hashes: PieceHashes;
  /** Where the files lie. */
  storage: FileStorage;
  /** Where the control file lies. */
  controlPath: string;
  /** Whether a record of an earlier run is worth nothing. */
  mustCheckAll: boolean;
  /** Whether files that are not ours may be changed. */
  mayOverwrite: boolean;
  /** Whether nothing will be written. */
  isReadOnly: boolean;
  /** Hears how the check goes. */
  onProgress: (progress: CheckProgress) => void;
  /** Stops the check. */
  signal: AbortSignal;
}

/** What {@linkcode recover} found. */
export interface Recovered {
  /** The pieces that are verified. */
  have: Bitfield;
  /** The control file, if there is one; it is the caller's to close. */
  control: ControlFile | undefined;
  /** What each file was like before it was checked, if it was there. */
  facts: readonly (FileFacts | undefined)[];
}

/**
 * Finds out what of a torrent lies on disk, and gets ready to write the rest.
 *
 * @param layout Where the pieces and files lie.
 * @param options Everything else about the download.
 * @returns What is there.
 * @throws {StorageError} If the download cannot go there, with the reason.
 * @throws {MetainfoError} If what is there shows that the torrent contradicts
 * itself.
 */
export async function recover(
  layout: PieceLayout,
  options: RecoverOptions,
): Promise<Recovered> {
  const { storage, infoHash, controlPath } = options;
  if (!storage.canRead) {
    // Every file is created anew; one that exists makes that fail.
    if (!options.isReadOnly) storage.makeRoot();
    return {
      have: new Bitfield(layout.pieceCount),
      control: undefined,
      facts: [],
    };
  }
  let control = await openControl(options);
  try {
    // Under the lock: what is seen now is not changed by another process.
    const facts = await inspectAll(layout, options);
    const record = options.mustCheckAll ? undefined : await control?.read({
      pieces: layout.pieceCount,
      files: layout.fileCount,
    });
    const have = await check(layout, { ...options, facts, record });
    if (options.isReadOnly || isComplete(layout, { have, facts, storage })) {
      return { have, control, facts };
    }
    const mayChange = options.mayOverwrite || control?.isResumed === true;
    adopt(layout, { ...options, facts, record, have, mayChange });
    storage.makeRoot();
    control ??= await ControlFile.open(controlPath, { infoHash, create: true });
    await checkFreeSpace(missingBytes(layout, { storage, facts }), {
      path: controlPath,
      control,
    });
    return { have, control, facts };
  } catch (error) {
    control?.[Symbol.dispose]();
    throw error;
  }
}

/**
 * What the files of a download are like now, for a record.
 *
 * @param layout Where the files lie.
 * @param storage Where they lie on disk.
 * @returns Of each file what it is like; `undefined` if it does not exist.
 */
export function stampFiles(
  layout: PieceLayout,
  storage: FileStorage,
): (FileStamp | undefined)[] {
  return Array.from(
    { length: layout.fileCount },
    (_, file) => storage.isOnDisk(file) ? storage.inspect(file) : undefined,
  );
}

/**
 * The control file of an earlier run. Who only looks, on a disk that cannot be
 * written to, does without: nobody else writes there either.
 */
async function openControl(
  { controlPath, infoHash, isReadOnly }: RecoverOptions,
): Promise<ControlFile | undefined> {
  try {
    return await ControlFile.open(controlPath, { infoHash, create: false });
  } catch (error) {
    const isDenied = error instanceof StorageError &&
      error.problem === "denied";
    if (isReadOnly && isDenied) return undefined;
    throw error;
  }
}

type Facts = readonly (FileFacts | undefined)[];

async function inspectAll(
  layout: PieceLayout,
  { storage, signal }: RecoverOptions,
): Promise<Facts> {
  const facts: (FileFacts | undefined)[] = [];
  for (let file = 0; file < layout.fileCount; file++) {
    facts.push(storage.isOnDisk(file) ? storage.inspect(file) : undefined);
    if (file % FILES_PER_SLICE === 0) await delay(0, { signal });
  }
  return facts;
}

async function check(
  layout: PieceLayout,
  options: RecoverOptions & {
    facts: Facts;
    record: ResumeRecord | undefined;
  },
): Promise<Bitfield> {
  const { storage, hashes, facts, record } = options;
  const have = new Bitfield(layout.pieceCount);
  const readable = piecesWhere(
    layout,
    (file) => !storage.isOnDisk(file) || facts[file] !== undefined,
    (file, end) => !storage.isOnDisk(file) || end <= facts[file]!.size,
  );
  const known = record && piecesWhere(
    layout,
    (file) => isSameFile(record.files[file], facts[file]),
    () => true,
  );
  const pieces: number[] = [];
  let totalBytes = 0;
  for (const index of readable) {
    if (!hashes.isKnown(index)) continue;
    if (known?.has(index)) {
      if (record!.have.has(index)) have.add(index);
    } else {
      pieces.push(index);
      totalBytes += layout.dataSize(index);
    }
  }
  let checkedBytes = 0;
  options.onProgress({ checkedBytes, totalBytes });
  await checkPieces(checkJob(layout, { ...options, pieces }), {
    bytes: totalBytes,
    signal: options.signal,
    onPiece: (index, isGood) => {
      if (isGood) have.add(index);
      checkedBytes += layout.dataSize(index);
      options.onProgress({ checkedBytes, totalBytes });
    },
  });
  return have;
}

/** The pieces all of whose files, and whose ends in them, meet a condition. */
function piecesWhere(
  layout: PieceLayout,
  fileIsRight: (file: number) => boolean,
  endIsRight: (file: number, end: number) => boolean,
): Bitfield {
  const pieces = new Bitfield(layout.pieceCount);
  pieces.fill();
  for (let file = 0; file < layout.fileCount; file++) {
    const { first, end } = layout.filePieces(file);
    const isRight = fileIsRight(file);
    for (let index = first; index < end; index++) {
      const endInFile = Math.min(
        layout.pieceOffset(index + 1) - layout.fileOffset(file),
        layout.fileLength(file),
      );
      if (!isRight || !endIsRight(file, endInFile)) pieces.delete(index);
    }
  }
  return pieces;
}

function checkJob(
  layout: PieceLayout,
  { storage, hashes, pieces }: RecoverOptions & { pieces: number[] },
): CheckJob {
  const shared = new Int32Array(new SharedArrayBuffer(pieces.length * 4));
  shared.set(pieces);
  const files = Array.from({ length: layout.fileCount }, (_, file) => file);
  return {
    hashes: hashes.record,
    paths: files.map((file) =>
      storage.isOnDisk(file) ? storage.pathOf(file) : undefined
    ),
    pieces: shared,
    taken: new Int32Array(new SharedArrayBuffer(4)),
  };
}

/** Whether nothing is left to do, the empty files and the sizes included. */
function isComplete(
  layout: PieceLayout,
  { have, facts, storage }: {
    have: Bitfield;
    facts: Facts;
    storage: FileStorage;
  },
): boolean {
  return have.isFull &&
    facts.every((file, i) =>
      !storage.isOnDisk(i) || file?.size === layout.fileLength(i)
    );
}

/** Permits to change the files that are ours; throws if one is not. */
function adopt(
  layout: PieceLayout,
  options: {
    storage: FileStorage;
    facts: Facts;
    record: ResumeRecord | undefined;
    have: Bitfield;
    mayChange: boolean;
  },
): void {
  const { storage, facts, record, have } = options;
  const foreign: string[] = [];
  facts.forEach((file, i) => {
    if (!file) return;
    const { isWhole, evidence } = verifiedPart(layout, { file: i, have });
    if (options.mayChange || evidence >= MIN_EVIDENCE_BYTES) {
      // A record is written when all it speaks of has reached the disk; what
      // was found by reading may be in memory only.
      const isSynced = isSameFile(record?.files[i], file);
      storage.adopt(i, { isSynced });
    } else if (!isWhole || file.size !== layout.fileLength(i)) {
      foreign.push(storage.pathOf(i));
    }
  });
  const path = foreign[0];
  if (path === undefined) return;
  const others = foreign.length > 1
    ? ` and ${foreign.length - 1} other files exist`
    : " exists";
  throw new StorageError("exists", {
    message: `${path}${others} and may be somebody's: ` +
      "too little in there is of this torrent; " +
      "move it away, choose another folder with --dir, or say --allow-overwrite",
    path,
  });
}

/** Whether all of a file is verified, and how much tells that it is a copy. */
function verifiedPart(
  layout: PieceLayout,
  { file, have }: { file: number; have: Bitfield },
): { isWhole: boolean; evidence: number } {
  const { first, end } = layout.filePieces(file);
  const begin = layout.fileOffset(file);
  let isWhole = true;
  let evidence = 0;
  for (let index = first; index < end; index++) {
    if (!have.has(index)) {
      isWhole = false;
      // Small pieces could be right by chance.
    } else if (layout.dataSize(index) >= BLOCK_LENGTH) {
      const from = Math.max(begin, layout.pieceOffset(index));
      const to = Math.min(
        begin + layout.fileLength(file),
        layout.pieceOffset(index + 1),
      );
      evidence += to - from;
    }
  }
  return { isWhole, evidence };
}

/** What the files will take of the disk beyond what they take now. */
function missingBytes(
  layout: PieceLayout,
  { storage, facts }: { storage: FileStorage; facts: Facts },
): number {
  return facts.reduce((sum, file, i) => {
    if (!storage.isOnDisk(i)) return sum;
    return sum + Math.max(0, layout.fileLength(i) - (file?.allocated ?? 0));
  }, 0);
}
