/**
 * What the tools beside the download have in common: their form, and the forms
 * of what they say.
 *
 * @module
 */

import { StorageError } from "../errors.ts";
import { saveTorrent } from "../storage/save_torrent.ts";
import type { Env } from "./env.ts";
import { mayWrite } from "./permissions.ts";
import { SourceError } from "./source.ts";
import { printable } from "./text.ts";

/** A tool: `btget NAME …`. */
export interface Tool {
  /** What `--help` prints. */
  readonly help: string;
  /**
   * Does what is wanted.
   *
   * @param args The arguments behind the name.
   * @param env The world.
   * @returns The exit status.
   */
  run(args: readonly string[], env: Env): Promise<number>;
}

/** A line for a program: values between tabs. */
export function tabbed(values: readonly (string | number)[]): string {
  return `${values.map((value) => printable(String(value))).join("\t")}\n`;
}

/**
 * A line of JSON in plain ASCII, which any terminal can be shown.
 *
 * @param value What to say.
 * @returns The line with its end.
 */
export function jsonLine(value: unknown): string {
  const text = JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (character) =>
      `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `${text}\n`;
}

/** Where a torrent is written. */
export interface TorrentOutput {
  /** The file, or `-` for standard output. */
  path: string;
  /** Whether another file may be replaced. */
  mayOverwrite: boolean;
}

/**
 * Makes sure that a torrent can be written, before anything is done for it.
 *
 * @param output Where to.
 * @throws {SourceError} If Deno does not permit it.
 * @throws {StorageError} If a file is in the way.
 */
export function requireOutput({ path, mayOverwrite }: TorrentOutput): void {
  if (path === "-") return;
  if (!mayWrite(path)) {
    throw new SourceError(
      "denied",
      `${path} may not be written: run again with --allow-write=${path}`,
    );
  }
  const found = look(path);
  if (found?.isDirectory || path.endsWith("/")) {
    throw new StorageError("exists", {
      message: `${path} is a folder: name the file to write in it`,
      path,
    });
  }
  if (mayOverwrite || !found) return;
  throw new StorageError("exists", {
    message: `${path} exists; move it away, or say --allow-overwrite`,
    path,
  });
}

/** What is there; nothing of what may not be looked at. */
function look(path: string): Deno.FileInfo | undefined {
  const { state } = Deno.permissions.querySync({ name: "read", path });
  if (state !== "granted") return undefined;
  try {
    return Deno.lstatSync(path);
  } catch {
    return undefined;
  }
}

/**
 * Writes a torrent.
 *
 * @param bytes The .torrent file.
 * @param options Where to, and the world.
 * @throws {StorageError} If the disk refuses.
 */
export async function writeTorrent(
  bytes: Uint8Array,
  { path, mayOverwrite, env }: TorrentOutput & { env: Env },
): Promise<void> {
  if (path === "-") env.stdout.writeBytes(bytes);
  else await saveTorrent(path, { bytes, mayOverwrite });
}
