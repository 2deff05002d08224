/**
 * The options: their names, and how they may be written. Pure.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { closestString, levenshteinDistance } from "@std/text";

/** The arguments cannot be understood: the message says what to do. */
export class UsageError extends Error {
  /** The name of the class. */
  override readonly name = "UsageError";
}

/** The options that are said or not, by their long names. */
export const FLAGS: readonly string[] = [
  "allow-overwrite",
  "check-integrity",
  "continue",
  "hash-check-only",
  "help",
  "metadata-only",
  "no-dht",
  "no-lsd",
  "no-tracker",
  "quiet",
  "save-metadata",
  "scrape",
  "show-files",
  "super-seed",
  "verbose",
  "version",
];

/** The options that have a value, by their long names. */
export const VALUES: readonly string[] = [
  "bt-exclude-tracker",
  "bt-tracker",
  "dht-bootstrap",
  "dht-file",
  "dir",
  "listen-port",
  "max-concurrent-downloads",
  "max-download-limit",
  "max-peers",
  "max-peers-total",
  "max-upload-limit",
  "out",
  "peer",
  "progress",
  "seed-ratio",
  "seed-time",
  "stall-timeout",
  "stop",
  "web-seed",
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

/** Words that say what to do, where they come before every source. */
export const SUBCOMMANDS: readonly string[] = ["seed", "show"];

/** The same, where they are the first word of all: their options differ. */
export const TOOLS: readonly string[] = ["create", "edit", "show", "verify"];

/** The options that one way to call the program has. */
export interface OptionSet {
  /** Those that are said or not, by their long names. */
  readonly flags: readonly string[];
  /** Those that have a value, by their long names. */
  readonly values: readonly string[];
  /** Of these, those that may be repeated. */
  readonly repeated: readonly string[];
  /** The long names behind letters. */
  readonly short: Readonly<Record<string, string>>;
}

/** The options of a download. */
const DOWNLOAD_OPTIONS: OptionSet = {
  flags: FLAGS,
  values: VALUES,
  repeated: [
    "bt-exclude-tracker",
    "bt-tracker",
    "dht-bootstrap",
    "peer",
    "web-seed",
  ],
  short: SHORT,
};

/** What other programs call our options. */
const KNOWN_ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ["bt-max-peers", "max-peers"],
  ["bt-stop-timeout", "stall-timeout"],
  ["directory-prefix", "dir"],
  ["download-dir", "dir"],
  ["initial-peers", "peer"],
  ["limit-rate", "max-download-limit"],
  ["list", "show-files"],
  ["max-overall-download-limit", "max-download-limit"],
  ["max-overall-upload-limit", "max-upload-limit"],
  ["output", "out"],
  ["output-dir", "dir"],
  ["overwrite", "allow-overwrite"],
  ["peer-limit-global", "max-peers-total"],
  ["silent", "quiet"],
  ["tracker", "bt-tracker"],
  ["trackers", "bt-tracker"],
  ["verify", "check-integrity"],
]);

/** Two letters are exchanged by two edits; a long name may have more wrong. */
const MIN_TYPO_DISTANCE = 2;

/** The part of a name that may be wrong. */
const TYPO_SHARE = 1 / 3;

/** What the letter behind a size means; K is 1024, as in aria2 and wget. */
const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  K: 1024,
  M: 1024 ** 2,
  G: 1024 ** 3,
};

/**
 * Reads a size such as `500K`, `1.5M` or `2048`.
 *
 * @param text What somebody wrote.
 * @returns The bytes, or `undefined` if it is no size.
 */
export function parseSize(text: string): number | undefined {
  const match = /^(\d{1,9}(?:\.\d{1,9})?)([KMG]?)$/i.exec(text);
  if (!match) return undefined;
  return Math.floor(Number(match[1]) * UNITS[match[2]!.toUpperCase()]!);
}

/** What stands on a command line. */
export interface SpelledOut {
  /** The options by their long names, with their values behind "=". */
  options: string[];
  /** The subcommand, if one is named: `./show` or `-- show` is a file. */
  subcommand: string | undefined;
  /** Everything else. */
  sources: string[];
}

/**
 * Reads options.
 *
 * @param args The arguments as the system gives them, without the tool's name.
 * @param set The options that there are.
 * @returns The options, the subcommand and everything else.
 * @throws {UsageError} If an option is unknown, or its value is missing.
 */
export function readOptions(
  args: readonly string[],
  set: OptionSet = DOWNLOAD_OPTIONS,
): {
  parsed: Record<string, unknown>;
  subcommand: string | undefined;
  sources: string[];
} {
  const { options, subcommand, sources } = spellOut(args, set);
  const parsed = parseArgs(options, {
    boolean: [...set.flags],
    string: [...set.values],
    collect: [...set.repeated],
    unknown: (_argument, key) => {
      throw unknownOption(`--${key}`, set);
    },
  });
  return { parsed, subcommand, sources };
}

