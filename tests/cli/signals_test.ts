/**
 * The program when it is told to stop, in processes of its own.
 */

import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { encodeBencode } from "../../src/bytes/bencode.ts";
import { FakePeer } from "../support/fake_peer.ts";
import { checkPayload, makeTorrent } from "../support/make_torrent.ts";
import { Program, runProgram } from "../support/program.ts";
import { peersAnswer, RecordingTracker } from "../support/recording_tracker.ts";
import { namesIn, Scene, SLOW } from "../support/scene.ts";
import { TempFolder } from "../support/temp_folder.ts";

const MIB = 1024 * 1024;

/** The longest that a clean stop may take. */
const STOP_MS = 5_000;

/** What a stop at once may take on a machine that does other things as well. */
const AT_ONCE_MS = 1_500;

/** Waits for the end, and says how long it took. */
async function endOf(program: Program) {
  const start = performance.now();
  const ended = await program.ended();
  return { ...ended, took: performance.now() - start };
}

/** A download in its middle, with its tracker. */
async function begin(
  stack: AsyncDisposableStack,
  options: {
    answer?: (
      tracker: RecordingTracker,
      event: string | null,
    ) => Promise<Response> | undefined;
    args?: string[];
  } = {},
) {
  const scene = stack.use(
    new Scene(makeTorrent({ files: 8 * MIB, name: "film" })),
  );
  const peer = stack.use(new FakePeer(scene.made, SLOW));
  const tracker: RecordingTracker = stack.use(
    new RecordingTracker((query) =>
      options.answer?.(tracker, query.get("event")) ??
        peersAnswer(peer.endpoint)
    ),
  );
  const { bytes } = makeTorrent({
    files: 8 * MIB,
    name: "film",
    trackers: [tracker.announceUrl],
  });
  await Deno.writeFile(scene.torrentPath, bytes);
  const program = stack.use(
    new Program([
      ...scene.args(peer),
      "--progress=json",
      "-v",
      ...options.args ?? [],
    ]),
  );
  return { scene, tracker, program };
}

Deno.test("main.ts stops cleanly at a signal", async (t) => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    await t.step(signal, async () => {
      await using stack = new AsyncDisposableStack();
      const { scene, tracker, program } = await begin(stack);
      await program.said(/"type":"tracker_answered"/);
      await program.said(/"type":"piece"/);
      program.kill(signal);
      const { code, took, stderr } = await endOf(program);
      assertEquals(code, 7);
      assertLess(took, STOP_MS);
      assertMatch(stderr, /"Stopping; once more stops at once"/);
      assertEquals(tracker.events, ["started", "stopped"]);
      const stopped = tracker.announces.at(-1)!;
      assert(Number(stopped.get("left")) > 0);
      assert(Number(stopped.get("downloaded")) > 0);
      assertEquals(namesIn(scene.downloads), ["film", "film.btget"]);
    });
  }
});

Deno.test("main.ts waits for no tracker that hangs when it stops", async (t) => {
  await t.step("at its last word", async () => {
    await using stack = new AsyncDisposableStack();
    const { scene, tracker, program } = await begin(stack, {
      answer: (tracker, event) =>
        event === "stopped" ? tracker.never() : undefined,
    });
    await program.said(/"type":"tracker_answered"/);
    await program.said(/"type":"piece"/);
    program.kill("SIGINT");
    const { code, took } = await endOf(program);
    assertEquals(code, 7);
    assertLess(took, STOP_MS);
    assertEquals(tracker.events, ["started", "stopped"]);
    assertEquals(namesIn(scene.downloads), ["film", "film.btget"]);
  });
  await t.step("at its first word", async () => {
    await using stack = new AsyncDisposableStack();
    const { program } = await begin(stack, {
      answer: (tracker) => tracker.never(),
    });
    await program.said(/"type":"piece"/);
    program.kill("SIGINT");
    const { code, took } = await endOf(program);
    assertEquals(code, 7);
    assertLess(took, STOP_MS);
  });
});

Deno.test("main.ts stops at once at the second signal", async () => {
  await using stack = new AsyncDisposableStack();
  const { scene, program } = await begin(stack, {
    answer: (tracker, event) =>
      event === "stopped" ? tracker.never() : undefined,
  });
  await program.said(/"type":"tracker_answered"/);
  await program.said(/"type":"piece"/);
  program.kill("SIGINT");
  await program.said(/Stopping; once more/);
  program.kill("SIGINT");
  const { code, took, stderr } = await endOf(program);
  assertEquals(code, 7);
  assertLess(took, AT_ONCE_MS);
  // Even then the last record sums up.
  const last = JSON.parse(stderr.trimEnd().split("\n").at(-1)!);
  assertEquals([last.type, last.exitCode, last.incomplete], ["summary", 7, 1]);
  // What was downloaded is good for the next run.
  await using peer = new FakePeer(scene.made);
  const next = await runProgram([...scene.args(peer), "--no-tracker"]);
  assertEquals(next.code, 0, next.stderr);
  checkPayload(scene.made, scene.downloads);
  assertEquals(namesIn(scene.downloads), ["film"]);
});

