/**
 * A peer on loopback that serves a torrent, or does what no real peer does:
 * lies, stalls, dribbles, sends what nobody asked for, resets.
 *
 * @module
 */

import { Bitfield } from "../../src/bytes/bitfield.ts";
import type { Endpoint } from "../../src/bytes/endpoint.ts";
import type { Block } from "../../src/metainfo/layout.ts";
import {
  decodeExtensionHandshake,
  EXTENSION_HANDSHAKE_ID,
} from "../../src/wire/extension_handshake.ts";
import {
  decodeHandshake,
  encodeHandshake,
  type Handshake,
} from "../../src/wire/handshake.ts";
import { encodeMessages, type Message } from "../../src/wire/message.ts";
import { MessageDecoder } from "../../src/wire/message_stream.ts";
import type { MadeTorrent } from "./make_torrent.ts";

/** How a fake peer behaves; an honest seed where nothing is said. */
export interface Behaviour {
  /** Which pieces it has; all if not given. */
  has?: (index: number) => boolean;
  /** What it says it speaks (BEP 4): eight bytes, all zero if not given. */
  reserved?: Uint8Array;
  /** The handshake it sends instead of the right one. */
  handshake?: (right: Uint8Array) => Uint8Array;
  /** What it says after the handshake, instead of its bitfield. */
  greeting?: (bitfield: Uint8Array) => Message[];
  /** Whether it unchokes whoever is interested. */
  unchokes?: boolean;
  /** Whether it rejects what it does not serve (BEP 6). */
  rejects?: boolean;
  /** The block it sends for a request; `undefined` for none. */
  serve?: (
    block: Block,
    right: Uint8Array,
  ) => Uint8Array | undefined | Promise<Uint8Array | undefined>;
  /** Hears of every message, and may do anything with the connection. */
  onMessage?: (message: Message, connection: FakeConnection) => unknown;
  /** At most so many bytes go into one write. */
  writeLength?: number;
  /** The peer id; one of its own if not given. */
  peerId?: Uint8Array;
  /** The address it listens on; 127.0.0.1 if not given. */
  hostname?: string;
}

/** One connection of a fake peer. */
export class FakeConnection {
  /** What the other end said before the first message, once it has. */
  theirs: Handshake | undefined;
  /** Every message that came, without the requests. */
  readonly received: Message[] = [];
  /** The extensions of every extension handshake that came, and their ids. */
  readonly extensions: ReadonlyMap<string, number>[] = [];
  /** Every block that was asked for. */
  readonly requests: Block[] = [];
  readonly #conn: Deno.TcpConn;
  readonly #writeLength: number;
  #isClosed = false;

  /**
   * Takes over a connection.
   *
   * @param conn The connection.
   * @param writeLength At most so many bytes go into one write.
   */
  constructor(conn: Deno.TcpConn, writeLength: number) {
    this.#conn = conn;
    this.#writeLength = writeLength;
  }

  /** Sends messages. */
  async send(...messages: Message[]): Promise<void> {
    await this.write(encodeMessages(messages));
  }

  /** Sends bytes. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const end = Math.min(bytes.length, at + this.#writeLength);
      at += await this.#conn.write(bytes.subarray(at, end));
    }
  }

  /** Waits for bytes. */
  async read(buffer: Uint8Array): Promise<number | null> {
    return await this.#conn.read(buffer);
  }

  /** Hangs up. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#conn.close();
  }
}

/** A peer that listens on loopback. */
export class FakePeer implements AsyncDisposable {
  /** Every connection there was. */
  readonly connections: FakeConnection[] = [];
  /** The blocks that were sent, in bytes. */
  sentBytes = 0;
  readonly #torrent: MadeTorrent;
  readonly #behaviour: Behaviour;
  readonly #listener: Deno.TcpListener;
  readonly #peerId: Uint8Array;
  readonly #running = new Set<Promise<void>>();
  readonly #live = new Set<FakeConnection>();

