/**
 * A node of the DHT that finds what a test says, and keeps what it is asked.
 *
 * @module
 */

import type { Endpoint } from "../../src/bytes/endpoint.ts";
import type {
  DhtNetworkStats,
  DhtStats,
  GetPeersOptions,
  LookupOutcome,
} from "../../src/dht/dht_node.ts";

/** A DHT in memory. */
export class FakeDht {
  /** Every search, the oldest first. */
  readonly searches: GetPeersOptions[] = [];
  /** The torrent of every search. */
  readonly infoHashes: Uint8Array[] = [];
  /** Every node that somebody named. */
  readonly named: Endpoint[] = [];
  readonly #peers: readonly Endpoint[];

  /**
   * A DHT that nobody has asked.
   *
   * @param peers Whom it finds.
   */
  constructor(...peers: Endpoint[]) {
    this.#peers = peers;
  }

  /**
   * Finds whom it was made with.
   *
   * @param infoHash The torrent.
   * @param options Whether to announce, and what gives up.
   * @yields {Endpoint[]} All of them.
   * @returns That somebody has answered.
   */
  async *getPeers(
    infoHash: Uint8Array,
    options: GetPeersOptions,
  ): AsyncGenerator<Endpoint[], LookupOutcome, undefined> {
    this.searches.push(options);
    this.infoHashes.push(infoHash);
    if (this.#peers.length > 0) yield await Promise.resolve([...this.#peers]);
    return { answers: 1, announcedTo: 0 };
  }

  /**
   * Keeps what was named.
   *
   * @param endpoint The node.
   */
  addNode(endpoint: Endpoint): void {
    this.named.push(endpoint);
  }

  /**
   * Knows nobody but those that were named.
   *
   * @returns A snapshot.
   */
  stats(): DhtStats {
    const network: DhtNetworkStats = {
      nodes: 0,
      goodNodes: 0,
      externalAddress: undefined,
      isReadOnly: false,
    };
    return {
      queriesSent: 0,
      repliesReceived: 0,
      queriesReceived: 0,
      repliesSent: 0,
      ignored: 0,
      ipv4: { ...network, nodes: this.named.length },
      ipv6: network,
      searches: 0,
      torrents: 0,
    };
  }
}
