import {
  type BencodeInput,
  encodeBencode,
  fromLatin1,
  latin1,
} from "../../src/bytes/bencode.ts";
import { HASH_LENGTH, hashesEqual, sha1 } from "../../src/bytes/hash.ts";
import { BencodeError, MetainfoError } from "../../src/errors.ts";
import {
  type MetainfoOptions,
  parseInfo,
  parseMetainfo,
} from "../../src/metainfo/metainfo.ts";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";

type Dictionary = { [key: string]: BencodeInput | undefined };

/** One file of one piece. */
const SINGLE: Dictionary = {
  name: "name",
  length: 5,
  "piece length": 16_384,
  pieces: new Uint8Array(20),
};

/** A torrent of one file, changed; what is `undefined` is left out. */
function single(info: Dictionary, root: Dictionary = {}): Uint8Array {
  return encodeBencode({ ...root, info: { ...SINGLE, ...info } });
}

/** A torrent of many files that all fit into one piece. */
function multiple(files: BencodeInput, info: Dictionary = {}): Uint8Array {
  return single({ length: undefined, files, ...info });
}

/** A file of one byte. */
function file(...path: BencodeInput[]): Dictionary {
  return { length: 1, path };
}

function paths(bytes: Uint8Array, options: MetainfoOptions = {}): string[] {
  return parseMetainfo(bytes, options).files.map(({ path }) => path.join("/"));
}

function assertRefused(bytes: Uint8Array, field: string, message = ""): void {
  const error = assertThrows(
    () => parseMetainfo(bytes),
    MetainfoError,
    message,
  );
  assertEquals(error.field, field);
}

Deno.test("parseMetainfo() reads what a torrent of one file says", () => {
  const bytes = encodeBencode({
    announce: "http://a/announce",
    "announce-list": [["http://b/announce"], ["udp://c:1", "udp://d:1"]],
    comment: "a remark",
    "created by": "a program",
    "creation date": 1_359_599_503,
    nodes: [["192.0.2.1", 6881], ["2001:DB8::1", 6882]],
    "url-list": ["http://w/file"],
    httpseeds: ["http://w/seed.php"],
    info: { ...SINGLE, private: 1 },
  });
  const metainfo = parseMetainfo(bytes);
  const { layout, ...rest } = metainfo;
  const infoBytes = encodeBencode({ ...SINGLE, private: 1 });
  assertEquals(rest, {
    infoHash: sha1(infoBytes),
    infoBytes,
    name: "name",
    rawName: fromLatin1("name"),
    infoHashV2: undefined,
    metaVersion: 1,
    hasV1: true,
    pieceLayers: new Map(),
    isMultiFile: false,
    files: [{ path: ["name"], length: 5, kind: "file" }],
    pieceHashes: new Uint8Array(20),
    isPrivate: true,
    announceTiers: [["http://b/announce"], ["udp://c:1", "udp://d:1"]],
    webSeeds: ["http://w/file"],
    httpSeeds: ["http://w/seed.php"],
    nodes: [
      { hostname: "192.0.2.1", port: 6881 },
      { hostname: "2001:db8::1", port: 6882 },
    ],
    comment: "a remark",
    createdBy: "a program",
    creationDate: 1_359_599_503,
  });
  assertEquals([layout.length, layout.pieceLength, layout.pieceCount], [
    5,
    16_384,
    1,
  ]);
});

Deno.test("parseMetainfo() reads what a torrent of several files says", () => {
  const { files, isMultiFile, layout } = parseMetainfo(
    multiple([
      { length: 0, path: ["empty"] },
      { length: 20_000, path: ["a", "b.txt"] },
      { length: 0, path: ["a", "empty"] },
      { length: 12_768, path: ["c"] },
      { length: 0, path: ["last"] },
    ], { pieces: new Uint8Array(40) }),
  );
  assert(isMultiFile);
  assertEquals(files, [
    { path: ["name", "empty"], length: 0, kind: "file" },
    { path: ["name", "a", "b.txt"], length: 20_000, kind: "file" },
    { path: ["name", "a", "empty"], length: 0, kind: "file" },
    { path: ["name", "c"], length: 12_768, kind: "file" },
    { path: ["name", "last"], length: 0, kind: "file" },
  ]);
  assertEquals([layout.fileCount, layout.length, layout.pieceCount], [
    5,
    32_768,
    2,
  ]);
});

