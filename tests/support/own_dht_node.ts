/**
 * Our own node of the DHT, without the program around it.
 *
 * @module
 */

import { type Endpoint, formatEndpoint } from "../../src/bytes/endpoint.ts";
import { DhtNode } from "../../src/dht/dht_node.ts";
import { UdpSocket } from "../../src/net/udp.ts";
import { TaskGroup } from "../../src/task_group.ts";
import { delay } from "@std/async/delay";

/** Others announce themselves when they find the time. */
const PATIENCE_MS = 25_000;
const PAUSE_MS = 250;

/** A node that runs. */
export class OwnDhtNode implements AsyncDisposable {
  readonly #hostname: string;
  readonly #socket: UdpSocket;
  readonly #tasks = new TaskGroup();
  readonly #node: DhtNode;

  /**
   * Starts a node.
   *
   * @param bootstrap Where it finds in.
   * @param options Its address; 127.0.0.1 if not given.
   */
  constructor(
    bootstrap: readonly Endpoint[],
    { hostname = "127.0.0.1" }: { hostname?: string } = {},
  ) {
    this.#hostname = hostname;
    this.#socket = UdpSocket.open({ hostname, ports: [0] });
    const node = this.#node = new DhtNode({ socket: this.#socket, bootstrap });
    this.#tasks.spawn((signal) => node.run({ signal }));
  }

  /** Where it is. */
  get endpoint(): Endpoint {
    return { hostname: this.#hostname, port: this.#socket.port };
  }

  /**
   * Looks for a peer again and again, as long as it is not there.
   *
   * @param infoHash The torrent.
   * @param peer The peer.
   * @returns Whether it came in time.
   */
  async finds(infoHash: Uint8Array, peer: Endpoint): Promise<boolean> {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    try {
      for (;;) {
        for await (const found of this.#node.getPeers(infoHash, { signal })) {
          const isIt = (other: Endpoint) =>
            formatEndpoint(other) === formatEndpoint(peer);
          if (found.some(isIt)) return true;
        }
        await delay(PAUSE_MS, { signal });
      }
    } catch (error) {
      if (!signal.aborted) throw error;
      return false;
    }
  }

  /**
   * Announces that we are a peer.
   *
   * @param infoHash The torrent.
   * @param announcePort Where we would be one.
   * @returns How many nodes have taken it.
   */
  async announce(infoHash: Uint8Array, announcePort: number): Promise<number> {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const options = { announcePort, signal };
    const search = this.#node.getPeers(infoHash, options);
    for (;;) {
      const { done, value } = await search.next();
      if (done) return value.announcedTo;
    }
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tasks[Symbol.asyncDispose]();
    await this.#socket[Symbol.asyncDispose]();
  }
}
