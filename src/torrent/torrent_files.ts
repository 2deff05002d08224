/**
 * `TorrentFiles`: the files of one torrent on disk, from the first look at
 * what lies there to their final shape, and the note of what is verified.
 *
 * @module
 */

import { Bitfield } from "../bytes/bitfield.ts";
import { StorageError } from "../errors.ts";
import type { Metainfo } from "../metainfo/metainfo.ts";
import type { PieceHashes } from "../metainfo/piece_hashes.ts";
import type { ControlFile } from "../storage/control_file.ts";
import {
  type FileFacts,
  FILES_PER_SLICE,
  FileStorage,
} from "../storage/file_storage.ts";
import { Links } from "../storage/links.ts";
import type { DownloadPlaces } from "../storage/places.ts";
import { type CheckProgress, recover, stampFiles } from "../storage/recover.ts";
import { delay } from "@std/async/delay";

/** Leaving must not wait for a slow disk; then the next start checks anew. */
const RECORD_TIMEOUT_MS = 3_000;

/** What the user permits to do with files. */
export interface FileRights {
  /** Whether files may be read; without that nothing can be resumed. */
  canRead: boolean;
  /** Whether files may be written; without that they can only be served. */
  canWrite: boolean;
  /** Whether everything on disk is checked, whatever an earlier run noted. */
  mustCheckAll: boolean;
  /** Whether files that are not ours may be changed. */
  mayOverwrite: boolean;
  /** Whether what is on disk is checked, and nothing else done. */
  isCheckOnly: boolean;
}

/** Options for {@linkcode TorrentFiles}. */
export interface TorrentFilesOptions {
  /** Where the files go. */
  places: DownloadPlaces;
  /** What every piece must hash to. */
  hashes: PieceHashes;
  /** What may be done with them. */
  rights: FileRights;
}

/** The files of one torrent. */
export class TorrentFiles implements AsyncDisposable {
  /** Where the bytes go. */
  readonly storage: FileStorage;
  /** What every piece must hash to. */
  readonly hashes: PieceHashes;
  readonly #links: Links;
  readonly #metainfo: Metainfo;
  readonly #options: TorrentFilesOptions;
  #have: Bitfield;
  #facts: readonly (FileFacts | undefined)[] = [];
  #control: ControlFile | undefined;
  #progress: CheckProgress = { checkedBytes: 0, totalBytes: 0 };

  /**
   * Looks at nothing yet.
   *
   * @param metainfo The torrent.
   * @param options Where the files go.
   */
  constructor(metainfo: Metainfo, options: TorrentFilesOptions) {
    const { places, rights, hashes } = options;
    this.hashes = hashes;
    this.#metainfo = metainfo;
    this.#options = options;
    this.#have = new Bitfield(metainfo.layout.pieceCount);
    this.storage = new FileStorage(metainfo.layout, {
      places: places.files,
      folder: places.folder,
      canRead: rights.canRead,
      mayReplace: rights.mayOverwrite,
    });
    this.#links = new Links(places.files, {
      folder: places.folder,
      canRead: rights.canRead,
      mayReplace: rights.mayOverwrite,
    });
  }

  /** The pieces that are verified and on disk. */
  get have(): Bitfield {
    return this.#have;
  }

  /** What each file was like before it was checked, if it was there. */
  get facts(): readonly (FileFacts | undefined)[] {
    return this.#facts;
  }

  /** How far the check has come. */
  get progress(): CheckProgress {
    return this.#progress;
  }

  /**
   * Finds out what lies on disk, and gets ready to write the rest.
   *
   * @param options What stops it.
   * @throws {StorageError} If the download cannot go there, with the reason.
   */
  async check({ signal }: { signal: AbortSignal }): Promise<void> {
    const { infoHash, layout } = this.#metainfo;
    const { places, rights } = this.#options;
    if (rights.canWrite && !rights.isCheckOnly) this.#links.check();
    const { have, control, facts } = await recover(layout, {
      ...rights,
      infoHash,
      hashes: this.hashes,
      storage: this.storage,
      controlPath: places.control,
      isReadOnly: rights.isCheckOnly || !rights.canWrite,
      onProgress: (progress) => this.#progress = progress,
      signal,
    });
    this.#have = have;
    this.#facts = facts;
    this.#control = control;
    if (have.isFull || rights.isCheckOnly || rights.canWrite) return;
    const missing = have.length - have.count;
    const { folder } = places;
    throw new StorageError("denied", {
      message: `${missing} of ${have.length} pieces are missing, and ` +
        `nothing may be written to ${folder}: run again with --allow-write=${folder}`,
      path: folder,
    });
  }

  /**
   * Every piece is verified: the files get their final shape.
   *
   * @returns What could not be done, though nothing is lost by it.
   * @throws {StorageError} If a file is not what was written, or the disk
   * refuses.
   */
  async complete(): Promise<string[]> {
    const { fileCount } = this.#metainfo.layout;
    for (let first = 0; first < fileCount; first += FILES_PER_SLICE) {
      if (first > 0) await delay(0);
      const end = Math.min(first + FILES_PER_SLICE, fileCount);
      this.storage.finish({ first, end });
    }
    const notices = this.#options.rights.canWrite ? this.#setAttributes() : [];
    using control = this.#control;
    this.#control = undefined;
    control?.remove();
    return notices;
  }

  /** What the torrent says of files beside their bytes (BEP 47). */
  #setAttributes(): string[] {
    const notices = this.#links.make();
    try {
      this.storage.markPrograms();
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      notices.push(`Not every program can be run: ${error.message}`);
    }
    return notices;
  }

  /**
   * Notes what is verified, so that the next start need not check it. A slow
   * disk is not waited for.
   *
   * @throws {StorageError} If the disk refuses.
   */
  async record(): Promise<void> {
    const control = this.#control;
    if (!control) return;
    const patience = new AbortController();
    const write = async () => {
      await this.storage.sync();
      await control.write({
        have: this.#have,
        files: stampFiles(this.#metainfo.layout, this.storage),
      });
      patience.abort();
    };
    const wait = delay(RECORD_TIMEOUT_MS, { signal: patience.signal });
    try {
      await Promise.race([write(), wait]);
    } catch (error) {
      if (!patience.signal.aborted) throw error;
    }
  }

  /** Closes every file. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#control?.[Symbol.dispose]();
    await this.storage[Symbol.asyncDispose]();
  }
}
