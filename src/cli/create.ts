/**
 * `create`: makes a torrent.
 *
 * @module
 */

import { VERSION } from "../version.ts";
import { createTorrent, planTorrent } from "../metainfo/create.ts";
import { formatMagnet } from "../metainfo/magnet.ts";
import { type Metainfo, parseMetainfo } from "../metainfo/metainfo.ts";
import {
  changed,
  checkUnchanged,
  findFiles,
  nameOfPath,
} from "../storage/find_files.ts";
import { hashJob } from "../storage/hash_files.ts";
import {
  CREATE_HELP,
  type CreateCommand,
  exclusion,
  parseCreate,
  parseSeconds,
} from "./create_args.ts";
import type { Env } from "./env.ts";
import { EXIT } from "./exit_code.ts";
import { hashWithProgress } from "./hash_progress.ts";
import { UsageError } from "./options.ts";
import { mayRead } from "./permissions.ts";
import { SourceError } from "./source.ts";
import { formatBytes, plural, printable } from "./text.ts";
import {
  jsonLine,
  requireOutput,
  tabbed,
  type Tool,
  writeTorrent,
} from "./tool.ts";
import { encodeHex } from "@std/encoding/hex";

/** `btget create`. */
export const CREATE: Tool = {
  help: CREATE_HELP,
  async run(args, env) {
    const command = parseCreate(args);
    if (command) return await create(command, env);
    env.stdout.write(CREATE_HELP);
    return EXIT.done;
  },
};

async function create(command: CreateCommand, env: Env): Promise<number> {
  const { paths, output, mayOverwrite, isQuiet } = command;
  const creationDate = dateOf(command, env);
  for (const path of paths) requireSource(path);
  if (output !== undefined) requireOutput({ path: output, mayOverwrite });
  const { files, skipped } = findFiles(paths, {
    isExcluded: exclusion(command.exclude),
    keepsLinks: command.keepsLinks,
  });
  const why = command.keepsLinks
    ? "neither a file nor a link to one of these files"
    : "not a file";
  for (const path of isQuiet ? [] : skipped) {
    env.stderr.write(`btget: ${printable(path)}: left out, ${why}\n`);
  }
  if (files.length === 0) throw new UsageError("There are no files in it");
  requireDistinct(files.map(({ path }) => path.join("/")));
  const plan = planTorrent(files, command);
  const job = hashJob({
    layout: plan.layout,
    paths: plan.files.map((file) => file?.location),
    hasV1: plan.form !== "v2",
    hasV2: plan.form !== "v1",
  });
  await hashWithProgress([job], { env, isQuiet });
  checkUnchanged(files);
  // Cut while it was read, and then made as it had been.
  if (job.wasRead.includes(0)) throw changed(paths[0]!);
  const bytes = createTorrent(plan, {
    ...command,
    name: command.name ?? nameOfPath(paths[0]!),
    hashes: job.hashes,
    nodes: job.nodes,
    createdBy: `btget ${VERSION}`,
    creationDate,
  });
  if (output !== undefined) {
    await writeTorrent(bytes, { path: output, mayOverwrite, env });
  }
  // What we make is what we can read.
  report(parseMetainfo(bytes), { command, env });
  return EXIT.done;
}

function requireSource(path: string): void {
  if (!mayRead(path)) {
    throw new SourceError(
      "denied",
      `${path} may not be read: run again with --allow-read=${path}`,
    );
  }
  try {
    Deno.lstatSync(path);
  } catch (error) {
    // What else there is will be found when it is read.
    if (!(error instanceof Deno.errors.NotFound)) return;
    throw new SourceError("sourceNotFound", `${path} does not exist`);
  }
}

function dateOf({ date }: CreateCommand, env: Env): number | undefined {
  if (date === "none") return undefined;
  if (date === "now") return Math.floor(Date.now() / 1000);
  if (date !== undefined) return date;
  const epoch = env.variable("SOURCE_DATE_EPOCH");
  if (epoch === undefined || epoch === "") return undefined;
  const seconds = parseSeconds(epoch);
  if (seconds !== undefined) return seconds;
  throw new UsageError(
    `SOURCE_DATE_EPOCH must be seconds since 1970; got '${epoch}'`,
  );
}

/** Two paths of the user can end in the same name. */
function requireDistinct(paths: readonly string[]): void {
  const seen = new Set<string>();
  for (const path of paths) {
    if (seen.has(path)) {
      throw new UsageError(`Two files would be called ${path}`);
    }
    seen.add(path);
  }
}

function report(
  metainfo: Metainfo,
  { command, env }: { command: CreateCommand; env: Env },
): void {
  const { layout, name, hasV1, infoHash, infoHashV2 } = metainfo;
  const files = metainfo.files.filter(({ kind }) => kind === "file");
  const totalBytes = files.reduce((sum, { length }) => sum + length, 0);
  const v1 = hasV1 ? encodeHex(infoHash) : undefined;
  const v2 = infoHashV2 && encodeHex(infoHashV2);
  const magnet = formatMagnet(metainfo);
  if (command.isJson) {
    env.stdout.write(jsonLine({
      path: command.output ?? null,
      name,
      infoHash: v1 ?? null,
      infoHashV2: v2 ?? null,
      magnet,
      totalBytes,
      fileCount: files.length,
      pieceLength: layout.pieceLength,
      pieceCount: layout.pieceCount,
    }));
    return;
  }
  if (command.printsMagnet) env.stdout.write(`${magnet}\n`);
  if (command.isQuiet || command.printsMagnet || command.output === "-") return;
  if (!env.stdout.isTerminal) {
    env.stdout.write(tabbed([command.output ?? "", v1 ?? "", v2 ?? "", name]));
    return;
  }
  const lines = [
    `Wrote ${command.output}: ${name}, ${plural(files.length, "file")}, ` +
    `${formatBytes(totalBytes)}, ${plural(layout.pieceCount, "piece")} of ` +
    formatBytes(layout.pieceLength),
    v1 && `Info hash v1: ${v1}`,
    v2 && `Info hash v2: ${v2}`,
    `Magnet: ${magnet}`,
  ].filter((line) => line !== undefined);
  for (const line of lines) env.stdout.write(`${printable(line)}\n`);
}
