import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { formatEndpoint } from "../../src/bytes/endpoint.ts";
import { parseMetainfo } from "../../src/metainfo/metainfo.ts";
import { VERSION } from "../../src/version.ts";
import { conditionalTest, missingProgram } from "../support/conditional.ts";
import { FakePeer } from "../support/fake_peer.ts";
import { makeTorrent, writePayload } from "../support/make_torrent.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { Btget, type BtgetProgram, isProgress } from "./support/btget.ts";
import { SINGLE_FILE, testDownloadsFrom } from "./support/downloads.ts";
import { waitUntil } from "./support/child.ts";
import { OPENTRACKER } from "./support/opentracker.ts";
import { ARIA2, LIBTORRENT, TRANSMISSION } from "./support/clients.ts";
import { assertFiles, withSwarm } from "./support/swarm.ts";
import { testUploadsTo } from "./support/uploads.ts";
import { encodeHex } from "@std/encoding/hex";

const MIB = 1024 * 1024;

/** The exit status of a check that finds something wrong. */
const MISMATCH = 32;

const path = Deno.env.get("BTGET_BINARY");

const missing = path === undefined
  ? ["BTGET_BINARY does not name the built program"]
  : [];

const needsSwarm = [
  ...missing,
  ...missingProgram(OPENTRACKER),
  ...LIBTORRENT.missing(),
];

/** Where it lies alone: it must not need anything that was built with it. */
let home: TempFolder | undefined;

Deno.test.beforeAll(() => {
  if (path === undefined) return;
  home = new TempFolder();
  Deno.copyFileSync(path, home.join("btget"));
});

Deno.test.afterAll(() => home?.[Symbol.dispose]());

/** The program, which sees neither another program nor a setting. */
const program: BtgetProgram = {
  command: () => [home!.join("btget")],
  env: { PATH: "/nonexistent" },
};

conditionalTest({
  name: "the binary says its version",
  missing,
  async fn() {
    using folder = new TempFolder();
    await using btget = new Btget({
      program,
      folder: folder.path,
      args: ["--version"],
    });
    assertEquals(await btget.finished(), 0);
    assertEquals(btget.stdout, `btget ${VERSION}\n`);
    assertEquals(btget.stderr, "");
  },
});

for (const kind of [TRANSMISSION, ARIA2, LIBTORRENT]) {
  testDownloadsFrom(kind, { program, programName: "the binary", missing });
}

testUploadsTo(LIBTORRENT, { program, programName: "the binary", missing });

conditionalTest({
  name: "the binary downloads a torrent from standard input",
  missing: needsSwarm,
  async fn() {
    const options = { recipe: SINGLE_FILE, seeders: [LIBTORRENT] };
    await withSwarm(options, async (swarm) => {
      await swarm.download({ program, fromStdin: true });
    });
  },
});

conditionalTest({
  name: "the binary goes on after kill -9",
  missing: needsSwarm,
  async fn() {
    const options = {
      recipe: { pieceLength: 64 * 1024, files: { a: 3 * MIB, b: 3 * MIB } },
      seeders: [LIBTORRENT],
      maxRate: 2048,
    };
    await withSwarm(options, async (swarm) => {
      using folder = new TempFolder();
      const first = swarm.btget(folder.path, { program });
      await first.said(
        (record) => isProgress(record) && record.verifiedBytes > MIB,
        "a part is verified",
      );
      first.kill("SIGKILL");
      await first.finished();
      const { totalBytes, verifiedBytes } = first.progress!;
      const second = swarm.btget(folder.path, { program });
      assertEquals(await second.finished(), 0);
      const { receivedBytes } = second.progress!;
      assertLessOrEqual(receivedBytes, totalBytes - verifiedBytes);
      await assertFiles(swarm.made, folder.path);
    });
  },
});

conditionalTest({
  name: "the binary checks 200 MiB, and mends what is wrong",
  missing: needsSwarm,
  async fn() {
    const pieceLength = MIB;
    const options = {
      recipe: { pieceLength, files: 200 * MIB + 12_345 },
      seeders: [LIBTORRENT],
    };
    await withSwarm(options, async (swarm) => {
      using folder = new TempFolder();
      const { made } = swarm;
      writePayload(made, folder.path);
      const check = async (...args: string[]) => {
        const btget = swarm.btget(folder.path, { program, args });
        const status = await btget.finished();
        const { checkedBytes, receivedBytes } = btget.progress!;
        assertEquals(checkedBytes, made.payload.length);
        return { status, receivedBytes };
      };
      const whole = await check("--check-integrity");
      assertEquals(whole, { status: 0, receivedBytes: 0 });
      flipByte(folder.join("payload"), 123 * pieceLength + 456);
      const wrong = await check("--hash-check-only");
      assertEquals(wrong, { status: MISMATCH, receivedBytes: 0 });
      const mended = await check("--check-integrity");
      assertEquals(mended, { status: 0, receivedBytes: pieceLength });
      await assertFiles(made, folder.path);
    });
  },
});

