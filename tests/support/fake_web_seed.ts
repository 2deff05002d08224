/**
 * An HTTP server that has the files of a torrent, and what real servers do not
 * do.
 *
 * @module
 */

import type { MadeTorrent } from "./make_torrent.ts";

/** A request as the server sees it. */
export interface WebSeedRequest {
  /** Its URL. */
  url: URL;
  /** What it says. */
  headers: Headers;
  /** Which request it is, from 0. */
  count: number;
  /** What is asked for, if it is a part of a file. */
  range: { begin: number; end: number } | undefined;
  /** The file of that path, if there is one. */
  file: Uint8Array | undefined;
}

/** What a server answers; as a good one does if it gives nothing. */
export type Answerer = (
  request: WebSeedRequest,
) => Response | undefined | Promise<Response | undefined>;

/** A web seed on this machine. */
export class FakeWebSeed implements AsyncDisposable {
  /** The requests, in the order of their arrival. */
  readonly requests: WebSeedRequest[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  /**
   * Serves the files of a torrent below `/`.
   *
   * @param made The torrent.
   * @param answer What it does instead of what it should.
   */
  constructor(made: MadeTorrent, answer: Answerer = () => undefined) {
    this.#server = Deno.serve(
      {
        hostname: "127.0.0.1",
        port: 0,
        onListen: () => {},
        // Whoever asked may have gone before the answer.
        onError: () => new Response(null, { status: 500 }),
      },
      async ({ url: text, headers }) => {
        const url = new URL(text);
        const name = decodeURIComponent(url.pathname.slice(1));
        const file = made.files.get(name);
        const found = /^bytes=(\d+)-(\d+)$/.exec(headers.get("range") ?? "");
        const range = found
          ? { begin: Number(found[1]), end: Number(found[2]) + 1 }
          : undefined;
        const count = this.requests.length;
        const request = { url, headers, count, range, file };
        this.requests.push(request);
        return await answer(request) ?? rightAnswer(request);
      },
    );
  }

  /** The port. */
  get port(): number {
    return this.#server.addr.port;
  }

  /**
   * A URL of the server.
   *
   * @param path The path and what follows it.
   * @returns The URL.
   */
  url(path = "/"): string {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  /** Closes every connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/**
 * What a server should answer.
 *
 * @param request The request.
 * @returns The part of the file.
 */
export function rightAnswer({ range, file }: WebSeedRequest): Response {
  if (!file) return new Response("not here", { status: 404 });
  if (!range) return new Response(file.slice());
  return partOf(file.slice(range.begin, range.end), range.begin, file.length);
}

/**
 * A part of a file.
 *
 * @param bytes The part.
 * @param begin Where it begins, as the server says.
 * @param total How long the file is, as the server says.
 * @returns The answer.
 */
export function partOf(
  bytes: Uint8Array<ArrayBuffer>,
  begin: number,
  total: number,
): Response {
  return new Response(bytes, {
    status: 206,
    headers: {
      "content-range": `bytes ${begin}-${begin + bytes.length - 1}/${total}`,
    },
  });
}
