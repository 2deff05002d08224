import { assertEquals } from "@std/assert";
import { fromLatin1 } from "../../src/bytes/bencode.ts";
import { PieceLayout } from "../../src/metainfo/layout.ts";
import {
  fileUrl,
  parseWebSeedUrl,
  pieceUrl,
  webSeedPlaces,
} from "../../src/metainfo/web_seed_url.ts";

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

Deno.test("parseWebSeedUrl() takes what may be asked, and nothing else", async (t) => {
  const table: [text: string, url: string | undefined][] = [
    ["http://a.example/x", "http://a.example/x"],
    ["HTTPS://A.example", "https://a.example/"],
    ["http://a.example/with blank/", "http://a.example/with%20blank/"],
    ["http://a.example/é#part", "http://a.example/%C3%A9"],
    ["http://u:p@a.example/", "http://u:p@a.example/"],
    ["http://a.example/?x=1", "http://a.example/?x=1"],
    ["http://127.0.0.1:8080/x", "http://127.0.0.1:8080/x"],
    ["http://127.0.0.1/?reboot=1", undefined],
    ["http://router/?reboot=1", undefined],
    ["http://192.168.1.1/?reboot=1", undefined],
    ["http://[::1]/?reboot=1", undefined],
    ["file:///etc/passwd", undefined],
    ["data:,x", undefined],
    ["ftp://a.example/", undefined],
    ["//a.example/", undefined],
    ["http:///a.example/", undefined],
    ["http:a.example", undefined],
    ["http://a.example:0/", undefined],
    ["http://a.example/\r\nHost: b", undefined],
    ["http://a.example/\u0085", undefined],
    ["http:// a.example/", undefined],
    ["http://[::1", undefined],
    ["", undefined],
    [`http://a.example/${"x".repeat(8192)}`, undefined],
  ];
  for (const [text, url] of table) {
    await t.step(JSON.stringify(text.slice(0, 40)), () => {
      assertEquals(parseWebSeedUrl(text)?.href, url);
    });
  }
  await t.step("the user may name a query nearby", () => {
    const text = "http://127.0.0.1/?x=1";
    assertEquals(parseWebSeedUrl(text, { isTrusted: true })?.href, text);
  });
});

Deno.test("fileUrl() names the one file of a torrent", async (t) => {
  const table: [seed: string, name: string, url: string][] = [
    ["http://a.example/x.iso", "name", "http://a.example/x.iso"],
    ["http://a.example/pub/", "name", "http://a.example/pub/name"],
    ["http://a.example", "a b", "http://a.example/a%20b"],
    ["http://a.example/?f=x", "name", "http://a.example/name?f=x"],
    ["http://a.example/x?f=x", "name", "http://a.example/x?f=x"],
    ["http://a.example/x?f=/pub/", "n&m", "http://a.example/x?f=/pub/n%26m"],
  ];
  for (const [seed, name, url] of table) {
    await t.step(`${name} at ${seed}`, () => {
      const info = { rawName: utf8(name), isMultiFile: false };
      const found = fileUrl(new URL(seed), info, { path: [name] });
      assertEquals(found?.href, url);
    });
  }
});

Deno.test("fileUrl() names the files in a torrent's folder", async (t) => {
  const table: [seed: string, path: string[], url: string][] = [
    ["http://a.example/pub", ["f"], "http://a.example/pub/top/f"],
    ["http://a.example/pub/", ["d", "f"], "http://a.example/pub/top/d/f"],
    ["http://a.example/?k=v", ["f"], "http://a.example/top/f?k=v"],
    ["http://a.example/%20/", ["f"], "http://a.example/%20/top/f"],
    ["http://a.example/?d=/x/", ["f"], "http://a.example/?d=/x/top/f"],
  ];
  for (const [seed, path, url] of table) {
    await t.step(url, () => {
      const info = { rawName: utf8("top"), isMultiFile: true };
      const rawPath = path.map(utf8);
      assertEquals(
        fileUrl(new URL(seed), info, { path: [], rawPath })?.href,
        url,
      );
    });
  }
});

