import {
  type BencodeInput,
  encodeBencode,
  fromLatin1,
  latin1,
} from "../../src/bytes/bencode.ts";
import { sha256 } from "../../src/bytes/hash.ts";
import { MetainfoError } from "../../src/errors.ts";
import { fileTreeOf } from "../../src/metainfo/file_tree.ts";
import { leavesOf, merkleRoot } from "../../src/metainfo/merkle.ts";
import { type Metainfo, parseMetainfo } from "../../src/metainfo/metainfo.ts";
import { encodeTorrent } from "../../src/metainfo/torrent_file.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";

type Dictionary = { [key: string]: BencodeInput | undefined };

const PIECE_LENGTH = 16_384;
const ROOT = new Uint8Array(32).fill(7);

/** The leaf of a file. */
function leaf(length: number, more: Dictionary = {}): BencodeInput {
  const root = length > 0 ? ROOT : undefined;
  return { "": { length, "pieces root": root, ...more } };
}

/** A torrent for v2 alone. */
function v2(
  tree: BencodeInput,
  { info, root }: { info?: Dictionary; root?: Dictionary } = {},
): Uint8Array {
  return encodeBencode({
    ...root,
    info: {
      "file tree": tree,
      "meta version": 2,
      name: "n",
      "piece length": PIECE_LENGTH,
      ...info,
    },
  });
}

function parse(bytes: Uint8Array): Metainfo {
  return parseMetainfo(bytes);
}

function assertRefused(bytes: Uint8Array, field: string): void {
  const { field: found, message } = assertThrows(
    () => parse(bytes),
    MetainfoError,
  );
  assertEquals(found, field, message);
}

/** The files in short: where they go, how long they are. */
function summary(metainfo: Metainfo): [string, number][] {
  return metainfo.files.map(({ path, length }) => [path.join("/"), length]);
}

/** A torrent for v1 too, of files and pads. */
function hybrid(
  files: readonly (number | [path: string, length: number])[],
  tree: BencodeInput,
): Uint8Array {
  const total = files.reduce<number>(
    (sum, file) => sum + (typeof file === "number" ? file : file[1]),
    0,
  );
  return v2(tree, {
    info: {
      files: files.map((file) =>
        typeof file === "number"
          ? { attr: "p", length: file, path: [".pad", `${file}`] }
          : { length: file[1], path: file[0].split("/") }
      ),
      pieces: new Uint8Array(Math.ceil(total / PIECE_LENGTH) * 20),
    },
  });
}

Deno.test("parseMetainfo() reads a tree of files, each with pieces of its own", () => {
  const metainfo = parse(v2({
    a: leaf(20_000),
    b: { c: leaf(0), d: leaf(1, { attr: "x" }) },
    e: leaf(16_384),
    f: leaf(2),
    l: leaf(0, { attr: "l", "symlink path": ["a"] }),
    // As libtorrent writes it.
    m: { "": { attr: "l", "symlink path": ["b", "d"] } },
  }));
  assertEquals(summary(metainfo), [
    ["n/a", 20_000],
    ["n/.pad/12768", 12_768],
    ["n/b/c", 0],
    ["n/b/d", 1],
    ["n/.pad/16383", 16_383],
    ["n/e", 16_384],
    ["n/f", 2],
    ["n/l", 0],
    ["n/m", 0],
  ]);
  assertEquals(metainfo.layout.pieceCount, 5);
  assertEquals(metainfo.files[3], {
    path: ["n", "b", "d"],
    length: 1,
    kind: "file",
    isExecutable: true,
    piecesRoot: ROOT,
  });
  assertEquals(
    metainfo.files.slice(-2).map(({ kind, target }) => [kind, target]),
    [["symlink", ["n", "a"]], ["symlink", ["n", "b", "d"]]],
  );
  const { hasV1, metaVersion, infoHash, infoHashV2, infoBytes } = metainfo;
  assertEquals([hasV1, metaVersion], [false, 2]);
  assertEquals(infoHashV2, sha256(infoBytes));
  assertEquals(infoHash, infoHashV2!.slice(0, 20));
});

Deno.test("parseMetainfo() takes a tree of one file that is called as the torrent for one file", () => {
  const single = parse(v2({ n: leaf(5) }));
  assertEquals([single.isMultiFile, summary(single)], [false, [["n", 5]]]);
  for (const tree of [{ m: leaf(5) }, { n: { n: leaf(5) } }]) {
    assertEquals(parse(v2(tree)).isMultiFile, true);
  }
});

Deno.test("parseMetainfo() makes the names of a tree safe", () => {
  const metainfo = parse(v2({ "..": { "a/b": leaf(1) }, "\x1b": leaf(1) }));
  assertEquals(
    summary(metainfo).filter(([path]) => !path.includes(".pad")),
    [["n/_", 1], ["n/__/a_b", 1]].toSorted() as [string, number][],
  );
});

