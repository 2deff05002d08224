/**
 * What a torrent of many files costs beside one of as many bytes in one file,
 * and beside libtorrent's download of the same, from a seed of libtorrent's on
 * loopback. All take turns; medians are compared.
 *
 *     deno run -A tests/bench/many_files.ts [--runs=5] [--mib=512] [FILES...]
 *
 * The time counts from the connection until all is verified and handed to the
 * system. `TMPDIR` on a tmpfs leaves the disk out.
 *
 * @module
 */

import { dirname } from "@std/path";
import { placeFiles } from "../../src/mod.ts";
import { Child } from "../support/child.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { Child as Program, waitUntil } from "../interop/support/child.ts";
import { LIBTORRENT } from "../interop/support/clients.ts";
import { freePort, isListening } from "../interop/support/loopback.ts";
import type { ReceivingJob } from "./receiving.ts";
import {
  evenBytes,
  evenMetainfo,
  type EvenRecipe,
  evenTorrent,
} from "./support/even_torrent.ts";
import type { Usage } from "./support/meter.ts";
import { median } from "./support/median.ts";
import { parseArgs } from "@std/cli/parse-args";

const KIB = 1024;
const MIB = KIB * KIB;
const HOSTNAME = "127.0.0.1";

/** The kernel counts CPU time in hundredths of a second. */
const TICKS_PER_SECOND = 100;

const RECEIVER = new URL("./children/receive_torrent.ts", import.meta.url);

/** What one run has cost, in seconds. */
interface Cost {
  wall: number;
  cpu: number;
}

/** A seed, and who downloads from it. */
class Scene implements AsyncDisposable {
  readonly #recipe: EvenRecipe;
  readonly #folder = new TempFolder();
  readonly #source = this.#folder.join("even.torrent");
  readonly #port = freePort(HOSTNAME);
  readonly #seed: Program;

  constructor(recipe: EvenRecipe) {
    this.#recipe = recipe;
    Deno.writeFileSync(this.#source, evenMetainfo(recipe));
    this.#write();
    this.#seed = this.#libtorrent(this.#folder.path, { isSeeder: true });
  }

  async start(): Promise<void> {
    await waitUntil(
      () => isListening({ hostname: HOSTNAME, port: this.#port }),
      { what: "the seed to listen", seconds: 60 },
    );
  }

  async btget(): Promise<Cost> {
    using folder = new TempFolder();
    const job: ReceivingJob = {
      ...this.#recipe,
      ports: [this.#port],
      folder: folder.path,
    };
    await using child = new Child(RECEIVER, {
      permissions: ["--allow-all", "--no-check"],
      args: [JSON.stringify(job)],
    });
    const { wall, user, system } = JSON.parse(await child.output()) as Usage;
    return { wall, cpu: user + system };
  }

  async libtorrent(): Promise<Cost> {
    using folder = new TempFolder();
    await using leecher = this.#libtorrent(folder.path, { isSeeder: false });
    await waitUntil(() => leecher.stdout.includes("\n"), {
      what: "libtorrent to finish",
      seconds: 300,
    });
    const wall = Number(/^finished (.*)$/m.exec(leecher.stdout)?.[1]);
    return { wall, cpu: cpuSeconds(leecher.pid) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#seed[Symbol.asyncDispose]();
    this.#folder[Symbol.dispose]();
  }

  /** The payload of the seed. */
  #write(): void {
    const metainfo = evenTorrent(this.#recipe);
    const { layout } = metainfo;
    const bytes = evenBytes(this.#recipe.length);
    const { files } = placeFiles(metainfo, { folder: this.#folder.path });
    files.forEach(({ path }, file) => {
      const at = layout.fileOffset(file);
      Deno.mkdirSync(dirname(path), { recursive: true });
      Deno.writeFileSync(
        path,
        bytes.subarray(at, at + layout.fileLength(file)),
      );
    });
  }

  #libtorrent(payload: string, { isSeeder }: { isSeeder: boolean }): Program {
    return new Program("libtorrent", {
      command: LIBTORRENT.command({
        ...{ payload, isSeeder, source: this.#source, home: payload },
        address: HOSTNAME,
        port: isSeeder ? this.#port : freePort(HOSTNAME),
        maxRate: 0,
        knows: isSeeder ? undefined : { hostname: HOSTNAME, port: this.#port },
      }),
      cwd: payload,
      env: {},
    });
  }
}

/** The CPU time that a process has taken so far. */
function cpuSeconds(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  // The name before them can hold anything, but ends with the last bracket.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

function say(...columns: (string | number)[]): void {
  const texts = columns.map((column) =>
    typeof column === "number" ? column.toFixed(2) : column
  );
  // deno-lint-ignore no-console
  console.log(texts.map((text) => text.padEnd(12)).join("").trimEnd());
}

const options = parseArgs(Deno.args, { string: ["runs", "mib"] });
const counts = options._.length > 0 ? options._.map(Number) : [1, 20_000];
const length = Number(options.mib ?? 512) * MIB;
say("files", "client", "wall s", "CPU s");
for (const files of counts) {
  await using scene = new Scene({ pieceLength: 256 * KIB, length, files });
  await scene.start();
  const costs: Record<"btget" | "libtorrent", Cost[]> = {
    btget: [],
    libtorrent: [],
  };
  for (let run = 0; run < Number(options.runs ?? 5); run++) {
    costs.libtorrent.push(await scene.libtorrent());
    costs.btget.push(await scene.btget());
  }
  const [ours, theirs] = Object.entries(costs).map(([name, costs]) => {
    const wall = median(costs.map(({ wall }) => wall));
    const cpu = median(costs.map(({ cpu }) => cpu));
    say(`${files}`, name, wall, cpu);
    return { wall, cpu };
  });
  say(`${files}`, "ratio", ours!.wall / theirs!.wall, ours!.cpu / theirs!.cpu);
}
