/**
 * A socket for datagrams that goes nowhere: the test is the network.
 *
 * @module
 */

import { type Endpoint, formatEndpoint } from "../../src/bytes/endpoint.ts";
import type { PacketHandler, PacketSocket } from "../../src/net/udp.ts";
import {
  decodeRequest,
  type UdpRequest,
} from "../../src/tracker/udp_server_packet.ts";

/** A packet that was sent. */
export interface SentPacket {
  /** Its bytes. */
  packet: Uint8Array;
  /** Where to. */
  to: Endpoint;
  /** What it asks of a tracker. */
  request: UdpRequest;
}

/** A socket in memory. */
export class FakePackets implements PacketSocket {
  /** What was sent, in order, until it is taken. */
  readonly sent: SentPacket[] = [];
  /** What to do with each packet that is sent; nothing if not given. */
  onSent: ((sent: SentPacket) => void) | undefined;
  /** What the system says instead of sending. */
  failure: Error | undefined;
  readonly #handlers = new Set<PacketHandler>();

  /** How many look at the packets. */
  get subscribers(): number {
    return this.#handlers.size;
  }

  /**
   * Keeps a packet.
   *
   * @param packet The packet.
   * @param to Where to.
   */
  send(packet: Uint8Array, to: Endpoint): Promise<void> {
    if (this.failure) return Promise.reject(this.failure);
    const sent = { packet, to, request: decodeRequest(packet) };
    this.sent.push(sent);
    this.onSent?.(sent);
    return Promise.resolve();
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
   * Lets a packet come, in a buffer that is used for other things afterwards.
   *
   * @param packet The packet.
   * @param from Who sends it.
   * @returns Whether anybody knew it.
   */
  deliver(packet: Uint8Array, from: Endpoint): boolean {
    const buffer = packet.slice();
    const isKnown = [...this.#handlers].some((knows) => knows(buffer, from));
    buffer.fill(0xee);
    return isKnown;
  }

  /** What was sent since the last time, as `type to`. */
  news(): string[] {
    return this.sent.splice(0).map(({ request, to }) =>
      `${request.type} ${formatEndpoint(to)}`
    );
  }
}
