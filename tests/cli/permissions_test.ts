/**
 * The program with less than all permissions, in processes of its own. It never
 * stops at a prompt: what may not be done is said, with the flag that permits
 * it, and has an exit status.
 */

import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { formatEndpoint } from "../../src/bytes/endpoint.ts";
import { UdpTrackerServer } from "../../src/tracker/udp_tracker_server.ts";
import { FakePeer } from "../support/fake_peer.ts";
import { FakeWebSeed } from "../support/fake_web_seed.ts";
import {
  checkPayload,
  makeTorrent,
  writePayload,
} from "../support/make_torrent.ts";
import {
  commandLine,
  Program,
  runOnTerminal,
  runProgram,
} from "../support/program.ts";
import { peersAnswer, RecordingTracker } from "../support/recording_tracker.ts";
import { namesIn, Scene, SLOW } from "../support/scene.ts";

const KIB = 1024;

const FOLDER_TORRENT = makeTorrent({
  name: "films",
  files: { "a.mkv": 200 * KIB, "sub/b.srt": 70 * KIB, "sub/empty": 0 },
});

const FILE_TORRENT = makeTorrent({ name: "film", files: 200 * KIB });

/** What the program never asks the system for. */
const NEVER_NEEDED = [
  "--deny-env",
  "--deny-sys",
  "--deny-run",
  "--deny-ffi",
  "--deny-import",
];

Deno.test("main.ts needs the network and the disk, and nothing else", async () => {
  using scene = new Scene(FOLDER_TORRENT);
  await using peer = new FakePeer(scene.made);
  const { code, stderr } = await runProgram(scene.args(peer), {
    permissions: [
      "--allow-net",
      "--allow-read",
      "--allow-write",
      ...NEVER_NEEDED,
    ],
  });
  assertEquals(code, 0, stderr);
  checkPayload(scene.made, scene.downloads);
});

Deno.test("main.ts downloads with --allow-net and --allow-write alone", async (t) => {
  const permissions = ["--allow-net", "--allow-write", ...NEVER_NEEDED];
  const said =
    /^Without --allow-read nothing can be resumed, checked on disk or given to others; to have that, run with --allow-read=\S+$/gm;
  for (const made of [FOLDER_TORRENT, FILE_TORRENT]) {
    const { name } = made.metainfo;
    await t.step(`${name}, from standard input`, async () => {
      using scene = new Scene(made);
      await using peer = new FakePeer(made);
      await Deno.mkdir(scene.downloads);
      const { code, stdout, stderr } = await runProgram(
        ["-", ...scene.args(peer).slice(1)],
        { permissions, stdin: made.bytes },
      );
      assertEquals(code, 0, stderr);
      assertEquals(stdout, "");
      assertEquals(stderr.match(said)?.length, 1, stderr);
      assertMatch(
        stderr,
        new RegExp(`^btget: ${name}: complete, .* verified`, "m"),
      );
      checkPayload(made, scene.downloads);
      assertEquals(namesIn(scene.downloads), [name]);
    });
  }
  await t.step("into the current folder", async () => {
    using scene = new Scene(FILE_TORRENT);
    await using peer = new FakePeer(scene.made);
    await Deno.mkdir(scene.downloads);
    const args = scene.args(peer).filter((arg) => !/^--dir|torrent$/.test(arg));
    const { code, stderr } = await runProgram([...args, "-"], {
      permissions,
      stdin: scene.made.bytes,
      cwd: scene.downloads,
    });
    assertEquals(code, 0, stderr);
    assertMatch(stderr, /--allow-read=\.$/m);
    checkPayload(scene.made, scene.downloads);
  });
  await t.step("from a URL", async () => {
    using scene = new Scene(FILE_TORRENT);
    await using peer = new FakePeer(scene.made);
    await using server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      () => new Response(scene.made.bytes.slice()),
    );
    await Deno.mkdir(scene.downloads);
    const url = `http://127.0.0.1:${server.addr.port}/x.torrent`;
    const { code, stderr } = await runProgram(
      [url, ...scene.args(peer).slice(1)],
      { permissions },
    );
    assertEquals(code, 0, stderr);
    checkPayload(scene.made, scene.downloads);
  });
  await t.step("but not over what is there already", async () => {
    using scene = new Scene(FILE_TORRENT);
    await using peer = new FakePeer(scene.made);
    await Deno.mkdir(scene.downloads);
    await Deno.writeTextFile(`${scene.downloads}/film`, "mine");
    const args = ["-", ...scene.args(peer).slice(1)];
    const options = { permissions, stdin: scene.made.bytes };
    const refused = await runProgram(args, options);
    assertEquals(refused.code, 13);
    assertMatch(refused.stderr, /film.*--allow-read.*--allow-overwrite/);
    assertEquals(await Deno.readTextFile(`${scene.downloads}/film`), "mine");
    const allowed = await runProgram([...args, "--allow-overwrite"], options);
    assertEquals(allowed.code, 0, allowed.stderr);
    checkPayload(scene.made, scene.downloads);
  });
  await t.step("and what is stopped begins anew", async () => {
    using scene = new Scene(
      makeTorrent({ name: "film", files: 4096 * KIB }),
    );
    await using slow = new FakePeer(scene.made, SLOW);
    await Deno.mkdir(scene.downloads);
    await using program = new Program(
      ["-", ...scene.args(slow).slice(1), "--progress=json", "-v"],
      { permissions, stdin: scene.made.bytes },
    );
    await program.said(/"type":"piece"/);
    program.kill("SIGINT");
    const { code, stderr } = await program.ended();
    assertEquals(code, 7);
    // It does not promise what it cannot do.
    assertNotMatch(stderr, /go on/);
  });
});

