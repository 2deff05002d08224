/**
 * `Message`: what peers say to each other after the handshake (BEP 3, 5, 6,
 * 10, 52), and its bytes, both ways. Pure.
 *
 * A frame is a length of four bytes, big-endian, and a payload of that length:
 * the message's id and its fields. A frame without payload is a keep-alive.
 *
 * @module
 */

import { ProtocolError } from "../errors.ts";
import { type Block, BLOCK_LENGTH, MAX_PIECES } from "../metainfo/layout.ts";
import {
  decodeHashes,
  decodeHashRange,
  HASH_RANGE_LENGTH,
  type HashRange,
  MAX_HASHES_LENGTH,
  writeHashRange,
} from "./hash_range.ts";

/** A message between peers, its fields in the words of the BEPs. */
export type Message =
  | { type: "keep_alive" }
  | { type: "choke" }
  | { type: "unchoke" }
  | { type: "interested" }
  | { type: "not_interested" }
  | { type: "have"; index: number }
  | { type: "bitfield"; bitfield: Uint8Array }
  | { type: "request"; index: number; begin: number; length: number }
  | { type: "piece"; index: number; begin: number; block: Uint8Array }
  | { type: "cancel"; index: number; begin: number; length: number }
  | { type: "port"; port: number }
  | { type: "suggest_piece"; index: number }
  | { type: "have_all" }
  | { type: "have_none" }
  | { type: "reject_request"; index: number; begin: number; length: number }
  | { type: "allowed_fast"; index: number }
  | { type: "extended"; id: number; payload: Uint8Array }
  | { type: "hash_request" } & HashRange
  | { type: "hashes"; hashes: Uint8Array } & HashRange
  | { type: "hash_reject" } & HashRange;

/** The ids of BEP 3, 5, 6, 10 and 52. */
const ID = {
  choke: 0,
  unchoke: 1,
  interested: 2,
  not_interested: 3,
  have: 4,
  bitfield: 5,
  request: 6,
  piece: 7,
  cancel: 8,
  port: 9,
  suggest_piece: 13,
  have_all: 14,
  have_none: 15,
  reject_request: 16,
  allowed_fast: 17,
  extended: 20,
  hash_request: 21,
  hashes: 22,
  hash_reject: 23,
} as const;

const KNOWN_IDS: ReadonlySet<number> = new Set(Object.values(ID));

/** The length of the length that precedes every payload. */
export const PREFIX_LENGTH = 4;

/** The id, index and begin that precede the block of a piece message. */
export const PIECE_HEADER_LENGTH = 9;

/** The id of the message and that of the extension, before its own payload. */
const EXTENDED_HEADER_LENGTH = 2;

/**
 * The longest extended message. The longest of those we ask for is a piece of
 * the metadata, 16 KiB and a short dictionary (BEP 9); one that names 1000
 * peers with IPv6 takes 20 KiB (BEP 11).
 */
const MAX_EXTENDED_LENGTH = 64 * 1024;

/** Nearly all that comes are blocks: one range serves them all. */
const PIECE_LENGTHS = {
  min: PIECE_HEADER_LENGTH,
  max: PIECE_HEADER_LENGTH + BLOCK_LENGTH,
};

/** While the number of pieces is unknown, a bitfield may be that of any. */
const ANY_BITFIELD = { min: 1, max: 1 + Math.ceil(MAX_PIECES / 8) };

/**
 * The longest payload of an id that we do not know: room for what extensions
 * send, and not enough to make us hold much for nothing.
 */
const MAX_UNKNOWN_LENGTH = 1024 * 1024;

/**
 * Whether an id is that of a message that we know. Frames of others are
 * skipped: extensions that we did not offer must not end a connection.
 *
 * @param id The id of a message.
 * @returns Whether {@linkcode decodeMessage} can read it.
 */
export function isKnownId(id: number): boolean {
  return KNOWN_IDS.has(id);
}

/**
 * How long the payload of a message may be. It is asked as soon as the id is
 * there, before anything is kept for the rest.
 *
 * @param id The id of the message.
 * @param pieceCount The number of pieces, which gives a bitfield its length,
 * if it is known.
 * @returns The range of lengths, the id included.
 */
