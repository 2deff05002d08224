/**
 * `parseCommand`: arguments → what is wanted. Pure.
 *
 * @module
 */

import { type Endpoint, parseEndpoint } from "../bytes/endpoint.ts";
import { MAX_NAME_BYTES } from "../metainfo/safe_path.ts";
import { parseArgs } from "@std/cli/parse-args";
import { closestString, levenshteinDistance } from "@std/text";

/** The arguments cannot be understood: the message says what to do. */
export class UsageError extends Error {
  /** The name of the class. */
  override readonly name = "UsageError";
}

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
  /** The ports to try to listen on. */
  readonly listenPorts: readonly number[];
  /** Peers to dial whatever trackers say. */
  readonly peers: readonly Endpoint[];
  /** Whether trackers are asked. */
  readonly usesTrackers: boolean;
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

/** The options that are said or not, by their long names. */
export const FLAGS: readonly string[] = [
  "allow-overwrite",
  "check-integrity",
  "continue",
  "hash-check-only",
  "help",
  "no-tracker",
  "quiet",
  "show-files",
  "verbose",
  "version",
];

/** The options that have a value, by their long names. */
export const VALUES: readonly string[] = [
  "dir",
  "listen-port",
  "max-concurrent-downloads",
  "max-peers",
  "out",
  "peer",
  "progress",
  "stall-timeout",
  "stop",
];

/** The long names behind the letters. */
export const SHORT: Readonly<Record<string, string>> = {
  V: "check-integrity",
  c: "continue",
  d: "dir",
  h: "help",
  j: "max-concurrent-downloads",
  o: "out",
  q: "quiet",
  S: "show-files",
  v: "verbose",
};

/** What other programs call our options. */
const KNOWN_ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ["bt-max-peers", "max-peers"],
  ["bt-stop-timeout", "stall-timeout"],
  ["directory-prefix", "dir"],
  ["download-dir", "dir"],
  ["initial-peers", "peer"],
  ["list", "show-files"],
  ["output", "out"],
  ["output-dir", "dir"],
  ["overwrite", "allow-overwrite"],
  ["silent", "quiet"],
  ["verify", "check-integrity"],
]);

/** The ports that BitTorrent clients have always tried first (BEP 3). */
const DEFAULT_PORTS = "6881-6889";

/** As many as other clients take for one torrent. */
const DEFAULT_MAX_PEERS = 50;

/** aria2's number. */
const DEFAULT_CONCURRENT = 5;

/** More ports than this are a mistake. */
const MAX_PORTS = 1000;

/** Two letters are exchanged by two edits; a long name may have more wrong. */
const MIN_TYPO_DISTANCE = 2;

/** The part of a name that may be wrong. */
const TYPO_SHARE = 1 / 3;

/**
 * Reads the arguments.
 *
 * @param args As the system gives them.
 * @returns What is wanted.
 * @throws {UsageError} If they cannot be understood.
 */
