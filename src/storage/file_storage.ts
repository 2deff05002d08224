/**
 * `FileStorage`: bytes at an offset of the torrent ↔ the files on disk.
 *
 * It never writes through a symbolic link, never into anything but a regular
 * file, and never into a file it has not been told it may change: one that
 * nobody expected is created anew or not at all.
 *
 * An open file has one position, so two writes at once would mix. Writes are
 * synchronous where the page cache takes them at once, which is the cheapest
 * there is; where the disk holds them up, or the piece is large, they wait in
 * one queue, off the event loop.
 *
 * @module
 */

import { StorageError } from "../errors.ts";
import type { PieceLayout, Span } from "../metainfo/layout.ts";
import type { FileKind } from "../metainfo/metainfo.ts";
import { HoldUps } from "./hold_ups.ts";
import { kindOf, lookAt, SafeFolders } from "./safe_folders.ts";
import { OpenFiles } from "./open_files.ts";
import { storageError } from "./storage_error.ts";
import { dirname } from "@std/path";

/** Enough to go on with many files at once under `ulimit -n 256`. */
const MAX_OPEN_FILES = 48;

/** Up to here a write does not hold up the event loop; see tests/bench. */
const MAX_SYNC_LENGTH = 1024 * 1024;

/** In the mode of a file: that its owner may run it. */
const RUN_BY_OWNER = 0o100;

/** In the mode of a file: that its owner, its group and others may read it. */
const READ_BY_ALL = 0o444;

/** The mode of a new file and of a new program; the system takes the umask off. */
const NEW_MODE = { file: 0o666, program: 0o777 };

/** Looking at files holds the event loop for so many at a time. */
export const FILES_PER_SLICE = 500;

/** File systems tell times no finer than this. */
const COARSEST_TIME_MS = 2_000;

/** Where one file of the torrent lies. */
export interface FilePlace {
  /** The path on disk. */
  readonly path: string;
  /** What becomes of the file. */
  readonly kind: FileKind;
  /** What it holds, if it is a symbolic link that is to be made. */
  readonly link?: string;
  /** Whether it is a program that is to be run. */
  readonly isExecutable?: true;
}

/** What lies at the path of a file before anything is written. */
export interface FileFacts {
  /** Its length. */
  readonly size: number;
  /** The bytes of disk that it takes. */
  readonly allocated: number;
  /** When its bytes changed last, in milliseconds since 1970. */
  readonly modifiedAt: number;
  /** When anything of it changed last, in milliseconds since 1970. */
  readonly changedAt: number;
  /** Whether that was so shortly before that it could change, and look the same. */
  readonly isFresh: boolean;
}

/** As much of the facts as changes when the bytes do. */
export type FileStamp = Pick<FileFacts, "size" | "modifiedAt" | "changedAt">;

/**
 * Whether nothing of a file has changed between two looks.
 *
 * @param a What it was like; `undefined` if it was not there.
 * @param b What it was like at the other look.
 * @returns Whether both are the same.
 */
export function isSameFile(
  a: FileStamp | undefined,
  b: FileStamp | undefined,
): boolean {
  return a?.size === b?.size && a?.modifiedAt === b?.modifiedAt &&
    a?.changedAt === b?.changedAt;
}

/** Options for {@linkcode FileStorage}. */
export interface FileStorageOptions {
  /** Where each file of the layout lies. */
  places: readonly FilePlace[];
  /** The folder that everything lies in; what lies above it is the user's. */
  folder: string;
  /** Whether files may be read; without that, everything is created anew. */
  canRead: boolean;
  /** Whether a file nobody could look at may be replaced by a new one. */
  mayReplace: boolean;
}

/** A part of a file that somebody else is to write, with a handle of its own. */
export interface WriteTarget {
  /** The path of the file. */
  readonly path: string;
  /** On which device the file is; together with the next, which file it is. */
  readonly dev: number;
  /** Its number there; null where there is none. */
  readonly ino: number | null;
  /** Where the part begins in the file. */
  readonly begin: number;
  /** Where it begins in the bytes that are written. */
  readonly at: number;
  /** How long it is. */
  readonly length: number;
}

/** Some files that follow each other in the list. */
export interface FileRange {
  /** The first one. */
  first?: number;
  /** The one after the last. */
  end?: number;
}

/** The files of one torrent. */
export class FileStorage implements AsyncDisposable {
  readonly #layout: PieceLayout;
  readonly #places: readonly FilePlace[];
  readonly #folder: string;
  readonly #canRead: boolean;
  readonly #mayReplace: boolean;
  readonly #open = new OpenFiles<number>(MAX_OPEN_FILES);
  /** Files that exist and may be changed. */
  readonly #usable = new Set<number>();
  readonly #folders: SafeFolders;
  /** Files whose bytes a power loss could still take. */
  readonly #unsynced = new Set<number>();
  /** How often we began or ended to change a file. */
  readonly #changes = new Map<number, number>();
  #queue: Promise<void> | undefined;
  #queuedBytes = 0;
  readonly #holdUps = new HoldUps();

