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
import { mayConnect } from "./permission.ts";

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

/** A socket for datagrams. */
export class UdpSocket implements AsyncDisposable {
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
   * @param ports The ports to try, in order; 0 is any free one.
   * @returns The socket, or `undefined` if none can be had.
   */
  static open(ports: readonly number[]): UdpSocket | undefined {
    for (const port of ports) {
      for (const hostname of ["::", "0.0.0.0"]) {
        if (!mayConnect(formatEndpoint({ hostname, port }))) continue;
        try {
          return new UdpSocket(
            Deno.listenDatagram({ transport: "udp", hostname, port }),
          );
        } catch (error) {
          if (error instanceof TypeError || error instanceof RangeError) {
            throw error;
          }
        }
      }
    }
    return undefined;
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
    if (!mayConnect(host)) {
      throw new NetworkError(`Cannot send to ${host} without --allow-net`);
    }
    try {
      await this.#conn.send(packet, { transport: "udp", ...to });
    } catch (error) {
      if (error instanceof TypeError || error instanceof RangeError) {
        throw error;
      }
      throw new NetworkError(`Cannot send to ${host}`, { cause: error });
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
        if (error instanceof TypeError || error instanceof RangeError) {
          throw error;
        }
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
