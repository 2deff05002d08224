/**
 * `Connection`: the byte stream to a peer, whatever carries it, and how to read
 * it.
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
 * Reads what arrives in chunks, as large as the other side fills them.
 *
 * No stream of its own: it would hand every chunk from promise to promise, and
 * need a second buffer for each peer.
 */
export class ChunkReader {
  readonly #connection: Connection;
  #buffer: Uint8Array = new Uint8Array(MIN_CHUNK_LENGTH);
  #wasFilled = false;

  /**
   * A reader at the first byte that has not been read.
   *
   * @param connection Where from; it is read by nobody else from now on.
   */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Waits for bytes.
   *
   * @returns What has come: a view that holds until the next call; `undefined`
   * when no more will.
   * @throws {NetworkError} If the connection breaks.
   */
  async read(): Promise<Uint8Array | undefined> {
    const { length } = this.#buffer;
    if (this.#wasFilled && length < MAX_CHUNK_LENGTH) {
      this.#buffer = new Uint8Array(length * 2);
    }
    const count = await this.#connection.read(this.#buffer);
    if (count === null) return undefined;
    this.#wasFilled = count === this.#buffer.length;
    return this.#buffer.subarray(0, count);
  }
}
