import { assertAlmostEquals, assertEquals } from "@std/assert";
import { formatAddress } from "../../src/bytes/endpoint.ts";
import { BloomFilter } from "../../src/dht/bloom_filter.ts";
import { encodeHex } from "@std/encoding/hex";
import vectors from "../../testdata/dht_vectors.json" with { type: "json" };

function addRange(filter: BloomFilter, family: 4 | 6): void {
  for (let i = 0; i < (family === 4 ? 256 : 1000); i++) {
    filter.add(
      family === 4 ? `192.0.2.${i}` : formatAddress(
        Uint8Array.of(
          0x20,
          1,
          0x0d,
          0xb8,
          ...Array(10).fill(0),
          i >> 8,
          i & 255,
        ),
      ),
    );
  }
}

Deno.test("BloomFilter sets the bits of BEP 33, and estimates as it does", () => {
  const filter = new BloomFilter();
  assertEquals(filter.estimate(), 0);
  addRange(filter, 4);
  const { ipv4, both } = vectors.bloomFilters;
  assertEquals(encodeHex(filter.bytes), ipv4.hex);
  assertAlmostEquals(filter.estimate(), ipv4.estimate, 0.001);
  addRange(filter, 6);
  assertEquals(encodeHex(filter.bytes), both.hex);
  assertAlmostEquals(filter.estimate(), both.estimate, 0.001);
});

Deno.test("BloomFilter.union() is what both have", () => {
  const [all, one, other] = [1, 2, 3].map(() => new BloomFilter());
  addRange(all!, 4);
  addRange(all!, 6);
  addRange(one!, 4);
  addRange(other!, 6);
  one!.union(other!.bytes);
  assertEquals(one!.bytes, all!.bytes);
});

Deno.test("BloomFilter.estimate() of a full filter is a number", () => {
  const filter = new BloomFilter();
  filter.union(new Uint8Array(256).fill(255));
  assertAlmostEquals(filter.estimate(), 7800, 100);
});