/**
 * Writes the options in the one way that the parser cannot mistake. As they
 * come, it would take `-da=b` for `b`, `--quiet=no` for yes, and a file called
 * `true` for what the flag before it is.
 *
 * @param args The arguments as the system gives them.
 * @param set The options that there are.
 * @returns The options, the subcommand and the sources.
 * @throws {UsageError} If an option is unknown, or its value is missing.
 */
export function spellOut(
  args: readonly string[],
  set: OptionSet = DOWNLOAD_OPTIONS,
): SpelledOut {
  const options: string[] = [];
  const sources: string[] = [];
  let subcommand: string | undefined;
  const rest = args.values();
  for (const arg of rest) {
    if (arg === "--") {
      for (const source of rest) sources.push(source);
    } else if (arg.startsWith("--")) {
      const [, name, value] = /^--([^=]*)(?:=(.*))?$/s.exec(arg)!;
      if (!name) throw unknownOption(arg, set);
      const written = `--${name}`;
      options.push(spelled(name, { written, value, rest, set }));
    } else if (arg.startsWith("-") && arg !== "-") {
      options.push(...spelledLetters(arg, { rest, set }));
    } else if (
      set === DOWNLOAD_OPTIONS && subcommand === undefined &&
      sources.length === 0 && SUBCOMMANDS.includes(arg)
    ) {
      subcommand = arg;
    } else if (
      set === DOWNLOAD_OPTIONS && subcommand === undefined &&
      sources.length === 0 && TOOLS.includes(arg)
    ) {
      throw new UsageError(
        `'${arg}' comes before its options; a file of that name is ./${arg}`,
      );
    } else {
      sources.push(arg);
    }
  }
  return { options, subcommand, sources };
}

/** One or more letters behind one dash; the last may have a value. */
function spelledLetters(
  arg: string,
  { rest, set }: { rest: Iterator<string>; set: OptionSet },
): string[] {
  if (isOption(arg.slice(1), set)) throw unknownOption(arg, set);
  const options: string[] = [];
  for (let at = 1; at < arg.length; at++) {
    const written = `-${arg[at]}`;
    const name = set.short[arg[at]!];
    if (name === undefined) throw unknownOption(written, set);
    if (set.values.includes(name)) {
      const value = arg.slice(at + 1).replace(/^=/, "") || undefined;
      return [...options, spelled(name, { written, value, rest, set })];
    }
    options.push(spelled(name, { written, value: undefined, rest, set }));
  }
  return options;
}

/** One option; a value that stands apart is taken from the arguments left. */
function spelled(
  name: string,
  { written, value, rest, set }: {
    written: string;
    value: string | undefined;
    rest: Iterator<string>;
    set: OptionSet;
  },
): string {
  if (set.values.includes(name)) {
    return `--${name}=${value ?? separateValue(written, rest)}`;
  }
  if (value !== undefined && set.flags.includes(name)) {
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

function isOption(name: string, { flags, values }: OptionSet): boolean {
  return flags.includes(name) || values.includes(name);
}

/**
 * Says that there is no such option, and which one was meant.
 *
 * @param written The option as it was written.
 * @param set The options that there are.
 * @returns The error to throw.
 */
export function unknownOption(
  written: string,
  set: OptionSet = DOWNLOAD_OPTIONS,
): UsageError {
  const name = written.replace(/^--?/, "");
  const meant = name.length > 1 ? closestOption(name, set) : undefined;
  const suggestion = meant === undefined ? "" : `; did you mean --${meant}?`;
  return new UsageError(`Unknown option ${written}${suggestion}`);
}

function closestOption(name: string, set: OptionSet): string | undefined {
  const names = [...set.flags, ...set.values];
  const elsewhere = KNOWN_ELSEWHERE.get(name);
  const known = names.find((option) => option === elsewhere) ??
    names.find((option) => option.startsWith(name));
  if (known !== undefined) return known;
  return closestName(name, names);
}

/**
 * The word that somebody may have wanted to say.
 *
 * @param word What was not understood.
 * @returns What comes before sources or tools, if it is near that.
 */
export function closestSubcommand(word: string): string | undefined {
  return closestName(word, [...SUBCOMMANDS, ...TOOLS]);
}

function closestName(
  name: string,
  names: readonly string[],
): string | undefined {
  const closest = closestString(name, names);
  const patience = Math.max(MIN_TYPO_DISTANCE, name.length * TYPO_SHARE);
  return levenshteinDistance(name, closest) <= patience ? closest : undefined;
}
