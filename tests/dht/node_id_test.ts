import { assert, assertEquals } from "@std/assert";
import {
  commonPrefixLength,
  compareDistance,
  createNodeId,
  hostOf,
  idAtDistance,
  idFitsAddress,
  networkOf,
} from "../../src/dht/node_id.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";
import { decodeHex, encodeHex } from "@std/encoding/hex";
import vectors from "../../testdata/dht_vectors.json" with { type: "json" };

Deno.test("createNodeId() makes the ids of BEP 42", () => {
  for (const { address, random, id } of vectors.nodeIds) {
    const example = decodeHex(id);
    // The first 21 bits and the last byte are fixed, the others are not.
    const made = createNodeId(example.slice().fill(0, 0, 2), address);
    assertEquals(encodeHex(made), id);
    assertEquals(made.at(-1), random);
    const other = new Uint8Array(20);
    other[19] = random;
    const prefix = [...createNodeId(other, address).subarray(0, 3)];
    assertEquals(prefix, [example[0], example[1], example[2]! & 0xf8]);
  }
});

Deno.test("createNodeId() takes any id where the address is not known", () => {
  const random = randomBytes(20, seededRandom(1));
  assertEquals(createNodeId(random), random);
});

Deno.test("idFitsAddress() judges as BEP 42 does", async (t) => {
  for (const { address, id, fits, why } of vectors.fittingIds) {
    await t.step(`${address}: ${why}, ${fits}`, () => {
      assertEquals(idFitsAddress(decodeHex(id), address), fits);
    });
  }
});

Deno.test("idFitsAddress() takes what createNodeId() makes, for 8 places an address", () => {
  const random = seededRandom(2);
  for (const address of ["198.18.7.1", "2001:db8:1:2::3"]) {
    const places = new Set<string>();
    for (let i = 0; i < 500; i++) {
      const id = createNodeId(randomBytes(20, random), address);
      assert(idFitsAddress(id, address));
      id[2] = id[2]! & 0xf8;
      places.add(encodeHex(id.subarray(0, 3)));
    }
    assertEquals(places.size, 8);
  }
});

Deno.test("idFitsAddress() exempts neighbours, and nobody else", () => {
  const id = new Uint8Array(20);
  const local = [
    ...["10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.1.1", "127.0.0.1"],
    ...["::1", "fe80::1", "fd00::1"],
  ];
  for (const address of local) assert(idFitsAddress(id, address), address);
  for (const address of ["172.32.0.1", "11.0.0.1", "2001:db8::1"]) {
    assertEquals(idFitsAddress(id, address), false);
  }
});

Deno.test("commonPrefixLength() counts bits", () => {
  for (const { a, b, bit } of vectors.highestDifferingBit) {
    const same = commonPrefixLength(decodeHex(a), decodeHex(b));
    assertEquals(Math.max(0, 159 - same), bit);
  }
});

Deno.test("compareDistance() is the XOR metric", () => {
  const id = (...bytes: number[]) =>
    Uint8Array.from({ length: 20 }, (_, i) => bytes[i] ?? 0);
  const rows: [target: number[], a: number[], b: number[], sign: number][] = [
    [[0], [1], [2], -1],
    [[3], [1], [2], 1],
    [[255], [254], [253], -1],
    [[7, 1], [7, 0], [7, 3], -1],
    [[7], [7], [7], 0],
  ];
  for (const [target, a, b, sign] of rows) {
    const order = compareDistance(id(...target), { a: id(...a), b: id(...b) });
    assertEquals(Math.sign(order), sign);
  }
});

Deno.test("idAtDistance() shares so many bits and no more", () => {
  const random = seededRandom(3);
  const id = randomBytes(20, random);
  for (let prefix = 0; prefix < 160; prefix++) {
    const other = idAtDistance(id, { prefix, random: randomBytes(20, random) });
    assertEquals(commonPrefixLength(id, other), prefix);
  }
});

Deno.test("networkOf() is a /24, or a /64", () => {
  for (const { a, b, same } of vectors.sameNetwork) {
    assertEquals(networkOf(a) === networkOf(b), same, `${a} ${b}`);
  }
});

Deno.test("hostOf() is an address, or a /64", () => {
  assert(hostOf("192.0.2.1") !== hostOf("192.0.2.2"));
  assertEquals(hostOf("2001:db8::1"), hostOf("2001:db8::2"));
  assert(hostOf("2001:db8::1") !== hostOf("2001:db8:0:1::1"));
});
