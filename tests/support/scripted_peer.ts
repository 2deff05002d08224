/**
 * A peer that connects to us and says what a test tells it to, word by word.
 *
 * @module
 */

import type { Endpoint } from "../../src/bytes/endpoint.ts";
import {
  decodeHandshake,
  encodeHandshake,
  type Handshake,
  HANDSHAKE_LENGTH,
  ourReserved,
} from "../../src/wire/handshake.ts";
import { encodeMessages, type Message } from "../../src/wire/message.ts";
import { MessageDecoder } from "../../src/wire/message_stream.ts";
import type { MadeTorrent } from "./make_torrent.ts";

/** What a scripted peer says when it shakes hands. */
export interface ScriptedPeerOptions {
  /** What it speaks beyond BEP 3; what we do if not given. */
  reserved?: Uint8Array;
  /** Its peer id; random if not given. */
  peerId?: Uint8Array;
  /** By which info hash it names the torrent. */
  infoHash?: Uint8Array;
}

/** A message of one type. */
export type MessageOf<Type extends Message["type"]> = Extract<
  Message,
  { type: Type }
>;

/** A connection, from its other end. */
export class ScriptedPeer implements Disposable {
  readonly #conn: Deno.TcpConn;
  readonly #decoder: MessageDecoder;
  #heard: Message[] = [];
  #isClosed = false;

  private constructor(
    conn: Deno.TcpConn,
    /** What we have answered. */
    readonly theirs: Handshake,
    pieceCount: number,
  ) {
    this.#conn = conn;
    this.#decoder = new MessageDecoder(pieceCount);
  }

  /**
   * Connects and shakes hands.
   *
   * @param made The torrent.
   * @param options Where to, and what to say.
   * @returns The peer.
   */
  static async connect(
    made: MadeTorrent,
    { endpoint, ...options }: ScriptedPeerOptions & { endpoint: Endpoint },
  ): Promise<ScriptedPeer> {
    const conn = await Deno.connect(endpoint);
    await conn.write(encodeHandshake({
      infoHash: options.infoHash ?? made.metainfo.infoHash,
      peerId: options.peerId ?? crypto.getRandomValues(new Uint8Array(20)),
      reserved: options.reserved ?? ourReserved(),
    }));
    const theirs = new Uint8Array(HANDSHAKE_LENGTH);
    for (let filled = 0; filled < theirs.length;) {
      const count = await conn.read(theirs.subarray(filled));
      if (count === null) {
        conn.close();
        throw new Error("The peer hung up");
      }
      filled += count;
    }
    const { pieceCount } = made.metainfo.layout;
    return new ScriptedPeer(conn, decodeHandshake(theirs), pieceCount);
  }

  /**
   * Says something.
   *
   * @param messages What, in order.
   */
  async say(...messages: Message[]): Promise<void> {
    const bytes = encodeMessages(messages);
    for (let sent = 0; sent < bytes.length;) {
      sent += await this.#conn.write(bytes.subarray(sent));
    }
  }

  /**
   * Waits for the next message of some types; passes over others.
   *
   * @param types Which.
   * @returns The message, or `undefined` when the other side has hung up.
   */
  async hear<Type extends Message["type"]>(
    ...types: Type[]
  ): Promise<MessageOf<Type> | undefined> {
    const wanted: readonly Message["type"][] = types;
    while (true) {
      const message = this.#heard.shift() ?? await this.#next();
      if (!message) return undefined;
      if (wanted.includes(message.type)) return message as MessageOf<Type>;
    }
  }

  /** Hangs up. */
  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#conn.close();
  }

  async #next(): Promise<Message | undefined> {
    while (this.#heard.length === 0) {
      const buffer = new Uint8Array(65_536);
      const count = await this.#conn.read(buffer);
      if (count === null) return undefined;
      this.#heard = this.#decoder.push(buffer.subarray(0, count))
        .map(ownBytes);
    }
    return this.#heard.shift();
  }
}

/** A message that is no view into a decoder. */
function ownBytes(message: Message): Message {
  switch (message.type) {
    case "piece":
      return { ...message, block: message.block.slice() };
    case "bitfield":
      return { ...message, bitfield: message.bitfield.slice() };
    case "extended":
      return { ...message, payload: message.payload.slice() };
    case "hashes":
    case "hash_reject":
      return structuredClone(message);
    default:
      return message;
  }
}
