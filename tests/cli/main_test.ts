/**
 * The whole program in a process of its own, once for each exit status: what a
 * script sees, and what it does to get further.
 */

import {
  assertEquals,
  assertGreater,
  assertLess,
  assertMatch,
} from "@std/assert";
import { formatEndpoint } from "../../src/bytes/endpoint.ts";
import { FakePeer } from "../support/fake_peer.ts";
import { parseJsonLines } from "../support/json_lines.ts";
import {
  checkPayload,
  makeTorrent,
  writePayload,
} from "../support/make_torrent.ts";
import {
  ALL_PERMISSIONS,
  type Ended,
  Program,
  runProgram,
} from "../support/program.ts";
import { namesIn, Scene, SLOW } from "../support/scene.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { Tmpfs } from "../support/tmpfs.ts";

const KIB = 1024;
const MIB = 1024 * 1024;

/** Takes all the room that is left on a disk. */
function fill(path: string): void {
  using file = Deno.openSync(path, { write: true, create: true });
  try {
    while (true) file.writeSync(new Uint8Array(64 * KIB));
  } catch (error) {
    if ((error as { code?: string }).code !== "ENOSPC") throw error;
  }
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
    const { code, stderr } = await runProgram([
      ...scene.args(),
      "--progress=none",
    ]);
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
    "--stall-timeout=1.5",
  ]);
  assertEquals(code, 5);
  assertMatch(
    stderr,
    /^btget: film: Gave up after 1\.5 s without progress: none of the connected peers \(1\) serves us \(0\.0% verified\)\n$/m,
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
      ["--stop=1.5"],
      () => {},
      /film: stopped after 1\.5 s, as --stop asks \([0-9.]+% verified\)/,
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

Deno.test("main.ts ends with 9 when the disk is full, and goes on with more space", async () => {
  using disk = Tmpfs.mount({ size: MIB });
  if (!disk) return;
  using scene = new Scene(makeTorrent({ files: 3 * MIB, name: "film" }));
  await using peer = new FakePeer(scene.made);
  const download = async () => {
    const ended = await runProgram([
      ...scene.args(peer),
      `--dir=${disk.path}`,
      "--progress=json",
    ]);
    const records = parseJsonLines(ended.stderr);
    const result = records.find(({ type }) => type === "result")!;
    const stats = records.findLast(({ type }) => type === "progress")!;
    return { ...ended, message: String(result.message), stats };
  };
  // No room at all: it shows before the first byte.
  const first = await download();
  assertEquals(first.code, 9);
  assertMatch(first.message, /^No space left (for|in) /);
  assertEquals(first.stats.receivedBytes, 0);

  // The room goes while it downloads.
  disk.remount("size=8m");
  const ballast = `${disk.path}/ballast`;
  const isFull = Promise.withResolvers<void>();
  let served = 0;
  await using waiting = new FakePeer(scene.made, {
    serve: async (_, right) => {
      if (++served > 40) await isFull.promise;
      return right;
    },
  });
  await using second = new Program([
    ...scene.args(waiting),
    `--dir=${disk.path}`,
    "--progress=json",
    "-v",
  ]);
  await second.said(/"type":"piece"/);
  fill(ballast);
  isFull.resolve();
  const { code, stderr } = await second.ended();
  assertEquals(code, 9, stderr);
  const kept = parseJsonLines(stderr)
    .findLast(({ type }) => type === "progress")!.verifiedBytes as number;
  assertGreater(kept, 0);

  // With room again, only what is missing is downloaded.
  await Deno.remove(ballast);
  const third = await download();
  assertEquals(third.code, 0, third.stderr);
  assertEquals(third.stats.receivedBytes, 3 * MIB - kept);
  checkPayload(scene.made, disk.path);
  assertEquals(namesIn(disk.path), ["film"]);
});

Deno.test("main.ts ends with 13 when something else lies where a file goes", async (t) => {
  const made = makeTorrent({ files: 300 * KIB, name: "film" });
  const cases: [name: string, put: (path: string) => void, message: RegExp][] =
    [
      [
        "somebody's file",
        (path) => Deno.writeTextFileSync(path, "mine"),
        /film exists .*move it away, choose another folder with --dir, or say --allow-overwrite/,
      ],
      [
        "a folder",
        (path) => Deno.mkdirSync(path),
        /film is a folder, and a file must go there/,
      ],
      [
        "a link to nothing",
        (path) => Deno.symlinkSync("gone", path),
        /film is a symbolic link, and a file must go there/,
      ],
      [
        "a pipe",
        (path) =>
          void new Deno.Command("mkfifo", { args: [path] }).outputSync(),
        /film is neither a file nor a folder, and a file must go there/,
      ],
    ];
  for (const [name, put, message] of cases) {
    await t.step(name, async () => {
      using scene = new Scene(made);
      await using peer = new FakePeer(made);
      await Deno.mkdir(scene.downloads);
      put(`${scene.downloads}/film`);
      const before = await Deno.lstat(`${scene.downloads}/film`);
      const { code, stderr } = await runProgram(scene.args(peer));
      assertEquals(code, 13, stderr);
      assertMatch(stderr, message);
      assertEquals(namesIn(scene.downloads), ["film"]);
      const after = await Deno.lstat(`${scene.downloads}/film`);
      assertEquals([after.ino, after.size], [before.ino, before.size]);
    });
  }
  await t.step("a file where a folder goes", async () => {
    using scene = new Scene(makeTorrent({ files: { "sub/a": 10 } }));
    await Deno.mkdir(`${scene.downloads}/payload`, { recursive: true });
    await Deno.writeTextFile(`${scene.downloads}/payload/sub`, "mine");
    const { code, stderr } = await runProgram(scene.args());
    assertEquals(code, 13);
    assertMatch(stderr, /payload\/sub is a file, and a folder must go there/);
  });
  await t.step("and with the user's word", async () => {
    using scene = new Scene(made);
    await using peer = new FakePeer(made);
    await Deno.mkdir(scene.downloads);
    await Deno.writeTextFile(`${scene.downloads}/film`, "mine");
    const { code, stderr } = await runProgram([
      ...scene.args(peer),
      "--allow-overwrite",
    ]);
    assertEquals(code, 0, stderr);
    checkPayload(made, scene.downloads);
  });
});

/** Takes from root what makes it root among files. */
const AS_ANYBODY = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"];

Deno.test("main.ts ends with 15 when something may not be opened", async (t) => {
  const made = makeTorrent({ files: 300 * KIB, name: "film" });
  await t.step("a folder as a source", async () => {
    const { code, stderr } = await runProgram(["/tmp"]);
    assertEquals([code, stderr], [
      15,
      "btget: /tmp is a folder, not a torrent\n",
    ]);
  });
  await t.step("a source that nobody may read", async () => {
    using scene = new Scene(made);
    await Deno.chmod(scene.torrentPath, 0);
    const { code, stderr } = await runProgram(scene.args(), {
      wrapper: AS_ANYBODY,
    });
    assertEquals(code, 15);
    assertMatch(stderr, /x\.torrent cannot be read \(Permission denied/);
  });
  await t.step("a folder that nobody may write to", async () => {
    using scene = new Scene(made);
    await Deno.mkdir(scene.downloads, { mode: 0o555 });
    const { code, stderr } = await runProgram(scene.args(), {
      wrapper: AS_ANYBODY,
    });
    assertEquals(code, 15);
    assertMatch(stderr, /^btget: film: Permission denied: .*downloads/m);
  });
  await t.step("a disk that is read-only", async () => {
    using disk = Tmpfs.mount({ size: MIB });
    if (!disk) return;
    disk.remount("ro");
    using scene = new Scene(made);
    const { code, stderr } = await runProgram([
      ...scene.args(),
      `--dir=${disk.path}`,
    ]);
    assertEquals(code, 15);
    assertMatch(stderr, /^btget: film: Permission denied: /m);
  });
  await t.step("a download that another btget works on", async () => {
    using scene = new Scene(made);
    await using peer = new FakePeer(made, { unchokes: false });
    await using first = new Program([...scene.args(peer), "-v"]);
    await first.said(/connected to/);
    const { code, stderr } = await runProgram(scene.args(peer));
    assertEquals(code, 15);
    assertMatch(
      stderr,
      /^btget: film: Another btget is working on this download \(.*film\.btget\)/m,
    );
    // It is none the worse for it, and its end frees the download.
    first.kill("SIGKILL");
    await first.ended();
    await using seed = new FakePeer(made);
    const third = await runProgram(scene.args(seed));
    assertEquals(third.code, 0, third.stderr);
    checkPayload(made, scene.downloads);
  });
});

Deno.test("main.ts ends with 17 when the disk fails", async () => {
  // A file may not grow beyond 8 MiB: the write fails in its own way.
  const limited = [
    "sh",
    "-c",
    `trap '' XFSZ; ulimit -f 16384; exec "$@"`,
    "sh",
  ];
  using scene = new Scene(
    makeTorrent({ files: 9 * MIB, name: "film", pieceLength: 256 * KIB }),
  );
  await using peer = new FakePeer(scene.made);
  const { code, stderr } = await runProgram(scene.args(peer), {
    wrapper: limited,
    // Otherwise it takes some room to see whether there is any.
    permissions: [...ALL_PERMISSIONS, "--allow-sys=statfs"],
  });
  assertEquals(code, 17, stderr);
  assertMatch(
    stderr,
    /^btget: film: The disk failed at \S+film \(File too large.*\) \([0-9.]+% verified\)$/m,
  );
  // Nothing that was verified is lost.
  const second = await runProgram(scene.args(peer));
  assertEquals(second.code, 0, second.stderr);
  checkPayload(scene.made, scene.downloads);
});

Deno.test("main.ts ends with 25, 26 or 27 when the source is no torrent", async (t) => {
  const text = (value: string) => new TextEncoder().encode(value);
  const gzip = await new Response(
    ReadableStream.from([makeTorrent({ files: 1 }).bytes.slice()])
      .pipeThrough(new CompressionStream("gzip")),
  ).bytes();
  const cases: [name: string, bytes: Uint8Array, code: number, said: RegExp][] =
    [
      ["nothing", text(""), 25, /is empty, not a torrent$/],
      ["a web page", text("<html>"), 25, /is a web page, not a torrent$/],
      ["gzip", gzip, 25, /is gzip \(unpack it first\), not a torrent$/],
      ["zip", text("PK\x03\x04"), 25, /is a zip archive, not a torrent$/],
      ["a bad link", text("magnet:?x"), 27, /Cannot use magnet link: xt/],
      ["words", text("hello"), 25, /is not a torrent: Cannot decode/],
      ["noise", Uint8Array.of(0xff, 0x1b, 7), 25, /is not a torrent: Cannot/],
      ["half of it", text("d4:info"), 25, /is not a torrent: Cannot decode/],
      ["a number", text("i1e"), 26, /Cannot use torrent: the file is not a/],
      ["no info", text("d1:ai1ee"), 26, /Cannot use torrent: info is missing$/],
      [
        "no name",
        text("d4:infod6:lengthi1eee"),
        26,
        /Cannot use torrent: info/,
      ],
    ];
  for (const [name, bytes, code, said] of cases) {
    await t.step(name, async () => {
      using folder = new TempFolder();
      const path = folder.join("x.torrent");
      await Deno.writeFile(path, bytes);
      for (const args of [[path, `--dir=${folder.path}`], ["-S", path]]) {
        const ended = await runProgram(args);
        assertEquals(ended.code, code);
        assertMatch(ended.stderr, /^btget: \S+x\.torrent[: ].*\n$/);
        assertMatch(ended.stderr.trim(), said);
        assertMatch(ended.stderr, /^[\n\x20-\x7e]+$/);
      }
      assertEquals(namesIn(folder.path), ["x.torrent"]);
    });
  }
  await t.step("a magnet link as the source", async () => {
    const { code, stderr } = await runProgram(["magnet:?xt=urn:btih:0"]);
    assertEquals(code, 27);
    assertMatch(stderr, /Cannot use magnet link: xt has a hash of the wrong/);
  });
});

Deno.test("main.ts ends with 32 when data does not match its hash", async (t) => {
  const made = makeTorrent({ files: 300 * KIB, name: "film" });
  await t.step("what is on disk", async () => {
    using scene = new Scene(made);
    await Deno.mkdir(scene.downloads);
    writePayload(made, scene.downloads);
    const path = `${scene.downloads}/film`;
    const bytes = await Deno.readFile(path);
    bytes[100_000]! ^= 1;
    await Deno.writeFile(path, bytes);
    const { code, stderr } = await runProgram([
      ...scene.args(),
      "--hash-check-only",
    ]);
    assertEquals(code, 32);
    assertMatch(
      stderr,
      /^btget: film: 1 of 10 pieces missing or not matching the hash \(89\.3% verified\)\n$/m,
    );
    assertEquals(await Deno.readFile(path), bytes);
    assertEquals(namesIn(scene.downloads), ["film"]);
  });
  await t.step("nothing on disk", async () => {
    using scene = new Scene(made);
    const { code, stderr } = await runProgram([
      ...scene.args(),
      "--hash-check-only",
    ]);
    assertEquals(code, 32);
    assertMatch(stderr, /10 of 10 pieces missing/);
    assertEquals(namesIn(scene.folder.path), ["x.torrent"]);
  });
  await t.step("the only peer lies", async () => {
    using scene = new Scene(made);
    await using liar = new FakePeer(made, {
      serve: (_, right) => right.map((byte) => byte ^ 1),
    });
    const { code, stderr } = await runProgram([
      ...scene.args(liar),
      "--stall-timeout=1.5",
    ]);
    assertEquals(code, 32);
    assertMatch(
      stderr,
      /^film: 127\.0\.0\.1:\d+ gave wrong data and is banned/m,
    );
    assertMatch(
      stderr,
      /what came did not match its hash, and nobody else has/,
    );
  });
});

Deno.test("main.ts ends with the worst of its sources", async (t) => {
  const films = [1, 2, 3].map((seed) =>
    makeTorrent({ files: 100 * KIB, name: `film${seed}`, seed })
  );
  const run = async (
    args: (paths: string[]) => string[],
  ): Promise<Ended & { folder: string[] }> => {
    using folder = new TempFolder();
    await using stack = new AsyncDisposableStack();
    const paths = films.map((made, i) => {
      Deno.writeFileSync(folder.join(`${i}.torrent`), made.bytes);
      return folder.join(`${i}.torrent`);
    });
    await Deno.writeTextFile(folder.join("bad.torrent"), "bad");
    const peers = films.map((made) => stack.use(new FakePeer(made)));
    const downloads = folder.join("downloads");
    const ended = await runProgram([
      ...peers.map(({ endpoint }) => `--peer=${formatEndpoint(endpoint)}`),
      `--dir=${downloads}`,
      "--listen-port=0",
      "--no-dht",
      "--no-lsd",
      ...args([...paths, folder.join("bad.torrent")]),
    ]);
    return { ...ended, folder: namesIn(downloads) };
  };
  await t.step("all good", async () => {
    const { code, stderr, folder } = await run((paths) => paths.slice(0, 3));
    assertEquals(code, 0, stderr);
    assertEquals(folder, ["film1", "film2", "film3"]);
    assertMatch(stderr, /\nbtget: 3 of 3 complete\n$/);
  });
  await t.step("one bad among good ones", async () => {
    const { code, stderr, folder } = await run((
      [a, b, c, bad],
    ) => [a!, "/no/such", b!, bad!, c!, "-j1"]);
    assertEquals(code, 25);
    assertEquals(folder, ["film1", "film2", "film3"]);
    assertMatch(stderr, /^btget: \/no\/such does not exist$/m);
    assertMatch(stderr, /^btget: \S+bad\.torrent is not a torrent: Cannot/m);
    assertMatch(stderr, /\nbtget: 3 of 5 complete\n$/);
  });
  await t.step("the same torrent twice", async () => {
    const { code, stderr, folder } = await run(([a]) => [a!, a!]);
    assertEquals(code, 2);
    assertEquals(folder, ["film1"]);
    assertMatch(
      stderr,
      /^btget: \S+0\.torrent is the same torrent as another/m,
    );
    assertMatch(stderr, /\nbtget: 1 of 2 complete\n$/);
  });
  await t.step("all bad, to be shown", async () => {
    const { code, stdout, stderr } = await runProgram([
      "-S",
      "/no/such",
      "/etc/passwd",
    ]);
    assertEquals([code, stdout], [25, ""]);
    assertMatch(stderr, /^btget: \/no\/such does not exist\nbtget: \/etc\/pas/);
  });
});

Deno.test("main.ts says so when Deno guards a place", async () => {
  const { code, stderr } = await runProgram(["-S", "/dev/shm/x.torrent"]);
  assertEquals(code, 15);
  assertMatch(stderr, /may not be read by programs that run in Deno/);
});
