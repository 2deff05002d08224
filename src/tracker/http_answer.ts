/**
 * What HTTP trackers answer (BEP 3, 7, 23, 24, 31, 48): bytes → values. Pure.
 *
 * @module
 */

import {
  type BencodeDictionary,
  type BencodeValue,
  bytesAt,
  decodeBencodePrefix,
  dictionaryAt,
  integerAt,
  latin1,
  textAt,
} from "../bytes/bencode.ts";
import {
  decodeCompactEndpoints,
  endpointOf,
  formatAddress,
} from "../bytes/endpoint.ts";
import { HASH_LENGTH } from "../bytes/hash.ts";
import { BencodeError, ProtocolError, TrackerError } from "../errors.ts";
import type { AnnounceResponse, ScrapeCounts, TrackerPeer } from "./tracker.ts";

/** A tracker is asked for 50; a stranger's list must still have an end. */
const MAX_PEERS = 1000;

/** A message for a person is a line. */
const MAX_MESSAGE_LENGTH = 500;

/** Whoever wants to hear more from us again wants to misuse us. */
const MAX_TRACKER_ID_LENGTH = 256;

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
  const answer = decodeAnswer(body, status);
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
    externalAddress: externalAddress(answer),
  };
}

/**
 * Reads what an HTTP tracker answers to a scrape (BEP 48).
 *
 * @param body The body of the answer.
 * @param options Its status, and the torrents that were asked about.
 * @returns How each stands, in their order.
 * @throws {TrackerError} If it refuses.
 * @throws {ProtocolError} If it is not a tracker's answer.
 */
export function decodeScrapeResponse(
  body: Uint8Array,
  { status, infoHashes }: {
    status: number;
    infoHashes: readonly Uint8Array[];
  },
): (ScrapeCounts | undefined)[] {
  const files = dictionaryAt(decodeAnswer(body, status), "files");
  if (!files) throw new ProtocolError("The tracker's answer has no files");
  return infoHashes.map((hash) => {
    // npm's bittorrent-tracker takes the hash for text, and writes UTF-8.
    const asText = latin1(new TextEncoder().encode(latin1(hash)));
    const file = files.get(latin1(hash)) ?? files.get(asText);
    if (!(file instanceof Map)) return undefined;
    const count = (key: string) => Math.max(0, integerAt(file, key) ?? 0);
    return {
      seeders: count("complete"),
      completed: count("downloaded"),
      leechers: count("incomplete"),
    };
  });
}

/** What every answer is: a dictionary that gives no reason for a failure. */
function decodeAnswer(body: Uint8Array, status: number): BencodeDictionary {
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
  if (failure === undefined) return answer;
  throw new TrackerError(
    `The tracker says: ${failure.slice(0, MAX_MESSAGE_LENGTH)}`,
    { retryIn: retryIn(answer) },
  );
}

/** BEP 24: 4 or 16 bytes. */
function externalAddress(answer: BencodeDictionary): string | undefined {
  const bytes = bytesAt(answer, "external ip");
  if (bytes?.length !== 4 && bytes?.length !== 16) return undefined;
  // Any port: only the address is looked at.
  return endpointOf(formatAddress(bytes), 1)?.hostname;
}

/** When a tracker that refuses may be asked again, in seconds. */
function retryIn(answer: BencodeDictionary): number | undefined {
  // BEP 31: minutes, or the word "never"; its example has the number as text.
  const text = textAt(answer, "retry in");
  if (text === "never") return Infinity;
  const minutes = text !== undefined && /^\d{1,9}$/.test(text)
    ? Number(text)
    : integerAt(answer, "retry in");
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
