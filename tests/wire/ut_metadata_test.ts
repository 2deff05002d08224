import { assertEquals, assertThrows } from "@std/assert";
import { fromLatin1, latin1 } from "../../src/bytes/bencode.ts";
import { ProtocolError } from "../../src/errors.ts";
import {
  decodeMetadataMessage,
  encodeMetadataMessage,
  MAX_METADATA_LENGTH,
  METADATA_PIECE_LENGTH,
  type MetadataMessage,
  metadataPieceCount,
} from "../../src/wire/ut_metadata.ts";
import vectors from "../../testdata/ut_metadata_vectors.json" with {
  type: "json",
};

type Says = NonNullable<(typeof vectors.messages)[number]["says"]>;

function messageOf({ type, piece, totalSize, text = "" }: Says) {
  return (type === "data"
    ? { type, piece, totalSize, bytes: fromLatin1(text) }
    : { type, piece }) as MetadataMessage;
}

Deno.test("decodeMetadataMessage() reads what peers say", async (t) => {
  for (const { source, payload, says } of vectors.messages) {
    await t.step(source, () => {
      assertEquals(
        decodeMetadataMessage(fromLatin1(payload)),
        says && messageOf(says),
      );
    });
  }
});

Deno.test("encodeMetadataMessage() writes as BEP 9 prints it", async (t) => {
  for (const { source, payload, says, isCanonical } of vectors.messages) {
    if (!says || !isCanonical) continue;
    await t.step(source, () => {
      assertEquals(latin1(encodeMetadataMessage(messageOf(says))), payload);
    });
  }
});

Deno.test("decodeMetadataMessage() refuses what is no dictionary", async (t) => {
  for (const { what, payload } of vectors.refused) {
    await t.step(what, () => {
      assertThrows(
        () => decodeMetadataMessage(fromLatin1(payload)),
        ProtocolError,
        "Cannot decode ut_metadata",
      );
    });
  }
});

Deno.test("decodeMetadataMessage() refuses every message that is cut off", () => {
  for (const { payload, says } of vectors.messages) {
    const end = payload.length - (says?.text?.length ?? 0);
    if (says?.type === "request" && payload.endsWith("xyz")) continue;
    for (let length = 0; length < end; length++) {
      assertThrows(
        () => decodeMetadataMessage(fromLatin1(payload.slice(0, length))),
        ProtocolError,
      );
    }
  }
});

Deno.test("decodeMetadataMessage() gives a view of a whole piece", () => {
  const bytes = new Uint8Array(METADATA_PIECE_LENGTH).fill(0x65);
  const totalSize = 2 * METADATA_PIECE_LENGTH;
  const message: MetadataMessage = { type: "data", piece: 1, totalSize, bytes };
  const payload = encodeMetadataMessage(message);
  const decoded = decodeMetadataMessage(payload);
  assertEquals(decoded, message);
  assertEquals(
    decoded?.type === "data" && decoded.bytes.buffer === payload.buffer,
    true,
  );
});

Deno.test("metadataPieceCount() counts the last piece too", () => {
  const table = [
    [1, 1],
    [16_383, 1],
    [16_384, 1],
    [16_385, 2],
    [34_256, 3],
    [MAX_METADATA_LENGTH, 2048],
  ] as const;
  for (const [length, count] of table) {
    assertEquals(metadataPieceCount(length), count);
  }
});