Deno.test("main.ts takes permissions for single files and hosts", async () => {
  using scene = new Scene(FOLDER_TORRENT);
  await using peer = new FakePeer(scene.made);
  const { hostname, port } = peer.endpoint;
  await using tracker = new RecordingTracker(() => peersAnswer(peer.endpoint));
  const made = makeTorrent({
    name: "films",
    files: { "a.mkv": 200 * KIB, "sub/b.srt": 70 * KIB, "sub/empty": 0 },
    trackers: [tracker.announceUrl],
  });
  await Deno.writeFile(scene.torrentPath, made.bytes);
  const { code, stderr } = await runProgram(scene.args(), {
    permissions: [
      `--allow-net=${hostname}:${port},${tracker.host}`,
      `--allow-read=${scene.torrentPath},${scene.downloads}`,
      `--allow-write=${scene.downloads}`,
      ...NEVER_NEEDED,
    ],
  });
  assertEquals(code, 0, stderr);
  checkPayload(scene.made, scene.downloads);
  assertEquals(
    stderr.match(/^Without --allow-net for everybody, .*$/gm)?.length,
    1,
  );
});

Deno.test("main.ts asks a UDP tracker with permission for it and for UDP", async (t) => {
  using scene = new Scene(makeTorrent({ name: "film", files: 200 * KIB }));
  await using peer = new FakePeer(scene.made, SLOW);
  await using tracker = new UdpTrackerServer();
  const { announceUrl } = tracker;
  const { host } = new URL(announceUrl);
  const download = (hosts: string) =>
    runProgram([
      ...scene.args(peer),
      `--bt-tracker=${announceUrl}`,
      "-v",
    ], {
      permissions: [
        `--allow-net=${formatEndpoint(peer.endpoint)},${hosts}`,
        `--allow-read=${scene.folder.path}`,
        `--allow-write=${scene.folder.path}`,
        ...NEVER_NEEDED,
      ],
    });
  const rows: [hosts: string, said: RegExp][] = [
    [`0.0.0.0,${host}`, /udp:.*0 peers/],
    [host, /UDP may not be used: run again with --allow-net=0\.0\.0\.0/],
    ["0.0.0.0", /may not be used: run again with --allow-net=127\.0\.0\.1:\d+/],
  ];
  for (const [hosts, said] of rows) {
    await t.step(hosts.replace(/:\d+/, ""), async () => {
      await Deno.mkdir(scene.downloads);
      const { code, stderr } = await download(hosts);
      await Deno.remove(scene.downloads, { recursive: true });
      assertEquals(code, 0, stderr);
      assertMatch(stderr, said);
    });
  }
});

