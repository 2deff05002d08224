/**
 * `DhtUpkeep`: how we find into the DHT, and stay in it (BEP 5): bootstrap,
 * nodes that somebody names, and tables that are kept fresh.
 *
 * @module
 */

import {
  type AddressFamily,
  type Endpoint,
  familyOf,
  formatEndpoint,
} from "../bytes/endpoint.ts";
import type { Clock } from "../clock.ts";
import { NetworkError } from "../errors.ts";
import type { Resolver } from "../net/resolve.ts";
import { TaskGroup } from "../task_group.ts";
import { type DhtClient, mayName } from "./dht_client.ts";
import {
  type DhtNetwork,
  type DhtNetworks,
  networkFor,
} from "./dht_network.ts";
import type { NodeContact } from "./node_contact.ts";
import { BUCKET_SIZE } from "./routing_table.ts";

/** Where strangers find in; such nodes only name others. */
export const BOOTSTRAP_NODES: readonly Endpoint[] = [
  { hostname: "router.bittorrent.com", port: 6881 },
  { hostname: "dht.transmissionbt.com", port: 6881 },
  { hostname: "dht.libtorrent.org", port: 25401 },
  { hostname: "router.utorrent.com", port: 6881 },
];

/** How often the tables are looked after. */
const UPKEEP_INTERVAL_MS = 60_000;

/** Who finds nobody tries again after this, then twice as long each time. */
const RETRY_MS = 5_000;
const MAX_RETRY_MS = 5 * 60_000;

/** Buckets are refreshed every 15 minutes: who was there has answered then. */
const LONELY_AFTER_MS = 20 * 60_000;

/** The system's resolver may take long when there is no network. */
const RESOLVE_TIMEOUT_MS = 10_000;

/** How many nodes that somebody named are tried at a time: others are lost. */
const MAX_PINGS = 16;

/** How many of them wait for that. */
const MAX_NAMED = 64;

/** Both DHTs. */
export const FAMILIES: readonly AddressFamily[] = [4, 6];

/** What it is made of. */
export interface DhtUpkeepOptions {
  /** What asks. */
  client: DhtClient;
  /** What is looked after. */
  networks: DhtNetworks;
  /** Where to find in. */
  bootstrap: readonly Endpoint[];
  /** Finds addresses. */
  resolve: Resolver;
  /** The time. */
  clock: Clock;
  /** Gives random bytes. */
  randomBytes: (length: number) => Uint8Array;
}

/** Keeps us in the DHT. */
export class DhtUpkeep {
  readonly #options: DhtUpkeepOptions;
  /** Nodes that an earlier run has known, not asked yet. */
  saved: Readonly<Record<AddressFamily, readonly NodeContact[]>> = {
    4: [],
    6: [],
  };
  /** Nodes that somebody named, not asked yet. */
  readonly #named = new Map<string, Endpoint>();
  readonly #ready = Promise.withResolvers<void>();
  #tasks: TaskGroup | undefined;
  #pings = 0;

  /**
   * Does nothing yet.
   *
   * @param options What it is made of.
   */
  constructor(options: DhtUpkeepOptions) {
    this.#options = options;
  }