Deno.test("parseMetainfo() needs nothing but the info dictionary", () => {
  const metainfo = parseMetainfo(single({}));
  assertEquals(metainfo.announceTiers, []);
  assertEquals(metainfo.webSeeds, []);
  assertEquals(metainfo.nodes, []);
  assertEquals(metainfo.isPrivate, false);
  assertEquals(metainfo.comment, undefined);
  assertEquals(metainfo.createdBy, undefined);
  assertEquals(metainfo.creationDate, undefined);
});

Deno.test("parseMetainfo() names the field that is wrong", async (t) => {
  const list = (entry: BencodeInput) => multiple([file("a"), entry]);
  const table: [field: string, message: string, bytes: Uint8Array][] = [
    ["the file", "is not a dictionary", encodeBencode("a string")],
    ["the file", "is not a dictionary", encodeBencode([SINGLE])],
    ["info", "is missing", encodeBencode({ announce: "http://a/" })],
    ["info", "is not a dictionary", encodeBencode({ info: "text" })],
    ["info", "is not a dictionary", encodeBencode({ info: [SINGLE] })],
    ["info", "'length' and 'files'", multiple([file("a")], { length: 1 })],
    ["info.name", "is missing", single({ name: undefined })],
    ["info.name", "not a byte string", single({ name: 7 })],
    ["info.name", "not a byte string", single({ name: ["a"] })],
    ["info.length", "is missing", single({ length: undefined })],
    ["info.length", "not an integer", single({ length: "5" })],
    ["info.length", "is negative", single({ length: -1 })],
    ["info.length", "is beyond 2^53", single({ length: 2n ** 53n })],
    ["info.length", "is beyond 2^53", single({ length: -(2n ** 64n) })],
    ["info.piece length", "is missing", single({ "piece length": undefined })],
    ["info.piece length", "an integer", single({ "piece length": "16384" })],
    ["info.piece length", "it must be", single({ "piece length": 0 })],
    ["info.piece length", "it must be", single({ "piece length": -16_384 })],
    [
      "info.piece length",
      "it must be",
      single({ "piece length": 2 ** 27 + 1 }),
    ],
    ["info.piece length", "it must be", single({ "piece length": 2 ** 31 })],
    ["info.piece length", "2^53", single({ "piece length": 2n ** 63n })],
    ["info.pieces", "is missing", single({ pieces: undefined })],
    ["info.pieces", "not a byte string", single({ pieces: 20 })],
    ["info.pieces", "not a byte string", single({ pieces: [] })],
    ["info.pieces", "has 0 bytes", single({ pieces: "" })],
    ["info.pieces", "has 19 bytes", single({ pieces: new Uint8Array(19) })],
    ["info.pieces", "has 40 bytes", single({ pieces: new Uint8Array(40) })],
    ["info.pieces", "2 pieces need 40", single({ length: 16_385 })],
    ["info.pieces", "0 pieces need 0", single({ length: 0 })],
    ["info.files", "is empty", multiple([])],
    ["info.files", "is not a list", multiple({ a: file("a") })],
    ["info.files", "is not a list", multiple("a")],
    ["info.files[1]", "is not a dictionary", list("a")],
    ["info.files[1].length", "is missing", list({ path: ["a"] })],
    ["info.files[1].length", "is negative", list({ length: -1, path: ["a"] })],
    ["info.files[1].length", "2^53", list({ length: 2n ** 53n, path: ["a"] })],
    ["info.files[1].path", "is missing", list({ length: 1 })],
    ["info.files[1].path", "not a list", list({ length: 1, path: "a" })],
    ["info.files[1].path", "no usable name", list(file())],
    ["info.files[1].path", "no usable name", list(file("", "."))],
    ["info.files[1].path", "not a byte string", list(file("a", 1))],
    ["info.files[1].path", "not a byte string", list(file("a", ["b"]))],
    ["info.files[1].path", "folders deep", list(file(...Array(200).fill("d")))],
    [
      "info.files[1].path",
      "3000 bytes",
      list(file(...Array(20).fill("x".repeat(250)))),
    ],
  ];
  for (const [field, message, bytes] of table) {
    await t.step(`${field} ${message}`, () => {
      assertRefused(bytes, field, message);
    });
  }
});