Deno.test("main.ts checks with --allow-read alone", async () => {
  using scene = new Scene(FOLDER_TORRENT);
  await Deno.mkdir(scene.downloads);
  writePayload(scene.made, scene.downloads);
  const { code, stderr } = await runProgram(
    [...scene.args(), "--hash-check-only"],
    { permissions: ["--allow-read", ...NEVER_NEEDED] },
  );
  assertEquals(code, 0, stderr);
  assertMatch(
    stderr,
    /^btget: films: complete, 270\.0 KiB verified on disk\n$/m,
  );
});

Deno.test("main.ts lists files with what the source needs, or with nothing", async () => {
  using scene = new Scene(FOLDER_TORRENT);
  const file = await runProgram(["-S", scene.torrentPath], {
    permissions: [`--allow-read=${scene.torrentPath}`],
  });
  assertEquals([file.code, file.stderr], [0, ""]);
  const stdin = await runProgram(["-S", "-"], {
    permissions: [],
    stdin: scene.made.bytes,
  });
  assertEquals([stdin.code, stdin.stdout], [0, file.stdout]);
});

Deno.test("main.ts names the flag that is missing, and never prompts", async (t) => {
  const args = (scene: Scene) => scene.args();
  const without = (missing: string) =>
    ["--allow-net", "--allow-read", "--allow-write"]
      .filter((flag) => flag !== missing);
  const cases: [
    name: string,
    what: (scene: Scene) => { args: string[]; permissions: string[] },
    code: number,
    said: RegExp,
  ][] = [
    [
      "to read the source",
      (scene) => ({
        args: args(scene),
        permissions: without("--allow-read"),
      }),
      15,
      /x\.torrent may not be read: run again with --allow-read=\S+x\.torrent, or use 'btget - < \S+x\.torrent'/,
    ],
    [
      "to read the source, to be shown",
      (scene) => ({ args: ["-S", scene.torrentPath], permissions: [] }),
      15,
      /x\.torrent may not be read: run again with --allow-read=/,
    ],
    [
      "to write",
      (scene) => ({
        args: args(scene),
        permissions: without("--allow-write"),
      }),
      15,
      /Nothing may be written to \S+downloads: run again with --allow-write=\S+downloads/,
    ],
    [
      "to write there",
      (scene) => ({
        args: args(scene),
        permissions: [
          "--allow-net",
          "--allow-read",
          `--allow-write=${scene.folder.join("elsewhere")}`,
        ],
      }),
      15,
      /Nothing may be written to \S+downloads: run again with --allow-write=\S+downloads/,
    ],
    [
      "to check",
      (scene) => ({
        args: [...args(scene), "-V"],
        permissions: [
          "--allow-net",
          `--allow-read=${scene.torrentPath}`,
          "--allow-write",
        ],
      }),
      15,
      /What is in \S+downloads may not be checked: run again with --allow-read=\S+downloads/,
    ],
    [
      "to use the network",
      (scene) => ({
        args: args(scene),
        permissions: without("--allow-net"),
      }),
      15,
      /Nobody may be connected to: run again with --allow-net/,
    ],
    [
      "to ask this tracker",
      (scene) => ({
        args: [...args(scene), "--stall-timeout=0.5"],
        permissions: [
          "--allow-net=127.0.0.1:1",
          "--allow-read",
          "--allow-write",
        ],
      }),
      15,
      /Nobody may be connected to: run again with --allow-net/,
    ],
    [
      "to dial this peer",
      (scene) => ({
        args: [
          ...args(scene),
          "--peer=127.0.0.1:2",
          "--stall-timeout=0.5",
          "-v",
        ],
        permissions: [
          "--allow-net=127.0.0.1:3",
          "--allow-read",
          "--allow-write",
        ],
      }),
      15,
      /Nobody may be connected to: run again with --allow-net/,
    ],
    [
      "to ask a server for the source",
      () => ({
        args: ["http://127.0.0.1:8080/x.torrent"],
        permissions: without("--allow-net"),
      }),
      6,
      /may not be asked: run again with --allow-net=127\.0\.0\.1:8080/,
    ],
  ];
  for (const [name, what, code, said] of cases) {
    await t.step(name, async () => {
      using scene = new Scene(makeTorrent({
        files: 200 * KIB,
        trackers: ["http://127.0.0.1:4/announce"],
      }));
      const { args, permissions } = what(scene);
      const silent = await runProgram(args, { permissions });
      assertEquals(silent.code, code, silent.stderr);
      assertMatch(silent.stderr, said);
      assertNotMatch(silent.stderr, /nexpected|\n {4}at /);
      // On a terminal Deno would ask, and wait for ever.
      const terminal = await runOnTerminal(
        commandLine(args, { permissions, mayPrompt: true }),
        { columns: 500 },
      );
      assertEquals(terminal.code, code, terminal.text);
      assertMatch(terminal.text, said);
      assertNotMatch(terminal.text, /Deno requests|y\/n/);
      assert(!namesIn(scene.folder.path).includes("elsewhere"));
    });
  }
});

