/**
 * `DhtNode`: our node in the DHT (BEP 5, 32, 33, 42, 43), over the UDP socket of
 * the session. It finds and announces peers, answers others, and keeps the
 * routing tables fresh.
 *
 * ```
 *   getPeers() ──▶ Lookup ──▶ KrpcExchange ──▶ socket
 *                                  │ ▲
 *   RoutingTable ◀── replies ◀─────┘ └── DhtServer ◀── queries of others
 * ```
 *
 * A private torrent must never be asked for (BEP 27): that is up to the caller.
 *
 * @module
 */

import {
  type AddressFamily,
  type Endpoint,
  formatEndpoint,
} from "../bytes/endpoint.ts";
import { type Clock, REAL_CLOCK } from "../clock.ts";
import { resolve, type Resolver } from "../net/resolve.ts";
import type { PacketSocket } from "../net/udp.ts";
import { TaskGroup } from "../task_group.ts";
import { BloomFilter } from "./bloom_filter.ts";
import { DhtClient, mayName } from "./dht_client.ts";
import { DhtNetwork, type DhtNetworks, networkFor } from "./dht_network.ts";
import { DhtServer, type KrpcRequest } from "./dht_server.ts";
import { BOOTSTRAP_NODES, DhtUpkeep, FAMILIES } from "./dht_upkeep.ts";
import type { KrpcReturn } from "./krpc.ts";
import { KrpcExchange, type KrpcTraffic } from "./krpc_exchange.ts";
import type { LookupNode } from "./lookup.ts";
import { decodeSavedNodes, encodeSavedNodes } from "./saved_nodes.ts";

/** What one search may bring, liars included. */
const MAX_PEERS_PER_LOOKUP = 2_000;

/** What a node is made of. */
export interface DhtNodeOptions {
  /** The socket, open for as long as the node runs. */
  socket: PacketSocket;
  /** Where to find in; `BOOTSTRAP_NODES` if not given. */
  bootstrap?: readonly Endpoint[];
  /** Finds addresses; the system does if not given. */
  resolve?: Resolver;
  /** The time; the real one if not given. */
  clock?: Clock;
  /** A number from 0 to less than 1; anything if not given. */
  random?: () => number;
  /** Gives random bytes that nobody can guess; the system's if not given. */
  randomBytes?: (length: number) => Uint8Array;
  /** Our ids, if they must be these. */
  ids?: Partial<Record<AddressFamily, Uint8Array>>;
}

/** What to look for. */
export interface GetPeersOptions {
  /** The port to announce; none if we do not want to be found. */
  announcePort?: number | undefined;
  /** Whether we have everything (BEP 33). */
  isSeed?: boolean;
  /** Gives up. */
  signal: AbortSignal;
}

/** What came of a search. */
export interface LookupOutcome {
  /** How many nodes have answered. */
  answers: number;
  /** How many nodes have taken our announcement. */
  announcedTo: number;
}

/** How many peers a torrent has, about (BEP 33). */
export interface SwarmEstimate {
  /** Who has everything. */
  seeds: number;
  /** The others. */
  downloaders: number;
}

/** How a network stands. */
export interface DhtNetworkStats {
  /** How many nodes we know. */
  nodes: number;
  /** How many of them have been heard of in the last 15 minutes. */
  goodNodes: number;
  /** Our address there, if enough nodes agree. */
  externalAddress: string | undefined;
  /** Whether we only ask, because nobody reaches us (BEP 43). */
  isReadOnly: boolean;
}

/** How the node stands. */
export interface DhtStats extends Readonly<KrpcTraffic> {
  /** The DHT of IPv4. */
  ipv4: DhtNetworkStats;
  /** The DHT of IPv6. */
  ipv6: DhtNetworkStats;
  /** How many searches go on or wait. */
  searches: number;
  /** How many torrents others have announced to us. */
  torrents: number;
}

/** A node of the DHT. */
export class DhtNode {
  readonly #clock: Clock;
  readonly #networks: DhtNetworks;
  readonly #server: DhtServer;
  readonly #exchange: KrpcExchange;
  readonly #client: DhtClient;
  readonly #upkeep: DhtUpkeep;

