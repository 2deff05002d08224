/** `btget seed`, as a user sees it. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Endpoint } from "../../src/bytes/endpoint.ts";
import { makeTorrent, writePayload } from "../support/make_torrent.ts";
import { parseJsonLines } from "../support/json_lines.ts";
import { FakePeer } from "../support/fake_peer.ts";
import { Program, runProgram } from "../support/program.ts";
import { Scene } from "../support/scene.ts";
import { ScriptedPeer } from "../support/scripted_peer.ts";

const MADE = makeTorrent({ files: 300_000, name: "film" });

const READ_ONLY = ["--allow-net", "--allow-read"];

/** Where a program that shows JSON lines can be connected to. */
async function endpointOf(program: Program): Promise<Endpoint> {
  const [, port] = await program.said(/"type":"listening","port":(\d+)/);
  return { hostname: "127.0.0.1", port: Number(port) };
}

Deno.test("main.ts seed serves what is there, until it is told to go", async () => {
  using scene = new Scene(MADE);
  writePayload(MADE, scene.downloads);
  await using program = new Program(
    ["seed", ...scene.args(), "--progress=json"],
    { permissions: READ_ONLY },
  );
  const endpoint = await endpointOf(program);
  await program.said(/"phase":"seeding"/);
  {
    using peer = await ScriptedPeer.connect(MADE, { endpoint });
    await peer.say({ type: "interested" });
    await peer.hear("unchoke");
    await peer.say({ type: "request", index: 3, begin: 0, length: 16_384 });
    const { block } = (await peer.hear("piece"))!;
    assertEquals(block, MADE.payload.subarray(3 * 32_768, 3 * 32_768 + 16_384));
  }
  program.kill("SIGINT");
  const { code, stderr } = await program.ended();
  assertEquals(code, 0, stderr);
  const records = parseJsonLines(stderr);
  const phases = records.filter(({ type }) => type === "phase");
  assertEquals(
    phases.map(({ phase }) => phase),
    ["checking", "complete", "seeding", "stopped"],
  );
  const last = records.findLast(({ type }) => type === "progress")!;
  assertEquals(last.sentBytes, 16_384);
  assertEquals(records.at(-2)!.exitCode, 0);
});

Deno.test("main.ts seed says at the end what it gave", async () => {
  using scene = new Scene(MADE);
  writePayload(MADE, scene.downloads);
  const { code, stderr } = await runProgram([
    "seed",
    ...scene.args(),
    "--seed-time=0.0001",
    "--progress=line",
  ]);
  assertEquals(code, 0, stderr);
  assertMatch(stderr, /btget: film: complete, 293\.0 KiB verified on disk$/m);
});

Deno.test("main.ts seed fetches what is missing", async () => {
  using scene = new Scene(MADE);
  writePayload(MADE, scene.downloads);
  await Deno.truncate(`${scene.downloads}/film`, 200_000);
  await using seed = new FakePeer(MADE);
  const args = [
    "seed",
    ...scene.args(seed),
    "--seed-time=0.0001",
    "--progress=line",
  ];
  const refused = await runProgram(args, { permissions: READ_ONLY });
  assertEquals(refused.code, 15, refused.stderr);
  assertMatch(
    refused.stderr,
    /are missing, and nothing may be written.*--allow-write=/,
  );

  const { code, stderr } = await runProgram(args);
  assertEquals(code, 0, stderr);
  assertEquals(await Deno.readFile(`${scene.downloads}/film`), MADE.payload);
});

Deno.test("main.ts seed needs to read what it serves", async () => {
  using scene = new Scene(MADE);
  writePayload(MADE, scene.downloads);
  const { code, stderr } = await runProgram(["seed", ...scene.args()], {
    permissions: [
      "--allow-net",
      "--allow-write",
      `--allow-read=${scene.torrentPath}`,
    ],
  });
  assertEquals(code, 15);
  assertMatch(stderr, /may not be served: run again with --allow-read=/);
});

Deno.test("main.ts stays after a download until enough was given", async () => {
  using scene = new Scene(MADE);
  await using seed = new FakePeer(MADE);
  await using program = new Program([
    ...scene.args(seed),
    "--seed-ratio=0.05",
    "--progress=json",
  ]);
  const endpoint = await endpointOf(program);
  await program.said(/"phase":"seeding"/);
  using peer = await ScriptedPeer.connect(MADE, { endpoint });
  await peer.say({ type: "interested" });
  assert(await peer.hear("unchoke"));
  await peer.say({ type: "request", index: 0, begin: 0, length: 16_384 });
  assert(await peer.hear("piece"));
  const { code, stderr } = await program.ended();
  assertEquals(code, 0, stderr);
  const last = parseJsonLines(stderr)
    .findLast(({ type }) => type === "progress")!;
  assertEquals([last.receivedBytes, last.sentBytes], [300_000, 16_384]);
});
