/**
 * Where the files of a torrent go. Pure.
 *
 * @module
 */

import { linkText } from "../metainfo/links.ts";
import type { Metainfo } from "../metainfo/metainfo.ts";
import {
  CONTROL_SUFFIX,
  MAX_NAME_BYTES,
  shortenName,
} from "../metainfo/safe_path.ts";
import type { FilePlace } from "./file_storage.ts";
import { basename, dirname, join } from "@std/path";

/** Where everything of a download lies. */
export interface DownloadPlaces {
  /** The user's folder; what lies in it is the torrent's. */
  folder: string;
  /** The file, or the folder of the files. */
  root: string;
  /** Each file of the torrent. */
  files: FilePlace[];
  /** The control file. */
  control: string;
}

/**
 * Decides where the files of a torrent go.
 *
 * @param metainfo The torrent.
 * @param options The download folder, and the user's name for the download.
 * @returns The places.
 */
export function placeFiles(
  metainfo: Metainfo,
  options: { folder: string; out?: string | undefined },
): DownloadPlaces {
  const root = join(options.folder, options.out ?? metainfo.name);
  // As the paths of the files have it: "./" in front is gone.
  const folder = dirname(root);
  const files = metainfo.files.map(({ path, kind, target, isExecutable }) => ({
    // The first name of every path is the torrent's own.
    path: join(root, ...path.slice(1)),
    kind,
    ...(target ? { link: linkText(path, target) } : {}),
    ...(isExecutable ? { isExecutable } : {}),
  }));
  return { folder, root, files, control: join(folder, controlName(root)) };
}

/** Longer or shorter than the download's name, so that it is never the same. */
function controlName(root: string): string {
  const name = basename(root);
  const room = MAX_NAME_BYTES - CONTROL_SUFFIX.length;
  const stem = shortenName(name, room) === name
    ? name
    : shortenName(name, room - CONTROL_SUFFIX.length);
  return stem + CONTROL_SUFFIX;
}
