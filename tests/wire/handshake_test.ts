import { assertEquals, assertThrows } from "@std/assert";
import { decodeHex, encodeHex } from "@std/encoding/hex";
import { ProtocolError } from "../../src/errors.ts";
import {
  decodeHandshake,
  encodeHandshake,
  HANDSHAKE_LENGTH,
  ourReserved,
  supportsExtensions,
  supportsFast,
  supportsV2,
  wireHashesOf,
} from "../../src/wire/handshake.ts";
import vectors from "../../testdata/wire_vectors.json" with { type: "json" };

const { hex, reserved, infoHash, peerId } = vectors.handshake;

const HANDSHAKE = {
  reserved: decodeHex(reserved),
  infoHash: decodeHex(infoHash),
  peerId: decodeHex(peerId),
};

Deno.test("encodeHandshake() writes what BEP 3 prints", () => {
  const bytes = encodeHandshake(HANDSHAKE);
  assertEquals(encodeHex(bytes), hex);
  assertEquals(bytes.length, HANDSHAKE_LENGTH);
});

Deno.test("decodeHandshake() reads what BEP 3 prints", () => {
  assertEquals(decodeHandshake(decodeHex(hex)), HANDSHAKE);
});

Deno.test("decodeHandshake() takes any reserved bits and any identity", () => {
  const handshake = {
    reserved: new Uint8Array(8).fill(0xff),
    infoHash: new Uint8Array(20).fill(0xff),
    peerId: new Uint8Array(20),
  };
  assertEquals(decodeHandshake(encodeHandshake(handshake)), handshake);
});

Deno.test("decodeHandshake() reads a view and copies what it says", () => {
  const bytes = new Uint8Array(HANDSHAKE_LENGTH + 10).fill(0xee);
  bytes.set(decodeHex(hex), 5);
  const handshake = decodeHandshake(
    bytes.subarray(5, 5 + HANDSHAKE_LENGTH),
  );
  bytes.fill(0);
  assertEquals(handshake, HANDSHAKE);
});

Deno.test("decodeHandshake() refuses another protocol, whichever byte differs", () => {
  for (let at = 0; at < 20; at++) {
    const bytes = decodeHex(hex);
    bytes[at]! ^= 1;
    assertThrows(() => decodeHandshake(bytes), ProtocolError);
  }
});

Deno.test("ourReserved() says that we speak BEP 6 and 10, and nothing else", () => {
  assertEquals(encodeHex(ourReserved()), "0000000000100004");
  // Whoever changes the bytes of one handshake does not change the next.
  ourReserved().fill(0xff);
  assertEquals(encodeHex(ourReserved()), "0000000000100004");
});

Deno.test("supportsFast() and supportsExtensions() look at one bit each", async (t) => {
  const table: [hex: string, fast: boolean, extensions: boolean, of: string][] =
    [
      ["0000000000000000", false, false, "an old client"],
      ["0000000000100005", true, true, "libtorrent"],
      ["0000000000100000", false, true, "rqbit"],
      ["0000000000000004", true, false, "BEP 6 alone"],
      ["ffffffffffffffff", true, true, "all ones"],
      ["ffffffffffeffffb", false, false, "all but these two"],
      ["0004000000000000", false, false, "the bit of BEP 6 elsewhere"],
      ["1000000000000010", false, false, "the bit of BEP 10 elsewhere"],
    ];
  for (const [hex, fast, extensions, of] of table) {
    await t.step(`${hex}: ${of}`, () => {
      assertEquals(supportsFast(decodeHex(hex)), fast);
      assertEquals(supportsExtensions(decodeHex(hex)), extensions);
    });
  }
});

Deno.test("ourReserved() says that we know a torrent as one of v2 too", () => {
  const reserved = ourReserved({ supportsV2: true });
  assertEquals(encodeHex(reserved), "0000000000100014");
  assertEquals(supportsV2(reserved), true);
  assertEquals(supportsV2(ourReserved({ isDhtNode: true })), false);
});

Deno.test("wireHashesOf() cuts the info hash of v2 to the length of the other", () => {
  const infoHashV2 = Uint8Array.from({ length: 32 }, (_, i) => i);
  const v2 = infoHashV2.slice(0, 20);
  const infoHash = new Uint8Array(20).fill(9);
  assertEquals(
    wireHashesOf({ infoHash, infoHashV2: undefined, hasV1: true }),
    { v1: infoHash, v2: undefined },
  );
  assertEquals(
    wireHashesOf({ infoHash, infoHashV2, hasV1: true }),
    { v1: infoHash, v2 },
  );
  assertEquals(
    wireHashesOf({ infoHash: v2, infoHashV2, hasV1: false }),
    { v1: undefined, v2 },
  );
});
