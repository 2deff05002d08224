import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  describeMagnet,
  describeTorrent,
  torrentRecord,
} from "../../src/cli/show.ts";
import { parseMagnet } from "../../src/metainfo/magnet.ts";
import { makeTorrent, type TorrentRecipe } from "../support/make_torrent.ts";

function described(recipe: TorrentRecipe): string[] {
  const text = describeTorrent(makeTorrent(recipe).metainfo);
  assertEquals(text.at(-1), "\n");
  return text.split("\n").slice(0, -1);
}

Deno.test("describeTorrent() says what a torrent holds", () => {
  const lines = described({
    name: "films",
    files: { "a.mkv": 70_000, "sub/b.srt": 1, "empty": 0 },
    info: { private: 1 },
    trackers: ["http://one.example/announce", "udp://two.example:80"],
    extra: {
      comment: "a comment",
      "created by": "mktorrent 1.1",
      "creation date": 1_700_000_000,
      httpseeds: ["http://seed.example/seed.php?key=secret"],
      "url-list": ["http://seed.example/films/"],
    },
  });
  assertMatch(lines[1]!, /^Info hash: [0-9a-f]{40}$/);
  assertEquals(lines.toSpliced(1, 1), [
    "Name: films",
    "Size: 68.4 KiB (70001 bytes)",
    "Pieces: 3 of 32.0 KiB",
    "Private: yes",
    "Comment: a comment",
    "Created by: mktorrent 1.1",
    "Created: 2023-11-14T22:13:20.000Z",
    "Tracker tier 1: http://one.example/announce",
    "Tracker tier 2: udp://two.example:80",
    "Web seed: http://seed.example/films/",
    "Web seed (BEP 17): http://seed.example/seed.php",
    "3 files:",
    "    1    68.4 KiB  films/a.mkv",
    "    2         1 B  films/sub/b.srt",
    "    3         0 B  films/empty",
  ]);
});

Deno.test("describeTorrent() marks programs, and says where links lead", () => {
  const link = (...target: string[]) => ({ attr: "l", "symlink path": target });
  const recipe = {
    name: "t",
    files: { "b/run": 5, l: 0, bad: 0 },
    fileInfo: {
      "b/run": { attr: "x" },
      l: link("b", "run"),
      bad: link("..", "x"),
    },
  };
  assertEquals(described(recipe).slice(-3), [
    "    1         5 B  t/b/run *",
    "    2        link  t/l -> t/b/run",
    "    3        link  t/bad -> nowhere",
  ]);
  const { metainfo } = makeTorrent(recipe);
  const { files } = torrentRecord(metainfo, {
    lints: [],
    stands: undefined,
  }) as { files: unknown[] };
  assertEquals(files, [
    { path: "t/b/run", length: 5, kind: "file", isExecutable: true },
    { path: "t/l", length: 0, kind: "symlink", target: "t/b/run" },
    { path: "t/bad", length: 0, kind: "symlink", target: null },
  ]);
});

Deno.test("describeTorrent() leaves out what is not there", () => {
  const lines = described({ name: "film", files: 1 });
  assertEquals(lines.toSpliced(1, 1), [
    "Name: film",
    "Size: 1 B (1 byte)",
    "Pieces: 1 of 32.0 KiB",
    "1 file:",
    "    1         1 B  film",
  ]);
});

Deno.test("describeTorrent() shows what strangers say without harm", () => {
  const evil = "\x1b]0;owned\x07\r\n\x9b2J\u202e";
  const lines = described({
    name: evil,
    files: { [`${evil}`]: 5, [`x/${evil}.txt`]: 5 },
    trackers: [
      `http://h/announce?${evil}`,
      evil,
      "http://user:secret@h/announce?passkey=secret",
      "udp://h/0123456789abcdef0123456789abcdef",
    ],
    extra: {
      comment: evil,
      "created by": evil,
      "creation date": Number.MAX_SAFE_INTEGER,
      "url-list": [`ftp://user:secret@h/${evil}`, evil],
    },
  });
  for (const line of lines) {
    assert(!/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(line), JSON.stringify(line));
    assert(!/secret|0123456789abcdef/.test(line), line);
  }
  assert(lines.includes("Comment: \\x1b]0;owned\\x07\\x0d\\x0a\\x9b2J\\u202e"));
  assert(!lines.some((line) => line.startsWith("Created: ")));
});

Deno.test("describeMagnet() says what a link says, without secrets or harm", () => {
  const hash = "0123456789abcdef0123456789abcdef01234567";
  assertEquals(
    describeMagnet(parseMagnet(hash)),
    `Info hash: ${hash}\n`,
  );
  const link = parseMagnet(
    `magnet:?xt=urn:btih:${hash}&dn=a%1b%5b2Jb` +
      "&tr=http://user:secret@h/announce?passkey=secret" +
      "&tr=udp://h:80&ws=http://w/x&x.pe=192.0.2.1:6881&x.pe=%5b::1%5d:80",
  );
  const v2 = `${hash}000000000000000000000000`;
  assertEquals(
    describeMagnet(parseMagnet(`magnet:?xt=urn:btmh:1220${v2}`)),
    `Info hash v2: ${v2}\n`,
  );
  const lines = describeMagnet(link).trimEnd().split("\n");
  for (const line of lines) assert(!/secret|[\p{Cc}]/u.test(line), line);
  assertEquals(lines.filter((line) => !line.includes("announce")), [
    "Name: a\\x1b[2Jb",
    `Info hash: ${hash}`,
    "Tracker tier 2: udp://h:80",
    "Web seed: http://w/x",
    "Peer: 192.0.2.1:6881",
    "Peer: [::1]:80",
  ]);
});