Deno.test("parseMetainfo() takes piece lengths that other programs write", () => {
  for (const pieceLength of [1, 5, 1000, 16_384, 65_537, 2 ** 26, 2 ** 27]) {
    const pieces = new Uint8Array(Math.ceil(5 / pieceLength) * 20);
    const bytes = single({ "piece length": pieceLength, pieces });
    assertEquals(parseMetainfo(bytes).layout.pieceLength, pieceLength);
  }
});

Deno.test("parseMetainfo() ignores optional keys of a wrong type", async (t) => {
  const values: Record<string, BencodeInput> = {
    number: 7,
    bigint: 2n ** 70n,
    text: "29.03.2018 22:18:14 UTC",
    list: [7, ["a"], []],
    dictionary: { a: "b" },
  };
  const right: [key: string, ...types: string[]][] = [
    ["announce", "text"],
    ["announce-list", "list"],
    ["comment", "text"],
    ["created by", "text"],
    ["creation date", "number"],
    ["encoding"],
    ["nodes"],
    ["piece layers"],
    ["url-list", "text", "list"],
  ];
  for (const [key, ...types] of right) {
    await t.step(key, () => {
      for (const [type, value] of Object.entries(values)) {
        if (types.includes(type)) continue;
        const metainfo = parseMetainfo(single({}, { [key]: value }));
        assertEquals(metainfo, parseMetainfo(single({})), type);
      }
    });
  }
  await t.step("keys of the info dictionary", () => {
    for (const value of [7, 2n ** 70n, [], {}]) {
      const { name, isPrivate } = parseMetainfo(
        single({ "name.utf-8": value, private: value, "file tree": value }),
      );
      assertEquals([name, isPrivate], ["name", false]);
    }
    for (const value of ["2", [], {}]) {
      const { metaVersion } = parseMetainfo(single({ "meta version": value }));
      assertEquals(metaVersion, 1);
    }
  });
});

Deno.test("parseMetainfo() ignores keys of a wrong type in the list of files", () => {
  const [first] = parseMetainfo(multiple([
    { ...file("a"), attr: 7, "path.utf-8": "b", md5sum: [], sha1: 1 },
  ])).files;
  assertEquals(first, { path: ["name", "a"], length: 1, kind: "file" });
});

Deno.test("parseMetainfo() ignores what follows the dictionary", () => {
  const bytes = single({});
  const longer = new Uint8Array([...bytes, 0x0a, 0x65, 0xff]);
  assertEquals(parseMetainfo(longer).infoHash, parseMetainfo(bytes).infoHash);
});

Deno.test("parseMetainfo() hashes the info dictionary as it is written", async (t) => {
  const pieces = "\x00".repeat(20);
  const table: [name: string, info: string][] = [
    [
      "keys out of order",
      `d6:pieces20:${pieces}4:name1:a12:piece lengthi16384e6:lengthi1ee`,
    ],
    [
      "leading zeros",
      `d6:lengthi001e04:name01:a12:piece lengthi016384e6:pieces020:${pieces}e`,
    ],
    [
      "unknown keys",
      `d3:fool1:-d0:i-0eee6:lengthi1e4:name1:a12:piece lengthi16384e6:pieces20:${pieces}e`,
    ],
    [
      "an unknown key twice",
      `d1:a0:1:ai1e6:lengthi1e4:name1:a12:piece lengthi16384e6:pieces20:${pieces}e`,
    ],
  ];
  for (const [name, info] of table) {
    await t.step(name, () => {
      const bytes = fromLatin1(`d7:comment3:abc4:info${info}5:otheri1ee`);
      const metainfo = parseMetainfo(bytes);
      assertEquals(metainfo.infoBytes, fromLatin1(info));
      assertEquals(metainfo.infoHash, sha1(fromLatin1(info)));
      assertEquals(metainfo.files[0]?.path, ["a"]);
      assertEquals(parseInfo(fromLatin1(info)).infoHash, metainfo.infoHash);
    });
  }
});

