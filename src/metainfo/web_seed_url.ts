/**
 * The URLs of web seeds: which of them can be used, and where on them the bytes
 * of a torrent lie (BEP 17, 19). Pure.
 *
 * @module
 */

import { isLocal } from "../bytes/local_host.ts";
import { percentEncode } from "../bytes/percent.ts";
import type { Info } from "./info.ts";
import type { TorrentFile } from "./file_list.ts";
import type { Block } from "./layout.ts";
import type { Metainfo } from "./metainfo.ts";

/** Servers refuse longer ones: their usual limits are 4 and 8 KiB. */
const MAX_URL_LENGTH = 8192;

/** With these a path would be another one: a URL has no way to say them. */
const DOTS = new Set([".", ".."]);

/** How to read the URL of a web seed. */
export interface WebSeedUrlOptions {
  /** Whether the user has named it, and not a torrent or a link. */
  isTrusted?: boolean;
}

/**
 * Reads the URL of a web seed.
 *
 * @param text The URL as a torrent, a link or the user has it.
 * @param options Who says so.
 * @returns The URL, or `undefined` if it is none that may be asked.
 */
export function parseWebSeedUrl(
  text: string,
  { isTrusted = false }: WebSeedUrlOptions = {},
): URL | undefined {
  // The URL standard would silently drop line breaks and a third slash.
  if (
    text.length > MAX_URL_LENGTH ||
    !/^https?:\/\/[^\s\p{Cc}\/\\][^\p{Cc}]*$/iu.test(text)
  ) return undefined;
  const url = URL.parse(text.trim());
  if (!url || url.port === "0") return undefined;
  if (!isTrusted && isOrderNearby(url)) return undefined;
  url.hash = "";
  return url;
}

/**
 * Whether a URL could be an order to some device nearby, which no torrent may
 * give.
 *
 * @param url The URL.
 * @returns Whether it has a query and a host that only we can mean.
 */
export function isOrderNearby(url: URL): boolean {
  return url.search !== "" && isLocal(url.hostname);
}

/** Where the bytes of a torrent are to be had. */
export interface WebSeedPlace {
  /** The URL of the web seed. */
  readonly url: URL;
  /** Whether it gives pieces (BEP 17), and not files (BEP 19). */
  readonly givesPieces: boolean;
  /** Whether the user has named it, and not a torrent or a link. */
  readonly isTrusted: boolean;
}

/**
 * The web seeds of a torrent.
 *
 * @param metainfo The torrent.
 * @param extra URLs that the user names beside its own.
 * @returns Those that can be asked, each once, and the other URLs.
 */
export function webSeedPlaces(
  metainfo: Pick<Metainfo, "webSeeds" | "httpSeeds">,
  extra: readonly string[],
): { places: WebSeedPlace[]; unusable: string[] } {
  const places = new Map<string, WebSeedPlace>();
  const unusable: string[] = [];
  const add = (
    urls: readonly string[],
    kind: Omit<WebSeedPlace, "url">,
  ) => {
    for (const text of urls) {
      const url = parseWebSeedUrl(text, kind);
      if (!url) unusable.push(text);
      else if (!places.has(url.href)) places.set(url.href, { url, ...kind });
    }
  };
  add(extra, { givesPieces: false, isTrusted: true });
  add(metainfo.webSeeds, { givesPieces: false, isTrusted: false });
  add(metainfo.httpSeeds, { givesPieces: true, isTrusted: false });
  return { places: [...places.values()], unusable };
}

/**
 * Where a file lies on a web seed (BEP 19).
 *
 * @param seed The URL of the web seed.
 * @param info The torrent.
 * @param file One of its files.
 * @returns The URL of the file, or `undefined` if no URL can name it.
 */
export function fileUrl(
  seed: URL,
  { rawName, isMultiFile }: Pick<Info, "rawName" | "isMultiFile">,
  { path, rawPath }: Pick<TorrentFile, "path" | "rawPath">,
): URL | undefined {
  // A query that ends like a path is one: "?file=/pub/".
  const place = seed.search.endsWith("/") ? "search" : "pathname";
  const isFolder = seed[place].endsWith("/");
  if (!isMultiFile && !isFolder) return seed;
  const inside = rawPath ??
    path.slice(1).map((name) => new TextEncoder().encode(name));
  const names = (isMultiFile ? [rawName, ...inside] : [rawName])
    .filter((name) => name.length > 0)
    .map(percentEncode);
  if (names.some((name) => DOTS.has(name))) return undefined;
  const url = new URL(seed);
  url[place] += (isFolder ? "" : "/") + names.join("/");
  return url.href.length <= MAX_URL_LENGTH ? url : undefined;
}

/**
 * Where a part of a piece lies on a web seed that gives pieces (BEP 17).
 *
 * @param seed The URL of the web seed.
 * @param info The torrent.
 * @param part The part of a piece, or all of it.
 * @returns The URL of the part.
 */
export function pieceUrl(
  seed: URL,
  { infoHash, layout }: Pick<Info, "infoHash" | "layout">,
  { index, begin, length }: Block,
): URL {
  const url = new URL(seed);
  const own = url.search.slice(1);
  const isWhole = length === layout.pieceSize(index);
  url.search = [
    ...(own === "" ? [] : [own]),
    `info_hash=${percentEncode(infoHash)}`,
    `piece=${index}`,
    ...(isWhole ? [] : [`ranges=${begin}-${begin + length - 1}`]),
  ].join("&");
  return url;
}
