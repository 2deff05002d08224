/**
 * `KrpcExchange`: queries and their answers over the UDP socket (BEP 5).
 *
 * Anybody can send us packets. An answer counts if it comes from where the
 * query went, and repeats a transaction that nobody else can guess; once.
 *
 * @module
 */

import { latin1 } from "../bytes/bencode.ts";
import { type Endpoint, formatEndpoint } from "../bytes/endpoint.ts";
import type { Clock } from "../clock.ts";
import { NetworkError, ProtocolError } from "../errors.ts";
import type { PacketSocket } from "../net/udp.ts";
import type { KrpcRequest } from "./dht_server.ts";
import {
  encodeQuery,
  isKrpc,
  type KrpcMessage,
  type KrpcQuery,
} from "./krpc.ts";
import { decodeMessage } from "./krpc_decoder.ts";

/** Most answer within half a second; who does not may still. */
const SLOW_MS = 1_000;

/** Who has not answered by then will not. */
const TIMEOUT_MS = 5_000;

/** Nobody guesses 32 bits in five seconds, and answers should be short. */
const TRANSACTION_LENGTH = 4;

/** What answers a query. */
export type KrpcReply = Extract<KrpcMessage, { type: "response" | "error" }>;

/** What others ask. */
export interface KrpcExchangeHandler {
  /**
   * Somebody asks something.
   *
   * @param request What.
   * @param from Who, as far as anybody can tell.
   * @returns The packet to send back; nothing if it should not be answered.
   */
  onRequest(request: KrpcRequest, from: Endpoint): Uint8Array | undefined;
}

/** What an exchange is made of. */
export interface KrpcExchangeOptions {
  /** The socket. */
  socket: PacketSocket;
  /** Who answers. */
  handler: KrpcExchangeHandler;
  /** The time. */
  clock: Clock;
  /** Gives random bytes that nobody can guess. */
  randomBytes: (length: number) => Uint8Array;
}

/** What is said with a query. */
export interface AskOptions {
  /** Our own id. */
  id: Uint8Array;
  /** Whether we answer nothing ourselves (BEP 43). */
  isReadOnly: boolean;
  /** Called when the answer takes long. */
  onSlow?: (() => void) | undefined;
  /** Gives up. */
  signal: AbortSignal;
}

/** Packets and bytes, both ways. */
export interface KrpcTraffic {
  /** Our queries. */
  queriesSent: number;
  /** Answers to them. */
  repliesReceived: number;
  /** Queries of others, as far as they can be read. */
  queriesReceived: number;
  /** Our answers to them. */
  repliesSent: number;
  /** Packets that are no KRPC, or answer nothing. */
  ignored: number;
}

interface Pending {
  from: string;
  resolve: (reply: KrpcReply) => void;
}

/** Sends queries, and knows their answers again. */
export class KrpcExchange implements AsyncDisposable {
  /** What has gone through it. */
  readonly traffic: KrpcTraffic = {
    queriesSent: 0,
    repliesReceived: 0,
    queriesReceived: 0,
    repliesSent: 0,
    ignored: 0,
  };
  readonly #options: KrpcExchangeOptions;
  readonly #pending = new Map<string, Pending>();
  readonly #sending = new Set<Promise<void>>();
  #subscription: Disposable | undefined;

  /**
   * Takes no packets yet.
   *
   * @param options What it is made of.
   */
  constructor(options: KrpcExchangeOptions) {
    this.#options = options;
  }

  /** Begins to take packets. */
  open(): void {
    this.#subscription ??= this.#options.socket.subscribe((packet, from) => {
      if (!isKrpc(packet)) return false;
      this.#receive(packet, from);
      return true;
    });
  }

  /** Takes no packets any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#subscription?.[Symbol.dispose]();
    this.#subscription = undefined;
    await Promise.all(this.#sending);
  }

  /**
   * Asks a node, and waits for its answer.
   *
   * @param to The node.
   * @param query What to ask.
   * @param options What else is said.
   * @returns Its answer; `undefined` if none comes in time.
   * @throws {NetworkError} If no packet can be sent there.
   */
  async ask(
    to: Endpoint,
    query: KrpcQuery,
    options: AskOptions,
  ): Promise<KrpcReply | undefined> {
    const { id, isReadOnly, onSlow, signal } = options;
    const { socket, clock } = this.#options;
    signal.throwIfAborted();
    const transaction = this.#newTransaction();
    const key = latin1(transaction);
    const { promise, resolve } = Promise.withResolvers<KrpcReply>();
    this.#pending.set(key, { from: formatEndpoint(to), resolve });
    const isOver = new AbortController();
    const giveUp = () => isOver.abort(signal.reason);
    signal.addEventListener("abort", giveUp, { once: true });
    const late = async (): Promise<undefined> => {
      await clock.delay(SLOW_MS, { signal: isOver.signal });
      onSlow?.();
      await clock.delay(TIMEOUT_MS - SLOW_MS, { signal: isOver.signal });
    };
    try {
      this.traffic.queriesSent++;
      const packet = encodeQuery(query, { transaction, id, isReadOnly });
      const answer = Promise.race([promise, late()]);
      // An answer can be there before the system says that the packet is out.
      const [, reply] = await Promise.all([socket.send(packet, to), answer]);
      return reply;
    } finally {
      this.#pending.delete(key);
      signal.removeEventListener("abort", giveUp);
      isOver.abort();
    }
  }

  #newTransaction(): Uint8Array {
    for (;;) {
      const drawn = this.#options.randomBytes(TRANSACTION_LENGTH);
      if (!this.#pending.has(latin1(drawn))) return drawn;
    }
  }

  #receive(packet: Uint8Array, from: Endpoint): void {
    let message: KrpcMessage;
    try {
      message = decodeMessage(packet);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.traffic.ignored++;
      return;
    }
    switch (message.type) {
      case "query":
      case "bad_query": {
        this.traffic.queriesReceived++;
        const answer = this.#options.handler.onRequest(message, from);
        if (answer) this.#reply(answer, from);
        return;
      }
      case "response":
      case "error": {
        const key = latin1(message.transaction);
        const pending = this.#pending.get(key);
        if (!pending || pending.from !== formatEndpoint(from)) {
          this.traffic.ignored++;
          return;
        }
        this.#pending.delete(key);
        this.traffic.repliesReceived++;
        return pending.resolve(message);
      }
      default:
        message satisfies never;
    }
  }

  #reply(packet: Uint8Array, to: Endpoint): void {
    const sending = this.#send(packet, to)
      .finally(() => this.#sending.delete(sending));
    this.#sending.add(sending);
  }

  async #send(packet: Uint8Array, to: Endpoint): Promise<void> {
    try {
      await this.#options.socket.send(packet, to);
      this.traffic.repliesSent++;
    } catch (error) {
      // Whoever cannot be reached asks again, or not.
      if (!(error instanceof NetworkError)) throw error;
    }
  }
}
