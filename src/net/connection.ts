/**
 * `Connection`: the byte stream to a peer, whatever carries it, and the Web
 * Streams over it.
 *
 * @module
 */

import type { Endpoint } from "../bytes/endpoint.ts";
import { NetworkError } from "../errors.ts";

/** A byte stream to a peer. A failure of any call is a `NetworkError`. */
export interface Connection {
  /** The address at the other end. */
  readonly remote: Endpoint;
  /**
   * Since when a write waits for the other end to take anything, in
   * milliseconds of `performance.now()`; `undefined` while none does. When our
   * own limits keep it waiting, that is not the other end's fault.
   */
  readonly writingSince: number | undefined;
  /** For how long, in all, our own limits kept back what had arrived, in ms. */
  readonly heldMs: number;
  /**
   * Waits for bytes.
   *
   * @param buffer Where to put them.
   * @returns How many came, or `null` when no more will.
   */
  read(buffer: Uint8Array): Promise<number | null>;
  /**
   * Sends bytes.
   *
   * @param bytes What to send; all of it is sent.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends the connection and whatever waits for it; any number of times. */
  close(): void;
}

/** Options for {@linkcode Dialer}. */
export interface DialOptions {
  /** Gives up dialling. */
  signal: AbortSignal;
}

/** Opens a connection to an endpoint. */
export type Dialer = (
  endpoint: Endpoint,
  options: DialOptions,
) => Promise<Connection>;

/** Few peers send much: a reader starts small and grows to what fills it. */
const MIN_CHUNK_LENGTH = 16 * 1024;

/** Larger reads gain nothing: the kernel's buffer is rarely fuller. */
const MAX_CHUNK_LENGTH = 256 * 1024;

/**
 * Reads a known number of bytes.
 *
 * @param connection Where from.
 * @param length How many.
 * @returns The bytes.
 * @throws {NetworkError} If the stream ends before.
 */
export async function readExactly(
  connection: Connection,
  length: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const count = await connection.read(bytes.subarray(filled));
    if (count === null) throw new NetworkError("The peer hung up");
    filled += count;
  }
  return bytes;
}

/**
 * What arrives, as a stream of chunks.
 *
 * A chunk is a view into one of two buffers in turn: it holds until the chunk
 * after the next is asked for. A `TransformStream` asks for one ahead, which
 * is just what this allows.
 *
 * @param connection Where from; it is read by nobody else from now on.
 * @returns The stream; it ends where the other side ends.
 */
export function readableOf(
  connection: Connection,
): ReadableStream<Uint8Array> {
  let length = MIN_CHUNK_LENGTH;
  let [next, last] = [new Uint8Array(length), new Uint8Array(length)];
  return new ReadableStream({
    async pull(controller) {
      if (next.length < length) next = new Uint8Array(length);
      const count = await connection.read(next);
      if (count === null) return controller.close();
      controller.enqueue(next.subarray(0, count));
      if (count === next.length) {
        length = Math.min(length * 2, MAX_CHUNK_LENGTH);
      }
      [next, last] = [last, next];
    },
  }, { highWaterMark: 0 });
}

/**
 * A stream into a connection: every chunk is one write.
 *
 * @param connection Where to; it is written to by nobody else from now on.
 * @returns The stream.
 */
export function writableOf(
  connection: Connection,
): WritableStream<Uint8Array> {
  return new WritableStream({ write: (chunk) => connection.write(chunk) });
}
