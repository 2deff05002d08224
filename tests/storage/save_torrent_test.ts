import { assertEquals, assertRejects } from "@std/assert";
import { StorageError } from "../../src/errors.ts";
import { saveTorrent } from "../../src/storage/save_torrent.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { Tmpfs } from "../support/tmpfs.ts";
import { join } from "@std/path";

const BYTES = new TextEncoder().encode("d4:infod1:x1:yee");

Deno.test("saveTorrent() writes a file into a folder that it makes", async () => {
  using folder = new TempFolder();
  const path = folder.join("a", "b", "film.torrent");
  await saveTorrent(path, { bytes: BYTES, mayOverwrite: false });
  assertEquals(await Deno.readFile(path), BYTES);
  // Once more is no mistake: it is the same.
  await saveTorrent(path, { bytes: BYTES, mayOverwrite: false });
});

Deno.test("saveTorrent() leaves what is not the same, unless it may overwrite", async (t) => {
  using folder = new TempFolder();
  const path = folder.join("film.torrent");
  for (const other of [new Uint8Array(), BYTES.slice(1), BYTES.map(() => 1)]) {
    await t.step(`${other.length} bytes`, async () => {
      await Deno.writeFile(path, other);
      const error = await assertRejects(
        () => saveTorrent(path, { bytes: BYTES, mayOverwrite: false }),
        StorageError,
        "--allow-overwrite",
      );
      assertEquals(error.problem, "exists");
      assertEquals(await Deno.readFile(path), other);
      await saveTorrent(path, { bytes: BYTES, mayOverwrite: true });
      assertEquals(await Deno.readFile(path), BYTES);
    });
  }
});

Deno.test("saveTorrent() says what lies in its way", async () => {
  using folder = new TempFolder();
  const path = folder.join("film.torrent");
  await Deno.mkdir(path);
  for (const mayOverwrite of [false, true]) {
    const error = await assertRejects(
      () => saveTorrent(path, { bytes: BYTES, mayOverwrite }),
      StorageError,
    );
    assertEquals(error.problem, "exists");
  }
});

Deno.test("saveTorrent() leaves no part of a torrent on a full disk", async () => {
  using disk = Tmpfs.mount({ size: 64 * 1024 });
  if (!disk) return;
  const path = join(disk.path, "film.torrent");
  const bytes = new Uint8Array(128 * 1024);
  const error = await assertRejects(
    () => saveTorrent(path, { bytes, mayOverwrite: false }),
    StorageError,
  );
  assertEquals(error.problem, "disk_full");
  assertEquals(await Array.fromAsync(Deno.readDir(disk.path)), []);
});
