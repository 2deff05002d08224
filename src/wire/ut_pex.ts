/**
 * The `ut_pex` message (BEP 11): whom a peer is connected to, and whom no
 * longer. Pure.
 *
 * @module
 */

import {
  type BencodeDictionary,
  type BencodeValue,
  bytesAt,
  decodeBencodePrefix,
  encodeBencode,
} from "../bytes/bencode.ts";
import {
  type AddressFamily,
  decodeCompactEndpoints,
  encodeCompactEndpoint,
  type Endpoint,
  familyOf,
} from "../bytes/endpoint.ts";
import { BencodeError, ProtocolError } from "../errors.ts";
import { concat } from "@std/bytes/concat";

/** The extension's name in the extension handshake. */
export const UT_PEX = "ut_pex";

/**
 * BEP 11: "the combined amount of added v4/v6 contacts should not exceed 50
 * entries. The same applies to dropped entries."
 */
export const MAX_PEX_CONTACTS = 50;

/** What the bits of a contact's flags stand for. */
export const PEX_FLAG = {
  prefersEncryption: 0x01,
  uploadOnly: 0x02,
  supportsUtp: 0x04,
  supportsHolepunch: 0x08,
  isReachable: 0x10,
} as const;

/** Somebody that a peer is connected to. */
export interface PexContact {
  /** Where it listens. */
  readonly endpoint: Endpoint;
  /** Some of the bits of {@linkcode PEX_FLAG}; strangers set others too. */
  readonly flags: number;
}

/** What has changed since the last message. */
export interface PexMessage {
  /** Whom the sender is connected to now. */
  readonly added: readonly PexContact[];
  /** Whom it is not connected to any more. */
  readonly dropped: readonly Endpoint[];
}

/** The families, and how the keys of each end. */
const FAMILIES = [[4, ""], [6, "6"]] as const;

/**
 * Writes a message.
 *
 * @param message What to tell; host names are left out.
 * @returns The payload of an extended message.
 */
export function encodePexMessage(message: PexMessage): Uint8Array {
  const dictionary: Record<string, Uint8Array> = {};
  // Like libtorrent, name every key: some expect `added` at least.
  for (const [family, suffix] of FAMILIES) {
    const added = message.added
      .filter(({ endpoint }) => familyOf(endpoint) === family);
    const dropped = message.dropped
      .filter((endpoint) => familyOf(endpoint) === family);
    dictionary[`added${suffix}`] = concat(
      added.map(({ endpoint }) => encodeCompactEndpoint(endpoint)),
    );
    dictionary[`added${suffix}.f`] = Uint8Array.from(
      added,
      ({ flags }) => flags,
    );
    dictionary[`dropped${suffix}`] = concat(dropped.map(encodeCompactEndpoint));
  }
  return encodeBencode(dictionary);
}

/**
 * Reads a message.
 *
 * @param payload The payload of an extended message.
 * @returns What it tells: at most 50 contacts of each kind, and only those that
 * could be dialled. A list whose length cannot be right is taken for empty.
 * @throws {ProtocolError} If it does not begin with a bencoded dictionary.
 */
export function decodePexMessage(payload: Uint8Array): PexMessage {
  const dictionary = decodeDictionary(payload);
  const added: PexContact[] = [];
  const dropped: Endpoint[] = [];
  for (const [family, suffix] of FAMILIES) {
    const flags = bytesAt(dictionary, `added${suffix}.f`);
    for (const [i, endpoint] of entries(dictionary, `added${suffix}`, family)) {
      added.push({ endpoint, flags: flags?.[i] ?? 0 });
    }
    for (
      const [, endpoint] of entries(dictionary, `dropped${suffix}`, family)
    ) {
      dropped.push(endpoint);
    }
  }
  return {
    added: added.slice(0, MAX_PEX_CONTACTS),
    dropped: dropped.slice(0, MAX_PEX_CONTACTS),
  };
}

/** The endpoints of a list that can be dialled, with their positions. */
function entries(
  dictionary: BencodeDictionary,
  key: string,
  family: AddressFamily,
): [position: number, endpoint: Endpoint][] {
  const size = family === 4 ? 6 : 18;
  const list = bytesAt(dictionary, key) ?? new Uint8Array(0);
  if (list.length % size !== 0) return [];
  const count = Math.min(list.length / size, MAX_PEX_CONTACTS);
  return Array.from({ length: count }, (_, i) => i).flatMap((i) =>
    decodeCompactEndpoints(list.subarray(i * size, (i + 1) * size), {
      family,
      limit: 1,
    }).map((endpoint) => [i, endpoint] as [number, Endpoint])
  );
}

function decodeDictionary(payload: Uint8Array): BencodeDictionary {
  let value: BencodeValue;
  try {
    ({ value } = decodeBencodePrefix(payload));
  } catch (error) {
    if (!(error instanceof BencodeError)) throw error;
    throw new ProtocolError(`Cannot decode ut_pex: ${error.message}`, {
      cause: error,
    });
  }
  if (value instanceof Map) return value;
  throw new ProtocolError("Cannot decode ut_pex: no dictionary");
}
