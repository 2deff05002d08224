/**
 * `edit`: changes a .torrent file.
 *
 * @module
 */

import { editTorrent, type TorrentChanges } from "../metainfo/edit.ts";
import { hashesEqual } from "../bytes/hash.ts";
import { type Metainfo, parseMetainfo } from "../metainfo/metainfo.ts";
import { checkWebSeed } from "./create_args.ts";
import type { Env } from "./env.ts";
import { EXIT } from "./exit_code.ts";
import { type OptionSet, readOptions, UsageError } from "./options.ts";
import { readSource } from "./source.ts";
import { printable } from "./text.ts";
import { jsonLine, requireOutput, type Tool, writeTorrent } from "./tool.ts";
import { parseFile } from "./torrent_source.ts";
import { Values } from "./values.ts";
import { encodeHex } from "@std/encoding/hex";

const HELP = `Usage: btget edit [options] FILE [-o FILE]

Changes a .torrent file; - is standard input. What is not named stays as it is,
and so does the info hash, but for --private and --public.

  -t, --tracker URLS           these trackers instead of those there; may be
                               repeated, each time for a tier; URL,URL is one
      --add-tracker URLS       these too, in a tier behind the others
      --remove-tracker URLS    without these; * for all
  -w, --web-seed URL           this web seed instead of those there; may be
                               repeated; an empty one removes all
      --comment TEXT           this remark; an empty one removes it
      --private, --public      peers may come from the trackers only, or from
                               everywhere: that makes it another torrent
  -o, --out FILE               write to FILE; - for standard output (default:
                               over the file that was read)
      --allow-overwrite        replace FILE if it is there
      --json                   tell the result in JSON
  -q, --quiet                  say errors only
  -h, --help                   this text
`;

const OPTIONS: OptionSet = {
  flags: ["allow-overwrite", "help", "json", "private", "public", "quiet"],
  values: [
    "add-tracker",
    "comment",
    "out",
    "remove-tracker",
    "tracker",
    "web-seed",
  ],
  repeated: ["add-tracker", "remove-tracker", "tracker", "web-seed"],
  short: { h: "help", o: "out", q: "quiet", t: "tracker", w: "web-seed" },
};

interface EditCommand {
  source: string;
  output: string;
  mayOverwrite: boolean;
  isJson: boolean;
  isQuiet: boolean;
  tiers: readonly (readonly string[])[];
  addedTiers: readonly (readonly string[])[];
  removedTrackers: readonly string[];
  changes: TorrentChanges;
}

function parseEdit(args: readonly string[]): EditCommand | undefined {
  const { parsed, sources } = readOptions(args, OPTIONS);
  const values = new Values(parsed);
  if (values.has("help")) return undefined;
  const [source] = sources;
  if (sources.length !== 1 || !source) {
    throw new UsageError("Name one .torrent file to edit");
  }
  if (values.has("private") && values.has("public")) {
    throw new UsageError("Choose one of --private and --public");
  }
  const output = values.text("out") ?? source;
  if (output === "-" && values.text("out") === undefined) {
    throw new UsageError("Say with -o where to write the torrent");
  }
  if (/^https?:\/\//i.test(output)) {
    throw new UsageError("What comes from a URL is written with -o FILE");
  }
  if (output === "-" && values.has("json")) {
    throw new UsageError("Standard output is for the torrent, or for JSON");
  }
  const webSeeds = values.texts("web-seed");
  const comment = parsed["comment"];
  const command = {
    source,
    output,
    mayOverwrite: values.has("allow-overwrite") || output === source,
    isJson: values.has("json"),
    isQuiet: values.has("quiet"),
    tiers: values.tiers("tracker"),
    addedTiers: values.tiers("add-tracker"),
    removedTrackers: values.list("remove-tracker"),
    changes: {
      webSeeds: webSeeds.length > 0
        ? webSeeds.filter((url) => url !== "").map(checkWebSeed)
        : undefined,
      comment: comment === undefined ? undefined : String(comment),
      isPrivate: values.has("private")
        ? true
        : values.has("public")
        ? false
        : undefined,
    },
  };
  const { tiers, addedTiers, removedTrackers, changes } = command;
  if (
    [...tiers, ...addedTiers, ...removedTrackers].length === 0 &&
    Object.values(changes).every((change) => change === undefined)
  ) throw new UsageError("Nothing to change: see --tracker, --comment, …");
  return command;
}

/** `btget edit`. */
export const EDIT: Tool = {
  help: HELP,
  async run(args, env) {
    const command = parseEdit(args);
    if (command) return await edit(command, env);
    env.stdout.write(HELP);
    return EXIT.done;
  },
};

async function edit(command: EditCommand, env: Env): Promise<number> {
  const { source, output: path, mayOverwrite } = command;
  const { signal } = new AbortController();
  const bytes = await readSource(source, { stdin: env.stdin, signal });
  const before = parseFile(bytes, { source });
  requireOutput({ path, mayOverwrite });
  const trackers = new Set(["*", ...before.announceTiers.flat()]);
  for (const url of command.removedTrackers) {
    if (trackers.has(url) || command.isQuiet) continue;
    const message = `${url} is none of its trackers`;
    env.stderr.write(`btget: ${printable(message)}\n`);
  }
  const edited = editTorrent(bytes, {
    ...command.changes,
    announceTiers: tiersAfter(before, command),
  });
  const after = parseMetainfo(edited);
  await writeTorrent(edited, { path, mayOverwrite, env });
  report({ before, after }, { command, env });
  return EXIT.done;
}

/** The tiers as they are wanted; nothing if they stay. */
function tiersAfter(
  { announceTiers }: Metainfo,
  { tiers, addedTiers, removedTrackers }: EditCommand,
): string[][] | undefined {
  if ([...tiers, ...addedTiers, ...removedTrackers].length === 0) {
    return undefined;
  }
  const kept = (tiers.length > 0 ? tiers : announceTiers).map((tier) =>
    tier.filter((url) =>
      !removedTrackers.includes(url) && !removedTrackers.includes("*")
    )
  );
  const known = new Set(kept.flat());
  const added = addedTiers.map((tier) => tier.filter((url) => !known.has(url)));
  return [...kept, ...added].filter((tier) => tier.length > 0);
}

function report(
  { before, after }: { before: Metainfo; after: Metainfo },
  { command, env }: { command: EditCommand; env: Env },
): void {
  const isSame = hashesEqual(before.infoHash, after.infoHash);
  const [old, now] = [encodeHex(before.infoHash), encodeHex(after.infoHash)];
  if (command.isJson) {
    env.stdout.write(jsonLine({
      path: command.output,
      infoHash: now,
      infoHashBefore: old,
      infoHashV2: after.infoHashV2 ? encodeHex(after.infoHashV2) : null,
      hasNewInfoHash: !isSame,
    }));
  } else if (!command.isQuiet) {
    const message = isSame
      ? `${command.output}: written, with the same info hash`
      : `${command.output}: written; it is another torrent now: ` +
        `info hash ${old} became ${now}`;
    env.stderr.write(`btget: ${printable(message)}\n`);
  }
}
