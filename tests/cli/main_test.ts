/**
 * The whole program in a process of its own, once for each exit status: what a
 * script sees, and what it does to get further.
 */

import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertMatch,
} from "@std/assert";
import { delay } from "@std/async/delay";
import { type Endpoint, formatEndpoint } from "../../src/bytes/endpoint.ts";
import { type Behaviour, FakePeer } from "../support/fake_peer.ts";
import { parseJsonLines } from "../support/json_lines.ts";
import {
  checkPayload,
  type MadeTorrent,
  makeTorrent,
  writePayload,
} from "../support/make_torrent.ts";
import {
  type Ended,
  Program,
  type ProgramOptions,
  runProgram,
} from "../support/program.ts";
import { TempFolder } from "../support/temp_folder.ts";

const KIB = 1024;
const MIB = 1024 * 1024;

/** A seed that takes its time, so that something happens in the middle. */
const SLOW: Behaviour = {
  serve: async (_, right) => {
    await delay(5);
    return right;
  },
};

/** A folder with a torrent in it, and the arguments of a download from peers. */
class Scene implements Disposable {
  readonly folder: TempFolder = new TempFolder();
  readonly torrentPath: string = this.folder.join("x.torrent");
  readonly downloads: string = this.folder.join("downloads");

  constructor(readonly made: MadeTorrent) {
    Deno.writeFileSync(this.torrentPath, made.bytes);
  }

  args(...peers: { endpoint: Endpoint }[]): string[] {
    return [
      this.torrentPath,
      `--dir=${this.downloads}`,
      "--listen-port=0",
      ...peers.map(({ endpoint }) => `--peer=${formatEndpoint(endpoint)}`),
    ];
  }

  [Symbol.dispose](): void {
    this.folder[Symbol.dispose]();
  }
}

/** The names in a folder, in order. */
function namesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

Deno.test("main.ts ends with 0 when everything is verified", async (t) => {
  using scene = new Scene(makeTorrent({ files: 300 * KIB, name: "film" }));
  await using peer = new FakePeer(scene.made);
  await t.step("downloaded", async () => {
    const { code, stdout, stderr } = await runProgram(scene.args(peer));
    assertEquals(code, 0, stderr);
    assertEquals(stdout, "");
    assertMatch(
      stderr,
      /^btget: film: complete, 300\.0 KiB verified; 300\.0 KiB received in [0-9.]+s \([0-9.]+ .iB\/s\)\n$/m,
    );
    checkPayload(scene.made, scene.downloads);
    assertEquals(namesIn(scene.downloads), ["film"]);
  });
  await t.step("there already", async () => {
    const { code, stderr } = await runProgram(scene.args());
    assertEquals(code, 0);
    assertEquals(
      stderr,
      "btget: film: complete, 300.0 KiB verified on disk\n",
    );
  });
  await t.step("without a word", async () => {
    const quiet = await runProgram([...scene.args(), "-q"]);
    assertEquals(quiet, { code: 0, stdout: "", stderr: "" });
  });
  await t.step("checked only", async () => {
    const { code } = await runProgram([...scene.args(), "--hash-check-only"]);
    assertEquals(code, 0);
  });
  await t.step("the list of files", async () => {
    const { code, stdout, stderr } = await runProgram([
      "-S",
      scene.torrentPath,
    ]);
    assertEquals([code, stderr], [0, ""]);
    assertMatch(stdout, /^Name: film\nInfo hash: [0-9a-f]{40}\n/);
  });
  await t.step("help and version", async () => {
    const help = await runProgram(["--help"]);
    assertEquals([help.code, help.stderr], [0, ""]);
    assertMatch(help.stdout, /^btget .*\n\nUsage: btget/);
    const version = await runProgram(["--version"]);
    assertMatch(version.stdout, /^btget \d+\.\d+\.\d+\n$/);
  });
});

Deno.test("main.ts ends with 2 when nobody can tell what is wanted", async (t) => {
  await t.step("no arguments", async () => {
    assertEquals(await runProgram([]), {
      code: 2,
      stdout: "",
      stderr: "btget: Nothing to download: name a .torrent file, the URL of " +
        "one, or - for standard input\nTry 'btget --help'.\n",
    });
  });
  await t.step("an unknown option", async () => {
    const { code, stderr } = await runProgram(["--quite", "x.torrent"]);
    assertEquals(code, 2);
    assertEquals(
      stderr,
      "btget: Unknown option --quite; did you mean --quiet?\n" +
        "Try 'btget --help'.\n",
    );
  });
  await t.step("an option full of escape codes", async () => {
    const { code, stderr } = await runProgram(["--\x1b[2J\x07\x9b"]);
    assertEquals(code, 2);
    assertMatch(stderr, /^[\n\x20-\x7e]+$/);
  });
});

