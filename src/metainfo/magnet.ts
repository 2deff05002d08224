/**
 * `Magnet`: what a magnet link says (BEP 9, 53), and the metainfo that it and
 * an info dictionary from peers make together. Pure.
 *
 * A link comes from a web page or a message of a stranger: what is wrong with
 * anything but the info hash is left out, so that the rest is of use.
 *
 * @module
 */

import {
  type Endpoint,
  formatEndpoint,
  parseEndpoint,
} from "../bytes/endpoint.ts";
import { HASH_LENGTH, hashesEqual, sha1, sha256 } from "../bytes/hash.ts";
import { MagnetError, MetainfoError } from "../errors.ts";
import {
  MAX_FILES,
  MAX_NODES,
  MAX_TRACKERS,
  MAX_WEB_SEEDS,
  type Metainfo,
  type MetainfoOptions,
  parseInfo,
} from "./metainfo.ts";
import { decodeBase32 } from "@std/encoding/base32";
import { decodeHex, encodeHex } from "@std/encoding/hex";

/** Files that are next to each other in the torrent's list (BEP 53). */
export interface FileRange {
  /** The position of the first. */
  readonly first: number;
  /** The position of the last. */
  readonly last: number;
}

/** A magnet link. */
export interface Magnet {
  /**
   * The torrent's identity, 20 bytes: the SHA-1 of the info dictionary, or as
   * much of the SHA-256 if the link has that alone.
   */
  readonly infoHash: Uint8Array;
  /** Whether the info hash is the SHA-1, of torrents for v1. */
  readonly hasV1: boolean;
  /** The SHA-256 of the info dictionary (BEP 52), if the link has it. */
  readonly infoHashV2: Uint8Array | undefined;
  /** What to call the torrent until more is known; whoever shows it escapes it. */
  readonly name: string | undefined;
  /** Tracker URLs as they are written, each a tier of its own. */
  readonly announceTiers: readonly (readonly string[])[];
  /** Web seeds (BEP 19), as they are written. */
  readonly webSeeds: readonly string[];
  /** Peers to connect to at once (BEP 9, `x.pe`); some by a host name. */
  readonly peers: readonly Endpoint[];
  /** DHT nodes: not in any BEP, but libtorrent and others write them. */
  readonly nodes: readonly Endpoint[];
  /** The files that are wanted (BEP 53), ascending; all if not said. */
  readonly fileSelection: readonly FileRange[] | undefined;
  /** The length of all files together, as the link claims. */
  readonly exactLength: number | undefined;
}

/** Any link of use is shorter: a hundred trackers take a tenth of that. */
const MAX_LENGTH = 256 * 1024;

/** More than a file may be called. */
const MAX_NAME_LENGTH = 255;

/** More would only be a way to make us dial around. */
const MAX_PEERS = 100;

/** What precedes 32 bytes of SHA-256 in a multihash (BEP 52). */
const SHA256_MULTIHASH = "1220";

const BTIH = /^urn:btih:/i;
const BTMH = /^urn:btmh:/i;
const HEX_HASH = /^[0-9a-f]{40}$/i;
const BASE32_HASH = /^[a-z2-7]{32}$/i;
const HEX_HASH_V2 = /^[0-9a-f]{64}$/i;

/**
 * Whether a text is meant to be a magnet link, or is a bare info hash.
 *
 * @param text What the user wrote.
 * @returns Whether {@linkcode parseMagnet} is to read it.
 */
export function isMagnet(text: string): boolean {
  const trimmed = text.trim();
  return /^magnet:/i.test(trimmed) || parseInfoHash(trimmed) !== undefined;
}

/**
 * Reads a magnet link, or an info hash alone: 40 hex digits, or 32 of base32.
 *
 * @param text The link; white space around it does not count.
 * @returns What it says.
 * @throws {MagnetError} If it has no info hash that we can use.
 */
export function parseMagnet(text: string): Magnet {
  if (text.length > MAX_LENGTH) {
    throw new MagnetError("it", `is longer than ${MAX_LENGTH} characters`);
  }
  const link = text.trim();
  const bare = parseInfoHash(link);
  if (bare) {
    const hashes = { infoHash: bare, hasV1: true, infoHashV2: undefined };
    return magnetOf(hashes, new Parameters(""));
  }
  const query = /^magnet:\/{0,3}\?(.*)$/is.exec(link)?.[1];
  if (query === undefined) {
    throw new MagnetError("it", "does not begin with 'magnet:?'");
  }
  const parameters = new Parameters(query);
  return magnetOf(exactTopic(parameters), parameters);
}

/** What a link names. */
type Topic = Pick<Magnet, "infoHash" | "hasV1" | "infoHashV2">;

