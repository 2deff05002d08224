import { assert, assertEquals, assertRejects } from "@std/assert";
import { Bitfield } from "../../src/bytes/bitfield.ts";
import { StorageError } from "../../src/errors.ts";
import {
  ControlFile,
  type ResumeRecord,
} from "../../src/storage/control_file.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { Tmpfs } from "../support/tmpfs.ts";
import { join } from "@std/path";

const INFO_HASH = new Uint8Array(20).fill(7);
const OTHER_HASH = new Uint8Array(20).fill(8);

const COUNTS = { pieces: 13, files: 3 };

/** The magic and the info hash, which are written once. */
const HEAD_LENGTH = 28;

/** The hash of the record and its length. */
const RECORD_HEAD_LENGTH = 24;

function record(): ResumeRecord {
  const have = new Bitfield(COUNTS.pieces);
  for (const index of [0, 5, 12]) have.add(index);
  return {
    have,
    files: [
      { size: 2 ** 40 + 1, modifiedAt: 1_700_000_000_123, changedAt: 5 },
      undefined,
      { size: 0, modifiedAt: 0, changedAt: 0 },
    ],
  };
}

function open(path: string, options: { create?: boolean } = {}) {
  return ControlFile.open(path, {
    infoHash: INFO_HASH,
    create: true,
    ...options,
  });
}

/** Writes a control file with a record, and gives its bytes. */
async function written(path: string): Promise<Uint8Array> {
  using control = await open(path);
  await control!.write(record());
  return await Deno.readFile(path);
}

/** What a control file with these bytes says. */
async function readBack(
  path: string,
  bytes: Uint8Array,
): Promise<{ isOpen: boolean; record: ResumeRecord | undefined }> {
  await Deno.writeFile(path, bytes);
  using control = await open(path, { create: false });
  return { isOpen: !!control, record: await control?.read(COUNTS) };
}

function assertRecord(found: ResumeRecord | undefined): void {
  assertEquals(found?.have.bytes, record().have.bytes);
  assertEquals(found?.have.count, 3);
  assertEquals(found?.files, record().files);
}

Deno.test("ControlFile holds what was written, and is known again", async () => {
  using folder = new TempFolder();
  const path = folder.join("x.btget");
  {
    using control = await open(path);
    assertEquals(control?.isResumed, false);
    assertEquals(await control!.read(COUNTS), undefined);
    await control!.write(record());
    assertRecord(await control!.read(COUNTS));
  }
  {
    using control = await open(path, { create: false });
    assertEquals(control?.isResumed, true);
    assertRecord(await control!.read(COUNTS));
    // A shorter one after a longer one.
    const files = [undefined, undefined, undefined];
    await control!.write({ have: new Bitfield(13), files });
    assertEquals((await control!.read(COUNTS))?.have.count, 0);
    control!.remove();
  }
  assertEquals(await open(path, { create: false }), undefined);
});

Deno.test("ControlFile.read() holds a record of no pieces and no files", async () => {
  using folder = new TempFolder();
  using control = await open(folder.join("x.btget"));
  await control!.write({ have: new Bitfield(0), files: [] });
  const found = await control!.read({ pieces: 0, files: 0 });
  assertEquals(found, { have: new Bitfield(0), files: [] });
});

Deno.test("ControlFile.open() has a layout that does not change", async () => {
  using folder = new TempFolder();
  const bytes = await written(folder.join("x.btget"));
  const text = new TextDecoder("latin1").decode(bytes);
  assertEquals(text.slice(0, 8), "btget 1\n");
  assertEquals(bytes.slice(8, HEAD_LENGTH), INFO_HASH);
  assertEquals(
    new DataView(bytes.buffer).getUint32(HEAD_LENGTH + 20),
    bytes.length - HEAD_LENGTH - RECORD_HEAD_LENGTH,
  );
  assert(
    text.slice(HEAD_LENGTH + RECORD_HEAD_LENGTH).startsWith("d5:files72:"),
  );
});

Deno.test("ControlFile survives any byte being changed", async () => {
  using folder = new TempFolder();
  const path = folder.join("x.btget");
  const bytes = await written(path);
  for (let at = 0; at < bytes.length; at++) {
    for (const change of [1, 0x80, 0xff]) {
      const changed = bytes.slice();
      changed[at]! ^= change;
      const outcome = await readBack(path, changed).catch((error) => error);
      if (at < 8) {
        assertEquals(outcome, { isOpen: false, record: undefined }, `${at}`);
      } else if (at < HEAD_LENGTH) {
        assert(outcome instanceof StorageError, `${at}`);
        assertEquals(outcome.problem, "exists");
      } else {
        assertEquals(outcome, { isOpen: true, record: undefined }, `${at}`);
      }
      // What is no control file of this torrent stays as it is.
      assertEquals(await Deno.readFile(path), changed);
    }
  }
});

Deno.test("ControlFile survives being cut anywhere", async () => {
  using folder = new TempFolder();
  const path = folder.join("x.btget");
  const bytes = await written(path);
  for (let length = 0; length < bytes.length; length++) {
    const outcome = await readBack(path, bytes.slice(0, length));
    // A file without a byte was created just before the power failed.
    const isOpen = length === 0 || length >= HEAD_LENGTH;
    assertEquals(outcome, { isOpen, record: undefined }, `${length}`);
  }
  assertRecord((await readBack(path, bytes)).record);
  const longer = new Uint8Array([...bytes, 1, 2, 3]);
  assertRecord((await readBack(path, longer)).record);
});

