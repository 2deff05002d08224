/**
 * `Peer`: one connection being lived: what arrives is decoded and handed on,
 * what is said is gathered and written, and who falls silent is let go.
 *
 * ```
 *   connection → ChunkReader → MessageDecoder → handler.onMessages
 *   send(), handler.onIdle → outbox → MessageEncoder → connection
 * ```
 *
 * @module
 */

import type { Endpoint } from "../bytes/endpoint.ts";
import { NetworkError } from "../errors.ts";
import { ChunkReader, type Connection } from "../net/connection.ts";
import { RateMeter } from "../policy/rate.ts";
import { TaskGroup } from "../task_group.ts";
import {
  supportsDht,
  supportsExtensions,
  supportsFast,
} from "../wire/handshake.ts";
import {
  frameLength,
  type Message,
  type OutgoingMessage,
} from "../wire/message.ts";
import { MessageDecoder, MessageEncoder } from "../wire/message_stream.ts";
import { PeerState } from "../wire/peer_state.ts";
import { delay } from "@std/async/delay";

/** BEP 3 says "generally sent once every two minutes"; a little less is safe. */
const KEEP_ALIVE_INTERVAL_MS = 110_000;

/** Two keep-alives missed, and some patience for a slow line. */
const SILENCE_LIMIT_MS = 240_000;

/** A peer that takes nothing for so long is gone, or means harm. */
const WRITE_LIMIT_MS = 60_000;

/** How often the three limits above are looked at. */
const WATCH_INTERVAL_MS = 5_000;

/** A peer that does not read makes the outbox grow: this is far too much. */
const MAX_OUTBOX_BYTES = 4 * 1024 * 1024;

/** What the owner of a peer hears of it. */
export interface PeerHandler {
  /**
   * Messages have arrived.
   *
   * @param peer From whom.
   * @param messages Every message that one read completed; their bytes are
   * views that hold until the returned promise is fulfilled.
   * @returns A promise to slow the peer down until it is fulfilled.
   */
  onMessages(peer: Peer, messages: readonly Message[]): Promise<void> | void;
  /**
   * All that was said is on its way: the place to say what should not wait in
   * memory, such as blocks. Bytes that were sent before are free again.
   *
   * @param peer To whom more could be said.
   */
  onIdle?(peer: Peer): void;
}

/** What a peer is made of. */
export interface PeerOptions {
  /** The byte stream, after the handshake. */
  connection: Connection;
  /** The peer's own identity. */
  peerId: Uint8Array;
  /** What both sides said that they speak, beyond BEP 3. */
  reserved: Uint8Array;
  /** Whether both sides have named the torrent by its info hash of v2. */
  isV2?: boolean;
  /** The number of pieces of the torrent, if it is known. */
  pieceCount: number | undefined;
  /** Whether the peer connected to us, rather than we to it. */
  isIncoming: boolean;
}

/** A connected peer. */
export class Peer {
  /** The address at the other end. */
  readonly endpoint: Endpoint;
  /** The peer's own identity. */
  readonly peerId: Uint8Array;
  /** Whether the peer connected to us, rather than we to it. */
  readonly isIncoming: boolean;
  /** What the peer has, and the bits of choking and interest. */
  readonly state: PeerState;
  /** The bytes of blocks that came from the peer. */
  readonly received: RateMeter = new RateMeter();
  /** The bytes of blocks that went to the peer. */
  readonly sent: RateMeter = new RateMeter();
  /** Whether both sides speak the extension protocol (BEP 10). */
  readonly supportsExtensions: boolean;
  /** Whether both sides are nodes of the DHT (BEP 5). */
  readonly supportsDht: boolean;
  /** Whether the peer can be asked for hashes (BEP 52). */
  readonly supportsHashes: boolean;
  /** When the connection was opened, in milliseconds. */
  readonly connectedAt: number = performance.now();

  readonly #connection: Connection;
  readonly #decoder: MessageDecoder;
  readonly #gone = new AbortController();
  #outbox: OutgoingMessage[] = [];
  #outboxBytes = 0;
  #wake: (() => void) | undefined;
  #lastReceivedAt = 0;
  #lastSentAt = 0;

