import { run } from "../../src/cli/run.ts";
import { TOOL_TABLE } from "../../src/cli/tools.ts";
import { parseMetainfo } from "../../src/metainfo/metainfo.ts";
import { makeTorrent } from "../support/make_torrent.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { TestEnv } from "../support/test_env.ts";
import { Tmpfs } from "../support/tmpfs.ts";
import {
  assert,
  assertEquals,
  assertLessOrEqual,
  assertMatch,
} from "@std/assert";
import { join } from "@std/path";

const MADE = makeTorrent({
  files: 9,
  trackers: ["http://a/", "http://b/"],
  extra: { comment: "c" },
});

/** Edits a torrent from standard input to standard output. */
async function edited(...args: string[]) {
  const env = new TestEnv({ stdin: MADE.bytes });
  const code = await run(["edit", "-", "-o", "-", ...args], env);
  assertEquals(code, 0, env.stderr.text);
  return { after: parseMetainfo(env.stdout.bytes), said: env.stderr.text };
}

Deno.test("every tool has a help that fits a screen", async () => {
  for (const [name, { help }] of TOOL_TABLE) {
    const env = new TestEnv();
    assertEquals(await run([name, "--help"], env), 0);
    assertEquals(env.stdout.text, help);
    const lines = help.split("\n");
    for (const line of lines) assertLessOrEqual(line.length, 80, line);
    assertLessOrEqual(lines.length, 50);
    assert(/^[\n\x20-\x7e]+\n$/.test(help));
  }
});

Deno.test("edit changes trackers, and the info hash stays", async () => {
  const table: [args: string[], tiers: string[][]][] = [
    [["-t", "udp://x:1,udp://y:1", "-t", "http://z/"], [
      ["udp://x:1", "udp://y:1"],
      ["http://z/"],
    ]],
    [["--add-tracker", "http://c/"], [
      ["http://a/"],
      ["http://b/"],
      ["http://c/"],
    ]],
    [["--add-tracker", "http://b/"], [["http://a/"], ["http://b/"]]],
    [["--remove-tracker", "http://a/"], [["http://b/"]]],
    [["--remove-tracker", "*"], []],
    [["--remove-tracker", "*", "--add-tracker", "http://c/"], [["http://c/"]]],
  ];
  for (const [args, tiers] of table) {
    const { after, said } = await edited(...args);
    assertEquals(after.announceTiers, tiers, args.join(" "));
    assertEquals(after.infoBytes, MADE.metainfo.infoBytes);
    assertMatch(said, /the same info hash/);
  }
});

Deno.test("edit says which tracker is not there to be removed", async () => {
  const { said } = await edited("--remove-tracker", "http://c/,http://a/");
  assertMatch(said, /^btget: http:\/\/c\/ is none of its trackers\n/);
});

Deno.test("edit changes web seeds and the comment, and takes them away", async () => {
  const { after } = await edited("-w", "http://w/", "--comment", "new");
  assertEquals([after.webSeeds, after.comment], [["http://w/"], "new"]);
  const none = await edited("--web-seed=", "--comment=");
  assertEquals([none.after.webSeeds, none.after.comment], [[], undefined]);
});

Deno.test("edit makes another torrent private only if it is told to, and says so", async () => {
  const { after, said } = await edited("--private");
  assert(after.isPrivate);
  assertMatch(said, /another torrent now: info hash [0-9a-f]{40} became/);
});

Deno.test("edit writes over the file that it read, and over no other", async () => {
  using folder = new TempFolder();
  const [path, other] = [folder.join("x.torrent"), folder.join("y.torrent")];
  await Deno.writeFile(path, MADE.bytes);
  const env = new TestEnv();
  assertEquals(await run(["edit", path, "--comment", "new"], env), 0);
  assertEquals(parseMetainfo(await Deno.readFile(path)).comment, "new");
  await Deno.writeTextFile(other, "mine");
  const args = ["edit", path, "--comment", "b", "-o", other];
  assertEquals(await run(args, env), 13);
  assertEquals(await run([...args, "--allow-overwrite", "--json"], env), 0);
  assertEquals(parseMetainfo(await Deno.readFile(other)).comment, "b");
  const record = JSON.parse(env.stdout.lines.at(-1)!);
  assertEquals([record.path, record.hasNewInfoHash], [other, false]);
});

Deno.test("edit keeps the old torrent when the new one finds no room", async () => {
  using disk = Tmpfs.mount({ size: 64 * 1024 });
  if (!disk) return;
  const path = join(disk.path, "x.torrent");
  await Deno.writeFile(path, MADE.bytes);
  const env = new TestEnv();
  const comment = "x".repeat(128 * 1024);
  assertEquals(await run(["edit", path, "--comment", comment], env), 9);
  assertEquals(await Deno.readFile(path), MADE.bytes);
});

Deno.test("edit refuses what it cannot do, with a word", async () => {
  for (
    const args of [
      ["--comment", "x"],
      ["a", "b", "--comment", "x"],
      ["-", "--comment", "x"],
      ["http://h/x", "--comment", "x"],
      ["x"],
      ["x", "--private", "--public"],
      ["x", "-o", "-", "--json", "--private"],
      ["x", "-t", "gopher://x"],
      ["x", "-w", "gopher://x"],
    ]
  ) {
    const env = new TestEnv();
    assertEquals(await run(["edit", ...args], env), 2, args.join(" "));
    assertMatch(env.stderr.text, /Try 'btget edit --help'\.\n$/);
  }
  const env = new TestEnv({ stdin: new TextEncoder().encode("x") });
  assertEquals(await run(["edit", "-", "-o", "-", "--private"], env), 25);
});