/** Runs the binary to its end. */
async function runBinary(
  args: readonly string[],
  { stdin = new Uint8Array(), cwd }: { stdin?: Uint8Array; cwd: string },
): Promise<{ code: number; stdout: Uint8Array; stderr: string }> {
  const child = new Deno.Command(home!.join("btget"), {
    args: [...args],
    cwd,
    clearEnv: true,
    env: program.env,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  // Who does not read it ends before all is written.
  const fed = writer.write(stdin).then(() => writer.close()).catch(() => {});
  const { code, stdout, stderr } = await child.output();
  await fed;
  return { code, stdout, stderr: new TextDecoder().decode(stderr) };
}

conditionalTest({
  name: "the binary creates, shows, verifies and edits torrents, through pipes",
  missing,
  async fn() {
    using folder = new TempFolder();
    const cwd = folder.path;
    await Deno.mkdir(folder.join("data"));
    await Deno.writeFile(folder.join("data/a"), new Uint8Array(300_000));
    await Deno.writeTextFile(folder.join("data/run"), "x");
    await Deno.chmod(folder.join("data/run"), 0o755);
    await Deno.symlink("a", folder.join("data/link"));
    const made = await runBinary(
      ["create", "data", "--symlinks", "-t", "udp://h:1", "-o", "-"],
      { cwd },
    );
    assertEquals(made.code, 0, made.stderr);
    const { infoHash, files } = parseMetainfo(made.stdout);
    assertEquals(
      files.filter(({ kind }) => kind !== "pad").map((file) => [
        file.path.join("/"),
        file.isExecutable ?? file.target?.join("/"),
      ]),
      [["data/a", undefined], ["data/link", "data/a"], ["data/run", true]],
    );
    const shown = await runBinary(["show", "--json", "-"], {
      cwd,
      stdin: made.stdout,
    });
    assertEquals(shown.code, 0, shown.stderr);
    const record = JSON.parse(new TextDecoder().decode(shown.stdout));
    assertEquals(record.infoHash, encodeHex(infoHash));
    const verify = () =>
      runBinary(["verify", "-d", ".", "-"], { cwd, stdin: made.stdout });
    assertEquals((await verify()).code, 0);
    flipByte(folder.join("data/a"), 299_999);
    const wrong = await verify();
    assertEquals(wrong.code, MISMATCH);
    assertEquals(
      new TextDecoder().decode(wrong.stdout),
      "bad\tdata\tdata/a\t294912-299999\n",
    );
    await Deno.rename(folder.join("data/a"), folder.join("a"));
    const missing = await verify();
    assertEquals(missing.code, MISMATCH, missing.stderr);
    assertEquals(
      new TextDecoder().decode(missing.stdout),
      "missing\tdata\tdata/a\t\n",
    );
    const edited = await runBinary(
      ["edit", "-", "-o", "-", "--comment", "new"],
      { cwd, stdin: made.stdout },
    );
    assertEquals(parseMetainfo(edited.stdout).comment, "new");
    await Deno.writeFile(folder.join("x.torrent"), edited.stdout);
    const inPlace = await runBinary(
      ["edit", "x.torrent", "--comment", "newer"],
      { cwd },
    );
    assertEquals(inPlace.code, 0, inPlace.stderr);
    const after = parseMetainfo(await Deno.readFile(folder.join("x.torrent")));
    assertEquals([after.comment, after.infoHash], ["newer", infoHash]);
  },
});

conditionalTest({
  name: "the binary makes programs and links",
  missing,
  async fn() {
    using folder = new TempFolder();
    const made = makeTorrent({
      name: "t",
      files: { run: 100_000, link: 0 },
      fileInfo: {
        run: { attr: "x" },
        link: { attr: "l", "symlink path": ["run"] },
      },
    });
    await using peer = new FakePeer(made);
    const { code, stderr } = await runBinary([
      ...["-", "-d", ".", "--listen-port=0", "--no-dht", "--no-lsd"],
      ...["--stall-timeout=30", `--peer=${formatEndpoint(peer.endpoint)}`],
    ], { cwd: folder.path, stdin: made.bytes });
    assertEquals(code, 0, stderr);
    assertEquals(await Deno.readLink(folder.join("t/link")), "run");
    const { mode } = await Deno.stat(folder.join("t/run"));
    assertEquals(mode! & 0o100, 0o100);
  },
});

/** Whether a program runs a worker now. */
function hasWorker(pid: number): boolean {
  const folder = `/proc/${pid}/task`;
  try {
    return [...Deno.readDirSync(folder)].some(({ name }) =>
      Deno.readTextFileSync(`${folder}/${name}/comm`).startsWith("worker-")
    );
  } catch (error) {
    // A thread or the whole program has ended meanwhile.
    if (isGone(error)) return false;
    throw error;
  }
}

function isGone(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound ||
    (error as { code?: string }).code === "ESRCH";
}

conditionalTest({
  name: "the binary hashes in workers",
  missing: [
    ...missing,
    ...(navigator.hardwareConcurrency > 1 ? [] : ["there is only one core"]),
  ],
  async fn() {
    using folder = new TempFolder();
    // It takes no room on the disk, and long enough to be watched.
    await Deno.writeFile(folder.join("data"), new Uint8Array());
    await Deno.truncate(folder.join("data"), 512 * MIB);
    const commands = [
      ["create", "data", "-qo", "x.torrent"],
      ["verify", "-q", "x.torrent"],
      ["--hash-check-only", "--progress=none", "x.torrent"],
    ];
    for (const args of commands) {
      await using btget = new Btget({ program, folder: folder.path, args });
      let hasSeen = false;
      await waitUntil(() => {
        hasSeen ||= hasWorker(btget.pid);
        return hasSeen || btget.hasExited;
      }, { what: `a worker of ${args[0]}`, seconds: 60 });
      assertEquals(await btget.finished(), 0, btget.log);
      assert(hasSeen, args.join(" "));
    }
  },
});

function flipByte(path: string, offset: number): void {
  using file = Deno.openSync(path, { read: true, write: true });
  const byte = new Uint8Array(1);
  file.seekSync(offset, Deno.SeekMode.Start);
  assert(file.readSync(byte) === 1);
  byte[0]! ^= 1;
  file.seekSync(offset, Deno.SeekMode.Start);
  file.writeSync(byte);
}
