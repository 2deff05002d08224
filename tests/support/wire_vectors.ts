/**
 * The rows of `testdata/wire_vectors.json` as messages.
 *
 * @module
 */

import { decodeHex } from "@std/encoding/hex";
import type { HashRange } from "../../src/wire/hash_range.ts";
import type { Message } from "../../src/wire/message.ts";

/** A row of `messages`. */
export interface MessageRow {
  /** The type of the message. */
  type: string;
  /** Its numbers, as far as it has any. */
  index?: number;
  /** See `index`. */
  begin?: number;
  /** See `index`. */
  length?: number;
  /** See `index`. */
  port?: number;
  /** See `index`. */
  id?: number;
  /** Its block, bitfield, payload or hashes, in hex. */
  bytes?: string;
  /** The root of a range of hashes, in hex. */
  root?: string;
  /** Its base layer, index, length and proof layers. */
  range?: number[];
}

/**
 * The message that a row stands for.
 *
 * @param row The row.
 * @returns The message.
 */
export function messageOf(row: MessageRow): Message {
  const { type, index = -1, begin = -1, length = -1, port = -1, id = -1 } = row;
  const bytes = decodeHex(row.bytes ?? "");
  switch (type as Message["type"]) {
    case "keep_alive":
    case "choke":
    case "unchoke":
    case "interested":
    case "not_interested":
    case "have_all":
    case "have_none":
      return { type } as Message;
    case "have":
    case "suggest_piece":
    case "allowed_fast":
      return { type, index } as Message;
    case "bitfield":
      return { type: "bitfield", bitfield: bytes };
    case "request":
    case "cancel":
    case "reject_request":
      return { type, index, begin, length } as Message;
    case "piece":
      return { type: "piece", index, begin, block: bytes };
    case "port":
      return { type: "port", port };
    case "extended":
      return { type: "extended", id, payload: bytes };
    case "hash_request":
    case "hash_reject":
      return { type, ...rangeOf(row) } as Message;
    case "hashes":
      return { type: "hashes", ...rangeOf(row), hashes: bytes };
  }
}

function rangeOf({ root = "", range = [] }: MessageRow): HashRange {
  const [baseLayer = -1, index = -1, length = -1, proofLayers = -1] = range;
  const piecesRoot = decodeHex(root);
  return { piecesRoot, baseLayer, index, length, proofLayers };
}
