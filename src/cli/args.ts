/**
 * `parseCommand`: arguments → what is wanted. Pure.
 *
 * @module
 */

import type { Endpoint } from "../bytes/endpoint.ts";
import { MAX_NAME_BYTES } from "../metainfo/safe_path.ts";
import { checkWebSeed } from "./create_args.ts";
import { readOptions, UsageError } from "./options.ts";
import { Values } from "./values.ts";
import type { SeedingGoal } from "../mod.ts";

/** How progress is shown. */
export type ProgressForm = "auto" | "bar" | "line" | "json" | "none";

/** What is wanted of the sources. */
export interface DownloadCommand {
  /** What to do. */
  readonly type: "download" | "show";
  /** Paths, URLs, or `-` for standard input. */
  readonly sources: readonly string[];
  /** The download folder. */
  readonly folder: string;
  /** The user's name for the download. */
  readonly out: string | undefined;
  /** Whether only errors are said. */
  readonly isQuiet: boolean;
  /** Whether everything that happens is said. */
  readonly isVerbose: boolean;
  /** How progress is shown. */
  readonly progress: ProgressForm;
  /** How many peers a torrent may have. */
  readonly maxPeers: number;
  /** How many peers all torrents together may have. */
  readonly maxPeersTotal: number;
  /** How fast peers may send to us, in bytes per second, if limited. */
  readonly maxDownloadRate: number | undefined;
  /** How fast we may send to peers, in bytes per second, if limited. */
  readonly maxUploadRate: number | undefined;
  /** The ports to try to listen on. */
  readonly listenPorts: readonly number[];
  /** Peers to dial whatever trackers say. */
  readonly peers: readonly Endpoint[];
  /** URLs of web seeds beside those of the torrent. */
  readonly webSeeds: readonly string[];
  /** Whether trackers are asked. */
  readonly usesTrackers: boolean;
  /** The URLs of trackers to ask beside those of the torrent. */
  readonly extraTrackers: readonly string[];
  /** The URLs of the torrent's trackers not to ask; `*` for all of them. */
  readonly excludedTrackers: readonly string[];
  /** Whether trackers are asked how what is shown stands. */
  readonly scrapes: boolean;
  /** Whether we take part in the DHT. */
  readonly usesDht: boolean;
  /** Where to find into the DHT; well-known hosts if there is none. */
  readonly dhtBootstrap: readonly Endpoint[];
  /** Where the nodes of the DHT are kept between runs. */
  readonly dhtFile: string | undefined;
  /** Whether peers are looked for in the local network. */
  readonly usesLocalDiscovery: boolean;
  /** After how many seconds to stop. */
  readonly stopAfter: number | undefined;
  /** After how many seconds without progress to give up. */
  readonly stallTimeout: number | undefined;
  /** Whether everything on disk is checked anew. */
  readonly mustCheckAll: boolean;
  /** Whether what is on disk is checked, and nothing else done. */
  readonly isCheckOnly: boolean;
  /** Whether files that are not ours may be changed. */
  readonly mayOverwrite: boolean;
  /** How many torrents are worked on at a time. */
  readonly maxConcurrent: number;
  /** Whether only the .torrent file of each source is wanted. */
  readonly isMetadataOnly: boolean;
  /** Whether the .torrent file is kept beside the download. */
  readonly savesMetadata: boolean;
  /** How long to serve others in the end; not at all if not given. */
  readonly seeding: SeedingGoal | undefined;
}

/** What the arguments ask for. */
export type Command =
  | { readonly type: "help" }
  | { readonly type: "version" }
  | DownloadCommand;

const PROGRESS_FORMS: readonly ProgressForm[] = [
  "auto",
  "bar",
  "line",
  "json",
  "none",
];

/** The ports that BitTorrent clients have always tried first (BEP 3). */
const DEFAULT_PORTS = "6881-6889";

/** As many as other clients take for one torrent. */
const DEFAULT_MAX_PEERS = 50;

/** The number of transmission and libtorrent. */
const DEFAULT_MAX_PEERS_TOTAL = 200;

/** aria2's number. */
const DEFAULT_CONCURRENT = 5;

/** More ports than this are a mistake. */
const MAX_PORTS = 1000;

/**
 * Reads the arguments.
 *
 * @param args As the system gives them.
 * @returns What is wanted.
 * @throws {UsageError} If they cannot be understood.
 */