Deno.test("parseMetainfo() refuses trees that are none, with the field", async (t) => {
  const raw = (tree: string) => {
    const bytes = latin1(v2("TREE"));
    return fromLatin1(bytes.replace("4:TREE", tree));
  };
  const root = `11:pieces root32:${latin1(ROOT)}`;
  const table: [name: string, bytes: Uint8Array, field: string][] = [
    ["no tree", v2(undefined as unknown as string), "info.file tree"],
    ["no dictionary", v2([]), "info.file tree"],
    ["no files", v2({}), "info.file tree"],
    ["only folders", v2({ a: { b: {} } }), "info.file tree"],
    ["a file without a name", v2(leaf(5)), "info.file tree[0]"],
    ["a number for a file", v2({ a: 5 }), "info.file tree[0]"],
    ["a leaf that is none", v2({ a: { "": 5 } }), "info.file tree[0]"],
    [
      "a file that is a folder",
      v2({ a: { "": { length: 0 }, b: leaf(5) } }),
      "info.file tree[1]",
    ],
    ["a name of nothing", v2({ ".": leaf(5) }), "info.file tree[0]"],
    ["a pad", v2({ a: leaf(5, { attr: "p" }) }), "info.file tree[0]"],
    [
      "no length",
      v2({ a: leaf(5, { length: undefined }) }),
      "info.file tree[0].length",
    ],
    ["a negative length", v2({ a: leaf(-1) }), "info.file tree[0].length"],
    [
      "a length beyond 2^53",
      v2({ a: leaf(5, { length: 2n ** 60n }) }),
      "info.file tree[0].length",
    ],
    ...[undefined, ROOT.subarray(1), new Uint8Array(32), 5].map((wrong) =>
      [
        "no root",
        v2({ a: leaf(5, { "pieces root": wrong }) }),
        "info.file tree[0].pieces root",
      ] as [string, Uint8Array, string]
    ),
    [
      "names out of order",
      raw(`d1:bd0:d6:lengthi0eee1:ad0:d6:lengthi0eeee`),
      "info.file tree[1]",
    ],
    [
      "a name twice",
      raw(`d1:ad0:d6:lengthi0eee1:ad0:d6:lengthi0eeee`),
      "info.file tree[1]",
    ],
    [
      "a number with a zero before it",
      raw(`d1:ad0:d6:lengthi05e${root}eee`),
      "info.file tree[0]",
    ],
    [
      "keys of a leaf out of order",
      raw(`d1:ad0:d${root}6:lengthi5eeee`),
      "info.file tree[0]",
    ],
    ...[0, 8192, 16_385, 49_152, 2 ** 28].map((length) =>
      [
        `pieces of ${length}`,
        v2({ a: leaf(5) }, { info: { "piece length": length } }),
        "info.piece length",
      ] as [string, Uint8Array, string]
    ),
    [
      "another version",
      v2({ a: leaf(5) }, { info: { "meta version": 3 } }),
      "info.meta version",
    ],
    [
      "too many pieces",
      v2({ a: leaf(2 ** 45) }, { info: { "piece length": 2 ** 20 } }),
      "info.piece length",
    ],
    [
      "more bytes than can be counted",
      v2({ a: leaf(2 ** 52), b: leaf(2 ** 52), c: leaf(2 ** 52) }),
      "info.files",
    ],
  ];
  for (const [name, bytes, field] of table) {
    await t.step(name, () => assertRefused(bytes, field));
  }
});

Deno.test("parseMetainfo() takes hybrid torrents with and without a last pad", () => {
  const tree = { a: leaf(5), b: { c: leaf(0) }, d: leaf(16_385) };
  for (
    const files of [
      [["a", 5], 16_379, ["b/c", 0], ["d", 16_385]],
      [["a", 5], ["b/c", 0], 16_379, ["d", 16_385], 16_383],
    ] as (number | [string, number])[][]
  ) {
    const metainfo = parseMetainfo(hybrid(files, tree));
    assertEquals(metainfo.hasV1, true);
    assertEquals(metainfo.layout.pieceCount, 3);
    assertEquals(
      metainfo.files.filter(({ piecesRoot }) => piecesRoot).length,
      2,
    );
  }
});

