import { StorageError } from "../../src/errors.ts";
import type { FilePlace } from "../../src/storage/file_storage.ts";
import { Links } from "../../src/storage/links.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { join } from "@std/path";

function links(
  folder: string,
  texts: Record<string, string | undefined>,
  { canRead = true, mayReplace = false } = {},
): Links {
  const places = Object.entries(texts).map(([path, link]): FilePlace => ({
    path: join(folder, path),
    kind: "symlink",
    ...(link === undefined ? {} : { link }),
  }));
  return new Links(places, { folder, canRead, mayReplace });
}

Deno.test("Links.make() makes links and their folders, and leaves those that are right", () => {
  using folder = new TempFolder();
  const texts = { "t/a": "f", "t/d/e/b": "../../f", "t/c": "d" };
  for (let round = 0; round < 2; round++) {
    const made = links(folder.path, texts);
    made.check();
    assertEquals(made.make(), []);
    for (const [path, text] of Object.entries(texts)) {
      assertEquals(Deno.readLinkSync(folder.join(path)), text);
    }
  }
});

Deno.test("Links.make() takes a link that leads there in other words", () => {
  using folder = new TempFolder();
  Deno.symlinkSync(".//d/../f", folder.join("a"));
  assertEquals(links(folder.path, { a: "f" }).make(), []);
  assertEquals(Deno.readLinkSync(folder.join("a")), ".//d/../f");
});

Deno.test("Links.make() says which links it leaves out", () => {
  using folder = new TempFolder();
  const texts = { a: undefined, b: undefined, c: undefined, l: "f" };
  const notices = links(folder.path, texts).make();
  assertEquals(notices.length, 1);
  assertMatch(notices[0]!, /\/a and 2 others are left out: .* out of the/);
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), [
    "l",
  ]);
});

Deno.test("Links.check() finds what lies in the place of a link", async (t) => {
  const others: Record<string, (path: string) => void> = {
    "a file": (path) => Deno.writeTextFileSync(path, "mine"),
    "a folder": (path) => Deno.mkdirSync(path),
    "a link elsewhere": (path) => Deno.symlinkSync("/etc", path),
  };
  for (const [name, make] of Object.entries(others)) {
    await t.step(name, () => {
      using folder = new TempFolder();
      make(folder.join("l"));
      const before = Deno.lstatSync(folder.join("l"));
      const wrong = links(folder.path, { l: "f" });
      for (const action of [() => wrong.check(), () => wrong.make()]) {
        const error = assertThrows(action, StorageError, "must go there");
        assertEquals(error.problem, "exists");
      }
      assertEquals(Deno.lstatSync(folder.join("l")).ino, before.ino);
      const overwriting = links(folder.path, { l: "f" }, { mayReplace: true });
      if (before.isDirectory) {
        assertThrows(() => overwriting.make(), StorageError);
      } else {
        overwriting.check();
        assertEquals(overwriting.make(), []);
        assertEquals(Deno.readLinkSync(folder.join("l")), "f");
      }
    });
  }
  await t.step("a link in the place of its folder", () => {
    using folder = new TempFolder();
    using far = new TempFolder();
    Deno.symlinkSync(far.path, folder.join("t"));
    const wrong = links(folder.path, { "t/l": "f" });
    for (const action of [() => wrong.check(), () => wrong.make()]) {
      const error = assertThrows(action, StorageError, "a folder must go");
      assertEquals(error.problem, "exists");
    }
    assertEquals([...Deno.readDirSync(far.path)], []);
  });
});
