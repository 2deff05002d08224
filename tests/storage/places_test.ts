import { parseMetainfo } from "../../src/metainfo/metainfo.ts";
import { encodeBencode } from "../../src/bytes/bencode.ts";
import { type DownloadPlaces, placeFiles } from "../../src/storage/places.ts";
import { makeTorrent } from "../support/make_torrent.ts";
import { assert, assertEquals, assertNotEquals } from "@std/assert";

function paths({ files }: DownloadPlaces): string[] {
  return files.map(({ path }) => path);
}

const SINGLE = makeTorrent({ name: "file.iso", files: 5 }).metainfo;
const MULTIPLE = makeTorrent({
  name: "album",
  files: { "cover.jpg": 5, "disc 1/01.flac": 7 },
}).metainfo;

Deno.test("placeFiles() puts one file into the folder", () => {
  assertEquals(placeFiles(SINGLE, { folder: "/downloads" }), {
    folder: "/downloads",
    root: "/downloads/file.iso",
    files: [{ path: "/downloads/file.iso", kind: "file" }],
    control: "/downloads/file.iso.btget",
  });
});

Deno.test("placeFiles() puts several files into a folder of their own", () => {
  const places = placeFiles(MULTIPLE, { folder: "/downloads" });
  assertEquals(places.root, "/downloads/album");
  assertEquals(places.control, "/downloads/album.btget");
  assertEquals(paths(places), [
    "/downloads/album/cover.jpg",
    "/downloads/album/disc 1/01.flac",
  ]);
});

Deno.test("placeFiles() calls the download what the user says", async (t) => {
  for (const out of ["new.iso", "new name", ".hidden"]) {
    await t.step(out, () => {
      const root = `/downloads/${out}`;
      const places = placeFiles(SINGLE, { folder: "/downloads", out });
      assertEquals(places.folder, "/downloads");
      assertEquals(places.root, root);
      assertEquals(paths(places), [root]);
      assertEquals(places.control, `${root}.btget`);
      const several = placeFiles(MULTIPLE, { folder: "/downloads", out });
      assertEquals(paths(several)[1], `${root}/disc 1/01.flac`);
    });
  }
});

Deno.test("placeFiles() takes folders that are not absolute", () => {
  const places = placeFiles(SINGLE, { folder: "." });
  assertEquals([places.folder, places.root], [".", "file.iso"]);
  assertEquals(places.control, "file.iso.btget");
});

Deno.test("placeFiles() keeps kinds, so that pads and symlinks have no place of note", () => {
  const bytes = encodeBencode({
    info: {
      name: "n",
      "piece length": 16_384,
      pieces: new Uint8Array(20),
      files: [
        { length: 1, path: ["a"] },
        { length: 1, attr: "p" },
        { attr: "l", path: ["b"], "symlink path": ["a"] },
      ],
    },
  });
  const { files } = placeFiles(parseMetainfo(bytes), { folder: "/d" });
  assertEquals(files.map(({ kind }) => kind), ["file", "pad", "symlink"]);
});

Deno.test("placeFiles() never puts the control file where the torrent's data goes", async (t) => {
  const suffix = ".btget";
  const names = [
    "a.btget",
    ".btget",
    "x".repeat(249),
    "x".repeat(250),
    "x".repeat(255),
    "x".repeat(249) + suffix,
    "x".repeat(243) + suffix + suffix,
    "x".repeat(237) + suffix + suffix + suffix,
    "あ".repeat(83) + suffix,
    "あ".repeat(81) + suffix + suffix,
  ];
  for (const name of names) {
    await t.step(`${name.length} characters`, () => {
      const { metainfo } = makeTorrent({ name, files: 5 });
      const { root, control } = placeFiles(metainfo, { folder: "/d" });
      assertEquals(root, `/d/${name}`);
      assertNotEquals(control, root);
      assert(control.startsWith("/d/") && control.endsWith(suffix));
      assert(new TextEncoder().encode(control.slice(3)).length <= 255);
    });
  }
});
