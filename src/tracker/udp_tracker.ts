/**
 * A UDP tracker (BEP 15, 41): the exchange of packets, with its retries.
 *
 * A tracker with addresses of both families hears of us at both (BEP 7): each
 * family is a swarm of its own.
 *
 * @module
 */

import {
  type AddressFamily,
  type Endpoint,
  endpointOf,
  familyOf,
  formatEndpoint,
} from "../bytes/endpoint.ts";
import { NetworkError, ProtocolError, TrackerError } from "../errors.ts";
import { resolve } from "../net/resolve.ts";
import type { UdpSocket } from "../net/udp.ts";
import type {
  AnnounceRequest,
  AnnounceResponse,
  Tracker,
  TrackerPeer,
} from "./tracker.ts";
import {
  ACTION,
  type ConnectionId,
  decodeAnnounce,
  decodeConnect,
  decodeError,
  decodeHead,
  decodeScrape,
  encodeAnnounce,
  encodeConnect,
  encodeScrape,
  MAX_SCRAPED,
  type ScrapeCounts,
} from "./udp_packet.ts";
import { delay } from "@std/async/delay";

/** BEP 15: the n-th try waits 15 · 2ⁿ seconds for its answer. */
const FIRST_TIMEOUT_MS = 15_000;

/** BEP 15 goes on to eight; other trackers are asked long before that. */
const MAX_TRIES = 4;

/** BEP 15: "A connection ID can be used for one minute". */
const CONNECTION_LIFE_MS = 60_000;

/** How long the second family may take longer than the first. */
const OTHER_FAMILY_MS = 1_000;

/** A message for a person is a line. */
const MAX_MESSAGE_LENGTH = 500;

/** A request that waits for its answer. */
interface Pending {
  from: Endpoint;
  action: number;
  resolve: (packet: Uint8Array) => void;
  reject: (error: TrackerError) => void;
}

/** Sends requests to UDP trackers and knows their answers again. */
export class UdpTrackerClient implements Disposable {
  readonly #socket: UdpSocket;
  readonly #subscription: Disposable;
  readonly #pending = new Map<number, Pending>();
  readonly #connections = new Map<
    string,
    { id: ConnectionId; until: number }
  >();

  /**
   * Begins to look for answers.
   *
   * @param socket Where they come in.
   */
  constructor(socket: UdpSocket) {
    this.#socket = socket;
    this.#subscription = socket.subscribe((packet, from) =>
      this.#receive(packet, from)
    );
  }

  /** Takes no answers any more. */
  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
  }

  /**
   * Asks a tracker something that needs a connection, and waits.
   *
   * @param to The tracker's address.
   * @param options What to ask, as a packet for a connection.
   * @returns The packet that answers.
   * @throws {TrackerError} If it refuses, or does not answer in time.
   */
  async ask(
    to: Endpoint,
    { action, encode, signal }: {
      action: number;
      encode: (connection: ConnectionId, transaction: number) => Uint8Array;
      signal: AbortSignal;
    },
  ): Promise<Uint8Array> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const timeoutMs = FIRST_TIMEOUT_MS * 2 ** tries;
      const connection = this.#connectionTo(to) ??
        await this.#connect(to, { timeoutMs, signal });
      if (connection === undefined) continue;
      const answer = await this.#exchange(to, {
        action,
        encode: (transaction) => encode(connection, transaction),
        timeoutMs,
        signal,
      });
      if (answer) return answer;
      // It may have forgotten the connection; it will not forget a new one.
      this.#connections.delete(formatEndpoint(to));
    }
    throw new TrackerError(`${formatEndpoint(to)} does not answer`);
  }

  #connectionTo(to: Endpoint): ConnectionId | undefined {
    const known = this.#connections.get(formatEndpoint(to));
    return known && known.until > performance.now() ? known.id : undefined;
  }

  async #connect(
    to: Endpoint,
    { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
  ): Promise<ConnectionId | undefined> {
    const until = performance.now() + CONNECTION_LIFE_MS;
    const answer = await this.#exchange(to, {
      action: ACTION.connect,
      encode: encodeConnect,
      timeoutMs,
      signal,
    });
    if (!answer) return undefined;
    const id = decodeConnect(answer);
    this.#connections.set(formatEndpoint(to), { id, until });
    return id;
  }

  /** Sends one packet and waits for its answer; `undefined` when it is late. */
  async #exchange(
    to: Endpoint,
    { action, encode, timeoutMs, signal }: {
      action: number;
      encode: (transaction: number) => Uint8Array;
      timeoutMs: number;
      signal: AbortSignal;
    },
  ): Promise<Uint8Array | undefined> {
    const [transaction] = crypto.getRandomValues(new Uint32Array(1));
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    const answered = new AbortController();
    this.#pending.set(transaction!, { from: to, action, resolve, reject });
    try {
      await this.#socket.send(encode(transaction!), to);
      const patience = AbortSignal.any([signal, answered.signal]);
      return await Promise.race([
        promise,
        delay(timeoutMs, { signal: patience }).then(() => undefined),
      ]);
    } finally {
      this.#pending.delete(transaction!);
      answered.abort();
    }
  }

  /** Anything but the right answer from the right place is left alone. */
  #receive(packet: Uint8Array, from: Endpoint): boolean {
    const head = decodeHead(packet);
    const pending = head && this.#pending.get(head.transaction);
    if (!pending) return false;
    if (formatEndpoint(from) !== formatEndpoint(pending.from)) return true;
    if (head.action === ACTION.error) {
      const message = decodeError(packet).slice(0, MAX_MESSAGE_LENGTH);
      pending.reject(new TrackerError(`The tracker says: ${message}`));
    } else if (
      head.action === pending.action &&
      packet.length >= MIN_LENGTH[head.action]!
    ) {
      pending.resolve(packet.slice());
    }
    return true;
  }
}

