import { assertEquals, assertThrows } from "@std/assert";
import { decodeHex } from "@std/encoding/hex";
import { encodeBencode } from "../../src/bytes/bencode.ts";
import { formatEndpoint, parseEndpoint } from "../../src/bytes/endpoint.ts";
import { ProtocolError } from "../../src/errors.ts";
import {
  decodePexMessage,
  encodePexMessage,
  type PexMessage,
} from "../../src/wire/ut_pex.ts";
import vectors from "../../testdata/ut_pex_vectors.json" with { type: "json" };

/** The form of the rows: flags follow an endpoint after a blank. */
function textOf({ added, dropped }: PexMessage) {
  return {
    added: added.map(({ endpoint, flags }) =>
      `${formatEndpoint(endpoint)} ${flags}`
    ),
    dropped: dropped.map(formatEndpoint),
  };
}

function messageOf(
  { added, dropped }: { added: string[]; dropped: string[] },
): PexMessage {
  return {
    added: added.map((text) => {
      const [endpoint, flags] = text.split(" ");
      return { endpoint: parseEndpoint(endpoint!)!, flags: Number(flags) };
    }),
    dropped: dropped.map((text) => parseEndpoint(text)!),
  };
}

Deno.test("decodePexMessage() reads what peers tell", async (t) => {
  for (const { source, hex, added, dropped } of vectors.messages) {
    await t.step(source, () => {
      const message = decodePexMessage(decodeHex(hex));
      assertEquals(textOf(message), { added, dropped });
    });
  }
});

Deno.test("encodePexMessage() writes what decodePexMessage() reads", async (t) => {
  for (const { source, added, dropped } of vectors.messages) {
    await t.step(source, () => {
      const message = messageOf({ added, dropped });
      assertEquals(decodePexMessage(encodePexMessage(message)), message);
    });
  }
});

Deno.test("encodePexMessage() writes the bytes of the suites", () => {
  const [, , anacrolix] = vectors.messages;
  const bytes = encodePexMessage(messageOf(anacrolix!));
  assertEquals(bytes, decodeHex(anacrolix!.hex));
});

Deno.test("encodePexMessage() leaves host names out", () => {
  const message = messageOf({
    added: ["example.com:1 0", "1.2.3.4:5 3"],
    dropped: ["example.com:2"],
  });
  assertEquals(textOf(decodePexMessage(encodePexMessage(message))), {
    added: ["1.2.3.4:5 3"],
    dropped: [],
  });
});

Deno.test("decodePexMessage() refuses what is no dictionary", async (t) => {
  for (const { what, hex } of vectors.refused) {
    await t.step(what, () => {
      assertThrows(
        () => decodePexMessage(decodeHex(hex)),
        ProtocolError,
        "Cannot decode ut_pex",
      );
    });
  }
});

Deno.test("decodePexMessage() takes fifty of each kind, whoever tells ten thousand", () => {
  const many = (size: number) => new Uint8Array(10_000 * size).fill(0x20);
  const payload = encodeBencode({
    added: many(6),
    "added.f": many(1),
    added6: many(18),
    dropped: many(6),
    dropped6: many(18),
  });
  const { added, dropped } = decodePexMessage(payload);
  assertEquals([added.length, dropped.length], [50, 50]);
});
