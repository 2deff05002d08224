/**
 * Whether a download will fit on the disk, found out before its first byte.
 *
 * Deno tells the free space of a disk only to those who run with
 * `--allow-sys=statfs`. Where that is not granted, the start of the room is
 * taken and given back: a disk that is full, or nearly so, shows at once, and
 * one that fills later stops the download then.
 *
 * @module
 */

import { StorageError } from "../errors.ts";
import type { ControlFile } from "./control_file.ts";
import { format } from "@std/fmt/bytes";
import { dirname } from "@std/path";
import { statfs } from "node:fs/promises";

/** Taking more would cost time that most downloads would notice. */
const MAX_RESERVED_BYTES = 64 * 1024 * 1024;

/** Options for {@linkcode checkFreeSpace}. */
export interface FreeSpaceOptions {
  /** A file on the disk that is meant; it need not exist. */
  path: string;
  /** A file on that disk that may grow for a moment, if there is one. */
  control: ControlFile | undefined;
}

/**
 * Makes sure that there is room on a disk.
 *
 * @param bytes How much is needed.
 * @param options Which disk.
 * @throws {StorageError} If there is less.
 */
export async function checkFreeSpace(
  bytes: number,
  { path, control }: FreeSpaceOptions,
): Promise<void> {
  if (bytes === 0) return;
  const permission = { name: "sys", kind: "statfs" } as const;
  const { state } = Deno.permissions.querySync(permission);
  if (state !== "granted") {
    await control?.reserve(Math.min(bytes, MAX_RESERVED_BYTES));
    return;
  }
  const { bavail, bsize } = await statfs(dirname(path));
  const free = bavail * bsize;
  if (bytes <= free) return;
  const [needed, left] = [bytes, free].map((n) => format(n, { binary: true }));
  throw new StorageError("disk_full", {
    message: `No space left in ${
      dirname(path)
    }: ${needed} needed, ${left} free`,
    path,
  });
}