  /**
   * Takes over a connection.
   *
   * @param options The connection, and who is at its other end.
   */
  constructor(options: PeerOptions) {
    this.#connection = options.connection;
    this.endpoint = options.connection.remote;
    this.peerId = options.peerId;
    this.isIncoming = options.isIncoming;
    this.#decoder = new MessageDecoder(options.pieceCount);
    this.supportsExtensions = supportsExtensions(options.reserved);
    this.supportsDht = supportsDht(options.reserved);
    this.supportsHashes = options.isV2 ?? false;
    this.state = new PeerState(options.pieceCount, {
      supportsFast: supportsFast(options.reserved),
    });
  }

  /** For how long our limits kept back what the peer had sent, in ms. */
  get heldMs(): number {
    return this.#connection.heldMs;
  }

  /**
   * Says something; what is said before the next write goes out with it.
   *
   * @param messages What to say, in order.
   */
  send(...messages: OutgoingMessage[]): void {
    if (messages.length === 0) return;
    for (const message of messages) {
      this.#outbox.push(message);
      this.#outboxBytes += frameLength(message);
    }
    if (this.#outboxBytes > MAX_OUTBOX_BYTES) {
      this.close(new NetworkError("The peer does not read what we send"));
    }
    this.#wake?.();
  }

  /**
   * The number of pieces is known now.
   *
   * @param pieceCount The number of pieces.
   * @throws {ProtocolError} If the peer has said what is not true of so many.
   */
  learn(pieceCount: number): void {
    this.#decoder.learn(pieceCount);
    this.state.learn(pieceCount);
  }

  /** Asks for {@linkcode PeerHandler.onIdle}, as soon as that is so. */
  wake(): void {
    this.#wake?.();
  }

  /**
   * Lets the peer go.
   *
   * @param reason Why; {@linkcode Peer.run} throws it.
   */
  close(reason: Error): void {
    this.#gone.abort(reason);
  }

  /**
   * Lives the connection, and closes it in the end.
   *
   * @param handler Who hears of the messages.
   * @param options What ends the connection from outside.
   * @throws Why the connection ended: a `NetworkError`, a `ProtocolError`, the
   * reason of {@linkcode Peer.close}, or what the handler threw.
   */
  async run(
    handler: PeerHandler,
    { signal }: { signal: AbortSignal },
  ): Promise<void> {
    const now = performance.now();
    this.#lastReceivedAt = now;
    this.#lastSentAt = now;
    const ending = AbortSignal.any([signal, this.#gone.signal]);
    const close = () => {
      this.#connection.close();
      this.#wake?.();
    };
    ending.addEventListener("abort", close);
    try {
      ending.throwIfAborted();
      await using tasks = new TaskGroup({ signal: ending });
      tasks.signal.addEventListener("abort", close);
      tasks.spawn(() => this.#read(handler));
      tasks.spawn((signal) => this.#write(handler, signal));
      tasks.spawn((signal) => this.#watch(signal));
      await tasks.join();
    } finally {
      close();
      ending.removeEventListener("abort", close);
    }
    ending.throwIfAborted();
  }

  async #read(handler: PeerHandler): Promise<void> {
    const reader = new ChunkReader(this.#connection);
    while (true) {
      const chunk = await reader.read();
      if (!chunk) throw new NetworkError("The peer hung up");
      const messages = this.#decoder.push(chunk);
      if (messages.length === 0) continue;
      this.#lastReceivedAt = performance.now();
      await handler.onMessages(this, messages);
    }
  }

  async #write(handler: PeerHandler, signal: AbortSignal): Promise<void> {
    const encoder = new MessageEncoder();
    while (true) {
      if (this.#outbox.length === 0) handler.onIdle?.(this);
      // Who hears that the peer is idle may let it go.
      if (signal.aborted) return;
      if (this.#outbox.length === 0) {
        await new Promise<void>((resolve) => this.#wake = resolve);
        continue;
      }
      const batch = this.#outbox;
      this.#outbox = [];
      this.#outboxBytes = 0;
      await this.#connection.write(encoder.encode(batch));
      this.#lastSentAt = performance.now();
    }
  }

  async #watch(signal: AbortSignal): Promise<void> {
    while (true) {
      await delay(WATCH_INTERVAL_MS, { signal });
      const now = performance.now();
      if (now - this.#lastReceivedAt > SILENCE_LIMIT_MS) {
        throw new NetworkError("The peer has fallen silent");
      }
      const { writingSince = now } = this.#connection;
      if (now - writingSince > WRITE_LIMIT_MS) {
        throw new NetworkError("The peer does not read what we send");
      }
      if (now - this.#lastSentAt > KEEP_ALIVE_INTERVAL_MS) {
        this.send({ type: "keep_alive" });
      }
    }
  }
}
