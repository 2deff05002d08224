/**
 * The `ut_metadata` messages (BEP 9): the info dictionary, piece by piece,
 * between peers. Pure.
 *
 * A message is a bencoded dictionary; the bytes of a piece follow it directly.
 *
 * @module
 */

import {
  type BencodeValue,
  decodeBencodePrefix,
  encodeBencode,
  integerAt,
} from "../bytes/bencode.ts";
import { BencodeError, ProtocolError } from "../errors.ts";
import { concat } from "@std/bytes/concat";

/** The extension's name in the extension handshake. */
export const UT_METADATA = "ut_metadata";

/** BEP 9: "The metadata is handled in blocks of 16KiB". */
export const METADATA_PIECE_LENGTH = 16 * 1024;

/**
 * Two million pieces have 40 MiB of hashes, but no torrent that anybody shares
 * has a tenth of that. rain and libtorrent stop at 30 MiB.
 */
export const MAX_METADATA_LENGTH = 32 * 1024 * 1024;

/** A message of `ut_metadata`. */
export type MetadataMessage =
  | { type: "request"; piece: number }
  | {
    type: "data";
    piece: number;
    /** The length of the whole metadata, if the peer names it. */
    totalSize: number | undefined;
    bytes: Uint8Array;
  }
  | { type: "reject"; piece: number };

const MESSAGE_TYPE = { request: 0, data: 1, reject: 2 } as const;

/**
 * How many pieces some metadata has.
 *
 * @param length The length of the metadata in bytes.
 * @returns The number of pieces.
 */
export function metadataPieceCount(length: number): number {
  return Math.ceil(length / METADATA_PIECE_LENGTH);
}

/**
 * Writes a message.
 *
 * @param message The message.
 * @returns The payload of an extended message.
 */
export function encodeMetadataMessage(message: MetadataMessage): Uint8Array {
  const dictionary = encodeBencode({
    msg_type: MESSAGE_TYPE[message.type],
    piece: message.piece,
    total_size: message.type === "data" ? message.totalSize : undefined,
  });
  return message.type === "data"
    ? concat([dictionary, message.bytes])
    : dictionary;
}

/**
 * Reads a message.
 *
 * @param payload The payload of an extended message; the bytes of a piece are
 * a view into it.
 * @returns The message, or `undefined` if it means nothing to us: BEP 9 wants
 * a type that is not known to be ignored, and so is a piece that cannot be.
 * @throws {ProtocolError} If it does not begin with a bencoded dictionary.
 */
export function decodeMetadataMessage(
  payload: Uint8Array,
): MetadataMessage | undefined {
  const { value, length } = decodePrefix(payload);
  if (!(value instanceof Map)) {
    throw new ProtocolError("Cannot decode ut_metadata: no dictionary");
  }
  const piece = integerAt(value, "piece");
  if (piece === undefined || piece < 0) return undefined;
  if (piece >= metadataPieceCount(MAX_METADATA_LENGTH)) return undefined;
  switch (integerAt(value, "msg_type")) {
    case MESSAGE_TYPE.request:
      return { type: "request", piece };
    case MESSAGE_TYPE.data:
      return {
        type: "data",
        piece,
        totalSize: integerAt(value, "total_size"),
        bytes: payload.subarray(length),
      };
    case MESSAGE_TYPE.reject:
      return { type: "reject", piece };
    default:
      return undefined;
  }
}

function decodePrefix(
  payload: Uint8Array,
): { value: BencodeValue; length: number } {
  try {
    return decodeBencodePrefix(payload);
  } catch (error) {
    if (!(error instanceof BencodeError)) throw error;
    throw new ProtocolError(`Cannot decode ut_metadata: ${error.message}`, {
      cause: error,
    });
  }
}