Deno.test("parseMetainfo() refuses two values for a key that says what the torrent is", async (t) => {
  const pieces = `6:pieces20:${"\x00".repeat(20)}`;
  const info = `d6:lengthi1e4:name1:a12:piece lengthi16384e${pieces}e`;
  const table: [field: string, text: string][] = [
    ["info", `d4:info${info}4:info${info}e`],
    ["info", `d4:info${info}1:x0:4:infodee`],
    ["info.pieces", `d4:info${info.replace(pieces, pieces + pieces)}e`],
    ["info.name", `d4:info${info.replace("4:name", "4:name1:b4:name")}e`],
    ["info.length", `d4:info${info.replace("6:len", "6:lengthi2e6:len")}e`],
    [
      "info.files",
      `d4:info${info.replace("6:len", "5:filesle5:filesle6:len")}e`,
    ],
    ["info.piece length", `d4:info${info.slice(0, -1)}12:piece lengthi1eee`],
  ];
  for (const [field, text] of table) {
    await t.step(field, () => {
      assertRefused(fromLatin1(text), field, "stands there twice");
    });
  }
});

Deno.test("parseMetainfo() lets the first of two equal keys count elsewhere", () => {
  const bytes = single({}, { announce: "http://first/" });
  const text = new TextDecoder("latin1").decode(bytes);
  const doubled = text.replace("4:info", "8:announce8:http://b4:info");
  assertEquals(parseMetainfo(fromLatin1(doubled)).announceTiers, [[
    "http://first/",
  ]]);
});

Deno.test("parseMetainfo() throws BencodeError for what is no torrent at all", async (t) => {
  const table: [name: string, bytes: Uint8Array][] = [
    ["nothing", new Uint8Array()],
    ["a page", fromLatin1("<!DOCTYPE html><html>")],
    ["gzip", fromLatin1("\x1f\x8b\x08\x00")],
    ["zeros", new Uint8Array(1_000_000)],
    ["half a torrent", single({}).subarray(0, 60)],
    ["a torrent without its end", single({}).subarray(0, -1)],
    [
      "d8:announce15:http://t.co/ann####",
      fromLatin1("d8:announce15:http://t.co/ann####"),
    ],
    ["lists in lists", fromLatin1(`d4:info${"l".repeat(100_000)}`)],
    ["a comment as a key without a value", fromLatin1("d7:commente")],
  ];
  for (const [name, bytes] of table) {
    await t.step(name, () => {
      assertThrows(() => parseMetainfo(bytes), BencodeError);
    });
  }
});

Deno.test("parseMetainfo() makes a name of whatever the torrent is called", async (t) => {
  const hash = (info: Dictionary) =>
    encodeHex(parseMetainfo(single(info)).infoHash);
  const table: [info: Dictionary, name: string][] = [
    [{ name: "test__", "name.utf-8": "tést" }, "tést"],
    [{ name: "../name1/name2" }, ".._name1_name2"],
    [{ name: "/etc/passwd" }, "_etc_passwd"],
    [{ name: "C:\\windows" }, "C:_windows"],
    [{ name: "\x1b]0;x\x07" }, "_]0;x_"],
    [{ name: "あ".repeat(86) }, "あ".repeat(85)],
    [{ name: fromLatin1("\x90\xa2\x8a\x45") }, "___E"],
  ];
  for (const [info, name] of table) {
    await t.step(name.slice(0, 20), () => {
      const metainfo = parseMetainfo(single(info));
      assertEquals(metainfo.name, name);
      assertEquals(metainfo.files[0]?.path, [name]);
      assertEquals(
        metainfo.infoHash,
        sha1(encodeBencode({ ...SINGLE, ...info })),
      );
    });
  }
  for (const name of ["", ".", "..", "\u200b"]) {
    await t.step(`the info hash for ${JSON.stringify(name)}`, () => {
      assertEquals(parseMetainfo(single({ name })).name, hash({ name }));
      const [path] = paths(multiple([file("a")], { name }));
      assert(/^[0-9a-f]{40}\/a$/.test(path!), path);
    });
  }
});

