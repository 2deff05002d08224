/**
 * A tracker that keeps what it was told, and answers what the test wants.
 *
 * @module
 */

import { type BencodeInput, encodeBencode } from "../../src/bytes/bencode.ts";
import {
  encodeCompactEndpoint,
  type Endpoint,
} from "../../src/bytes/endpoint.ts";

/** What a tracker answers: a dictionary, or anything else that HTTP can carry. */
export type TrackerAnswer = BencodeInput | Response | Promise<Response>;

/** A tracker on loopback. */
export class RecordingTracker implements AsyncDisposable {
  /** The arguments of every announce. */
  readonly announces: URLSearchParams[] = [];
  /** The headers of every announce. */
  readonly headers: Headers[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #stop = new AbortController();

  /**
   * Starts a tracker.
   *
   * @param answer What it answers to the arguments of an announce.
   */
  constructor(answer: (query: URLSearchParams) => TrackerAnswer) {
    this.#server = Deno.serve({
      hostname: "127.0.0.1",
      port: 0,
      onListen: () => {},
      signal: this.#stop.signal,
    }, async (request) => {
      // The hash and the id are bytes, which nobody asks for here.
      const query = new URL(request.url).searchParams;
      this.announces.push(query);
      this.headers.push(request.headers);
      const given = await answer(query);
      if (given instanceof Response) return given;
      return new Response(encodeBencode(given).slice());
    });
  }

  /** Where it listens. */
  get host(): string {
    return `127.0.0.1:${this.#server.addr.port}`;
  }

  /** The URL to announce to. */
  get announceUrl(): string {
    return `http://${this.host}/announce`;
  }

  /** The events of all announces, in order. */
  get events(): (string | null)[] {
    return this.announces.map((query) => query.get("event"));
  }

  /** An answer that never comes; it ends with the tracker. */
  never(): Promise<Response> {
    const { promise, resolve } = Promise.withResolvers<Response>();
    this.#stop.signal.addEventListener("abort", () => resolve(new Response()));
    return promise;
  }

  /** Ends the tracker, and every connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#server.finished;
  }
}

/**
 * The answer of a tracker that knows peers.
 *
 * @param endpoints The peers.
 * @returns A dictionary.
 */
export function peersAnswer(...endpoints: Endpoint[]): BencodeInput {
  const bytes = endpoints.flatMap((endpoint) => [
    ...encodeCompactEndpoint(endpoint),
  ]);
  return { interval: 1800, peers: Uint8Array.from(bytes) };
}
