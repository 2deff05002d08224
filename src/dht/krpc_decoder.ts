/**
 * Bytes → KRPC messages (BEP 5, 32, 33, 42, 43). Pure. The other way:
 * `krpc.ts`.
 *
 * Whatever arrives, decoding gives a message or throws `ProtocolError`. A query
 * that is understood well enough to be answered, but not to be served, is a
 * message of its own: it is told why.
 *
 * @module
 */

import {
  type BencodeDictionary,
  bytesAt,
  decodeBencode,
  dictionaryAt,
  integerAt,
  listAt,
  textAt,
} from "../bytes/bencode.ts";
import {
  type AddressFamily,
  decodeCompactEndpoints,
  type Endpoint,
  endpointOf,
  formatAddress,
} from "../bytes/endpoint.ts";
import { HASH_LENGTH } from "../bytes/hash.ts";
import { BencodeError, ProtocolError } from "../errors.ts";
import { BLOOM_FILTER_LENGTH } from "./bloom_filter.ts";
import {
  ERROR_CODE,
  type KrpcMessage,
  type KrpcQuery,
  type KrpcReturn,
} from "./krpc.ts";
import { decodeNodes } from "./node_contact.ts";

/** What fits on a wire in one piece; BEP 32 has nobody send more than 1024. */
export const MAX_PACKET_LENGTH = 1500;

/** BEP 5: "typically 2 characters are enough"; it must be told back. */
const MAX_TRANSACTION_LENGTH = 32;

/** Nobody's token is longer than a digest or two. */
const MAX_TOKEN_LENGTH = 128;

/** What fits into a packet, and no more than anybody needs of one node. */
const MAX_VALUES = 150;

/** An error is for a person's eyes. */
const MAX_ERROR_LENGTH = 200;

/** Two words are known (BEP 32). */
const MAX_WANTS = 8;

/**
 * Reads a packet.
 *
 * @param packet The packet; nothing of it is kept.
 * @returns The message.
 * @throws {ProtocolError} If it is none, or one that deserves no answer.
 */
export function decodeMessage(packet: Uint8Array): KrpcMessage {
  if (packet.length > MAX_PACKET_LENGTH) {
    throw new ProtocolError(`Cannot decode KRPC: ${packet.length} bytes`);
  }
  const message = decodeDictionary(packet.slice());
  const transaction = bytesAt(message, "t");
  if (!transaction || transaction.length > MAX_TRANSACTION_LENGTH) {
    throw new ProtocolError("Cannot decode KRPC: no transaction");
  }
  const address = decodeAddress(bytesAt(message, "ip"));
  switch (textAt(message, "y")) {
    case "q":
      return decodeQuery(message, transaction);
    case "r": {
      const body = dictionaryAt(message, "r");
      const id = body && idAt(body, "id");
      if (!id) {
        throw new ProtocolError("Cannot decode KRPC: an answer without id");
      }
      const values = decodeReturn(body);
      return { type: "response", transaction, id, values, address };
    }
    case "e": {
      // Some write it as text, or not at all; the question is over anyway.
      const [code, text] = listAt(message, "e") ?? [];
      const reason = text instanceof Uint8Array ? shown(text) : "";
      return {
        type: "error",
        transaction,
        code: typeof code === "number" ? code : ERROR_CODE.generic,
        reason,
        address,
      };
    }
    default:
      throw new ProtocolError("Cannot decode KRPC: no type");
  }
}

function decodeDictionary(bytes: Uint8Array): BencodeDictionary {
  try {
    const value = decodeBencode(bytes);
    if (value instanceof Map) return value;
  } catch (cause) {
    if (!(cause instanceof BencodeError)) throw cause;
    throw new ProtocolError("Cannot decode KRPC: no bencoding", { cause });
  }
  throw new ProtocolError("Cannot decode KRPC: no dictionary");
}

