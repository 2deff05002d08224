/**
 * Small files that are read and written whole.
 *
 * @module
 */

import { storageError } from "./storage_error.ts";
import { dirname } from "@std/path";

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
 * Writes a file: whoever reads it sees the old one or the new one whole.
 *
 * @param path The file.
 * @param bytes What it is to hold.
 * @throws {StorageError} If the disk refuses.
 */
export async function writeSmallFile(
  path: string,
  bytes: Uint8Array,
): Promise<void> {
  const fresh = `${path}.new`;
  try {
    await Deno.writeFile(fresh, bytes);
    await Deno.rename(fresh, path);
  } catch (error) {
    // Permission for the file alone is not enough.
    const isForbidden = error instanceof Deno.errors.NotCapable;
    throw storageError(error, isForbidden ? dirname(path) : path);
  }
}
