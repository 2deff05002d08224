/**
 * Torrents that `btget create` makes are those that libtorrent makes of the
 * same files, and other programs read them.
 */

import { run } from "../../src/cli/run.ts";
import { parseMetainfo } from "../../src/metainfo/metainfo.ts";
import { conditionalTest, missingProgram } from "../support/conditional.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { TestEnv } from "../support/test_env.ts";
import { LIBTORRENT } from "./support/clients.ts";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { dirname } from "@std/path";

const KIB = 1024;
const FORMS = ["v1", "v2", "hybrid"] as const;

/** Files around the sizes of blocks and pieces, and names that sort oddly. */
const SHAPES: Record<string, Record<string, number> | number> = {
  "one byte": 1,
  "a block less one": 16 * KIB - 1,
  "a block": 16 * KIB,
  "a block and one": 16 * KIB + 1,
  "a piece less one": 64 * KIB - 1,
  "a piece": 64 * KIB,
  "a piece and one": 64 * KIB + 1,
  "many pieces": 1_000_000,
  "one file in a folder": { "a": 100_000 },
  "a folder": {
    "a": 16 * KIB,
    "a.b": 16 * KIB + 1,
    "a0": 1,
    "a-folder/x": 64 * KIB,
    "a-folder/y/z": 64 * KIB + 1,
    "a-folder.x": 3,
    "Z": 0,
    "\u00e9": 200_000,
    "\u{1f600}": 5,
    "\u{ff5e}": 7,
    "z": 64 * KIB,
  },
  "a folder that ends with a pad": { "x": 3, "y": 64 * KIB, "z": 9 },
};

/** Makes torrents with libtorrent: `[[folder, name, form, piece length]]`. */
const SCRIPT = `
import json, os, sys
import libtorrent as lt
links = 8
flags = {"v1": 64 + links, "v2": 32 + links, "hybrid": links}
for parent, name, form, piece_length, target in json.load(sys.stdin):
    fs = lt.file_storage()
    root = os.path.join(parent, name)
    found = []
    if os.path.isfile(root):
        found = [name]
    for folder, folders, names in os.walk(root):
        names += [n for n in folders if os.path.islink(os.path.join(folder, n))]
        found += [os.path.relpath(os.path.join(folder, n), parent) for n in names]
    for path in sorted(found, key=lambda p: [e.encode() for e in p.split("/")]):
        full = os.path.join(parent, path)
        if os.path.islink(full):
            to = os.path.normpath(os.path.join(
                os.path.dirname(path), os.readlink(full)))
            fs.add_file(path, 0, 8, 0, os.path.relpath(to, name))
            continue
        flag = 4 if os.stat(full).st_mode & 0o100 else 0
        fs.add_file(path, os.path.getsize(full), flag)
    made = lt.create_torrent(fs, piece_length, flags[form])
    lt.set_piece_hashes(made, parent)
    with open(target, "wb") as file:
        file.write(lt.bencode(made.generate()))
`;

async function python(input: unknown): Promise<void> {
  const child = new Deno.Command("/usr/bin/python3", {
    args: ["-c", SCRIPT],
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(JSON.stringify(input)));
  await writer.close();
  const { success, stderr } = await child.output();
  assert(success, new TextDecoder().decode(stderr));
}

/** Writes the files of a shape, and gives the name to make a torrent of. */
async function writeShape(
  folder: TempFolder,
  { name, shape }: { name: string; shape: Record<string, number> | number },
): Promise<void> {
  const random = seededRandom(7);
  const files = typeof shape === "number" ? { "": shape } : shape;
  for (const [path, length] of Object.entries(files)) {
    const target = folder.join(name, path);
    await Deno.mkdir(dirname(target), { recursive: true });
    await Deno.writeFile(target, randomBytes(length, random));
  }
  if (typeof shape !== "number" && "a0" in shape) {
    await Deno.chmod(folder.join(name, "a0"), 0o755);
    await Deno.symlink("a.b", folder.join(name, "link"));
    await Deno.symlink("../../a-folder", folder.join(name, "a-folder/y/up"));
  }
}

async function create(...args: string[]): Promise<void> {
  const env = new TestEnv();
  assertEquals(await run(["create", ...args], env), 0, env.stderr.text);
}

async function output(command: string, args: string[]): Promise<string> {
  const { stdout, stderr } = await new Deno.Command(command, { args }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

conditionalTest({
  name: "btget create makes the info hashes that libtorrent makes",
  missing: LIBTORRENT.missing(),
  async fn(t) {
    using folder = new TempFolder();
    const jobs: [string, string, string, number, string][] = [];
    for (const [name, shape] of Object.entries(SHAPES)) {
      await writeShape(folder, { name, shape });
      for (const form of FORMS) {
        const target = folder.join(`${name}.${form}.libtorrent`);
        jobs.push([folder.path, name, form, 64 * KIB, target]);
      }
    }
    await python(jobs);
    for (const [, name, form, , theirs] of jobs) {
      await t.step(`${name}, ${form}`, async () => {
        const ours = folder.join("ours.torrent");
        await create(
          folder.join(name),
          "--symlinks",
          ...["-o", ours, `--${form}`, "-l64K", "--allow-overwrite"],
        );
        const [a, b] = [ours, theirs].map((path) =>
          parseMetainfo(Deno.readFileSync(path))
        );
        assertEquals(a!.files, b!.files);
        assertEquals(encodeHex(a!.infoHash), encodeHex(b!.infoHash));
        assertEquals(a!.infoHashV2, b!.infoHashV2);
        assertEquals(a!.pieceLayers, b!.pieceLayers);
      });
    }
  },
});

conditionalTest({
  name: "transmission-show reads what btget create makes for v1",
  missing: missingProgram("transmission-show"),
  async fn() {
    using folder = new TempFolder();
    const name = "a folder";
    await writeShape(folder, { name, shape: SHAPES[name]! });
    const path = folder.join("x.torrent");
    // Transmission 3 refuses every hybrid torrent, libtorrent's too.
    await create(folder.join(name), "--v1", "-o", path, "-t", "udp://a:1");
    const { infoHash } = parseMetainfo(await Deno.readFile(path));
    const text = await output("transmission-show", [path]);
    assertStringIncludes(text, encodeHex(infoHash));
    assertStringIncludes(text, "udp://a:1");
    assertStringIncludes(text, "a-folder/y/z");
  },
});

conditionalTest({
  name: "aria2 reads what btget create makes for v1, alone and with v2",
  missing: missingProgram("aria2c"),
  async fn() {
    using folder = new TempFolder();
    const name = "a folder";
    await writeShape(folder, { name, shape: SHAPES[name]! });
    for (const form of ["v1", "hybrid"]) {
      const path = folder.join(`${form}.torrent`);
      await create(folder.join(name), `--${form}`, "-o", path);
      const { infoHash } = parseMetainfo(await Deno.readFile(path));
      const text = await output("aria2c", ["--no-conf", "-S", path]);
      // aria2 1.36 hashes a hybrid torrent anew and wrong, libtorrent's too.
      if (form === "v1") assertStringIncludes(text, encodeHex(infoHash));
      assertStringIncludes(text, "a-folder/y/z");
    }
  },
});
