/**
 * `DhtClient`: what we ask others: single questions, and searches that are made
 * of them. Every answer, and every silence, is noted in the routing table.
 *
 * @module
 */

import { type Endpoint, formatEndpoint } from "../bytes/endpoint.ts";
import { isLocal } from "../bytes/local_host.ts";
import type { Clock } from "../clock.ts";
import { NetworkError } from "../errors.ts";
import { TaskGroup } from "../task_group.ts";
import {
  type DhtNetwork,
  type DhtNetworks,
  networkFor,
} from "./dht_network.ts";
import type { KrpcQuery, KrpcReturn } from "./krpc.ts";
import type { KrpcExchange, KrpcReply } from "./krpc_exchange.ts";
import { Lookup, type LookupNode, type LookupResult } from "./lookup.ts";
import type { NodeContact } from "./node_contact.ts";
import { hostOf } from "./node_id.ts";

/** How many searches go on at a time; a hundred torrents wait their turn. */
const MAX_SEARCHES = 16;

/** With how many it begins: many may have gone since they were heard of. */
const MAX_SEEDS = 40;

/** What its owner hears. */
export interface DhtClientHandler {
  /**
   * A node has answered, and may be in the table now.
   *
   * @param network Where.
   */
  onReply(network: DhtNetwork): void;
  /**
   * Our address is another one, and our id with it.
   *
   * @param network Where.
   */
  onMove(network: DhtNetwork): void;
}

/** What a client is made of. */
export interface DhtClientOptions {
  /** What carries the questions. */
  exchange: KrpcExchange;
  /** The nodes that are known. */
  networks: DhtNetworks;
  /** Who hears of answers. */
  handler: DhtClientHandler;
  /** The time. */
  clock: Clock;
}

/** How to search. */
export interface SearchOptions {
  /** What to ask each node. */
  query: KrpcQuery;
  /** Called with what each node returns. */
  onReply?: (values: KrpcReturn, node: LookupNode) => void;
  /** Gives up. */
  signal: AbortSignal;
}

/** Asks nodes. */
export class DhtClient {
  readonly #exchange: KrpcExchange;
  readonly #networks: DhtNetworks;
  readonly #handler: DhtClientHandler;
  readonly #clock: Clock;
  /** Those who wait for their turn, in order. */
  readonly #line = new Set<() => void>();
  #searches = 0;

  /**
   * A client that asks nobody yet.
   *
   * @param options What it is made of.
   */
  constructor(options: DhtClientOptions) {
    this.#exchange = options.exchange;
    this.#networks = options.networks;
    this.#handler = options.handler;
    this.#clock = options.clock;
  }

  /** How many searches go on or wait. */
  get searches(): number {
    return this.#searches + this.#line.size;
  }

