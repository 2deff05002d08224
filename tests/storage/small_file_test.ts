import { assertEquals, assertRejects } from "@std/assert";
import { StorageError } from "../../src/errors.ts";
import { readSmallFile, writeSmallFile } from "../../src/storage/small_file.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { Tmpfs } from "../support/tmpfs.ts";
import { join } from "@std/path";

const OLD = Uint8Array.of(1, 2, 3);
const NEW = Uint8Array.of(4, 5);

Deno.test("writeSmallFile() replaces a file, and leaves nothing beside it", async () => {
  using folder = new TempFolder();
  const path = folder.join("nodes");
  for (const bytes of [OLD, NEW]) {
    await writeSmallFile(path, bytes);
    assertEquals(await readSmallFile(path, 3), bytes);
  }
  const entries = await Array.fromAsync(Deno.readDir(folder.path));
  assertEquals(entries.map(({ name }) => name), ["nodes"]);
});

Deno.test("writeSmallFile() keeps the permissions of a file, and a link to it", async () => {
  using folder = new TempFolder();
  const [path, link] = [folder.join("x"), folder.join("link")];
  await Deno.writeFile(path, OLD);
  await Deno.chmod(path, 0o640);
  await Deno.symlink("x", link);
  await writeSmallFile(link, NEW);
  assertEquals(await Deno.readLink(link), "x");
  assertEquals(await Deno.readFile(path), NEW);
  assertEquals((await Deno.stat(path)).mode! & 0o777, 0o640);
});

Deno.test("writeSmallFile() writes into a pipe, and puts nothing in its place", async () => {
  using folder = new TempFolder();
  const path = folder.join("pipe");
  await new Deno.Command("mkfifo", { args: [path] }).output();
  const [read] = await Promise.all([
    Deno.readFile(path),
    writeSmallFile(path, NEW),
  ]);
  assertEquals(read, NEW);
  assertEquals((await Deno.lstat(path)).isFifo, true);
});

Deno.test("writeSmallFile() keeps the old file when the disk is full", async () => {
  using disk = Tmpfs.mount({ size: 64 * 1024 });
  if (!disk) return;
  const path = join(disk.path, "x");
  await Deno.writeFile(path, OLD);
  const error = await assertRejects(
    () => writeSmallFile(path, new Uint8Array(128 * 1024)),
    StorageError,
  );
  assertEquals(error.problem, "disk_full");
  assertEquals(await Deno.readFile(path), OLD);
  const entries = await Array.fromAsync(Deno.readDir(disk.path));
  assertEquals(entries.map(({ name }) => name), ["x"]);
});

Deno.test("writeSmallFile() says what the disk refuses", async () => {
  using folder = new TempFolder();
  const path = folder.join("no", "folder");
  await assertRejects(() => writeSmallFile(path, NEW), StorageError, path);
});

Deno.test("readSmallFile() takes nothing for what is no small file", async (t) => {
  using folder = new TempFolder();
  const path = folder.join("nodes");
  await Deno.writeFile(path, OLD);
  const cases = {
    "too long": [path, 2],
    "a folder": [folder.path, 1000],
    "not there": [folder.join("other"), 1000],
    "without an end": ["/dev/zero", 1000],
  } as const;
  for (const [name, [path, maxBytes]] of Object.entries(cases)) {
    await t.step(name, async () => {
      assertEquals(await readSmallFile(path, maxBytes), undefined);
    });
  }
});
