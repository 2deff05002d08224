import { assert, assertEquals, assertRejects } from "@std/assert";
import { sha1 } from "../../src/bytes/hash.ts";
import { StorageError } from "../../src/errors.ts";
import { ControlFile } from "../../src/storage/control_file.ts";
import { FileStorage } from "../../src/storage/file_storage.ts";
import {
  type CheckProgress,
  type RecoverOptions,
  stampFiles,
} from "../../src/storage/recover.ts";
import { Child, runChild } from "../support/child.ts";
import { type DiskRecipe, DiskScene, haveOf } from "../support/disk_scene.ts";
import { FaultyDisk } from "../support/faulty_disk.ts";
import { makeTorrent, writePayload } from "../support/make_torrent.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { Tmpfs } from "../support/tmpfs.ts";
import { encodeHex } from "@std/encoding/hex";
import { fromFileUrl, join } from "@std/path";

const RECOVER = new URL("children/recover.ts", import.meta.url);
const DOWNLOAD = new URL("children/download.ts", import.meta.url);

const KIB = 1024;

/** Everything in a folder, with its bytes and times. */
function listing(folder: string): unknown[] {
  return [...Deno.readDirSync(folder)].sort((a, b) => a.name < b.name ? -1 : 1)
    .map(({ name, isDirectory }) => {
      const path = join(folder, name);
      if (isDirectory) return [name, listing(path)];
      const { mtime, size } = Deno.lstatSync(path);
      return [name, size, mtime, encodeHex(sha1(Deno.readFileSync(path)))];
    });
}

const THREE_FILES: DiskRecipe = {
  pieceLength: 16 * KIB,
  // Pieces: 0 to 2 of a, 2 of b too, 2 to 5 of c.
  files: [["t/a", 40 * KIB], ["t/b", KIB], ["t/c", 50 * KIB]],
};

Deno.test("recover() finds what is there", async (t) => {
  const cases: Record<string, [put: (scene: DiskScene) => void, have: string]> =
    {
      "nothing": [() => {}, "......"],
      "all": [(scene) => scene.putAll(), "xxxxxx"],
      "one file": [(scene) => scene.put(0), "xx...."],
      "the last file": [(scene) => scene.put(2), "...xxx"],
      "two neighbours": [(scene) => {
        scene.put(0);
        scene.put(1);
      }, "xx...."],
      "a file that is too short": [(scene) => {
        scene.putAll();
        scene.put(2, scene.bytesOf(2).slice(0, 40 * KIB));
      }, "xxxxx."],
      "a file that is too long": [(scene) => {
        scene.putAll();
        scene.put(0, new Uint8Array([...scene.bytesOf(0), 1, 2, 3]));
      }, "xxxxxx"],
      "a file with a wrong byte": [(scene) => {
        scene.putAll();
        const bytes = scene.bytesOf(2).slice();
        bytes[20 * KIB]! ^= 1;
        scene.put(2, bytes);
      }, "xxx.xx"],
    };
  for (const [name, [put, have]] of Object.entries(cases)) {
    await t.step(name, async () => {
      using folder = new TempFolder();
      const scene = new DiskScene(folder.path, THREE_FILES);
      put(scene);
      const before = listing(folder.path);
      const isComplete = name === "all";
      assertEquals(await scene.look({ isReadOnly: true }), {
        have,
        isBegun: false,
      });
      assertEquals(listing(folder.path), before);
      const found = await scene.look({ mayOverwrite: true });
      assertEquals(found, { have, isBegun: !isComplete });
    });
  }
});

Deno.test("recover() sees zeros where pads are", async () => {
  using folder = new TempFolder();
  const scene = new DiskScene(folder.path, {
    pieceLength: 16 * KIB,
    files: [
      ["t/a", 10 * KIB],
      ["t/.pad/6144", 6 * KIB, "pad"],
      ["t/b", 16 * KIB],
      ["t/.pad/16384", 16 * KIB, "pad"],
    ],
  });
  assertEquals((await scene.look()).have, "..x");
  scene.putAll();
  assertEquals(await scene.look(), { have: "xxx", isBegun: true });
  await Deno.remove(scene.control);
  assertEquals(await scene.look(), { have: "xxx", isBegun: false });
});

