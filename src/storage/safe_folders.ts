/**
 * `SafeFolders`: the folders of a torrent, and no link among them.
 *
 * @module
 */

import { StorageError } from "../errors.ts";
import { storageError } from "./storage_error.ts";
import { dirname } from "@std/path";

/** Options for {@linkcode SafeFolders}. */
export interface SafeFoldersOptions {
  /** The folder that everything lies in; what lies above it is the user's. */
  folder: string;
  /** Whether folders may be looked at; without that, all are made anew. */
  canRead: boolean;
}

/** The folders of one torrent. */
export class SafeFolders {
  readonly #options: SafeFoldersOptions;
  /** Folders that exist and are no links. */
  readonly #known = new Set<string>();
  /** Folders that did not exist, and that we have not made since. */
  readonly #absent = new Set<string>();

  /**
   * Looks at nothing yet.
   *
   * @param options Where they lie.
   */
  constructor(options: SafeFoldersOptions) {
    this.#options = options;
  }

  /**
   * Makes a folder and those above it, as far as they are the torrent's.
   *
   * @param path The folder.
   * @throws {StorageError} If something else lies there, or the disk refuses.
   */
  make(path: string): void {
    if (this.#isKnown(path)) return;
    this.make(dirname(path));
    try {
      Deno.mkdirSync(path);
      this.#known.add(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) {
        throw storageError(error, path);
      }
      if (!this.#options.canRead) {
        throw new StorageError("exists", {
          message:
            `${path} exists already; run with --allow-read to go on with what is in it`,
          path,
        });
      }
      // Somebody has made it since we looked.
      this.#absent.delete(path);
      this.exists(path);
    }
  }

  /**
   * Whether a folder exists.
   *
   * @param path The folder.
   * @returns Whether it does.
   * @throws {StorageError} If something else lies there.
   */
  exists(path: string): boolean {
    if (this.#isKnown(path)) return true;
    // Thousands of files may lie in it.
    if (this.#absent.has(path)) return false;
    const info = this.exists(dirname(path)) ? lookAt(path) : undefined;
    if (!info) {
      this.#absent.add(path);
      return false;
    }
    if (!info.isDirectory) {
      throw new StorageError("exists", {
        message: `${path} is ${kindOf(info)}, and a folder must go there`,
        path,
      });
    }
    this.#known.add(path);
    return true;
  }

  #isKnown(path: string): boolean {
    return path === this.#options.folder || this.#known.has(path);
  }
}

/**
 * Looks at what lies at a path, and follows no link.
 *
 * @param path The path.
 * @returns What is there, if anything is.
 * @throws {StorageError} If the disk refuses.
 */
export function lookAt(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw storageError(error, path);
  }
}

/**
 * What something on disk is, in words.
 *
 * @param info What was seen of it.
 * @returns The words, with their article.
 */
export function kindOf(info: Deno.FileInfo): string {
  if (info.isSymlink) return "a symbolic link";
  if (info.isDirectory) return "a folder";
  if (info.isFile) return "a file";
  return "neither a file nor a folder";
}