Deno.test("parseMetainfo() refuses hybrid torrents that are two different torrents", async (t) => {
  const tree = { a: leaf(5), b: leaf(16_384) };
  const table: [name: string, files: (number | [string, number])[]][] = [
    ["another name", [["a", 5], 16_379, ["c", 16_384]]],
    ["a deeper name", [["a", 5], 16_379, ["b/b", 16_384]]],
    ["another length", [["a", 5], 16_379, ["b", 16_383]]],
    ["another order", [["b", 16_384], ["a", 5]]],
    ["a file more", [["a", 5], 16_379, ["b", 16_384], ["c", 0]]],
    ["a file less", [["a", 5], 16_379]],
    ["no pad", [["a", 5], ["b", 16_384]]],
    ["a pad too short", [["a", 5], 16_378, ["b", 16_384]]],
    ["a pad too long", [["a", 5], 32_763, ["b", 16_384]]],
    ["a pad in front", [16_384, ["a", 5], 16_379, ["b", 16_384]]],
    ["pieces of nothing behind", [["a", 5], 16_379, ["b", 16_384], 16_384]],
  ];
  for (const [name, files] of table) {
    await t.step(
      name,
      () => assertRefused(hybrid(files, tree), "info.file tree"),
    );
  }
});

Deno.test("parseMetainfo() refuses hybrid torrents whose links differ", () => {
  const made = (v1: string, v2: string) => {
    const file = { length: 5, path: ["a"] };
    const link = { length: 0, path: ["l"], attr: "l", "symlink path": [v1] };
    return encodeBencode({
      info: {
        name: "n",
        files: [file, link],
        "file tree": {
          a: leaf(5),
          l: { "": { attr: "l", "symlink path": [v2] } },
        },
        "meta version": 2,
        "piece length": 16_384,
        pieces: new Uint8Array(20),
      },
    });
  };
  assertEquals(parse(made("a", "a")).files[1]!.target, ["n", "a"]);
  assertRefused(made("a", "b"), "info.file tree");
});

/** A file of three blocks, and its layer where pieces are one block. */
const LAYER = leavesOf(new Uint8Array(40_000));
const LAYER_ROOT = merkleRoot(LAYER);

function layered(layers: Map<string, BencodeInput> | string): Uint8Array {
  return v2({
    a: leaf(40_000, { "pieces root": LAYER_ROOT }),
    b: leaf(40_000, { "pieces root": LAYER_ROOT }),
    c: leaf(5),
  }, { root: { "piece layers": layers } });
}

Deno.test("parseMetainfo() reads piece layers, of equal files one", () => {
  const bytes = layered(new Map([[latin1(LAYER_ROOT), LAYER]]));
  const metainfo = parse(bytes);
  assertEquals([...metainfo.pieceLayers], [[encodeHex(LAYER_ROOT), LAYER]]);
  const again = parse(encodeTorrent(metainfo));
  assertEquals(again.pieceLayers, metainfo.pieceLayers);
  assertEquals(again.infoHashV2, metainfo.infoHashV2);
});

Deno.test("parseMetainfo() does without piece layers", () => {
  assertEquals(parse(layered(new Map())).pieceLayers.size, 0);
});

Deno.test("parseMetainfo() refuses wrong piece layers", async (t) => {
  const key = latin1(LAYER_ROOT);
  const table: [name: string, layers: Map<string, BencodeInput> | string][] = [
    ["too short", new Map([[key, LAYER.subarray(32)]])],
    ["too long", new Map([[key, new Uint8Array([...LAYER, ...ROOT])]])],
    ["no bytes", new Map([[key, 5]])],
    ["a wrong hash", new Map([[key, LAYER.with(0, LAYER[0]! ^ 1)]])],
    ["of no file", new Map([[latin1(ROOT.with(0, 1)), LAYER]])],
    ["of a file of one piece", new Map([[latin1(ROOT), ROOT]])],
    ["of a root too short", new Map([[key.slice(1), LAYER]])],
  ];
  for (const [name, layers] of table) {
    await t.step(name, () => assertRefused(layered(layers), "piece layers[0]"));
  }
  assertRefused(layered("x"), "piece layers");
});

Deno.test("fileTreeOf() writes what parseMetainfo() reads", () => {
  const tree = fileTreeOf([
    {
      path: ["b", "c"],
      length: 1,
      piecesRoot: ROOT,
      attributes: { attr: "x" },
    },
    { path: ["a.b"], length: 0, piecesRoot: undefined, attributes: {} },
    { path: ["b", "é"], length: 3, piecesRoot: ROOT, attributes: {} },
    {
      path: ["l"],
      length: 0,
      piecesRoot: undefined,
      attributes: { attr: "l", "symlink path": ["b", "c"] },
    },
  ]);
  assertEquals(
    encodeBencode(tree),
    encodeBencode({
      "a.b": leaf(0),
      b: { c: leaf(1, { attr: "x" }), "é": leaf(3) },
      l: { "": { attr: "l", "symlink path": ["b", "c"] } },
    }),
  );
  assertEquals(
    summary(parse(v2(tree))).filter(([path]) => !path.includes(".pad")),
    [["n/a.b", 0], ["n/b/c", 1], ["n/b/é", 3], ["n/l", 0]],
  );
});
