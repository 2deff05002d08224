import { run } from "../../src/cli/run.ts";
import { makeForm } from "../support/make_form.ts";
import { writePayload } from "../support/make_torrent.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { CapturedSink, TestEnv } from "../support/test_env.ts";
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { dirname } from "@std/path";

const KIB = 1024;

/** A folder, and a torrent of it in each form. */
class Scene extends TempFolder {
  static async with(
    files: Record<string, number>,
    forms: readonly string[] = ["v1", "v2", "hybrid"],
    prepare: (scene: Scene) => void = () => {},
  ): Promise<Scene> {
    const scene = new Scene();
    for (const [path, length] of Object.entries(files)) {
      const target = scene.join("data", path);
      await Deno.mkdir(dirname(target), { recursive: true });
      const bytes = Uint8Array.from({ length }, (_, i) => i % 251);
      await Deno.writeFile(target, bytes);
    }
    prepare(scene);
    for (const form of forms) {
      const code = await run([
        "create",
        scene.join("data"),
        `--${form}`,
        "--symlinks",
        "-l16K",
        "-o",
        scene.join(`${form}.torrent`),
      ], new TestEnv());
      assertEquals(code, 0);
    }
    return scene;
  }

  damage(path: string, at: number): void {
    using file = Deno.openSync(this.join("data", path), { write: true });
    file.seekSync(at, Deno.SeekMode.Start);
    file.writeSync(Uint8Array.of(0xff));
  }

  async verify(
    ...args: string[]
  ): Promise<{ code: number; lines: string[]; env: TestEnv }> {
    const env = new TestEnv();
    const code = await run(["verify", "-d", this.path, ...args], env);
    return { code, lines: env.stdout.lines, env };
  }
}

const FORMS = ["v1", "v2", "hybrid"] as const;

Deno.test("verify says that all is well", async () => {
  using scene = await Scene.with({ "a": 40 * KIB + 1, "b/c": 0, "d": 5 });
  for (const form of FORMS) {
    const { code, lines } = await scene.verify(scene.join(`${form}.torrent`));
    assertEquals([code, lines], [0, ["ok\tdata\t\t"]]);
  }
  const all = FORMS.map((form) => scene.join(`${form}.torrent`));
  const { code, lines } = await scene.verify(...all);
  assertEquals([code, lines.length], [0, 3]);
  assertEquals((await scene.verify("-q", ...all)).lines, []);
});

Deno.test("verify names bad files and their bytes", async () => {
  using scene = await Scene.with({
    "a": 100 * KIB,
    "b": 10,
    "c": 40 * KIB,
  });
  scene.damage("a", 16 * KIB);
  scene.damage("a", 33 * KIB);
  scene.damage("a", 70 * KIB);
  scene.damage("c", 40 * KIB - 1);
  const expected = {
    // The last piece of v1 begins at 131,072, and `c` at 102,410.
    v1: [
      "bad\tdata\ta\t16384-49151,65536-81919",
      "bad\tdata\tc\t28662-40959",
    ],
    v2: ["bad\tdata\ta\t16384-49151,65536-81919", "bad\tdata\tc\t32768-40959"],
  };
  for (const form of FORMS) {
    const { code, lines } = await scene.verify(scene.join(`${form}.torrent`));
    assertEquals(code, 32);
    assertEquals(
      lines,
      expected[form === "v1" ? "v1" : "v2"]
        .map((line) => line.replace(/\t([ac])\t/, "\tdata/$1\t")),
    );
  }
});

