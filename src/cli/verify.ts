/**
 * `verify`: compares files with their torrents.
 *
 * @module
 */

import type { Metainfo } from "../metainfo/metainfo.ts";
import { placeFiles } from "../storage/places.ts";
import {
  beginVerification,
  type ByteRange,
  findExtra,
  type Finding,
  judge,
  type Verification,
} from "../storage/verify.ts";
import type { Env } from "./env.ts";
import { EXIT, exitCodeOf, worstOf } from "./exit_code.ts";
import { messageOf } from "./failure.ts";
import { hashWithProgress } from "./hash_progress.ts";
import { type OptionSet, readOptions, UsageError } from "./options.ts";
import { mayRead } from "./permissions.ts";
import { shownSource, SourceError } from "./source.ts";
import { about, formatBytes, plural, printable } from "./text.ts";
import { jsonLine, tabbed, type Tool } from "./tool.ts";
import { isMetainfo, readTorrent } from "./torrent_source.ts";
import { Values } from "./values.ts";
import { encodeHex } from "@std/encoding/hex";

const HELP = `Usage: btget verify [options] SOURCE... -d DIR

Compares the files of torrents with what lies in DIR, and changes nothing.
SOURCE is a .torrent file, its http(s) URL, or - for standard input.

  -d, --dir DIR    where the files lie (default: the current folder)
      --no-extra   a file too many in a torrent's folder is wrong too
      --json       tell in JSON, a line for each torrent
  -q, --quiet      say nothing but what is wrong
  -h, --help       this text

Elsewhere than on a terminal a line is RESULT, TORRENT, PATH and BYTES between
tabs. RESULT is ok, missing, unreadable, link (not the symbolic link it should
be), size, bad, unknown (bytes that share a piece with what is missing), mode (a
program that cannot be run) or extra; BYTES are ranges FIRST-LAST from 0, or
FOUND/WANTED for size. Exit status 32: something other than mode or extra.
`;

const OPTIONS: OptionSet = {
  flags: ["help", "json", "no-extra", "quiet"],
  values: ["dir"],
  repeated: [],
  short: { d: "dir", h: "help", q: "quiet" },
};

interface VerifyCommand {
  sources: readonly string[];
  folder: string;
  isJson: boolean;
  isQuiet: boolean;
  /** Whether extra files are wrong. */
  forbidsExtra: boolean;
}

function parseVerify(args: readonly string[]): VerifyCommand | undefined {
  const { parsed, sources } = readOptions(args, OPTIONS);
  const values = new Values(parsed);
  if (values.has("help")) return undefined;
  if (sources.length === 0 || sources.includes("")) {
    throw new UsageError("Nothing to verify: name .torrent files");
  }
  if (sources.filter((source) => source === "-").length > 1) {
    throw new UsageError("Standard input can be read only once");
  }
  return {
    sources,
    folder: values.text("dir") ?? ".",
    isJson: values.has("json"),
    isQuiet: values.has("quiet"),
    forbidsExtra: values.has("no-extra"),
  };
}

/** `btget verify`. */
export const VERIFY: Tool = {
  help: HELP,
  async run(args, env) {
    const command = parseVerify(args);
    if (command) return await verify(command, env);
    env.stdout.write(HELP);
    return EXIT.done;
  },
};

/** A torrent, and what the user calls it. */
interface Named {
  source: string;
  verification: Verification;
}

async function verify(command: VerifyCommand, env: Env): Promise<number> {
  const { folder, isQuiet } = command;
  if (!mayRead(folder)) {
    throw new SourceError(
      "denied",
      `What is in ${folder} may not be verified: run again with --allow-read=${folder}`,
    );
  }
  const codes: number[] = [];
  const torrents: Named[] = [];
  for (const source of command.sources) {
    try {
      const metainfo = await readFile(source, env);
      const places = placeFiles(metainfo, { folder });
      const verification = beginVerification(metainfo, places);
      torrents.push({ source, verification });
    } catch (error) {
      codes.push(complain(error, { source, env }));
    }
  }
  // They end in any order, and are told of in the user's.
  const isDone = torrents.map(() => false);
  let told = 0;
  await hashWithProgress(torrents.map(({ verification }) => verification.job), {
    env,
    isQuiet: isQuiet || command.isJson,
    onFinished(job) {
      isDone[job] = true;
      for (; isDone[told]; told++) {
        const torrent = torrents[told]!;
        try {
          codes.push(tell(torrent, { command, env }));
        } catch (error) {
          codes.push(complain(error, { source: torrent.source, env }));
        }
      }
    },
  });
  return worstOf(codes);
}