export function parseCommand(args: readonly string[]): Command {
  const { options, sources } = spellOut(args);
  const parsed = parseArgs(options, {
    boolean: [...FLAGS],
    string: [...VALUES],
    collect: ["peer"],
    unknown: (_argument, key) => {
      throw unknownOption(`--${key}`);
    },
  });
  if (parsed["help"]) return { type: "help" };
  if (parsed["version"]) return { type: "version" };
  const values = new Values(parsed);
  if (sources.length === 0) {
    throw new UsageError(
      "Nothing to download: name a .torrent file, the URL of one, or - for " +
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
  return Object.freeze({
    type: parsed["show-files"] ? "show" : "download",
    sources,
    folder: values.text("dir") ?? ".",
    out,
    isQuiet: parsed["quiet"] === true,
    isVerbose: parsed["verbose"] === true,
    progress: values.oneOf("progress", PROGRESS_FORMS) ?? "auto",
    maxPeers: values.count("max-peers") ?? DEFAULT_MAX_PEERS,
    listenPorts: ports(values.text("listen-port") ?? DEFAULT_PORTS),
    peers: values.endpoints("peer"),
    usesTrackers: parsed["no-tracker"] !== true,
    stopAfter: values.seconds("stop"),
    stallTimeout: values.seconds("stall-timeout"),
    mustCheckAll: parsed["check-integrity"] === true ||
      parsed["hash-check-only"] === true,
    isCheckOnly: parsed["hash-check-only"] === true,
    mayOverwrite: parsed["allow-overwrite"] === true,
    maxConcurrent: values.count("max-concurrent-downloads") ??
      DEFAULT_CONCURRENT,
  });
}

/** The values of options, each checked as what it must be. */
class Values {
  readonly #parsed: Record<string, unknown>;

  constructor(parsed: Record<string, unknown>) {
    this.#parsed = parsed;
  }

  text(name: string): string | undefined {
    const value = this.#parsed[name];
    if (value === "") throw new UsageError(`--${name} needs a value`);
    return value === undefined ? undefined : String(value);
  }

  oneOf<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const text = this.text(name);
    const choice = choices.find((choice) => choice === text);
    if (text === undefined || choice !== undefined) return choice;
    throw new UsageError(
      `--${name} must be one of ${choices.join(", ")}; got '${text}'`,
    );
  }

  count(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
    throw new UsageError(
      `--${name} must be a whole number from 1 to 999999; got '${text}'`,
    );
  }

  seconds(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const seconds = Number(text);
    if (/^\d{1,8}(\.\d+)?$/.test(text)) {
      return seconds > 0 ? seconds : undefined;
    }
    throw new UsageError(
      `--${name} must be a number of seconds, 0 for no limit; got '${text}'`,
    );
  }

  endpoints(name: string): Endpoint[] {
    const texts = (this.#parsed[name] ?? []) as string[];
    return texts.map((text) => {
      const endpoint = parseEndpoint(text);
      if (endpoint) return endpoint;
      throw new UsageError(
        `--${name} must be HOST:PORT, IPv6 as [ADDRESS]:PORT; got '${text}'`,
      );
    });
  }
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

/**
 * The options in the one spelling that the parser cannot mistake, by their
 * long names with their values behind "=", and the sources apart from them. As
 * they come, it would take `-da=b` for `b`, `--quiet=no` for yes, and a file
 * called `true` for what the flag before it is.
 */
function spellOut(
  args: readonly string[],
): { options: string[]; sources: string[] } {
  const options: string[] = [];
  const sources: string[] = [];
  const rest = args.values();
  for (const arg of rest) {
    if (arg === "--") {
      for (const source of rest) sources.push(source);
    } else if (arg.startsWith("--")) {
      const [, name, value] = /^--([^=]*)(?:=(.*))?$/s.exec(arg)!;
      if (!name) throw unknownOption(arg);
      options.push(spelled(name, { written: `--${name}`, value, rest }));
    } else if (arg.startsWith("-") && arg !== "-") {
      options.push(...spelledLetters(arg, rest));
    } else {
      sources.push(arg);
    }
  }
  return { options, sources };
}

/** One or more letters behind one dash; the last may have a value. */
function spelledLetters(arg: string, rest: Iterator<string>): string[] {
  if (isOption(arg.slice(1))) throw unknownOption(arg);
  const options: string[] = [];
  for (let at = 1; at < arg.length; at++) {
    const written = `-${arg[at]}`;
    const name = SHORT[arg[at]!];
    if (name === undefined) throw unknownOption(written);
    if (VALUES.includes(name)) {
      const value = arg.slice(at + 1).replace(/^=/, "") || undefined;
      return [...options, spelled(name, { written, value, rest })];
    }
    options.push(spelled(name, { written, value: undefined, rest }));
  }
  return options;
}

/** One option; a value that stands apart is taken from the arguments left. */
function spelled(
  name: string,
  { written, value, rest }: {
    written: string;
    value: string | undefined;
    rest: Iterator<string>;
  },
): string {
  if (VALUES.includes(name)) {
    return `--${name}=${value ?? separateValue(written, rest)}`;
  }
  if (value !== undefined && FLAGS.includes(name)) {
    throw new UsageError(`${written} takes no value; got '${value}'`);
  }
  return `--${name}`;
}

function separateValue(written: string, rest: Iterator<string>): string {
  const { value: next, done } = rest.next();
  if (done) throw new UsageError(`${written} needs a value`);
  if (!next.startsWith("-") || next === "-") return next;
  throw new UsageError(
    `${written} needs a value; one that begins with a dash is written ` +
      `${written}=${next}`,
  );
}

function isOption(name: string): boolean {
  return FLAGS.includes(name) || VALUES.includes(name);
}

function unknownOption(written: string): UsageError {
  const name = written.replace(/^--?/, "");
  const meant = name.length > 1 ? closestOption(name) : undefined;
  const suggestion = meant === undefined ? "" : `; did you mean --${meant}?`;
  return new UsageError(`Unknown option ${written}${suggestion}`);
}

function closestOption(name: string): string | undefined {
  const names = [...FLAGS, ...VALUES];
  const known = KNOWN_ELSEWHERE.get(name) ??
    names.find((option) => option.startsWith(name));
  if (known !== undefined) return known;
  const closest = closestString(name, names);
  const patience = Math.max(MIN_TYPO_DISTANCE, name.length * TYPO_SHARE);
  return levenshteinDistance(name, closest) <= patience ? closest : undefined;
}