export function payloadLengths(
  id: number,
  pieceCount: number | undefined,
): { min: number; max: number } {
  switch (id) {
    case ID.choke:
    case ID.unchoke:
    case ID.interested:
    case ID.not_interested:
    case ID.have_all:
    case ID.have_none:
      return { min: 1, max: 1 };
    case ID.have:
    case ID.suggest_piece:
    case ID.allowed_fast:
      return { min: 5, max: 5 };
    case ID.bitfield: {
      if (pieceCount === undefined) return ANY_BITFIELD;
      const length = 1 + Math.ceil(pieceCount / 8);
      return { min: length, max: length };
    }
    case ID.request:
    case ID.cancel:
    case ID.reject_request:
      return { min: 13, max: 13 };
    case ID.piece:
      return PIECE_LENGTHS;
    case ID.port:
      return { min: 3, max: 3 };
    case ID.extended:
      return { min: EXTENDED_HEADER_LENGTH, max: MAX_EXTENDED_LENGTH };
    case ID.hash_request:
    case ID.hash_reject:
      return { min: 1 + HASH_RANGE_LENGTH, max: 1 + HASH_RANGE_LENGTH };
    case ID.hashes:
      return {
        min: 1 + HASH_RANGE_LENGTH,
        max: 1 + HASH_RANGE_LENGTH + MAX_HASHES_LENGTH,
      };
    default:
      return { min: 1, max: MAX_UNKNOWN_LENGTH };
  }
}

/**
 * Reads the payload of a message.
 *
 * @param payload The bytes after the length prefix; the block, bitfield,
 * payload, root or hashes of the result are views into them.
 * @returns The message.
 * @throws {ProtocolError} If the id is unknown, the payload too short, or what
 * it says of its own length untrue.
 */
export function decodeMessage(payload: Uint8Array): Message {
  if (payload.length === 0) return { type: "keep_alive" };
  const id = payload[0]!;
  // Nearly all that comes are blocks: a view of the fields is too much for them.
  if (id === ID.piece && payload.length >= PIECE_HEADER_LENGTH) {
    return {
      type: "piece",
      index: uint32At(payload, 1),
      begin: uint32At(payload, 5),
      block: payload.subarray(PIECE_HEADER_LENGTH),
    };
  }
  const fields = new DataView(
    payload.buffer,
    payload.byteOffset + 1,
    payload.length - 1,
  );
  // A bitfield's exact length is checked where the torrent is known.
  const { min } = payloadLengths(id, undefined);
  if (payload.length < min) {
    throw new ProtocolError(
      `Cannot decode message ${id}: expected ${min} bytes, got ${payload.length}`,
    );
  }
  switch (id) {
    case ID.choke:
      return { type: "choke" };
    case ID.unchoke:
      return { type: "unchoke" };
    case ID.interested:
      return { type: "interested" };
    case ID.not_interested:
      return { type: "not_interested" };
    case ID.have:
      return { type: "have", index: fields.getUint32(0) };
    case ID.bitfield:
      return { type: "bitfield", bitfield: payload.subarray(1) };
    case ID.request:
      return decodeAboutBlock("request", fields);
    case ID.cancel:
      return decodeAboutBlock("cancel", fields);
    case ID.port:
      return { type: "port", port: fields.getUint16(0) };
    case ID.suggest_piece:
      return { type: "suggest_piece", index: fields.getUint32(0) };
    case ID.have_all:
      return { type: "have_all" };
    case ID.have_none:
      return { type: "have_none" };
    case ID.reject_request:
      return decodeAboutBlock("reject_request", fields);
    case ID.allowed_fast:
      return { type: "allowed_fast", index: fields.getUint32(0) };
    case ID.extended:
      return {
        type: "extended",
        id: fields.getUint8(0),
        payload: payload.subarray(EXTENDED_HEADER_LENGTH),
      };
    case ID.hash_request:
      return { type: "hash_request", ...decodeHashRange(payload.subarray(1)) };
    case ID.hashes:
      return { type: "hashes", ...decodeHashes(payload.subarray(1)) };
    case ID.hash_reject:
      return { type: "hash_reject", ...decodeHashRange(payload.subarray(1)) };
    default:
      throw new ProtocolError(`Cannot decode message ${id}: unknown id`);
  }
}

/**
 * A number of four bytes, big-endian.
 *
 * @param bytes The bytes; there must be four.
 * @param at Where they begin.
 * @returns The number.
 */
export function uint32At(bytes: Uint8Array, at: number): number {
  return bytes[at]! * 2 ** 24 +
    (bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!);
}

/** Spreading a block into a message would take twice as long. */
function decodeAboutBlock<T extends "request" | "cancel" | "reject_request">(
  type: T,
  fields: DataView,
): Block & { type: T } {
  return {
    type,
    index: fields.getUint32(0),
    begin: fields.getUint32(4),
    length: fields.getUint32(8),
  };
}

/** Messages whose frames are there already: many, or the same for many peers. */
export interface EncodedMessages {
  /** What tells it from a message. */
  readonly type: "encoded";
  /** The frames, one after the other; they are not to be changed. */
  readonly frames: Uint8Array;
}

