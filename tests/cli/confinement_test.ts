/**
 * Torrents that want out of their folder, downloaded in earnest: nothing that
 * was there is changed, and nothing appears outside.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { type BencodeInput, encodeBencode } from "../../src/bytes/bencode.ts";
import { formatEndpoint } from "../../src/bytes/endpoint.ts";
import { sha1 } from "../../src/bytes/hash.ts";
import { run } from "../../src/cli/run.ts";
import { parseMetainfo } from "../../src/metainfo/metainfo.ts";
import { FakePeer } from "../support/fake_peer.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { TestEnv } from "../support/test_env.ts";

/** A name as a torrent has it. */
type Name = string | Uint8Array;

/** A file in a torrent's list, and what is strange about it. */
interface HostileFile {
  path: Name[];
  length?: number;
  more?: Record<string, BencodeInput>;
}

/** A torrent that nobody would make in good faith. */
interface Hostile {
  name: Name;
  /** The files; one file of the torrent's name if not given. */
  files?: HostileFile[];
}

const LENGTH = 40_000;

function craft({ name, files }: Hostile) {
  const lengths = files?.map(({ length }) => length ?? LENGTH) ?? [LENGTH];
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const payload = randomBytes(total, seededRandom(7));
  const pieces: number[] = [];
  for (let at = 0; at < total; at += 16_384) {
    pieces.push(...sha1(payload.subarray(at, at + 16_384)));
  }
  const bytes = encodeBencode({
    info: {
      name,
      "piece length": 16_384,
      pieces: Uint8Array.from(pieces),
      ...(files
        ? {
          files: files.map(({ path, more }, i) => ({
            length: lengths[i]!,
            path,
            ...more,
          })),
        }
        : { length: LENGTH }),
    },
  });
  return { bytes, payload };
}

/** Everything below a folder, by path: what it is and what is in it. */
function list(folder: string): Map<string, string> {
  const found = new Map<string, string>();
  const walk = (path: string) => {
    for (const { name } of Deno.readDirSync(path)) {
      const below = `${path}/${name}`;
      const info = Deno.lstatSync(below);
      const content = info.isSymlink
        ? `link to ${Deno.readLinkSync(below)}`
        : info.isFile
        ? encodeHex(sha1(Deno.readFileSync(below)))
        : info.isDirectory
        ? "folder"
        : "special";
      found.set(below.slice(folder.length + 1), `${content} ${info.mode}`);
      if (info.isDirectory) walk(below);
    }
  };
  walk(folder);
  return found;
}

/** A home with treasures, and a download folder in it. */
class Sandbox implements Disposable {
  readonly #folder = new TempFolder();
  readonly path = this.#folder.path;
  readonly target = this.#folder.join("home", "downloads");

  constructor() {
    for (
      const path of [
        "x",
        "etc/passwd",
        "home/x",
        "home/.bashrc",
        "home/.ssh/authorized_keys",
        "home/downloads/.bashrc",
        "home/downloads/.ssh/authorized_keys",
        "home/downloads/kept/x",
      ]
    ) {
      const whole = this.#folder.join(path);
      Deno.mkdirSync(whole.replace(/\/[^/]*$/, ""), { recursive: true });
      Deno.writeTextFileSync(whole, `treasure ${path}`);
    }
  }

