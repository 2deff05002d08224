/**
 * An HTTP or HTTPS tracker (BEP 3, 7, 23, 24, 31).
 *
 * @module
 */

import {
  type BencodeDictionary,
  type BencodeValue,
  bytesAt,
  decodeBencodePrefix,
  integerAt,
  textAt,
} from "../bytes/bencode.ts";
import { decodeCompactEndpoints, endpointOf } from "../bytes/endpoint.ts";
import { HASH_LENGTH } from "../bytes/hash.ts";
import {
  BencodeError,
  NetworkError,
  ProtocolError,
  TrackerError,
} from "../errors.ts";
import { displayUrl, httpGet, isLoopback } from "../net/http.ts";
import type {
  AnnounceRequest,
  AnnounceResponse,
  Tracker,
  TrackerPeer,
} from "./tracker.ts";

/** libtorrent's limit; ten thousand peers are 60 KB. */
const MAX_BODY_BYTES = 1024 * 1024;

/** rain's and libtorrent's: who needs longer is overloaded or dead. */
const TIMEOUT_MS = 15_000;

/** A tracker is asked for 50; a stranger's list must still have an end. */
const MAX_PEERS = 1000;

/** A message for a person is a line. */
const MAX_MESSAGE_LENGTH = 500;

/** Whoever wants to hear more from us again wants to misuse us. */
const MAX_TRACKER_ID_LENGTH = 256;

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
   * Tells the tracker of us and asks for peers.
   *
   * @param request What to tell.
   * @param options What gives up.
   * @returns What it answers.
   * @throws {TrackerError} If it refuses or does not answer.
   */
  async announce(
    request: AnnounceRequest,
    { signal }: { signal: AbortSignal },
  ): Promise<AnnounceResponse> {
    const url = announceUrl(this.#url, request);
    try {
      const { status, body } = await httpGet(url, {
        maxBytes: MAX_BODY_BYTES,
        timeoutMs: TIMEOUT_MS,
        signal,
        refuse: refuseLocal,
      });
      return decodeAnnounceResponse(body, { status });
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
    `info_hash=${escapeBytes(request.infoHash)}`,
    `peer_id=${escapeBytes(request.peerId)}`,
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
    query.push(`trackerid=${escapeBytes(request.trackerId)}`);
  }
  const url = new URL(tracker);
  const own = url.search.slice(1);
  url.search = [...(own === "" ? [] : [own]), ...query].join("&");
  return url;
}

/**
 * Reads what an HTTP tracker answers to an announce.
 *
 * @param body The body of the answer.
 * @param options Its status.
 * @returns What it says.
 * @throws {TrackerError} If it refuses.
 * @throws {ProtocolError} If it is not a tracker's answer.
 */
export function decodeAnnounceResponse(
  body: Uint8Array,
  { status }: { status: number },
): AnnounceResponse {
  let answer: BencodeValue;
  try {
    answer = decodeBencodePrefix(body).value;
  } catch (error) {
    if (!(error instanceof BencodeError)) throw error;
    const problem = status === 200
      ? "The tracker's answer is not bencoded"
      : `The tracker answers with HTTP status ${status}`;
    throw new ProtocolError(problem, { cause: error });
  }
  if (!(answer instanceof Map)) {
    throw new ProtocolError("The tracker's answer is not a dictionary");
  }
  const failure = textAt(answer, "failure reason");
  if (failure !== undefined) {
    throw new TrackerError(
      `The tracker says: ${failure.slice(0, MAX_MESSAGE_LENGTH)}`,
      { retryIn: retryIn(answer) },
    );
  }
  const trackerId = bytesAt(answer, "tracker id");
  return {
    peers: decodePeers(answer),
    interval: integerAt(answer, "interval"),
    minInterval: integerAt(answer, "min interval"),
    trackerId: trackerId && trackerId.length <= MAX_TRACKER_ID_LENGTH
      ? trackerId.slice()
      : undefined,
    warning: textAt(answer, "warning message")?.slice(0, MAX_MESSAGE_LENGTH),
    seeders: integerAt(answer, "complete"),
    leechers: integerAt(answer, "incomplete"),
  };
}

/** When a tracker that refuses may be asked again, in seconds. */
function retryIn(answer: BencodeDictionary): number | undefined {
  // BEP 31: minutes, or the word "never".
  if (textAt(answer, "retry in") === "never") return Infinity;
  const minutes = integerAt(answer, "retry in");
  return minutes === undefined ? integerAt(answer, "interval") : minutes * 60;
}

/** BEP 23 and BEP 7 in any mixture with BEP 3's list of dictionaries. */
function decodePeers(answer: BencodeDictionary): TrackerPeer[] {
  const peers = answer.get("peers");
  const peers6 = bytesAt(answer, "peers6");
  const limit = MAX_PEERS;
  const compact = [
    ...(peers instanceof Uint8Array
      ? decodeCompactEndpoints(peers, { family: 4, limit })
      : []),
    ...(peers6 ? decodeCompactEndpoints(peers6, { family: 6, limit }) : []),
  ].map((endpoint): TrackerPeer => ({ endpoint }));
  const listed = (Array.isArray(peers) ? peers : []).slice(0, limit)
    .flatMap((peer): TrackerPeer[] => {
      if (!(peer instanceof Map)) return [];
      const endpoint = endpointOf(
        textAt(peer, "ip") ?? "",
        integerAt(peer, "port") ?? 0,
      );
      if (!endpoint) return [];
      const peerId = bytesAt(peer, "peer id");
      return [{
        endpoint,
        peerId: peerId?.length === HASH_LENGTH ? peerId.slice() : undefined,
      }];
    });
  return [...compact, ...listed];
}

/** Other programs on this machine are none of a torrent's business. */
function refuseLocal(url: URL): string | undefined {
  return isLoopback(url.hostname) && !url.pathname.startsWith("/announce")
    ? "is on this machine, and no tracker"
    : undefined;
}

/** RFC 3986's unreserved characters stand for themselves. */
function escapeBytes(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => {
    const character = String.fromCharCode(byte);
    return /[0-9A-Za-z._~-]/.test(character)
      ? character
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");
}