  /**
   * Finds into the DHT and stays there until stopped.
   *
   * @param options What stops it.
   */
  async run({ signal }: { signal: AbortSignal }): Promise<void> {
    const { clock } = this.#options;
    await using tasks = new TaskGroup({ signal });
    this.#tasks = tasks;
    this.#tryNamed();
    let retryMs = RETRY_MS;
    for (;;) {
      let waitMs = UPKEEP_INTERVAL_MS;
      if (this.#isLonely) await this.#findIn(signal);
      if (this.#isLonely) {
        waitMs = retryMs;
        retryMs = Math.min(MAX_RETRY_MS, retryMs * 2);
      } else {
        retryMs = RETRY_MS;
      }
      await clock.delay(waitMs, { signal });
      this.#refresh();
    }
  }

  /**
   * Waits until there is somebody to ask.
   *
   * @param options What gives up.
   */
  async whenReady({ signal }: { signal: AbortSignal }): Promise<void> {
    signal.throwIfAborted();
    const aborted = Promise.withResolvers<never>();
    const giveUp = () => aborted.reject(signal.reason);
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      await Promise.race([this.#ready.promise, aborted.promise]);
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }

  /**
   * Somebody names a node.
   *
   * @param endpoint Where it is; a name will do.
   */
  addNode(endpoint: Endpoint): void {
    if (this.#named.size >= MAX_NAMED) return;
    this.#named.set(formatEndpoint(endpoint), endpoint);
    this.#tryNamed();
  }

  /**
   * A node has asked us something, and could be in the table.
   *
   * @param endpoint Where it is.
   */
  onStranger(endpoint: Endpoint): void {
    // Whoever asks again will be asked then.
    if (this.#pings < MAX_PINGS) this.#try(endpoint);
  }

  /**
   * A node has answered us.
   *
   * @param network Where.
   */
  onReply({ table }: DhtNetwork): void {
    // Those alone who keep BEP 42 lead where they should.
    if (table.fittingNodes >= BUCKET_SIZE) this.#ready.resolve();
  }

  /**
   * We have another id, and so other neighbours.
   *
   * @param network Where.
   */
  onMove(network: DhtNetwork): void {
    this.#tasks?.spawn((signal) => this.#lookAround(network, { signal }));
  }

  /** Whether there is nobody left who would answer. */
  get #isLonely(): boolean {
    const { networks, clock } = this.#options;
    const now = clock.now();
    return FAMILIES.every((family) =>
      networks[family].table.silentFor(now) > LONELY_AFTER_MS
    );
  }

  #refresh(): void {
    const { networks, clock, randomBytes } = this.#options;
    const now = clock.now();
    for (const family of FAMILIES) {
      const network = networks[family];
      const { table } = network;
      for (const { endpoint } of table.doubtful(now)) this.#try(endpoint);
      if (table.size === 0) continue;
      for (const target of table.stale(now, { randomBytes })) {
        this.#tasks?.spawn((signal) => this.#find(network, { target, signal }));
      }
    }
  }

  /** Asks those known from before, and the well-known ones beside them. */
  async #findIn(signal: AbortSignal): Promise<void> {
    const { networks, bootstrap } = this.#options;
    const { saved } = this;
    this.saved = { 4: [], 6: [] };
    const known = FAMILIES.map((family) =>
      this.#lookAround(networks[family], { seeds: saved[family], signal })
    );
    const named: Record<AddressFamily, NodeContact[]> = { 4: [], 6: [] };
    await Promise.all(bootstrap.map(async (host) => {
      const endpoints = await this.#resolve(host, signal);
      await Promise.all(endpoints.map(async (endpoint) => {
        const nodes = await this.#askForNodes(endpoint, { host, signal });
        for (const node of nodes) named[familyOf(node.endpoint)!].push(node);
      }));
    }));
    await Promise.all([
      ...known,
      ...FAMILIES.map((family) =>
        this.#lookAround(networks[family], { seeds: named[family], signal })
      ),
    ]);
  }

  /** Asks a well-known node for nodes of both families (BEP 32). */
  async #askForNodes(
    endpoint: Endpoint,
    { host, signal }: { host: Endpoint; signal: AbortSignal },
  ): Promise<NodeContact[]> {
    const { client, networks } = this.#options;
    const target = networkFor(networks, endpoint).table.id;
    const query = { method: "find_node", target, want: FAMILIES } as const;
    // BEP 5: those that everybody asks stay out of everybody's tables.
    const isRouter = BOOTSTRAP_NODES
      .some(({ hostname }) => hostname === host.hostname);
    const reply = await client.ask(endpoint, query, { isRouter, signal });
    if (reply?.type !== "response") return [];
    const { nodes = [], nodes6 = [] } = reply.values;
    return [...nodes, ...nodes6]
      .filter((node) => mayName(endpoint, node.endpoint));
  }

  /**
   * Finds the nodes nearest to ourselves (BEP 5), then others wherever there is
   * room for them: who does not know its part of the space sends others astray.
   */
  async #lookAround(
    network: DhtNetwork,
    options: { seeds?: readonly NodeContact[]; signal: AbortSignal },
  ): Promise<void> {
    const { table } = network;
    await this.#find(network, { target: table.id, ...options });
    if (table.size === 0) return;
    this.#ready.resolve();
    const { randomBytes } = this.#options;
    const { signal } = options;
    await Promise.all(
      table.sparse({ randomBytes })
        .map((target) => this.#find(network, { target, signal })),
    );
  }

  async #find(
    network: DhtNetwork,
    { target, seeds = [], signal }: {
      target: Uint8Array;
      seeds?: readonly NodeContact[];
      signal: AbortSignal;
    },
  ): Promise<void> {
    const { client } = this.#options;
    const lookup = client.lookup(network, target);
    lookup.add(seeds);
    const query = { method: "find_node", target } as const;
    await client.search(lookup, { query, signal });
  }

  #tryNamed(): void {
    if (!this.#tasks) return;
    for (const [key, endpoint] of this.#named) {
      if (this.#pings >= MAX_PINGS) return;
      this.#named.delete(key);
      this.#try(endpoint);
    }
  }

  /** Asks a node whether it is there; if it is, it gets into the table. */
  #try(host: Endpoint): void {
    this.#pings++;
    this.#tasks?.spawn(async (signal) => {
      try {
        for (const endpoint of await this.#resolve(host, signal)) {
          await this.#ping(endpoint, signal);
        }
      } finally {
        this.#pings--;
      }
      this.#tryNamed();
    });
  }

  async #ping(endpoint: Endpoint, signal: AbortSignal): Promise<void> {
    const { client, networks } = this.#options;
    const network = networkFor(networks, endpoint);
    const isFirst = network.table.size === 0;
    await client.ask(endpoint, { method: "ping" }, { signal });
    // BEP 5: "Upon inserting the first node into its routing table …".
    if (isFirst && network.table.size > 0) {
      await this.#lookAround(network, { signal });
    }
  }

  /** The addresses of a host; none if the system finds none in time. */
  async #resolve(host: Endpoint, signal: AbortSignal): Promise<Endpoint[]> {
    if (familyOf(host) !== undefined) return [host];
    const { clock, resolve } = this.#options;
    const over = new AbortController();
    const giveUp = () => over.abort(signal.reason);
    signal.addEventListener("abort", giveUp, { once: true });
    const late = async (): Promise<Endpoint[]> => {
      await clock.delay(RESOLVE_TIMEOUT_MS, { signal: over.signal });
      return [];
    };
    try {
      return await Promise.race([
        resolve(host, { signal: over.signal }),
        late(),
      ]);
    } catch (error) {
      if (error instanceof NetworkError) return [];
      throw error;
    } finally {
      signal.removeEventListener("abort", giveUp);
      over.abort();
    }
  }
}
