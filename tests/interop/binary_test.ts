import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { VERSION } from "../../src/version.ts";
import { conditionalTest, missingProgram } from "../support/conditional.ts";
import { writePayload } from "../support/make_torrent.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { Btget, type BtgetProgram, isProgress } from "./support/btget.ts";
import { SINGLE_FILE, testDownloadsFrom } from "./support/downloads.ts";
import { OPENTRACKER } from "./support/opentracker.ts";
import { ARIA2, LIBTORRENT, TRANSMISSION } from "./support/clients.ts";
import { assertFiles, withSwarm } from "./support/swarm.ts";
import { testUploadsTo } from "./support/uploads.ts";

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

function flipByte(path: string, offset: number): void {
  using file = Deno.openSync(path, { read: true, write: true });
  const byte = new Uint8Array(1);
  file.seekSync(offset, Deno.SeekMode.Start);
  assert(file.readSync(byte) === 1);
  byte[0]! ^= 1;
  file.seekSync(offset, Deno.SeekMode.Start);
  file.writeSync(byte);
}