Deno.test("fileUrl() escapes whatever a name may hold", async (t) => {
  const table: [name: Uint8Array, escaped: string][] = [
    [utf8("a b"), "a%20b"],
    [utf8("100%"), "100%25"],
    [utf8("%41%2e%2e"), "%2541%252e%252e"],
    [utf8("#1?"), "%231%3F"],
    [utf8("a+b&c=d;e"), "a%2Bb%26c%3Dd%3Be"],
    [
      utf8("[x] @home: 'y' (z)!*,$~"),
      "%5Bx%5D%20%40home%3A%20%27y%27%20%28z%29%21%2A%2C%24~",
    ],
    [utf8("a\\b/c"), "a%5Cb%2Fc"],
    [utf8("..\\.."), "..%5C.."],
    [utf8("..."), "..."],
    [utf8(".hidden"), ".hidden"],
    [utf8("\r\n\0"), "%0D%0A%00"],
    [utf8("é日🎬"), "%C3%A9%E6%97%A5%F0%9F%8E%AC"],
    [fromLatin1("\xe9\xff\x80"), "%E9%FF%80"],
    [fromLatin1("\xed\xa0\x80"), "%ED%A0%80"],
    [utf8("n".repeat(255)), "n".repeat(255)],
  ];
  for (const [name, escaped] of table) {
    await t.step(escaped.slice(0, 40), () => {
      const url = fileUrl(new URL("http://a.example/"), {
        rawName: name,
        isMultiFile: true,
      }, { path: [], rawPath: [name] });
      assertEquals(url?.href, `http://a.example/${escaped}/${escaped}`);
      const alone = fileUrl(new URL("http://a.example/"), {
        rawName: name,
        isMultiFile: false,
      }, { path: [], rawPath: [name] });
      assertEquals(alone?.href, `http://a.example/${escaped}`);
    });
  }
});

Deno.test("fileUrl() gives up where a URL would mean something else", () => {
  const seed = new URL("http://a.example/pub/");
  const at = (top: string, ...path: string[]) =>
    fileUrl(seed, { rawName: utf8(top), isMultiFile: true }, {
      path: ["top", ...path],
    })?.href;
  assertEquals(at("top", "..", "f"), undefined);
  assertEquals(at("..", "f"), undefined);
  assertEquals(at("top", ".", "f"), undefined);
  assertEquals(at("top", "d", "..", ".."), undefined);
  assertEquals(at("top", "", "f"), "http://a.example/pub/top/f");
  assertEquals(at("top", ...Array(40).fill("é".repeat(127))), undefined);
});

Deno.test("pieceUrl() asks for a piece, or for a part of it", () => {
  const info = {
    infoHash: Uint8Array.from({ length: 20 }, (_, i) => i * 13),
    layout: new PieceLayout(65_536, [100_000]),
  };
  const hash = "%00%0D%1A%274AN%5Bhu%82%8F%9C%A9%B6%C3%D0%DD%EA%F7";
  const seed = new URL("http://a.example/seed.php");
  const part = { index: 0, begin: 16_384, length: 32_768 };
  assertEquals(
    pieceUrl(seed, info, part).href,
    `${seed}?info_hash=${hash}&piece=0&ranges=16384-49151`,
  );
  assertEquals(
    pieceUrl(seed, info, { index: 1, begin: 0, length: 34_464 }).href,
    `${seed}?info_hash=${hash}&piece=1`,
  );
  assertEquals(
    pieceUrl(new URL("http://a.example/?k=v"), info, {
      index: 0,
      begin: 0,
      length: 65_536,
    }).href,
    `http://a.example/?k=v&info_hash=${hash}&piece=0`,
  );
});

Deno.test("webSeedPlaces() lists every web seed once", () => {
  const { places, unusable } = webSeedPlaces({
    webSeeds: ["http://a.example/", "file:///x", "http://127.0.0.1/?x"],
    httpSeeds: ["http://p.example/?k=v", "http://A.example"],
  }, ["http://127.0.0.1/?y", "http://a.example/#z"]);
  assertEquals(
    places.map(({ url, givesPieces, isTrusted }) => [
      url.href,
      givesPieces,
      isTrusted,
    ]),
    [
      ["http://127.0.0.1/?y", false, true],
      ["http://a.example/", false, true],
      ["http://p.example/?k=v", true, false],
    ],
  );
  assertEquals(unusable, ["file:///x", "http://127.0.0.1/?x"]);
});
