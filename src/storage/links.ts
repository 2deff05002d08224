/**
 * The symbolic links of a torrent on disk (BEP 47). Where they may lead is
 * decided in `metainfo/links.ts`; here they are compared and made, each in a
 * place where nothing else lies.
 *
 * @module
 */

import { StorageError } from "../errors.ts";
import type { FilePlace } from "./file_storage.ts";
import {
  kindOf,
  lookAt,
  SafeFolders,
  type SafeFoldersOptions,
} from "./safe_folders.ts";
import { storageError } from "./storage_error.ts";
import { dirname, join } from "@std/path";

/** Options for {@linkcode Links}. */
export interface LinksOptions extends SafeFoldersOptions {
  /** Whether a file or another link may be replaced. */
  mayReplace: boolean;
}

/** A link that is to be made. */
interface LinkPlace {
  readonly path: string;
  /** What it holds. */
  readonly link: string;
}

/** The links of one torrent. */
export class Links {
  readonly #links: readonly LinkPlace[];
  readonly #leftOut: readonly string[];
  readonly #options: LinksOptions;
  readonly #folders: SafeFolders;

  /**
   * Looks at nothing yet.
   *
   * @param places Where all files of the torrent lie, links and others.
   * @param options The folder, and what may be done in it.
   */
  constructor(places: readonly FilePlace[], options: LinksOptions) {
    const symlinks = places.filter(({ kind }) => kind === "symlink");
    this.#links = symlinks.flatMap(({ path, link }) =>
      link === undefined ? [] : [{ path, link }]
    );
    this.#leftOut = symlinks.filter(({ link }) => link === undefined)
      .map(({ path }) => path);
    this.#options = options;
    this.#folders = new SafeFolders(options);
  }

  /**
   * Makes sure that nothing else lies where a link must go.
   *
   * @throws {StorageError} If something does.
   */
  check(): void {
    if (!this.#options.canRead) return;
    for (const place of this.#links) this.#isThere(place);
  }

  /**
   * Makes the links that are missing.
   *
   * @returns What could not be made, in a sentence for each reason.
   * @throws {StorageError} If something else lies in the place of one.
   */
  make(): string[] {
    const notices: string[] = [];
    if (this.#leftOut.length > 0) {
      notices.push(
        `${shown(this.#leftOut)} left out: no symbolic link is made that ` +
          "leads out of the torrent, or nowhere",
      );
    }
    const { canRead } = this.#options;
    const missing = this.#links.filter((place) =>
      !canRead || !this.#isThere(place)
    );
    if (missing.length === 0) return notices;
    const paths = missing.map(({ path }) => path);
    if (!mayMakeLinks()) {
      notices.push(
        `${shown(paths)} left out: Deno permits symbolic links only with ` +
          "--allow-read and --allow-write for all paths",
      );
      return notices;
    }
    const refused = missing.filter((place) => !this.#make(place));
    if (refused.length > 0) {
      notices.push(
        `${shown(refused.map(({ path }) => path))} left out: the disk takes ` +
          "no symbolic link there",
      );
    }
    return notices;
  }

  /** Whether a link is what it should be; throws if something else is there. */
  #isThere({ path, link }: LinkPlace): boolean {
    if (!this.#folders.exists(dirname(path))) return false;
    const info = lookAt(path);
    if (!info) return false;
    if (info.isSymlink && isLink(path, link)) return true;
    if (this.#options.mayReplace && !info.isDirectory) return false;
    const found = info.isSymlink ? "a symbolic link elsewhere" : kindOf(info);
    throw new StorageError("exists", {
      message: `${path} is ${found}, and a symbolic link to ${link} must go ` +
        "there; move it away, or choose another folder with --dir",
      path,
    });
  }

  /** Makes a link; tells whether the disk takes it. */
  #make({ path, link }: LinkPlace): boolean {
    this.#folders.make(dirname(path));
    try {
      if (this.#options.mayReplace && lookAt(path)) Deno.removeSync(path);
      Deno.symlinkSync(link, path);
      return true;
    } catch (error) {
      const failure = storageError(error, path);
      if (failure.problem === "denied" || failure.problem === "io") {
        return false;
      }
      throw failure;
    }
  }
}

/**
 * Whether a link on disk is the one that a torrent has.
 *
 * @param path The link.
 * @param wanted What it should hold.
 * @returns Whether it leads to the same place.
 */
export function isLink(path: string, wanted: string): boolean {
  try {
    const found = Deno.readLinkSync(path);
    return join(found) === join(wanted);
  } catch (error) {
    throw storageError(error, path);
  }
}

/** A link leads anywhere, so Deno wants to know that everything is permitted. */
function mayMakeLinks(): boolean {
  return (["read", "write"] as const).every((name) =>
    Deno.permissions.querySync({ name }).state === "granted"
  );
}

function shown([first, ...others]: readonly string[]): string {
  const count = others.length;
  return count === 0
    ? `${first} is`
    : `${first} and ${count} other${count > 1 ? "s" : ""} are`;
}
