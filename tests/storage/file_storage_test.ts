import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { StorageError, type StorageProblem } from "../../src/errors.ts";
import { PieceLayout } from "../../src/metainfo/layout.ts";
import { type FilePlace, FileStorage } from "../../src/storage/file_storage.ts";
import { hasProgram, runChild } from "../support/child.ts";
import { type Fault, FaultyDisk } from "../support/faulty_disk.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { Tmpfs } from "../support/tmpfs.ts";
import { dirname, join } from "@std/path";

const WRITE_ONLY = new URL("children/write_only.ts", import.meta.url);
const MANY_FILES = new URL("children/many_files.ts", import.meta.url);
const FAULTY = new URL("children/faulty.ts", import.meta.url);

const PIECE_LENGTH = 32_768;
const MIB = 1024 * 1024;

interface Files {
  /** Each file's path below the folder and its length. */
  files: Record<string, number>;
  pieceLength?: number;
  kinds?: Record<string, FilePlace["kind"]>;
  canRead?: boolean;
  mayReplace?: boolean;
}

function storageAt(folder: string, options: Files): FileStorage {
  const { files, pieceLength = PIECE_LENGTH, kinds = {} } = options;
  const layout = new PieceLayout(pieceLength, Object.values(files));
  return new FileStorage(layout, {
    places: Object.keys(files).map((path) => ({
      path: join(folder, path),
      kind: kinds[path] ?? "file",
    })),
    folder,
    canRead: options.canRead ?? true,
    mayReplace: options.mayReplace ?? false,
  });
}

function bytes(length: number, seed = 1): Uint8Array {
  return randomBytes(length, seededRandom(seed));
}

/** Everything in a folder: each path and what it is, or what is in it. */
function listing(folder: string, prefix = ""): Record<string, string> {
  const entries = [...Deno.readDirSync(folder)].flatMap((entry) => {
    const path = join(folder, entry.name);
    const name = prefix + entry.name;
    if (entry.isSymlink) return [[name, `-> ${Deno.readLinkSync(path)}`]];
    if (entry.isDirectory) {
      return [[name, "folder"], ...Object.entries(listing(path, `${name}/`))];
    }
    return [[name, entry.isFile ? Deno.readTextFileSync(path) : "special"]];
  });
  return Object.fromEntries(entries.sort());
}

function remove(path: string): void {
  Deno.removeSync(path);
}

function cut(path: string): void {
  Deno.truncateSync(path, 1);
}