function decodeQuery(
  message: BencodeDictionary,
  transaction: Uint8Array,
): KrpcMessage {
  const bad = (reason: string, code: number = ERROR_CODE.protocol) => ({
    type: "bad_query" as const,
    transaction,
    code,
    reason,
  });
  const a = dictionaryAt(message, "a");
  if (!a) return bad("missing 'a' key");
  const id = idAt(a, "id");
  if (!id) return bad("missing 'id' key");
  const isReadOnly = integerAt(message, "ro") === 1;
  const good = (query: KrpcQuery): KrpcMessage => ({
    type: "query",
    transaction,
    id,
    isReadOnly,
    query,
  });
  const method = textAt(message, "q");
  const want = decodeWant(a);
  switch (method) {
    case "ping":
      return good({ method });
    case "find_node": {
      const target = idAt(a, "target");
      if (!target) return bad("missing 'target' key");
      return good({ method, target, want });
    }
    case "get_peers": {
      const infoHash = idAt(a, "info_hash");
      if (!infoHash) return bad("missing 'info_hash' key");
      const noSeed = integerAt(a, "noseed") === 1;
      const scrape = integerAt(a, "scrape") === 1;
      return good({ method, infoHash, want, noSeed, scrape });
    }
    case "announce_peer": {
      const infoHash = idAt(a, "info_hash");
      if (!infoHash) return bad("missing 'info_hash' key");
      const token = bytesAt(a, "token");
      if (!token || token.length > MAX_TOKEN_LENGTH) {
        return bad("missing 'token' key");
      }
      const isImplied = (integerAt(a, "implied_port") ?? 0) !== 0;
      const port = isImplied ? undefined : integerAt(a, "port");
      if (!isImplied && (port === undefined || port < 1 || port > 65535)) {
        return bad("missing 'port' key");
      }
      const isSeed = integerAt(a, "seed") === 1;
      return good({ method, infoHash, port, token, isSeed });
    }
    default:
      return bad("unknown method", ERROR_CODE.unknownMethod);
  }
}

function decodeReturn(body: BencodeDictionary): KrpcReturn {
  const nodes = bytesAt(body, "nodes");
  const nodes6 = bytesAt(body, "nodes6");
  const token = bytesAt(body, "token");
  return {
    nodes: nodes && decodeNodes(nodes, { family: 4 }),
    nodes6: nodes6 && decodeNodes(nodes6, { family: 6 }),
    values: decodeValues(body),
    token: token && token.length <= MAX_TOKEN_LENGTH
      ? token.slice()
      : undefined,
    seeds: filterAt(body, "BFsd"),
    downloaders: filterAt(body, "BFpe"),
  };
}

/** BEP 32: entries of both lengths may stand in one list. */
function decodeValues(body: BencodeDictionary): Endpoint[] | undefined {
  return listAt(body, "values")?.slice(0, MAX_VALUES).flatMap((value) => {
    if (!(value instanceof Uint8Array)) return [];
    if (value.length !== 6 && value.length !== 18) return [];
    const family = value.length === 6 ? 4 : 6;
    return decodeCompactEndpoints(value, { family, limit: 1 });
  });
}

function decodeWant(a: BencodeDictionary): AddressFamily[] | undefined {
  const list = listAt(a, "want");
  if (!list) return undefined;
  const names = list.slice(0, MAX_WANTS)
    .map((item) => item instanceof Uint8Array ? shown(item) : "");
  return ([4, 6] as const).filter((family) => names.includes(`n${family}`));
}

/** An address with its port, or alone as some have it. */
function decodeAddress(bytes: Uint8Array | undefined): string | undefined {
  const length = bytes?.length;
  if (length !== 4 && length !== 6 && length !== 16 && length !== 18) return;
  const address = bytes!.subarray(0, length < 16 ? 4 : 16);
  return endpointOf(formatAddress(address), 1)?.hostname;
}

function idAt(body: BencodeDictionary, key: string): Uint8Array | undefined {
  const id = bytesAt(body, key);
  return id?.length === HASH_LENGTH ? id.slice() : undefined;
}

function filterAt(
  body: BencodeDictionary,
  key: string,
): Uint8Array | undefined {
  const bytes = bytesAt(body, key);
  return bytes?.length === BLOOM_FILTER_LENGTH ? bytes.slice() : undefined;
}

function shown(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes.subarray(0, MAX_ERROR_LENGTH));
}
