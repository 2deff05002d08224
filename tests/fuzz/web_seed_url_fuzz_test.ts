/**
 * Whatever a torrent calls its files, the URL of a file lies below that of the
 * web seed, and its path says the names byte by byte.
 */

import { assert, assertEquals } from "@std/assert";
import { fromLatin1 } from "../../src/bytes/bencode.ts";
import { fileUrl } from "../../src/metainfo/web_seed_url.ts";
import { seededRandom } from "../support/seeded_random.ts";

const ROUNDS = 20_000;

/** What means something in a URL, and whatever else there is. */
const PARTS = [
  ..."/\\.?#%&+;:@=[] \r\n\t\0|^`\"'<>{}~-_",
  "..",
  "%2e%2e",
  "%2F",
  "http://b.example/",
  "//b.example/",
  "\xff",
  "\xc3\xa9",
  "name",
];

function unescaped(text: string): string {
  return text.replace(
    /%([0-9A-F]{2})/g,
    (_, hex) => String.fromCharCode(parseInt(hex, 16)),
  );
}

Deno.test("fileUrl() stays below the web seed, whatever the names are", () => {
  const seed = 1;
  const random = seededRandom(seed);
  const pick = <T>(list: readonly T[]) =>
    list[Math.floor(random() * list.length)]!;
  const name = () =>
    Array.from(
      { length: Math.floor(random() * 4) },
      () =>
        random() < 0.1
          ? String.fromCharCode(Math.floor(random() * 256))
          : pick(PARTS),
    ).join("");
  let count = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const names = Array.from({ length: 1 + Math.floor(random() * 3) }, name);
    const isMultiFile = random() < 0.7;
    const path = isMultiFile ? names : names.slice(0, 1);
    const url = fileUrl(new URL("http://u:p@a.example/pub/"), {
      rawName: fromLatin1(path[0]!),
      isMultiFile,
    }, { path: [], rawPath: path.slice(1).map(fromLatin1) });
    const isNowhere = path.some((name) => name === "." || name === "..");
    assertEquals(url === undefined, isNowhere, `seed ${seed}: ${path}`);
    if (!url) continue;
    count++;
    assertEquals(url.origin, "http://a.example");
    assertEquals([url.search, url.hash], ["", ""]);
    assert(url.pathname.startsWith("/pub/"));
    const found = url.pathname.slice("/pub/".length).split("/").map(unescaped);
    const wanted = path.filter((name) => name !== "");
    assertEquals(found, wanted.length > 0 ? wanted : [""]);
    // It survives being written down and read again.
    assertEquals(new URL(url.href).href, url.href);
  }
  assert(count > ROUNDS / 2);
});