  /**
   * Starts a peer.
   *
   * @param torrent What it serves.
   * @param behaviour How.
   */
  constructor(torrent: MadeTorrent, behaviour: Behaviour = {}) {
    this.#torrent = torrent;
    this.#behaviour = behaviour;
    this.#peerId = behaviour.peerId ??
      crypto.getRandomValues(new Uint8Array(20));
    this.#listener = Deno.listen({
      hostname: behaviour.hostname ?? "127.0.0.1",
      port: 0,
    });
    this.#track(this.#accept());
  }

  /** Where it listens. */
  get endpoint(): Endpoint {
    const { hostname, port } = this.#listener.addr;
    return { hostname, port };
  }

  /** How many connections are open. */
  get liveCount(): number {
    return this.#live.size;
  }

  /** Connects to somebody, instead of waiting. */
  connectTo(endpoint: Endpoint): void {
    this.#track((async () => {
      const conn = await Deno.connect(endpoint);
      await this.#serve(conn, { isIncoming: false });
    })());
  }

  /** Hangs up everywhere. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#live) connection.close();
    await Promise.all(this.#running);
  }

  #track(task: Promise<void>): void {
    const running = task.catch((error) => {
      // The other end may leave at any time.
      if (!(error instanceof Error) || error instanceof TypeError) throw error;
    }).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async #accept(): Promise<void> {
    for await (const conn of this.#listener) {
      this.#track(this.#serve(conn, { isIncoming: true }));
    }
  }

  async #serve(
    conn: Deno.TcpConn,
    { isIncoming }: { isIncoming: boolean },
  ): Promise<void> {
    const behaviour = this.#behaviour;
    const connection = new FakeConnection(
      conn,
      behaviour.writeLength ?? 1 << 20,
    );
    this.connections.push(connection);
    this.#live.add(connection);
    try {
      const handshake = encodeHandshake({
        infoHash: this.#torrent.metainfo.infoHash,
        peerId: this.#peerId,
        reserved: behaviour.reserved ?? new Uint8Array(8),
      });
      const ours = behaviour.handshake?.(handshake) ?? handshake;
      if (!isIncoming) await connection.write(ours);
      const theirs = new Uint8Array(68);
      for (let filled = 0; filled < theirs.length;) {
        const count = await connection.read(theirs.subarray(filled));
        if (count === null) return;
        filled += count;
      }
      connection.theirs = decodeHandshake(theirs);
      if (isIncoming) await connection.write(ours);
      await connection.send(...this.#greeting());
      await this.#talk(connection);
    } finally {
      this.#live.delete(connection);
      connection.close();
    }
  }

  #greeting(): Message[] {
    const { pieceCount } = this.#torrent.metainfo.layout;
    const have = new Bitfield(pieceCount);
    for (let index = 0; index < pieceCount; index++) {
      if (this.#behaviour.has?.(index) ?? true) have.add(index);
    }
    return this.#behaviour.greeting?.(have.bytes) ??
      [{ type: "bitfield", bitfield: have.bytes }];
  }

  async #talk(connection: FakeConnection): Promise<void> {
    const { pieceCount } = this.#torrent.metainfo.layout;
    const decoder = new MessageDecoder(pieceCount);
    const buffer = new Uint8Array(65_536);
    while (true) {
      const count = await connection.read(buffer);
      if (count === null) return;
      for (const message of decoder.push(buffer.subarray(0, count))) {
        if (message.type === "request") connection.requests.push(message);
        else connection.received.push(message);
        if (
          message.type === "extended" && message.id === EXTENSION_HANDSHAKE_ID
        ) {
          const { messages } = decodeExtensionHandshake(message.payload);
          connection.extensions.push(messages);
        }
        await this.#behaviour.onMessage?.(message, connection);
        await this.#answer(message, connection);
      }
    }
  }

  async #answer(message: Message, connection: FakeConnection): Promise<void> {
    if (message.type === "interested" && (this.#behaviour.unchokes ?? true)) {
      await connection.send({ type: "unchoke" });
    }
    if (message.type !== "request") return;
    const { index, begin, length } = message;
    const { metainfo, payload } = this.#torrent;
    const offset = metainfo.layout.pieceOffset(index) + begin;
    const right = payload.slice(offset, offset + length);
    const block = this.#behaviour.serve
      ? await this.#behaviour.serve(message, right)
      : right;
    if (!block) {
      if (!this.#behaviour.rejects) return;
      return await connection.send({
        type: "reject_request",
        index,
        begin,
        length,
      });
    }
    this.sentBytes += block.length;
    await connection.send({ type: "piece", index, begin, block });
  }
}
