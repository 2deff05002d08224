/**
 * A node of ours whose network is the test: each packet is answered by hand.
 *
 * @module
 */

import { assert } from "@std/assert";
import { type Endpoint, formatEndpoint } from "../../src/bytes/endpoint.ts";
import { DhtNode, type DhtNodeOptions } from "../../src/dht/dht_node.ts";
import {
  encodeAnswer,
  encodeQuery,
  type KrpcMessage,
  type KrpcQuery,
  type KrpcReturn,
} from "../../src/dht/krpc.ts";
import { decodeMessage } from "../../src/dht/krpc_decoder.ts";
import { createNodeId } from "../../src/dht/node_id.ts";
import { NetworkError } from "../../src/errors.ts";
import { randomBytes, seededRandom } from "./seeded_random.ts";
import { SimulatedNetwork } from "./simulated_dht.ts";

/** A message that our node has sent. */
export interface SentMessage {
  /** The message. */
  message: KrpcMessage;
  /** Where to. */
  to: Endpoint;
}

/** What a scripted node says to a query: nothing leaves it unanswered. */
export type Script = (
  query: KrpcQuery,
  asked: { to: Endpoint; count: number },
) => KrpcReturn | undefined;

/** One node of ours, alone with the test. */
export class DhtStage implements AsyncDisposable {
  /** The network, and its time. */
  readonly network = new SimulatedNetwork();
  /** Where the node is. */
  readonly own: Endpoint = { hostname: "198.18.0.1", port: 6881 };
  /** The node. */
  readonly node: DhtNode;
  /** What the node has sent, in order, until it is taken. */
  readonly sent: SentMessage[] = [];
  /** How often each endpoint was asked. */
  readonly asked = new Map<string, number>();
  /** A number from 0 to less than 1. */
  readonly random = seededRandom(1);
  /** What others say. */
  script: Script = () => undefined;
  /** Which address they tell us that we have. */
  seenAs: string | undefined;
  /** What the system says instead of sending. */
  isCut = false;
  readonly #ids = new Map<string, Uint8Array>();
  readonly #end = new AbortController();
  #running: Promise<void> | undefined;

  /**
   * A node that does not run yet.
   *
   * @param options What it is given.
   */
  constructor(options: Partial<DhtNodeOptions> = {}) {
    const socket = this.network.socket(this.own);
    const bytes = (length: number) => randomBytes(length, this.random);
    this.node = new DhtNode({
      bootstrap: [],
      clock: this.network.clock,
      random: this.random,
      randomBytes: bytes,
      ids: {
        4: createNodeId(bytes(20), this.own.hostname),
        6: createNodeId(bytes(20)),
      },
      ...options,
      socket: {
        subscribe: (handler) => socket.subscribe(handler),
        send: (packet, to) => {
          if (this.isCut) return Promise.reject(new NetworkError("Cut"));
          const message = decodeMessage(packet);
          this.sent.push({ message, to });
          if (message.type === "query") this.#onQuery(message, to);
          return Promise.resolve();
        },
      },
    });
  }

  /** Its time. */
  get clock() {
    return this.network.clock;
  }

  /** Starts the node. */
  start(): void {
    this.#running = this.node.run({ signal: this.#end.signal });
  }

  /**
   * Ends the node, and fails if it has.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await this.#running?.catch((error) =>
      assert(this.#end.signal.aborted, error)
    );
    assert(this.clock.waiting === 0 || this.network.packets > 0);
  }

  /**
   * The id that a node has, one that its address may have.
   *
   * @param endpoint Where it is.
   * @returns The same at every time.
   */
  id(endpoint: Endpoint): Uint8Array {
    const key = formatEndpoint(endpoint);
    const id = this.#ids.get(key) ??
      createNodeId(randomBytes(20, this.random), endpoint.hostname);
    this.#ids.set(key, id);
    return id;
  }

  /**
   * Sends our node an answer.
   *
   * @param transaction What it answers.
   * @param options What it says, and from where it comes.
   */
  reply(
    transaction: Uint8Array,
    { from, values }: { from: Endpoint; values: KrpcReturn },
  ): void {
    const answer = {
      ...{ type: "response", transaction, id: this.id(from), values } as const,
    };
    const port = this.own.port;
    const to = { hostname: this.seenAs ?? this.own.hostname, port };
    this.deliver(encodeAnswer(answer, to), from);
  }

  /**
   * Sends our node a query.
   *
   * @param query The query.
   * @param options From where it comes, and whether who asks is read-only.
   */
  query(
    query: KrpcQuery,
    { from, isReadOnly = false }: { from: Endpoint; isReadOnly?: boolean },
  ): void {
    const transaction = Uint8Array.of(7);
    const said = { transaction, id: this.id(from), isReadOnly };
    this.deliver(encodeQuery(query, said), from);
  }

  /**
   * Sends our node any bytes.
   *
   * @param packet The bytes.
   * @param from From where they come.
   */
  deliver(packet: Uint8Array, from: Endpoint): void {
    this.network.send(packet, { from, to: this.own });
  }

  /**
   * What the node has sent since the last time.
   *
   * @returns `method endpoint` of queries, the type of all others.
   */
  news(): string[] {
    return this.sent.splice(0).map(({ message, to }) =>
      `${message.type === "query" ? message.query.method : message.type} ${
        formatEndpoint(to)
      }`
    );
  }

  #onQuery(
    { query, transaction }: Extract<KrpcMessage, { type: "query" }>,
    to: Endpoint,
  ): void {
    const key = formatEndpoint(to);
    const count = (this.asked.get(key) ?? 0) + 1;
    this.asked.set(key, count);
    const values = this.script(query, { to, count });
    if (values) this.reply(transaction, { from: to, values });
  }
}
