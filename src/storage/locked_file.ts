/**
 * A file that one process at a time works on: a regular file, locked as long
 * as it is open, and found at its path by whoever comes next.
 *
 * @module
 */

import { StorageError } from "../errors.ts";
import { storageError } from "./storage_error.ts";
import { delay } from "@std/async/delay";

/** How long a lock may take where asking for one cannot be without waiting. */
const LOCK_PATIENCE_MS = 500;

/**
 * Opens a file and locks it.
 *
 * @param path Where it lies.
 * @param options Whether to create it where there is none.
 * @returns The file, or `undefined` if there is none, or something else lies
 * there.
 * @throws {StorageError} If another process has it, or if the disk refuses.
 */
export async function openLocked(
  path: string,
  { create }: { create: boolean },
): Promise<Deno.FsFile | undefined> {
  while (true) {
    const file = await openRegular(path, create);
    if (!file) return undefined;
    let isOurs = false;
    try {
      if (!await tryLock(file)) {
        throw new StorageError("locked", {
          message: `Another btget is working on this download (${path})`,
          path,
        });
      }
      // Who had the lock before may have finished and removed the file.
      isOurs = await isStillAt(path, file);
      if (isOurs) return file;
    } catch (error) {
      throw storageError(error, path);
    } finally {
      if (!isOurs) closeLocked(file);
    }
  }
}

/**
 * Closes a file, and frees its lock even if a process that is just being
 * started has a copy of the handle for a moment.
 *
 * @param file The file.
 */
export function closeLocked(file: Deno.FsFile): void {
  try {
    file.unlockSync();
  } catch (error) {
    // There may be no lock to free, or an old Deno still waits for it.
    if (error instanceof TypeError) throw error;
  }
  file.close();
}

async function openRegular(
  path: string,
  create: boolean,
): Promise<Deno.FsFile | undefined> {
  while (true) {
    let info: Deno.FileInfo | undefined;
    try {
      info = await lstat(path);
      if (info ? !info.isFile : !create) return undefined;
      return await Deno.open(path, {
        read: true,
        write: true,
        ...(info ? {} : { createNew: true }),
      });
    } catch (error) {
      // Between the two calls another process has removed or created it.
      const { NotFound, AlreadyExists } = Deno.errors;
      const hasChanged = error instanceof (info ? NotFound : AlreadyExists);
      if (!hasChanged) throw storageError(error, path);
    }
  }
}

/** Whether nobody else has the lock. */
async function tryLock(file: Deno.FsFile): Promise<boolean> {
  try {
    return await askForLock(file);
  } catch (error) {
    if (error instanceof TypeError) throw error;
    // Some network file systems have no locks; there it goes without.
    return true;
  }
}

/** Deno before 2.9 can only wait for a lock, so there the wait is bounded. */
async function askForLock(file: Deno.FsFile): Promise<boolean> {
  const lockable = file as Deno.FsFile & {
    tryLock?: (exclusive: boolean) => Promise<boolean>;
  };
  if (lockable.tryLock) return await lockable.tryLock(true);
  const patience = new AbortController();
  try {
    return await Promise.race([
      file.lock(true).then(() => true),
      delay(LOCK_PATIENCE_MS, { signal: patience.signal }).then(() => false),
    ]);
  } finally {
    patience.abort();
  }
}

/** Whether a path still leads to an open file, and by no link. */
async function isStillAt(path: string, file: Deno.FsFile): Promise<boolean> {
  const [found, opened] = [await lstat(path), await file.stat()];
  return found?.isFile === true && found.ino === opened.ino &&
    found.dev === opened.dev;
}

async function lstat(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