Deno.test("parseMetainfo() keeps every path below the torrent's own folder", async (t) => {
  const table: [path: BencodeInput[], safe: string][] = [
    [["../dir1", "dir2", "file.img"], "name/.._dir1/dir2/file.img"],
    [["..", "..", "x"], "name/__/__/x"],
    [["a", "..", "..", "x"], "name/a/__/__/x"],
    [["/etc", "passwd"], "name/_etc/passwd"],
    [["C:\\", "x"], "name/C:_/x"],
    [["\\\\server\\share", "x"], "name/__server_share/x"],
    [["", "a", ".", "b"], "name/a/b"],
    [["a\0b"], "name/a_b"],
    [["あ".repeat(86)], `name/${"あ".repeat(85)}`],
    [["e\u0301"], "name/e\u0301"],
  ];
  for (const [path, safe] of table) {
    await t.step(safe.slice(0, 40), () => {
      assertEquals(paths(multiple([file(...path)])), [safe]);
    });
  }
});

Deno.test("parseMetainfo() gives every file a path of its own", async (t) => {
  const mac = { names: { windows: false, foldsCase: true } };
  const [ff, fe] = [fromLatin1("\xff"), fromLatin1("\xfe")];
  await t.step("names that are not UTF-8", () => {
    const bytes = multiple([file(ff), file(fe), file(ff, "a"), file(fe, "a")]);
    assertEquals(paths(bytes), [
      "name/_.1",
      "name/_.2",
      "name/_/a",
      "name/_/a.1",
    ]);
  });
  await t.step("the same path", () => {
    const bytes = multiple([file("a.txt"), file("a.txt"), file("", "a.txt")]);
    assertEquals(paths(bytes), ["name/a.txt", "name/a.1.txt", "name/a.2.txt"]);
  });
  await t.step("a file and a folder", () => {
    const bytes = multiple([file("a"), file("a", "b")]);
    assertEquals(paths(bytes), ["name/a.1", "name/a/b"]);
  });
  await t.step("case, where it does not count", () => {
    const bytes = multiple([
      file("a"),
      file("A"),
      file("e\u0301"),
      file("\u00e9"),
    ]);
    assertEquals(new Set(paths(bytes)).size, 4);
    assertEquals(paths(bytes, mac), [
      "name/a",
      "name/A.1",
      "name/e\u0301",
      "name/\u00e9.1",
    ]);
  });
  await t.step("names for Windows", () => {
    const bytes = multiple([file("con"), file("a:b"), file("a?b")], {
      name: "aux",
    });
    const names = { windows: true, foldsCase: true };
    assertEquals(paths(bytes, { names }), [
      "_aux/_con",
      "_aux/a_b",
      "_aux/a_b.1",
    ]);
  });
});

Deno.test("parseMetainfo() prefers paths that say they are UTF-8", () => {
  const bytes = multiple([{ ...file("raw"), "path.utf-8": ["ünï", "cödé"] }]);
  assertEquals(paths(bytes), ["name/ünï/cödé"]);
});

Deno.test("parseMetainfo() lets pads share a path and be without one", () => {
  const { files } = parseMetainfo(multiple([
    file("a"),
    { length: 7, attr: "p", path: [".pad", "7"] },
    file(".pad", "7"),
    { length: 7, attr: "xp", path: ["..", "a"] },
    { length: 9, attr: "p" },
    { length: 3, attr: "p", path: "wrong" },
  ]));
  assertEquals(files, [
    { path: ["name", "a"], length: 1, kind: "file" },
    { path: ["name", ".pad", "7"], length: 7, kind: "pad" },
    { path: ["name", ".pad", "7"], length: 1, kind: "file" },
    { path: ["name", ".pad", "7"], length: 7, kind: "pad" },
    { path: ["name", ".pad", "9"], length: 9, kind: "pad" },
    { path: ["name", ".pad", "3"], length: 3, kind: "pad" },
  ]);
});

