import {
  type BencodeInput,
  encodeBencode,
  fromLatin1,
  latin1,
} from "../../src/bytes/bencode.ts";
import { findLints } from "../../src/metainfo/lints.ts";
import { parseMetainfo } from "../../src/metainfo/metainfo.ts";
import { makeTorrent, type TorrentRecipe } from "../support/make_torrent.ts";
import { assertEquals } from "@std/assert";

function codes(bytes: Uint8Array): string[] {
  const metainfo = parseMetainfo(bytes);
  return findLints(bytes, metainfo).map(({ code }) => code);
}

/** A torrent with a tracker; nothing else is to be warned of. */
function made(recipe: Partial<TorrentRecipe>): Uint8Array {
  return makeTorrent({ files: 9, trackers: ["http://a/"], ...recipe }).bytes;
}

function v2(tree: BencodeInput): Uint8Array {
  return encodeBencode({
    announce: "http://a/",
    info: {
      "file tree": tree,
      "meta version": 2,
      name: "n",
      "piece length": 16_384,
    },
  });
}

const ROOT = new Uint8Array(32).fill(1);
const LEAF = { "": { length: 5, "pieces root": ROOT } };
const INFO = "4:infod6:lengthi0e4:name1:n12:piece lengthi16384e6:pieces0:e";

Deno.test("findLints() finds nothing in a torrent as it should be", () => {
  assertEquals(codes(made({})), []);
  assertEquals(codes(made({ files: { "a b/ü.txt": 5, "c": 0 } })), []);
});

Deno.test("findLints() finds what makes trouble", async (t) => {
  const table: [bytes: Uint8Array, code: string | string[]][] = [
    [fromLatin1(`${latin1(made({}))}\n`), "trailing-bytes"],
    [fromLatin1(`d8:announce9:http://a/${INFO}1:a0:e`), "unsorted-keys"],
    [
      fromLatin1(`d8:announce9:http://a/8:announce9:http://b/${INFO}e`),
      "duplicate-key",
    ],
    [
      fromLatin1(
        "d8:announce9:http://a/4:infod4:name1:n6:lengthi0e12:piece lengthi16384e6:pieces0:ee",
      ),
      "unsorted-keys",
    ],
    [made({ trackers: [] }), "no-tracker"],
    [made({ trackers: [], info: { private: 1 } }), "private-without-tracker"],
    [
      made({ info: { private: 1 }, extra: { nodes: [["192.0.2.1", 1]] } }),
      "private-with-nodes",
    ],
    [made({ trackers: ["wss://a/"] }), "tracker-url"],
    [made({ trackers: ["http://"] }), "tracker-url"],
    [made({ extra: { "url-list": "ftp://a/" } }), "web-seed-url"],
    [made({ pieceLength: 20_000 }), "piece-length"],
    [made({ pieceLength: 8192 }), "piece-length"],
    [made({ pieceLength: 2 ** 25 }), "piece-length"],
    [made({ info: { x: new Uint8Array(2 ** 20) } }), "large-metadata"],
    [made({ files: { "a\x01b": 5 } }), ["unsafe-name"]],
    [made({ files: { "../b": 5 } }), ["unsafe-name"]],
    [made({ name: "a\x01b" }), "unsafe-name"],
    [made({ files: { "a:b": 5 } }), "windows-name"],
    [made({ files: { "con": 5 } }), "windows-name"],
    [made({ files: { "a": 5, "A": 5 } }), "case"],
    [
      made({
        info: {
          length: undefined as never,
          files: [{ length: 9, path: ["a"] }, { length: 0, path: ["a"] }],
        },
      }),
      "same-name",
    ],
    [
      v2({ a: { "": { length: 20_000, "pieces root": ROOT } } }),
      "no-piece-layer",
    ],
    [v2({ a: { "": { attr: "l", "symlink path": ["b"] } }, b: LEAF }), [
      "symlink",
    ]],
    [v2({ a: { "": { length: 0, attr: "l" } } }), ["symlink", "bad-symlink"]],
    [v2({ "a:b": LEAF }), "windows-name"],
  ];
  for (const [bytes, code] of table) {
    await t.step(`${code}`, () => assertEquals(codes(bytes), [code].flat()));
  }
});
