/**
 * Finds the files that a torrent is to be made of, and sees to it that they do
 * not change meanwhile.
 *
 * @module
 */

import { StorageError } from "../errors.ts";
import type { NewFile } from "../metainfo/create.ts";
import { type FileStamp, isSameFile } from "./file_storage.ts";
import { storageError } from "./storage_error.ts";
import { basename, dirname, isAbsolute, join } from "@std/path";

/** A file on disk. */
export interface FoundFile extends NewFile {
  /** Where it lies. */
  readonly location: string;
  /** What it was like when it was found. */
  readonly stamp: FileStamp;
}

/** What lies at some paths. */
export interface Found {
  /** The files. */
  readonly files: FoundFile[];
  /** What a torrent is not made of: sockets and the like, and other links. */
  readonly skipped: string[];
}

/** Options for {@linkcode findFiles}. */
export interface FindOptions {
  /** Whether a file or folder is left out, by its names below the torrent's. */
  isExcluded: (names: readonly string[]) => boolean;
  /** Whether links to what is found are part of the torrent (BEP 47). */
  keepsLinks?: boolean;
}

/** No folder is deeper in a torrent that is read. */
const MAX_DEPTH = 100;

/**
 * Finds files. Those that are hidden are files like others; links below the
 * paths are left out, since what they name may lie elsewhere.
 *
 * @param paths Files and folders. One is the torrent itself; several lie in it.
 * @param options What is left out.
 * @returns The files, in no order.
 * @throws {StorageError} If one cannot be read.
 */
export function findFiles(
  paths: readonly string[],
  { isExcluded, keepsLinks = false }: FindOptions,
): Found {
  const found: Found = { files: [], skipped: [] };
  const links: { location: string; names: readonly string[] }[] = [];
  const add = (location: string, names: readonly string[]) => {
    if (names.length > 0 && isExcluded(names)) return;
    // What is named by the user may be a link.
    const isNamed = names.length < 2 && paths.includes(location);
    const info = look(location, isNamed);
    if (info.isDirectory && names.length < MAX_DEPTH) {
      for (const { name } of list(location)) {
        add(join(location, name), [...names, name]);
      }
    } else if (info.isFile) {
      found.files.push({
        path: names,
        length: info.size,
        isExecutable: isProgram(info),
        location,
        stamp: stampOf(info),
      });
    } else if (info.isSymlink && keepsLinks) {
      links.push({ location, names });
    } else {
      found.skipped.push(location);
    }
  };
  for (const path of paths) {
    add(path, paths.length === 1 ? [] : [nameOfPath(path)]);
  }
  const targets = links.length > 0 ? placesOf(found.files) : new Set();
  for (const { location, names } of links) {
    const target = targetOf(location, names);
    const end = realPath(location);
    if (target && end !== undefined && targets.has(end)) {
      found.files.push({
        path: names,
        length: 0,
        isExecutable: false,
        target,
        location,
        stamp: stampOf(look(location, false)),
      });
    } else {
      found.skipped.push(location);
    }
  }
  return found;
}

/** Where files and the folders above them really lie. */
function placesOf(files: readonly FoundFile[]): Set<string> {
  const places = new Set<string>();
  const folders = new Map<string, string | undefined>();
  for (const { location, path } of files) {
    const folder = dirname(location);
    if (!folders.has(folder)) folders.set(folder, realPath(folder));
    let place = folders.get(folder);
    if (place === undefined) continue;
    places.add(join(place, basename(location)));
    // As many of the folders above as are the torrent's.
    for (let i = 1; i < path.length && !places.has(place); i++) {
      places.add(place);
      place = dirname(place);
    }
  }
  return places;
}

/** What a link says, as names below the torrent's folder. */
function targetOf(
  location: string,
  names: readonly string[],
): string[] | undefined {
  const text = readLink(location);
  if (isAbsolute(text)) return undefined;
  const target = names.slice(0, -1);
  let isBelow = false;
  for (const name of text.split("/")) {
    if (name === "" || name === ".") continue;
    // Behind a link, the way up is another than the words say.
    if (name === ".." && (isBelow || target.pop() === undefined)) {
      return undefined;
    }
    if (name === "..") continue;
    isBelow = true;
    target.push(name);
  }
  return target.length > 0 ? target : undefined;
}

function readLink(path: string): string {
  try {
    return Deno.readLinkSync(path);
  } catch (error) {
    throw storageError(error, path);
  }
}

/** Where something really lies; nothing if a link leads nowhere. */
function realPath(path: string): string | undefined {
  try {
    return Deno.realPathSync(path);
  } catch (error) {
    storageError(error, path);
    return undefined;
  }
}

/**
 * What a file or folder is called.
 *
 * @param path The path, which may be `.` or end in `..`.
 * @returns Its last name.
 * @throws {StorageError} If that needs a look at the disk, and it fails.
 */
export function nameOfPath(path: string): string {
  const name = basename(path);
  if (!/^\.{0,2}$/.test(name)) return name;
  try {
    return basename(Deno.realPathSync(path));
  } catch (error) {
    throw storageError(error, path);
  }
}

/**
 * Makes sure that files are what they were when they were found.
 *
 * @param files The files.
 * @throws {StorageError} If one has changed.
 */
export function checkUnchanged(files: readonly FoundFile[]): void {
  for (const { location, stamp, target } of files) {
    if (!isSameFile(stampOf(look(location, !target)), stamp)) {
      throw changed(location);
    }
  }
}

/**
 * Says that a file has changed.
 *
 * @param path The file.
 * @returns The error to throw.
 */
export function changed(path: string): StorageError {
  return new StorageError("io", {
    message: `${path} changed while it was read: run again when it is at rest`,
    path,
  });
}

/**
 * Whether a file is a program that is to be run: by its owner at least.
 *
 * @param info What was seen of it.
 * @returns Whether it is.
 */
export function isProgram({ mode }: Deno.FileInfo): boolean {
  return ((mode ?? 0) & 0o100) !== 0;
}

function stampOf({ size, mtime, ctime }: Deno.FileInfo): FileStamp {
  return {
    size,
    modifiedAt: mtime?.getTime() ?? 0,
    changedAt: ctime?.getTime() ?? 0,
  };
}

function look(path: string, followsLinks: boolean): Deno.FileInfo {
  try {
    return followsLinks ? Deno.statSync(path) : Deno.lstatSync(path);
  } catch (error) {
    throw storageError(error, path);
  }
}

function list(folder: string): Iterable<Deno.DirEntry> {
  try {
    return Deno.readDirSync(folder);
  } catch (error) {
    throw storageError(error, folder);
  }
}
