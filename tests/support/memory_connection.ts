/**
 * Two ends of a connection in memory, with what real ones can do: fill up,
 * deliver in small parts, end in one direction, and break.
 *
 * @module
 */

import type { Endpoint } from "../../src/bytes/endpoint.ts";
import { NetworkError } from "../../src/errors.ts";
import type { Connection } from "../../src/net/connection.ts";

/** Options for {@linkcode memoryConnections}. */
export interface MemoryConnectionOptions {
  /** How many bytes fit in each direction before a write waits. */
  capacity?: number;
  /** How many bytes one read gives at most. */
  maxRead?: number;
  /** Where the first end is connected to. */
  remote?: Endpoint;
}

/** The bytes on their way in one direction. */
class Pipe {
  #chunks: Uint8Array[] = [];
  #length = 0;
  #isEnded = false;
  #error: NetworkError | undefined;
  #change = Promise.withResolvers<void>();
  readonly #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    while (this.#length === 0) {
      if (this.#error) throw this.#error;
      if (this.#isEnded) return null;
      await this.#change.promise;
    }
    const first = this.#chunks[0]!;
    const taken = first.subarray(0, buffer.length);
    buffer.set(taken);
    if (taken.length === first.length) this.#chunks.shift();
    else this.#chunks[0] = first.subarray(taken.length);
    this.#length -= taken.length;
    this.#changed();
    return taken.length;
  }

  async write(bytes: Uint8Array, onProgress: () => void): Promise<void> {
    let rest = bytes.slice();
    while (rest.length > 0) {
      if (this.#error) throw this.#error;
      if (this.#isEnded) throw new NetworkError("Cannot send: closed");
      const space = this.#capacity - this.#length;
      if (space > 0) {
        this.#chunks.push(rest.subarray(0, space));
        this.#length += Math.min(space, rest.length);
        rest = rest.subarray(space);
        onProgress();
        this.#changed();
      } else {
        await this.#change.promise;
      }
    }
  }

  end(): void {
    this.#isEnded = true;
    this.#changed();
  }

  fail(message: string): void {
    this.#error ??= new NetworkError(message);
    this.#chunks = [];
    this.#length = 0;
    this.#changed();
  }

  #changed(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }
}

/** One end of a connection in memory. */
export class MemoryConnection implements Connection {
  /** The address at the other end. */
  readonly remote: Endpoint;
  /** What was written, one entry for each write. */
  readonly writes: Uint8Array[] = [];
  /** Nothing is kept back here. */
  readonly heldMs = 0;
  /** Since when a write waits, if one does. */
  writingSince: number | undefined;
  /** How many bytes were read. */
  bytesRead = 0;
  /** Whether this end was closed. */
  isClosed = false;
  readonly #incoming: Pipe;
  readonly #outgoing: Pipe;
  readonly #maxRead: number;

  /**
   * One end.
   *
   * @param remote The address at the other end.
   * @param options The two directions, and how much a read gives.
   */
  constructor(
    remote: Endpoint,
    options: { incoming: Pipe; outgoing: Pipe; maxRead: number },
  ) {
    this.remote = remote;
    this.#incoming = options.incoming;
    this.#outgoing = options.outgoing;
    this.#maxRead = options.maxRead;
  }

  /**
   * Waits for bytes.
   *
   * @param buffer Where to put them.
   * @returns How many came, or `null` when no more will.
   */
  async read(buffer: Uint8Array): Promise<number | null> {
    const count = await this.#incoming.read(
      buffer.subarray(0, this.#maxRead),
    );
    this.bytesRead += count ?? 0;
    return count;
  }

  /**
   * Sends bytes, and waits until all of them are on their way.
   *
   * @param bytes The bytes.
   */
  async write(bytes: Uint8Array): Promise<void> {
    this.writes.push(bytes.slice());
    const begin = () => this.writingSince = performance.now();
    begin();
    try {
      await this.#outgoing.write(bytes, begin);
    } finally {
      this.writingSince = undefined;
    }
  }

  /** Ends both directions: the other end gets what is on its way, no more. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#outgoing.end();
    this.#incoming.fail("The connection was closed");
  }

  /** Ends one direction: the other end reads to the end, and may still write. */
  endWriting(): void {
    this.#outgoing.end();
  }

  /** Breaks the connection: what is on its way is lost. */
  reset(): void {
    this.#outgoing.fail("Cannot receive: connection reset");
    this.#incoming.fail("Cannot receive: connection reset");
  }

  /**
   * Reads until the other end says no more.
   *
   * @returns All the bytes.
   */
  async readAll(): Promise<Uint8Array> {
    const bytes: number[] = [];
    const buffer = new Uint8Array(65_536);
    while (true) {
      const count = await this.read(buffer);
      if (count === null) return Uint8Array.from(bytes);
      bytes.push(...buffer.subarray(0, count));
    }
  }
}

/**
 * Makes a connection.
 *
 * @param options How much fits, and how much a read gives; nearly everything
 * if not given.
 * @returns Its two ends.
 */
export function memoryConnections(
  options: MemoryConnectionOptions = {},
): [MemoryConnection, MemoryConnection] {
  const {
    capacity = 64 * 1024,
    maxRead = Infinity,
    remote = { hostname: "192.0.2.2", port: 6882 },
  } = options;
  const [there, back] = [new Pipe(capacity), new Pipe(capacity)];
  return [
    new MemoryConnection(remote, {
      incoming: back,
      outgoing: there,
      maxRead,
    }),
    new MemoryConnection({ hostname: "192.0.2.1", port: 6881 }, {
      incoming: there,
      outgoing: back,
      maxRead,
    }),
  ];
}