Deno.test("ControlFile survives garbage", async () => {
  using folder = new TempFolder();
  const path = folder.join("x.btget");
  const head = (await written(path)).slice(0, HEAD_LENGTH);
  const random = seededRandom(1);
  for (let round = 0; round < 100; round++) {
    const garbage = randomBytes(Math.floor(random() * 300), random);
    const bytes = round % 2 ? garbage : new Uint8Array([...head, ...garbage]);
    assertEquals((await readBack(path, bytes)).record, undefined);
  }
});

Deno.test("ControlFile.read() takes no record of another shape", async () => {
  using folder = new TempFolder();
  using control = await open(folder.join("x.btget"));
  await control!.write(record());
  for (
    const counts of [
      { pieces: 17, files: 3 },
      { pieces: 12, files: 3 },
      { pieces: 8, files: 3 },
      { pieces: 13, files: 2 },
      { pieces: 13, files: 4 },
      { pieces: 0, files: 0 },
    ]
  ) {
    assertEquals(await control!.read(counts), undefined);
  }
  assertRecord(await control!.read(COUNTS));
});

Deno.test("ControlFile is held by one at a time", async () => {
  using folder = new TempFolder();
  const path = folder.join("x.btget");
  for (let round = 0; round < 2; round++) {
    using control = await open(path);
    assertEquals(control?.isResumed, round > 0);
    const error = await assertRejects(() => open(path), StorageError, path);
    assertEquals(error.problem, "locked");
  }
});

Deno.test("ControlFile.open() refuses a download that is another torrent's", async () => {
  using folder = new TempFolder();
  const path = folder.join("x.btget");
  const bytes = await written(path);
  for (const create of [true, false]) {
    const error = await assertRejects(
      () => ControlFile.open(path, { infoHash: OTHER_HASH, create }),
      StorageError,
      "another torrent",
    );
    assertEquals(error.problem, "exists");
  }
  assertEquals(await Deno.readFile(path), bytes);
});

Deno.test("ControlFile.open() leaves alone what is no control file", async (t) => {
  const kinds: Record<string, (path: string, far: string) => unknown> = {
    "a newer version": (path) =>
      Deno.writeTextFileSync(path, "btget 2\n" + "x".repeat(50)),
    "a text": (path) =>
      Deno.writeTextFileSync(path, "of the user's, and long enough"),
    "a link to a file": (path, far) => {
      Deno.writeTextFileSync(far, "");
      Deno.symlinkSync(far, path);
    },
    "a dangling link": (path, far) => Deno.symlinkSync(far, path),
    "a folder": (path) => Deno.mkdirSync(path),
    "a FIFO": (path) =>
      new Deno.Command("mkfifo", { args: [path] }).outputSync(),
  };
  for (const [name, put] of Object.entries(kinds)) {
    await t.step(name, async () => {
      using folder = new TempFolder();
      const [path, far] = [folder.join("x.btget"), folder.join("far")];
      put(path, far);
      const before = state([path, far]);
      assertEquals(await open(path, { create: true }), undefined);
      assertEquals(await open(path, { create: false }), undefined);
      assertEquals(state([path, far]), before);
    });
  }
});

/** What lies at some paths, links not followed. */
function state(paths: string[]) {
  return paths.map((path) => {
    try {
      const { isFile, isSymlink, size, ino } = Deno.lstatSync(path);
      const text = isFile ? Deno.readTextFileSync(path) : "";
      return { isFile, isSymlink, size, ino, text };
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  });
}

Deno.test("ControlFile says that it cannot be written", async (t) => {
  await t.step("on a disk that is mounted for reading", async () => {
    using disk = Tmpfs.mount({ size: 1024 * 1024 });
    if (!disk) return;
    disk.remount("ro");
    const path = join(disk.path, "x.btget");
    const error = await assertRejects(() => open(path), StorageError, path);
    assertEquals(error.problem, "denied");
    assertEquals(await open(path, { create: false }), undefined);
  });

  await t.step("on a disk that is full", async () => {
    using disk = Tmpfs.mount({ size: 64 * 1024 });
    if (!disk) return;
    const path = join(disk.path, "x.btget");
    using control = await open(path);
    await control!.write(record());
    await Deno.writeFile(join(disk.path, "rest"), new Uint8Array(60 * 1024));
    const large = new Bitfield(200_000);
    const error = await assertRejects(
      () => control!.write({ have: large, files: [] }),
      StorageError,
    );
    assertEquals(error.problem, "disk_full");
    // What was there is torn, and is known to be.
    assertEquals(await control!.read(COUNTS), undefined);
  });

  await t.step("in a folder that does not exist", async () => {
    using folder = new TempFolder();
    const error = await assertRejects(
      () => open(folder.join("none/x.btget")),
      StorageError,
    );
    assertEquals(error.problem, "io");
  });
});

Deno.test("ControlFile.reserve() finds out whether there is room", async () => {
  using disk = Tmpfs.mount({ size: 1024 * 1024 });
  if (!disk) return;
  const path = join(disk.path, "x.btget");
  using control = await open(path);
  await control!.write(record());
  const before = await Deno.readFile(path);
  await control!.reserve(900 * 1024);
  assertEquals(await Deno.readFile(path), before);
  const error = await assertRejects(
    () => control!.reserve(2 * 1024 * 1024),
    StorageError,
  );
  assertEquals(error.problem, "disk_full");
  // The room is free again, and the record as it was.
  assertEquals(await Deno.readFile(path), before);
  await Deno.writeFile(join(disk.path, "rest"), new Uint8Array(900 * 1024));
});
