import { assertEquals, assertThrows } from "@std/assert";
import { decodeHex, encodeHex } from "@std/encoding/hex";
import { ProtocolError } from "../../src/errors.ts";
import {
  decodeHandshake,
  encodeHandshake,
  HANDSHAKE_LENGTH,
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
