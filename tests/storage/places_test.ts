import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { encodeBencode } from "../../src/bytes/bencode.ts";
import { parseMetainfo } from "../../src/metainfo/metainfo.ts";
import { placeFiles } from "../../src/storage/places.ts";
import { makeTorrent, type TorrentRecipe } from "../support/make_torrent.ts";

function place(
  recipe: Partial<TorrentRecipe>,
  options: { folder?: string; out?: string } = {},
) {
  const { metainfo } = makeTorrent({ files: 1, ...recipe });
  return placeFiles(metainfo, { folder: "down", ...options });
}

function bytesOf(path: string): number {
  return new TextEncoder().encode(path.slice(path.lastIndexOf("/") + 1)).length;
}

Deno.test("placeFiles() puts a single file into the folder", () => {
  assertEquals(place({ name: "a.iso" }), {
    folder: "down",
    root: "down/a.iso",
    files: [{ path: "down/a.iso", kind: "file" }],
    control: "down/a.iso.btget",
  });
});

Deno.test("placeFiles() puts many files into a folder of their own", () => {
  assertEquals(place({ name: "t", files: { a: 1, "x/y/b": 2 } }), {
    folder: "down",
    root: "down/t",
    files: [
      { path: "down/t/a", kind: "file" },
      { path: "down/t/x/y/b", kind: "file" },
    ],
    control: "down/t.btget",
  });
});

Deno.test("placeFiles() follows the user's own name", async (t) => {
  const rows: [out: string, folder: string, root: string][] = [
    ["b", "down", "down/b"],
    [".hidden name", "down", "down/.hidden name"],
  ];
  for (const [out, folder, root] of rows) {
    await t.step(out, () => {
      const single = place({ name: "a" }, { out });
      assertEquals(single.root, root);
      assertEquals(single.folder, folder);
      assertEquals(single.files, [{ path: root, kind: "file" }]);
      assertEquals(
        single.control,
        `${root}.btget`,
      );
      const many = place({ name: "a", files: { "x/c": 1 } }, { out });
      assertEquals(many.files[0]?.path, `${root}/x/c`);
    });
  }
});

Deno.test("placeFiles() has a control file for names of any length", () => {
  for (let length = 1; length <= 255; length++) {
    for (const character of ["a", "あ", "💾"]) {
      const name = character.repeat(Math.ceil(length / character.length))
        .slice(0, length);
      const { control, root } = place({ name });
      assert(control.endsWith(".btget"));
      assert(bytesOf(control) <= 255);
      assertNotEquals(control, root);
    }
  }
});

Deno.test("placeFiles() never puts a file where a control file could be", async (t) => {
  const names = [
    "x.btget",
    ".btget",
    "x.BtGet",
    "x.btget.btget",
    `${"a".repeat(243)}.btget.btget`,
    `${"a".repeat(249)}.btget`,
    `${"a".repeat(300)}.btget`,
    `${"a".repeat(249)}.btget${"z".repeat(40)}`,
    "x.btget\u200b",
  ];
  for (const name of names) {
    await t.step(`${name.slice(0, 5)}… of ${name.length}`, () => {
      const { files, root, control } = place({ name });
      assert(!root.toLowerCase().endsWith(".btget"), root);
      assertEquals(files[0]?.path, root);
      assertNotEquals(control, root);
      for (const path of [root, control]) assert(bytesOf(path) <= 255, path);
      const many = place({ name: "t", files: { [`x/${name}`]: 1, [name]: 1 } });
      for (const { path } of many.files) {
        assert(!path.toLowerCase().endsWith(".btget"), path);
        assert(bytesOf(path) <= 255, path);
      }
    });
  }
  await t.step("and keeps them apart", () => {
    const files = { "x.btget": 1, "x.btget_": 1, "X.btget": 1 };
    const paths = place({ name: "t", files }).files.map(({ path }) => path);
    assertEquals(new Set(paths).size, 3);
  });
  await t.step("whatever name the user gives", () => {
    const out = `${"a".repeat(243)}.btget.btget`;
    const { root, control } = place({ name: "a" }, { out });
    assertEquals(root, `down/${out}`);
    assertNotEquals(control, root);
    assert(bytesOf(control) <= 255);
  });
});

Deno.test("placeFiles() keeps kinds, and says what links hold", () => {
  const bytes = encodeBencode({
    info: {
      name: "n",
      "piece length": 16_384,
      pieces: new Uint8Array(20),
      files: [
        { length: 1, path: ["a"] },
        { length: 1, attr: "p" },
        { attr: "l", path: ["b"], "symlink path": ["a"] },
        { attr: "l", path: ["c", "d"], "symlink path": ["a"] },
        { attr: "l", path: ["c", "e"], "symlink path": ["c"] },
        { attr: "l", path: ["f"], "symlink path": ["g"] },
      ],
    },
  });
  const { files } = placeFiles(parseMetainfo(bytes), {
    folder: "/d",
    out: "other",
  });
  assertEquals(files.slice(0, 3).map(({ kind }) => kind), [
    "file",
    "pad",
    "symlink",
  ]);
  assertEquals(
    files.slice(2).map(({ link }) => link),
    ["a", "../a", ".", undefined],
  );
});
