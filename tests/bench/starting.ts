/**
 * How soon btget works: from its start to its first request to a peer that is
 * named, and to the end of `btget --version`. Both take turns.
 *
 *     BTGET_BINARY=./btget deno run -A tests/bench/starting.ts [RUNS]
 *
 * @module
 */

import { FakePeer } from "../support/fake_peer.ts";
import { makeTorrent } from "../support/make_torrent.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { BTGET_COMMAND } from "./support/btget_command.ts";
import { median } from "./support/median.ts";

const [runs = 15] = Deno.args.map(Number);

const made = makeTorrent({ files: 64 * 1024 * 1024, pieceLength: 1 << 18 });
using folder = new TempFolder();
const torrent = folder.join("x.torrent");
await Deno.writeFile(torrent, made.bytes);

/** Milliseconds from the start of the program to its first request. */
async function untilFirstRequest(): Promise<number> {
  const asked = Promise.withResolvers<number>();
  await using peer = new FakePeer(made, {
    serve: () => undefined,
    onMessage: ({ type }) => {
      if (type === "request") asked.resolve(performance.now());
    },
  });
  const [program, ...args] = BTGET_COMMAND;
  const { hostname, port } = peer.endpoint;
  using out = new TempFolder();
  const startedAt = performance.now();
  const child = new Deno.Command(program, {
    args: [
      ...args,
      torrent,
      `--dir=${out.path}`,
      `--peer=${hostname}:${port}`,
      "--no-dht",
      "--no-lsd",
      "--listen-port=0",
      "--progress=none",
    ],
    stdout: "null",
    stderr: "null",
  }).spawn();
  const ms = await asked.promise - startedAt;
  child.kill("SIGKILL");
  await child.status;
  return ms;
}

/** Milliseconds until the program has said its version. */
async function untilVersion(): Promise<number> {
  const [program, ...args] = BTGET_COMMAND;
  const startedAt = performance.now();
  await new Deno.Command(program, { args: [...args, "--version"] }).output();
  return performance.now() - startedAt;
}

const request: number[] = [];
const version: number[] = [];
for (let run = 0; run < runs; run++) {
  request.push(await untilFirstRequest());
  version.push(await untilVersion());
}
// deno-lint-ignore no-console
console.log(
  `first request ${median(request).toFixed(0)} ms, ` +
    `--version ${median(version).toFixed(0)} ms`,
);
