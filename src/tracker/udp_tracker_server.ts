/**
 * `UdpTrackerServer`: a small UDP tracker (BEP 15) in this process, for tests
 * and for a swarm of one's own; beside a `TrackerServer` it can share what that
 * knows.
 *
 * @module
 */

import { latin1 } from "../bytes/bencode.ts";
import {
  encodeCompactEndpoint,
  type Endpoint,
  endpointOf,
  familyOf,
  formatEndpoint,
} from "../bytes/endpoint.ts";
import { NetworkError, ProtocolError } from "../errors.ts";
import { UdpSocket } from "../net/udp.ts";
import { AnnouncedSwarms, INTERVAL_S } from "./announced_swarms.ts";
import type { ScrapeCounts } from "./tracker.ts";
import {
  decodeRequest,
  encodeResponse,
  type UdpRequest,
} from "./udp_server_packet.ts";

/** BEP 15: connections are good "until two minutes" have passed. */
const CONNECTION_LIFE_MS = 120_000;

/** Anybody can ask for one: the oldest goes for a new one. */
const MAX_CONNECTIONS = 10_000;

/** Options for {@linkcode UdpTrackerServer}. */
export interface UdpTrackerServerOptions {
  /** The address to listen on; this machine only if not given. */
  hostname?: string;
  /** The port to listen on; any free one if not given. */
  port?: number;
  /** What it knows, to be shared with others; its own if not given. */
  swarms?: AnnouncedSwarms;
}

/** A tracker that is running. */
export class UdpTrackerServer implements AsyncDisposable {
  readonly #hostname: string;
  readonly #swarms: AnnouncedSwarms;
  readonly #socket: UdpSocket;
  /** The connections, the oldest first. */
  readonly #connections = new Map<bigint, { of: string; until: number }>();
  readonly #sending = new Set<Promise<void>>();

  /**
   * Starts a tracker.
   *
   * @param options Where it listens.
   * @throws {NetworkError} If it cannot listen there.
   */
  constructor(options: UdpTrackerServerOptions = {}) {
    this.#hostname = options.hostname ?? "127.0.0.1";
    this.#swarms = options.swarms ?? new AnnouncedSwarms();
    this.#socket = UdpSocket.open({
      hostname: this.#hostname,
      ports: [options.port ?? 0],
    });
    this.#socket.subscribe((packet, from) => this.#receive(packet, from));
  }

  /** The URL to announce to. */
  get announceUrl(): string {
    const { port } = this.#socket;
    const host = formatEndpoint({ hostname: this.#hostname, port });
    return `udp://${host}/announce`;
  }

  /** Stops the tracker. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#sending);
    await this.#socket[Symbol.asyncDispose]();
  }

  #receive(packet: Uint8Array, from: Endpoint): boolean {
    let request: UdpRequest;
    try {
      request = decodeRequest(packet);
    } catch (error) {
      if (error instanceof ProtocolError) return false;
      throw error;
    }
    const sending = this.#send(this.#answer(request, from), from)
      .finally(() => this.#sending.delete(sending));
    this.#sending.add(sending);
    return true;
  }

  async #send(packet: Uint8Array, to: Endpoint): Promise<void> {
    try {
      await this.#socket.send(packet, to);
    } catch (error) {
      // Whoever cannot be reached asks again.
      if (!(error instanceof NetworkError)) throw error;
    }
  }

  #answer(request: UdpRequest, from: Endpoint): Uint8Array {
    const { transaction } = request;
    if (request.type === "connect") {
      return encodeResponse({
        type: "connect",
        transaction,
        connection: this.#connect(from),
      });
    }
    const known = this.#connections.get(request.connection);
    if (known?.of !== from.hostname || known.until < performance.now()) {
      const message = "Connection ID mismatch";
      return encodeResponse({ type: "error", transaction, message });
    }
    if (request.type === "scrape") {
      const none: ScrapeCounts = { seeders: 0, completed: 0, leechers: 0 };
      const counts = request.infoHashes
        .map((hash) => this.#swarms.counts(latin1(hash)) ?? none);
      return encodeResponse({ type: "scrape", transaction, counts });
    }
    const endpoint = endpointOf(from.hostname, request.port);
    if (!endpoint) {
      const message = "port must be from 1 to 65535";
      return encodeResponse({ type: "error", transaction, message });
    }
    const infoHash = latin1(request.infoHash);
    const others = this.#swarms.announce({
      infoHash,
      endpoint,
      peerId: request.peerId,
      isSeed: request.isSeed,
      event: request.event,
      wanted: request.wanted,
    }, performance.now());
    const { seeders, leechers } = this.#swarms.counts(infoHash)!;
    // The family of the packet is the family of the peers.
    const peers = others.map(({ endpoint }) => endpoint)
      .filter((peer) => familyOf(peer) === familyOf(from))
      .map(encodeCompactEndpoint);
    return encodeResponse({
      type: "announce",
      transaction,
      interval: INTERVAL_S,
      seeders,
      leechers,
      peers,
    });
  }

  #connect(from: Endpoint): bigint {
    const [connection] = crypto.getRandomValues(new BigUint64Array(1));
    const until = performance.now() + CONNECTION_LIFE_MS;
    this.#connections.set(connection!, { of: from.hostname, until });
    for (const oldest of this.#connections.keys()) {
      if (this.#connections.size <= MAX_CONNECTIONS) break;
      this.#connections.delete(oldest);
    }
    return connection!;
  }
}
