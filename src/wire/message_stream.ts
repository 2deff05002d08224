/**
 * Framing: bytes ↔ messages, two machines without I/O. Pure.
 *
 * What crosses a promise is a chunk, never a message: the decoder hands over
 * all the messages that a chunk completes in one go, and the encoder turns a
 * batch into one chunk for one write.
 *
 * @module
 */

import { ProtocolError } from "../errors.ts";
import { BLOCK_LENGTH } from "../metainfo/layout.ts";
import {
  decodeMessage,
  encodeMessages,
  isKnownId,
  type Message,
  type OutgoingMessage,
  payloadLengths,
  PIECE_HEADER_LENGTH,
  PREFIX_LENGTH,
  uint32At,
} from "./message.ts";

/** What decides about a frame: its length, and the id of its message. */
const HEAD_LENGTH = PREFIX_LENGTH + 1;

/** The longest payload that is common: few bitfields are longer. */
const USUAL_LENGTH = PIECE_HEADER_LENGTH + BLOCK_LENGTH;

/**
 * Splits a byte stream into messages, however it arrives.
 *
 * A frame that a chunk holds whole is decoded where it lies. One that is
 * split is put together in a buffer of the decoder's own, of which it has two:
 * while the messages of the last push may still be views into the one, the
 * other fills.
 */
export class MessageDecoder {
  #pieceCount: number | undefined;
  readonly #head = new Uint8Array(HEAD_LENGTH);
  #headLength = 0;
  /** The payload of a split frame, once its length is known. */
  #payload: Uint8Array | undefined;
  #payloadLength = 0;
  /** How much of a frame that means nothing to us is still to come. */
  #skip = 0;
  #buffers: [next: Uint8Array, last: Uint8Array] | undefined;

  /**
   * A decoder at the first byte after the handshake.
   *
   * @param pieceCount The number of pieces, which gives a bitfield its length;
   * `undefined` while nobody knows it.
   */
  constructor(pieceCount: number | undefined) {
    this.#pieceCount = pieceCount;
  }

  /**
   * The number of pieces is known now. A bitfield that has begun to arrive was
   * let through before: whoever takes it checks its length.
   *
   * @param pieceCount The number of pieces.
   */
  learn(pieceCount: number): void {
    this.#pieceCount = pieceCount;
  }

  /**
   * Takes the next bytes.
   *
   * @param chunk The bytes.
   * @returns The messages that they complete. Until the next push their blocks,
   * bitfields, payloads and hashes are views into `chunk` or into the decoder.
   * @throws {ProtocolError} If a length is not one its message can have.
   */
  push(chunk: Uint8Array): Message[] {
    const messages: Message[] = [];
    let at = 0;
    while (at < chunk.length) {
      at += this.#takeWhole(chunk, { at, messages }) ||
        this.#takePart(chunk.subarray(at), messages);
    }
    return messages;
  }

  /**
   * Decodes a frame where it lies, if all of it lies there; returns how many
   * bytes it took.
   */
  #takeWhole(
    chunk: Uint8Array,
    { at, messages }: { at: number; messages: Message[] },
  ): number {
    if (this.#skip > 0 || this.#payload || this.#headLength > 0) return 0;
    const length = this.#payloadLengthAt(chunk, at);
    if (length === undefined) return 0;
    const begin = at + PREFIX_LENGTH;
    const end = begin + length;
    if (end > chunk.length) return 0;
    if (length === 0 || isKnownId(chunk[begin]!)) {
      messages.push(decodeMessage(chunk.subarray(begin, end)));
    }
    return end - at;
  }

  /** Takes the next part of a frame that is split; returns how many bytes. */
  #takePart(bytes: Uint8Array, messages: Message[]): number {
    if (this.#skip > 0) {
      const length = Math.min(this.#skip, bytes.length);
      this.#skip -= length;
      return length;
    }
    return this.#payload
      ? this.#fillPayload(bytes, messages)
      : this.#fillHead(bytes, messages);
  }

  #fillHead(bytes: Uint8Array, messages: Message[]): number {
    // A keep-alive ends with its prefix: the next byte is not its own.
    const wanted = this.#headLength < PREFIX_LENGTH
      ? PREFIX_LENGTH
      : HEAD_LENGTH;
    const taken = bytes.subarray(0, wanted - this.#headLength);
    this.#head.set(taken, this.#headLength);
    this.#headLength += taken.length;
    const length = this.#payloadLengthAt(
      this.#head.subarray(0, this.#headLength),
      0,
    );
    if (length === undefined) return taken.length;
    this.#headLength = 0;
    if (length === 0) {
      messages.push({ type: "keep_alive" });
    } else if (isKnownId(this.#head[PREFIX_LENGTH]!)) {
      this.#payload = this.#buffer(length);
      this.#payloadLength = 0;
      this.#fillPayload(this.#head.subarray(PREFIX_LENGTH), messages);
    } else {
      this.#skip = length - 1;
    }
    return taken.length;
  }

  #fillPayload(bytes: Uint8Array, messages: Message[]): number {
    const payload = this.#payload!;
    const taken = bytes.subarray(0, payload.length - this.#payloadLength);
    payload.set(taken, this.#payloadLength);
    this.#payloadLength += taken.length;
    if (this.#payloadLength === payload.length) {
      this.#payload = undefined;
      messages.push(decodeMessage(payload));
    }
    return taken.length;
  }

  #buffer(length: number): Uint8Array {
    if (length > USUAL_LENGTH) return new Uint8Array(length);
    const [next, last] = this.#buffers ??
      [new Uint8Array(USUAL_LENGTH), new Uint8Array(USUAL_LENGTH)];
    this.#buffers = [last, next];
    return next.subarray(0, length);
  }

  /** The length of the payload of the frame that begins there, once known. */
  #payloadLengthAt(bytes: Uint8Array, at: number): number | undefined {
    if (bytes.length < at + PREFIX_LENGTH) return undefined;
    const length = uint32At(bytes, at);
    if (length === 0) return 0;
    const id = bytes[at + PREFIX_LENGTH];
    if (id === undefined) return undefined;
    const { min, max } = payloadLengths(id, this.#pieceCount);
    if (length < min || length > max) {
      throw new ProtocolError(
        `Cannot decode message ${id}: it cannot be ${length} bytes long`,
      );
    }
    return length;
  }
}

/** A batch of blocks fits; a larger one is rare and gets a buffer of its own. */
const MAX_KEPT_LENGTH = 512 * 1024;

/** Batches of messages in, bytes out: one chunk, for one write, for each. */
export class MessageEncoder {
  #buffer: Uint8Array = new Uint8Array(0);

  /**
   * Encodes a batch.
   *
   * @param messages What to say, in order.
   * @returns Their frames: a view that holds until the next call.
   */
  encode(messages: readonly OutgoingMessage[]): Uint8Array {
    const bytes = encodeMessages(messages, this.#buffer);
    // Who sends much once will do so again.
    if (bytes.length <= MAX_KEPT_LENGTH) {
      this.#buffer = new Uint8Array(bytes.buffer);
    }
    return bytes;
  }
}
