/**
 * Nodes that want to hide a torrent: they sit down beside it with ids that
 * their addresses may not have (BEP 42), name each other to everybody, and
 * know of no peer.
 *
 * @module
 */

import type { Endpoint } from "../../src/bytes/endpoint.ts";
import { encodeAnswer, encodeQuery } from "../../src/dht/krpc.ts";
import { decodeMessage } from "../../src/dht/krpc_decoder.ts";
import type { NodeContact } from "../../src/dht/node_contact.ts";
import type { PacketSocket } from "../../src/net/udp.ts";
import type { SimulatedDht } from "./simulated_dht.ts";

/** How many they name: as many as anybody listens to. */
const NAMED = 16;

/** A gang of nodes around a torrent. */
export class HostileDht {
  /** How many questions they were asked. */
  asked = 0;
  /** How many announcements they have swallowed. */
  swallowed = 0;
  readonly #nodes: NodeContact[];
  readonly #sockets: PacketSocket[];
  readonly #random: () => number;

  /**
   * Sits down beside a torrent.
   *
   * @param dht Where.
   * @param target The torrent.
   * @param endpoints From where.
   */
  constructor(
    dht: SimulatedDht,
    { target, endpoints }: {
      target: Uint8Array;
      endpoints: readonly Endpoint[];
    },
  ) {
    this.#random = dht.random;
    this.#nodes = endpoints.map((endpoint, i) => {
      const id = target.slice();
      // Nobody honest is ever nearer than this.
      id[18] = id[18]! ^ (i >> 8);
      id[19] = id[19]! ^ (i & 255) ^ 1;
      return { id, endpoint };
    });
    this.#sockets = this.#nodes.map((node) => {
      const socket = dht.network.socket(node.endpoint);
      socket.subscribe((packet, from) => {
        this.#answer(packet, { from, node, socket });
        return true;
      });
      return socket;
    });
  }

  /**
   * Makes itself known to a node: some ask it something.
   *
   * @param to The node.
   * @param count How many.
   */
  async introduce(to: Endpoint, count: number): Promise<void> {
    for (const [i, { id }] of this.#nodes.slice(0, count).entries()) {
      const packet = encodeQuery({ method: "find_node", target: id }, {
        transaction: Uint8Array.of(1),
        id,
        isReadOnly: false,
      });
      await this.#sockets[i]!.send(packet, to);
    }
  }

  #answer(
    packet: Uint8Array,
    { from, node, socket }: {
      from: Endpoint;
      node: NodeContact;
      socket: PacketSocket;
    },
  ): void {
    const message = decodeMessage(packet);
    if (message.type !== "query") return;
    this.asked++;
    if (message.query.method === "announce_peer") this.swallowed++;
    const { transaction } = message;
    const { id } = node;
    const first = Math.floor(this.#random() * this.#nodes.length);
    const nodes = Array.from(
      { length: NAMED },
      (_, i) => this.#nodes[(first + i) % this.#nodes.length]!,
    );
    const token = Uint8Array.of(1);
    const values = { nodes, token };
    const answer = { type: "response", transaction, id, values } as const;
    socket.send(encodeAnswer(answer, from), from);
  }
}