/** A torrent of zeros, which need not be in anybody's memory. */
function torrentOfZeros(length: number): Uint8Array {
  const pieceLength = 4 * MIB;
  return encodeBencode({
    info: {
      length,
      name: "zeros",
      "piece length": pieceLength,
      // No piece of zeros has this hash.
      pieces: new Uint8Array(20 * length / pieceLength),
    },
  });
}

Deno.test("main.ts stops while it checks", async (t) => {
  const sizes: [name: string, length: number][] = [
    ["on the event loop", 60 * MIB],
    ["in workers", 16 * 1024 * MIB],
  ];
  for (const [name, length] of sizes) {
    await t.step(name, async () => {
      using folder = new TempFolder();
      const source = folder.join("x.torrent");
      await Deno.writeFile(source, torrentOfZeros(length));
      // Without a byte on disk.
      await Deno.writeFile(folder.join("zeros"), new Uint8Array());
      await Deno.truncate(folder.join("zeros"), length);
      await using program = new Program([
        source,
        `--dir=${folder.path}`,
        "--listen-port=0",
        "--no-dht",
        "--no-lsd",
        "--progress=json",
      ]);
      await program.said(/"phase":"checking"/);
      program.kill("SIGINT");
      const { code, took, stderr } = await endOf(program);
      assertEquals(code, 7, stderr);
      assertLess(took, STOP_MS);
    });
  }
});

Deno.test("main.ts stops while it waits for its source", async (t) => {
  await t.step("a server that is silent", async () => {
    const asked = Promise.withResolvers<void>();
    const over = Promise.withResolvers<Response>();
    await using server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      () => {
        asked.resolve();
        return over.promise;
      },
    );
    await using program = new Program([
      `http://127.0.0.1:${server.addr.port}/x`,
    ]);
    await asked.promise;
    program.kill("SIGINT");
    const { code, took, stderr } = await endOf(program);
    over.resolve(new Response());
    assertEquals(code, 7);
    assertLess(took, AT_ONCE_MS);
    assertMatch(stderr, /^btget: http:\S+: stopped; run the same command/m);
  });
  await t.step("a pipe that nobody writes to", async () => {
    using folder = new TempFolder();
    const path = folder.join("pipe");
    await new Deno.Command("mkfifo", { args: [path] }).output();
    await using program = new Program([path, "--progress=json"]);
    await program.said(/"start"/);
    program.kill("SIGTERM");
    const { code, took } = await endOf(program);
    assertEquals(code, 7);
    assertLess(took, AT_ONCE_MS);
  });
});

Deno.test("main.ts gives up what waits in the queue when it is stopped", async () => {
  await using stack = new AsyncDisposableStack();
  const { scene, program } = await begin(stack, { args: ["-j1"] });
  const other = scene.folder.join("other.torrent");
  await Deno.writeFile(other, makeTorrent({ files: 5, name: "other" }).bytes);
  await using second = new Program([
    other,
    scene.torrentPath,
    `--dir=${scene.folder.join("elsewhere")}`,
    "--listen-port=0",
    "--no-dht",
    "--no-lsd",
    "--no-tracker",
    "-j1",
    "--progress=json",
  ]);
  await second.said(/"phase":"downloading"/);
  second.kill("SIGINT");
  const { code, stderr } = await endOf(second);
  assertEquals(code, 7);
  assertEquals(stderr.match(/"type":"result"/g)?.length, 2);
  assertMatch(
    stderr,
    /"type":"summary","exitCode":7,"complete":0,"incomplete":2/,
  );
  program.kill("SIGKILL");
});

Deno.test("main.ts loses nothing when its terminal is closed", async () => {
  await using stack = new AsyncDisposableStack();
  const { scene, program } = await begin(stack);
  await program.said(/"type":"piece"/);
  // Left to the system, so that nohup can have its way.
  program.kill("SIGHUP");
  const { code } = await endOf(program);
  assertEquals(code, 129);
  await using peer = new FakePeer(scene.made);
  const next = await runProgram([...scene.args(peer), "--no-tracker"]);
  assertEquals(next.code, 0, next.stderr);
  checkPayload(scene.made, scene.downloads);
});
