/**
 * What torrents say of files beside their bytes (BEP 47): programs that can be
 * run, and symbolic links, downloaded in earnest.
 */

import { FakePeer } from "../support/fake_peer.ts";
import {
  type MadeTorrent,
  makeTorrent,
  writePayload,
} from "../support/make_torrent.ts";
import { runProgram } from "../support/program.ts";
import { namesIn, Scene } from "../support/scene.ts";
import { assertEquals, assertMatch } from "@std/assert";

const KIB = 1024;

/** A torrent with programs and links. */
function makeAttributes(): MadeTorrent {
  return makeTorrent({
    name: "t",
    files: {
      "bin/run": 40 * KIB,
      "bin/empty": 0,
      text: 40 * KIB,
      a: 0,
      "d/b": 0,
      bad: 0,
    },
    fileInfo: {
      "bin/run": { attr: "x" },
      "bin/empty": { attr: "hx" },
      text: { attr: "h" },
      a: { attr: "l", "symlink path": ["bin", "run"] },
      "d/b": { attr: "l", "symlink path": ["bin"] },
      bad: { attr: "l", "symlink path": ["..", "x"] },
    },
  });
}

function modeOf(path: string): number {
  return Deno.lstatSync(path).mode! & 0o777;
}

/** Runs a command with an umask. */
function withUmask(umask: string): string[] {
  return ["sh", "-c", `umask ${umask}; exec "$@"`, "sh"];
}

Deno.test("main.ts makes programs and links, and knows them again", async (t) => {
  const table = [
    { umask: "022", program: 0o755, text: 0o644 },
    { umask: "077", program: 0o700, text: 0o600 },
  ];
  for (const { umask, program, text } of table) {
    await t.step(`umask ${umask}`, async () => {
      using scene = new Scene(makeAttributes());
      await using peer = new FakePeer(scene.made);
      const wrapper = withUmask(umask);
      const at = (path: string) => `${scene.downloads}/t/${path}`;
      const check = () => {
        assertEquals(modeOf(at("bin/run")), program);
        assertEquals(modeOf(at("bin/empty")), program);
        assertEquals(modeOf(at("text")), text);
        assertEquals(Deno.readLinkSync(at("a")), "bin/run");
        assertEquals(Deno.readLinkSync(at("d/b")), "../bin");
        assertEquals(namesIn(at("")), ["a", "bin", "d", "text"]);
      };
      const first = await runProgram(scene.args(peer), { wrapper });
      assertEquals(first.code, 0, first.stderr);
      assertMatch(first.stderr, /t\/bad is left out: no symbolic link is made/);
      check();
      // What was lost meanwhile is mended without anybody's help.
      await Deno.remove(at("a"));
      await Deno.chmod(at("bin/run"), text);
      const again = await runProgram(scene.args(), { wrapper });
      assertEquals(again.code, 0, again.stderr);
      check();
    });
  }
});

Deno.test("main.ts touches nothing that lies in the place of a link", async () => {
  using scene = new Scene(makeAttributes());
  await Deno.mkdir(`${scene.downloads}/t`, { recursive: true });
  await Deno.writeTextFile(`${scene.downloads}/t/a`, "mine");
  const { code, stderr } = await runProgram(scene.args());
  assertEquals(code, 13, stderr);
  assertMatch(
    stderr,
    /t\/a is a file, and a symbolic link to bin\/run must go/,
  );
  assertEquals(await Deno.readTextFile(`${scene.downloads}/t/a`), "mine");
});

Deno.test("main.ts does without links and modes where Deno does not permit them", async (t) => {
  const table: [name: string, permissions: (scene: Scene) => string[]][] = [
    [
      "in the download folder alone",
      ({ torrentPath, downloads }) => [
        `--allow-read=${torrentPath},${downloads}`,
        `--allow-write=${downloads}`,
      ],
    ],
    [
      "without reading",
      ({ torrentPath, downloads }) => [
        `--allow-read=${torrentPath}`,
        `--allow-write=${downloads}`,
      ],
    ],
  ];
  for (const [name, permissions] of table) {
    await t.step(name, async () => {
      using scene = new Scene(makeAttributes());
      await using peer = new FakePeer(scene.made);
      const { code, stderr } = await runProgram(scene.args(peer), {
        permissions: ["--allow-net", ...permissions(scene)],
      });
      assertEquals(code, 0, stderr);
      assertMatch(
        stderr,
        /t\/a and 1 other are left out: Deno permits symbolic links only with/,
      );
      assertEquals(namesIn(`${scene.downloads}/t`), ["bin", "text"]);
      const mode = modeOf(`${scene.downloads}/t/bin/run`);
      assertEquals(mode & 0o100, 0o100);
    });
  }
});

Deno.test("main.ts serves what is complete without a permission to make links", async () => {
  using scene = new Scene(makeAttributes());
  writePayload(scene.made, scene.downloads);
  const { code, stderr } = await runProgram(
    ["seed", ...scene.args(), "--seed-time=0.001"],
    {
      permissions: [
        "--allow-net",
        `--allow-read=${scene.torrentPath},${scene.downloads}`,
      ],
    },
  );
  assertEquals(code, 0, stderr);
  assertEquals(namesIn(`${scene.downloads}/t`), ["bin", "text"]);
});