function magnetOf(topic: Topic, parameters: Parameters): Magnet {
  const name = [...(parameters.texts("dn")[0] ?? "").trim()]
    .slice(0, MAX_NAME_LENGTH).join("").trim();
  return {
    ...topic,
    name: name || undefined,
    announceTiers: distinct(parameters.values("tr"), MAX_TRACKERS)
      .map((url) => [url]),
    webSeeds: distinct(parameters.values("ws"), MAX_WEB_SEEDS),
    peers: endpoints(parameters.values("x.pe"), MAX_PEERS),
    nodes: endpoints(parameters.values("dht"), MAX_NODES),
    fileSelection: fileSelection(parameters.values("so")),
    exactLength: exactLength(parameters.values("xl")),
  };
}

/** The info hashes of the link. */
function exactTopic(parameters: Parameters): Topic {
  if (parameters.isBroken("xt")) {
    throw new MagnetError("xt", "has a '%' without two hex digits after it");
  }
  const infoHash = topics(parameters, {
    kind: BTIH,
    parse: parseInfoHash,
    problem: "has a hash of the wrong length or alphabet",
  });
  const infoHashV2 = topics(parameters, {
    kind: BTMH,
    parse: parseInfoHashV2,
    problem: "has a multihash that is no SHA-256 ('1220' and 64 hex digits)",
  });
  if (infoHash) return { infoHash, hasV1: true, infoHashV2 };
  if (infoHashV2) {
    const truncated = infoHashV2.slice(0, HASH_LENGTH);
    return { infoHash: truncated, hasV1: false, infoHashV2 };
  }
  const isKey = parameters.values("xs")
    .some((source) => /^urn:btpk:/i.test(source));
  throw isKey
    ? new MagnetError("xs", "names a public key (BEP 46), which cannot be used")
    : new MagnetError(
      "xt",
      "is missing: no info hash ('urn:btih:' or 'urn:btmh:')",
    );
}

/** The one hash that all topics of a kind agree on. */
function topics(
  parameters: Parameters,
  { kind, parse, problem }: {
    kind: RegExp;
    parse: (text: string) => Uint8Array | undefined;
    problem: string;
  },
): Uint8Array | undefined {
  let found: Uint8Array | undefined;
  for (const topic of parameters.values("xt")) {
    if (!kind.test(topic)) continue;
    const hash = parse(topic.slice("urn:btxh:".length));
    if (!hash) throw new MagnetError("xt", problem);
    if (found && !hashesEqual(found, hash)) {
      throw new MagnetError("xt", "names two different torrents");
    }
    found = hash;
  }
  return found;
}

function parseInfoHash(text: string): Uint8Array | undefined {
  if (HEX_HASH.test(text)) return decodeHex(text);
  if (!BASE32_HASH.test(text)) return undefined;
  return new Uint8Array(decodeBase32(text.toUpperCase()));
}

function parseInfoHashV2(text: string): Uint8Array | undefined {
  if (!text.startsWith(SHA256_MULTIHASH)) return undefined;
  const digest = text.slice(SHA256_MULTIHASH.length);
  return HEX_HASH_V2.test(digest) ? decodeHex(digest) : undefined;
}

function distinct(texts: readonly string[], limit: number): string[] {
  return [...new Set(texts)].filter((text) => text !== "").slice(0, limit);
}

function endpoints(texts: readonly string[], limit: number): Endpoint[] {
  const found = new Map<string, Endpoint>();
  for (const text of texts) {
    if (found.size >= limit) break;
    const endpoint = parseEndpoint(text);
    if (endpoint) found.set(formatEndpoint(endpoint), endpoint);
  }
  return [...found.values()];
}

/** BEP 53: `0,2,4,6-8`. What no torrent has is left out, never counted out. */
function fileSelection(lists: readonly string[]): FileRange[] | undefined {
  const ranges = lists.flatMap((list) => list.split(",")).flatMap((item) => {
    const match = /^(\d{1,15})(?:-(\d{1,15}))?$/.exec(item);
    if (!match) return [];
    const first = Number(match[1]);
    const last = Math.min(Number(match[2] ?? first), MAX_FILES - 1);
    return first <= last ? [{ first, last }] : [];
  }).sort((a, b) => a.first - b.first);
  const merged: FileRange[] = [];
  for (const range of ranges) {
    const before = merged.at(-1);
    if (!before || range.first > before.last + 1) {
      merged.push(range);
    } else if (range.last > before.last) {
      merged[merged.length - 1] = { first: before.first, last: range.last };
    }
  }
  return merged.length > 0 ? merged : undefined;
}

function exactLength(texts: readonly string[]): number | undefined {
  const text = texts.find((text) => /^\d{1,16}$/.test(text));
  const length = text === undefined ? undefined : Number(text);
  return Number.isSafeInteger(length) ? length : undefined;
}

/** The parameters of a link: names in lower case, `tr.1` the same as `tr`. */
class Parameters {
  readonly #raw = new Map<string, string[]>();

