import { OpenFiles } from "../../src/storage/open_files.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { assertEquals, assertThrows } from "@std/assert";

/** Files of which it is noted which were opened; so many may be open at once. */
function scene(folder: TempFolder, limit = Infinity) {
  const opened: string[] = [];
  const live = new Set<Deno.FsFile>();
  const open = (name: string) => () => {
    const isOpen = (file: Deno.FsFile) => {
      try {
        return file.statSync().isFile;
      } catch {
        return false;
      }
    };
    for (const file of live) if (!isOpen(file)) live.delete(file);
    if (live.size >= limit) {
      throw Object.assign(new Error("too many"), { code: "EMFILE" });
    }
    opened.push(name);
    const file = Deno.createSync(folder.join(name));
    live.add(file);
    return file;
  };
  return { opened, open };
}

Deno.test("OpenFiles closes the one that was used longest ago", () => {
  using folder = new TempFolder();
  const { opened, open } = scene(folder);
  using files = new OpenFiles<string>(2);
  for (const name of ["a", "b", "a", "c", "a", "b"]) {
    files.use(name, open(name));
  }
  assertEquals(opened, ["a", "b", "c", "b"]);
  files.close("a");
  files.close("nobody");
  files.use("a", open("a"));
  assertEquals(opened.at(-1), "a");
});

Deno.test("OpenFiles keeps fewer open when there are no descriptors left", () => {
  using folder = new TempFolder();
  const { opened, open } = scene(folder, 4);
  using files = new OpenFiles<string>(9);
  for (const name of ["a", "b", "c", "d", "e"]) files.use(name, open(name));
  // Two made room for it; and from now on two are enough.
  for (const name of ["e", "d", "f", "d", "e"]) files.use(name, open(name));
  assertEquals(opened.join(""), "abcdefe");
});

Deno.test("OpenFiles gives up when closing helps nobody", () => {
  using folder = new TempFolder();
  const { open } = scene(folder, 0);
  using files = new OpenFiles<string>(9);
  assertThrows(() => files.use("a", open("a")), Error, "too many");
});