/** An answer that is shorter is none, and the right one may still come. */
const MIN_LENGTH: Record<number, number> = {
  [ACTION.connect]: 16,
  [ACTION.announce]: 20,
  [ACTION.scrape]: 8,
};

/** A tracker that speaks UDP. */
export class UdpTracker implements Tracker {
  readonly name: string;
  readonly #client: UdpTrackerClient;
  readonly #endpoint: Endpoint;
  readonly #urlData: string;

  private constructor(
    client: UdpTrackerClient,
    { endpoint, urlData }: { endpoint: Endpoint; urlData: string },
  ) {
    this.#client = client;
    this.#endpoint = endpoint;
    this.#urlData = urlData;
    this.name = `udp://${formatEndpoint(endpoint)}`;
  }

  /**
   * The tracker at a URL.
   *
   * @param text The URL as a torrent has it.
   * @param client What sends the packets.
   * @returns The tracker, or `undefined` if it is no usable UDP URL.
   */
  static at(text: string, client: UdpTrackerClient): UdpTracker | undefined {
    if (!/^udp:\/\/[^\s\p{Cc}]+$/iu.test(text)) return undefined;
    const url = URL.parse(text);
    if (!url || url.port === "") return undefined;
    const hostname = url.hostname.replace(/^\[|\]$/g, "");
    const endpoint = endpointOf(hostname, Number(url.port));
    if (!endpoint) return undefined;
    const urlData = url.pathname + url.search;
    return new UdpTracker(client, {
      endpoint,
      urlData: urlData === "/" ? "" : urlData,
    });
  }

  /**
   * Tells the tracker of us and asks for peers, over every family it has.
   *
   * @param request What to tell.
   * @param options What gives up.
   * @returns What it answers.
   * @throws {TrackerError} If it refuses or does not answer.
   */
  async announce(
    request: AnnounceRequest,
    { signal }: { signal: AbortSignal },
  ): Promise<AnnounceResponse> {
    return await this.#overEachFamily(async (to, family) => {
      const packet = await this.#client.ask(to, {
        action: ACTION.announce,
        encode: (connection, transaction) =>
          encodeAnnounce(request, {
            connection,
            transaction,
            urlData: this.#urlData,
          }),
        signal,
      });
      const { interval, seeders, leechers, peers } = decodeAnnounce(
        packet,
        family,
      );
      return {
        interval,
        seeders,
        leechers,
        peers,
        minInterval: undefined,
        trackerId: undefined,
        warning: undefined,
      };
    });
  }

  /**
   * Asks how torrents stand.
   *
   * @param infoHashes The torrents; those beyond one packet are left out.
   * @param options What gives up.
   * @returns How each stands, in the order of the question.
   * @throws {TrackerError} If it refuses or does not answer.
   */
  async scrape(
    infoHashes: readonly Uint8Array[],
    { signal }: { signal: AbortSignal },
  ): Promise<ScrapeCounts[]> {
    const asked = infoHashes.slice(0, MAX_SCRAPED);
    const [to] = await this.#addresses();
    return await this.#guard(async () => {
      const packet = await this.#client.ask(to!, {
        action: ACTION.scrape,
        encode: (connection, transaction) =>
          encodeScrape(asked, { connection, transaction }),
        signal,
      });
      return decodeScrape(packet, asked.length);
    });
  }

  /** One address of each family that the tracker has. */
  async #addresses(): Promise<Endpoint[]> {
    return await this.#guard(async () => {
      const all = await resolve(this.#endpoint);
      const families = new Map<AddressFamily, Endpoint>();
      for (const endpoint of all) {
        const family = familyOf(endpoint)!;
        if (!families.has(family)) families.set(family, endpoint);
      }
      if (families.size === 0) {
        throw new TrackerError(`${this.name} has no address`);
      }
      return [...families.values()];
    });
  }

  /**
   * Announces at each address. Who answers first counts; the other family has
   * a moment more, and is not missed when the machine has no way there.
   */
  async #overEachFamily(
    announce: (
      to: Endpoint,
      family: AddressFamily,
    ) => Promise<AnnounceResponse>,
  ): Promise<AnnounceResponse> {
    const addresses = await this.#addresses();
    const attempts = addresses.map((to) =>
      this.#guard(() => announce(to, familyOf(to)!))
    );
    const answers: AnnounceResponse[] = [];
    for (const attempt of attempts) {
      attempt.then((answer) => answers.push(answer), () => {});
    }
    let first: AnnounceResponse;
    try {
      first = await Promise.any(attempts);
    } catch (error) {
      throw error instanceof AggregateError ? error.errors[0] : error;
    }
    if (attempts.length > 1) {
      const grace = new AbortController();
      await Promise.race([
        Promise.allSettled(attempts).then(() => grace.abort()),
        delay(OTHER_FAMILY_MS, { signal: grace.signal }).catch(() => {}),
      ]);
    }
    const peers: TrackerPeer[] = answers.flatMap((answer) => answer.peers);
    return { ...first, peers };
  }

  /** What the network and the protocol report, as a tracker's failure. */
  async #guard<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      if (error instanceof NetworkError || error instanceof ProtocolError) {
        throw new TrackerError(`${this.name}: ${error.message}`, {
          cause: error,
        });
      }
      throw error;
    }
  }
}