Deno.test("recover() makes the folder only when it will write", async () => {
  using folder = new TempFolder();
  for (const canRead of [true, false]) {
    const scene = new DiskScene(folder.join(`x/${canRead}`), THREE_FILES);
    await using storage = scene.storage({ canRead });
    await scene.recover(storage, { isReadOnly: true });
    await assertRejects(() => Deno.lstat(scene.folder), Deno.errors.NotFound);
    const { control, have } = await scene.recover(storage);
    assertEquals(have.count, 0);
    assertEquals(control !== undefined, canRead);
    control?.[Symbol.dispose]();
    assert((await Deno.lstat(scene.folder)).isDirectory);
  }
});

Deno.test("recover() is not done before empty files are there", async () => {
  using folder = new TempFolder();
  const scene = new DiskScene(folder.path, {
    pieceLength: 16 * KIB,
    files: [["t/none", 0], ["t/a", 5], ["t/empty", 0]],
  });
  scene.put(1);
  scene.put(2);
  assertEquals(await scene.look(), { have: "x", isBegun: true });
  await Deno.remove(scene.control);
  scene.put(0);
  assertEquals(await scene.look(), { have: "x", isBegun: false });
});

Deno.test("recover() does not read what a record vouches for", async (t) => {
  /** A record that claims what is not so shows whether it is believed. */
  const claim = "x.x..x";

  await t.step("if nothing has changed", async () => {
    using folder = new TempFolder();
    const scene = new DiskScene(folder.path, THREE_FILES);
    scene.putAll();
    await scene.record(claim);
    assertEquals((await scene.look()).have, claim);
    assertEquals((await scene.look({ mustCheckAll: true })).have, "xxxxxx");
  });

  const changes: Record<string, [(path: string) => unknown, have: string]> = {
    "if a file was written to": [
      (path) => Deno.utimeSync(path, 1000, 1000),
      "x.xxxx",
    ],
    "if a file is longer": [
      (path) => Deno.writeFileSync(path, Uint8Array.of(1), { append: true }),
      "x.xxxx",
    ],
    "if a file is longer, and pretends not to be": [(path) => {
      const { atime, mtime } = Deno.statSync(path);
      Deno.writeFileSync(path, Uint8Array.of(1), { append: true });
      Deno.utimeSync(path, atime!, mtime!);
    }, "x.xxxx"],
    "if a file is shorter": [(path) => Deno.truncateSync(path, 0), "x....."],
    "if a file is gone": [(path) => Deno.removeSync(path), "x....."],
  };
  for (const [name, [change, have]] of Object.entries(changes)) {
    await t.step(name, async () => {
      using folder = new TempFolder();
      const scene = new DiskScene(folder.path, THREE_FILES);
      scene.putAll();
      await scene.record(claim);
      change(scene.path(2));
      assertEquals((await scene.look()).have, have);
    });
  }

  await t.step("nor what did not exist then", async () => {
    using folder = new TempFolder();
    const scene = new DiskScene(folder.path, THREE_FILES);
    scene.put(0);
    await scene.record("xxxxxx");
    assertEquals((await scene.look()).have, "xx....");
    scene.put(1);
    scene.put(2);
    assertEquals((await scene.look()).have, "xxxxxx");
  });
});

