/**
 * `ControlFile`: the file `NAME.btget` beside a download that is not complete.
 * It says whose the download is, keeps two processes from working on it at
 * once, and after a clean stop it holds what was verified.
 *
 * ```
 *   "btget 1\n" · info hash (20) · SHA-1 of the record (20) · length (4) · record
 * ```
 *
 * The first 28 bytes are written once and stay. The record is written after
 * the data it speaks of has reached the disk, and its hash tells whether it
 * was written whole; without a good record everything is checked anew. A kill
 * or a power loss at any moment therefore costs time, never truth.
 *
 * The record names for every file the size and the times it had: a file that
 * differs has been written to since, by us before a kill or by somebody else,
 * and is checked anew as well.
 *
 * @module
 */

import { bytesAt, decodeBencode, encodeBencode } from "../bytes/bencode.ts";
import { Bitfield } from "../bytes/bitfield.ts";
import { HASH_LENGTH, hashesEqual, sha1 } from "../bytes/hash.ts";
import { BencodeError, StorageError } from "../errors.ts";
import type { FileStamp } from "./file_storage.ts";
import { closeLocked, openLocked } from "./locked_file.ts";
import { storageError } from "./storage_error.ts";
import { concat } from "@std/bytes/concat";

const MAGIC = new TextEncoder().encode("btget 1\n");
const RECORD_AT = MAGIC.length + HASH_LENGTH;
const RECORD_HEAD_LENGTH = HASH_LENGTH + 4;

/** A bit for each of two million pieces, and 24 bytes for each file. */
const MAX_RECORD_LENGTH = 64 * 1024 * 1024;

/** Size, time of change of the bytes, time of any change: a double each. */
const FACTS_PER_FILE = 3;

/** What was true when the download stopped. */
export interface ResumeRecord {
  /** The pieces that were verified and on disk. */
  have: Bitfield;
  /** Of each file what it was like then; `undefined` if it did not exist. */
  files: (FileStamp | undefined)[];
}

/** Options for {@linkcode ControlFile.open}. */
export interface ControlFileOptions {
  /** The torrent that is downloaded. */
  infoHash: Uint8Array;
  /** Whether to create the file where there is none. */
  create: boolean;
}

/** The control file of one download, locked as long as it is open. */
export class ControlFile implements Disposable {
  readonly #file: Deno.FsFile;
  readonly #path: string;
  /** Whether the file was there already: the download was begun before. */
  readonly isResumed: boolean;

  private constructor(
    file: Deno.FsFile,
    options: { path: string; isResumed: boolean },
  ) {
    this.#file = file;
    this.#path = options.path;
    this.isResumed = options.isResumed;
  }

  /**
   * Opens the control file of a download.
   *
   * @param path Where it lies.
   * @param options Whose it must be, and whether to create it.
   * @returns The file, or `undefined` if there is none, or something lies there
   * that is no control file: that is left alone.
   * @throws {StorageError} If the download is another torrent's, if another
   * process works on it, or if the disk refuses.
   */
  static async open(
    path: string,
    options: ControlFileOptions,
  ): Promise<ControlFile | undefined> {
    const file = await openLocked(path, options);
    if (!file) return undefined;
    try {
      const head = new Uint8Array(RECORD_AT);
      const length = await readAt(file, 0, head);
      const owner = head.subarray(MAGIC.length);
      const isNew = length === 0;
      if (isNew) {
        await writeAt(file, 0, concat([MAGIC, options.infoHash]));
        // Files that appear from now on are known to be ours by it.
        await file.syncData();
      } else if (
        length < RECORD_AT ||
        !hashesEqual(head.subarray(0, MAGIC.length), MAGIC)
      ) {
        closeLocked(file);
        return undefined;
      } else if (!hashesEqual(owner, options.infoHash)) {
        throw new StorageError("exists", {
          message: `${path} says that another torrent is downloaded there`,
          path,
        });
      }
      return new ControlFile(file, { path, isResumed: !isNew });
    } catch (error) {
      closeLocked(file);
      throw storageError(error, path);
    }
  }

