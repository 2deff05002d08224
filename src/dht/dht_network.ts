/**
 * `DhtNetwork`: what we are in one of the two DHTs, that of IPv4 or that of
 * IPv6 (BEP 32): our id, our address, the nodes that we know. Pure.
 *
 * Each has an id of its own, because each has an address of its own, which the
 * id must fit (BEP 42).
 *
 * @module
 */

import {
  type AddressFamily,
  type Endpoint,
  familyOf,
} from "../bytes/endpoint.ts";
import { HASH_LENGTH } from "../bytes/hash.ts";
import { AddressVotes } from "./address_votes.ts";
import { createNodeId, idFitsAddress } from "./node_id.ts";
import { Reachability } from "./reachability.ts";
import { RoutingTable } from "./routing_table.ts";

/** What a network is made of. */
export interface DhtNetworkOptions {
  /** The family of its addresses. */
  family: AddressFamily;
  /** Gives random bytes. */
  randomBytes: (length: number) => Uint8Array;
  /** Our id, if we had one before. */
  id?: Uint8Array | undefined;
  /** The time in milliseconds. */
  now: number;
}

/** Our place in one of the two DHTs. */
export class DhtNetwork {
  /** The family of its addresses. */
  readonly family: AddressFamily;
  /** The nodes that we know, and our own id. */
  readonly table: RoutingTable;
  /** Whether we can be reached. */
  readonly reachability: Reachability = new Reachability();
  readonly #votes: AddressVotes;
  readonly #randomBytes: (length: number) => Uint8Array;

  /**
   * A network of which we know nobody.
   *
   * @param options What it is made of.
   */
  constructor({ family, randomBytes, id, now }: DhtNetworkOptions) {
    this.family = family;
    this.#randomBytes = randomBytes;
    this.#votes = new AddressVotes(family);
    this.table = new RoutingTable(
      id ?? createNodeId(randomBytes(HASH_LENGTH)),
      now,
    );
  }

  /** Our own address, if enough nodes agree. */
  get externalAddress(): string | undefined {
    return this.#votes.address;
  }

  /**
   * A node tells us our address (BEP 42).
   *
   * @param address What it says.
   * @param options Who says so, and the time in milliseconds.
   * @returns Whether we have taken another id.
   */
  heard(
    address: string,
    options: { voter: string; now: number },
  ): boolean {
    const before = this.externalAddress;
    if (!this.#votes.vote(address, options)) return false;
    if (before !== undefined) this.reachability.reset(options.now);
    if (idFitsAddress(this.table.id, address)) return false;
    const id = createNodeId(this.#randomBytes(HASH_LENGTH), address);
    this.table.moveTo(id, options.now);
    return true;
  }
}

/** Both DHTs. */
export type DhtNetworks = Readonly<Record<AddressFamily, DhtNetwork>>;

/**
 * The network that an endpoint belongs to.
 *
 * @param networks Both.
 * @param endpoint The endpoint, which has an IP address.
 * @returns The one.
 */
export function networkFor(
  networks: DhtNetworks,
  endpoint: Endpoint,
): DhtNetwork {
  return networks[familyOf(endpoint) ?? 4];
}
