/**
 * The program killed at any moment, and two of them on one download, in
 * processes of their own.
 */

import { assert, assertEquals, assertGreater, assertMatch } from "@std/assert";
import { delay } from "@std/async/delay";
import { FakePeer } from "../support/fake_peer.ts";
import { parseJsonLines } from "../support/json_lines.ts";
import { checkPayload, makeTorrent } from "../support/make_torrent.ts";
import { Program, runProgram } from "../support/program.ts";
import { namesIn, Scene } from "../support/scene.ts";
import { seededRandom } from "../support/seeded_random.ts";

const KIB = 1024;

/** A day of kills takes too long for every run. */
const KILLS = Deno.env.has("BTGET_TEST_SOAK") ? 500 : 20;

Deno.test("main.ts survives being killed at any moment", async () => {
  const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
  const random = seededRandom(seed);
  using scene = new Scene(makeTorrent({
    name: "films",
    pieceLength: 16 * KIB,
    files: { "a": 900 * KIB, "sub/b": 5, "sub/c": 600 * KIB, "empty": 0 },
  }));
  let isSlow = true;
  await using peer = new FakePeer(scene.made, {
    serve: async (_, right) => {
      if (isSlow) await delay(2 + 6 * random());
      return right;
    },
  });
  const { payload } = scene.made;
  try {
    for (let kills = 0; kills < KILLS; kills++) {
      const before = peer.connections.length;
      await using program = new Program([...scene.args(peer), "-q"]);
      // A moment that no clock decides: so many requests into the run.
      const wanted = Math.floor(random() * 24);
      while (!program.hasEnded) {
        const connection = peer.connections[before];
        if (connection && connection.requests.length >= wanted) break;
        await delay(1);
      }
      program.kill("SIGKILL");
      const { code } = await program.ended();
      if (code === 0) {
        // It was done: all of it must be there, and it begins anew.
        checkPayload(scene.made, scene.downloads);
        assertEquals(namesIn(scene.downloads), ["films"]);
        await Deno.remove(scene.downloads, { recursive: true });
      }
    }
    isSlow = false;
    const { code, stderr } = await runProgram([
      ...scene.args(peer),
      "--progress=json",
    ]);
    assertEquals(code, 0, stderr);
    checkPayload(scene.made, scene.downloads);
    assertEquals(namesIn(scene.downloads), ["films"]);
    const end = parseJsonLines(stderr).findLast(({ type }) =>
      type === "progress"
    )!;
    assertEquals(end.verifiedBytes, payload.length);
  } catch (error) {
    throw new Error(`With seed ${seed}`, { cause: error });
  }
});

Deno.test("main.ts fetches nothing twice that was on disk when it was killed", async () => {
  using scene = new Scene(makeTorrent({ files: 2048 * KIB, name: "film" }));
  await using half = new FakePeer(scene.made, { has: (index) => index < 32 });
  await using program = new Program([
    ...scene.args(half),
    "--progress=json",
    "-v",
  ]);
  await program.said(
    /"type":"piece","infoHash":"\w+","index":\d+(.|\n)*"verifiedPieces":32/,
  );
  program.kill("SIGKILL");
  await program.ended();
  await using whole = new FakePeer(scene.made);
  const { code, stderr } = await runProgram([
    ...scene.args(whole),
    "--progress=json",
  ]);
  assertEquals(code, 0, stderr);
  const end = parseJsonLines(stderr).findLast(({ type }) =>
    type === "progress"
  )!;
  assertEquals(end.receivedBytes, 1024 * KIB);
  checkPayload(scene.made, scene.downloads);
});

Deno.test("main.ts never says that damaged data is complete", async () => {
  using scene = new Scene(makeTorrent({ files: 1024 * KIB, name: "film" }));
  await using half = new FakePeer(scene.made, { has: (index) => index < 16 });
  await using program = new Program([
    ...scene.args(half),
    "--progress=json",
  ]);
  await program.said(/"verifiedPieces":16/);
  program.kill("SIGKILL");
  await program.ended();
  // What a power loss can leave: the right length, and zeros.
  const path = `${scene.downloads}/film`;
  using file = await Deno.open(path, { write: true });
  await file.seek(100 * KIB, Deno.SeekMode.Start);
  await file.write(new Uint8Array(50 * KIB));
  await using whole = new FakePeer(scene.made);
  const { code, stderr } = await runProgram([
    ...scene.args(whole),
    "--progress=json",
  ]);
  assertEquals(code, 0, stderr);
  checkPayload(scene.made, scene.downloads);
});

Deno.test("main.ts leaves a download to the btget that has it", async (t) => {
  const made = makeTorrent({ files: 300 * KIB, name: "film" });
  await t.step("another process", async () => {
    using scene = new Scene(made);
    await using mute = new FakePeer(made, { unchokes: false });
    await using seed = new FakePeer(made);
    await using first = new Program([...scene.args(mute), "-v"]);
    await first.said(/connected to/);
    for (const more of [[], ["--allow-overwrite"], ["--hash-check-only"]]) {
      const second = await runProgram([...scene.args(seed), ...more]);
      assertEquals(second.code, 15, second.stderr);
      assertMatch(second.stderr, /Another btget is working on this download/);
    }
    first.kill("SIGINT");
    assertEquals((await first.ended()).code, 7);
    assertEquals((await runProgram(scene.args(seed))).code, 0);
    checkPayload(made, scene.downloads);
  });
  await t.step("many at once", async () => {
    using scene = new Scene(made);
    await using seed = new FakePeer(made, {
      serve: async (_, right) => {
        await delay(20);
        return right;
      },
    });
    const all = await Promise.all(
      Array.from({ length: 5 }, () => runProgram(scene.args(seed))),
    );
    const codes = all.map(({ code }) => code);
    assertGreater(codes.filter((code) => code === 0).length, 0);
    // Who comes later finds the lock, files that have just appeared, or the
    // work done.
    assert(codes.every((code) => [0, 13, 15].includes(code)), codes.join());
    checkPayload(made, scene.downloads);
    assertEquals(namesIn(scene.downloads), ["film"]);
  });
});
