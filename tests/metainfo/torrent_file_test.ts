import { assert, assertEquals } from "@std/assert";
import { encodeBencode, fromLatin1, latin1 } from "../../src/bytes/bencode.ts";
import { metainfoOf, parseMagnet } from "../../src/metainfo/magnet.ts";
import { parseMetainfo } from "../../src/metainfo/metainfo.ts";
import { encodeTorrent } from "../../src/metainfo/torrent_file.ts";
import { makeTorrent, type TorrentRecipe } from "../support/make_torrent.ts";
import { encodeHex } from "@std/encoding/hex";

Deno.test("encodeTorrent() writes what parseMetainfo() reads", async (t) => {
  const recipes: Record<string, TorrentRecipe> = {
    "nothing but the info dictionary": { files: 9 },
    "one tracker": { files: 9, trackers: ["http://a/announce"] },
    "tiers of trackers": {
      files: { a: 1, "b/c": 40_000 },
      extra: { "announce-list": [["http://a", "http://b"], ["udp://c"]] },
    },
    "everything else": {
      files: 9,
      info: { private: 1, source: "x" },
      extra: {
        comment: "µ",
        "created by": "somebody",
        "creation date": 1_234_567,
        httpseeds: ["http://c/"],
        nodes: [["1.2.3.4", 5], ["::1", 6], ["example.com", 7]],
        "url-list": ["http://a/", "http://b/"],
      },
    },
  };
  for (const [what, recipe] of Object.entries(recipes)) {
    await t.step(what, () => {
      const { metainfo } = makeTorrent(recipe);
      assertEquals(parseMetainfo(encodeTorrent(metainfo)), metainfo);
    });
  }
});

Deno.test("encodeTorrent() writes the same bytes as encodeBencode()", () => {
  const { metainfo, bytes } = makeTorrent({
    files: 9,
    extra: {
      announce: "http://a",
      "announce-list": [["http://a"], ["http://b"]],
      nodes: [["1.2.3.4", 5]],
      "url-list": ["http://a/"],
    },
  });
  assertEquals(latin1(encodeTorrent(metainfo)), latin1(bytes));
});

Deno.test("encodeTorrent() writes the info dictionary as it came", () => {
  // Keys out of order, one that nobody knows, leading zeros.
  const info = fromLatin1(
    `d6:lengthi009e4:name1:x1:zle12:piece lengthi16384e6:pieces20:${
      "h".repeat(20)
    }5:extrai1ee`,
  );
  const metainfo = parseMetainfo(
    fromLatin1(`d4:info${latin1(info)}e`),
  );
  const magnet = parseMagnet(encodeHex(metainfo.infoHash));
  const written = encodeTorrent(metainfoOf(magnet, info));
  assert(latin1(written).includes(latin1(info)));
  assertEquals(written, encodeBencodeAround(info));
  assertEquals(parseMetainfo(written).infoHash, metainfo.infoHash);
});

/** A file with nothing but an info dictionary. */
function encodeBencodeAround(info: Uint8Array): Uint8Array {
  const head = encodeBencode({ info: 0 });
  return fromLatin1(latin1(head).replace("i0e", () => latin1(info)));
}