  /**
   * Reads what was true when the download stopped.
   *
   * @param counts How many pieces and files the torrent has.
   * @returns The record, or `undefined` if there is none that can be trusted.
   */
  async read(
    counts: { pieces: number; files: number },
  ): Promise<ResumeRecord | undefined> {
    try {
      const head = new Uint8Array(RECORD_HEAD_LENGTH);
      if (await readAt(this.#file, RECORD_AT, head) < head.length) {
        return undefined;
      }
      const length = new DataView(head.buffer).getUint32(HASH_LENGTH);
      if (length > MAX_RECORD_LENGTH) return undefined;
      const record = new Uint8Array(length);
      const at = RECORD_AT + RECORD_HEAD_LENGTH;
      if (await readAt(this.#file, at, record) < length) return undefined;
      if (!hashesEqual(sha1(record), head.subarray(0, HASH_LENGTH))) {
        return undefined;
      }
      return decodeRecord(record, counts);
    } catch (error) {
      throw storageError(error, this.#path);
    }
  }

  /**
   * Writes what is true now. The data must have reached the disk before.
   *
   * @param record What is true.
   */
  async write(record: ResumeRecord): Promise<void> {
    const bytes = encodeRecord(record);
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, bytes.length);
    try {
      await writeAt(
        this.#file,
        RECORD_AT,
        concat([sha1(bytes), length, bytes]),
      );
      await this.#file.syncData();
    } catch (error) {
      throw storageError(error, this.#path);
    }
  }

  /**
   * Makes sure that there is room on the disk, as far as that can be done
   * without the permission to ask: takes the room and gives it back.
   *
   * @param bytes How many.
   * @throws {StorageError} If there is no room.
   */
  async reserve(bytes: number): Promise<void> {
    const zeros = new Uint8Array(Math.min(bytes, RESERVE_STEP));
    try {
      const end = await this.#file.seek(0, Deno.SeekMode.End);
      try {
        for (let rest = bytes; rest > 0; rest -= zeros.length) {
          const part = zeros.subarray(0, Math.min(rest, zeros.length));
          const at = end + bytes - rest;
          await writeAt(this.#file, at, part);
        }
      } finally {
        await this.#file.truncate(end);
      }
    } catch (error) {
      throw storageError(error, this.#path);
    }
  }

  /** Removes the file: the download is complete. */
  remove(): void {
    try {
      Deno.removeSync(this.#path);
    } catch (error) {
      throw storageError(error, this.#path);
    }
  }

  /** Closes the file, which frees the lock. */
  [Symbol.dispose](): void {
    closeLocked(this.#file);
  }
}

/** What is written at a time to take room. */
const RESERVE_STEP = 4 * 1024 * 1024;

function encodeRecord(record: ResumeRecord): Uint8Array {
  const facts = new DataView(
    new ArrayBuffer(record.files.length * FACTS_PER_FILE * 8),
  );
  record.files.forEach((file, i) => {
    const at = i * FACTS_PER_FILE * 8;
    facts.setFloat64(at, file?.size ?? -1);
    facts.setFloat64(at + 8, file?.modifiedAt ?? 0);
    facts.setFloat64(at + 16, file?.changedAt ?? 0);
  });
  return encodeBencode({
    files: new Uint8Array(facts.buffer),
    have: record.have.bytes,
  });
}

function decodeRecord(
  bytes: Uint8Array,
  counts: { pieces: number; files: number },
): ResumeRecord | undefined {
  try {
    const record = decodeBencode(bytes);
    if (!(record instanceof Map)) return undefined;
    const have = Bitfield.fromBytes(
      bytesAt(record, "have") ?? new Uint8Array(),
      counts.pieces,
    );
    const facts = bytesAt(record, "files");
    if (!have || facts?.length !== counts.files * FACTS_PER_FILE * 8) {
      return undefined;
    }
    const view = new DataView(facts.buffer, facts.byteOffset, facts.length);
    const files = Array.from({ length: counts.files }, (_, i) => {
      const at = i * FACTS_PER_FILE * 8;
      const size = view.getFloat64(at);
      return size < 0 ? undefined : {
        size,
        modifiedAt: view.getFloat64(at + 8),
        changedAt: view.getFloat64(at + 16),
      };
    });
    return { have, files };
  } catch (error) {
    if (error instanceof BencodeError) return undefined;
    throw error;
  }
}

async function readAt(
  file: Deno.FsFile,
  offset: number,
  buffer: Uint8Array,
): Promise<number> {
  await file.seek(offset, Deno.SeekMode.Start);
  let filled = 0;
  while (filled < buffer.length) {
    const count = await file.read(buffer.subarray(filled));
    if (count === null) break;
    filled += count;
  }
  return filled;
}

async function writeAt(
  file: Deno.FsFile,
  offset: number,
  bytes: Uint8Array,
): Promise<void> {
  await file.seek(offset, Deno.SeekMode.Start);
  let written = 0;
  while (written < bytes.length) {
    written += await file.write(bytes.subarray(written));
  }
}
