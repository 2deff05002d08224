/**
 * `UdpTracker`: a tracker that speaks UDP (BEP 15, 41, 48).
 *
 * One with addresses of both families hears of us at both (BEP 7): each family
 * is a swarm of its own.
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
import { type Attempt, eachAnswer } from "./each_answer.ts";
import type {
  AnnounceRequest,
  AnnounceResponse,
  ScrapeCounts,
  Tracker,
} from "./tracker.ts";
import {
  ACTION,
  decodeAnnounce,
  decodeScrape,
  encodeAnnounce,
  encodeScrape,
  MAX_SCRAPED,
} from "./udp_packet.ts";
import type { UdpTrackerClient } from "./udp_tracker_client.ts";

/** Somebody waits for a scrape, and nothing depends on it. */
const SCRAPE_TRIES = 1;

/** Options for {@linkcode UdpTracker.at}. */
export interface UdpTrackerOptions {
  /** What sends the packets. */
  client: UdpTrackerClient;
}

/** A tracker that speaks UDP. */
export class UdpTracker implements Tracker {
  readonly name: string;
  readonly #client: UdpTrackerClient;
  readonly #endpoint: Endpoint;
  readonly #urlData: string;

  private constructor(
    endpoint: Endpoint,
    { client, urlData }: UdpTrackerOptions & { urlData: string },
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
   * @param options What it works with.
   * @returns The tracker, or `undefined` if it is no usable UDP URL.
   */
  static at(text: string, options: UdpTrackerOptions): UdpTracker | undefined {
    if (!/^udp:\/\/[^\s\p{Cc}\/\\][^\s\p{Cc}]*$/iu.test(text)) return undefined;
    const url = URL.parse(text);
    if (!url || url.port === "") return undefined;
    const hostname = url.hostname.replace(/^\[|\]$/g, "");
    const endpoint = endpointOf(hostname, Number(url.port));
    if (!endpoint) return undefined;
    const urlData = url.pathname + url.search;
    return new UdpTracker(endpoint, {
      ...options,
      urlData: urlData === "/" ? "" : urlData,
    });
  }

  /**
   * Tells the tracker of us and asks for peers.
   *
   * @param request What to tell.
   * @param options What gives up.
   * @yields {AnnounceResponse} What it answers over each family.
   * @throws {TrackerError} If it refuses or does not answer.
   */
  async *announce(
    request: AnnounceRequest,
    { signal }: { signal: AbortSignal },
  ): AsyncGenerator<AnnounceResponse, void, undefined> {
    yield* this.#overEachFamily(async (addresses, { family, signal }) => {
      const packet = await this.#client.ask(addresses, {
        action: ACTION.announce,
        minLength: 20,
        encode: (connection, transaction) =>
          encodeAnnounce(request, {
            connection,
            transaction,
            urlData: this.#urlData,
          }),
        signal,
      });
      return {
        ...decodeAnnounce(packet, family),
        minInterval: undefined,
        trackerId: undefined,
        warning: undefined,
        externalAddress: undefined,
      };
    }, signal);
  }

  /**
   * Asks how torrents stand, over the family that answers first.
   *
   * @param infoHashes The torrents.
   * @param options What gives up.
   * @returns How each stands; zeros also for what the tracker does not know.
   * @throws {TrackerError} If it refuses or does not answer.
   */
  async scrape(
    infoHashes: readonly Uint8Array[],
    { signal }: { signal: AbortSignal },
  ): Promise<ScrapeCounts[]> {
    const counts: ScrapeCounts[] = [];
    for (let at = 0; at < infoHashes.length; at += MAX_SCRAPED) {
      const part = infoHashes.slice(at, at + MAX_SCRAPED);
      const answers = this.#overEachFamily(async (addresses, { signal }) => {
        const packet = await this.#client.ask(addresses, {
          action: ACTION.scrape,
          minLength: 8 + 12 * part.length,
          encode: (connection, transaction) =>
            encodeScrape(part, { connection, transaction }),
          tries: SCRAPE_TRIES,
          signal,
        });
        return decodeScrape(packet, part.length);
      }, signal);
      for await (const answer of answers) {
        counts.push(...answer);
        break;
      }
    }
    return counts;
  }

  async *#overEachFamily<T>(
    ask: (
      addresses: readonly Endpoint[],
      options: { family: AddressFamily; signal: AbortSignal },
    ) => Promise<T>,
    signal: AbortSignal,
  ): AsyncGenerator<T, void, undefined> {
    const all = await this.#guard(() =>
      this.#client.resolve(this.#endpoint, { signal })
    );
    const attempts = ([4, 6] as const).flatMap((family): Attempt<T>[] => {
      const addresses = all.filter((address) => familyOf(address) === family);
      if (addresses.length === 0) return [];
      return [
        (signal) => this.#guard(() => ask(addresses, { family, signal })),
      ];
    });
    yield* eachAnswer(attempts, { signal });
  }

  /** What the network and the protocol report, as a tracker's failure. */
  async #guard<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      if (error instanceof NetworkError || error instanceof ProtocolError) {
        throw new TrackerError(
          `${this.name} cannot be asked: ${error.message}`,
          { cause: error },
        );
      }
      throw error;
    }
  }
}
