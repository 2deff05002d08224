import { StorageError } from "../../src/errors.ts";
import {
  checkUnchanged,
  findFiles,
  type Found,
} from "../../src/storage/find_files.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { dirname } from "@std/path";

function write(folder: TempFolder, files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) {
    const target = folder.join(path);
    Deno.mkdirSync(dirname(target), { recursive: true });
    Deno.writeTextFileSync(target, text);
  }
}

function names({ files }: Found): string[] {
  return files.map(({ path, length }) => `${path.join("/")} ${length}`).sort();
}

const ALL = { isExcluded: () => false };

Deno.test("findFiles() finds the files of a folder, hidden ones too", () => {
  using folder = new TempFolder();
  write(folder, { "d/a": "1", "d/.hidden": "22", "d/b/c": "333", "e": "" });
  Deno.mkdirSync(folder.join("d/empty"));
  assertEquals(names(findFiles([folder.join("d")], ALL)), [
    ".hidden 2",
    "a 1",
    "b/c 3",
  ]);
  assertEquals(names(findFiles([folder.join("e")], ALL)), [" 0"]);
  assertEquals(names(findFiles([folder.join("d"), folder.join("e")], ALL)), [
    "d/.hidden 2",
    "d/a 1",
    "d/b/c 3",
    "e 0",
  ]);
});

Deno.test("findFiles() leaves out what is excluded, and links", () => {
  using folder = new TempFolder();
  write(folder, { "d/a": "1", "d/b/c": "2", "d/b/d": "3" });
  Deno.symlinkSync(folder.join("d/a"), folder.join("d/link"));
  Deno.symlinkSync(folder.join("d"), folder.join("named"));
  const found = findFiles([folder.join("named")], {
    isExcluded: (names) => names.join("/") === "b/c",
  });
  assertEquals(names(found), ["a 1", "b/d 1"]);
  assertEquals(found.skipped, [folder.join("named", "link")]);
  const without = {
    isExcluded: (names: readonly string[]) => names[0] === "b",
  };
  assertEquals(names(findFiles([folder.join("d")], without)), ["a 1"]);
});

Deno.test("findFiles() keeps links to what it finds, if it is told to", () => {
  using folder = new TempFolder();
  write(folder, { "d/a": "1", "d/b/c": "2", "d/no/x": "3", "out": "4" });
  const links: Record<string, string> = {
    "file": "a",
    "folder": "b",
    "b/up": "../a",
    "b/e": "../b/c",
    "through": "folder/c",
    "link": "through",
    "dots": ".//b/./c",
    // None of these leads to what is part of the torrent.
    "out": "../out",
    "again": "../d/a",
    "absolute": folder.join("d/a"),
    "dangling": "gone",
    "ring": "ring",
    "root": ".",
    "b/root": "..",
    "excluded": "no/x",
    "excluded-folder": "no",
    "back": "folder/../a",
  };
  for (const [path, text] of Object.entries(links)) {
    Deno.symlinkSync(text, folder.join("d", path));
  }
  const { files, skipped } = findFiles([folder.join("d")], {
    isExcluded: (names) => names[0] === "no",
    keepsLinks: true,
  });
  const found = files.filter(({ target }) => target).map((
    { path, target, length },
  ) => [path.join("/"), target!.join("/"), length]);
  assertEquals(found.sort(), [
    ["b/e", "b/c", 0],
    ["b/up", "a", 0],
    ["dots", "b/c", 0],
    ["file", "a", 0],
    ["folder", "b", 0],
    ["link", "through", 0],
    ["through", "folder/c", 0],
  ]);
  assertEquals(skipped.length, Object.keys(links).length - found.length);
  checkUnchanged(files);
});

Deno.test("findFiles() knows programs that are to be run", () => {
  using folder = new TempFolder();
  write(folder, { "d/a": "1", "d/b": "2" });
  Deno.chmodSync(folder.join("d/a"), 0o755);
  const { files } = findFiles([folder.join("d")], ALL);
  assertEquals(
    files.filter(({ isExecutable }) => isExecutable).map(({ path }) => path),
    [["a"]],
  );
});

Deno.test("checkUnchanged() throws for files that were touched", async (t) => {
  const change: Record<string, (path: string) => void> = {
    longer: (path) => Deno.writeTextFileSync(path, "x", { append: true }),
    shorter: (path) => Deno.truncateSync(path, 0),
    "as long": (path) => {
      Deno.writeTextFileSync(path, "b");
      Deno.utimeSync(path, 1, 1);
    },
    gone: (path) => Deno.removeSync(path),
  };
  for (const [name, touch] of Object.entries(change)) {
    await t.step(name, () => {
      using folder = new TempFolder();
      write(folder, { a: "a" });
      const { files } = findFiles([folder.path], ALL);
      checkUnchanged(files);
      touch(folder.join("a"));
      assertThrows(() => checkUnchanged(files), StorageError);
    });
  }
});

Deno.test("findFiles() throws for what is not there", () => {
  using folder = new TempFolder();
  assertThrows(() => findFiles([folder.join("no")], ALL), StorageError);
});
