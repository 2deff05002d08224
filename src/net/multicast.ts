/**
 * `MulticastSocket`: packets to and from everybody of a multicast group, where
 * the system and Deno allow that.
 *
 * @module
 */

import {
  type Endpoint,
  endpointOf,
  familyOf,
  formatEndpoint,
} from "../bytes/endpoint.ts";
import { NetworkError } from "../errors.ts";
import { mayUseHost } from "./permission.ts";
import { throwIfBug } from "./udp.ts";
import { delay } from "@std/async/delay";

/** The largest datagram there is: a smaller buffer would cut one in silence. */
const MAX_DATAGRAM_LENGTH = 65_535;

/** After an error of the socket itself the next may come at once. */
const ERROR_PAUSE_MS = 100;

/** Options for {@linkcode MulticastSocket.join}. */
export interface MulticastOptions {
  /** The group and its port. */
  group: Endpoint;
  /** The address to send from; the system chooses if not given. */
  hostname?: string | undefined;
  /**
   * Hears of packets, our own too.
   *
   * @param packet The packet: a view that holds until the call returns.
   * @param from Who sent it.
   */
  onPacket: (packet: Uint8Array, from: Endpoint) => void;
}

/** A member of a multicast group. */
export class MulticastSocket implements AsyncDisposable {
  /** The group. */
  readonly group: Endpoint;
  readonly #receiver: Deno.DatagramConn;
  readonly #sender: Deno.DatagramConn;
  readonly #onPacket: MulticastOptions["onPacket"];
  readonly #reading: Promise<void>;
  #isClosed = false;

  private constructor(
    { group, onPacket }: MulticastOptions,
    { receiver, sender }: Record<"receiver" | "sender", Deno.DatagramConn>,
  ) {
    this.group = group;
    this.#onPacket = onPacket;
    this.#receiver = receiver;
    this.#sender = sender;
    this.#reading = this.#read();
  }

  /**
   * Joins a group.
   *
   * @param options Which one.
   * @returns The socket, or `undefined` where the system or Deno does not let
   * us join.
   */
  static async join(
    options: MulticastOptions,
  ): Promise<MulticastSocket | undefined> {
    const { group } = options;
    const isIpv6 = familyOf(group) === 6;
    const { hostname = isIpv6 ? "::" : "0.0.0.0" } = options;
    const own = { hostname, port: 0 };
    if (![group, own].every((host) => mayUseHost(formatEndpoint(host)))) {
      return undefined;
    }
    const opened: Deno.DatagramConn[] = [];
    const open = (options: Endpoint & { reuseAddress?: boolean }) => {
      // Several programs on one machine find each other too.
      const loopback = true;
      const conn = Deno.listenDatagram({
        transport: "udp",
        loopback,
        ...options,
      });
      opened.push(conn);
      return conn;
    };
    try {
      // Bound to the group itself the socket takes what comes to the group
      // only: nobody in the world can send us a packet that looks like one
      // from the network. Windows cannot do that, and so goes without.
      const receiver = open({ ...group, reuseAddress: true });
      if (isIpv6) await receiver.joinMulticastV6(group.hostname, 0);
      else await receiver.joinMulticastV4(group.hostname, hostname);
      return new MulticastSocket(options, { receiver, sender: open(own) });
    } catch (error) {
      for (const conn of opened) conn.close();
      throwIfBug(error);
      return undefined;
    }
  }

  /**
   * Sends a packet to the group.
   *
   * @param packet What to send.
   * @throws {NetworkError} If the system does not take it.
   */
  async send(packet: Uint8Array): Promise<void> {
    try {
      await this.#sender.send(packet, { transport: "udp", ...this.group });
    } catch (error) {
      throwIfBug(error);
      const { message } = error as Error;
      throw new NetworkError(
        `Cannot send to ${formatEndpoint(this.group)}: ${message}`,
        { cause: error },
      );
    }
  }

  /** Leaves the group. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#receiver.close();
    this.#sender.close();
    await this.#reading;
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(MAX_DATAGRAM_LENGTH);
    while (!this.#isClosed) {
      try {
        const [packet, address] = await this.#receiver.receive(buffer);
        const { hostname, port } = address as Deno.NetAddr;
        const from = endpointOf(hostname, port);
        if (from) this.#onPacket(packet, from);
      } catch (error) {
        if (this.#isClosed) return;
        throwIfBug(error);
        await delay(ERROR_PAUSE_MS);
      }
    }
  }
}
