/**
 * `UdpSocket`: the one datagram socket of a session, shared by everything that
 * speaks UDP. Each packet goes to the first of them that knows it.
 *
 * @module
 */

import {
  type Endpoint,
  endpointOf,
  formatEndpoint,
} from "../bytes/endpoint.ts";
import { NetworkError } from "../errors.ts";
import { delay } from "@std/async/delay";
import { mayUseHost } from "./permission.ts";

/** The largest datagram there is: a smaller buffer would cut one in silence. */
const MAX_DATAGRAM_LENGTH = 65_535;

/** After an error of the socket itself the next may come at once. */
const ERROR_PAUSE_MS = 100;

/**
 * Takes packets.
 *
 * @param packet The packet: a view that holds until the call returns.
 * @param from Who sent it, as far as anybody can tell.
 * @returns Whether it was known; if not, others are asked.
 */
export type PacketHandler = (packet: Uint8Array, from: Endpoint) => boolean;

/** What those who speak UDP need of a socket. */
export interface PacketSocket {
  /**
   * Sends a packet.
   *
   * @param packet What to send.
   * @param to Where to.
   * @throws {NetworkError} If the system does not even take it.
   */
  send(packet: Uint8Array, to: Endpoint): Promise<void>;
  /**
   * Lets somebody see the packets that come.
   *
   * @param handler Who wants to.
   * @returns What stops it.
   */
  subscribe(handler: PacketHandler): Disposable;
}

/** Options for {@linkcode UdpSocket.open}. */
export interface UdpSocketOptions {
  /** The ports to try, in order; 0 is any free one. */
  ports: readonly number[];
  /** The address to use; every one of the machine if not given. */
  hostname?: string;
}

/** A socket for datagrams. */
export class UdpSocket implements PacketSocket, AsyncDisposable {
  readonly #conn: Deno.DatagramConn;
  readonly #handlers = new Set<PacketHandler>();
  readonly #reading: Promise<void>;
  #isClosed = false;

  private constructor(conn: Deno.DatagramConn) {
    this.#conn = conn;
    this.#reading = this.#read();
  }

  /**
   * Opens a socket on the first port that is free, for both families where the
   * machine has them.
   *
   * @param options Where.
   * @returns The socket.
   * @throws {NetworkError} If none can be had.
   */
  static open({ ports, hostname }: UdpSocketOptions): UdpSocket {
    // "::" takes IPv4 too, but not on a machine without IPv6.
    const hostnames = hostname ? [hostname] : ["::", "0.0.0.0"];
    let isPermitted = false;
    let cause: unknown;
    for (const port of ports) {
      for (const hostname of hostnames) {
        if (!mayUseHost(formatEndpoint({ hostname, port }))) continue;
        isPermitted = true;
        try {
          return new UdpSocket(
            Deno.listenDatagram({ transport: "udp", hostname, port }),
          );
        } catch (error) {
          throwIfBug(error);
          cause = error;
        }
      }
    }
    throw new NetworkError(
      isPermitted
        ? "No socket for UDP can be had"
        : `UDP may not be used: run again with --allow-net=${hostnames.at(-1)}`,
      { cause },
    );
  }

  /** The port that it has. */
  get port(): number {
    return (this.#conn.addr as Deno.NetAddr).port;
  }

  /**
   * Lets somebody see the packets.
   *
   * @param handler Who wants to.
   * @returns What stops it.
   */
  subscribe(handler: PacketHandler): Disposable {
    this.#handlers.add(handler);
    return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
  }

  /**
   * Sends a packet. Whether it arrives nobody knows.
   *
   * @param packet What to send.
   * @param to Where to; an IP address.
   * @throws {NetworkError} If the system does not even take it.
   */
  async send(packet: Uint8Array, to: Endpoint): Promise<void> {
    const host = formatEndpoint(to);
    if (!mayUseHost(host)) {
      throw new NetworkError(
        `${host} may not be used: run again with --allow-net=${host}`,
      );
    }
    try {
      await this.#conn.send(packet, { transport: "udp", ...to });
    } catch (error) {
      throwIfBug(error);
      const { message } = error as Error;
      throw new NetworkError(`Cannot send to ${host}: ${message}`, {
        cause: error,
      });
    }
  }

  /** Closes the socket. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#conn.close();
    await this.#reading;
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(MAX_DATAGRAM_LENGTH);
    while (!this.#isClosed) {
      try {
        const [packet, from] = await this.#conn.receive(buffer);
        this.#dispatch(packet, from as Deno.NetAddr);
      } catch (error) {
        if (this.#isClosed) return;
        throwIfBug(error);
        // What the network reports about one packet is not about the others.
        await delay(ERROR_PAUSE_MS);
      }
    }
  }

  #dispatch(packet: Uint8Array, { hostname, port }: Deno.NetAddr): void {
    const from = endpointOf(hostname, port);
    if (!from) return;
    for (const handler of this.#handlers) {
      if (handler(packet, from)) return;
    }
  }
}

/**
 * A bug stays a bug; what the system reports about sockets is none.
 *
 * @param error What was thrown.
 */
export function throwIfBug(error: unknown): void {
  if (
    !(error instanceof Error) || error instanceof TypeError ||
    error instanceof RangeError || error instanceof ReferenceError
  ) throw error;
}
