/**
 * A network in memory on a clock of its own: packets take a while, and reach
 * whoever has a socket there. Nothing leaves the process.
 *
 * @module
 */

import { type Endpoint, formatEndpoint } from "../../src/bytes/endpoint.ts";
import type { Clock } from "../../src/clock.ts";
import { DhtNode, type DhtNodeOptions } from "../../src/dht/dht_node.ts";
import { createNodeId } from "../../src/dht/node_id.ts";
import type { PacketHandler, PacketSocket } from "../../src/net/udp.ts";
import { TaskGroup } from "../../src/task_group.ts";
import { randomBytes, seededRandom } from "./seeded_random.ts";
import { setImmediate } from "node:timers";

/** From one end to the other. */
const LATENCY_MS = 25;

/** From a question to its answer. */
export const ROUND_TRIP_MS = LATENCY_MS * 2;

interface Timer {
  at: number;
  run: () => void;
}

/** Time that passes as soon as nothing else happens. */
export class VirtualClock implements Clock {
  #now = 1_000_000;
  /** By their time, each list in order. */
  readonly #timers = new Map<number, Set<Timer>>();

  /** How many wait. */
  get waiting(): number {
    return [...this.#timers.values()]
      .reduce((sum, { size }) => sum + size, 0);
  }

  /**
   * The time.
   *
   * @returns Milliseconds.
   */
  now(): number {
    return this.#now;
  }

  /**
   * Does something later.
   *
   * @param ms How much later.
   * @param run What to do.
   * @returns What stops it.
   */
  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, Math.ceil(ms)), run };
    const others = this.#timers.get(timer.at) ?? new Set();
    this.#timers.set(timer.at, others.add(timer));
    return () => void others.delete(timer);
  }

  /**
   * Waits.
   *
   * @param ms How long.
   * @param options What gives up.
   */
  async delay(ms: number, { signal }: { signal: AbortSignal }): Promise<void> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const stop = this.after(ms, resolve);
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    try {
      await promise;
    } finally {
      stop();
      signal.removeEventListener("abort", abort);
    }
  }

  /**
   * Lets time pass, and everything happen that it brings.
   *
   * @param ms How much.
   * @param isEnough Asked after each moment, to stop earlier.
   */
  async advance(
    ms: number,
    isEnough: () => boolean = () => false,
  ): Promise<void> {
    const end = this.#now + ms;
    await settled();
    while (!isEnough()) {
      const at = Math.min(...this.#timers.keys());
      if (at > end) break;
      this.#now = Math.max(this.#now, at);
      const timers = this.#timers.get(at)!;
      this.#timers.delete(at);
      for (const { run } of timers) run();
      if (timers.size > 0) await settled();
    }
    if (!isEnough()) this.#now = end;
  }

  /**
   * Lets time pass until something has come to its end.
   *
   * @param task What is waited for.
   * @returns What came of it.
   */
  async until<T>(task: Promise<T>): Promise<T> {
    let isDone = false;
    const ended = task.finally(() => isDone = true);
    // A failure is for the caller, in the end.
    ended.then(() => {}, () => {});
    await this.advance(3_600_000, () => isDone);
    if (!isDone) throw new Error("An hour has passed, and nothing came of it");
    return await ended;
  }
}

/** Lets everything happen that needs no time. */
async function settled(): Promise<void> {
  for (let i = 0; i < 2; i++) {
    await new Promise<void>((resolve) => void setImmediate(resolve));
  }
}

/** What a network does with a packet: `false` swallows it. */
export type PacketFilter = (
  packet: Uint8Array,
  way: { from: Endpoint; to: Endpoint },
) => boolean;

/** A network without any other. */
export class SimulatedNetwork {
  /** Its time. */
  readonly clock = new VirtualClock();
  /** How many packets have been sent. */
  packets = 0;
  /** Looks at each packet. */
  filter: PacketFilter = () => true;
  readonly #sockets = new Map<string, Set<PacketHandler>>();

