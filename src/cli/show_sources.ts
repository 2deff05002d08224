/**
 * `show`: tells what is in torrents.
 *
 * @module
 */

import { findLints } from "../metainfo/lints.ts";
import { Session } from "../torrent/session.ts";
import type { Env } from "./env.ts";
import { EXIT, exitCodeOf, worstOf } from "./exit_code.ts";
import { messageOf } from "./failure.ts";
import { type OptionSet, readOptions, UsageError } from "./options.ts";
import { requireAnswer, scrape } from "./scrape.ts";
import { selectTrackers, type TrackerWishes } from "./select_trackers.ts";
import {
  describeMagnet,
  describeStands,
  describeTorrent,
  describeTrouble,
  magnetRecord,
  type Stand,
  torrentRecord,
} from "./show.ts";
import { shownSource } from "./source.ts";
import { about, printable } from "./text.ts";
import { jsonLine, type Tool } from "./tool.ts";
import { isMetainfo, parseFile, readFileOrLink } from "./torrent_source.ts";
import { Values } from "./values.ts";

const HELP = `Usage: btget show [options] SOURCE...

Tells what is in torrents: info hashes, files, trackers, the magnet link, and
warnings of what will make trouble. SOURCE is a .torrent file, its http(s) URL,
a magnet link, an info hash, or - for standard input.

      --scrape             ask the trackers too how many have it
      --bt-tracker URLS    ask these too (URL,URL...); may be repeated
      --bt-exclude-tracker URLS    do not ask these of the torrent's; * for all
      --no-tracker         ask none
      --json               tell in JSON, a line for each source; addresses of
                           trackers are whole there, with their passkeys
  -h, --help               this text
`;

const OPTIONS: OptionSet = {
  flags: ["help", "json", "no-tracker", "scrape", "show-files"],
  values: ["bt-exclude-tracker", "bt-tracker"],
  repeated: ["bt-exclude-tracker", "bt-tracker"],
  short: { S: "show-files", h: "help" },
};

/** What is to be told. */
export interface ShowCommand extends TrackerWishes {
  /** Paths, URLs, links, or `-` for standard input. */
  readonly sources: readonly string[];
  /** Whether trackers are asked how it stands. */
  readonly scrapes: boolean;
  /** Whether it is told in JSON. */
  readonly isJson?: boolean;
}

function parseShow(args: readonly string[]): ShowCommand | undefined {
  const { parsed, sources } = readOptions(args, OPTIONS);
  const values = new Values(parsed);
  if (values.has("help")) return undefined;
  if (sources.length === 0 || sources.includes("")) {
    throw new UsageError("Nothing to show: name .torrent files or links");
  }
  if (sources.filter((source) => source === "-").length > 1) {
    throw new UsageError("Standard input can be read only once");
  }
  return {
    sources,
    scrapes: values.has("scrape"),
    isJson: values.has("json"),
    usesTrackers: !values.has("no-tracker"),
    extraTrackers: values.trackers("bt-tracker"),
    excludedTrackers: values.list("bt-exclude-tracker"),
  };
}

/** `btget show`. */
export const SHOW: Tool = {
  help: HELP,
  async run(args, env) {
    const command = parseShow(args);
    if (command) return await show(command, env);
    env.stdout.write(HELP);
    return EXIT.done;
  },
};

/**
 * Tells what is in torrents, and how many have them if that is wanted.
 *
 * @param command What is wanted.
 * @param env The world.
 * @returns The exit status.
 */
export async function show(command: ShowCommand, env: Env): Promise<number> {
  const codes: number[] = [];
  await using session = new Session({ listenPorts: [] });
  let isFirst = true;
  for (const source of command.sources) {
    try {
      await showOne(source, { command, env, session, isFirst });
      isFirst = false;
    } catch (error) {
      const message = about(shownSource(source), messageOf(error));
      env.stderr.write(`btget: ${printable(message)}\n`);
      codes.push(exitCodeOf(error) ?? EXIT.unexpected);
    }
  }
  return worstOf(codes);
}

async function showOne(
  source: string,
  { command, env, session, isFirst }: {
    command: ShowCommand;
    env: Env;
    session: Session;
    isFirst: boolean;
  },
): Promise<void> {
  const { signal } = new AbortController();
  const found = await readFileOrLink(source, { stdin: env.stdin, signal });
  const torrent = found instanceof Uint8Array
    ? parseFile(found, { source })
    : found;
  const lints = found instanceof Uint8Array && isMetainfo(torrent)
    ? findLints(found, torrent)
    : [];
  // What is known is told before anybody is asked.
  if (!command.isJson) {
    if (!isFirst) env.stdout.write("\n");
    env.stdout.write(
      isMetainfo(torrent)
        ? describeTorrent(torrent) + describeTrouble(torrent, lints)
        : describeMagnet(torrent),
    );
  }
  let stands: Stand[] | undefined;
  if (command.scrapes) {
    const selection = selectTrackers(torrent, { command, session });
    stands = await scrape(torrent, { ...selection, signal });
    if (!command.isJson) env.stdout.write(describeStands(stands));
  }
  if (command.isJson) {
    const record = isMetainfo(torrent)
      ? torrentRecord(torrent, { lints, stands })
      : magnetRecord(torrent, stands);
    env.stdout.write(jsonLine(record));
  }
  if (stands) requireAnswer(stands);
}
