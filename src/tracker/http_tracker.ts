/**
 * An HTTP or HTTPS tracker (BEP 3, 7, 23, 24, 31, 48).
 *
 * @module
 */

import { type AddressFamily, familyOf } from "../bytes/endpoint.ts";
import { isLoopback } from "../bytes/local_host.ts";
import { percentEncode } from "../bytes/percent.ts";
import { NetworkError, ProtocolError, TrackerError } from "../errors.ts";
import { displayUrl, httpGet } from "../net/http.ts";
import { eachAnswer } from "./each_answer.ts";
import { decodeAnnounceResponse, decodeScrapeResponse } from "./http_answer.ts";
import type {
  AnnounceRequest,
  AnnounceResponse,
  ScrapeCounts,
  Tracker,
} from "./tracker.ts";

/** libtorrent's limit; ten thousand peers are 60 KB. */
const MAX_BODY_BYTES = 1024 * 1024;

/** rain's and libtorrent's: who needs longer is overloaded or dead. */
const TIMEOUT_MS = 15_000;

/** Arguments that only we may give: a URL that has them wants to misuse us. */
const RESERVED_ARGUMENTS = [
  "info_hash",
  "peer_id",
  "port",
  "uploaded",
  "downloaded",
  "event",
  "key",
  "corrupt",
];

/** A tracker that speaks HTTP. */
export class HttpTracker implements Tracker {
  readonly name: string;
  readonly #url: URL;

  private constructor(url: URL) {
    this.#url = url;
    this.name = displayUrl(url);
  }

  /**
   * The tracker at a URL.
   *
   * @param text The URL as a torrent has it.
   * @returns The tracker, or `undefined` if it is no usable HTTP URL.
   */
  static at(text: string): HttpTracker | undefined {
    // The URL standard would silently drop line breaks and a third slash.
    if (!/^https?:\/\/[^\s\p{Cc}\/\\][^\s\p{Cc}]*$/iu.test(text)) {
      return undefined;
    }
    const url = URL.parse(text);
    if (!url || url.port === "0" || refuseLocal(url)) return undefined;
    if (RESERVED_ARGUMENTS.some((name) => url.searchParams.has(name))) {
      return undefined;
    }
    return new HttpTracker(url);
  }

  /**
   * Tells the tracker of us and asks for peers. A name is asked over IPv4 and
   * IPv6 at once: whether it has both, only the system knows.
   *
   * @param request What to tell.
   * @param options What gives up.
   * @returns What it answers over each family.
   * @throws {TrackerError} If it refuses or does not answer.
   */
  announce(
    request: AnnounceRequest,
    { signal }: { signal: AbortSignal },
  ): AsyncGenerator<AnnounceResponse, void, undefined> {
    const url = announceUrl(this.#url, request);
    const attempts = this.#families.map((family) => (signal: AbortSignal) =>
      this.#ask(url, {
        family,
        signal,
        refuse: refuseLocal,
        decode: decodeAnnounceResponse,
      })
    );
    return eachAnswer(attempts, { signal });
  }

  /**
   * Asks how torrents stand.
   *
   * @param infoHashes The torrents.
   * @param options What gives up.
   * @returns How each stands.
   * @throws {TrackerError} If it refuses or cannot be asked that.
   */
  async scrape(
    infoHashes: readonly Uint8Array[],
    { signal }: { signal: AbortSignal },
  ): Promise<(ScrapeCounts | undefined)[]> {
    const url = scrapeUrl(this.#url, infoHashes);
    if (!url) throw new TrackerError(`${this.name} cannot be scraped`);
    return await this.#ask(url, {
      signal,
      refuse: (url) => refuseLocal(url, "/scrape"),
      decode: (body, options) =>
        decodeScrapeResponse(body, { ...options, infoHashes }),
    });
  }

  /** An address has one family; a name may have both. */
  get #families(): (AddressFamily | undefined)[] {
    const hostname = this.#url.hostname.replace(/^\[|\]$/g, "");
    return familyOf({ hostname, port: 1 }) ? [undefined] : [4, 6];
  }

  async #ask<T>(
    url: URL,
    { decode, ...options }: {
      family?: AddressFamily | undefined;
      signal: AbortSignal;
      refuse: (url: URL) => string | undefined;
      decode: (body: Uint8Array, options: { status: number }) => T;
    },
  ): Promise<T> {
    try {
      const { status, body } = await httpGet(url, {
        maxBytes: MAX_BODY_BYTES,
        timeoutMs: TIMEOUT_MS,
        ...options,
      });
      return decode(body, { status });
    } catch (error) {
      if (error instanceof TrackerError) throw error;
      if (error instanceof NetworkError || error instanceof ProtocolError) {
        throw new TrackerError(error.message, { cause: error });
      }
      throw error;
    }
  }
}

/**
 * The URL of an announce. Bytes are escaped as BEP 3 wants it, one by one.
 *
 * @param tracker The tracker's URL, which may have a query of its own.
 * @param request What to tell.
 * @returns The URL to get.
 */
export function announceUrl(tracker: URL, request: AnnounceRequest): URL {
  const query = [
    `info_hash=${percentEncode(request.infoHash)}`,
    `peer_id=${percentEncode(request.peerId)}`,
    `port=${request.port}`,
    `uploaded=${request.uploaded}`,
    `downloaded=${request.downloaded}`,
    `left=${request.left}`,
    "compact=1",
    "no_peer_id=1",
    `numwant=${request.numWant}`,
    `key=${request.key}`,
  ];
  if (request.event) query.push(`event=${request.event}`);
  if (request.trackerId !== undefined) {
    query.push(`trackerid=${percentEncode(request.trackerId)}`);
  }
  const url = new URL(tracker);
  const own = url.search.slice(1);
  url.search = [...(own === "" ? [] : [own]), ...query].join("&");
  return url;
}

/**
 * The URL of a scrape (BEP 48): "scrape" for "announce" in the last element of
 * the path.
 *
 * @param tracker The tracker's URL.
 * @param infoHashes The torrents to ask about.
 * @returns The URL to get, or `undefined` if the tracker has none.
 */
export function scrapeUrl(
  tracker: URL,
  infoHashes: readonly Uint8Array[],
): URL | undefined {
  const path = tracker.pathname.replace(/\/announce([^/]*)$/, "/scrape$1");
  if (path === tracker.pathname) return undefined;
  const url = new URL(tracker);
  url.pathname = path;
  const query = infoHashes.map((hash) => `info_hash=${percentEncode(hash)}`);
  const own = url.search.slice(1);
  url.search = [...(own === "" ? [] : [own]), ...query].join("&");
  return url;
}

/** Other programs on this machine are none of a torrent's business. */
function refuseLocal(url: URL, path = "/announce"): string | undefined {
  return isLoopback(url.hostname) && !url.pathname.startsWith(path)
    ? "is on this machine, and no tracker"
    : undefined;
}
