/**
 * `DhtServer`: what others are answered (BEP 5, 32, 33, 42, 43). Pure.
 *
 * An address can be forged: so answers are short, an address gets only so many,
 * and nothing is kept of who asks before it has shown a token.
 *
 * @module
 */

import {
  type AddressFamily,
  type Endpoint,
  endpointOf,
  familyOf,
  formatEndpoint,
} from "../bytes/endpoint.ts";
import { isLocal } from "../bytes/local_host.ts";
import { type DhtNetworks, networkFor } from "./dht_network.ts";
import {
  encodeAnswer,
  ERROR_CODE,
  type KrpcAnswer,
  type KrpcMessage,
  type KrpcQuery,
  type KrpcReturn,
} from "./krpc.ts";
import type { NodeContact } from "./node_contact.ts";
import { PeerStore } from "./peer_store.ts";
import { AnswerBudget, QueryLimit } from "./rate_limit.ts";
import { BUCKET_SIZE } from "./routing_table.ts";
import { Tokens } from "./tokens.ts";

/**
 * How many peers an answer names. It is five times as long as the question
 * then: a hundred peers would make us a weapon, and 8 nodes are asked anyway.
 */
const MAX_VALUES = { 4: 30, 6: 12 } as const;

/** A secret of so many random bytes. */
const KEY_LENGTH = 20;

/** A message that wants to be answered. */
export type KrpcRequest = Extract<
  KrpcMessage,
  { type: "query" | "bad_query" }
>;

/** What a server is made of. */
export interface DhtServerOptions {
  /** The nodes that it can name. */
  networks: DhtNetworks;
  /** A number from 0 to less than 1. */
  random: () => number;
  /** Gives random bytes. */
  randomBytes: (length: number) => Uint8Array;
}

/** Answers queries. */
export class DhtServer {
  /** The peers that have been announced. */
  readonly store: PeerStore = new PeerStore();
  readonly #networks: DhtNetworks;
  readonly #random: () => number;
  readonly #tokens: Tokens;
  readonly #limit = new QueryLimit();
  readonly #budget = new AnswerBudget();

  /**
   * A server that knows no peers.
   *
   * @param options What it is made of.
   */
  constructor(options: DhtServerOptions) {
    this.#networks = options.networks;
    this.#random = options.random;
    this.#tokens = new Tokens(options.randomBytes(KEY_LENGTH));
  }

  /**
   * Some of the peers that have been announced.
   *
   * @param infoHash The torrent.
   * @param options The family of their addresses, and the time.
   * @returns Their endpoints.
   */
  peers(
    infoHash: Uint8Array,
    { family, now }: { family: AddressFamily; now: number },
  ): Endpoint[] {
    return this.store.peers(infoHash, {
      family,
      limit: MAX_VALUES[family],
      noSeed: false,
      random: this.#random,
      now,
    });
  }

  /**
   * Answers a query.
   *
   * @param request The query.
   * @param options Who asks, as far as anybody can tell, and the time.
   * @returns The packet to send back; nothing if it should not be answered.
   */
  answer(
    request: KrpcRequest,
    { from, now }: { from: Endpoint; now: number },
  ): Uint8Array | undefined {
    const network = networkFor(this.#networks, from);
    if (network.reachability.isReadOnly(now)) return undefined;
    if (!this.#limit.allows(from.hostname, now)) return undefined;
    const packet = encodeAnswer(this.#answer(request, { from, now }), from);
    return this.#budget.take(packet.length, now) ? packet : undefined;
  }

  #answer(
    request: KrpcRequest,
    { from, now }: { from: Endpoint; now: number },
  ): KrpcAnswer {
    const { transaction } = request;
    if (request.type === "bad_query") {
      const { code, reason } = request;
      return { type: "error", transaction, code, reason };
    }
    const { table } = networkFor(this.#networks, from);
    const values = this.#serve(request.query, { from, now });
    return values === undefined
      ? {
        type: "error",
        transaction,
        code: ERROR_CODE.protocol,
        reason: "bad token",
      }
      : { type: "response", transaction, id: table.id, values };
  }

  /** What is returned; `undefined` to refuse an announce. */
  #serve(
    query: KrpcQuery,
    asked: { from: Endpoint; now: number },
  ): KrpcReturn | undefined {
    switch (query.method) {
      case "ping":
        return {};
      case "find_node":
        return this.#nodes(query.target, { ...asked, want: query.want });
      case "get_peers":
        return this.#peers(query, asked);
      case "announce_peer":
        return this.#announce(query, asked) ? {} : undefined;
      default:
        return query satisfies never;
    }
  }

  #nodes(
    target: Uint8Array,
    { from, now, want = [familyOf(from)!] }: {
      from: Endpoint;
      now: number;
      want?: readonly AddressFamily[] | undefined;
    },
  ): { nodes?: NodeContact[]; nodes6?: NodeContact[] } {
    const isNeighbour = isLocal(from.hostname);
    const asking = formatEndpoint(from);
    const closest = (family: AddressFamily) =>
      this.#networks[family].table.closest(target, {
        count: BUCKET_SIZE + 1,
        now,
        // Our neighbours mean nothing to who is outside.
        ...(isNeighbour ? {} : { isOutside: true }),
      }).filter(({ endpoint }) => formatEndpoint(endpoint) !== asking)
        .slice(0, BUCKET_SIZE);
    return {
      ...(want.includes(4) ? { nodes: closest(4) } : {}),
      ...(want.includes(6) ? { nodes6: closest(6) } : {}),
    };
  }

  #peers(
    query: Extract<KrpcQuery, { method: "get_peers" }>,
    { from, now }: { from: Endpoint; now: number },
  ): KrpcReturn {
    const { infoHash, noSeed = false, scrape = false } = query;
    const family = familyOf(from)!;
    const filters = scrape
      ? this.store.filters(infoHash, { family, now })
      : undefined;
    // BEP 33: with filters, only what is mandatory fits into a packet.
    const want = filters ? [family] : query.want;
    const peers = this.store.peers(infoHash, {
      family,
      limit: filters ? 0 : MAX_VALUES[family],
      noSeed,
      random: this.#random,
      now,
    });
    const subject = { address: from.hostname, infoHash };
    return {
      ...this.#nodes(infoHash, { from, now, want }),
      token: this.#tokens.create(subject, now),
      values: peers.length > 0 ? peers : undefined,
      seeds: filters?.seeds.bytes,
      downloaders: filters?.downloaders.bytes,
    };
  }

  #announce(
    query: Extract<KrpcQuery, { method: "announce_peer" }>,
    { from, now }: { from: Endpoint; now: number },
  ): boolean {
    const { infoHash, token, port = from.port, isSeed = false } = query;
    const subject = { address: from.hostname, infoHash };
    if (!this.#tokens.isValid(token, { subject, now })) return false;
    const endpoint = endpointOf(from.hostname, port);
    if (endpoint) this.store.announce({ infoHash, endpoint, isSeed }, now);
    return true;
  }
}