Deno.test("parseMetainfo() knows the pads that BitComet made", () => {
  const { files } = parseMetainfo(multiple([
    file("_____padding_file_0_if you see this file, update"),
    file("sub", "_____padding_file_1"),
    file("_____padding_file_", "not the last name"),
    file("____padding_file_2"),
  ]));
  assertEquals(files.map(({ kind }) => kind), ["pad", "pad", "file", "file"]);
});

Deno.test("parseMetainfo() gives symlinks no length", () => {
  const link = { attr: "l", "symlink path": ["..", "..", "etc", "passwd"] };
  const { files, layout } = parseMetainfo(multiple([
    file("a"),
    { ...link, path: ["b"] },
    { ...link, path: ["c"], length: 425 },
    { ...link, path: ["d"], length: -1 },
    { ...link, path: ["a"], attr: "hlx" },
  ]));
  assertEquals(files.slice(1), [
    { path: ["name", "b"], length: 0, kind: "symlink" },
    { path: ["name", "c"], length: 0, kind: "symlink" },
    { path: ["name", "d"], length: 0, kind: "symlink" },
    { path: ["name", "a.1"], length: 0, kind: "symlink" },
  ]);
  assertEquals(layout.length, 1);
});

Deno.test("parseMetainfo() takes torrents of nothing", () => {
  const none = { pieces: "" };
  const { layout } = parseMetainfo(single({ ...none, length: 0 }));
  assertEquals([layout.length, layout.pieceCount], [0, 0]);
  const empty = { length: 0, path: ["a"] };
  const { files } = parseMetainfo(multiple([empty, empty], none));
  assertEquals(files.map(({ path }) => path[1]), ["a", "a.1"]);
});

Deno.test("parseMetainfo() refuses lengths that add up to too much", () => {
  const huge = { length: Number.MAX_SAFE_INTEGER, path: ["a"] };
  const message = "more than 2^53 bytes together";
  assertRefused(multiple([huge, file("b")]), "info.files", message);
  assertRefused(multiple(Array(1025).fill(huge)), "info.files", message);
  assertRefused(
    single({ length: Number.MAX_SAFE_INTEGER, "piece length": 2 ** 27 }),
    "info.piece length",
    "more than 2097152 pieces",
  );
});

Deno.test("parseMetainfo() goes up to 2 Mi pieces", () => {
  const pieces = (count: number) =>
    single({
      length: count * 16_384,
      pieces: new Uint8Array(count * 20),
    });
  const metainfo = parseMetainfo(pieces(2 ** 21));
  assertEquals(metainfo.layout.pieceCount, 2 ** 21);
  assertEquals(metainfo.pieceHashes.length, 2 ** 21 * 20);
  assertRefused(pieces(2 ** 21 + 1), "info.piece length", "2097152");
});

Deno.test("parseMetainfo() goes up to 300,000 files", () => {
  const entry = encodeBencode(file("same"));
  const torrent = (count: number) => {
    const head = fromLatin1("d4:infod5:filesl");
    const tail = fromLatin1(
      `e4:name4:name12:piece lengthi1048576e6:pieces20:${"\x00".repeat(20)}ee`,
    );
    const bytes = new Uint8Array(
      head.length + count * entry.length + tail.length,
    );
    bytes.set(head);
    for (let i = 0; i < count; i++) {
      bytes.set(entry, head.length + i * entry.length);
    }
    bytes.set(tail, head.length + count * entry.length);
    return bytes;
  };
  const { files } = parseMetainfo(torrent(100_000));
  assertEquals(new Set(files.map(({ path }) => path[1])).size, 100_000);
  assertEquals(parseMetainfo(torrent(300_000)).files.length, 300_000);
  assertRefused(torrent(300_001), "info.files", "more than 300000 entries");
});

