/**
 * Keeps a .torrent file.
 *
 * @module
 */

import { StorageError } from "../errors.ts";
import { readSmallFile, writeSmallFile } from "./small_file.ts";
import { storageError } from "./storage_error.ts";
import { dirname } from "@std/path";

/** Options for {@linkcode saveTorrent}. */
export interface SaveTorrentOptions {
  /** What the file is to hold. */
  bytes: Uint8Array;
  /** Whether another file may be replaced. */
  mayOverwrite: boolean;
}

/**
 * Writes a .torrent file. One that is there already stays if it is the same.
 *
 * @param path Where to.
 * @param options What to write.
 * @throws {StorageError} If something else lies there, or the disk refuses.
 */
export async function saveTorrent(
  path: string,
  { bytes, mayOverwrite }: SaveTorrentOptions,
): Promise<void> {
  try {
    await write(path, { bytes, mayOverwrite });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) {
      throw storageError(error, path);
    }
    if (await isThere(path, bytes)) return;
    throw new StorageError("exists", {
      message: `${path} exists and is not the same; move it away, or say ` +
        "--allow-overwrite",
      path,
      cause: error,
    });
  }
}

/** Makes the folder only if it is missing: that needs a permission more. */
async function write(
  path: string,
  options: SaveTorrentOptions,
): Promise<void> {
  try {
    await writeOnce(path, options);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    await Deno.mkdir(dirname(path), { recursive: true });
    await writeOnce(path, options);
  }
}

/** A new file needs no other beside it, and no permission for that. */
async function writeOnce(
  path: string,
  { bytes, mayOverwrite }: SaveTorrentOptions,
): Promise<void> {
  try {
    using _file = await Deno.open(path, { write: true, createNew: true });
  } catch (error) {
    const isThere = error instanceof Deno.errors.AlreadyExists;
    if (!isThere || !mayOverwrite) throw error;
    return await writeSmallFile(path, bytes);
  }
  try {
    await Deno.writeFile(path, bytes, { create: false });
  } catch (error) {
    // A part of a torrent is none, and would be in the way next time.
    await Deno.remove(path).catch(() => {});
    throw error;
  }
}

async function isThere(path: string, bytes: Uint8Array): Promise<boolean> {
  const found = await readSmallFile(path, bytes.length);
  return found?.length === bytes.length &&
    found.every((byte, i) => byte === bytes[i]);
}