export function parseCommand(args: readonly string[]): Command {
  const { parsed, subcommand, sources } = readOptions(args);
  if (parsed["help"]) return { type: "help" };
  if (parsed["version"]) return { type: "version" };
  const values = new Values(parsed);
  if (sources.length === 0) {
    throw new UsageError(
      `Nothing to ${
        subcommand ?? "download"
      }: name a .torrent file, the URL of one, or - for ` +
        "standard input",
    );
  }
  if (sources.some((source) => source === "")) {
    throw new UsageError("A source must not be empty");
  }
  if (sources.filter((source) => source === "-").length > 1) {
    throw new UsageError("Standard input can be read only once");
  }
  const out = values.text("out");
  if (out !== undefined && sources.length > 1) {
    throw new UsageError("--out names one download, and there are several");
  }
  if (out !== undefined) checkName(out);
  const type = parsed["show-files"] || subcommand === "show"
    ? "show"
    : "download";
  if (parsed["scrape"] && type !== "show") {
    throw new UsageError("--scrape is for 'btget show'");
  }
  const maxPeers = values.count("max-peers") ?? DEFAULT_MAX_PEERS;
  return Object.freeze({
    type,
    sources,
    folder: values.text("dir") ?? ".",
    out,
    isQuiet: parsed["quiet"] === true,
    isVerbose: parsed["verbose"] === true,
    progress: values.oneOf("progress", PROGRESS_FORMS) ?? "auto",
    maxPeers,
    // Who asks for many peers for a torrent means it.
    maxPeersTotal: values.count("max-peers-total") ??
      Math.max(maxPeers, DEFAULT_MAX_PEERS_TOTAL),
    maxDownloadRate: values.rate("max-download-limit"),
    maxUploadRate: values.rate("max-upload-limit"),
    listenPorts: ports(values.text("listen-port") ?? DEFAULT_PORTS),
    peers: values.endpoints("peer"),
    webSeeds: values.texts("web-seed").map(checkWebSeed),
    usesTrackers: parsed["no-tracker"] !== true,
    extraTrackers: values.trackers("bt-tracker"),
    excludedTrackers: values.list("bt-exclude-tracker"),
    scrapes: parsed["scrape"] === true,
    usesDht: parsed["no-dht"] !== true,
    dhtBootstrap: values.endpoints("dht-bootstrap"),
    dhtFile: values.text("dht-file"),
    usesLocalDiscovery: parsed["no-lsd"] !== true,
    stopAfter: values.seconds("stop"),
    stallTimeout: values.seconds("stall-timeout"),
    mustCheckAll: parsed["check-integrity"] === true ||
      parsed["hash-check-only"] === true,
    isCheckOnly: parsed["hash-check-only"] === true,
    mayOverwrite: parsed["allow-overwrite"] === true,
    maxConcurrent: values.count("max-concurrent-downloads") ??
      DEFAULT_CONCURRENT,
    isMetadataOnly: parsed["metadata-only"] === true,
    savesMetadata: parsed["save-metadata"] === true,
    seeding: seeding(values, {
      isWanted: subcommand === "seed",
      isSuper: parsed["super-seed"] === true,
    }),
  });
}

/** As in aria2: a ratio of 0 is for ever, a time of 0 not at all. */
function seeding(
  values: Values,
  { isWanted, isSuper }: { isWanted: boolean; isSuper: boolean },
): SeedingGoal | undefined {
  const ratio = values.number("seed-ratio");
  const minutes = values.number("seed-time");
  const isNamed = ratio !== undefined || minutes !== undefined;
  if (isSuper && !isWanted) {
    throw new UsageError("--super-seed is for 'btget seed'");
  }
  if (!isWanted && (!isNamed || minutes === 0)) return undefined;
  return {
    ratio: ratio || undefined,
    timeMs: minutes ? minutes * 60_000 : undefined,
    isSuper,
  };
}

/** One port, or a range from the first to the last; 0 is any free one. */
function ports(text: string): number[] {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? first);
  if (!match || first > last || last > 65535 || last - first >= MAX_PORTS) {
    throw new UsageError(
      "--listen-port must be a port or a range such as 6881-6889, of at most " +
        `${MAX_PORTS} ports; got '${text}'`,
    );
  }
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

/** The user's name for a download: one name, as file systems have them. */
function checkName(out: string): void {
  if (out === "-") {
    throw new UsageError(
      "--out must be a name: nothing can be written to standard output",
    );
  }
  if (/[/\\]/.test(out) || out === "." || out === "..") {
    throw new UsageError("--out must be a name; the folder is for --dir");
  }
  if (new TextEncoder().encode(out).length > MAX_NAME_BYTES) {
    throw new UsageError(`--out must not be over ${MAX_NAME_BYTES} bytes long`);
  }
}
