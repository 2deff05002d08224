/**
 * The program on terminals of every kind, and with streams that are closed,
 * full or not there, in processes of its own.
 */

import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertMatch,
} from "@std/assert";
import { delay } from "@std/async/delay";
import { widthOf } from "../../src/cli/text.ts";
import { type Behaviour, FakePeer } from "../support/fake_peer.ts";
import { checkPayload, makeTorrent } from "../support/make_torrent.ts";
import { commandLine, runOnTerminal, runProgram } from "../support/program.ts";
import { Scene } from "../support/scene.ts";

const KIB = 1024;

/** Slow enough that the line is redrawn a few times. */
const UNHURRIED: Behaviour = {
  serve: async (_, right) => {
    await delay(60);
    return right;
  },
};

const MADE = makeTorrent({ files: 200 * KIB, name: "日本語の映画 (2024)" });

/** A shell's exit status and what it printed. */
async function shell(script: string, words: string[]) {
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", script, "bash", ...words],
    stdin: "null",
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) =>
    new TextDecoder().decode(bytes)
  );
  return { code, out: out!, err: err! };
}

Deno.test("main.ts redraws one line on terminals of every kind", async (t) => {
  const terminals: [columns: number, term: string][] = [
    [80, "xterm"],
    [40, "xterm"],
    [200, "dumb"],
    [20, "dumb"],
    [1, "xterm"],
    [0, "unknown"],
  ];
  for (const [columns, term] of terminals) {
    await t.step(`${columns} columns, ${term}`, async () => {
      using scene = new Scene(MADE);
      await using peer = new FakePeer(MADE, UNHURRIED);
      const { code, text } = await runOnTerminal(
        commandLine(scene.args(peer)),
        { columns, term },
      );
      assertEquals(code, 0, text);
      checkPayload(MADE, scene.downloads);
      // Nothing that only some terminals understand.
      assert(!/[^\r\n\P{Cc}]/u.test(text), JSON.stringify(text));
      const lines = text.split("\r\n");
      const redrawn = lines.flatMap((line) => line.split("\r").slice(1, -1));
      const width = columns === 0 ? 80 : columns;
      for (const line of redrawn) assertLess(widthOf(line), width);
      if (columns > 20) {
        assertGreater(redrawn.length, 1);
        assertMatch(redrawn.join("\n"), /^downloading {2}.*\d\.\d%/m);
      }
      assertMatch(lines.at(-2)!, /btget: 日本語の映画 \(2024\): complete, /);
      assertEquals(lines.at(-1), "");
    });
  }
});

Deno.test("main.ts writes whole lines where nobody watches", async () => {
  using scene = new Scene(MADE);
  await using peer = new FakePeer(MADE, UNHURRIED);
  const { code, stdout, stderr } = await runProgram(scene.args(peer));
  assertEquals([code, stdout], [0, ""]);
  assert(!stderr.includes("\r"));
  assertMatch(
    stderr,
    /^((checking|connecting|waiting|downloading) .*\n)+btget: .*\n$/,
  );
});

Deno.test("main.ts shows its files on a terminal, and progress beside a file", async () => {
  using scene = new Scene(MADE);
  await using peer = new FakePeer(MADE, UNHURRIED);
  const stdout = scene.folder.join("stdout");
  const { code, text } = await runOnTerminal(commandLine(scene.args(peer)), {
    stdout,
  });
  assertEquals(code, 0);
  assertEquals(await Deno.readTextFile(stdout), "");
  assertMatch(text, /\rdownloading {2}/);
});

Deno.test("main.ts goes on when nobody reads what it says", async (t) => {
  await t.step("standard error into head -1", async () => {
    using scene = new Scene(MADE);
    await using peer = new FakePeer(MADE, UNHURRIED);
    const { code, out } = await shell(
      `"$@" 2>&1 | head -1; exit $PIPESTATUS`,
      commandLine([...scene.args(peer), "--progress=json"]),
    );
    assertEquals(code, 0);
    assertEquals(out, '{"type":"start","version":1}\n');
    checkPayload(MADE, scene.downloads);
  });
  await t.step("the list of files into head -1", async () => {
    using scene = new Scene(
      makeTorrent({
        files: Object.fromEntries(
          Array.from({ length: 5000 }, (_, i) => [`${i}`, 1]),
        ),
      }),
    );
    const { code, out, err } = await shell(
      `"$@" | head -1; exit $PIPESTATUS`,
      commandLine(["-S", scene.torrentPath]),
    );
    assertEquals([code, out, err], [0, "Name: payload\n", ""]);
  });
  await t.step("closed streams", async () => {
    using scene = new Scene(MADE);
    await using peer = new FakePeer(MADE);
    const { code, out, err } = await shell(
      `"$@" <&- >&- 2>&-`,
      commandLine(scene.args(peer)),
    );
    assertEquals([code, out, err], [0, "", ""]);
    checkPayload(MADE, scene.downloads);
  });
  await t.step("closed standard input", async () => {
    const { code, err } = await shell(`"$@" <&-`, commandLine(["-"]));
    assertEquals(code, 25);
    assertEquals(err, "btget: Standard input is empty, not a torrent\n");
  });
  await t.step("a full disk behind standard error", async () => {
    using scene = new Scene(MADE);
    await using peer = new FakePeer(MADE);
    const { code } = await shell(
      `"$@" 2>/dev/full`,
      commandLine(scene.args(peer)),
    );
    assertEquals(code, 0);
    checkPayload(MADE, scene.downloads);
  });
});

Deno.test("main.ts says when what was asked for cannot be written", async () => {
  const { code, err } = await shell(
    `"$@" >/dev/full`,
    commandLine(["--help"]),
  );
  assertEquals(code, 9);
  assertEquals(err, "btget: No space left for standard output\n");
});

Deno.test("main.ts needs nothing of its environment", async () => {
  using scene = new Scene(MADE);
  await using peer = new FakePeer(MADE);
  const info = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json"],
  }).output();
  const { denoDir } = JSON.parse(new TextDecoder().decode(info.stdout));
  const { code, stderr } = await runProgram(scene.args(peer), {
    wrapper: [
      "env",
      "-i",
      `DENO_DIR=${denoDir}`,
      "LC_ALL=tr_TR.ISO-8859-9",
      "LANG=nonsense",
      "TERM=",
      "HOME=/nonexistent",
      "TMPDIR=/nonexistent",
    ],
  });
  assertEquals(code, 0, stderr);
  assertMatch(stderr, /complete, 200\.0 KiB verified; 200\.0 KiB received/);
  checkPayload(MADE, scene.downloads);
});
