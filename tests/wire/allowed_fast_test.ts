import { assertEquals, assertNotEquals } from "@std/assert";
import { decodeHex } from "@std/encoding/hex";
import { allowedFastSet } from "../../src/wire/allowed_fast.ts";
import vectors from "../../testdata/allowed_fast_vectors.json" with {
  type: "json",
};

const TORRENT = {
  infoHash: decodeHex("aa".repeat(20)),
  pieceCount: 1313,
  count: 10,
};

Deno.test("allowedFastSet() gives the sets of BEP 6 and aria2", async (t) => {
  for (const row of vectors.sets) {
    const { source, address, infoHash, pieces, count, set } = row;
    await t.step(`${source}: ${count} for ${address}`, () => {
      assertEquals(
        allowedFastSet(address, {
          infoHash: decodeHex(infoHash),
          pieceCount: pieces,
          count,
        }),
        set,
      );
    });
  }
});

Deno.test("allowedFastSet() is the same for all of a network", async (t) => {
  const table: [a: string, b: string, isSame: boolean][] = [
    ["80.4.4.0", "80.4.4.255", true],
    ["80.4.4.200", "80.4.5.200", false],
    ["2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true],
    ["2001:db8::1", "2001:db8:0:1::1", false],
    ["80.4.4.200", "2001:db8::1", false],
  ];
  for (const [a, b, isSame] of table) {
    await t.step(`${a} and ${b}: ${isSame}`, () => {
      const compare = isSame ? assertEquals : assertNotEquals;
      compare(allowedFastSet(a, TORRENT), allowedFastSet(b, TORRENT));
    });
  }
});

Deno.test("allowedFastSet() grows at its end, up to every piece", () => {
  const all = allowedFastSet("192.0.2.1", {
    ...TORRENT,
    pieceCount: 30,
    count: 1000,
  });
  assertEquals(
    all.toSorted((a, b) => a - b),
    Array.from({ length: 30 }, (_, index) => index),
  );
  for (let count = 0; count <= 30; count++) {
    assertEquals(
      allowedFastSet("192.0.2.1", { ...TORRENT, pieceCount: 30, count }),
      all.slice(0, count),
    );
  }
});

Deno.test("allowedFastSet() leaves the info hash as it is", () => {
  const infoHash = decodeHex("aa".repeat(20));
  allowedFastSet("80.4.4.200", { ...TORRENT, infoHash });
  assertEquals(infoHash, TORRENT.infoHash);
});
