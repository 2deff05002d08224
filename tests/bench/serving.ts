/**
 * What a seed costs, beside libtorrent's: 1 GiB in pieces of 256 KiB goes to
 * one and to four libtorrent leechers on loopback, which know nobody but the
 * seed. Both seeds take turns; medians are compared.
 *
 *     deno task build
 *     BTGET_BINARY=./btget deno run -A tests/bench/serving.ts [RUNS [LEECHERS...]]
 *
 * The wall time is that of the slowest leecher, from when it begins to connect
 * until it has verified everything. `TMPDIR` on a tmpfs leaves the disk
 * out.
 *
 * @module
 */

import { resolve } from "@std/path";
import { makeTorrent, writePayload } from "../support/make_torrent.ts";
import { TempFolder } from "../support/temp_folder.ts";
import {
  Btget,
  type BtgetProgram,
  FROM_SOURCE,
} from "../interop/support/btget.ts";
import { Child, waitUntil } from "../interop/support/child.ts";
import { type ClientSite, LIBTORRENT } from "../interop/support/clients.ts";
import {
  freePort,
  freshAddress,
  isListening,
} from "../interop/support/loopback.ts";
import { median } from "./support/median.ts";

const KIB = 1024;
const GIB = KIB * KIB * KIB;

/** The kernel counts CPU time in hundredths of a second. */
const TICKS_PER_SECOND = 100;

/** What one run has cost. */
interface Cost {
  /** Seconds until the slowest leecher had everything. */
  wall: number;
  /** Seconds of CPU that the seed took for each GiB. */
  cpu: number;
}

/** A seed that runs. */
interface Seed {
  child: Child;
  address: string;
  port: number;
}

const binary = Deno.env.get("BTGET_BINARY");

const program: BtgetProgram = binary
  ? { command: () => [resolve(binary)], env: {} }
  : FROM_SOURCE;

/** A swarm without a tracker. */
class Scene implements Disposable {
  readonly #folder = new TempFolder();
  readonly #payload = this.#folder.join("payload");
  readonly #torrentPath = this.#folder.join("made.torrent");

  constructor() {
    const made = makeTorrent({ pieceLength: 256 * KIB, files: GIB });
    Deno.writeFileSync(this.#torrentPath, made.bytes);
    Deno.mkdirSync(this.#payload);
    writePayload(made, this.#payload);
  }

  async measure(
    start: (scene: Scene) => Promise<Seed>,
    leechers: number,
  ): Promise<Cost> {
    const { child, address, port } = await start(this);
    await using _seed = child;
    using folder = new TempFolder();
    const before = cpuSeconds(child.pid);
    const walls = await Promise.all(
      Array.from({ length: leechers }, async (_, i) => {
        const site = this.#site(folder.join(`${i}`), { isSeeder: false });
        const knows = { hostname: address, port };
        await using leecher = this.#libtorrent({ ...site, knows });
        await waitUntil(() => leecher.stdout.includes("\n"), {
          what: "a leecher to finish",
          seconds: 120,
        });
        return Number(/^finished (.*)$/m.exec(leecher.stdout)?.[1]);
      }),
    );
    const cpu = (cpuSeconds(child.pid) - before) / leechers;
    return { wall: Math.max(...walls), cpu };
  }

  async btget(): Promise<Seed> {
    const port = freePort("127.0.0.1");
    const child = new Btget({
      program,
      folder: this.#payload,
      torrentPath: this.#torrentPath,
      args: [
        "seed",
        "--progress=json",
        `--listen-port=${port}`,
        "--no-dht",
        "--no-lsd",
        this.#torrentPath,
      ],
    });
    await child.said(({ phase }) => phase === "seeding", "it serves");
    return await listening({ child, address: "127.0.0.1", port });
  }

  async libtorrent(): Promise<Seed> {
    const site = this.#site(this.#payload, { isSeeder: true });
    const child = this.#libtorrent(site);
    const { address, port } = site;
    return await listening({ child, address, port });
  }

  [Symbol.dispose](): void {
    this.#folder[Symbol.dispose]();
  }

  #site(
    payload: string,
    { isSeeder }: Pick<ClientSite, "isSeeder">,
  ): ClientSite {
    const address = freshAddress();
    Deno.mkdirSync(payload, { recursive: true });
    return {
      source: this.#torrentPath,
      payload,
      isSeeder,
      home: payload,
      address,
      port: freePort(address),
      maxRate: 0,
    };
  }

  #libtorrent(site: ClientSite): Child {
    return new Child("libtorrent", {
      command: LIBTORRENT.command(site),
      cwd: site.home,
      env: {},
    });
  }
}

async function listening(seed: Seed): Promise<Seed> {
  const { address: hostname, port } = seed;
  await waitUntil(() => isListening({ hostname, port }), {
    what: `a seed at ${hostname}:${port}`,
    seconds: 20,
  });
  return seed;
}

/** The CPU time that a process has taken so far. */
function cpuSeconds(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  // The name before them can hold anything, but ends with the last bracket.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

function say(text: string): void {
  // deno-lint-ignore no-console
  console.log(text);
}

const runs = Number(Deno.args[0] ?? 5);
const counts = Deno.args.length > 1 ? Deno.args.slice(1).map(Number) : [1, 4];
using scene = new Scene();
say("leechers  seed        wall s  CPU s/GiB");
for (const leechers of counts) {
  const costs: Record<string, Cost[]> = { btget: [], libtorrent: [] };
  for (let run = 0; run < runs; run++) {
    costs.btget!.push(await scene.measure((at) => at.btget(), leechers));
    costs.libtorrent!.push(
      await scene.measure((at) => at.libtorrent(), leechers),
    );
  }
  const medians = Object.entries(costs).map(([name, costs]) => {
    const wall = median(costs.map(({ wall }) => wall));
    const cpu = median(costs.map(({ cpu }) => cpu));
    say(
      `${`${leechers}`.padEnd(10)}${name.padEnd(12)}` +
        `${wall.toFixed(2).padEnd(8)}${cpu.toFixed(2)}   ` +
        costs.map(({ wall, cpu }) => `${wall.toFixed(2)}/${cpu.toFixed(2)}`)
          .join(" "),
    );
    return { wall, cpu };
  });
  const [ours, theirs] = medians;
  say(
    `${leechers} ratio      ${(ours!.wall / theirs!.wall).toFixed(2)}    ` +
      (ours!.cpu / theirs!.cpu).toFixed(2),
  );
}
