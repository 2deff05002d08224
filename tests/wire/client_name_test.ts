import { assertEquals, assertMatch } from "@std/assert";
import { clientName } from "../../src/wire/client_name.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";

/** A peer id from text, each character one byte, padded to 20 of them. */
function peerId(text: string): Uint8Array {
  return Uint8Array.from(
    text.padEnd(20, "."),
    (character) => character.charCodeAt(0),
  );
}

Deno.test("clientName() knows the programs in use", async (t) => {
  const table: [peerId: string, name: string][] = [
    ["-TR4000-", "Transmission 4.0.0"],
    ["-TR2940-", "Transmission 2.9.4"],
    ["-qB4520-", "qBittorrent 4.5.2"],
    ["-LT20B0-", "libtorrent 2.0.11"],
    ["-lt0D80-", "rTorrent 0.13.8"],
    ["-UT355S-", "µTorrent 3.5.5"],
    ["-UT170-\x00\xaf", "µTorrent 1.7.0"],
    ["-AZ5760-", "Vuze 5.7.6"],
    ["-KT33D1-", "KTorrent 3.3.13"],
    ["-bg0100-", "btget 0.1.0"],
    ["A2-1-36-0-", "aria2 1.36.0"],
    ["A2-1-18-8-", "aria2 1.18.8"],
    ["M7-10-5--", "BitTorrent 7.10.5"],
    ["-xx1230-", "xx 1.2.3"],
  ];
  for (const [id, name] of table) {
    await t.step(name, () => assertEquals(clientName(peerId(id)), name));
  }
});

Deno.test("clientName() shows the readable start of what it does not know", async (t) => {
  const table: [peerId: string, name: string][] = [
    ["FD6k4SYy9BOU4U4rk3-J", "FD6k4SYy9BOU4U4rk3-J"],
    ["Azureus\x00\x00\x00", "Azureus"],
    ["exbc\x008LORD2", "exbc"],
    ["-LT\xd6\x03\xbb\xc6\x17", "-LT"],
    ["\x00\x02BS\x9b", "unknown"],
    ["    \x1b[31m", "unknown"],
    ["\xb5Torrent/3025", "unknown"],
  ];
  for (const [id, name] of table) {
    await t.step(
      JSON.stringify(id),
      () => assertEquals(clientName(peerId(id)), name),
    );
  }
});

Deno.test("clientName() gives nothing that a terminal would obey", () => {
  const random = seededRandom(1);
  const starts = ["", "-", "-LT", "-LT12", "A2-", "M7-1"];
  for (let i = 0; i < 20_000; i++) {
    const id = randomBytes(20, random);
    const start = starts[i % starts.length]!;
    id.set([...start].map((character) => character.charCodeAt(0)));
    assertMatch(clientName(id), /^[\x20-\x7eµ]+$/);
  }
});
