import { assertEquals, assertLess, assertThrows } from "@std/assert";
import { decodeHex, encodeHex } from "@std/encoding/hex";
import { fromLatin1, latin1 } from "../../src/bytes/bencode.ts";
import {
  decodeAnnouncement,
  encodeAnnouncement,
  LSD_GROUPS,
} from "../../src/lsd/announcement.ts";

const A = "a1".repeat(20);
const B = "b2".repeat(20);

/** A packet of these lines, as BEP 14 ends them. */
function packet(...lines: string[]): Uint8Array {
  return fromLatin1([...lines, "", "", ""].join("\r\n"));
}

const FIRST = "BT-SEARCH * HTTP/1.1";

Deno.test("encodeAnnouncement() writes as BEP 14 prints it", () => {
  const infoHashes = [A, B].map(decodeHex);
  const [ipv4, ipv6] = LSD_GROUPS;
  assertEquals(
    latin1(
      encodeAnnouncement({ port: 6881, infoHashes, cookie: "name" }, ipv4!),
    ),
    `BT-SEARCH * HTTP/1.1\r
Host: 239.192.152.143:6771\r
Port: 6881\r
Infohash: ${A}\r
Infohash: ${B}\r
cookie: name\r
\r
\r
`,
  );
  assertEquals(
    latin1(
      encodeAnnouncement({ port: 1, infoHashes: [], cookie: undefined }, ipv6!),
    ),
    `BT-SEARCH * HTTP/1.1\r
Host: [ff15::efc0:988f]:6771\r
Port: 1\r
\r
\r
`,
  );
});

Deno.test("encodeAnnouncement() stays below 1400 bytes", () => {
  const infoHashes = Array(20).fill(decodeHex(A));
  const cookie = "c".repeat(16);
  const [, group] = LSD_GROUPS;
  const most = { port: 65_535, infoHashes, cookie };
  assertLess(encodeAnnouncement(most, group!).length, 1400);
  const more = { ...most, infoHashes: [...infoHashes, decodeHex(B)] };
  assertThrows(() => encodeAnnouncement(more, group!), RangeError);
});

Deno.test("decodeAnnouncement() reads what others send", async (t) => {
  const table: [
    what: string,
    lines: string[],
    port: number,
    hashes: string[],
    cookie?: string,
  ][] = [
    [
      "libtorrent",
      [
        FIRST,
        "Host: 239.192.152.143:6771",
        "Port: 6881",
        `Infohash: ${A}`,
        "cookie: 1f3b5c",
      ],
      6881,
      [A],
      "1f3b5c",
    ],
    [
      "capitals, and no blanks",
      ["bt-search * http/1.0", "PORT:1", `INFOHASH:${A.toUpperCase()}`],
      1,
      [A],
    ],
    [
      "several torrents, of which some cannot be",
      [
        FIRST,
        "Port: 65535",
        `Infohash: ${A}`,
        `Infohash: ${A}0`,
        "Infohash: x",
        "Infohash:",
        `Infohash: ${B}  `,
      ],
      65_535,
      [A, B],
    ],
    [
      "other headers, and lines that are none",
      [FIRST, "X-What: ever", "nonsense", ": x", "Port: 5", `Infohash: ${A}`],
      5,
      [A],
    ],
    [
      "a cookie that is too long",
      [FIRST, "Port: 5", `Infohash: ${A}`, `cookie: ${"x".repeat(65)}`],
      5,
      [A],
    ],
    [
      "a body",
      [FIRST, "Port: 5", `Infohash: ${A}`, "", `Infohash: ${B}`, "Port: 6"],
      5,
      [A],
    ],
  ];
  for (const [what, lines, port, hashes, cookie] of table) {
    await t.step(what, () => {
      const found = decodeAnnouncement(packet(...lines));
      assertEquals(
        found && { ...found, infoHashes: found.infoHashes.map(encodeHex) },
        { port, infoHashes: hashes, cookie },
      );
    });
  }
});

Deno.test("decodeAnnouncement() reads lines without carriage returns", () => {
  const bytes = fromLatin1(`${FIRST}\nPort: 5\nInfohash: ${A}\n\n`);
  assertEquals(decodeAnnouncement(bytes)?.port, 5);
});

Deno.test("decodeAnnouncement() reads what encodeAnnouncement() writes", () => {
  const announcement = {
    port: 51_413,
    infoHashes: [A, B].map(decodeHex),
    cookie: "0123456789abcdef",
  };
  for (const group of LSD_GROUPS) {
    assertEquals(
      decodeAnnouncement(encodeAnnouncement(announcement, group)),
      announcement,
    );
  }
});

Deno.test("decodeAnnouncement() ignores what is no announcement", async (t) => {
  const hash = `Infohash: ${A}`;
  const table: Record<string, Uint8Array> = {
    "nothing": new Uint8Array(0),
    "noise": Uint8Array.from({ length: 200 }, (_, i) => i),
    "another request": packet("M-SEARCH * HTTP/1.1", "Port: 5", hash),
    "another protocol": packet("BT-SEARCH * HTTP/2", "Port: 5", hash),
    "no port": packet(FIRST, hash),
    "port 0": packet(FIRST, "Port: 0", hash),
    "port 65536": packet(FIRST, "Port: 65536", hash),
    "a negative port": packet(FIRST, "Port: -5", hash),
    "a port in hex": packet(FIRST, "Port: 0x5", hash),
    "a long port": packet(FIRST, `Port: ${"0".repeat(500)}5`, hash),
    "no torrent": packet(FIRST, "Port: 5"),
    "a torrent that cannot be": packet(FIRST, "Port: 5", hash.slice(0, -1)),
    "too much": packet(FIRST, "Port: 5", ...Array(40).fill(hash)),
  };
  for (const [what, bytes] of Object.entries(table)) {
    await t.step(what, () => {
      assertEquals(decodeAnnouncement(bytes), undefined);
    });
  }
});
