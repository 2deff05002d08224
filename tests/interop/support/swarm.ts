/**
 * A swarm of real programs on loopback: opentracker, clients, and btget.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { basename } from "@std/path";
import { Buffer } from "node:buffer";
import type { Endpoint } from "../../../src/bytes/endpoint.ts";
import { formatMagnet } from "../../../src/metainfo/magnet.ts";
import { wireHashesOf } from "../../../src/wire/handshake.ts";
import { type FormRecipe, makeForm } from "../../support/make_form.ts";
import {
  type MadeTorrent,
  makeTorrent,
  type TorrentRecipe,
  writePayload,
} from "../../support/make_torrent.ts";
import { TempFolder } from "../../support/temp_folder.ts";
import { Btget, type BtgetProgram, type BtgetRecord } from "./btget.ts";
import { Child, waitUntil } from "./child.ts";
import type { ClientKind, ClientSite } from "./clients.ts";
import { freePort, freshAddress, isListening } from "./loopback.ts";
import { OpenTracker, type Scrape } from "./opentracker.ts";

/** Hashing, joining the tracker and a slow machine together. */
const READY_SECONDS = 60;

/** To compare files costs time that those who write them need. */
const COMPARE_INTERVAL_MS = 250;

/** What a swarm consists of. */
export interface SwarmOptions {
  /** The torrent; its tracker is the swarm's. */
  recipe: TorrentRecipe | FormRecipe;
  /**
   * The URLs of its trackers, each a tier; the swarm's own if not given. With
   * none of them nobody finds anybody without help.
   */
  trackers?: (own: OpenTracker) => string[];
  /** The clients that have it. */
  seeders: readonly ClientKind[];
  /** The clients that download it; none if not given. */
  leechers?: readonly ClientKind[];
  /** How fast each seeder may send, in KiB/s; without limit if not given. */
  maxRate?: number;
}

/** How a client joins a swarm. */
export interface JoinOptions extends Pick<ClientSite, "bootstrap" | "knows"> {
  /** Whether it has everything; it has nothing if not. */
  isSeeder: boolean;
  /** The link that it gets instead of the torrent's file. */
  link?: string | undefined;
  /** How fast it may send or receive, in KiB/s; without limit if not given. */
  maxRate?: number | undefined;
}

/** What a magnet link to a swarm's torrent says beside its info hash. */
export interface LinkOptions {
  /** Whether it names the trackers. */
  hasTrackers?: boolean;
  /** The peers that it names. */
  peers?: readonly Endpoint[];
  /** By which info hashes it names the torrent; by all if not given. */
  by?: "v1" | "v2" | undefined;
}

/** Options for a run of btget in a swarm. */
export interface BtgetRunOptions {
  /** The form of the program; its source if not given. */
  program?: BtgetProgram | undefined;
  /** What it shall do, if it is not to download. */
  subcommand?: string;
  /** What it is to work on; the torrent's file if not given. */
  source?: string;
  /** Arguments beside the torrent. */
  args?: readonly string[];
  /** The port that others can connect to; any free one if not given. */
  listenPort?: number;
  /** Whether the torrent comes from standard input, rather than its file. */
  fromStdin?: boolean;
  /** Whether it may use the DHT and local discovery. */
  beyondTrackers?: boolean;
}

/** A swarm that runs. */
export class Swarm implements AsyncDisposable {
  /** The torrent that it is about. */
  readonly made: MadeTorrent;
  /** The torrent's file, in a folder of its own. */
  readonly torrentPath: string;
  readonly #options: SwarmOptions;
  readonly #folder = new TempFolder();
  readonly #tracker = new OpenTracker();
  readonly #clients: Client[] = [];
  readonly #runs: Btget[] = [];
  #seeds = 0;