Deno.test("parseMetainfo() builds nothing of what it does not read", () => {
  const flood = `l${"de".repeat(2_000_000)}e`;
  const bytes = single({}, { aaa: 1, "piece layers": 2 });
  const text = new TextDecoder("latin1").decode(bytes);
  const flooded = text
    .replace("3:aaai1e", `3:aaa${flood}`)
    .replace("6:length", `4:aaaa${`l${"de".repeat(900_000)}e`}6:length`);
  assertEquals(parseMetainfo(fromLatin1(flooded)).files.length, 1);
});

Deno.test("parseMetainfo() refuses a torrent of millions of values", () => {
  const flood = "de".repeat(3_000_000);
  for (const key of ["files", "nodes", "unknown"]) {
    const text = `d4:infod${key.length}:${key}l${flood}eee`;
    assertThrows(
      () => parseMetainfo(fromLatin1(text)),
      BencodeError,
      "too many",
    );
  }
});

Deno.test("parseMetainfo() keeps trackers in their tiers", async (t) => {
  const table: [name: string, root: Dictionary, tiers: string[][]][] = [
    ["announce alone", { announce: "a" }, [["a"]]],
    ["a list alone", { "announce-list": [["a", "b"], ["c"]] }, [["a", "b"], [
      "c",
    ]]],
    ["a list before announce", { announce: "a", "announce-list": [["b"]] }, [[
      "b",
    ]]],
    ["an empty list", { announce: "a", "announce-list": [] }, [["a"]]],
    ["empty tiers", { announce: "a", "announce-list": [[], [""]] }, [["a"]]],
    ["a flat list", { "announce-list": ["a", "b"] }, [["a"], ["b"]]],
    ["a list that is text", { announce: "a", "announce-list": "b" }, [["a"]]],
    ["a list of numbers", { announce: "a", "announce-list": [[1], 2] }, [[
      "a",
    ]]],
    ["numbers among URLs", { "announce-list": [[1, "a"], 2, ["b"]] }, [["a"], [
      "b",
    ]]],
    ["a URL twice", { "announce-list": [["a", "a"], ["a", "b"]] }, [["a"], [
      "b",
    ]]],
    ["an empty announce", { announce: "" }, []],
    ["any text", { announce: "javascript:\r\n" }, [["javascript:\r\n"]]],
  ];
  for (const [name, root, tiers] of table) {
    await t.step(name, () => {
      assertEquals(parseMetainfo(single({}, root)).announceTiers, tiers);
    });
  }
});

Deno.test("parseMetainfo() takes one web seed or a list of them", async (t) => {
  const table: [name: string, list: BencodeInput, seeds: string[]][] = [
    ["one", "http://a/", ["http://a/"]],
    ["none", "", []],
    ["a list", ["a", "b"], ["a", "b"]],
    ["an empty list", [], []],
    ["a URL twice", ["a", "b", "a"], ["a", "b"]],
    ["numbers and nothing among them", ["a", 1, "", "b"], ["a", "b"]],
    ["a number", 7, []],
    ["a dictionary", { a: "b" }, []],
  ];
  for (const [name, list, seeds] of table) {
    await t.step(name, () => {
      const bytes = single({}, { "url-list": list, httpseeds: list });
      assertEquals(parseMetainfo(bytes).webSeeds, seeds);
      assertEquals(parseMetainfo(bytes).httpSeeds, seeds);
    });
  }
});

Deno.test("parseMetainfo() keeps the nodes that can be reached", () => {
  const { nodes } = parseMetainfo(single({}, {
    nodes: [
      ["127.0.0.1", 6881],
      ["router.example", 6881],
      ["192.168.1.1", 0],
      ["192.168.1.1", 65_536],
      ["192.168.1.1", "6881"],
      ["0.0.0.0", 1],
      ["a b", 1],
      ["only a host"],
      "192.0.2.1",
      7,
      [7, "192.0.2.1"],
      ["::1", 1, "more"],
    ],
  }));
  assertEquals(nodes, [
    { hostname: "127.0.0.1", port: 6881 },
    { hostname: "router.example", port: 6881 },
    { hostname: "::1", port: 1 },
  ]);
});

