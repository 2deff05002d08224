/**
 * The extension handshake (BEP 10): which extensions a peer speaks, under which
 * ids, and what else it says of itself (BEP 9, 21). Pure.
 *
 * Nothing in it is obligatory, so what cannot be right is left out as if it had
 * not been said; only what is no dictionary breaks the protocol.
 *
 * @module
 */

import {
  type BencodeDictionary,
  bytesAt,
  decodeBencodePrefix,
  dictionaryAt,
  encodeBencode,
  integerAt,
} from "../bytes/bencode.ts";
import { BencodeError, ProtocolError } from "../errors.ts";

/** The id of an extended message that is an extension handshake. */
export const EXTENSION_HANDSHAKE_ID = 0;

/** Clients send 100 to 500 bytes; of so many not much can be built. */
const MAX_LENGTH = 16 * 1024;

/** Clients in use know about ten extensions. */
const MAX_EXTENSIONS = 64;

/** No name of an extension in use is half as long. */
const MAX_NAME_LENGTH = 64;

/** Enough for name and version; what follows is cut off. */
const MAX_CLIENT_LENGTH = 64;

/** UTF-8 takes no more for a character. */
const MAX_CHARACTER_BYTES = 4;

/** What one side says of itself, under the keys of the BEPs. */
export interface ExtensionHandshake {
  /**
   * The extensions that it understands: the name → the id under which to send
   * to it, from 1 to 255. In a later handshake 0 takes an extension back.
   */
  readonly messages: ReadonlyMap<string, number>;
  /** The name and version of its program, as it likes to be called. */
  readonly v?: string | undefined;
  /** The port at which it listens. */
  readonly p?: number | undefined;
  /** How many requests it keeps without dropping any; at least 1. */
  readonly reqq?: number | undefined;
  /** Whether it wants nothing any more (BEP 21). */
  readonly uploadOnly?: boolean | undefined;
  /** The address at which it sees the other side: 4 or 16 bytes. */
  readonly yourip?: Uint8Array | undefined;
  /** The length of the info dictionary in bytes (BEP 9); at least 1. */
  readonly metadataSize?: number | undefined;
}

/**
 * Writes an extension handshake.
 *
 * @param handshake What to say; what is `undefined` is not said.
 * @returns The payload of an extended message with the id 0.
 */
export function encodeExtensionHandshake(
  handshake: ExtensionHandshake,
): Uint8Array {
  const { messages, v, p, reqq, uploadOnly, yourip, metadataSize } = handshake;
  return encodeBencode({
    m: new Map(messages),
    v,
    p,
    reqq,
    upload_only: uploadOnly === undefined ? undefined : Number(uploadOnly),
    yourip,
    metadata_size: metadataSize,
  });
}

/**
 * Reads an extension handshake.
 *
 * @param payload The payload of an extended message with the id 0; nothing of
 * the result is a view into it.
 * @returns What the other side says. An id of 0 is still in `messages`.
 * @throws {ProtocolError} If it is too long or no bencoded dictionary.
 */
export function decodeExtensionHandshake(
  payload: Uint8Array,
): ExtensionHandshake {
  if (payload.length > MAX_LENGTH) {
    throw new ProtocolError(
      `Cannot use extension handshake: ${payload.length} bytes are too many`,
    );
  }
  const dictionary = decodeDictionary(payload);
  const uploadOnly = integerAt(dictionary, "upload_only");
  return {
    messages: readMessages(dictionary),
    v: readClient(dictionary),
    p: integerWithin(dictionary, { key: "p", max: 65_535 }),
    reqq: integerWithin(dictionary, { key: "reqq" }),
    uploadOnly: uploadOnly === undefined ? undefined : uploadOnly !== 0,
    yourip: readAddress(dictionary),
    metadataSize: integerWithin(dictionary, { key: "metadata_size" }),
  };
}

/**
 * What is known of a peer after another handshake: BEP 10 allows any number,
 * and what a later one does not name stays as it was.
 *
 * @param earlier What was known.
 * @param later What has come.
 * @returns Both in one, without what has been taken back.
 */
export function mergeExtensionHandshakes(
  earlier: ExtensionHandshake,
  later: ExtensionHandshake,
): ExtensionHandshake {
  const messages = new Map(earlier.messages);
  for (const [name, id] of later.messages) {
    if (id === 0) messages.delete(name);
    else if (messages.has(name) || messages.size < MAX_EXTENSIONS) {
      messages.set(name, id);
    }
  }
  return {
    messages,
    v: later.v ?? earlier.v,
    p: later.p ?? earlier.p,
    reqq: later.reqq ?? earlier.reqq,
    uploadOnly: later.uploadOnly ?? earlier.uploadOnly,
    yourip: later.yourip ?? earlier.yourip,
    metadataSize: later.metadataSize ?? earlier.metadataSize,
  };
}

function decodeDictionary(payload: Uint8Array): BencodeDictionary {
  try {
    const { value } = decodeBencodePrefix(payload);
    if (value instanceof Map) return value;
  } catch (error) {
    if (!(error instanceof BencodeError)) throw error;
    throw new ProtocolError(
      `Cannot decode extension handshake: ${error.message}`,
      { cause: error },
    );
  }
  throw new ProtocolError("Cannot decode extension handshake: no dictionary");
}

function readMessages(dictionary: BencodeDictionary): Map<string, number> {
  const messages = new Map<string, number>();
  const entries = dictionaryAt(dictionary, "m") ?? [];
  for (const [name, id] of entries) {
    if (messages.size >= MAX_EXTENSIONS) break;
    if (name.length > MAX_NAME_LENGTH || typeof id !== "number") continue;
    if (id >= 0 && id <= 255) messages.set(name, id);
  }
  return messages;
}

function readClient(dictionary: BencodeDictionary): string | undefined {
  const bytes = bytesAt(dictionary, "v")
    ?.subarray(0, MAX_CLIENT_LENGTH * MAX_CHARACTER_BYTES);
  const text = new TextDecoder().decode(bytes);
  return [...text].slice(0, MAX_CLIENT_LENGTH).join("") || undefined;
}

function readAddress(dictionary: BencodeDictionary): Uint8Array | undefined {
  const bytes = bytesAt(dictionary, "yourip");
  return bytes?.length === 4 || bytes?.length === 16
    ? bytes.slice()
    : undefined;
}

/** The integer under a key if it is at least 1, and not too great. */
function integerWithin(
  dictionary: BencodeDictionary,
  { key, max = Number.MAX_SAFE_INTEGER }: { key: string; max?: number },
): number | undefined {
  const value = integerAt(dictionary, key);
  return value !== undefined && value >= 1 && value <= max ? value : undefined;
}
