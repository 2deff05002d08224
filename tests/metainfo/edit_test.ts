import {
  type BencodeInput,
  encodeBencode,
  fromLatin1,
  latin1,
} from "../../src/bytes/bencode.ts";
import { BencodeError, MetainfoError } from "../../src/errors.ts";
import { editTorrent } from "../../src/metainfo/edit.ts";
import { parseMetainfo } from "../../src/metainfo/metainfo.ts";
import { makeTorrent } from "../support/make_torrent.ts";
import { assert, assertEquals, assertThrows } from "@std/assert";

const { bytes } = makeTorrent({
  files: 9,
  trackers: ["http://a/", "http://b/"],
  info: { unknown: { z: 1 } },
  extra: { comment: "c", "url-list": "http://w/", unknown: [1, "x"] },
});
const BEFORE = parseMetainfo(bytes);

/** What a torrent says now. */
function edited(changes: Parameters<typeof editTorrent>[1]) {
  const after = editTorrent(bytes, changes);
  assert(latin1(after).includes("7:unknownli1e1:xe"), "what we do not know");
  return parseMetainfo(after);
}

Deno.test("editTorrent() changes nothing when nothing is to change", () => {
  assertEquals(editTorrent(bytes, {}), bytes);
});

Deno.test("editTorrent() changes what it is told, and not the info dictionary", () => {
  const tiers = [["udp://x:1", "udp://y:2"], ["http://z/"]];
  const table = [
    [{ announceTiers: tiers }, { announceTiers: tiers }],
    [{ announceTiers: [["http://x/"]] }, { announceTiers: [["http://x/"]] }],
    [{ announceTiers: [] }, { announceTiers: [] }],
    [{ webSeeds: ["http://v/", "http://u/"] }, {
      webSeeds: ["http://v/", "http://u/"],
    }],
    [{ webSeeds: [] }, { webSeeds: [] }],
    [{ comment: "new" }, { comment: "new" }],
    [{ comment: "" }, { comment: undefined }],
  ] as const;
  for (const [changes, expected] of table) {
    const after = edited(changes);
    assertEquals(after.infoBytes, BEFORE.infoBytes);
    assertEquals({ ...after, layout: 0 }, {
      ...BEFORE,
      layout: 0,
      ...expected,
    } as never);
  }
});

Deno.test("editTorrent() makes another torrent private, and public as before", () => {
  const secret = editTorrent(bytes, { isPrivate: true });
  const after = parseMetainfo(secret);
  assert(after.isPrivate);
  assert(latin1(after.infoBytes).includes("7:privatei1e7:unknownd1:zi1ee"));
  assertEquals(editTorrent(secret, { isPrivate: false }), bytes);
});

Deno.test("editTorrent() sorts keys, drops repeated ones and what follows", () => {
  const info = latin1(BEFORE.infoBytes);
  const messy = fromLatin1(`d7:comment1:a4:info${info}7:comment1:b1:a1:xetail`);
  assertEquals(
    latin1(editTorrent(messy, {})),
    `d1:a1:x7:comment1:a4:info${info}e`,
  );
});

Deno.test("editTorrent() refuses what is no torrent", () => {
  assertThrows(() => editTorrent(fromLatin1("le"), {}), MetainfoError);
  assertThrows(() => editTorrent(fromLatin1("d1"), {}), BencodeError);
  const none: BencodeInput = { comment: "x" };
  assertThrows(
    () => editTorrent(encodeBencode(none), { isPrivate: true }),
    MetainfoError,
  );
});