  constructor(query: string) {
    for (const part of query.split("&")) {
      const [, name, value] = /^([a-z.]+?)(?:\.\d+)?=(.*)$/is.exec(part) ?? [];
      if (name === undefined || value === undefined) continue;
      const key = name.toLowerCase();
      const values = this.#raw.get(key);
      if (values) values.push(value);
      else this.#raw.set(key, [value]);
    }
  }

  /** Whether a value has an escape that is none. */
  isBroken(name: string): boolean {
    return this.#of(name).some((raw) => percentDecode(raw) === undefined);
  }

  /** The values, without those that have an escape that is none. */
  values(name: string): string[] {
    return this.#of(name).flatMap((raw) => percentDecode(raw) ?? []);
  }

  /** The same, of a parameter in which `+` stands for a blank. */
  texts(name: string): string[] {
    return this.#of(name)
      .flatMap((raw) => percentDecode(raw.replaceAll("+", " ")) ?? []);
  }

  #of(name: string): readonly string[] {
    return this.#raw.get(name) ?? [];
  }
}

/** The text without its escapes; bytes that are not UTF-8 become U+FFFD. */
function percentDecode(text: string): string | undefined {
  if (!text.includes("%")) return text.toWellFormed();
  const bytes = new TextEncoder().encode(text);
  let length = 0;
  for (let at = 0; at < bytes.length; at++) {
    let byte = bytes[at]!;
    if (byte === 0x25) {
      const digits = String.fromCharCode(bytes[++at] ?? 0, bytes[++at] ?? 0);
      if (!/^[0-9a-f]{2}$/i.test(digits)) return undefined;
      byte = parseInt(digits, 16);
    }
    bytes[length++] = byte;
  }
  return new TextDecoder().decode(bytes.subarray(0, length));
}

/** What can go into a link: a {@linkcode Metainfo}, a {@linkcode Magnet}. */
export type MagnetParts =
  & Pick<Magnet, "infoHash">
  & { readonly [Key in keyof Magnet]?: Magnet[Key] | undefined };

/**
 * Writes a magnet link.
 *
 * @param parts What it says.
 * @returns The link, in printable ASCII.
 */
export function formatMagnet(parts: MagnetParts): string {
  const { infoHash, infoHashV2, name, fileSelection, exactLength } = parts;
  const escaped = (key: string, values: Iterable<string> = []) =>
    [...values].map((value) => `&${key}=${encodeURIComponent(value)}`);
  // Endpoints consist of what is safe in a link, and should stay readable.
  const plain = (key: string, values: readonly Endpoint[] = []) =>
    values.map((endpoint) => `&${key}=${formatEndpoint(endpoint)}`);
  const topics = [
    parts.hasV1 !== false && `xt=urn:btih:${encodeHex(infoHash)}`,
    infoHashV2 && `xt=urn:btmh:${SHA256_MULTIHASH}${encodeHex(infoHashV2)}`,
  ].filter((topic) => typeof topic === "string");
  const files = fileSelection?.map(({ first, last }) =>
    first === last ? `${first}` : `${first}-${last}`
  );
  return [
    `magnet:?${topics.join("&")}`,
    ...escaped("dn", name === undefined ? [] : [name.toWellFormed()]),
    exactLength !== undefined && `&xl=${exactLength}`,
    ...escaped("tr", parts.announceTiers?.flat()),
    ...escaped("ws", parts.webSeeds),
    ...plain("x.pe", parts.peers),
    ...plain("dht", parts.nodes),
    files && `&so=${files.join(",")}`,
  ].filter((part) => typeof part === "string").join("");
}

/**
 * What a link and the info dictionary that peers gave for it say together.
 *
 * @param magnet The link.
 * @param infoBytes The info dictionary as it is written.
 * @param options The rules for names.
 * @returns The same as a .torrent file would say.
 * @throws {MetainfoError} If it cannot be used, or is not that of the link.
 * @throws {BencodeError} If it is not bencoded.
 */
export function metainfoOf(
  magnet: Magnet,
  infoBytes: Uint8Array,
  options: MetainfoOptions = {},
): Metainfo {
  const info = parseInfo(infoBytes, options);
  const { hasV1, infoHash, infoHashV2 } = magnet;
  // Both, as far as they are named: a SHA-1 can be forged.
  if (
    (hasV1 && !hashesEqual(sha1(infoBytes), infoHash)) ||
    (infoHashV2 && !hashesEqual(sha256(infoBytes), infoHashV2))
  ) {
    throw new MetainfoError("info", "is not the one that the link names");
  }
  const { announceTiers, webSeeds, nodes } = magnet;
  return {
    ...info,
    pieceLayers: new Map(),
    announceTiers,
    webSeeds,
    httpSeeds: [],
    nodes,
    comment: undefined,
    createdBy: undefined,
    creationDate: undefined,
  };
}