Deno.test("parseMetainfo() uses a bounded number of trackers, web seeds and nodes", () => {
  const urls = Array.from({ length: 10_000 }, (_, i) => `http://${i}.example/`);
  const { announceTiers, webSeeds, httpSeeds, nodes } = parseMetainfo(
    single({}, {
      "announce-list": urls.map((url, i) => i < 50 ? [url] : [url, url + "b"]),
      "url-list": urls,
      httpseeds: urls,
      nodes: urls.map((_, i) => [`10.0.${i >> 8}.${i & 255}`, 1]),
    }),
  );
  assertEquals(announceTiers.flat().length, 100);
  assertEquals(announceTiers.length, 75);
  assertEquals(webSeeds, urls.slice(0, 100));
  assertEquals(httpSeeds, urls.slice(0, 100));
  assertEquals(nodes.length, 100);
});

Deno.test("parseMetainfo() takes 1 alone for private", () => {
  const table: [value: BencodeInput | undefined, isPrivate: boolean][] = [
    [1, true],
    [0, false],
    ["1", false],
    [undefined, false],
  ];
  for (const [value, isPrivate] of table) {
    assertEquals(
      parseMetainfo(single({ private: value })).isPrivate,
      isPrivate,
    );
  }
});

Deno.test("parseMetainfo() reads torrents for v2 alone, and hybrid ones", () => {
  const root = new Uint8Array(32).fill(1);
  const tree = { name: { "": { length: 5, "pieces root": root } } };
  const v2 = { "meta version": 2, "file tree": tree };
  const only = single({ ...v2, pieces: undefined, length: undefined });
  for (const [bytes, hasV1] of [[only, false], [single(v2), true]] as const) {
    const metainfo = parseMetainfo(bytes);
    assertEquals([metainfo.metaVersion, metainfo.hasV1], [2, hasV1]);
    assertEquals(metainfo.files.length, 1);
    // Both have an identity of the length that v1 wants.
    const { infoHash, infoHashV2 } = metainfo;
    assertEquals(infoHash.length, HASH_LENGTH);
    assertEquals(hashesEqual(infoHash, infoHashV2!.subarray(0, 20)), !hasV1);
  }
});

Deno.test("parseInfo() reads an info dictionary on its own", () => {
  const infoBytes = encodeBencode(SINGLE);
  const info = parseInfo(infoBytes);
  assertEquals(info.infoHash, sha1(infoBytes));
  assertEquals(info.files, [{
    path: ["name"],
    length: 5,
    kind: "file",
  }]);
  const names = { windows: true, foldsCase: true };
  const renamed = parseInfo(encodeBencode({ ...SINGLE, name: "con" }), {
    names,
  });
  assertEquals(renamed.name, "_con");
});

Deno.test("parseInfo() refuses bytes that are more than one dictionary", () => {
  const infoBytes = encodeBencode(SINGLE);
  const longer = new Uint8Array([...infoBytes, 0x65]);
  assertThrows(() => parseInfo(longer), MetainfoError, "followed");
  assertThrows(() => parseInfo(infoBytes.subarray(1)), MetainfoError);
  assertThrows(() => parseInfo(infoBytes.subarray(0, -1)), BencodeError);
});

Deno.test("parseMetainfo() keeps names as they are written where safe ones differ", () => {
  const odd = fromLatin1("a\xff/..\x00");
  const { rawName, files } = parseMetainfo(multiple([
    { length: 1, path: ["..", odd] },
    { length: 1, path: ["p"], attr: "p" },
    { length: 1, path: ["b"], "path.utf-8": ["é"] },
    { length: 1, path: ["é"] },
    { length: 1, path: [".", "d"] },
  ], { name: odd }));
  assertEquals(rawName, odd);
  assertEquals(files.map(({ rawPath }) => rawPath?.map(latin1)), [
    ["..", latin1(odd)],
    undefined,
    undefined,
    // Of two files with one name the second gets a number.
    ["\xc3\xa9"],
    [".", "d"],
  ]);
});
