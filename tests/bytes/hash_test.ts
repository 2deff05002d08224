import {
  createPeerId,
  HASH_LENGTH,
  hashesEqual,
  Sha1,
  sha1,
  Sha256,
  sha256,
} from "../../src/bytes/hash.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";
import { assert, assertEquals } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";

/** The examples of FIPS 180, and what is known of it by everybody. */
const DIGESTS: [text: string, hex: string][] = [
  ["", "da39a3ee5e6b4b0d3255bfef95601890afd80709"],
  ["abc", "a9993e364706816aba3e25717850c26c9cd0d89d"],
  [
    "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
    "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
  ],
  ["a".repeat(1_000_000), "34aa973cd4c4daa4f61eeb2bdbad27316534016f"],
];

Deno.test("sha1() agrees with FIPS 180", () => {
  for (const [text, hex] of DIGESTS) {
    assertEquals(encodeHex(sha1(new TextEncoder().encode(text))), hex);
  }
});

Deno.test("Sha1 gives the same however it is fed", () => {
  for (const [text, hex] of DIGESTS) {
    const bytes = new TextEncoder().encode(text);
    for (const step of [1, 64, 4096, 1_000_000]) {
      if (bytes.length / step > 10_000) continue;
      const hash = new Sha1();
      for (let at = 0; at < bytes.length; at += step) {
        hash.update(bytes.subarray(at, at + step));
      }
      assertEquals(encodeHex(hash.digest()), hex);
    }
  }
});

Deno.test("Sha1 keeps nothing of what it is fed", () => {
  const bytes = new TextEncoder().encode("abc");
  const hash = new Sha1();
  hash.update(bytes);
  bytes.fill(0);
  assertEquals(encodeHex(hash.digest()), DIGESTS[1]![1]);
});

Deno.test("sha1() and Sha1 give plain bytes whose slice is a copy", () => {
  for (const digest of [sha1(new Uint8Array()), new Sha1().digest()]) {
    assertEquals(Object.getPrototypeOf(digest), Uint8Array.prototype);
    const copy = digest.slice();
    digest.fill(0);
    assertEquals(encodeHex(copy), DIGESTS[0]![1]);
    assertEquals(digest.buffer.byteLength, HASH_LENGTH);
  }
});

Deno.test("sha256() and Sha256 agree with FIPS 180, however they are fed", () => {
  const expected =
    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1";
  const bytes = new TextEncoder().encode(DIGESTS[2]![0]);
  assertEquals(encodeHex(sha256(bytes)), expected);
  for (const step of [1, 7, 56]) {
    const hash = new Sha256();
    for (let at = 0; at < bytes.length; at += step) {
      const part = bytes.slice(at, at + step);
      hash.update(part);
      part.fill(0);
    }
    assertEquals(encodeHex(hash.digest()), expected);
  }
});

Deno.test("hashesEqual() compares bytes, and takes no prefix for the whole", () => {
  const hash = sha1(new Uint8Array());
  assert(hashesEqual(hash, hash.slice()));
  for (let i = 0; i < HASH_LENGTH; i++) {
    const other = hash.slice();
    other[i]! ^= 1;
    assert(!hashesEqual(hash, other));
  }
  assert(!hashesEqual(hash, hash.subarray(0, 19)));
  assert(!hashesEqual(hash.subarray(0, 19), hash));
  assert(hashesEqual(new Uint8Array(), new Uint8Array()));
});

Deno.test("createPeerId() says who we are and is readable to its end", () => {
  const bytes = createPeerId(
    Uint8Array.of(0, 1, 9, 10, 35, 36, 57, 58, 115, 116, 254, 255),
  );
  assertEquals(
    new TextDecoder().decode(bytes),
    "-bg0100-019AZav0v0MN",
  );
});

Deno.test("createPeerId() never gives the same id twice", () => {
  const seed = 20;
  const random = seededRandom(seed);
  const ids = new Set<string>();
  for (let i = 0; i < 10_000; i++) {
    const id = new TextDecoder().decode(createPeerId(randomBytes(12, random)));
    assert(/^-bg\d{4}-[0-9A-Za-v]{12}$/.test(id), `seed ${seed}: ${id}`);
    ids.add(id);
  }
  assertEquals(ids.size, 10_000);
});