  /**
   * Asks a node.
   *
   * @param endpoint Where it is.
   * @param query What to ask.
   * @param options Whether it only names others and stays out of the table,
   * what is called when it takes long, and what gives up.
   * @returns Its answer; `undefined` if none comes.
   */
  async ask(
    endpoint: Endpoint,
    query: KrpcQuery,
    { isRouter = false, onSlow, signal }: {
      isRouter?: boolean;
      onSlow?: () => void;
      signal: AbortSignal;
    },
  ): Promise<KrpcReply | undefined> {
    const network = networkFor(this.#networks, endpoint);
    const { table, reachability } = network;
    const { id } = table;
    const asked = this.#clock.now();
    const isReadOnly = reachability.isReadOnly(asked);
    reachability.sent(endpoint, asked);
    let reply: KrpcReply | undefined;
    try {
      const options = { id, isReadOnly, onSlow, signal };
      reply = await this.#exchange.ask(endpoint, query, options);
    } catch (error) {
      // No fault of the node: the system does not send there now.
      if (error instanceof NetworkError) return undefined;
      throw error;
    }
    const now = this.#clock.now();
    if (!reply) {
      table.failed(endpoint, now);
      return undefined;
    }
    if (reply.type === "response" && !isRouter) {
      table.replied({ id: reply.id, endpoint }, now);
    }
    const { address } = reply;
    const voter = endpoint.hostname;
    if (address !== undefined && network.heard(address, { voter, now })) {
      this.#handler.onMove(network);
    }
    this.#handler.onReply(network);
    return reply;
  }

  /**
   * Begins a search from the nodes that are known.
   *
   * @param network Where to search.
   * @param target What to look for.
   * @returns The search.
   */
  lookup({ table }: DhtNetwork, target: Uint8Array): Lookup {
    const lookup = new Lookup(target, { ownId: table.id });
    const now = this.#clock.now();
    for (const isFitting of [true, false]) {
      const known = { count: MAX_SEEDS, now, isGood: false, isFitting };
      lookup.add(table.closest(target, known));
    }
    return lookup;
  }

  /**
   * Carries a search out; it may wait for its turn.
   *
   * @param lookup The search.
   * @param options What to ask.
   */
  async search(lookup: Lookup, options: SearchOptions): Promise<void> {
    await this.#enter(options.signal);
    try {
      await this.#run(lookup, options);
    } finally {
      this.#leave();
    }
    options.signal.throwIfAborted();
  }

  /**
   * Tells nodes that we are a peer of a torrent.
   *
   * @param nodes The nodes, as a search has found them.
   * @param options What to tell them.
   * @returns How many have taken it.
   */
  async announce(
    nodes: readonly LookupResult[],
    { infoHash, port, isSeed, signal }: {
      infoHash: Uint8Array;
      port: number;
      isSeed: boolean;
      signal: AbortSignal;
    },
  ): Promise<number> {
    const replies = await Promise.all(nodes.map(({ endpoint, token }) => {
      if (!token) return undefined;
      const method = "announce_peer";
      const query = { method, infoHash, port, token, isSeed } as const;
      return this.ask(endpoint, query, { signal });
    }));
    return replies.filter((reply) => reply?.type === "response").length;
  }

  async #run(
    lookup: Lookup,
    { query, onReply, signal }: SearchOptions,
  ): Promise<void> {
    const done = Promise.withResolvers<void>();
    // What is still open when nothing depends on it any more is given up.
    await using tasks = new TaskGroup({ signal });
    const ask = async (node: LookupNode, signal: AbortSignal) => {
      const { endpoint } = node;
      const onSlow = () => {
        lookup.slow(node);
        goOn();
      };
      const reply = await this.ask(endpoint, query, { onSlow, signal });
      if (reply?.type === "response") {
        const { id, values } = reply;
        const { nodes = [], nodes6 = [], token } = values;
        const own = endpoint.hostname.includes(":") ? nodes6 : nodes;
        const named = this.#credible(own, endpoint);
        lookup.answered(node, { id, nodes: named, token });
        onReply?.(values, node);
      } else {
        lookup.failed(node);
      }
      goOn();
    };
    const goOn = () => {
      for (const node of lookup.next()) {
        tasks.spawn((signal) => ask(node, signal));
      }
      if (lookup.isDone) done.resolve();
    };
    goOn();
    await Promise.race([tasks.join(), done.promise]);
  }

  /** Without ourselves, and without what somebody outside cannot know. */
  #credible(
    nodes: readonly NodeContact[],
    from: Endpoint,
  ): readonly NodeContact[] {
    const { externalAddress } = networkFor(this.#networks, from);
    const own = externalAddress && hostOf(externalAddress);
    return nodes.filter(({ endpoint }) =>
      mayName(from, endpoint) && hostOf(endpoint.hostname) !== own
    );
  }

  async #enter(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#searches >= MAX_SEARCHES) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const giveUp = () => reject(signal.reason);
      this.#line.add(resolve);
      signal.addEventListener("abort", giveUp, { once: true });
      try {
        await promise;
      } finally {
        this.#line.delete(resolve);
        signal.removeEventListener("abort", giveUp);
      }
    }
    this.#searches++;
  }

  #leave(): void {
    this.#searches--;
    for (const enter of this.#line) {
      this.#line.delete(enter);
      enter();
      break;
    }
  }
}

/**
 * Whether a node can know of an endpoint: nobody outside must send us to what
 * only we can reach.
 *
 * @param from The node.
 * @param named What it names.
 * @returns Whether it can.
 */
export function mayName(from: Endpoint, named: Endpoint): boolean {
  return formatEndpoint(from) === formatEndpoint(named) ||
    isLocal(from.hostname) || !isLocal(named.hostname);
}
