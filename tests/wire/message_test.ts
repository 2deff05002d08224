import { assertEquals, assertThrows } from "@std/assert";
import { decodeHex, encodeHex } from "@std/encoding/hex";
import { ProtocolError } from "../../src/errors.ts";
import {
  decodeMessage,
  encodeMessages,
  frameLength,
  isKnownId,
  type Message,
  payloadLengths,
  PREFIX_LENGTH,
} from "../../src/wire/message.ts";
import vectors from "../../testdata/wire_vectors.json" with { type: "json" };
import { messageOf } from "../support/wire_vectors.ts";

Deno.test("encodeMessages() writes what the BEPs print", async (t) => {
  for (const row of vectors.messages) {
    await t.step(`${row.type} (${row.source})`, () => {
      assertEquals(encodeHex(encodeMessages([messageOf(row)])), row.hex);
    });
  }
});

Deno.test("decodeMessage() reads what the BEPs print", async (t) => {
  for (const row of vectors.messages) {
    await t.step(`${row.type} (${row.source})`, () => {
      const frame = decodeHex(row.hex);
      assertEquals(
        decodeMessage(frame.subarray(PREFIX_LENGTH)),
        messageOf(row),
      );
    });
  }
});

Deno.test("encodeMessages() writes one frame after the other", () => {
  const messages = vectors.messages.map(messageOf);
  const hex = vectors.messages.map((row) => row.hex).join("");
  assertEquals(encodeHex(encodeMessages(messages)), hex);
  assertEquals(encodeMessages([]).length, 0);
});

Deno.test("frameLength() says how long a frame becomes", () => {
  for (const row of vectors.messages) {
    assertEquals(frameLength(messageOf(row)), row.hex.length / 2, row.hex);
  }
});

Deno.test("decodeMessage() gives views into the payload", () => {
  const frame = decodeHex("0000000c0700000001000040000a0b0c");
  const message = decodeMessage(frame.subarray(PREFIX_LENGTH));
  frame.fill(0xff, 13);
  assertEquals(message, {
    type: "piece",
    index: 1,
    begin: 16384,
    block: Uint8Array.of(0xff, 0xff, 0xff),
  });
});

Deno.test("decodeMessage() gives a view of what an extension says", () => {
  const frame = decodeHex("000000051401313233");
  const message = decodeMessage(frame.subarray(PREFIX_LENGTH));
  assertEquals(message, {
    type: "extended",
    id: 1,
    payload: decodeHex("313233"),
  });
  frame.fill(0xff);
  assertEquals(
    message,
    { type: "extended", id: 1, payload: decodeHex("ffffff") },
  );
});

Deno.test("decodeMessage() rejects a payload that is too short", () => {
  for (const row of vectors.messages) {
    // Without its last byte every fixed layout is broken; the others are not.
    if (row.bytes !== undefined && row.bytes !== "") continue;
    const payload = decodeHex(row.hex).subarray(PREFIX_LENGTH, -1);
    if (payload.length === 0) continue;
    assertThrows(
      () => decodeMessage(payload),
      ProtocolError,
      `Cannot decode message ${payload[0]}: expected`,
    );
  }
});

Deno.test("decodeMessage() rejects an id that it does not know", () => {
  const known = [
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    13,
    14,
    15,
    16,
    17,
    20,
    21,
    22,
    23,
  ];
  for (let id = 0; id < 256; id++) {
    assertEquals(isKnownId(id), known.includes(id));
    if (known.includes(id)) continue;
    assertThrows(() => decodeMessage(Uint8Array.of(id)), ProtocolError);
  }
});

Deno.test("payloadLengths() allows what the BEPs say", async (t) => {
  const PIECES = 9;
  const table: [
    id: number,
    name: Message["type"] | "unknown",
    range: string,
  ][] = [
    [0, "choke", "1..1"],
    [1, "unchoke", "1..1"],
    [2, "interested", "1..1"],
    [3, "not_interested", "1..1"],
    [4, "have", "5..5"],
    [5, "bitfield", "3..3"],
    [6, "request", "13..13"],
    [7, "piece", "9..16393"],
    [8, "cancel", "13..13"],
    [9, "port", "3..3"],
    [13, "suggest_piece", "5..5"],
    [14, "have_all", "1..1"],
    [15, "have_none", "1..1"],
    [16, "reject_request", "13..13"],
    [17, "allowed_fast", "5..5"],
    [20, "extended", "2..65536"],
    [10, "unknown", "1..1048576"],
    [21, "hash_request", "49..49"],
    [22, "hashes", "49..18129"],
    [23, "hash_reject", "49..49"],
    [24, "unknown", "1..1048576"],
    [255, "unknown", "1..1048576"],
  ];
  for (const [id, name, range] of table) {
    await t.step(`${name}: ${range}`, () => {
      const { min, max } = payloadLengths(id, PIECES);
      assertEquals(`${min}..${max}`, range);
    });
  }
  await t.step("a bitfield of whole bytes", () => {
    assertEquals(payloadLengths(5, 8), { min: 2, max: 2 });
    assertEquals(payloadLengths(5, 1), { min: 2, max: 2 });
    assertEquals(payloadLengths(5, 2_097_152), { min: 262_145, max: 262_145 });
  });
});