Deno.test("recover() leaves alone what is not of this torrent", async (t) => {
  const text = (length: number) =>
    new TextEncoder().encode("# of the user\n".repeat(length).slice(0, length));
  /** What lies there; the torrent claims that it has the same start. */
  const mine = text(40_000);
  const sameStart = (start: number, length: number) => {
    const payload = randomBytes(length, seededRandom(2));
    payload.set(mine.subarray(0, start));
    return payload;
  };
  const cases: Record<string, { recipe: DiskRecipe; found: Uint8Array }> = {
    "of another length": {
      recipe: { pieceLength: 16 * KIB, files: [[".bashrc", 30_000]] },
      found: mine,
    },
    "of the same length": {
      recipe: { pieceLength: 16 * KIB, files: [[".bashrc", 40_000]] },
      found: mine,
    },
    "empty": {
      recipe: { pieceLength: 16 * KIB, files: [[".bashrc", 40_000]] },
      found: new Uint8Array(),
    },
    "where an empty one must go": {
      recipe: { pieceLength: 16 * KIB, files: [[".bashrc", 0], ["b", 5]] },
      found: mine,
    },
    "some of whose bytes happen to be right": {
      recipe: {
        pieceLength: 1,
        files: [[".bashrc", 4000]],
        payload: text(4001).slice(1),
      },
      found: mine.slice(0, 4000),
    },
    "whose start the torrent knows": {
      recipe: {
        pieceLength: 3526,
        files: [[".bashrc", 3600]],
        payload: sameStart(3526, 3600),
      },
      found: mine.slice(0, 3526),
    },
    "whose start is in many small pieces": {
      recipe: {
        pieceLength: 4 * KIB,
        files: [[".bashrc", 40_000]],
        payload: sameStart(36 * KIB, 40_000),
      },
      found: mine,
    },
    "that would be cut": {
      recipe: {
        pieceLength: 16 * KIB,
        files: [[".bashrc", 3000]],
        payload: sameStart(3000, 3000),
      },
      found: mine.slice(0, 3526),
    },
    "whose neighbour is of this torrent": {
      recipe: {
        pieceLength: 16 * KIB,
        files: [["a", 16 * KIB - 10], [".bashrc", 2000]],
        payload: new Uint8Array([
          ...randomBytes(16 * KIB - 10, seededRandom(3)),
          ...sameStart(10, 2000),
        ]),
      },
      found: mine.slice(0, 2000),
    },
  };
  for (const [name, { recipe, found }] of Object.entries(cases)) {
    await t.step(name, async () => {
      using folder = new TempFolder();
      const scene = new DiskScene(folder.path, recipe);
      const file = recipe.files.findIndex(([path]) => path === ".bashrc");
      if (name.includes("neighbour")) scene.put(0);
      scene.put(file, found);
      const before = listing(folder.path);
      const error = await assertRejects(
        () => scene.look(),
        StorageError,
        "--allow-overwrite",
      );
      assertEquals(error.problem, "exists");
      assertEquals(error.options.path, scene.path(file));
      assertEquals(listing(folder.path), before);
      // Who may overwrite begins.
      const { isBegun } = await scene.look({ mayOverwrite: true });
      assert(isBegun);
    });
  }
});

Deno.test("recover() names how many files are not of this torrent", async () => {
  using folder = new TempFolder();
  const scene = new DiskScene(folder.path, THREE_FILES);
  for (const file of [0, 1, 2]) scene.put(file, new Uint8Array(file));
  await assertRejects(
    () => scene.look(),
    StorageError,
    `${scene.path(0)} and 2 other files`,
  );
});

Deno.test("recover() completes a copy that is begun, here or elsewhere", async (t) => {
  const damage = (scene: DiskScene) => {
    const bytes = scene.bytesOf(2).slice();
    bytes[30 * KIB]! ^= 1;
    scene.put(2, new Uint8Array([...bytes, 1, 2, 3]));
  };

  await t.step("by another program: a block of it is right", async () => {
    using folder = new TempFolder();
    const scene = new DiskScene(folder.path, THREE_FILES);
    scene.putAll();
    damage(scene);
    assertEquals(await scene.look(), { have: "xxxx.x", isBegun: true });
  });

  await t.step("with a small file that is whole", async () => {
    using folder = new TempFolder();
    const scene = new DiskScene(folder.path, {
      pieceLength: 16 * KIB,
      files: [["t/readme", 100], ["t/.pad/1", 16 * KIB - 100, "pad"], [
        "t/a",
        20 * KIB,
      ]],
    });
    scene.put(0);
    assertEquals(await scene.look(), { have: "x..", isBegun: true });
  });

  await t.step("by this one: nothing of it is right", async () => {
    using folder = new TempFolder();
    const scene = new DiskScene(folder.path, THREE_FILES);
    await scene.look();
    for (const file of [0, 1, 2]) scene.put(file, new Uint8Array(file * 100));
    assertEquals(await scene.look(), { have: "......", isBegun: true });
  });
});

Deno.test("recover() goes on where something is in the way of the control file", async () => {
  using folder = new TempFolder();
  const scene = new DiskScene(folder.path, THREE_FILES);
  await Deno.mkdir(scene.control);
  scene.put(0);
  assertEquals(await scene.look(), { have: "xx....", isBegun: false });
});