Deno.test("main.ts names the folder that it needs to keep nodes of the DHT", async () => {
  using scene = new Scene(FILE_TORRENT);
  await using peer = new FakePeer(scene.made);
  const { downloads, folder, torrentPath } = scene;
  const file = folder.join("nodes");
  const run = (path: string) => {
    const args = scene.args(peer).filter((arg) => arg !== "--no-dht");
    return runProgram(
      [
        ...args,
        "--check-integrity",
        "--dht-bootstrap=127.0.0.1:1",
        `--dht-file=${file}`,
      ],
      {
        permissions: [
          "--allow-net",
          `--allow-read=${torrentPath},${downloads},${path}`,
          `--allow-write=${downloads},${path}`,
        ],
      },
    );
  };
  const { code, stderr } = await run(file);
  assertEquals(code, 0, stderr);
  assertMatch(stderr, new RegExp(`--allow-write=${folder.path}$`, "m"));
  await Deno.remove(downloads, { recursive: true });
  const { stderr: second } = await run(folder.path);
  assertNotMatch(second, /Cannot keep/);
  assertEquals(namesIn(folder.path), ["downloads", "nodes", "x.torrent"]);
});

Deno.test("main.ts asks those web seeds that --allow-net names", async () => {
  using scene = new Scene(FOLDER_TORRENT);
  await using seed = new FakeWebSeed(scene.made);
  await using other = new FakeWebSeed(scene.made);
  const { code, stderr } = await runProgram(
    [
      ...scene.args(),
      `--web-seed=${other.url()}`,
      `--web-seed=${seed.url()}`,
    ],
    {
      permissions: [
        `--allow-net=127.0.0.1:${seed.port}`,
        "--allow-read",
        "--allow-write",
        ...NEVER_NEEDED,
      ],
    },
  );
  assertEquals(code, 0, stderr);
  checkPayload(scene.made, scene.downloads);
  assertMatch(
    stderr,
    new RegExp(
      `${other.url()} may not be asked: run again with --allow-net=127.0.0.1:`,
    ),
  );
  assertEquals(other.requests.length, 0);
});
