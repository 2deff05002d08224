/**
 * A TCP server that answers as no HTTP server would.
 *
 * @module
 */

/** A connection as its server sees it. */
export interface RawExchange {
  /** The head of the request. */
  request: string;
  /**
   * Sends something.
   *
   * @param data Text or bytes.
   */
  send(data: string | Uint8Array): Promise<void>;
  /** Settles when the server is closed. */
  closed: Promise<void>;
}

/** A server; every connection is closed when it has been answered. */
export class RawServer implements AsyncDisposable {
  /** The heads of all requests, in the order of their arrival. */
  readonly requests: string[] = [];
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #closed = Promise.withResolvers<void>();
  readonly #open = new Set<Deno.TcpConn>();
  readonly #serving: Promise<void>;

  /**
   * Listens on a free port of this machine.
   *
   * @param answer What to do with a request; a text is sent as it is.
   */
  constructor(
    answer: string | ((exchange: RawExchange) => Promise<void> | void),
  ) {
    const answerer = typeof answer === "string"
      ? ({ send }: RawExchange) => send(answer)
      : answer;
    this.#serving = this.#serve(answerer);
  }

  /** The port. */
  get port(): number {
    return this.#listener.addr.port;
  }

  /**
   * A URL of this server.
   *
   * @param path The path and what follows it.
   * @returns The URL.
   */
  url(path = "/"): URL {
    return new URL(path, `http://127.0.0.1:${this.port}/`);
  }

  /** Closes every connection, and waits for what runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.#closed.resolve();
    for (const conn of this.#open) conn.close();
    this.#open.clear();
    await this.#serving;
  }

  async #serve(
    answer: (exchange: RawExchange) => Promise<void> | void,
  ): Promise<void> {
    const running: Promise<void>[] = [];
    for await (const conn of this.#listener) {
      this.#open.add(conn);
      running.push(this.#handle(conn, answer));
    }
    await Promise.all(running);
  }

  async #handle(
    conn: Deno.TcpConn,
    answer: (exchange: RawExchange) => Promise<void> | void,
  ): Promise<void> {
    try {
      const request = await readHead(conn);
      this.requests.push(request);
      await answer({
        request,
        send: (data) => sendAll(conn, data),
        closed: this.#closed.promise,
      });
    } catch (error) {
      if (!isGone(error)) throw error;
    } finally {
      if (this.#open.delete(conn)) conn.close();
    }
  }
}

async function readHead(conn: Deno.TcpConn): Promise<string> {
  const buffer = new Uint8Array(16_384);
  let text = "";
  while (!text.includes("\r\n\r\n")) {
    const count = await conn.read(buffer);
    if (count === null) break;
    text += new TextDecoder("latin1").decode(buffer.subarray(0, count));
  }
  return text;
}

async function sendAll(
  conn: Deno.TcpConn,
  data: string | Uint8Array,
): Promise<void> {
  const bytes = typeof data === "string"
    ? new TextEncoder().encode(data)
    : data;
  let sent = 0;
  while (sent < bytes.length) sent += await conn.write(bytes.subarray(sent));
}

/** Whether the other side, or the end of the test, cut the connection. */
function isGone(error: unknown): boolean {
  const { BrokenPipe, ConnectionReset, BadResource, Interrupted } = Deno.errors;
  return [BrokenPipe, ConnectionReset, BadResource, Interrupted]
    .some((kind) => error instanceof kind);
}