function linkTarget(path: string): string {
  try {
    return Deno.readLinkSync(path);
  } catch (error) {
    // The descriptor that listed the others is gone.
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/** Sets an attribute of a file; whether that is permitted. */
function attribute(change: "+i" | "-i", path: string): boolean {
  return new Deno.Command("chattr", { args: [change, path], stderr: "null" })
    .outputSync().success;
}

function skipped(why: string): void {
  // deno-lint-ignore no-console
  console.log(`SKIPPED: ${why}`);
}

function problemOf(action: () => unknown): StorageProblem {
  return assertThrows(action, StorageError).problem;
}

Deno.test("FileStorage.write() fills a thousand tiny files with one piece", async () => {
  using folder = new TempFolder();
  const files = Object.fromEntries(
    Array.from({ length: 1000 }, (_, i) => [`many/${i}`, i % 41]),
  );
  const total = Object.values(files).reduce((sum, length) => sum + length);
  const payload = bytes(total);
  {
    await using storage = storageAt(folder.path, { files, pieceLength: total });
    await storage.write(0, payload);
    storage.finish();
  }
  let at = 0;
  for (const [path, length] of Object.entries(files)) {
    const found = await Deno.readFile(folder.join(path));
    assertEquals(found, payload.slice(at, at + length), path);
    at += length;
  }
});

Deno.test("FileStorage.write() cuts a block where a file ends, in any order", async () => {
  using folder = new TempFolder();
  const files = { "t/a": 20_000, "t/b": 5, "t/none": 0, "t/c": 30_001 };
  const payload = bytes(50_006);
  {
    await using storage = storageAt(folder.path, { files });
    for (const at of [49_152, 16_384, 0, 32_768]) {
      await storage.write(at, payload.subarray(at, at + 16_384));
    }
  }
  assertEquals(await Deno.readFile(folder.join("t/a")), payload.slice(0, 2e4));
  assertEquals(
    await Deno.readFile(folder.join("t/b")),
    payload.slice(20_000, 20_005),
  );
  assertEquals(
    await Deno.readFile(folder.join("t/c")),
    payload.slice(20_005),
  );
});

Deno.test("FileStorage.write() reaches beyond 4 GiB and takes no room for the rest", async () => {
  using folder = new TempFolder();
  const length = 5 * 1024 ** 3 + 7;
  const end = bytes(1000);
  await using storage = storageAt(folder.path, {
    files: { a: 3, big: length },
    pieceLength: 16 * MIB,
  });
  for (const async of [false, true]) {
    const at = async ? 2 ** 32 - 500 : length + 3 - end.length;
    // A large write before it makes the small one wait in the queue.
    const first = async
      ? storage.write(100, new Uint8Array(MIB + 1))
      : undefined;
    const second = storage.write(at, end);
    if (async) assert(second);
    await Promise.all([first, second]);
    using file = await Deno.open(folder.join("big"));
    const found = new Uint8Array(end.length);
    await file.seek(at - 3, Deno.SeekMode.Start);
    await file.read(found);
    assertEquals(found, end);
  }
  const info = await Deno.stat(folder.join("big"));
  assertEquals(info.size, length);
  assert(info.blocks! * 512 < 8 * MIB, `${info.blocks} blocks`);
});

Deno.test("FileStorage.finish() creates the files without bytes, wherever they stand", async () => {
  using folder = new TempFolder();
  const files = { "t/0": 0, "t/a": 3, "t/x/1": 0, "t/b": 2, "t/y/z/2": 0 };
  await using storage = storageAt(folder.path, { files });
  await storage.write(0, new TextEncoder().encode("abcde"));
  storage.finish();
  storage.finish();
  assertEquals(listing(folder.path), {
    t: "folder",
    "t/0": "",
    "t/a": "abc",
    "t/b": "de",
    "t/x": "folder",
    "t/x/1": "",
    "t/y": "folder",
    "t/y/z": "folder",
    "t/y/z/2": "",
  });
});

Deno.test("FileStorage writes neither pads nor links", async () => {
  using folder = new TempFolder();
  await using storage = storageAt(folder.path, {
    files: { "t/a": 2, "t/.pad/2": 2, "t/link": 2, "t/b": 2 },
    kinds: { "t/.pad/2": "pad", "t/link": "symlink" },
  });
  await storage.write(0, new TextEncoder().encode("aa00llbb"));
  storage.finish();
  await storage.sync();
  assertEquals(listing(folder.path), { t: "folder", "t/a": "aa", "t/b": "bb" });
});

Deno.test("FileStorage keeps to the folder's own rights for what it creates", async () => {
  using folder = new TempFolder();
  await using storage = storageAt(folder.path, { files: { "t/a": 1 } });
  await storage.write(0, new Uint8Array(1));
  const [file, parent] = [folder.join("t/a"), folder.join("t")]
    .map((path) => Deno.statSync(path).mode!);
  const mask = Deno.umask();
  assertEquals(file! & 0o7777, 0o666 & ~mask);
  assertEquals(parent! & 0o7777, 0o777 & ~mask);
});

Deno.test("FileStorage takes awkward names as they are", async () => {
  using folder = new TempFolder();
  const target = folder.join(`new\nline "and' quotes`);
  await Deno.mkdir(target);
  const names = ["-rf", " ", "$(touch x)", "a".repeat(255), "あ".repeat(85)];
  const files = Object.fromEntries(names.map((name) => [`${name}/${name}`, 1]));
  await using storage = storageAt(target, { files });
  await storage.write(0, new TextEncoder().encode("abcde"));
  names.forEach((name, i) =>
    assertEquals(Deno.readTextFileSync(join(target, name, name)), "abcde"[i])
  );
});

/** What can lie where something of the torrent must go. */
const OBSTACLES: Record<string, (path: string, far: string) => unknown> = {
  "a link to a file": (path, far) =>
    Deno.symlinkSync(join(far, "secret"), path),
  "a dangling link": (path, far) => Deno.symlinkSync(join(far, "new"), path),
  "a link to a folder": (path, far) => Deno.symlinkSync(far, path),
  "a link to itself": (path) => Deno.symlinkSync(path, path),
  "a folder": (path) => Deno.mkdirSync(path),
  "a file": (path) => Deno.writeTextFileSync(path, "not ours"),
  "a FIFO": (path) => new Deno.Command("mkfifo", { args: [path] }).outputSync(),
};

/** Two folders: one for the torrent, and one that is none of its business. */
class Sandbox implements Disposable {
  readonly folder = new TempFolder();
  readonly far = new TempFolder();

  constructor() {
    Deno.writeTextFileSync(this.far.join("secret"), "far away");
  }

  put(path: string, obstacle: string): void {
    const target = this.folder.join(path);
    Deno.mkdirSync(dirname(target), { recursive: true });
    OBSTACLES[obstacle]!(target, this.far.path);
  }

  get listing() {
    return { near: listing(this.folder.path), far: listing(this.far.path) };
  }

  [Symbol.dispose](): void {
    this.folder[Symbol.dispose]();
    this.far[Symbol.dispose]();
  }
}

Deno.test("FileStorage leaves alone what lies where a file must go", async (t) => {
  for (const obstacle of Object.keys(OBSTACLES)) {
    await t.step(obstacle, async () => {
      using box = new Sandbox();
      box.put("t/a", obstacle);
      const before = box.listing;
      const files = { "t/a": 8, "t/large": 2 * MIB };
      await using storage = storageAt(box.folder.path, { files });
      if (obstacle === "a file") assertEquals(storage.inspect(0)?.size, 8);
      else assertEquals(problemOf(() => storage.inspect(0)), "exists");
      assertEquals(problemOf(() => storage.write(0, bytes(8))), "exists");
      const error = await assertRejects(
        async () => await storage.write(0, bytes(2 * MIB)),
        StorageError,
        box.folder.join("t/a"),
      );
      assertEquals(error.problem, "exists");
      assertEquals(box.listing, before);
    });
  }
});

Deno.test("FileStorage leaves alone what lies where a folder must go", async (t) => {
  const obstacles = Object.keys(OBSTACLES).filter((name) =>
    name !== "a folder"
  );
  for (const obstacle of obstacles) {
    for (const place of ["t", "t/inner"]) {
      await t.step(`${obstacle} at ${place}`, async () => {
        using box = new Sandbox();
        box.put(place, obstacle);
        const before = box.listing;
        await using storage = storageAt(box.folder.path, {
          files: { "t/inner/secret": 8, "t/inner/none": 0 },
        });
        assertEquals(problemOf(() => storage.inspect(0)), "exists");
        assertEquals(problemOf(() => storage.write(0, bytes(8))), "exists");
        assertEquals(problemOf(() => storage.finish()), "exists");
        assertEquals(box.listing, before);
      });
    }
  }
});

Deno.test("FileStorage does not follow a link that takes the place of its file", async (t) => {
  for (const obstacle of ["a link to a file", "a folder", "a FIFO"]) {
    await t.step(obstacle, async () => {
      using box = new Sandbox();
      box.put("t/a", "a file");
      await using storage = storageAt(box.folder.path, { files: { "t/a": 8 } });
      assertEquals(storage.inspect(0)?.size, 8);
      storage.adopt(0, { isSynced: true });
      remove(box.folder.join("t/a"));
      box.put("t/a", obstacle);
      const before = box.listing;
      assertEquals(problemOf(() => storage.write(0, bytes(8))), "exists");
      assertEquals(box.listing, before);
    });
  }
});

Deno.test("FileStorage takes the download folder itself as the user made it", async () => {
  using box = new Sandbox();
  box.put("link", "a link to a folder");
  await using storage = storageAt(box.folder.join("link"), {
    files: { a: 1 },
  });
  storage.makeRoot();
  await storage.write(0, new TextEncoder().encode("a"));
  assertEquals(box.listing.far, { a: "a", secret: "far away" });
});

Deno.test("FileStorage.makeRoot() makes the folder and those above it", () => {
  using box = new Sandbox();
  storageAt(box.folder.join("x/y"), { files: { a: 1 } }).makeRoot();
  assertEquals(box.listing.near, { x: "folder", "x/y": "folder" });
  box.put("file", "a file");
  for (const path of ["file", "file/x"]) {
    const storage = storageAt(box.folder.join(path), { files: { a: 1 } });
    assertEquals(problemOf(() => storage.makeRoot()), "exists");
    assertEquals(problemOf(() => storage.inspect(0)), "exists");
  }
});

Deno.test("FileStorage does not follow a link that takes the place of a folder that was absent", async () => {
  using box = new Sandbox();
  await using storage = storageAt(box.folder.path, {
    files: { "t/inner/a": 8, "t/inner/b": 8 },
  });
  assertEquals([storage.inspect(0), storage.inspect(1)], [
    undefined,
    undefined,
  ]);
  box.put("t/inner", "a link to a folder");
  const before = box.listing;
  assertEquals(problemOf(() => storage.write(0, bytes(8))), "exists");
  assertEquals(box.listing, before);
});

Deno.test("FileStorage changes an existing file only once it is adopted", async () => {
  using box = new Sandbox();
  box.put("a", "a file");
  await using storage = storageAt(box.folder.path, { files: { a: 3 } });
  assertEquals(problemOf(() => storage.write(0, bytes(3))), "exists");
  assertEquals(problemOf(() => storage.finish()), "exists");
  assertEquals(box.listing.near, { a: "not ours" });
  storage.adopt(0, { isSynced: true });
  await storage.write(0, new TextEncoder().encode("our"));
  assertEquals(box.listing.near, { a: "our ours" });
  storage.finish();
  assertEquals(box.listing.near, { a: "our" });
});

Deno.test("FileStorage.finish() fails for a file that is gone or was cut", async (t) => {
  for (const change of [remove, cut]) {
    await t.step(change.name, async () => {
      using box = new Sandbox();
      await using storage = storageAt(box.folder.path, {
        files: { a: 3, b: 1 },
      });
      await storage.write(0, bytes(4));
      change(box.folder.join("a"));
      assertEquals(problemOf(() => storage.finish()), "io");
    });
  }
});

Deno.test("FileStorage says that it may not write to a disk or file", async (t) => {
  await t.step("on a disk that is mounted for reading", async () => {
    using disk = Tmpfs.mount({ size: MIB });
    if (!disk) return;
    disk.remount("ro");
    await using storage = storageAt(disk.path, { files: { "a/b": 1, c: 1 } });
    assertEquals(problemOf(() => storage.write(0, bytes(1))), "denied");
    assertEquals(problemOf(() => storage.write(1, bytes(1))), "denied");
    const folder = join(disk.path, "new");
    const inside = storageAt(folder, { files: { a: 1 } });
    assertEquals(problemOf(() => inside.makeRoot()), "denied");
  });

  await t.step("in a folder that is another's", async () => {
    if (Deno.uid() === 0) return skipped("root may write everywhere");
    using folder = new TempFolder();
    await using storage = storageAt(folder.path, { files: { a: 1 } });
    await Deno.chmod(folder.path, 0o555);
    assertEquals(problemOf(() => storage.write(0, bytes(1))), "denied");
    await Deno.chmod(folder.path, 0o755);
  });

  await t.step("a file that nobody may change", async () => {
    using folder = new TempFolder();
    const path = folder.join("a");
    await Deno.writeTextFile(path, "a");
    if (!attribute("+i", path)) return skipped("chattr is not permitted");
    await using storage = storageAt(folder.path, { files: { a: 1 } });
    storage.adopt(0, { isSynced: true });
    assertEquals(problemOf(() => storage.write(0, bytes(1))), "denied");
    attribute("-i", path);
  });
});

Deno.test("FileStorage says that the disk is full, and goes on when it is not", async (t) => {
  for (const length of [64 * 1024, 2 * MIB]) {
    await t.step(`in writes of ${length} bytes`, async () => {
      using disk = Tmpfs.mount({ size: MIB });
      if (!disk) return;
      const count = 4 * MIB / length;
      await using storage = storageAt(disk.path, { files: { a: 4 * MIB } });
      const failed: number[] = [];
      for (let i = 0; i < count; i++) {
        try {
          await storage.write(i * length, bytes(length, i));
        } catch (error) {
          assert(error instanceof StorageError);
          assertEquals(error.problem, "disk_full");
          failed.push(i);
        }
      }
      assert(failed.length > 0);
      disk.remount("size=8m");
      for (const i of failed) await storage.write(i * length, bytes(length, i));
      const found = await Deno.readFile(join(disk.path, "a"));
      for (let i = 0; i < count; i++) {
        const part = found.subarray(i * length, (i + 1) * length);
        assertEquals(part, bytes(length, i), `part ${i}`);
      }
    });
  }
});

/** The paths of the files that this process has open below a folder. */
function openFiles(folder: string): string[] {
  return [...Deno.readDirSync("/proc/self/fd")]
    .map(({ name }) => linkTarget(`/proc/self/fd/${name}`))
    .filter((path) => path.startsWith(folder))
    .map((path) => path.slice(folder.length + 1))
    .sort();
}

Deno.test("FileStorage keeps the files open that were used last", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  using folder = new TempFolder();
  const names = Array.from({ length: 200 }, (_, i) => String(1000 + i));
  const files = Object.fromEntries(names.map((name) => [name, 2]));
  {
    await using storage = storageAt(folder.path, { files });
    for (let i = 0; i < 200; i++) {
      await storage.write(2 * i, bytes(1));
      // Closed in between, it could not be opened any more.
      await storage.write(0, bytes(1));
      if (i === 0) remove(folder.join("1000"));
    }
    assertEquals(openFiles(folder.path), [
      "1000 (deleted)",
      ...names.slice(-47),
    ]);
    // One that was closed is opened again, not created.
    await storage.write(7, Uint8Array.of(7));
    assertEquals((await Deno.readFile(folder.join("1003")))[1], 7);
  }
  assertEquals(openFiles(folder.path), []);
});

Deno.test("FileStorage never mixes writes that wait with others", async () => {
  using folder = new TempFolder();
  const parts = [3 * MIB, 100, 2 * MIB, 16_384, 1, 2 * MIB, 5000];
  const total = parts.reduce((sum, length) => sum + length);
  const payload = bytes(total);
  {
    const files = { a: 4 * MIB, b: total - 4 * MIB };
    await using storage = storageAt(folder.path, { files });
    const writes: (Promise<void> | undefined)[] = [];
    let end = total;
    for (const length of parts) {
      writes.push(
        storage.write(end - length, payload.subarray(end - length, end)),
      );
      end -= length;
    }
    // Behind a large write the small ones wait as well.
    assert(writes.every((write) => write !== undefined));
    assertEquals(storage.queuedBytes, total);
    await writes[0];
    assertEquals(storage.queuedBytes, total - parts[0]!);
    await Promise.all(writes);
    assertEquals(storage.queuedBytes, 0);
  }
  const a = await Deno.readFile(folder.join("a"));
  const b = await Deno.readFile(folder.join("b"));
  assertEquals(a.length + b.length, total);
  assert(a.every((byte, i) => byte === payload[i]));
  assert(b.every((byte, i) => byte === payload[a.length + i]));
});

Deno.test("FileStorage lets the later of two writes win, waiting or not", async () => {
  using folder = new TempFolder();
  await using storage = storageAt(folder.path, { files: { a: 2 * MIB } });
  const first = storage.write(0, new Uint8Array(2 * MIB).fill(1));
  const second = storage.write(5, Uint8Array.of(2));
  await Promise.all([first, second]);
  await storage.write(6, Uint8Array.of(3));
  const found = await Deno.readFile(folder.join("a"));
  assertEquals([...found.subarray(4, 8)], [1, 2, 3, 1]);
});

Deno.test("FileStorage tells of a failed write once, to who asked for it", async () => {
  using box = new Sandbox();
  box.put("b", "a folder");
  {
    const files = { a: 2 * MIB, b: 2 * MIB, c: 2 * MIB };
    await using storage = storageAt(box.folder.path, { files });
    const outcomes = await Promise.allSettled(
      [0, 1, 2].map((file) =>
        storage.write(file * 2 * MIB, bytes(2 * MIB, file))
      ),
    );
    assertEquals(
      outcomes.map(({ status }) => status),
      ["fulfilled", "rejected", "fulfilled"],
    );
    await storage.sync();
  }
  assertEquals(await Deno.readFile(box.folder.join("c")), bytes(2 * MIB, 2));
});

Deno.test("FileStorage writes what waits before it closes", async () => {
  using folder = new TempFolder();
  let writes: Promise<unknown>;
  {
    const files = { a: 2 * MIB, b: 2 * MIB };
    await using storage = storageAt(folder.path, { files });
    writes = Promise.all(
      [0, 1].map((file) => storage.write(file * 2 * MIB, bytes(2 * MIB, file))),
    );
  }
  await writes;
  assertEquals(await Deno.readFile(folder.join("b")), bytes(2 * MIB, 1));
  assertEquals(openFiles(folder.path), []);
});

Deno.test("FileStorage.sync() opens again what it must", async () => {
  using folder = new TempFolder();
  const names = Array.from({ length: 100 }, (_, i) => String(i));
  const files = Object.fromEntries(names.map((name) => [name, 1]));
  await using storage = storageAt(folder.path, { files });
  await storage.write(0, bytes(100));
  await storage.sync();
  // Once is enough.
  for (const name of names) remove(folder.join(name));
  await storage.sync();
});

Deno.test("FileStorage.sync() waits for the writes before it", async () => {
  using folder = new TempFolder();
  await using storage = storageAt(folder.path, { files: { a: 4 * MIB } });
  const done: string[] = [];
  const write = storage.write(0, bytes(4 * MIB))!.then(() =>
    done.push("write")
  );
  await storage.sync();
  done.push("sync");
  await write;
  assertEquals(done, ["write", "sync"]);
});

interface Answer {
  problem?: StorageProblem;
  message?: string;
}

Deno.test("FileStorage without the permission to read", async (t) => {
  /** Writes `t/a`, `t/empty` and `b` in a process with exactly this. */
  const run = (folder: string, options: { mayReplace: boolean }) =>
    runChild<Answer>(WRITE_ONLY, {
      permissions: ["--allow-net", "--allow-write"],
      args: [folder, options.mayReplace],
    });

  await t.step("creates everything anew", async () => {
    using folder = new TempFolder();
    assertEquals(await run(folder.join("x/y"), { mayReplace: false }), {});
    assertEquals(listing(folder.join("x/y")), {
      b: "bb",
      t: "folder",
      "t/a": "aa",
      "t/empty": "",
    });
  });

  await t.step("refuses what exists", async () => {
    for (const path of ["b", "t/a", "t"]) {
      for (const obstacle of Object.keys(OBSTACLES)) {
        using box = new Sandbox();
        box.put(path, obstacle);
        const before = box.listing;
        const { problem } = await run(box.folder.path, { mayReplace: false });
        assertEquals(problem, "exists", `${obstacle} at ${path}`);
        const { near, far } = box.listing;
        assertEquals(far, before.far);
        assertEquals(near[path], before.near[path]);
      }
    }
  });

  await t.step(
    "replaces what it is told to, never what a link means",
    async () => {
      for (const obstacle of Object.keys(OBSTACLES)) {
        using box = new Sandbox();
        box.put("b", obstacle);
        const { far } = box.listing;
        assertEquals(await run(box.folder.path, { mayReplace: true }), {});
        assertEquals(box.listing.near.b, "bb", obstacle);
        assertEquals(box.listing.far, far);
      }
    },
  );

  await t.step("does not replace a folder that holds something", async () => {
    using box = new Sandbox();
    box.put("b/mine", "a file");
    const { problem } = await run(box.folder.path, { mayReplace: true });
    assertEquals(problem, "exists");
    assertEquals(box.listing.near["b/mine"], "not ours");
  });
});

Deno.test(
  "FileStorage writes ten thousand files under a limit of 64 descriptors",
  {
    ignore: !hasProgram("prlimit"),
  },
  async () => {
    using folder = new TempFolder();
    const answer = await runChild(MANY_FILES, {
      permissions: ["--allow-read", "--allow-write"],
      wrapper: ["prlimit", "--nofile=64"],
      args: [folder.path, 10_000],
    });
    assertEquals(answer, { written: 10_000, isComplete: true });
  },
);

Deno.test("FileStorage on a faulty disk", async (t) => {
  using disk = FaultyDisk.build();
  if (!disk) return;
  const run = (
    folder: string,
    options: { fault: Fault; length: number; count?: number },
  ) =>
    runChild<string[]>(FAULTY, {
      permissions: ["--allow-read", "--allow-write"],
      args: [folder, options.length, options.count ?? 3],
      env: disk.env(folder, options.fault),
    });

  for (const length of [MIB, MIB + 1]) {
    await t.step(`goes on after short writes of ${length} bytes`, async () => {
      using folder = new TempFolder();
      await run(folder.path, { fault: "short", length });
      const found = await Deno.readFile(folder.join("a"));
      assertEquals(found.length, 3 * length);
      assert(found.every((byte, i) => byte === i % length % 251));
    });

    await t.step(`fails when a write of ${length} bytes does`, async () => {
      using folder = new TempFolder();
      const outcomes = await run(folder.path, { fault: "eio", length });
      assertEquals(outcomes, ["io", "io", "io"]);
    });
  }

  await t.step("leaves the event loop free when writes take long", async () => {
    using folder = new TempFolder();
    const options = { fault: "slow", length: 1000, count: 8 } as const;
    const outcomes = await run(folder.path, options);
    assertEquals([outcomes[0], outcomes.at(-1)], ["at once", "queued"]);
  });
});