Deno.test("main.ts ends with 3 when the source is not there", async (t) => {
  await t.step("a file", async () => {
    const { code, stderr } = await runProgram(["/no/such.torrent"]);
    assertEquals([code, stderr], [
      3,
      "btget: /no/such.torrent does not exist\n",
    ]);
  });
  await t.step("a file, to be shown", async () => {
    const { code, stderr } = await runProgram(["-S", "/no/such.torrent"]);
    assertEquals([code, stderr], [
      3,
      "btget: /no/such.torrent does not exist\n",
    ]);
  });
  await t.step("a URL", async () => {
    await using server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      () => new Response("no", { status: 404 }),
    );
    const url = `http://127.0.0.1:${server.addr.port}/x.torrent`;
    const { code, stderr } = await runProgram([url]);
    assertEquals([code, stderr], [
      3,
      `btget: ${url} answers with HTTP status 404\n`,
    ]);
  });
});

Deno.test("main.ts ends with 5 when nothing comes any more", async () => {
  using scene = new Scene(makeTorrent({ files: 300 * KIB, name: "film" }));
  await using peer = new FakePeer(scene.made, { unchokes: false });
  const { code, stderr } = await runProgram([
    ...scene.args(peer),
    "--stall-timeout=0.5",
  ]);
  assertEquals(code, 5);
  assertMatch(
    stderr,
    /^btget: film: Gave up after 0\.5 s without progress: none of the connected peers \(1\) serves us \(0\.0% verified\)\n$/m,
  );
});

Deno.test("main.ts ends with 6 when nobody can be reached", async (t) => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  await t.step("the source's server", async () => {
    const url = `http://127.0.0.1:${port}/x.torrent`;
    const { code, stderr } = await runProgram([url]);
    assertEquals(code, 6);
    assertMatch(stderr, /^btget: http:\S+ cannot be asked: .*refused.*\n$/);
  });
  await t.step("peers and trackers", async () => {
    using scene = new Scene(makeTorrent({
      files: 300 * KIB,
      name: "film",
      trackers: [`http://127.0.0.1:${port}/announce`],
    }));
    const { code, stderr } = await runProgram([
      ...scene.args({ endpoint: { hostname: "127.0.0.1", port } }),
      "--stall-timeout=0.5",
    ]);
    assertEquals(code, 6);
    assertMatch(
      stderr,
      /^btget: film: Gave up after 0\.5 s without progress: no peer could be reached, and http:\S+ cannot be asked: .*refused.* \(0\.0% verified\)\n$/m,
    );
  });
  await t.step("without a tracker to ask", async () => {
    using scene = new Scene(makeTorrent({ files: 300 * KIB, name: "film" }));
    const { code, stderr } = await runProgram([
      ...scene.args(),
      "--stall-timeout=0.2",
    ]);
    assertEquals(code, 6);
    assertMatch(stderr, /no peer could be reached, and there is no tracker/);
  });
});

Deno.test("main.ts ends with 7 when it is stopped, and goes on from there", async (t) => {
  const stops: [
    name: string,
    args: string[],
    stop: (program: Program) => void,
    reason: RegExp,
  ][] = [
    [
      "SIGINT",
      [],
      (program) => program.kill("SIGINT"),
      /film: stopped; run the same command to go on \([0-9.]+% verified\)/,
    ],
    [
      "SIGTERM",
      [],
      (program) => program.kill("SIGTERM"),
      /film: stopped; run the same command to go on \([0-9.]+% verified\)/,
    ],
    [
      "--stop",
      ["--stop=1"],
      () => {},
      /film: stopped after 1 s, as --stop asks \([0-9.]+% verified\)/,
    ],
  ];
  for (const [name, args, stop, reason] of stops) {
    await t.step(name, async () => {
      using scene = new Scene(
        makeTorrent({ files: 8 * MIB, name: "film", seed: 3 }),
      );
      await using slow = new FakePeer(scene.made, SLOW);
      await using program = new Program([
        ...scene.args(slow),
        "--progress=json",
        "-v",
        ...args,
      ]);
      await program.said(/"type":"piece"/);
      stop(program);
      const { code, stderr } = await program.ended();
      assertEquals(code, 7);
      const records = parseJsonLines(stderr);
      const result = records.find(({ type }) => type === "result")!;
      assertMatch(`film: ${result.message} (0% verified)`, reason);
      const kept = records.findLast(({ type }) => type === "progress")!;
      const verified = kept.verifiedBytes as number;
      assertGreater(verified, 0);
      assertLess(verified, 8 * MIB);
      assertEquals(namesIn(scene.downloads), ["film", "film.btget"]);

      await using peer = new FakePeer(scene.made);
      const second = await runProgram([
        ...scene.args(peer),
        "--progress=json",
      ]);
      assertEquals(second.code, 0, second.stderr);
      const end = parseJsonLines(second.stderr)
        .findLast(({ type }) => type === "progress")!;
      // Nothing twice, and nothing checked again.
      assertEquals(end.receivedBytes, 8 * MIB - verified);
      assertEquals(end.checkedBytes, 0);
      checkPayload(scene.made, scene.downloads);
      assertEquals(namesIn(scene.downloads), ["film"]);
    });
  }
});