  /** Downloads, and says what is new below the download folder. */
  async download(hostile: Hostile, args: string[] = []) {
    const { bytes, payload } = craft(hostile);
    const before = list(this.path);
    await using stack = new AsyncDisposableStack();
    let peerArgs: string[] = [];
    try {
      const metainfo = parseMetainfo(bytes);
      const peer = stack.use(
        new FakePeer({ bytes, metainfo, payload, files: new Map() }),
      );
      peerArgs = [`--peer=${formatEndpoint(peer.endpoint)}`];
    } catch (error) {
      // The program must find out by itself.
      if (!(error instanceof SyntaxError)) throw error;
    }
    const env = new TestEnv({ stdin: bytes });
    const code = await run([
      "-",
      `--dir=${this.target}`,
      "--listen-port=0",
      "--no-dht",
      "--no-lsd",
      "--stall-timeout=10",
      "--no-tracker",
      ...peerArgs,
      ...args,
    ], env);
    const after = list(this.path);
    const isNew = (path: string) => !before.has(path);
    for (const [path, content] of before) {
      assertEquals(after.get(path), content, `${path} was changed`);
    }
    const created = [...after.keys()].filter(isNew).sort();
    for (const path of created) assertMatch(path, /^home\/downloads\//);
    assertMatch(env.stderr.text, /^[\n\x20-\x7e\xa0-\uffff]*$/);
    return {
      code,
      created: created.map((path) => path.slice("home/downloads/".length)),
      stderr: env.stderr.text,
    };
  }

  [Symbol.dispose](): void {
    this.#folder[Symbol.dispose]();
  }
}

Deno.test("run() keeps a single file in the folder whatever its name", async (t) => {
  const cases: [name: Name, created: string[] | RegExp][] = [
    ["..", /^[0-9a-f]{40}$/],
    [".", /^[0-9a-f]{40}$/],
    ["", /^[0-9a-f]{40}$/],
    ["../x", [".._x"]],
    ["../../etc/passwd", [".._.._etc_passwd"]],
    ["a/../../b", ["a_.._.._b"]],
    ["/etc/passwd", ["_etc_passwd"]],
    ["\\x", ["_x"]],
    ["..\\..\\x", [".._.._x"]],
    ["C:\\x", ["C:_x"]],
    ["\\\\server\\share\\x", ["__server_share_x"]],
    ["a\0b", ["a_b"]],
    ["a\0/../../x", ["a__.._.._x"]],
    ["\x1b]0;x\x07\r\n", ["_]0;x___"]],
    ["exe.\u202egpj", ["exe.gpj"]],
    ["\u200b.\u2060.\ufeff", /^(__|[0-9a-f]{40})$/],
    ["~", ["~"]],
    ["$(touch x);`id`|&*?", ["$(touch x);`id`|&*?"]],
    ["-rf", ["-rf"]],
    ["--help", ["--help"]],
    [Uint8Array.of(0xff, 0x2f, 0xfe), ["___"]],
    [Uint8Array.of(0xc0, 0xae, 0xc0, 0xae, 0xc0, 0xaf), /^_+$/],
    ["あ".repeat(86), ["あ".repeat(85)]],
    [`${"x".repeat(300)}.mkv`, [`${"x".repeat(251)}.mkv`]],
    ["x".repeat(255), ["x".repeat(255)]],
  ];
  for (const [name, created] of cases) {
    await t.step(JSON.stringify(name).slice(0, 40), async () => {
      using sandbox = new Sandbox();
      const found = await sandbox.download({ name });
      assertEquals(found.code, 0, found.stderr);
      if (created instanceof RegExp) {
        assertEquals(found.created.length, 1);
        assertMatch(found.created[0]!, created);
      } else {
        assertEquals(found.created, created);
      }
    });
  }
});

Deno.test("run() keeps every path of a list in the folder", async (t) => {
  const one = (...path: Name[]): HostileFile[] => [{ path }];
  const cases: [
    name: string,
    torrent: Hostile,
    created: string[] | RegExp | undefined,
  ][] = [
    ["up", { name: "t", files: one("..", "..", "x") }, [
      "t",
      "t/__",
      "t/__/__",
      "t/__/__/x",
    ]],
    ["up and back", { name: "t", files: one("a", "..", "..", "x") }, [
      "t",
      "t/a",
      "t/a/__",
      "t/a/__/__",
      "t/a/__/__/x",
    ]],
    ["up in one", { name: "t", files: one("a/../../x") }, ["t", "t/a_.._.._x"]],
    ["up by its name", { name: "..", files: one("x") }, /^[0-9a-f]{40}(\/x)?$/],
    ["absolute", { name: "t", files: one("/", "etc", "passwd") }, [
      "t",
      "t/_",
      "t/_/etc",
      "t/_/etc/passwd",
    ]],
    ["absolute in one", { name: "t", files: one("/etc/passwd") }, [
      "t",
      "t/_etc_passwd",
    ]],
    ["a drive", { name: "t", files: one("C:", "x") }, [
      "t",
      "t/C:",
      "t/C:/x",
    ]],
    ["empty names", { name: "t", files: one("", ".", "x", "") }, [
      "t",
      "t/x",
    ]],
    ["only empty names", { name: "t", files: one("", ".") }, undefined],
    ["no names", { name: "t", files: one() }, undefined],
    ["NUL", { name: "t", files: one("a\0", "b\0c") }, [
      "t",
      "t/a_",
      "t/a_/b_c",
    ]],
    ["escape codes", { name: "\x1b[2J", files: one("\x9b", "\x7f\r\n") }, [
      "_[2J",
      "_[2J/_",
      "_[2J/_/___",
    ]],
    ["the same name twice", {
      name: "t",
      files: [{ path: ["a"] }, { path: ["a"] }],
    }, ["t", "t/a", "t/a.1"]],
    ["a file that is a folder", {
      name: "t",
      files: [{ path: ["a"] }, { path: ["a", "b"] }],
    }, ["t", "t/a", "t/a.1", "t/a/b"]],
    ["bytes that look alike", {
      name: "t",
      files: [{ path: [Uint8Array.of(0xff)] }, { path: [Uint8Array.of(0xfe)] }],
    }, ["t", "t/_", "t/_.1"]],
    ["too deep", {
      name: "t",
      files: one(...Array.from({ length: 200 }, () => "d"), "x"),
    }, undefined],
    ["too long", {
      name: "t",
      files: one(...Array.from({ length: 30 }, () => "d".repeat(200)), "x"),
    }, undefined],
  ];
  for (const [name, torrent, created] of cases) {
    await t.step(name, async () => {
      using sandbox = new Sandbox();
      const found = await sandbox.download(torrent);
      if (created === undefined) {
        assertEquals(found.code, 26, found.stderr);
        assertMatch(found.stderr, /Cannot use torrent: info\.files\[0\]\.path/);
        assertEquals(found.created, []);
        return;
      }
      assertEquals(found.code, 0, found.stderr);
      if (created instanceof RegExp) {
        for (const path of found.created) assertMatch(path, created);
      } else {
        assertEquals(found.created, created);
      }
    });
  }
});

Deno.test("run() makes no link out of the folder, and writes through none of a torrent's", async (t) => {
  const link = (to: string[], path: string[]): HostileFile => ({
    path,
    length: 0,
    more: { attr: "l", "symlink path": to },
  });
  const targets: [name: string, to: string[], links: string[]][] = [
    ["out of the folder", ["..", "..", "x"], []],
    ["out of the folder, in one name", ["../../x"], []],
    ["to /etc", ["/", "etc"], []],
    ["to /etc, in one name", ["/etc"], []],
    ["to a folder up", [".."], []],
    ["up by way of a folder", ["link", "..", "..", "x"], []],
    // The name is the folder's, and the link has another one.
    ["to itself", ["link"], ["t/link.1 -> link"]],
    ["to a file of the torrent", ["file"], ["t/link.1 -> file"]],
  ];
  for (const [name, to, links] of targets) {
    await t.step(name, async () => {
      using sandbox = new Sandbox();
      const { code, created, stderr } = await sandbox.download({
        name: "t",
        files: [link(to, ["link"]), { path: ["file"] }, {
          path: ["link", "x"],
        }],
      });
      assertEquals(code, 0, stderr);
      const found = created.filter((path) =>
        Deno.lstatSync(`${sandbox.target}/${path}`).isSymlink
      ).map((path) =>
        `${path} -> ${Deno.readLinkSync(`${sandbox.target}/${path}`)}`
      );
      assertEquals(found, links);
      assert(created.includes("t/file"));
      assert((await Deno.lstat(`${sandbox.target}/t/link/x`)).isFile);
    });
  }
});

Deno.test("run() changes nothing that is there already", async (t) => {
  const cases: [name: string, torrent: Hostile][] = [
    ["a start-up file", { name: ".bashrc" }],
    ["keys", { name: ".ssh", files: [{ path: ["authorized_keys"] }] }],
    ["keys among others", {
      name: ".ssh",
      files: [{ path: ["config"] }, { path: ["authorized_keys"] }],
    }],
    ["a folder", { name: "kept" }],
    ["a file as a folder", { name: ".bashrc", files: [{ path: ["x"] }] }],
    ["a file, to be made empty", {
      name: "kept",
      files: [{ path: ["x"], length: 0 }],
    }],
  ];
  for (const [name, torrent] of cases) {
    await t.step(name, async () => {
      using sandbox = new Sandbox();
      const { code, created, stderr } = await sandbox.download(torrent);
      assertEquals(code, 13, stderr);
      assertEquals(created, []);
    });
  }
  await t.step("beside what it brings", async () => {
    using sandbox = new Sandbox();
    const { code, created } = await sandbox.download({
      name: "kept",
      files: [{ path: ["y"] }],
    });
    assertEquals(code, 0);
    assertEquals(created, ["kept/y"]);
  });
});

Deno.test("run() writes through no link that lies in the folder", async (t) => {
  const file: Hostile = { name: "film" };
  const folder: Hostile = {
    name: "films",
    files: [{ path: ["sub", "x"] }, { path: ["y"] }],
  };
  const cases: [name: string, torrent: Hostile, from: string, to: string][] = [
    ["a file", file, "film", "../x"],
    ["a file, absolute", file, "film", "/x"],
    ["nothing yet", file, "film", "../new"],
    ["the folder", folder, "films", "../.ssh"],
    ["a folder in it", folder, "films/sub", "../../.ssh"],
    ["a file in it", folder, "films/sub/x", "../../../x"],
    ["nowhere", folder, "films/sub", "../../nowhere"],
  ];
  for (const [name, torrent, from, to] of cases) {
    for (const args of [[], ["--allow-overwrite"], ["-V"]]) {
      await t.step(`${name} ${args}`, async () => {
        using sandbox = new Sandbox();
        const path = `${sandbox.target}/${from}`;
        await Deno.mkdir(path.replace(/\/[^/]*$/, ""), { recursive: true });
        await Deno.symlink(
          to.startsWith("/") ? sandbox.path + to : to,
          path,
        );
        const { code, stderr } = await sandbox.download(torrent, args);
        assertEquals(code, 13, stderr);
        assertMatch(stderr, /is a symbolic link, and a (file|folder) must go/);
      });
    }
  }
});

Deno.test("run() lets no torrent touch the notes of another download", async (t) => {
  await t.step("by their name", async () => {
    using sandbox = new Sandbox();
    await Deno.writeTextFile(`${sandbox.target}/film.btget`, "notes");
    const { code } = await sandbox.download({ name: "film.btget" });
    // Refused, or put under another name.
    assert(code === 13 || code === 0);
  });
  await t.step("by a link in their place", async () => {
    using sandbox = new Sandbox();
    await Deno.symlink("../x", `${sandbox.target}/film.btget`);
    const { code, created, stderr } = await sandbox.download({ name: "film" });
    assertEquals(code, 0, stderr);
    assertEquals(created, ["film"]);
  });
  await t.step("by a link to an empty file", async () => {
    using sandbox = new Sandbox();
    await Deno.writeFile(`${sandbox.path}/home/empty`, new Uint8Array());
    await Deno.symlink("../empty", `${sandbox.target}/film.btget`);
    const { code, created, stderr } = await sandbox.download({ name: "film" });
    assertEquals(code, 0, stderr);
    assertEquals(created, ["film"]);
  });
  await t.step("by something else in their place", async () => {
    using sandbox = new Sandbox();
    await Deno.writeTextFile(`${sandbox.target}/film.btget`, "not notes");
    const { code, created, stderr } = await sandbox.download({ name: "film" });
    assertEquals(code, 0, stderr);
    assertEquals(created, ["film"]);
  });
});

Deno.test("run() goes to folders of every name that the user gives", async (t) => {
  for (
    const name of [
      "sp ace",
      'it\'s "quoted"',
      "-leading",
      "line\nbreak",
      "a/b/c",
      "ü".repeat(120),
      ".hidden",
      "x".repeat(250),
    ]
  ) {
    await t.step(JSON.stringify(name).slice(0, 30), async () => {
      using sandbox = new Sandbox();
      const { code, created, stderr } = await sandbox.download(
        { name: "y".repeat(250) },
        [`--dir=${sandbox.target}/${name}`, `--out=${"z".repeat(250)}`],
      );
      assertEquals(code, 0, stderr);
      assertEquals(created.at(-1), `${name}/${"z".repeat(250)}`);
    });
  }
});
