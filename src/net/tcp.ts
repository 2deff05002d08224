/**
 * TCP: dials and listens with `Deno.connect` and `Deno.listen`.
 *
 * @module
 */

import {
  type Endpoint,
  endpointOf,
  formatEndpoint,
} from "../bytes/endpoint.ts";
import { NetworkError } from "../errors.ts";
import type { Connection, DialOptions } from "./connection.ts";
import { mayUseHost } from "./permission.ts";
import { delay } from "@std/async/delay";

/** After a failed accept (no descriptors left, say) others need time to end. */
const ACCEPT_PAUSE_MS = 500;

/** What is closed is gone after a turn or two of the event loop. */
const ROOM_PAUSE_MS = 10;

class TcpConnection implements Connection {
  readonly remote: Endpoint;
  readonly heldMs = 0;
  writingSince: number | undefined;
  readonly #conn: Deno.TcpConn;
  #closed = false;

  constructor(conn: Deno.TcpConn, remote: Endpoint) {
    this.#conn = conn;
    this.remote = remote;
    // Requests are small and must not wait for each other.
    conn.setNoDelay(true);
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    try {
      return await this.#conn.read(buffer);
    } catch (error) {
      throw networkError("Cannot receive", error);
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    try {
      let sent = 0;
      while (sent < bytes.length) {
        this.writingSince = performance.now();
        sent += await this.#conn.write(bytes.subarray(sent));
      }
    } catch (error) {
      throw networkError("Cannot send", error);
    } finally {
      this.writingSince = undefined;
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#conn.close();
  }
}

/**
 * Opens a TCP connection.
 *
 * @param endpoint Where to.
 * @param options What gives up dialling.
 * @returns The connection.
 * @throws {NetworkError} If nobody answers there.
 */
export async function dialTcp(
  endpoint: Endpoint,
  { signal }: DialOptions,
): Promise<Connection> {
  const host = formatEndpoint(endpoint);
  if (!mayUseHost(host)) {
    throw new NetworkError(`Cannot connect to ${host} without --allow-net`);
  }
  try {
    const conn = await Deno.connect({ ...endpoint, signal });
    return new TcpConnection(conn, endpoint);
  } catch (error) {
    signal.throwIfAborted();
    throw networkError("Cannot connect", error);
  }
}

/** Options for {@linkcode listenTcp}. */
export interface ListenOptions {
  /** The ports to try, in order; 0 is any free one. */
  ports: readonly number[];
  /** The address to listen on; every one of the machine if not given. */
  hostname?: string;
}

/** Options for {@linkcode TcpListener.connections}. */
export interface AcceptingOptions {
  /**
   * A connection cannot be taken, for want of descriptors perhaps.
   *
   * @returns Whether another one was closed, so that it can be tried again.
   */
  makeRoom?: () => boolean;
}

/** A socket that others can connect to. */
export class TcpListener implements Disposable {
  readonly #listener: Deno.TcpListener;
  #closed = false;

  /**
   * Takes over a listening socket.
   *
   * @param listener The socket.
   */
  constructor(listener: Deno.TcpListener) {
    this.#listener = listener;
  }

  /** The port that it has. */
  get port(): number {
    return this.#listener.addr.port;
  }

  /**
   * The connections that arrive, until the listener is closed.
   *
   * @param options What to do when one cannot be taken.
   * @returns Them.
   */
  async *connections(
    { makeRoom = () => false }: AcceptingOptions = {},
  ): AsyncGenerator<Connection, void, undefined> {
    while (!this.#closed) {
      let conn: Deno.TcpConn;
      try {
        conn = await this.#listener.accept();
      } catch (error) {
        if (this.#closed) return;
        networkError("Cannot accept", error);
        // Without descriptors the same connection would fail again at once.
        await delay(makeRoom() ? ROOM_PAUSE_MS : ACCEPT_PAUSE_MS);
        continue;
      }
      const { hostname, port } = conn.remoteAddr;
      const remote = endpointOf(hostname, port);
      if (remote) yield new TcpConnection(conn, remote);
      else conn.close();
    }
  }

  /** Stops listening. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#listener.close();
  }
}

/**
 * Listens on the first port that is free.
 *
 * @param options The ports and the address.
 * @returns The listener, or `undefined` if no port can be had.
 */
export function listenTcp(options: ListenOptions): TcpListener | undefined {
  // "::" takes IPv4 too, but not on a machine without IPv6.
  const hostnames = options.hostname ? [options.hostname] : ["::", "0.0.0.0"];
  for (const port of options.ports) {
    for (const hostname of hostnames) {
      if (!mayUseHost(formatEndpoint({ hostname, port }))) continue;
      try {
        return new TcpListener(Deno.listen({ hostname, port }));
      } catch (error) {
        networkError("Cannot listen", error);
      }
    }
  }
  return undefined;
}

/** What the system reports about sockets, as our class; a bug stays a bug. */
function networkError(what: string, error: unknown): NetworkError {
  if (
    !(error instanceof Error) || error instanceof TypeError ||
    error instanceof RangeError || error instanceof ReferenceError
  ) throw error;
  return new NetworkError(`${what}: ${error.message}`, { cause: error });
}