/** Says why a torrent cannot be verified, and gives the exit status for it. */
function complain(
  error: unknown,
  { source, env }: { source: string; env: Env },
): number {
  const message = about(shownSource(source), messageOf(error));
  env.stderr.write(`btget: ${printable(message)}\n`);
  return exitCodeOf(error) ?? EXIT.unexpected;
}

async function readFile(source: string, env: Env): Promise<Metainfo> {
  const { signal } = new AbortController();
  const torrent = await readTorrent(source, { stdin: env.stdin, signal });
  if (isMetainfo(torrent)) return torrent;
  throw new SourceError(
    "badMagnet",
    "A link does not say what the files are: get its .torrent file with " +
      "'btget --metadata-only'",
  );
}

/**
 * Says how a torrent stands, and gives the exit status for it; throws if it
 * contradicts itself.
 */
function tell(
  { source, verification }: Named,
  { command, env }: { command: VerifyCommand; env: Env },
): number {
  const { metainfo } = verification;
  const wrong = judge(verification);
  const extra = findExtra(verification);
  const isGood = wrong.length === 0 &&
    (extra.length === 0 || !command.forbidsExtra);
  const findings = [...wrong, ...verification.remarks, ...extra];
  const { stdout } = env;
  if (command.isJson) {
    stdout.write(jsonLine(record({ source, metainfo, isGood, findings })));
  } else if (stdout.isTerminal) {
    stdout.write(describe({ metainfo, isGood, findings, command }));
  } else {
    for (const finding of findings) {
      stdout.write(tabbed([
        finding.problem,
        metainfo.name,
        finding.path.join("/"),
        detail(finding),
      ]));
    }
    if (isGood && !command.isQuiet) {
      stdout.write(tabbed(["ok", metainfo.name, "", ""]));
    }
  }
  return isGood ? EXIT.done : EXIT.mismatch;
}

function detail({ size, ranges = [] }: Finding): string {
  if (size) return `${size.found}/${size.wanted}`;
  return ranges.map(rangeText).join(",");
}

function rangeText({ begin, end }: ByteRange): string {
  return `${begin}-${end - 1}`;
}

/** More ranges than this are more than anybody reads. */
const MAX_SHOWN_RANGES = 8;

function describe(
  { metainfo, isGood, findings, command }: {
    metainfo: Metainfo;
    isGood: boolean;
    findings: readonly Finding[];
    command: VerifyCommand;
  },
): string {
  if (isGood && command.isQuiet) return "";
  const files = metainfo.files.filter(({ kind }) => kind === "file");
  const bytes = files.reduce((sum, { length }) => sum + length, 0);
  const lines = [
    `${metainfo.name}: ${isGood ? "ok" : "WRONG"}, ` +
    `${plural(files.length, "file")}, ${formatBytes(bytes)}`,
    ...findings.map((finding) => {
      const { problem, path, size, ranges = [] } = finding;
      const shown = ranges.slice(0, MAX_SHOWN_RANGES).map(rangeText);
      const more = ranges.length - shown.length;
      const what = size
        ? `  ${size.found} bytes instead of ${size.wanted}`
        : ranges.length > 0
        ? `  bytes ${shown.join(", ")}${more > 0 ? ` and ${more} more` : ""}`
        : "";
      return `  ${problem.padEnd(10)}  ${path.join("/")}${what}`;
    }),
  ];
  return lines.map((line) => `${printable(line)}\n`).join("");
}

function record(
  { source, metainfo, isGood, findings }: {
    source: string;
    metainfo: Metainfo;
    isGood: boolean;
    findings: readonly Finding[];
  },
): unknown {
  const { name, infoHash, infoHashV2, hasV1 } = metainfo;
  return {
    source: shownSource(source),
    name,
    infoHash: hasV1 ? encodeHex(infoHash) : null,
    infoHashV2: infoHashV2 ? encodeHex(infoHashV2) : null,
    isGood,
    findings: findings.map(({ problem, path, size, ranges }) => ({
      problem,
      path: path.join("/"),
      ...(size ? { foundBytes: size.found, wantedBytes: size.wanted } : {}),
      ...(ranges
        ? { ranges: ranges.map(({ begin, end }) => [begin, end]) }
        : {}),
    })),
  };
}
