import {
  distinctPaths,
  LINUX_NAMES,
  MAX_NAME_BYTES,
  type NameRules,
  safeName,
  safePath,
  shortenName,
} from "../../src/metainfo/safe_path.ts";
import vectors from "../../testdata/path_vectors.json" with { type: "json" };
import { assert, assertEquals } from "@std/assert";
import { decodeHex } from "@std/encoding/hex";

const WINDOWS_NAMES: NameRules = { windows: true, foldsCase: true };
const MAC_NAMES: NameRules = { windows: false, foldsCase: true };

interface PathVector {
  elements?: string[];
  hex?: string[];
}

interface SetVector {
  path: string;
  pad?: boolean;
  expect: string;
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function hex(text: string): Uint8Array {
  return decodeHex(text.replaceAll(" ", ""));
}

/** What holds for every name, whatever it was made of. */
function assertConfined(name: string): void {
  assert(name !== "" && name !== "." && name !== "..", name);
  // deno-lint-ignore no-control-regex
  assert(!/[\/\\\x00-\x1f\x7f-\x9f]/.test(name), name);
  assert(!/[\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/.test(name), name);
  assert(name.isWellFormed(), name);
  assert(utf8(name).length <= 255, name);
}

Deno.test("safePath() keeps every vector below the download folder", () => {
  for (const { elements, hex } of vectors.paths as PathVector[]) {
    const raw = hex?.map((text) => decodeHex(text)) ??
      elements!.map((text) => utf8(text));
    for (const rules of [LINUX_NAMES, WINDOWS_NAMES]) {
      const path = safePath(raw, rules);
      if (typeof path === "string") {
        assertEquals(path, "has no usable name");
        assert(
          raw.every((element) =>
            /^[. ]*$/.test(String.fromCharCode(...element))
          ),
        );
        continue;
      }
      assert(path.length > 0 && path.length <= raw.length);
      for (const name of path) assertConfined(name);
    }
  }
});

Deno.test("safeName() rewrites what is special", async (t) => {
  const table: [raw: Uint8Array, name: string | undefined][] = [
    [utf8("plain name.txt"), "plain name.txt"],
    [utf8("Ünïcödé ✓ 日本語 💈"), "Ünïcödé ✓ 日本語 💈"],
    [utf8(" spaces stay "), " spaces stay "],
    [utf8("dots..."), "dots..."],
    [utf8(".bashrc"), ".bashrc"],
    [utf8("e\u0301"), "e\u0301"],
    [utf8(""), undefined],
    [utf8("."), undefined],
    [utf8(".."), "__"],
    [utf8("..."), "..."],
    [utf8("../../x"), ".._.._x"],
    [utf8("..\\..\\x"), ".._.._x"],
    [utf8("/etc/passwd"), "_etc_passwd"],
    [utf8("a\0b"), "a_b"],
    [utf8("a\nb\rc\td"), "a_b_c_d"],
    [utf8("\x1b]0;x\x07"), "_]0;x_"],
    [utf8("del\x7f c1\x9b31m"), "del_ c1_31m"],
    [utf8("bidi\u202egpj.exe"), "bidigpj.exe"],
    [utf8("\u2066isolated\u2069"), "isolated"],
    [utf8("z\u200bero\u2060 width\ufeff"), "zero width"],
    [utf8("lines\u2028and\u2029paragraphs"), "linesandparagraphs"],
    [utf8("soft\u00adhyphen"), "softhyphen"],
    [utf8("\ufeff"), undefined],
    [utf8(".\u200b."), "__"],
    [hex("ff"), "_"],
    [hex("fe"), "_"],
    [hex("66 c0 ae 66"), "f__f"],
    [hex("61 ed a0 80 62"), "a___b"],
    [hex("f0 9f 92"), "_"],
  ];
  for (const [raw, name] of table) {
    await t.step(JSON.stringify(name) ?? "nothing", () => {
      assertEquals(safeName(raw, LINUX_NAMES), name);
      if (name) assertConfined(name);
    });
  }
});

Deno.test("safeName() leaves to Linux what only Windows reserves", async (t) => {
  const table: [raw: string, windows: string | undefined][] = [
    ["con", "_con"],
    ["CON.txt", "_CON.txt"],
    ["nul .tar.gz", "_nul .tar.gz"],
    ["COM1", "_COM1"],
    ["lpt9.x", "_lpt9.x"],
    ["com\u00b9", "_com\u00b9"],
    ["com10", "com10"],
    ["console", "console"],
    ['a<b>c:d"e|f?g*h', "a_b_c_d_e_f_g_h"],
    ["C:", "C_"],
    ["trailing. . .", "trailing"],
    ["...", undefined],
    ["   ", undefined],
    ["con. ", "_con"],
    [`nul${" ".repeat(300)}x`, "_nul"],
    [`con.${"x".repeat(300)}`, `_con.${"x".repeat(250)}`],
  ];
  for (const [raw, windows] of table) {
    await t.step(raw.slice(0, 20), () => {
      const linux = safeName(utf8(raw), LINUX_NAMES);
      assertEquals(linux, shortenName(raw, MAX_NAME_BYTES));
      const name = safeName(utf8(raw), WINDOWS_NAMES);
      assertEquals(name, windows);
      if (name) assertConfined(name);
    });
  }
});

Deno.test('safeName() never makes of ".." a name that goes up, on Windows neither', () => {
  assertEquals(safeName(utf8(".."), WINDOWS_NAMES), "__");
  assertEquals(safeName(utf8(".. "), WINDOWS_NAMES), undefined);
});

Deno.test("safeName() counts bytes, not characters", () => {
  const name = safeName(utf8("あ".repeat(86)), LINUX_NAMES);
  assertEquals(name, "あ".repeat(85));
});

Deno.test("shortenName() keeps the ending and cuts between characters", async (t) => {
  const table: [name: string, maxBytes: number, short: string][] = [
    ["short.txt", 255, "short.txt"],
    ["abcdef.txt", 10, "abcdef.txt"],
    ["abcdef.txt", 9, "abcde.txt"],
    ["aあb.txt", 8, "aあ.txt"],
    ["aあb.txt", 7, "a.txt"],
    ["a💈b", 4, "a"],
    ["a💈b", 5, "a💈"],
    ["no ending", 2, "no"],
    [".hidden", 3, ".hi"],
    [`x.${"y".repeat(40)}`, 10, "x.yyyyyyyy"],
    [`x.${"y".repeat(31)}`, 32, `.${"y".repeat(31)}`],
  ];
  for (const [name, maxBytes, short] of table) {
    await t.step(short, () => {
      assertEquals(shortenName(name, maxBytes), short);
    });
  }
});

Deno.test("safePath() skips elements without a name and refuses when none is left", () => {
  const table: [elements: string[], path: string[] | string][] = [
    [["a", "b"], ["a", "b"]],
    [["", "a", ".", "b", ""], ["a", "b"]],
    [["a", "..", "b"], ["a", "__", "b"]],
    [["..", "..", "b"], ["__", "__", "b"]],
    [[], "has no usable name"],
    [["", ".", "\u200b"], "has no usable name"],
  ];
  for (const [elements, path] of table) {
    assertEquals(safePath(elements.map(utf8), LINUX_NAMES), path);
  }
});

Deno.test("safePath() refuses what is too deep or too long", () => {
  const deep = (depth: number) =>
    safePath(Array(depth).fill(utf8("d")), LINUX_NAMES);
  assertEquals(deep(100).length, 100);
  assertEquals(deep(101), "is more than 100 folders deep");
  assertEquals(deep(200), "is more than 100 folders deep");
  const long = (bytes: number) =>
    safePath(
      [
        ...Array(bytes / 250 - 1).fill(utf8("x".repeat(249))),
        utf8("y".repeat(249)),
      ],
      LINUX_NAMES,
    );
  assertEquals(long(3000).length, 12);
  assertEquals(long(3250), "is longer than 3000 bytes");
});

function distinct(paths: readonly string[], rules: NameRules): string[] {
  return distinctPaths(paths.map((path) => path.split("/")), rules)
    .map((path) => path.join("/"));
}

/** Paths by the rules of a file system, old on the left and new on the right. */
const MEETINGS: [
  name: string,
  rules: NameRules,
  paths: Record<string, string>[],
][] = [
  ["the same path again and again", LINUX_NAMES, [
    { "t/a.txt": "t/a.txt" },
    { "t/a.txt": "t/a.1.txt" },
    { "t/a.txt": "t/a.2.txt" },
  ]],
  ["a number that is taken", LINUX_NAMES, [
    { "a": "a" },
    { "a.1": "a.1" },
    { "a": "a.2" },
    { "a.2": "a.1.2" },
  ]],
  ["a file where a folder must be", LINUX_NAMES, [
    { "a": "a.1" },
    { "a/b": "a/b" },
  ]],
  ["a folder after the file", LINUX_NAMES, [
    { "a/b/c": "a/b/c" },
    { "a/b": "a/b.1" },
    { "a": "a.1" },
  ]],
  ["a new name that is a folder too", LINUX_NAMES, [
    { "a": "a.2" },
    { "a/b": "a/b" },
    { "a.1/c": "a.1/c" },
  ]],
  ["folders that only begin alike", LINUX_NAMES, [
    { "a": "a" },
    { "a.bar/b": "a.bar/b" },
    { "a b/c": "a b/c" },
    { "ab/c": "ab/c" },
  ]],
  ["case and Unicode form on Linux", LINUX_NAMES, [
    { "a": "a" },
    { "A": "A" },
    { "\u00e9": "\u00e9" },
    { "e\u0301": "e\u0301" },
  ]],
  ["case and Unicode form where they do not count", MAC_NAMES, [
    { "a": "a" },
    { "A": "A.1" },
    { "\u00e9": "\u00e9" },
    { "E\u0301": "E\u0301.1" },
  ]],
  ["letters with two forms", MAC_NAMES, [
    { "ΟΔΟΣ": "ΟΔΟΣ" },
    { "οδος": "οδος.1" },
    { "οδοσ": "οδοσ.2" },
    { "\u212a": "\u212a" },
    { "k": "k.1" },
    { "straße": "straße" },
    { "STRASSE": "STRASSE.1" },
    { "STRA\u1e9eE": "STRA\u1e9eE.2" },
  ]],
  ["folders whose case differs", MAC_NAMES, [
    { "A/x": "A/x" },
    { "a/x": "a/x.1" },
    { "a/y": "a/y" },
    { "a": "a.1" },
  ]],
];

Deno.test("distinctPaths() gives every file a path of its own", async (t) => {
  for (const [name, rules, pairs] of MEETINGS) {
    await t.step(name, () => {
      const old = pairs.flatMap((pair) => Object.keys(pair));
      assertEquals(
        distinct(old, rules),
        pairs.flatMap((pair) => Object.values(pair)),
      );
    });
  }
});

Deno.test("distinctPaths() agrees with libtorrent about sets without pads", () => {
  const sets = (vectors.sets as SetVector[][])
    .filter((set) => !set.some((file) => file.pad));
  assertEquals(sets.length, 6);
  for (const set of sets) {
    assertEquals(
      distinct(set.map(({ path }) => path), MAC_NAMES),
      set.map(({ expect }) => expect),
    );
  }
});

Deno.test("distinctPaths() keeps new names within 255 bytes", () => {
  const long = "あ".repeat(83) + ".mkv";
  const paths = distinct([long, long, long], LINUX_NAMES);
  assertEquals(paths, [
    long,
    "あ".repeat(81) + ".1.mkv",
    "あ".repeat(81) + ".2.mkv",
  ]);
  for (const path of paths) assertConfined(path);
});

Deno.test("distinctPaths() tells names apart that only their length made equal", () => {
  const stem = "x".repeat(245);
  const names = ["0000000001", "0000000002", "0000000003"].map((end) =>
    stem + end
  );
  const paths = distinct([...names, ...names], LINUX_NAMES);
  assertEquals(new Set(paths).size, 6);
  for (const path of paths) assertConfined(path);
});

Deno.test("distinctPaths() takes time for each file, not for each pair", () => {
  const names = Array.from(
    { length: 20_000 },
    (_, i) => "x".repeat(245) + String(i).padStart(10, "0"),
  );
  const long = distinct([...names, ...names], LINUX_NAMES);
  assertEquals(new Set(long).size, 40_000);
  const same = distinct(Array(40_000).fill("same"), LINUX_NAMES);
  assertEquals(new Set(same).size, 40_000);
  const counted = Array.from({ length: 20_000 }, (_, i) => `same.${i}`);
  const met = distinct(
    [...counted, ...Array(20_000).fill("same")],
    LINUX_NAMES,
  );
  assertEquals(new Set(met).size, 40_000);
});
