/**
 * A source on the command line → what torrent it names.
 *
 * @module
 */

import { BencodeError } from "../errors.ts";
import { isMagnet, type Magnet, parseMagnet } from "../metainfo/magnet.ts";
import { type Metainfo, parseMetainfo } from "../metainfo/metainfo.ts";
import type { NameRules } from "../metainfo/safe_path.ts";
import {
  readSource,
  type ReadSourceOptions,
  shownSource,
  SourceError,
} from "./source.ts";

/**
 * Reads a source.
 *
 * @param source A path, an http(s) URL, a magnet link, an info hash, or `-` for
 * standard input, which can have either a file or a link.
 * @param options Standard input, and what gives up.
 * @returns The torrent, or the link to it.
 * @throws {MetainfoError} If it is none that can be used.
 * @throws {SourceError} If it cannot be had, or is something else.
 * @throws {NetworkError} If a URL does not answer.
 */
export async function readTorrent(
  source: string,
  options: ReadSourceOptions,
): Promise<Metainfo | Magnet> {
  const found = await readFileOrLink(source, options);
  return found instanceof Uint8Array ? parseFile(found, { source }) : found;
}

/**
 * Reads a source, and not what is in a .torrent file.
 *
 * @param source As for {@linkcode readTorrent}.
 * @param options Standard input, and what gives up.
 * @returns The file, or the link.
 * @throws {MagnetError} If it is a link that cannot be used.
 * @throws {SourceError} If it cannot be had, or is something else.
 * @throws {NetworkError} If a URL does not answer.
 */
export async function readFileOrLink(
  source: string,
  options: ReadSourceOptions,
): Promise<Uint8Array | Magnet> {
  // 32 letters can be an info hash, and the name of a file.
  if (isMagnet(source) && !isFile(source)) return parseMagnet(source);
  const bytes = await readSource(source, options);
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, 8));
  if (!/^magnet:/i.test(text)) return bytes;
  return parseMagnet(new TextDecoder().decode(bytes));
}

/**
 * Reads a .torrent file by the rules of this machine.
 *
 * @param bytes The file.
 * @param options Where it comes from.
 * @returns What it says.
 * @throws {MetainfoError} If it cannot be used.
 * @throws {SourceError} If it is no torrent.
 */
export function parseFile(
  bytes: Uint8Array,
  { source }: { source: string },
): Metainfo {
  try {
    return parseMetainfo(bytes, { names: nameRules() });
  } catch (error) {
    if (!(error instanceof BencodeError)) throw error;
    throw new SourceError(
      "notBencoded",
      `${shownSource(source)} is not a torrent: ${error.message}`,
      { cause: error },
    );
  }
}

function isFile(path: string): boolean {
  const { state } = Deno.permissions.querySync({ name: "read", path });
  if (state !== "granted") return false;
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/**
 * Whether it is known what a torrent holds.
 *
 * @param source What a source names.
 * @returns Whether it is more than a link.
 */
export function isMetainfo(source: Metainfo | Magnet): source is Metainfo {
  return "infoBytes" in source;
}

/**
 * What the file systems of this machine make of names.
 *
 * @returns The rules.
 */
export function nameRules(): NameRules {
  return {
    windows: Deno.build.os === "windows",
    foldsCase: Deno.build.os === "windows" || Deno.build.os === "darwin",
  };
}