/** What can be sent. */
export type OutgoingMessage = Message | EncodedMessages;

/**
 * Encodes a message for each of some pieces that we have.
 *
 * @param indices The pieces.
 * @returns The messages.
 */
export function encodeHaves(indices: ArrayLike<number>): EncodedMessages {
  const length = frameLength({ type: "have", index: 0 });
  const frames = new Uint8Array(indices.length * length);
  const view = new DataView(frames.buffer);
  for (let i = 0; i < indices.length; i++) {
    const at = i * length;
    view.setUint32(at, length - PREFIX_LENGTH);
    frames[at + PREFIX_LENGTH] = ID.have;
    view.setUint32(at + PREFIX_LENGTH + 1, indices[i]!);
  }
  return { type: "encoded", frames };
}

/**
 * How many bytes a message takes on the wire.
 *
 * @param message The message.
 * @returns The length of its frame.
 */
export function frameLength(message: OutgoingMessage): number {
  switch (message.type) {
    case "encoded":
      return message.frames.length;
    case "keep_alive":
      return PREFIX_LENGTH;
    case "choke":
    case "unchoke":
    case "interested":
    case "not_interested":
    case "have_all":
    case "have_none":
      return PREFIX_LENGTH + 1;
    case "have":
    case "suggest_piece":
    case "allowed_fast":
      return PREFIX_LENGTH + 5;
    case "bitfield":
      return PREFIX_LENGTH + 1 + message.bitfield.length;
    case "request":
    case "cancel":
    case "reject_request":
      return PREFIX_LENGTH + 13;
    case "piece":
      return PREFIX_LENGTH + PIECE_HEADER_LENGTH + message.block.length;
    case "port":
      return PREFIX_LENGTH + 3;
    case "extended":
      return PREFIX_LENGTH + EXTENDED_HEADER_LENGTH + message.payload.length;
    case "hash_request":
    case "hash_reject":
      return PREFIX_LENGTH + 1 + HASH_RANGE_LENGTH;
    case "hashes":
      return PREFIX_LENGTH + 1 + HASH_RANGE_LENGTH + message.hashes.length;
    default:
      message satisfies never;
      throw new TypeError("Cannot measure a message without a type");
  }
}

/**
 * Writes messages one after the other, for one write to the socket.
 *
 * @param messages What to say.
 * @param room Where to write them, if it is large enough; else a new buffer is.
 * @returns Their frames.
 */
export function encodeMessages(
  messages: readonly OutgoingMessage[],
  room?: Uint8Array,
): Uint8Array {
  let total = 0;
  for (const message of messages) total += frameLength(message);
  const bytes = room && room.length >= total
    ? room.subarray(0, total)
    : new Uint8Array(total);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  let at = 0;
  for (const message of messages) {
    const length = frameLength(message);
    if (message.type === "encoded") {
      bytes.set(message.frames, at);
    } else {
      view.setUint32(at, length - PREFIX_LENGTH);
      if (message.type !== "keep_alive") {
        writePayload(message, { bytes, view, at: at + PREFIX_LENGTH });
      }
    }
    at += length;
  }
  return bytes;
}

function writePayload(
  message: Exclude<Message, { type: "keep_alive" }>,
  { bytes, view, at }: { bytes: Uint8Array; view: DataView; at: number },
): void {
  bytes[at] = ID[message.type];
  switch (message.type) {
    case "choke":
    case "unchoke":
    case "interested":
    case "not_interested":
    case "have_all":
    case "have_none":
      return;
    case "have":
    case "suggest_piece":
    case "allowed_fast":
      view.setUint32(at + 1, message.index);
      return;
    case "bitfield":
      bytes.set(message.bitfield, at + 1);
      return;
    case "request":
    case "cancel":
    case "reject_request":
      view.setUint32(at + 1, message.index);
      view.setUint32(at + 5, message.begin);
      view.setUint32(at + 9, message.length);
      return;
    case "piece":
      view.setUint32(at + 1, message.index);
      view.setUint32(at + 5, message.begin);
      bytes.set(message.block, at + PIECE_HEADER_LENGTH);
      return;
    case "port":
      view.setUint16(at + 1, message.port);
      return;
    case "extended":
      bytes[at + 1] = message.id;
      bytes.set(message.payload, at + EXTENDED_HEADER_LENGTH);
      return;
    case "hash_request":
    case "hash_reject":
      return writeHashRange(message, bytes.subarray(at + 1));
    case "hashes":
      writeHashRange(message, bytes.subarray(at + 1));
      bytes.set(message.hashes, at + 1 + HASH_RANGE_LENGTH);
      return;
    default:
      message satisfies never;
  }
}
