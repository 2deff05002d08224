/**
 * The arguments of `btget create` → what is wanted. Pure.
 *
 * @module
 */

import { MIN_PIECE_LENGTH, type TorrentForm } from "../metainfo/create.ts";
import {
  type OptionSet,
  parseSize,
  readOptions,
  UsageError,
} from "./options.ts";
import { Values } from "./values.ts";
import { globToRegExp } from "@std/path";

/** What a torrent is to be made of, and what it is to say. */
export interface CreateCommand {
  /** Files and folders. */
  readonly paths: readonly string[];
  /** Where the torrent goes; `-` for standard output. */
  readonly output: string | undefined;
  /** For whom it is. */
  readonly form: TorrentForm;
  /** The length of a piece, if it is not to be chosen. */
  readonly pieceLength: number | undefined;
  /** The name of the torrent, if it is not that of the path. */
  readonly name: string | undefined;
  /** Trackers in their tiers. */
  readonly announceTiers: readonly (readonly string[])[];
  /** Web seeds. */
  readonly webSeeds: readonly string[];
  /** Whether peers may come from trackers only. */
  readonly isPrivate: boolean;
  /** What makes the info hash one of its own. */
  readonly source: string | undefined;
  /** A remark. */
  readonly comment: string | undefined;
  /** What is left out. */
  readonly exclude: readonly string[];
  /** Whether symbolic links to what is in it are part of it. */
  readonly keepsLinks: boolean;
  /**
   * When it is made, in seconds since 1970; `now`, or nothing that is said.
   * `undefined` leaves it to the environment.
   */
  readonly date: number | "now" | "none" | undefined;
  /** Whether the magnet link is printed. */
  readonly printsMagnet: boolean;
  /** Whether the result is told in JSON. */
  readonly isJson: boolean;
  /** Whether only errors are said. */
  readonly isQuiet: boolean;
  /** Whether another file may be replaced. */
  readonly mayOverwrite: boolean;
}

/** What `btget create --help` prints. */
export const CREATE_HELP = `Usage: btget create [options] PATH... -o FILE

Makes a torrent of files and folders, for BitTorrent v1 and v2. The same files
give the same bytes. Hidden files are part of it.

  -o, --out FILE           write the torrent to FILE; - for standard output
      --allow-overwrite    replace FILE if it is there
      --hybrid             for v1 and v2 (default)
      --v1, --v2           for v1 only; for v2 only
  -l, --piece-length SIZE  such as 256K or 4M (default: at most 2048 pieces)
  -n, --name NAME          call the torrent NAME (default: as PATH is called)
      --exclude GLOB       leave out what matches; may be repeated. Without a
                           slash in it, GLOB is for names in every folder
      --symlinks           keep symbolic links to what is in it; without this,
                           all are left out
  -t, --tracker URLS       announce there; may be repeated, each time for a
                           tier; URL,URL is one tier
  -w, --web-seed URL       an HTTP server has it too; may be repeated
  -p, --private            peers may come from the trackers only
      --source TEXT        gives the torrent an info hash of its own
      --comment TEXT       a remark
      --date DATE          note when it was made: now, a date, or seconds since
                           1970 (default: SOURCE_DATE_EPOCH, or not at all)
      --no-date            do not note it
      --magnet             print the magnet link
      --json               tell the result in JSON
  -q, --quiet              say errors only
  -h, --help               this text
`;

const OPTIONS: OptionSet = {
  flags: [
    "allow-overwrite",
    "help",
    "hybrid",
    "json",
    "magnet",
    "no-date",
    "private",
    "quiet",
    "symlinks",
    "v1",
    "v2",
  ],
  values: [
    "comment",
    "date",
    "exclude",
    "name",
    "out",
    "piece-length",
    "source",
    "tracker",
    "web-seed",
  ],
  repeated: ["exclude", "tracker", "web-seed"],
  short: {
    h: "help",
    l: "piece-length",
    n: "name",
    o: "out",
    p: "private",
    q: "quiet",
    t: "tracker",
    w: "web-seed",
  },
};

/** The longest piece that may be wanted: as long as any that is read. */
const MAX_PIECE_LENGTH = 128 * 1024 * 1024;

/** The latest time that a date can have. */
const MAX_SECONDS = 8_640_000_000_000;

/**
 * Reads the arguments.
 *
 * @param args The arguments behind `create`.
 * @returns What is wanted; nothing if that is the help.
 * @throws {UsageError} If they cannot be understood.
 */
