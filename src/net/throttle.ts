/**
 * `throttle`: a connection whose bytes keep the rates of some buckets.
 *
 * What has arrived is handed on when it has been paid for, and until then
 * nothing more is read: so TCP slows the sender down. What is sent goes in
 * small parts, each when it is paid for. Nobody else knows of limits.
 *
 * @module
 */

import type { Endpoint } from "../bytes/endpoint.ts";
import { NetworkError } from "../errors.ts";
import type { TokenBucket } from "../policy/token_bucket.ts";
import type { Connection } from "./connection.ts";
import { delay } from "@std/async/delay";

/** The limits of a connection: each byte is taken from every bucket. */
export interface Limits {
  /** For what is read. */
  readonly download: readonly TokenBucket[];
  /** For what is written. */
  readonly upload: readonly TokenBucket[];
}

/**
 * Limits a connection.
 *
 * @param connection The connection; it is used by nobody else from now on.
 * @param limits What to keep; one bucket may limit many connections.
 * @returns A connection that keeps to the limits: itself if there are none.
 */
export function throttle(connection: Connection, limits: Limits): Connection {
  const { download, upload } = limits;
  if (download.length === 0 && upload.length === 0) return connection;
  return new ThrottledConnection(connection, limits);
}

class ThrottledConnection implements Connection {
  readonly #inner: Connection;
  readonly #limits: Limits;
  readonly #closed = new AbortController();
  #heldMs = 0;
  #holdingSince: number | undefined;

  constructor(inner: Connection, limits: Limits) {
    this.#inner = inner;
    this.#limits = limits;
  }

  get remote(): Endpoint {
    return this.#inner.remote;
  }

  get writingSince(): number | undefined {
    return this.#inner.writingSince;
  }

  get heldMs(): number {
    const held = this.#inner.heldMs + this.#heldMs;
    if (this.#holdingSince === undefined) return held;
    return held + performance.now() - this.#holdingSince;
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    const { download } = this.#limits;
    const part = buffer.subarray(0, quantumOf(download));
    const count = await this.#inner.read(part);
    if (count === null) return null;
    const now = performance.now();
    const ms = waitFor(download, count, now);
    if (ms > 0) await this.#hold(ms, now);
    return count;
  }

  async write(bytes: Uint8Array): Promise<void> {
    const { upload } = this.#limits;
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + quantumOf(upload));
      const ms = waitFor(upload, part.length, performance.now());
      if (ms > 0) await this.#wait(ms);
      await this.#inner.write(part);
      at += part.length;
    }
  }

  close(): void {
    this.#closed.abort(new NetworkError("The connection was closed"));
    this.#inner.close();
  }

  async #hold(ms: number, now: number): Promise<void> {
    this.#holdingSince = now;
    try {
      await this.#wait(ms);
    } finally {
      this.#heldMs += performance.now() - now;
      this.#holdingSince = undefined;
    }
  }

  async #wait(ms: number): Promise<void> {
    await delay(ms, { signal: this.#closed.signal });
  }
}

/**
 * How much may be taken from buckets at a time.
 *
 * @param buckets The buckets.
 * @returns The bytes; `Infinity` if there is no bucket.
 */
export function quantumOf(buckets: readonly TokenBucket[]): number {
  return Math.min(...buckets.map(({ quantum }) => quantum));
}

/**
 * Takes bytes from all of some buckets; the slowest decides.
 *
 * @param buckets The buckets.
 * @param bytes How many; no more than {@linkcode quantumOf} says.
 * @param now The time in milliseconds.
 * @returns How long to wait until they may pass, in milliseconds.
 */
export function waitFor(
  buckets: readonly TokenBucket[],
  bytes: number,
  now: number,
): number {
  return Math.max(0, ...buckets.map((bucket) => bucket.take(bytes, now)));
}
