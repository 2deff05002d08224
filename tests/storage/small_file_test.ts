import { assertEquals, assertRejects } from "@std/assert";
import { StorageError } from "../../src/errors.ts";
import { readSmallFile, writeSmallFile } from "../../src/storage/small_file.ts";
import { TempFolder } from "../support/temp_folder.ts";

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