  /**
   * A swarm that does not run yet.
   *
   * @param options What it will consist of.
   */
  constructor(options: SwarmOptions) {
    this.#options = options;
    const { trackers: urls = (own) => [own.announceUrl] } = options;
    const trackers = urls(this.#tracker);
    const { recipe } = options;
    this.made = "form" in recipe
      ? makeForm({ ...recipe, trackers })
      : makeTorrent({ ...recipe, trackers });
    this.torrentPath = this.#folder.join("made.torrent");
    Deno.writeFileSync(this.torrentPath, this.made.bytes);
  }

  /** Starts the tracker and the clients, and waits until all have announced. */
  async start(): Promise<void> {
    const { v1, v2 } = wireHashesOf(this.made.metainfo);
    const infoHashes = [v1, v2].filter((hash) => hash !== undefined);
    await this.#tracker.start(infoHashes);
    const { seeders, leechers = [], maxRate } = this.#options;
    for (const kind of seeders) this.#join(kind, { isSeeder: true, maxRate });
    for (const kind of leechers) this.#join(kind, { isSeeder: false });
    await this.announced();
  }

  /**
   * A magnet link to the torrent.
   *
   * @param options What it says.
   * @returns The link.
   */
  link({ hasTrackers = false, peers, by }: LinkOptions = {}): string {
    const { infoHash, infoHashV2, hasV1, announceTiers } = this.made.metainfo;
    return formatMagnet({
      infoHash,
      hasV1: by === undefined ? hasV1 : by === "v1",
      infoHashV2: by === "v1" ? undefined : infoHashV2,
      announceTiers: hasTrackers ? announceTiers : undefined,
      peers,
    });
  }

  /** Where the clients listen, in the order in which they came. */
  get endpoints(): Endpoint[] {
    return this.#clients.map(({ site }) => ({
      hostname: site.address,
      port: site.port,
    }));
  }

  /**
   * Lets a client join, and waits until it can be connected to.
   *
   * @param kind The client.
   * @param options How.
   * @returns Where it listens.
   */
  async join(kind: ClientKind, options: JoinOptions): Promise<Endpoint> {
    const client = this.#join(kind, options);
    const { address: hostname, port } = client.site;
    await waitUntil(async () => {
      this.#checkClients();
      return await isListening({ hostname, port });
    }, { what: `${kind.name} to listen`, seconds: READY_SECONDS });
    if (options.link) await kind.giveLink?.(client.site);
    return { hostname, port };
  }

  /**
   * Lets clients join that have nothing yet, and waits until they have
   * announced.
   *
   * @param leechers The clients.
   */
  async leech(...leechers: readonly ClientKind[]): Promise<void> {
    for (const kind of leechers) this.#join(kind, { isSeeder: false });
    await this.announced();
  }

  /**
   * Waits until every client has the whole torrent.
   *
   * @param options For how long at most.
   */
  async completed({ seconds }: { seconds: number }): Promise<void> {
    await Promise.all(this.#clients.map(async ({ kind, site }) => {
      await waitUntil(async () => {
        this.#checkClients();
        return await hasFiles(site.payload, this.made);
      }, {
        what: `${kind.name} to have everything`,
        seconds,
        intervalMs: COMPARE_INTERVAL_MS,
      });
    }));
  }

  /** Waits until the tracker knows of all clients, and of those that seed. */
  async announced(): Promise<void> {
    if (this.made.metainfo.announceTiers.length === 0) return;
    const seeders = this.#options.seeders.length + this.#seeds;
    await waitUntil(async () => {
      this.#checkClients();
      const { complete, incomplete } = await this.scrape();
      return complete >= seeders &&
        complete + incomplete >= this.#clients.length + this.#seeds;
    }, { what: "all clients to announce themselves", seconds: READY_SECONDS });
  }

  /** What everybody has written. */
  get log(): string {
    const children = this.#clients.map(({ child }) => child);
    const logs = [...children, ...this.#runs].map((child) => child.log);
    return [this.#tracker.log, ...logs].join("\n");
  }

  /** Ends every client without a word to anybody. */
  async killClients(): Promise<void> {
    for (const { child } of this.#clients) await child[Symbol.asyncDispose]();
  }

  /** Starts every client again where it was. */
  restartClients(): void {
    for (const client of this.#clients) client.child = startClient(client);
  }

  /**
   * Asks the tracker.
   *
   * @returns What it knows of the torrent.
   */
  async scrape(): Promise<Scrape> {
    return await this.#tracker.scrape(this.made.metainfo.infoHash);
  }

  /**
   * Starts a btget that has everything, and waits until it serves that and has
   * announced itself.
   *
   * @param options How to run it.
   * @returns The run.
   */
  async seed(options: BtgetRunOptions = {}): Promise<Btget> {
    const folder = this.#folder.join(`seed${++this.#seeds}`);
    Deno.mkdirSync(folder);
    writePayload(this.made, folder);
    const btget = this.btget(folder, { subcommand: "seed", ...options });
    await btget.said(({ phase }) => phase === "seeding", "it serves");
    if (this.made.metainfo.announceTiers.length > 0) {
      await btget.said(
        ({ type }) => type === "tracker_answered",
        "the tracker's answer",
      );
    }
    return btget;
  }

  /**
   * Starts btget; it ends with the swarm, if not before.
   *
   * @param folder Its current folder, where the files go.
   * @param options How to run it.
   * @returns The run.
   */
  btget(folder: string, options: BtgetRunOptions = {}): Btget {
    const { program, subcommand, args = [], listenPort = 0 } = options;
    const { fromStdin = false, beyondTrackers = false } = options;
    const { source = fromStdin ? "-" : this.torrentPath } = options;
    const torrentPath = source === this.torrentPath ? source : undefined;
    const btget = new Btget({
      program,
      folder,
      torrentPath,
      stdin: fromStdin ? this.made.bytes : undefined,
      args: [
        ...subcommand ? [subcommand] : [],
        "--progress=json",
        `--listen-port=${listenPort}`,
        ...beyondTrackers ? [] : ["--no-dht", "--no-lsd"],
        ...args,
        source,
      ],
    });
    this.#runs.push(btget);
    return btget;
  }

  /**
   * Lets btget download the torrent into an empty folder, where all of the
   * torrent's files and no other must be in the end.
   *
   * @param options How to run it.
   * @returns What btget said.
   */
  async download(options: BtgetRunOptions = {}): Promise<BtgetRecord[]> {
    using folder = new TempFolder();
    const btget = this.btget(folder.path, options);
    assertEquals(await btget.finished(), 0, "exit status");
    await assertFiles(this.made, folder.path);
    return btget.records;
  }

  /** Ends everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.killClients();
    for (const btget of this.#runs) await btget[Symbol.asyncDispose]();
    await this.#tracker[Symbol.asyncDispose]();
    this.#folder[Symbol.dispose]();
  }

  #join(kind: ClientKind, options: JoinOptions): Client {
    const { isSeeder, link, maxRate = 0, bootstrap, knows } = options;
    const number = this.#clients.length + 1;
    const address = freshAddress();
    const site = {
      source: link ?? this.torrentPath,
      payload: this.#folder.join(`payload${number}`),
      isSeeder,
      home: this.#folder.join(`home${number}`),
      address,
      port: freePort(address),
      maxRate,
      bootstrap,
      knows,
    };
    Deno.mkdirSync(site.payload);
    if (isSeeder) writePayload(this.made, site.payload);
    const client = { kind, site, child: startClient({ kind, site }) };
    this.#clients.push(client);
    return client;
  }

  #checkClients(): void {
    for (const { child } of this.#clients) {
      if (child.hasExited) throw new Error(`${child.name} has ended`);
    }
  }
}

/** A client of a swarm, and the process that it is now. */
interface Client {
  kind: ClientKind;
  site: ClientSite;
  child: Child;
}

function startClient({ kind, site }: Omit<Client, "child">): Child {
  const { home } = site;
  Deno.mkdirSync(home, { recursive: true });
  return new Child(kind.name, {
    command: kind.command(site),
    cwd: home,
    env: {
      PATH: Deno.env.get("PATH") ?? "",
      HOME: home,
      TMPDIR: home,
      LANG: "C.UTF-8",
    },
  });
}

/**
 * Runs a test in a swarm. If it fails, everybody's logs are shown.
 *
 * @param options What the swarm consists of.
 * @param test The test.
 */
export async function withSwarm(
  options: SwarmOptions,
  test: (swarm: Swarm) => Promise<void>,
): Promise<void> {
  await using swarm = new Swarm(options);
  try {
    await swarm.start();
    await test(swarm);
  } catch (error) {
    // deno-lint-ignore no-console
    console.log(swarm.log);
    throw error;
  }
}

/**
 * Checks that a folder holds the files of a torrent, and no other.
 *
 * @param made The torrent.
 * @param folder The folder.
 */
export async function assertFiles(
  made: MadeTorrent,
  folder: string,
): Promise<void> {
  const wanted = new Map<string, string>();
  for (const [path, bytes] of made.files) {
    wanted.set(path, await sha256(bytes));
  }
  const found = new Map<string, string>();
  for (const path of filesIn(folder)) {
    found.set(path, await sha256(await Deno.readFile(`${folder}/${path}`)));
  }
  assertEquals(sorted(found), sorted(wanted), `files in ${basename(folder)}`);
}

/** Whether the files of a torrent lie in a folder, whatever else does. */
async function hasFiles(folder: string, made: MadeTorrent): Promise<boolean> {
  for (const [path, bytes] of made.files) {
    // Transmission creates no file without bytes.
    if (bytes.length === 0) continue;
    try {
      const found = await Deno.readFile(`${folder}/${path}`);
      if (Buffer.compare(found, bytes) !== 0) return false;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      return false;
    }
  }
  return true;
}

function sorted(files: Map<string, string>): [string, string][] {
  return [...files].sort(([a], [b]) => a < b ? -1 : 1);
}

async function sha256(bytes: Uint8Array): Promise<string> {
  return encodeHex(await crypto.subtle.digest("SHA-256", bytes.slice()));
}

/** The paths of all files below a folder. */
function filesIn(folder: string, prefix = ""): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory
      ? filesIn(`${folder}/${name}`, `${prefix}${name}/`)
      : [prefix + name]
  );
}