Deno.test("recover() refuses another torrent's download, and one in use", async () => {
  using folder = new TempFolder();
  const scene = new DiskScene(folder.path, THREE_FILES);
  scene.put(0);
  await scene.look();
  const before = listing(folder.path);
  const other = await assertRejects(
    () => scene.look({ infoHash: new Uint8Array(20), mayOverwrite: true }),
    StorageError,
  );
  assertEquals(other.problem, "exists");
  {
    await using storage = scene.storage();
    using _control = (await scene.recover(storage)).control;
    const used = await assertRejects(() => scene.look(), StorageError);
    assertEquals(used.problem, "locked");
  }
  assertEquals(listing(folder.path), before);
});

Deno.test("recover() frees the control file when it fails", async (t) => {
  const isFree = async (scene: DiskScene) => {
    using control = await ControlFile.open(scene.control, {
      infoHash: scene.infoHash,
      create: false,
    });
    return control !== undefined;
  };

  await t.step("because it is aborted", async () => {
    using folder = new TempFolder();
    const scene = new DiskScene(folder.path, THREE_FILES);
    await scene.look();
    scene.putAll();
    const abort = new AbortController();
    const reason = new Error("enough");
    const error = await assertRejects(() =>
      scene.look({
        onProgress: () => abort.abort(reason),
        signal: abort.signal,
      })
    );
    assertEquals(error, reason);
    assert(await isFree(scene));
  });

  await t.step("because something is in the way", async () => {
    using folder = new TempFolder();
    const scene = new DiskScene(folder.path, THREE_FILES);
    await scene.look();
    await Deno.mkdir(scene.path(1), { recursive: true });
    const error = await assertRejects(() => scene.look(), StorageError);
    assertEquals(error.problem, "exists");
    assert(await isFree(scene));
  });

  await t.step("because the disk is too small", async () => {
    using disk = Tmpfs.mount({ size: 64 * KIB });
    if (!disk) return;
    const scene = new DiskScene(disk.path, THREE_FILES);
    const error = await assertRejects(() => scene.look(), StorageError);
    assertEquals(error.problem, "disk_full");
    assertEquals(listing(disk.path).length, 1);
    assert(await isFree(scene));
    disk.remount("size=1m");
    assertEquals(await scene.look(), { have: "......", isBegun: true });
  });
});

Deno.test("recover() tells how far it is, from none to all", async () => {
  using folder = new TempFolder();
  const scene = new DiskScene(folder.path, THREE_FILES);
  const progress = async (options: Partial<RecoverOptions> = {}) => {
    const heard: CheckProgress[] = [];
    await scene.look({ ...options, onProgress: (step) => heard.push(step) });
    return heard.map(({ checkedBytes, totalBytes }) =>
      `${checkedBytes / KIB}/${totalBytes / KIB}`
    );
  };
  assertEquals(await progress(), ["0/0"]);
  scene.putAll();
  assertEquals(
    await progress(),
    ["0/91", "16/91", "32/91", "48/91", "64/91", "80/91", "91/91"],
  );
  await scene.record("xxxxxx");
  assertEquals(await progress(), ["0/0"]);
  await Deno.truncate(scene.path(2), 40 * KIB);
  assertEquals(await progress(), ["0/48", "16/48", "32/48", "48/48"]);
});

Deno.test("recover() finds the same in workers and without", async () => {
  using folder = new TempFolder();
  const torrent = makeTorrent({
    pieceLength: 4 * KIB * KIB,
    files: { a: 30 * KIB * KIB, b: 1, c: 40 * KIB * KIB + 5 },
  });
  writePayload(torrent, folder.path);
  const damaged = folder.join("payload/c");
  const bytes = await Deno.readFile(damaged);
  bytes[9 * KIB * KIB]! ^= 1;
  await Deno.writeFile(damaged, bytes);
  const run = (...permissions: string[]) =>
    runChild<{ have: string; workers: number }>(RECOVER, {
      permissions,
      args: [folder.path, encodeHex(torrent.bytes), "check"],
    });
  const source = fromFileUrl(new URL("../../src", import.meta.url));
  const [withWorkers, without] = [
    await run(`--allow-read=${folder.path},${source}`, "--allow-write"),
    await run(`--allow-read=${folder.path}`, "--allow-write"),
  ];
  // 18 pieces, of which the one at 39 MiB is wrong.
  assertEquals(without, { have: "ffbfc0", workers: 0 });
  assertEquals(withWorkers.have, without.have);
  assert(navigator.hardwareConcurrency < 2 || withWorkers.workers >= 2);
});

