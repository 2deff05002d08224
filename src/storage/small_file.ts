/**
 * Small files that are read and written whole.
 *
 * @module
 */

import { storageError } from "./storage_error.ts";
import { dirname, join } from "@std/path";

/**
 * Reads a file, if it is there and may be read.
 *
 * @param path The file.
 * @param maxBytes Above this it is not what it should be.
 * @returns What it holds, or `undefined`.
 */
export async function readSmallFile(
  path: string,
  maxBytes: number,
): Promise<Uint8Array | undefined> {
  const { state } = Deno.permissions.querySync({ name: "read", path });
  if (state !== "granted") return undefined;
  try {
    const { isFile, size } = await Deno.stat(path);
    return isFile && size <= maxBytes ? await Deno.readFile(path) : undefined;
  } catch (error) {
    storageError(error, path);
    return undefined;
  }
}

/**
 * Writes a file: whoever reads it sees the old one or the new one whole, even
 * after a power loss. It keeps its permissions, and its place behind a link.
 *
 * @param path The file.
 * @param bytes What it is to hold.
 * @throws {StorageError} If the disk refuses; then the old one is still there.
 */
export async function writeSmallFile(
  path: string,
  bytes: Uint8Array,
): Promise<void> {
  try {
    const old = look(path);
    // Nothing may take the place of a device or a pipe.
    if (old && !old.info.isFile) return await Deno.writeFile(path, bytes);
    await replace(old?.path ?? path, { bytes, mode: old?.info.mode });
  } catch (error) {
    // Permission for the file alone is not enough.
    const isForbidden = error instanceof Deno.errors.NotCapable;
    throw storageError(error, isForbidden ? dirname(path) : path);
  }
}

/** What is there, and where it really lies; nothing if that may not be seen. */
function look(path: string): { path: string; info: Deno.FileInfo } | undefined {
  const { state } = Deno.permissions.querySync({ name: "read", path });
  if (state !== "granted") return undefined;
  try {
    const info = Deno.statSync(path);
    const isLink = Deno.lstatSync(path).isSymlink;
    return { path: isLink ? Deno.realPathSync(path) : path, info };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Writes beside the file first, and then puts that in its place. */
async function replace(
  path: string,
  { bytes, mode }: { bytes: Uint8Array; mode: number | null | undefined },
): Promise<void> {
  // A name of its own, so that nothing of anybody is written over.
  const fresh = join(dirname(path), `.btget-${crypto.randomUUID()}`);
  try {
    {
      using file = await Deno.open(fresh, { write: true, createNew: true });
      await writeAll(file, bytes);
      await file.sync();
    }
    if (mode) await Deno.chmod(fresh, mode & 0o777);
    await Deno.rename(fresh, path);
  } catch (error) {
    await Deno.remove(fresh).catch(() => {});
    throw error;
  }
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += await file.write(bytes.subarray(at));
  }
}
