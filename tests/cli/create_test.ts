import { CREATE_HELP, exclusion } from "../../src/cli/create_args.ts";
import { run } from "../../src/cli/run.ts";
import { type Metainfo, parseMetainfo } from "../../src/metainfo/metainfo.ts";
import { runProgram } from "../support/program.ts";
import { TempFolder } from "../support/temp_folder.ts";
import {
  CapturedSink,
  TestEnv,
  type TestEnvOptions,
} from "../support/test_env.ts";
import {
  assert,
  assertEquals,
  assertLessOrEqual,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { dirname } from "@std/path";

/** A folder `data` with a few files, and room for torrents. */
class Scene extends TempFolder {
  constructor() {
    super();
    this.write("data/b/c", "ccc");
    this.write("data/a", "a".repeat(40_000));
    this.write("data/.hidden", "");
  }

  write(path: string, text: string): void {
    const target = this.join(path);
    Deno.mkdirSync(dirname(target), { recursive: true });
    Deno.writeTextFileSync(target, text);
  }

  async create(
    args: readonly string[],
    options: TestEnvOptions = {},
  ): Promise<{ code: number; env: TestEnv }> {
    const env = new TestEnv(options);
    return { code: await run(["create", ...args], env), env };
  }

  /** What the torrent that is made says. */
  async made(...args: string[]): Promise<Metainfo> {
    const { code, env } = await this.create([
      this.join("data"),
      "-o",
      "-",
      ...args,
    ]);
    assertEquals([code, env.stderr.text], [0, ""]);
    return parseMetainfo(env.stdout.bytes);
  }
}

function paths({ files }: Metainfo): string[] {
  return files.filter(({ kind }) => kind === "file")
    .map(({ path }) => path.join("/"));
}

Deno.test("create --help fits a screen of 80 columns", () => {
  const lines = CREATE_HELP.split("\n");
  for (const line of lines) assertLessOrEqual(line.length, 80, line);
  assertLessOrEqual(lines.length, 30);
});

Deno.test("create writes a torrent for v1 and v2", async () => {
  using scene = new Scene();
  const output = scene.join("x.torrent");
  const { code, env } = await scene.create([scene.join("data"), "-o", output]);
  assertEquals([code, env.stderr.text], [0, ""]);
  const metainfo = parseMetainfo(await Deno.readFile(output));
  assertEquals(paths(metainfo), ["data/.hidden", "data/a", "data/b/c"]);
  assertEquals([metainfo.hasV1, metainfo.metaVersion], [true, 2]);
  assertEquals(metainfo.pieceLayers.size, 1);
  assertEquals(metainfo.creationDate, undefined);
  assertMatch(
    env.stdout.text,
    /^\S+x\.torrent\t[0-9a-f]{40}\t[0-9a-f]{64}\tdata\n$/,
  );
});

Deno.test("create makes the same bytes of the same files", async () => {
  using scene = new Scene();
  const [a, b] = [await scene.made(), await scene.made()];
  assertEquals(a.infoBytes, b.infoBytes);
});

Deno.test("create makes torrents for v1 or v2 alone", async () => {
  using scene = new Scene();
  const v1 = await scene.made("--v1");
  assertEquals([v1.hasV1, v1.metaVersion], [true, 1]);
  const v2 = await scene.made("--v2");
  assertEquals([v2.hasV1, v2.metaVersion], [false, 2]);
});

Deno.test("create says in the torrent what it is told", async () => {
  using scene = new Scene();
  const metainfo = await scene.made(
    ...["-t", "http://a/,udp://b:1", "--tracker=http://c/", "--private"],
    ...["-w", "http://w/x", "--comment", "c", "--name", "n", "-l", "64K"],
    ...["--date", "2001-09-09T01:46:40Z", "--exclude", "*.tmp"],
  );
  assertEquals(metainfo.announceTiers, [
    ["http://a/", "udp://b:1"],
    ["http://c/"],
  ]);
  assertEquals(metainfo.webSeeds, ["http://w/x"]);
  const { isPrivate, comment, name, layout, creationDate } = metainfo;
  assertEquals(
    [isPrivate, comment, name, layout.pieceLength, creationDate],
    [true, "c", "n", 65_536, 1_000_000_000],
  );
  const other = await scene.made("--source", "s");
  assert(
    new TextDecoder("latin1").decode(other.infoBytes).includes("6:source1:s"),
  );
});

Deno.test("create takes the date of the environment, if it may be read", async () => {
  using scene = new Scene();
  const dateOf = async (args: string[], variables: Record<string, string>) => {
    const { env } = await scene.create(
      [scene.join("data"), "-o", "-", ...args],
      { variables },
    );
    return parseMetainfo(env.stdout.bytes).creationDate;
  };
  const variables = { SOURCE_DATE_EPOCH: "1700000000" };
  assertEquals(await dateOf([], variables), 1_700_000_000);
  assertEquals(await dateOf(["--no-date"], variables), undefined);
  assertEquals(await dateOf(["--date", "7"], variables), 7);
  assertEquals(await dateOf([], {}), undefined);
  const { code, env } = await scene.create([scene.join("data"), "-o", "-"], {
    variables: { SOURCE_DATE_EPOCH: "soon" },
  });
  assertEquals(code, 2);
  assertStringIncludes(env.stderr.text, "SOURCE_DATE_EPOCH");
});

Deno.test("create leaves out what is excluded", async () => {
  using scene = new Scene();
  scene.write("data/b/x.tmp", "");
  scene.write("data/node_modules/x", "");
  const found = await scene.made(
    ...["--exclude", "*.tmp", "--exclude", "node_modules/", "--exclude", ".*"],
  );
  assertEquals(paths(found), ["data/a", "data/b/c"]);
  assertEquals(paths(await scene.made("--exclude", "b/*")), [
    "data/.hidden",
    "data/a",
    "data/node_modules/x",
  ]);
});

Deno.test("exclusion() matches names, or paths where there is a slash", () => {
  const table: [glob: string, path: string, isExcluded: boolean][] = [
    ["*.o", "a/b.o", true],
    ["*.o", "b.o/a", false],
    ["a/*.o", "a/b.o", true],
    ["a/*.o", "c/a/b.o", false],
    ["**/x/*.o", "c/x/b.o", true],
    ["{a,b}", "c/b", true],
    ["b/", "c/b", true],
  ];
  for (const [glob, path, isExcluded] of table) {
    assertEquals(exclusion([glob])(path.split("/")), isExcluded, glob);
  }
});

Deno.test("create puts several paths into one torrent", async () => {
  using scene = new Scene();
  scene.write("other", "o");
  const args = [scene.join("data"), scene.join("other"), "-o", "-"];
  const { env } = await scene.create([...args, "--name", "both"]);
  assertEquals(paths(parseMetainfo(env.stdout.bytes)), [
    "both/data/.hidden",
    "both/data/a",
    "both/data/b/c",
    "both/other",
  ]);
  assertEquals((await scene.create(args)).code, 2);
  const twice = await scene.create([args[0]!, args[0]!, "-o", "-", "-n", "n"]);
  assertEquals(twice.code, 2);
  assertStringIncludes(twice.env.stderr.text, "would be called");
});

Deno.test("create prints the link, or the result in JSON", async () => {
  using scene = new Scene();
  const link = await scene.create([
    scene.join("data"),
    "--magnet",
    "-t",
    "udp://a:1",
  ]);
  assertMatch(
    link.env.stdout.text,
    /^magnet:\?xt=urn:btih:[0-9a-f]{40}&xt=urn:btmh:1220[0-9a-f]{64}&dn=data&tr=\S+\n$/,
  );
  const { env } = await scene.create([scene.join("data"), "--json", "--v2"]);
  const { infoHash, infoHashV2, magnet, ...rest } = JSON.parse(env.stdout.text);
  assertEquals(rest, {
    path: null,
    name: "data",
    totalBytes: 40_003,
    fileCount: 3,
    pieceLength: 16_384,
    pieceCount: 4,
  });
  assertEquals(infoHash, null);
  assertEquals(magnet, `magnet:?xt=urn:btmh:1220${infoHashV2}&dn=data`);
});

Deno.test("create tells a person what it made, and of links it leaves out", async () => {
  using scene = new Scene();
  await Deno.symlink("/etc", scene.join("data/link"));
  const { env, code } = await scene.create(
    [scene.join("data"), "-o", scene.join("x.torrent")],
    {
      stdout: new CapturedSink({ isTerminal: true }),
      stderr: new CapturedSink({ isTerminal: true }),
    },
  );
  assertEquals(code, 0);
  assertMatch(
    env.stdout.lines[0]!,
    /^Wrote .*: data, 3 files, 39\.1 KiB, 4 pieces of 16\.0 KiB$/,
  );
  assertMatch(env.stderr.text, /data\/link: left out/);
});

Deno.test("create keeps links to what is in the torrent, if it is told to", async () => {
  using scene = new Scene();
  await Deno.symlink("a", scene.join("data/link"));
  await Deno.symlink("/etc", scene.join("data/out"));
  for (const form of ["v1", "v2", "hybrid"]) {
    const path = scene.join(`${form}.torrent`);
    const { env, code } = await scene.create(
      [scene.join("data"), "--symlinks", `--${form}`, "-o", path],
    );
    assertEquals(code, 0, env.stderr.text);
    assertMatch(env.stderr.text, /data\/out: left out, neither a file nor a/);
    const { files } = parseMetainfo(await Deno.readFile(path));
    const links = files.filter(({ kind }) => kind === "symlink");
    assertEquals(links.map(({ path, target }) => [path, target]), [
      [["data", "link"], ["data", "a"]],
    ]);
  }
});

Deno.test("create says what is not there, and what is a folder", async () => {
  using scene = new Scene();
  const missing = await scene.create(
    [scene.join("none"), "-o", scene.join("x.torrent")],
  );
  assertEquals(missing.code, 3);
  assertMatch(missing.env.stderr.text, /none does not exist\n$/);
  for (const out of ["data", "other/"]) {
    for (const more of [[], ["--allow-overwrite"]]) {
      const { code, env } = await scene.create(
        [scene.join("data"), "-o", scene.join(out), ...more],
      );
      assertEquals(code, 13);
      assertMatch(env.stderr.text, /is a folder: name the file to write in/);
    }
  }
});

Deno.test("create does not write over a file unless it is told to", async () => {
  using scene = new Scene();
  const args = [scene.join("data"), "-o", scene.join("x.torrent")];
  scene.write("x.torrent", "mine");
  const { code, env } = await scene.create(args);
  assertEquals(code, 13);
  assertStringIncludes(env.stderr.text, "--allow-overwrite");
  assertEquals(await Deno.readTextFile(args[2]!), "mine");
  assertEquals((await scene.create([...args, "--allow-overwrite"])).code, 0);
  assertEquals(parseMetainfo(await Deno.readFile(args[2]!)).name, "data");
});

Deno.test("create refuses what it cannot do, with a word", async (t) => {
  using scene = new Scene();
  const data = scene.join("data");
  await Deno.mkdir(scene.join("empty"));
  const table: [args: string[], code: number, message: RegExp][] = [
    [["-o", "x"], 2, /^btget: Nothing to create/],
    [[data], 2, /Say with -o/],
    [["-", "-o", "x"], 2, /not of standard input/],
    [[data, "-o", "-", "--v1", "--v2"], 2, /Choose one of --v1 and --v2/],
    [[data, "-o", "-", "--magnet"], 2, /Standard output/],
    [[data, "-o", "-", "-l", "20000"], 2, /power of two/],
    [[data, "-o", "-", "-l", "8K"], 2, /power of two/],
    [[data, "-o", "-", "-l", "256M"], 2, /power of two/],
    [[data, "-o", "-", "-t", "ftp://x"], 2, /http, https and udp/],
    [[data, "-o", "-", "-w", "ftp://x"], 2, /http and https/],
    [[data, "-o", "-", "--name", "a/b"], 2, /must be a name/],
    [[data, "-o", "-", "--date", "never"], 2, /--date must be/],
    [[data, "-o", "-", "--seed-time", "1"], 2, /Unknown option --seed-time/],
    [[data, "-o", "-", "--traker", "1"], 2, /did you mean --tracker/],
    [[scene.join("empty"), "-o", "-"], 2, /There are no files/],
    [[scene.join("no"), "-o", "-"], 3, /no does not exist/],
  ];
  for (const [args, code, message] of table) {
    await t.step(args.slice(1).join(" "), async () => {
      const { code: found, env } = await scene.create(args);
      assertEquals(found, code, env.stderr.text);
      assertMatch(env.stderr.text, message);
      assertEquals(env.stdout.text, "");
      if (code === 2) {
        assertMatch(env.stderr.text, /Try 'btget create --help'\.\n$/);
      }
    });
  }
});

Deno.test("create stops when it is asked to", async () => {
  using scene = new Scene();
  scene.write("data/large", "x".repeat(50 * 1024 * 1024));
  const env = new TestEnv();
  const running = run(
    ["create", scene.join("data"), "-o", scene.join("x.torrent")],
    env,
  );
  env.interrupt();
  assertEquals(await running, 7);
  assertEquals(env.listenerCount, 0);
  assertEquals(env.stderr.text, "btget: stopped\n");
});

Deno.test("create needs to read its paths and to write its torrent, and no more", async () => {
  using scene = new Scene();
  const output = scene.join("x.torrent");
  const args = ["create", "data", "-o", "x.torrent"];
  const ended = await runProgram(args, {
    permissions: [
      `--allow-read=${scene.join("data")}`,
      `--allow-write=${output}`,
    ],
    cwd: scene.path,
  });
  assertEquals([ended.code, ended.stderr], [0, ""]);
  assertEquals(parseMetainfo(await Deno.readFile(output)).name, "data");
  for (
    const [permission, flag] of [
      [`--allow-read=${scene.join("data")}`, "--allow-write=x.torrent"],
      [`--allow-write=${output}`, "--allow-read=data"],
    ] as const
  ) {
    const { code, stderr } = await runProgram(
      [...args, "--allow-overwrite"],
      { permissions: [permission], cwd: scene.path },
    );
    assertEquals(code, 15);
    assertStringIncludes(stderr, `run again with ${flag}`);
  }
});

Deno.test("create calls a torrent of the current folder as that is called", async () => {
  using scene = new Scene();
  const { stdout } = await runProgram(["create", ".", "--magnet"], {
    cwd: scene.join("data"),
  });
  assertStringIncludes(stdout, "&dn=data\n");
});

Deno.test("create makes no torrent of a file that changes meanwhile", async () => {
  using scene = new Scene();
  const output = scene.join("x.torrent");
  const env = new TestEnv();
  const running = run(["create", scene.join("data"), "-o", output], env);
  // It has looked at the files, and waits for their hashes.
  scene.write("data/b/c", "dddd");
  assertEquals(await running, 17);
  assertStringIncludes(env.stderr.text, "data/b/c changed while it was read");
  await assertRejects(() => Deno.stat(output), Deno.errors.NotFound);
});