Deno.test("verify names what is missing, too short, too long, and extra", async () => {
  using scene = await Scene.with({
    "gone": 20 * KIB,
    "long": 10,
    "other": 20 * KIB,
    "short": 40 * KIB,
    "zfolder": 3,
  });
  await Deno.remove(scene.join("data/gone"));
  await Deno.truncate(scene.join("data/short"), 20 * KIB);
  await Deno.writeTextFile(scene.join("data/long"), "x", { append: true });
  await Deno.writeTextFile(scene.join("data/more\t"), "x");
  await Deno.remove(scene.join("data/zfolder"));
  await Deno.mkdir(scene.join("data/zfolder"));
  const v2 = await scene.verify(scene.join("v2.torrent"));
  assertEquals(v2.code, 32);
  assertEquals(v2.lines, [
    "missing\tdata\tdata/gone\t",
    "size\tdata\tdata/long\t11/10",
    "size\tdata\tdata/short\t20480/40960",
    "unknown\tdata\tdata/short\t16384-20479",
    "unreadable\tdata\tdata/zfolder\t",
    "extra\tdata\tdata/more\\x09\t",
  ]);
  const v1 = await scene.verify(scene.join("v1.torrent"));
  assertEquals(v1.lines.slice(0, 4), [
    "missing\tdata\tdata/gone\t",
    "size\tdata\tdata/long\t11/10",
    "unknown\tdata\tdata/long\t0-9",
    "unknown\tdata\tdata/other\t0-12277",
  ]);
});

Deno.test("verify knows links and programs", async () => {
  const links = ["gone", "link", "other", "file"];
  using scene = await Scene.with({ "a": 5, "b/run": 5 }, FORMS, (scene) => {
    for (const name of links) Deno.symlinkSync("a", scene.join("data", name));
    Deno.chmodSync(scene.join("data/b/run"), 0o755);
  });
  for (const form of FORMS) {
    const { code, lines } = await scene.verify(scene.join(`${form}.torrent`));
    assertEquals([code, lines], [0, ["ok\tdata\t\t"]]);
  }
  const torrent = scene.join("hybrid.torrent");
  await Deno.chmod(scene.join("data/b/run"), 0o644);
  const remarked = await scene.verify(torrent);
  assertEquals([remarked.code, remarked.lines], [0, [
    "mode\tdata\tdata/b/run\t",
    "ok\tdata\t\t",
  ]]);
  for (const name of links) await Deno.remove(scene.join("data", name));
  await Deno.symlink("./b/../a", scene.join("data/link"));
  await Deno.symlink("b", scene.join("data/other"));
  await Deno.copyFile(scene.join("data/a"), scene.join("data/file"));
  const wrong = await scene.verify(torrent);
  assertEquals([wrong.code, wrong.lines], [32, [
    "link\tdata\tdata/file\t",
    "missing\tdata\tdata/gone\t",
    "link\tdata\tdata/other\t",
    "mode\tdata\tdata/b/run\t",
  ]]);
});

Deno.test("verify takes what is extra for wrong only if it is told to", async () => {
  using scene = await Scene.with({ "a": 5 }, ["hybrid"]);
  await Deno.writeTextFile(scene.join("data/b"), "x");
  const torrent = scene.join("hybrid.torrent");
  const { code, lines } = await scene.verify(torrent);
  assertEquals([code, lines], [0, ["extra\tdata\tdata/b\t", "ok\tdata\t\t"]]);
  assertEquals((await scene.verify("--no-extra", torrent)).code, 32);
});

Deno.test("verify tells in JSON", async () => {
  using scene = await Scene.with({ "a": 40 * KIB }, ["hybrid"]);
  scene.damage("a", 0);
  const { lines } = await scene.verify("--json", scene.join("hybrid.torrent"));
  const { infoHash, infoHashV2, source, ...rest } = JSON.parse(lines[0]!);
  assertMatch(infoHash, /^[0-9a-f]{40}$/);
  assertMatch(infoHashV2, /^[0-9a-f]{64}$/);
  assertEquals(source, scene.join("hybrid.torrent"));
  assertEquals(rest, {
    name: "data",
    isGood: false,
    findings: [{ problem: "bad", path: "data/a", ranges: [[0, 16384]] }],
  });
});

