/**
 * `TrackerServer`: a small HTTP tracker (BEP 3, 7, 23, 24,
 * 48) in this process, for
 * the demonstration, for tests, and for a swarm of one's own.
 *
 * It keeps everything in memory, and forgets whoever does not announce again.
 *
 * @module
 */

import { encodeBencode, fromLatin1 } from "../bytes/bencode.ts";
import {
  encodeCompactEndpoint,
  endpointOf,
  familyOf,
  formatEndpoint,
  parseAddress,
} from "../bytes/endpoint.ts";
import { HASH_LENGTH } from "../bytes/hash.ts";
import {
  type AnnouncedPeer,
  AnnouncedSwarms,
  INTERVAL_S,
} from "./announced_swarms.ts";
import type { AnnounceEvent } from "./tracker.ts";

/** When a peer may ask again. */
const MIN_INTERVAL_S = 60;

const EVENTS: readonly AnnounceEvent[] = ["started", "completed", "stopped"];

/** Options for {@linkcode TrackerServer}. */
export interface TrackerServerOptions {
  /** The address to listen on; this machine only if not given. */
  hostname?: string;
  /** The port to listen on; any free one if not given. */
  port?: number;
  /** What it knows, to be shared with others; its own if not given. */
  swarms?: AnnouncedSwarms;
}

/** A tracker that is running. */
export class TrackerServer implements AsyncDisposable {
  readonly #swarms: AnnouncedSwarms;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  /**
   * Starts a tracker.
   *
   * @param options Where it listens.
   */
  constructor(options: TrackerServerOptions = {}) {
    this.#swarms = options.swarms ?? new AnnouncedSwarms();
    this.#server = Deno.serve({
      hostname: options.hostname ?? "127.0.0.1",
      port: options.port ?? 0,
      onListen: () => {},
    }, (request, { remoteAddr }) => this.#answer(request, remoteAddr));
  }

  /** The URL to announce to. */
  get announceUrl(): string {
    return `http://${formatEndpoint(this.#server.addr)}/announce`;
  }

  /** Stops the tracker. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  #answer(request: Request, from: Deno.NetAddr): Response {
    const url = new URL(request.url);
    if (request.method !== "GET") return new Response(null, { status: 405 });
    const query = parseQuery(url.search);
    if (url.pathname === "/announce") return this.#announce(query, from);
    if (url.pathname === "/scrape") return this.#scrape(query);
    return new Response("A BitTorrent tracker: /announce\n", { status: 404 });
  }

  #announce(query: Query, from: Deno.NetAddr): Response {
    const infoHash = query.get("info_hash")?.[0];
    const peerId = query.get("peer_id")?.[0];
    const endpoint = endpointOf(from.hostname, numberOf(query, "port"));
    if (infoHash?.length !== HASH_LENGTH || peerId?.length !== HASH_LENGTH) {
      return refusal("info_hash and peer_id must be 20 bytes each");
    }
    if (!endpoint) return refusal("port must be from 1 to 65535");
    const others = this.#swarms.announce({
      infoHash,
      endpoint,
      peerId: fromLatin1(peerId),
      isSeed: query.has("left") && numberOf(query, "left") === 0,
      event: EVENTS.find((event) => event === query.get("event")?.[0]),
      wanted: query.has("numwant") ? numberOf(query, "numwant") : 50,
    }, performance.now());
    const { seeders, leechers } = this.#swarms.counts(infoHash)!;
    return bencoded({
      complete: seeders,
      incomplete: leechers,
      interval: INTERVAL_S,
      "min interval": MIN_INTERVAL_S,
      "external ip": parseAddress(endpoint.hostname),
      ...(query.get("compact")?.[0] === "0"
        ? { peers: others.map(listed) }
        : { peers: compact(others, 4), peers6: compact(others, 6) }),
    });
  }

  #scrape(query: Query): Response {
    const hashes = query.get("info_hash") ?? this.#swarms.infoHashes;
    const files = new Map(hashes.flatMap((infoHash) => {
      const counts = this.#swarms.counts(infoHash);
      if (!counts) return [];
      return [[infoHash, {
        complete: counts.seeders,
        downloaded: counts.completed,
        incomplete: counts.leechers,
      }]];
    }));
    return bencoded({ files });
  }
}

/** The arguments of a query; bytes, one character for each. */
type Query = Map<string, string[]>;

/** Escaped bytes need not be UTF-8, so the platform's parser cannot be used. */
function parseQuery(search: string): Query {
  const query: Query = new Map();
  for (const pair of search.slice(1).split("&")) {
    // Some clients leave "=" in a hash as it is.
    const [name = "", ...values] = pair.split("=");
    const bytes = values.join("=").replace(
      /%([0-9A-Fa-f]{2})/g,
      (_, hex) => String.fromCharCode(parseInt(hex, 16)),
    );
    query.set(name, [...query.get(name) ?? [], bytes]);
  }
  return query;
}

function numberOf(query: Query, name: string): number {
  const text = query.get(name)?.[0] ?? "";
  return /^\d{1,15}$/.test(text) ? Number(text) : 0;
}

function compact(peers: readonly AnnouncedPeer[], family: 4 | 6): Uint8Array {
  const entries = peers
    .filter(({ endpoint }) => familyOf(endpoint) === family)
    .map(({ endpoint }) => encodeCompactEndpoint(endpoint));
  return Uint8Array.from(entries.flatMap((entry) => [...entry]));
}

function listed({ endpoint, peerId }: AnnouncedPeer) {
  return { ip: endpoint.hostname, "peer id": peerId, port: endpoint.port };
}

function refusal(reason: string): Response {
  return bencoded({ "failure reason": reason });
}

function bencoded(value: Parameters<typeof encodeBencode>[0]): Response {
  return new Response(encodeBencode(value).slice(), {
    headers: { "content-type": "text/plain" },
  });
}