  /**
   * Looks at nothing yet.
   *
   * @param layout Where the bytes of the files lie.
   * @param options Where the files lie.
   */
  constructor(layout: PieceLayout, options: FileStorageOptions) {
    this.#layout = layout;
    this.#places = options.places;
    this.#folder = options.folder;
    this.#folders = new SafeFolders(options);
    this.#canRead = options.canRead;
    this.#mayReplace = options.mayReplace;
  }

  /** Whether files may be read. */
  get canRead(): boolean {
    return this.#canRead;
  }

  /** The folder that everything lies in. */
  get folder(): string {
    return this.#folder;
  }

  /** How many bytes wait to be written. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /**
   * The path of a file.
   *
   * @param file Its position in the list.
   * @returns The path on disk.
   */
  pathOf(file: number): string {
    return this.#places[file]!.path;
  }

  /**
   * Whether a file of the torrent is one on disk.
   *
   * @param file Its position in the list.
   * @returns Whether it is; pads and links are not.
   */
  isOnDisk(file: number): boolean {
    return this.#places[file]!.kind === "file";
  }

  /**
   * Tells our own changes of a file from those of others: as long as the
   * number stays, we have not touched it.
   *
   * @param file Its position in the list.
   * @returns A number that grows with every change.
   */
  changesOf(file: number): number {
    return this.#changes.get(file) ?? 0;
  }

