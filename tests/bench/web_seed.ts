/**
 * What a web seed costs: btget and curl fetch the same file from the same
 * nginx. Both take turns; medians are compared.
 *
 *     deno run -A tests/bench/web_seed.ts [--runs=5] [--mib=1024] [--files=1]
 *
 * `TMPDIR` on a tmpfs leaves the disk out; `BTGET_BINARY` names the executable.
 * With several files curl fetches them one after the other over one connection,
 * as it does when it is given a list.
 *
 * @module
 */

import { missingProgram } from "../support/conditional.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { NGINX, Nginx } from "../interop/support/nginx.ts";
import { BTGET_COMMAND } from "./support/btget_command.ts";
import { median } from "./support/median.ts";
import { parseArgs } from "@std/cli/parse-args";

const MIB = 1024 * 1024;

const options = parseArgs(Deno.args, { string: ["runs", "mib", "files"] });
const [runs, mib, count] = [
  options.runs ?? 5,
  options.mib ?? 1024,
  options.files ?? 1,
].map(Number) as [number, number, number];

/** What a program took. */
interface Taken {
  /** Seconds that passed. */
  wall: number;
  /** Seconds of CPU. */
  cpu: number;
}

async function output(command: readonly string[]): Promise<string> {
  const [program, ...args] = command;
  const { success, stdout, stderr } = await new Deno.Command(program!, { args })
    .output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** Runs a program in an empty folder; bash tells what CPU it took. */
async function take(
  command: (folder: string) => string[],
): Promise<Taken> {
  using folder = new TempFolder();
  const script = 'TIMEFORMAT="%R %U %S"; time "$@" >/dev/null 2>&1';
  const { success, stderr } = await new Deno.Command("bash", {
    args: ["-c", script, "bash", ...command(folder.path)],
  }).output();
  const text = new TextDecoder().decode(stderr);
  if (!success) throw new Error(text);
  const [wall, user, system] = text.trim().split(" ").map(Number);
  return { wall: wall!, cpu: user! + system! };
}

for (const program of [NGINX, "curl"]) {
  const [sentence] = missingProgram(program);
  if (sentence) throw new Error(sentence);
}

await using nginx = new Nginx();
await nginx.start();
const paths: string[] = [];
await Deno.mkdir(`${nginx.root}/data`);
for (let i = 0; i < count; i++) {
  // Nothing that a file system could leave out.
  const part = new Uint8Array(MIB);
  for (let at = 0; at < part.length; at += 65_536) {
    crypto.getRandomValues(part.subarray(at, at + 65_536));
  }
  paths.push(count === 1 ? "data/file" : `data/file${i}`);
  using file = await Deno.create(`${nginx.root}/${paths[i]}`);
  for (let at = 0; at < Math.floor(mib / count); at++) {
    part[0] = at;
    await file.write(part);
  }
}
using folder = new TempFolder();
const torrent = folder.join("x.torrent");
await output([
  ...BTGET_COMMAND,
  "create",
  `${nginx.root}/data`,
  "--v1",
  "-qo",
  torrent,
  `--web-seed=${nginx.url}`,
]);

const programs: Record<string, (folder: string) => string[]> = {
  curl: (folder) => [
    "curl",
    "--silent",
    "--fail",
    ...paths.flatMap((path, i) => ["-o", `${folder}/${i}`, nginx.url + path]),
  ],
  btget: (folder) => [
    ...BTGET_COMMAND,
    torrent,
    `--dir=${folder}`,
    "--no-dht",
    "--no-lsd",
    "--listen-port=0",
    "--progress=none",
  ],
};
const taken: Record<string, Taken[]> = {};
for (let run = 0; run < runs; run++) {
  for (const [name, command] of Object.entries(programs)) {
    (taken[name] ??= []).push(await take(command));
  }
}
for (const [name, values] of Object.entries(taken)) {
  const wall = median(values.map(({ wall }) => wall));
  const cpu = median(values.map(({ cpu }) => cpu));
  // deno-lint-ignore no-console
  console.log(
    `${name.padEnd(8)} ${wall.toFixed(2).padStart(6)} s` +
      `${(mib / wall).toFixed(0).padStart(6)} MiB/s` +
      `${(cpu * 1024 / mib).toFixed(2).padStart(7)} CPU s/GiB`,
  );
}
const ratios = taken["curl"]!.map(({ wall }, run) =>
  wall / taken["btget"]![run]!.wall
);
// deno-lint-ignore no-console
console.log(`ratio    ${median(ratios).toFixed(2).padStart(6)}`);