export function parseCreate(
  args: readonly string[],
): CreateCommand | undefined {
  const { parsed, sources: paths } = readOptions(args, OPTIONS);
  const values = new Values(parsed);
  if (values.has("help")) return undefined;
  if (paths.length === 0 || paths.includes("")) {
    throw new UsageError(
      "Nothing to create a torrent of: name files or folders",
    );
  }
  if (paths.includes("-")) {
    throw new UsageError("A torrent is made of files, not of standard input");
  }
  const forms = (["v1", "v2", "hybrid"] as const)
    .filter((form) => values.has(form));
  if (forms.length > 1) {
    throw new UsageError(`Choose one of --${forms.join(" and --")}`);
  }
  const output = values.text("out");
  const printsMagnet = values.has("magnet");
  if (output === undefined && !printsMagnet && !values.has("json")) {
    throw new UsageError("Say with -o where to write the torrent");
  }
  if (output === "-" && (printsMagnet || values.has("json"))) {
    throw new UsageError(
      "Standard output is for the torrent, or for the magnet link and JSON",
    );
  }
  return Object.freeze({
    paths,
    output,
    form: forms[0] ?? "hybrid",
    pieceLength: pieceLength(values.text("piece-length")),
    name: torrentName(values.text("name"), paths),
    announceTiers: values.tiers("tracker"),
    webSeeds: values.texts("web-seed").map(checkWebSeed),
    isPrivate: values.has("private"),
    source: values.text("source"),
    comment: values.text("comment"),
    exclude: values.texts("exclude"),
    keepsLinks: values.has("symlinks"),
    date: values.has("no-date") ? "none" : date(values.text("date")),
    printsMagnet,
    isJson: values.has("json"),
    isQuiet: values.has("quiet"),
    mayOverwrite: values.has("allow-overwrite"),
  });
}

function pieceLength(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const length = parseSize(text) ?? 0;
  if (
    length >= MIN_PIECE_LENGTH && length <= MAX_PIECE_LENGTH &&
    Number.isInteger(Math.log2(length))
  ) return length;
  throw new UsageError(
    `--piece-length must be a power of two from 16K to 128M; got '${text}'`,
  );
}

function torrentName(
  name: string | undefined,
  paths: readonly string[],
): string | undefined {
  if (name === undefined && paths.length > 1) {
    throw new UsageError("Say with --name what to call the torrent");
  }
  if (name !== undefined && (/[/\\\0]/.test(name) || /^\.\.?$/.test(name))) {
    throw new UsageError(`--name must be a name; got '${name}'`);
  }
  return name;
}

/**
 * Makes sure that a web seed is an address on the web.
 *
 * @param url What the user wrote.
 * @returns The same.
 * @throws {UsageError} If it is none.
 */
export function checkWebSeed(url: string): string {
  if (/^https?:\/\//i.test(url) && URL.canParse(url)) return url;
  throw new UsageError(`--web-seed takes http and https URLs; got '${url}'`);
}

function date(text: string | undefined): number | "now" | undefined {
  if (text === undefined || text === "now") return text;
  const seconds = parseSeconds(text) ?? Math.floor(Date.parse(text) / 1000);
  if (Number.isSafeInteger(seconds)) return seconds;
  throw new UsageError(
    `--date must be now, seconds since 1970, or a date such as 2024-05-01; got '${text}'`,
  );
}

/**
 * Reads seconds since 1970, as `SOURCE_DATE_EPOCH` has them.
 *
 * @param text What stands there.
 * @returns The seconds, or `undefined` if it is something else.
 */
export function parseSeconds(text: string): number | undefined {
  const seconds = Number(text);
  return /^\d{1,13}$/.test(text) && seconds <= MAX_SECONDS
    ? seconds
    : undefined;
}

/**
 * What decides that a file or folder is left out.
 *
 * @param globs The user's patterns.
 * @returns Whether names below the torrent's folder match one.
 */
export function exclusion(
  globs: readonly string[],
): (names: readonly string[]) => boolean {
  const patterns = globs.map((glob) => {
    const pattern = globToRegExp(glob.replace(/\/$/, ""), { os: "linux" });
    return (names: readonly string[]) =>
      pattern.test(
        glob.replace(/\/$/, "").includes("/") ? names.join("/") : names.at(-1)!,
      );
  });
  return (names) => patterns.some((matches) => matches(names));
}
