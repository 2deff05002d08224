/**
 * What receiving costs: a whole download with the program's own data path,
 * beside the ceiling: receiving, hashing and writing as many bytes without a
 * protocol. Both take turns; medians are compared.
 *
 *     deno run -A tests/bench/receiving.ts [--runs=5] [--mib=1024]
 *       [--piece-kib=256] [--partial] [PEERS...]
 *
 * The seeders are never the bottleneck, and begin when all of them are
 * connected; from then on the time counts. With `--partial` all but two of them
 * lack half of the pieces, and are told of those that come. `TMPDIR` on a tmpfs leaves the disk
 * out.
 *
 * @module
 */

import { Child } from "../support/child.ts";
import { TempFolder } from "../support/temp_folder.ts";
import type { EvenRecipe } from "./support/even_torrent.ts";
import type { Usage } from "./support/meter.ts";
import { median } from "./support/median.ts";
import { parseArgs } from "@std/cli/parse-args";

const KIB = 1024;
const MIB = KIB * KIB;

/** What seeders send. */
export interface ReceivingRecipe extends EvenRecipe {
  /** How many seeders there are. */
  peers: number;
  /** Whether they send it without a protocol. */
  isPlain: boolean;
  /** Whether all but two of them have a random half of it only. */
  isPartial?: boolean;
  /** The part of the requests that they do not answer; none if not given. */
  lost?: number;
  /** How long what is lost takes to come after all; never if not given. */
  lostForMs?: number | undefined;
}

/** What a receiver has to do. */
export interface ReceivingJob extends EvenRecipe {
  /** Where the seeders listen. */
  ports: number[];
  /** Where the payload goes. */
  folder: string;
}

const SEEDER = new URL("./children/seeder.ts", import.meta.url);
const PLAIN = new URL("./children/receive_plain.ts", import.meta.url);
const TORRENT = new URL("./children/receive_torrent.ts", import.meta.url);

/**
 * Runs a download once.
 *
 * @param recipe What is sent.
 * @returns What the receiver used.
 */
export async function receive(recipe: ReceivingRecipe): Promise<Usage> {
  using folder = new TempFolder();
  const permissions = ["--allow-all", "--no-check"];
  await using seeder = new Child(SEEDER, {
    permissions,
    args: [JSON.stringify(recipe)],
  });
  const ports = JSON.parse(await seeder.line()) as number[];
  const job: ReceivingJob = { ...recipe, ports, folder: folder.path };
  await using receiver = new Child(recipe.isPlain ? PLAIN : TORRENT, {
    permissions,
    args: [JSON.stringify(job)],
  });
  return JSON.parse(await receiver.output()) as Usage;
}

function say(...columns: (string | number)[]): void {
  const [name, ...others] = columns.map((column) =>
    typeof column === "number" ? column.toFixed(column < 10 ? 2 : 0) : column
  );
  // deno-lint-ignore no-console
  console.log(
    name!.padEnd(22) + others.map((text) => text.padStart(11)).join(""),
  );
}

/** Compares both, for a number of peers. */
async function compare(
  recipe: Omit<ReceivingRecipe, "isPlain">,
  runs: number,
): Promise<void> {
  const gib = recipe.length / (1024 * MIB);
  const usages: Record<"plain" | "torrent", Usage[]> = {
    plain: [],
    torrent: [],
  };
  for (let run = 0; run < runs; run++) {
    usages.plain.push(await receive({ ...recipe, isPlain: true }));
    usages.torrent.push(await receive({ ...recipe, isPlain: false }));
  }
  const [plain, torrent] = Object.values(usages).map((usages) => ({
    rate: median(usages.map(({ wall }) => recipe.length / MIB / wall)),
    cpu: median(usages.map(({ user, system }) => (user + system) / gib)),
    user: median(usages.map(({ user }) => user / gib)),
    lateMs: median(usages.map(({ lateMs }) => lateMs)),
    usuallyLateMs: median(usages.map(({ usuallyLateMs }) => usuallyLateMs)),
    peakMib: median(usages.map(({ peakMib }) => peakMib)),
  }));
  for (
    const [name, it] of [["ceiling", plain!], ["download", torrent!]] as const
  ) {
    const { rate, cpu, user, lateMs, usuallyLateMs, peakMib } = it;
    const columns = [rate, cpu, user, lateMs, usuallyLateMs, peakMib];
    say(`${name}, ${recipe.peers} peers`, ...columns);
  }
  say(
    "ratio",
    torrent!.rate / plain!.rate,
    plain!.cpu / torrent!.cpu,
    plain!.user / torrent!.user,
  );
}

if (import.meta.main) {
  const options = parseArgs(Deno.args, {
    string: ["runs", "mib", "piece-kib"],
    boolean: ["partial"],
  });
  const counts = options._.length > 0 ? options._.map(Number) : [1, 8, 50];
  const pieceLength = Number(options["piece-kib"] ?? 256) * KIB;
  const length = Number(options.mib ?? 1024) * MIB;
  say("", "MiB/s", "CPU s/GiB", "user", "late ms", "p99", "peak MiB");
  for (const peers of counts) {
    await compare(
      { pieceLength, length, peers, isPartial: Boolean(options.partial) },
      Number(options.runs ?? 5),
    );
  }
}