Deno.test("recover() fails when the disk cannot be read", async () => {
  using disk = FaultyDisk.build();
  if (!disk) return;
  using folder = new TempFolder();
  const torrent = makeTorrent({ files: { a: 100_000 } });
  writePayload(torrent, folder.path);
  const answer = await runChild(RECOVER, {
    permissions: ["--allow-read", "--allow-write"],
    args: [folder.path, encodeHex(torrent.bytes), "check"],
    env: disk.env(join(folder.path, "payload/"), "badread"),
  });
  assertEquals(answer, { problem: "io" });
});

Deno.test("recover() lets no record speak of what may be in memory only", async (t) => {
  using disk = FaultyDisk.build();
  if (!disk) return;
  const torrent = makeTorrent({ files: { a: 100_000, b: 100_000 } });
  const run = (folder: string) =>
    runChild<{ have?: string; problem?: string }>(RECOVER, {
      permissions: ["--allow-read", "--allow-write"],
      args: [folder, encodeHex(torrent.bytes), "sync"],
      env: disk.env(join(folder, "payload/"), "nosync"),
    });

  await t.step("what was read is brought to the disk first", async () => {
    using folder = new TempFolder();
    writePayload(torrent, folder.path);
    await Deno.remove(folder.join("payload/b"));
    assertEquals(await run(folder.path), { problem: "io" });
  });

  await t.step("what a record vouches for is there", async () => {
    using folder = new TempFolder();
    writePayload(torrent, folder.path);
    await Deno.remove(folder.join("payload/b"));
    const { layout, infoHash } = torrent.metainfo;
    {
      await using storage = new FileStorage(layout, {
        places: ["a", "b"].map((name) => ({
          path: folder.join("payload", name),
          kind: "file" as const,
        })),
        folder: folder.path,
        canRead: true,
        mayReplace: false,
      });
      using control = await ControlFile.open(folder.join("payload.btget"), {
        infoHash,
        create: true,
      });
      await control!.write({
        have: haveOf("xxx...."),
        files: stampFiles(layout, storage),
      });
    }
    assertEquals((await run(folder.path)).have, "e0");
  });
});

Deno.test("recover() loses nothing when a download is killed", async (t) => {
  const recipes: Record<string, DiskRecipe> = {
    "small pieces over many files": {
      pieceLength: 16 * KIB,
      files: Array.from({ length: 40 }, (_, i) => [`t/${i}`, 100 + i * 700]),
    },
    "large pieces that wait in a queue": {
      pieceLength: 1200 * KIB,
      files: [["t/a", 7000 * KIB], ["t/none", 0], ["t/b", 9000 * KIB]],
    },
  };
  for (const [name, recipe] of Object.entries(recipes)) {
    await t.step(name, async () => {
      using folder = new TempFolder();
      const scene = new DiskScene(folder.path, recipe);
      const random = seededRandom(1);
      const reported = new Set<number>();
      const kill = async (seed: number): Promise<string | undefined> => {
        await using child = new Child(DOWNLOAD, {
          permissions: ["--allow-read", "--allow-write"],
          args: [folder.path, JSON.stringify(recipe), seed],
        });
        for (let lines = Math.floor(random() * 8); lines >= 0; lines--) {
          const line = await child.line();
          if (!/^\d+$/.test(line)) return line;
          reported.add(Number(line));
        }
        await child.kill();
        return undefined;
      };
      for (let seed = 1;; seed++) {
        assert(seed < 100);
        if (await kill(seed) === "complete") break;
        const { have } = await scene.look({ isReadOnly: true });
        for (const index of reported) assertEquals(have[index], "x");
      }
      assertEquals(await scene.look({ isReadOnly: true }), {
        have: "x".repeat(scene.layout.pieceCount),
        isBegun: false,
      });
    });
  }
});
