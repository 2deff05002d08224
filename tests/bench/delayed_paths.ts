/**
 * How much of a long path a download fills: a relay on this machine delays
 * what goes through it and carries 200 Mbit/s each way.
 *
 *     deno run -A tests/bench/delayed_paths.ts [--runs=5] [--seconds=10]
 *       [--mbit=200] [CASE...]
 *
 * That is far below what the CPU could do, so that a busy machine measures the
 * same, as long as the relay keeps its pace: what a plain stream gets through
 * it in the same run is the ceiling. Measured is what was of use after the
 * first five seconds, for longer where lost requests are answered in the end; the
 * cases are those that contain one of the words given.
 *
 * @module
 */

import { Child } from "../support/child.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { Child as Program, waitUntil } from "../interop/support/child.ts";
import { LIBTORRENT } from "../interop/support/clients.ts";
import {
  freePort,
  freshAddress,
  isListening,
} from "../interop/support/loopback.ts";
import type { ReceivingJob, ReceivingRecipe } from "./receiving.ts";
import { evenBytes, evenMetainfo } from "./support/even_torrent.ts";
import { median } from "./support/median.ts";
import { parseArgs } from "@std/cli/parse-args";

const KIB = 1024;
const MIB = KIB * KIB;

/** When the measured part begins. */
const FROM_MS = 5_000;

/** When a request that seemed lost is answered. */
const LATE_MS = 30_000;

/** What a relay has to do. */
export interface RelayJob {
  /** Where the seeders listen. */
  ports: number[];
  /** The delay of each, both ways together. */
  roundTripsMs: number[];
  /** What all of them together get through, each way. */
  bytesPerSecond: number;
  /** The seeders' address; that of this machine if not given. */
  hostname?: string;
}

/** What a receiver has to do. */
export interface DelayedJob extends ReceivingJob {
  /** Whether it gets a plain stream. */
  isPlain: boolean;
  /** When the measured part begins and ends. */
  fromMs: number;
  /** Its end. */
  toMs: number;
}

/** What came. */
export interface DelayedRate {
  /** Bytes per second before the measured part. */
  begin: number;
  /** Bytes per second in the measured part. */
  rate: number;
  /** The part of all bytes that was of no use. */
  wasted: number;
}

interface Case extends Pick<ReceivingRecipe, "lost" | "lostForMs"> {
  roundTripsMs: number[];
  isLibtorrent?: true;
}

const CASES: Record<string, Case> = {};
for (const ms of [20, 100, 300]) {
  const roundTripsMs = [ms];
  CASES[`${ms} ms`] = { roundTripsMs };
  CASES[`${ms} ms, 5 % lost`] = { roundTripsMs, lost: 0.05 };
  CASES[`${ms} ms, 5 % late`] = {
    roundTripsMs,
    lost: 0.05,
    lostForMs: LATE_MS,
  };
  CASES[`${ms} ms, libtorrent`] = { roundTripsMs, isLibtorrent: true };
}
CASES["8 peers"] = {
  roundTripsMs: [10, 20, 40, 80, 120, 160, 240, 300],
};

const SEEDER = new URL("./children/seeder.ts", import.meta.url);
const RELAY = new URL("./children/relay.ts", import.meta.url);
const RECEIVER = new URL("./children/receive_delayed.ts", import.meta.url);
const PERMISSIONS = ["--allow-all", "--no-check"];

const options = parseArgs(Deno.args, { string: ["runs", "seconds", "mbit"] });
const words = options._.map(String);
const bytesPerSecond = Number(options.mbit ?? 200) * 1e6 / 8;
const measuredMs = Number(options.seconds ?? 10) * 1000;
const pieceLength = 256 * KIB;

/** Runs a case once. */
async function run(
  { roundTripsMs, isLibtorrent, ...loss }: Case,
  isPlain: boolean,
): Promise<DelayedRate> {
  using folder = new TempFolder();
  const peers = roundTripsMs.length;
  const toMs = FROM_MS + (loss.lostForMs ?? 0) + measuredMs;
  // More than can come in that time.
  const length = Math.ceil(bytesPerSecond * (toMs + 5000) / 1000 / MIB) * MIB;
  const recipe = { pieceLength, length, peers, isPlain, ...loss };
  await using stack = new AsyncDisposableStack();
  const child = (program: URL, job: unknown) =>
    stack.use(
      new Child(program, {
        permissions: PERMISSIONS,
        args: [JSON.stringify(job)],
      }),
    );
  const relayed = { roundTripsMs, bytesPerSecond };
  let job: RelayJob;
  if (isLibtorrent && !isPlain) {
    job = { ...await libtorrent(length, { folder, stack }), ...relayed };
  } else {
    const ports = JSON.parse(await child(SEEDER, recipe).line()) as number[];
    job = { ports, ...relayed };
  }
  const ports = JSON.parse(await child(RELAY, job).line()) as number[];
  const path = folder.join("got");
  await Deno.mkdir(path);
  const receiver = child(
    RECEIVER,
    {
      ...{ pieceLength, length, ports, isPlain, toMs },
      folder: path,
      fromMs: FROM_MS,
    } satisfies DelayedJob,
  );
  return JSON.parse(await receiver.line()) as DelayedRate;
}

/** A real seeder. */
async function libtorrent(
  length: number,
  { folder, stack }: { folder: TempFolder; stack: AsyncDisposableStack },
): Promise<Pick<RelayJob, "ports" | "hostname">> {
  const payload = folder.join("seed");
  await Deno.mkdir(payload);
  {
    using file = await Deno.create(`${payload}/even`);
    const part = evenBytes(MIB);
    for (let at = 0; at < length; at += MIB) await file.write(part);
  }
  const source = folder.join("even.torrent");
  await Deno.writeFile(source, evenMetainfo({ pieceLength, length }));
  const hostname = freshAddress();
  const port = freePort(hostname);
  stack.use(
    new Program("libtorrent", {
      command: LIBTORRENT.command({
        ...{ source, payload, port, home: payload },
        isSeeder: true,
        address: hostname,
        maxRate: 0,
      }),
      cwd: payload,
      env: {},
    }),
  );
  await waitUntil(() => isListening({ hostname, port }), {
    what: "libtorrent to listen",
    seconds: 20,
  });
  return { ports: [port], hostname };
}

function say(...columns: string[]): void {
  const [name, ...others] = columns;
  // deno-lint-ignore no-console
  console.log(
    name!.padEnd(22) + others.map((text) => text.padStart(10)).join(""),
  );
}

say("MB/s", "ceiling", "download", "ratio", "least", "first 5 s", "wasted");
for (const [name, it] of Object.entries(CASES)) {
  if (words.length > 0 && !words.some((word) => name.includes(word))) continue;
  const ceilings: number[] = [];
  const rates: DelayedRate[] = [];
  for (let i = 0; i < Number(options.runs ?? 5); i++) {
    ceilings.push((await run(it, true)).rate);
    rates.push(await run(it, false));
  }
  const ceiling = median(ceilings);
  const ratios = rates.map(({ rate }, i) => rate / ceilings[i]!);
  say(
    name,
    (ceiling / 1e6).toFixed(1),
    (median(rates.map(({ rate }) => rate)) / 1e6).toFixed(1),
    median(ratios).toFixed(2),
    Math.min(...ratios).toFixed(2),
    (median(rates.map(({ begin }) => begin)) / ceiling).toFixed(2),
    median(rates.map(({ wasted }) => wasted)).toFixed(3),
  );
}