Deno.test("verify tells a person", async () => {
  using scene = await Scene.with({ "a": 40 * KIB, b: 7 }, ["v2"]);
  scene.damage("a", 0);
  await Deno.remove(scene.join("data/b"));
  const env = new TestEnv({
    stdout: new CapturedSink({ isTerminal: true }),
    stderr: new CapturedSink({ isTerminal: true }),
  });
  await run(["verify", "-d", scene.path, scene.join("v2.torrent")], env);
  assertEquals(env.stdout.lines, [
    "data: WRONG, 2 files, 40.0 KiB",
    "  bad         data/a  bytes 0-16383",
    "  missing     data/b",
  ]);
});

Deno.test("verify goes on after a source that is no torrent", async () => {
  using scene = await Scene.with({ "a": 5 }, ["v1"]);
  const link = `magnet:?xt=urn:btih:${"a".repeat(40)}`;
  const { code, lines, env } = await scene.verify(
    scene.join("no.torrent"),
    link,
    scene.join("v1.torrent"),
  );
  assertEquals([code, lines], [27, ["ok\tdata\t\t"]]);
  assertStringIncludes(env.stderr.text, "does not exist");
  assertStringIncludes(env.stderr.text, "--metadata-only");
});

Deno.test("verify reads a torrent from standard input", async () => {
  using scene = await Scene.with({ "a": 5 }, ["v2"]);
  const stdin = await Deno.readFile(scene.join("v2.torrent"));
  const env = new TestEnv({ stdin });
  assertEquals(await run(["verify", "-d", scene.path, "-"], env), 0);
});

Deno.test("verify refuses what it cannot do, with a word", async () => {
  using scene = await Scene.with({}, []);
  for (const args of [[], [""], ["-", "-"], ["--seed-time=1", "x"]]) {
    const { code, env } = await scene.verify(...args);
    assertEquals(code, 2);
    assertMatch(env.stderr.text, /Try 'btget verify --help'\.\n$/);
  }
});

Deno.test("verify says which torrent contradicts itself, and goes on", async () => {
  const recipe = { form: "hybrid", files: { a: 40 * KIB, b: 1 } } as const;
  const contradictoryPiece = 1;
  for (const hasNoLayers of [false, true]) {
    using scene = new Scene();
    const bad = makeForm({ ...recipe, contradictoryPiece, hasNoLayers });
    const good = makeForm({ ...recipe, hasNoLayers });
    writePayload(good, scene.path);
    await Deno.writeFile(scene.join("bad.torrent"), bad.bytes);
    await Deno.writeFile(scene.join("good.torrent"), good.bytes);
    const { code, lines, env } = await scene.verify(
      scene.join("bad.torrent"),
      scene.join("good.torrent"),
    );
    assertEquals([code, lines], [26, ["ok\tpayload\t\t"]]);
    assertMatch(env.stderr.text, /bad\.torrent.* as piece 1 shows/);
  }
});

Deno.test("verify needs no piece layers", async () => {
  for (const form of ["v2", "hybrid"] as const) {
    using scene = new Scene();
    const made = makeForm({
      form,
      files: { a: 100 * KIB, b: 1 },
      pieceLength: 32 * KIB,
      hasNoLayers: true,
    });
    writePayload(made, scene.path);
    await Deno.writeFile(scene.join("x.torrent"), made.bytes);
    const good = await scene.verify(scene.join("x.torrent"));
    assertEquals([good.code, good.lines], [0, ["ok\tpayload\t\t"]]);
    const damaged = made.files.get("payload/a")!.slice();
    damaged[40 * KIB]! ^= 1;
    await Deno.writeFile(scene.join("payload/a"), damaged);
    const { code, lines } = await scene.verify(scene.join("x.torrent"));
    // A tree as a whole does not say where it is wrong; the hashes of v1 do.
    const range = form === "v2" ? "0-102399" : "32768-65535";
    assertEquals([code, lines], [32, [`bad\tpayload\tpayload/a\t${range}`]]);
  }
});