  /**
   * A node that knows nobody and asks nobody yet.
   *
   * @param options What it is made of.
   */
  constructor(options: DhtNodeOptions) {
    const clock = this.#clock = options.clock ?? REAL_CLOCK;
    const random = options.random ?? Math.random;
    const randomBytes = options.randomBytes ??
      ((length) => crypto.getRandomValues(new Uint8Array(length)));
    const network = (family: AddressFamily) => {
      const id = options.ids?.[family];
      return new DhtNetwork({ family, randomBytes, id, now: clock.now() });
    };
    const networks = this.#networks = { 4: network(4), 6: network(6) };
    this.#server = new DhtServer({ networks, random, randomBytes });
    const exchange = this.#exchange = new KrpcExchange({
      socket: options.socket,
      clock,
      randomBytes,
      handler: {
        onRequest: (request, from) => this.#receive(request, from),
      },
    });
    const client = this.#client = new DhtClient({
      exchange,
      networks,
      clock,
      handler: {
        onReply: (network) => this.#upkeep.onReply(network),
        onMove: (network) => this.#upkeep.onMove(network),
      },
    });
    this.#upkeep = new DhtUpkeep({
      client,
      networks,
      bootstrap: options.bootstrap ?? BOOTSTRAP_NODES,
      resolve: options.resolve ?? resolve,
      clock,
      randomBytes,
    });
  }

  /**
   * Takes part in the DHT until stopped.
   *
   * @param options What stops it.
   */
  async run({ signal }: { signal: AbortSignal }): Promise<void> {
    await using exchange = this.#exchange;
    exchange.open();
    await using tasks = new TaskGroup({ signal });
    tasks.spawn((signal) => this.#upkeep.run({ signal }));
    await tasks.join();
  }

  /**
   * Looks for the peers of a torrent, and announces that we are one.
   *
   * It waits until nodes are known; then it takes a few seconds.
   *
   * @param infoHash The torrent.
   * @param options Whether to announce, and what gives up.
   * @yields {Endpoint[]} Peers as they are found, none twice.
   * @returns What came of it.
   */
  async *getPeers(
    infoHash: Uint8Array,
    { announcePort, isSeed = false, signal }: GetPeersOptions,
  ): AsyncGenerator<Endpoint[], LookupOutcome, undefined> {
    const outcome = { answers: 0, announcedTo: 0 };
    const found: Endpoint[][] = [];
    const seen = new Set<string>();
    let news = Promise.withResolvers<void>();
    let isOver = false;
    const find = (peers: readonly Endpoint[]) => {
      const unseen = peers.filter((peer) =>
        seen.size < MAX_PEERS_PER_LOOKUP &&
        seen.size < seen.add(formatEndpoint(peer)).size
      );
      if (unseen.length > 0) found.push(unseen);
      news.resolve();
    };
    const onReply = ({ values = [] }: KrpcReturn, { endpoint }: LookupNode) =>
      find(values.filter((peer) => mayName(endpoint, peer)));
    const query = { method: "get_peers", infoHash } as const;
    const search = async (network: DhtNetwork, signal: AbortSignal) => {
      const now = this.#clock.now();
      // What others have announced to us need not be asked for.
      find(this.#server.peers(infoHash, { family: network.family, now }));
      const lookup = this.#client.lookup(network, infoHash);
      await this.#client.search(lookup, { query, onReply, signal });
      outcome.answers += lookup.answers;
      if (announcePort === undefined) return;
      const told = { infoHash, port: announcePort, isSeed, signal };
      const count = await this.#client.announce(lookup.closest(), told);
      outcome.announcedTo += count;
    };
    await using tasks = new TaskGroup({ signal });
    tasks.spawn(async (signal) => {
      try {
        await this.#everywhere(search, signal);
      } finally {
        isOver = true;
        news.resolve();
      }
    });
    while (!isOver || found.length > 0) {
      const batch = found.shift();
      if (batch) {
        yield batch;
      } else {
        await news.promise;
        news = Promise.withResolvers();
      }
    }
    await tasks.join();
    signal.throwIfAborted();
    return outcome;
  }

  /**
   * Counts the peers of a torrent without becoming one (BEP 33).
   *
   * @param infoHash The torrent.
   * @param options What gives up.
   * @returns How many there are, about.
   */
  async scrape(
    infoHash: Uint8Array,
    { signal }: { signal: AbortSignal },
  ): Promise<SwarmEstimate> {
    const [seeds, downloaders] = [new BloomFilter(), new BloomFilter()];
    const onReply = (values: KrpcReturn) => {
      if (values.seeds) seeds.union(values.seeds);
      if (values.downloaders) downloaders.union(values.downloaders);
    };
    const query = { method: "get_peers", infoHash, scrape: true } as const;
    await this.#everywhere(async (network, signal) => {
      const lookup = this.#client.lookup(network, infoHash);
      await this.#client.search(lookup, { query, onReply, signal });
    }, signal);
    return {
      seeds: Math.round(seeds.estimate()),
      downloaders: Math.round(downloaders.estimate()),
    };
  }

  /**
   * Somebody names a node: a torrent's `nodes`, a peer's `port` message. It is
   * asked whether it is one; when too many are named at a time, some are lost.
   *
   * @param endpoint Where it is; a name will do.
   */
  addNode(endpoint: Endpoint): void {
    this.#upkeep.addNode(endpoint);
  }

  /**
   * What to keep for the next run.
   *
   * @returns The bytes of a file.
   */
  saveNodes(): Uint8Array {
    const now = this.#clock.now();
    const network = (family: AddressFamily) => {
      const { table } = this.#networks[family];
      const known = { count: Infinity, now, isGood: false };
      // Those of an earlier run are still good if nobody was asked in this.
      const nodes = table.closest(table.id, known);
      return {
        id: table.id,
        nodes: [...nodes, ...this.#upkeep.saved[family]],
      };
    };
    return encodeSavedNodes({ 4: network(4), 6: network(6) });
  }

  /**
   * Takes what an earlier run has kept, before this one begins.
   *
   * @param bytes The bytes of the file; if they are broken, nothing happens.
   * @returns How many nodes it had.
   */
  loadNodes(bytes: Uint8Array): number {
    const saved = decodeSavedNodes(bytes);
    for (const family of FAMILIES) {
      const { table } = this.#networks[family];
      const { id } = saved[family];
      if (id && table.size === 0) table.moveTo(id, this.#clock.now());
    }
    const nodes = { 4: saved[4].nodes, 6: saved[6].nodes };
    this.#upkeep.saved = nodes;
    return nodes[4].length + nodes[6].length;
  }

  /**
   * How the node stands.
   *
   * @returns A snapshot.
   */
  stats(): DhtStats {
    const now = this.#clock.now();
    const network = (family: AddressFamily): DhtNetworkStats => {
      const { table, externalAddress, reachability } = this.#networks[family];
      return {
        nodes: table.size,
        goodNodes: table.goodNodes(now),
        externalAddress,
        isReadOnly: reachability.isReadOnly(now),
      };
    };
    return {
      ...this.#exchange.traffic,
      ipv4: network(4),
      ipv6: network(6),
      searches: this.#client.searches,
      torrents: this.#server.store.torrents,
    };
  }

  /** Does something in each network where anybody is known. */
  async #everywhere(
    task: (network: DhtNetwork, signal: AbortSignal) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#upkeep.whenReady({ signal });
    await using tasks = new TaskGroup({ signal });
    for (const family of FAMILIES) {
      const network = this.#networks[family];
      if (network.table.size === 0) continue;
      tasks.spawn((signal) => task(network, signal));
    }
    await tasks.join();
    signal.throwIfAborted();
  }

  #receive(request: KrpcRequest, from: Endpoint): Uint8Array | undefined {
    const now = this.#clock.now();
    const { table, reachability } = networkFor(this.#networks, from);
    reachability.queried(from, now);
    const answer = this.#server.answer(request, { from, now });
    // Who is not answered, a flood above all, is not asked either; and BEP 43
    // has nobody ask those who only ask.
    if (answer && request.type === "query" && !request.isReadOnly) {
      const contact = { id: request.id, endpoint: from };
      if (table.queried(contact, now)) this.#upkeep.onStranger(from);
    }
    return answer;
  }
}