  /**
   * Opens a socket.
   *
   * @param endpoint Where.
   * @returns The socket.
   */
  socket(endpoint: Endpoint): PacketSocket {
    const handlers = new Set<PacketHandler>();
    this.#sockets.set(formatEndpoint(endpoint), handlers);
    return {
      send: (packet, to) => {
        this.send(packet, { from: endpoint, to });
        return Promise.resolve();
      },
      subscribe: (handler) => {
        handlers.add(handler);
        return { [Symbol.dispose]: () => void handlers.delete(handler) };
      },
    };
  }

  /**
   * Sends a packet, from wherever it is said to come.
   *
   * @param packet The packet.
   * @param way From where, and where to.
   */
  send(packet: Uint8Array, way: { from: Endpoint; to: Endpoint }): void {
    this.packets++;
    if (!this.filter(packet, way)) return;
    const copy = packet.slice();
    this.clock.after(LATENCY_MS, () => {
      const handlers = this.#sockets.get(formatEndpoint(way.to)) ?? [];
      for (const handler of handlers) if (handler(copy, way.from)) break;
      copy.fill(0xee);
    });
  }
}

/** A node that runs in a simulated network. */
export interface SimulatedNode {
  /** The node. */
  node: DhtNode;
  /** Where it is. */
  endpoint: Endpoint;
  /** Its id at the start. */
  id: Uint8Array;
  /** Ends it, without a word to anybody. */
  stop: () => void;
}

/** A DHT of our own nodes. */
export class SimulatedDht implements AsyncDisposable {
  /** The network between them. */
  readonly network = new SimulatedNetwork();
  /** The nodes, the first one being where all find in. */
  readonly nodes: SimulatedNode[] = [];
  /** A number from 0 to less than 1. */
  readonly random: () => number;
  readonly #tasks = new TaskGroup();

  /**
   * A DHT without nodes.
   *
   * @param seed What all chance comes from.
   */
  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  /** Its time. */
  get clock(): VirtualClock {
    return this.network.clock;
  }

  /**
   * Starts a node.
   *
   * @param endpoint Where.
   * @param options What else it is given.
   * @returns The node.
   */
  start(
    endpoint: Endpoint,
    options: Partial<DhtNodeOptions> = {},
  ): SimulatedNode {
    const bytes = (length: number) => randomBytes(length, this.random);
    const first = this.nodes[0]?.endpoint;
    const id = createNodeId(bytes(20), endpoint.hostname);
    const node = new DhtNode({
      socket: this.network.socket(endpoint),
      bootstrap: first ? [first] : [],
      clock: this.clock,
      random: this.random,
      randomBytes: bytes,
      ids: { 4: id, 6: id },
      ...options,
    });
    const end = new AbortController();
    this.#tasks.spawn(async (signal) => {
      const both = AbortSignal.any([signal, end.signal]);
      try {
        await node.run({ signal: both });
      } catch (error) {
        if (!both.aborted) throw error;
      }
    });
    const started = { node, endpoint, id, stop: () => end.abort() };
    this.nodes.push(started);
    return started;
  }

  /**
   * Looks for peers.
   *
   * @param node Who looks.
   * @param infoHash For which torrent.
   * @param options Whether to announce.
   * @returns The peers, how long the first took, and what came of it.
   */
  async getPeers(
    { node }: SimulatedNode,
    infoHash: Uint8Array,
    options: { announcePort?: number; isSeed?: boolean } = {},
  ): Promise<{ peers: string[]; firstMs: number; answers: number }> {
    const peers: string[] = [];
    const start = this.clock.now();
    let firstMs = Infinity;
    const { signal } = new AbortController();
    const search = node.getPeers(infoHash, { ...options, signal });
    const answers = await this.clock.until((async () => {
      for (;;) {
        const { done, value } = await search.next();
        if (done) return value.answers;
        firstMs = Math.min(firstMs, this.clock.now() - start);
        peers.push(...value.map(formatEndpoint));
      }
    })());
    return { peers, firstMs, answers };
  }

  /** Ends all nodes, and fails if one of them has. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const { stop } of this.nodes) stop();
    await this.#tasks.join();
  }
}

/**
 * An address that looks public, in a network (/24) of its own: those of
 * RFC 2544, which nobody has.
 *
 * @param index From 0 to 511.
 * @returns The endpoint.
 */
export function testEndpoint(index: number): Endpoint {
  const hostname = `198.${18 + (index >> 8)}.${index & 255}.1`;
  return { hostname, port: 6881 };
}