  /**
   * Looks at what lies at the path of a file.
   *
   * @param file Its position in the list.
   * @returns What lies there, or `undefined` if nothing does.
   * @throws {StorageError} If it is no regular file, or a link leads there.
   */
  inspect(file: number): FileFacts | undefined {
    const path = this.pathOf(file);
    if (!this.#folders.exists(dirname(path))) return undefined;
    const info = lookAt(path);
    if (!info) return undefined;
    if (!info.isFile) {
      throw new StorageError("exists", {
        message: `${path} is ${kindOf(info)}, and a file must go there`,
        path,
      });
    }
    const changedAt = info.ctime?.getTime() ?? 0;
    return {
      size: info.size,
      allocated: info.blocks === null ? info.size : info.blocks * 512,
      modifiedAt: info.mtime?.getTime() ?? 0,
      changedAt,
      isFresh: Date.now() - changedAt < COARSEST_TIME_MS,
    };
  }

  /**
   * Permits to change a file that exists.
   *
   * @param file Its position in the list.
   * @param options Whether what it holds would survive a power loss.
   */
  adopt(file: number, { isSynced }: { isSynced: boolean }): void {
    this.#usable.add(file);
    if (!isSynced) this.#unsynced.add(file);
  }

  /** Makes the folder that everything lies in, and those above it. */
  makeRoot(): void {
    try {
      Deno.mkdirSync(this.#folder, { recursive: true });
    } catch (error) {
      throw storageError(error, this.#folder);
    }
  }

  /**
   * Writes a run of bytes, at once or in the queue.
   *
   * @param offset Where the run begins in the torrent.
   * @param bytes The bytes; they must not change until they are written.
   * @returns A promise if they are not written yet.
   * @throws {StorageError} If the disk refuses.
   */
  write(offset: number, bytes: Uint8Array): Promise<void> | undefined {
    const spans = this.#spansOnDisk(offset, bytes.length);
    const start = performance.now();
    if (
      this.#queue || bytes.length > MAX_SYNC_LENGTH || this.#holdUps.isSlow
    ) {
      this.#holdUps.spared();
      return this.#enqueue(spans, bytes);
    }
    for (const span of spans) {
      this.#guard(span.file, () => {
        const file = this.#file(span.file);
        file.seekSync(span.begin, Deno.SeekMode.Start);
        let at = span.at;
        while (at < span.at + span.length) {
          at += file.writeSync(bytes.subarray(at, span.at + span.length));
        }
      });
    }
    const now = performance.now();
    this.#holdUps.add(now - start, now);
    return undefined;
  }

  /**
   * Lets somebody else write a run of bytes. The files are there then, and may
   * be changed.
   *
   * @param offset Where the run begins in the torrent.
   * @param options How long it is, and who writes it.
   * @returns What the other one has to say.
   * @throws {StorageError} If the disk refuses.
   */
  async writeAside<T>(
    offset: number,
    { length, write }: {
      length: number;
      write: (targets: readonly WriteTarget[]) => Promise<T>;
    },
  ): Promise<T> {
    const spans = this.#spansOnDisk(offset, length);
    const targets = spans.map(({ file, begin, at, length }) => {
      const { dev, ino } = this.#guard(file, () => this.#file(file).statSync());
      return { path: this.pathOf(file), dev, ino, begin, at, length };
    });
    try {
      return await write(targets);
    } finally {
      for (const { file } of spans) this.#noteChange(file);
    }
  }

  /**
   * Creates the files that have no bytes, and cuts those that are too long.
   *
   * @param files Which files to look at; all if not given.
   * @throws {StorageError} If a file is not what was written, or the disk
   * refuses.
   */
  finish({ first = 0, end = this.#layout.fileCount }: FileRange = {}): void {
    for (let file = first; file < end; file++) {
      if (!this.isOnDisk(file)) continue;
      const path = this.pathOf(file);
      const length = this.#layout.fileLength(file);
      const size = this.#canRead ? this.inspect(file)?.size : undefined;
      if (size === length) continue;
      if (length === 0 || (size !== undefined && size > length)) {
        this.#guard(file, () => this.#file(file).truncateSync(length));
      } else if (this.#canRead) {
        throw new StorageError("io", {
          message: `${path} was removed or cut while it was in use`,
          path,
        });
      }
    }
  }

  /**
   * Lets programs be run by those who may read them. New files are made so;
   * this is for those that were there before.
   *
   * @throws {StorageError} If the disk refuses.
   */
  markPrograms(): void {
    this.#places.forEach(({ path, kind, isExecutable }, file) => {
      if (kind !== "file" || !isExecutable || !this.#canRead) return;
      const info = lookAt(path);
      const mode = info?.mode ?? 0;
      if (!info?.isFile || (mode & RUN_BY_OWNER) !== 0) return;
      this.#guard(file, () => {
        Deno.chmodSync(path, (mode | (mode & READ_BY_ALL) >> 2) & 0o777);
        this.#noteChange(file);
      });
    });
  }

  /** Waits until everything that was written would survive a power loss. */
  async sync(): Promise<void> {
    await this.#queue;
    for (const file of [...this.#unsynced]) {
      try {
        await this.#file(file).syncData();
      } catch (error) {
        throw storageError(error, this.pathOf(file));
      }
      this.#unsynced.delete(file);
    }
  }

  /** Writes what waits, and closes every file. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue;
    this.#open[Symbol.dispose]();
  }

  #spansOnDisk(offset: number, length: number): Span[] {
    return this.#layout.spans(offset, length)
      .filter(({ file }) => this.isOnDisk(file));
  }

  async #enqueue(spans: readonly Span[], bytes: Uint8Array): Promise<void> {
    const before = this.#queue;
    this.#queuedBytes += bytes.length;
    const written = (async () => {
      await before;
      for (const span of spans) await this.#writeSpan(span, bytes);
    })();
    const queue = written.catch(() => {}).finally(() => {
      this.#queuedBytes -= bytes.length;
      if (this.#queue === queue) this.#queue = undefined;
    });
    this.#queue = queue;
    await written;
  }

  async #writeSpan(span: Span, bytes: Uint8Array): Promise<void> {
    try {
      const file = this.#file(span.file);
      // This does not touch the disk, and one write is under way at a time.
      file.seekSync(span.begin, Deno.SeekMode.Start);
      let at = span.at;
      while (at < span.at + span.length) {
        at += await file.write(bytes.subarray(at, span.at + span.length));
      }
      this.#noteChange(span.file);
    } catch (error) {
      throw storageError(error, this.pathOf(span.file));
    }
  }

  #noteChange(file: number): void {
    this.#changes.set(file, this.changesOf(file) + 1);
  }

  #guard<T>(file: number, access: () => T): T {
    try {
      return access();
    } catch (error) {
      throw storageError(error, this.pathOf(file));
    }
  }

  /** The open file, which is about to change. */
  #file(file: number): Deno.FsFile {
    const handle = this.#open.use(file, () => this.#openFile(file));
    this.#unsynced.add(file);
    this.#noteChange(file);
    return handle;
  }

  #createFile(file: number): Deno.FsFile {
    const { path, isExecutable } = this.#places[file]!;
    const mode = NEW_MODE[isExecutable ? "program" : "file"];
    try {
      return this.#openPath(path, { createNew: true, mode });
    } catch (error) {
      if (this.#canRead || !(error instanceof Deno.errors.AlreadyExists)) {
        throw error;
      }
      throw new StorageError("exists", {
        message: `${path} exists already; run with --allow-read to go on ` +
          "with it, or with --allow-overwrite to begin anew",
        path,
        cause: error,
      });
    }
  }

  #openFile(file: number): Deno.FsFile {
    const path = this.pathOf(file);
    if (!this.#usable.has(file)) {
      this.#folders.make(dirname(path));
      if (this.#mayReplace && !this.#canRead) removeIfThere(path);
      const handle = this.#createFile(file);
      this.#usable.add(file);
      return handle;
    }
    const handle = this.#openPath(path, {});
    if (this.#canRead) {
      // Between a look and an open a link could have taken its place.
      const [looked, opened] = [lookAt(path), handle.statSync()];
      if (
        !looked?.isFile || looked.ino !== opened.ino ||
        looked.dev !== opened.dev
      ) {
        handle.close();
        throw new StorageError("exists", {
          message: `${path} was replaced while it was in use`,
          path,
        });
      }
    }
    return handle;
  }

  #openPath(
    path: string,
    options: { createNew?: boolean; mode?: number },
  ): Deno.FsFile {
    return Deno.openSync(path, {
      read: this.#canRead,
      write: true,
      ...options,
    });
  }
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
