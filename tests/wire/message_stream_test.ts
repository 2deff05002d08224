import { assert, assertEquals, assertThrows } from "@std/assert";
import { concat } from "@std/bytes/concat";
import { decodeHex, encodeHex } from "@std/encoding/hex";
import { ProtocolError } from "../../src/errors.ts";
import { MAX_PIECES } from "../../src/metainfo/layout.ts";
import { encodeMessages, type Message } from "../../src/wire/message.ts";
import {
  MessageDecoder,
  MessageEncoder,
} from "../../src/wire/message_stream.ts";
import vectors from "../../testdata/wire_vectors.json" with { type: "json" };
import { arrivals, cut } from "../support/chunks.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";
import { messageOf } from "../support/wire_vectors.ts";

/** Enough that the bitfield of the vectors, 42 bytes, is right. */
const PIECES = 42 * 8;

/** Feeds chunks, and puts what they say into bytes before the next push. */
function framesOf(decoder: MessageDecoder, chunks: Iterable<Uint8Array>) {
  const frames: string[] = [];
  for (const chunk of chunks) {
    for (const message of decoder.push(chunk)) {
      frames.push(encodeHex(encodeMessages([message])));
    }
  }
  return frames;
}

function pieceMessage(index: number, length: number): Message {
  const block = randomBytes(length, seededRandom(index + 1));
  return { type: "piece", index, begin: 0, block };
}

/** Everything that is allocated as a typed array of bytes while it runs. */
function allocatedBytes(run: () => void): number {
  const original = globalThis.Uint8Array;
  let bytes = 0;
  globalThis.Uint8Array = new Proxy(original, {
    construct(target, args) {
      if (typeof args[0] === "number") bytes += args[0];
      return Reflect.construct(target, args);
    },
  });
  try {
    run();
  } finally {
    globalThis.Uint8Array = original;
  }
  return bytes;
}

Deno.test("MessageDecoder.push() reads a message however it arrives", async (t) => {
  for (const row of vectors.messages) {
    await t.step(`${row.type} (${row.source})`, () => {
      for (const { name, chunks } of arrivals(decodeHex(row.hex))) {
        const frames = framesOf(new MessageDecoder(PIECES), chunks);
        assertEquals(frames, [row.hex], name);
      }
    });
  }
});

Deno.test("MessageDecoder.push() reads a message with bytes to spare", async (t) => {
  const next = "0000000d060000002a0000002b0000002c";
  for (const row of vectors.messages) {
    await t.step(`${row.type} (${row.source})`, () => {
      const twice = decodeHex(row.hex + row.hex + next.slice(0, 12));
      for (const { name, chunks } of arrivals(twice)) {
        const decoder = new MessageDecoder(PIECES);
        assertEquals(framesOf(decoder, chunks), [row.hex, row.hex], name);
        // The spare bytes were the start of another, and were kept.
        const rest = decodeHex(next.slice(12));
        assertEquals(framesOf(decoder, [rest]), [next], name);
      }
    });
  }
});

Deno.test("MessageDecoder.push() reads all that the BEPs print in one go", () => {
  const hex = vectors.messages.map((row) => row.hex);
  for (const { name, chunks } of arrivals(decodeHex(hex.join("")))) {
    assertEquals(framesOf(new MessageDecoder(PIECES), chunks), hex, name);
  }
  const messages = new MessageDecoder(PIECES).push(decodeHex(hex.join("")));
  assertEquals(messages, vectors.messages.map(messageOf));
});

Deno.test("MessageDecoder.push() skips a message that it does not know", async (t) => {
  const [before, after] = ["00000005040000002a", "0000000100"];
  for (const { hex, what } of vectors.skipped) {
    await t.step(what, () => {
      for (
        const { name, chunks } of arrivals(decodeHex(before + hex + after))
      ) {
        const frames = framesOf(new MessageDecoder(PIECES), chunks);
        assertEquals(frames, [before, after], name);
      }
    });
  }
});

Deno.test("MessageDecoder.push() waits for the rest of a message", async (t) => {
  for (const { hex, what, pieces } of vectors.incomplete) {
    await t.step(what, () => {
      for (const { name, chunks } of arrivals(decodeHex(hex))) {
        const decoder = new MessageDecoder(pieces ?? PIECES);
        assertEquals(framesOf(decoder, chunks), [], name);
      }
    });
  }
});

Deno.test("MessageDecoder.push() refuses a length as soon as the id is there", async (t) => {
  const before = "00000005040000002a";
  for (const { hex, what, pieces } of vectors.refused) {
    await t.step(what, () => {
      for (const { name, chunks } of arrivals(decodeHex(before + hex))) {
        const decoder = new MessageDecoder(pieces ?? PIECES);
        const last = chunks.pop()!;
        const frames = framesOf(decoder, chunks);
        if (chunks.length > 1) assertEquals(frames, [before], name);
        const error = assertThrows(
          () => decoder.push(last),
          ProtocolError,
          undefined,
        );
        const id = parseInt(hex.slice(8), 16);
        const length = parseInt(hex.slice(0, 8), 16);
        assertEquals(
          error.message,
          `Cannot decode message ${id}: it cannot be ${length} bytes long`,
        );
      }
    });
  }
});

Deno.test("MessageDecoder.push() allocates nothing for a frame that it refuses", async (t) => {
  for (const { hex, what, pieces } of vectors.refused) {
    await t.step(what, () => {
      const bytes = [...decodeHex(hex)].map((byte) => Uint8Array.of(byte));
      const decoder = new MessageDecoder(pieces ?? PIECES);
      const allocated = allocatedBytes(() => {
        assertThrows(() => bytes.forEach((byte) => decoder.push(byte)));
      });
      assertEquals(allocated, 0);
    });
  }
});

Deno.test("MessageDecoder.push() allocates nothing for a frame that it skips", () => {
  const chunk = new Uint8Array(1000);
  const decoder = new MessageDecoder(PIECES);
  const allocated = allocatedBytes(() => {
    for (let frame = 0; frame < 20; frame++) {
      // 1 MiB is what the head says; the id is a part of it.
      assertEquals(decoder.push(decodeHex("0010000063")), []);
      let left = 1024 * 1024 - 1;
      while (left > 0) {
        const length = Math.min(left, chunk.length);
        assertEquals(decoder.push(chunk.subarray(0, length)), []);
        left -= length;
      }
    }
  });
  assertEquals(allocated, 0);
  assertEquals(decoder.push(decodeHex("0000000100")), [{ type: "choke" }]);
});

Deno.test("MessageDecoder.push() needs two buffers for any number of split frames", () => {
  const decoder = new MessageDecoder(PIECES);
  const bytes = encodeMessages([pieceMessage(1, 16_384)]);
  const chunks = Array.from(
    { length: 50 },
    () => [...cut(bytes, () => 5000)],
  ).flat();
  const allocated = allocatedBytes(() => {
    for (const chunk of chunks) decoder.push(chunk);
  });
  assertEquals(allocated, 2 * (9 + 16_384));
});

Deno.test("MessageDecoder.push() gives views that hold until the next push", () => {
  // Every chunk ends the frame before, holds one whole, and begins the next.
  const frames = Array.from(
    { length: 40 },
    (_, i) => encodeMessages([pieceMessage(i, i % 3 === 0 ? 16_384 : 700 + i)]),
  );
  const chunks: Uint8Array[] = [];
  let rest = new Uint8Array();
  for (let i = 0; i + 1 < frames.length; i += 2) {
    const [whole, split] = [frames[i]!, frames[i + 1]!];
    const half = split.length >> 1;
    chunks.push(concat([rest, whole, split.subarray(0, half)]));
    rest = split.slice(half);
  }
  chunks.push(rest);
  const decoder = new MessageDecoder(PIECES);
  const seen: string[] = [];
  let last: Message[] = [];
  for (const chunk of chunks) {
    // What the last push gave is looked at only now.
    seen.push(encodeHex(encodeMessages(last)));
    last = decoder.push(chunk);
  }
  seen.push(encodeHex(encodeMessages(last)));
  assertEquals(seen.join(""), encodeHex(concat(frames)));
});

Deno.test("MessageDecoder.push() copies nothing of a frame that a chunk holds whole", () => {
  const chunk = encodeMessages([pieceMessage(0, 16_384), pieceMessage(1, 10)]);
  const messages = new MessageDecoder(PIECES).push(chunk);
  for (const message of messages) {
    assert(message.type === "piece" && message.block.buffer === chunk.buffer);
  }
});

Deno.test("MessageDecoder.push() reads a long bitfield, split or whole", () => {
  const pieces = 2_097_152;
  const bitfield = randomBytes(pieces / 8, seededRandom(1));
  const bytes = encodeMessages([{ type: "bitfield", bitfield }]);
  for (const length of [bytes.length, 100_000, 1447]) {
    const decoder = new MessageDecoder(pieces);
    const messages = [...cut(bytes, () => length)].flatMap((chunk) =>
      decoder.push(chunk)
    );
    assertEquals(messages, [{ type: "bitfield", bitfield }]);
  }
});

Deno.test("MessageDecoder gives what a chunk completes in one go", () => {
  const hex = vectors.messages.map((row) => row.hex).join("");
  const decoder = new MessageDecoder(PIECES);
  const messages = vectors.messages.map(messageOf);
  assertEquals(decoder.push(decodeHex(hex + hex.slice(0, 6))), messages);
  assertEquals(decoder.push(decodeHex(hex.slice(6))), messages);
});

Deno.test("MessageEncoder gives one chunk for each batch", () => {
  const encoder = new MessageEncoder();
  const messages = vectors.messages.map(messageOf);
  assertEquals(
    encodeHex(encoder.encode(messages)),
    vectors.messages.map((row) => row.hex).join(""),
  );
  assertEquals(encodeHex(encoder.encode([{ type: "choke" }])), "0000000100");
  assertEquals(encoder.encode([]).length, 0);
});

Deno.test("MessageEncoder uses one buffer again, but keeps none that is too large", () => {
  const encoder = new MessageEncoder();
  const choke = [{ type: "choke" }] as const;
  const small = encoder.encode([{ type: "have", index: 1 }]).buffer;
  assert(encoder.encode(choke).buffer === small);
  const bitfield = new Uint8Array(1024 * 1024);
  const large = encoder.encode([{ type: "bitfield", bitfield }]).buffer;
  assert(large !== small);
  assert(encoder.encode(choke).buffer === small);
});

/** A bitfield message of so many bytes. */
function bitfieldFrame(length: number): Uint8Array {
  return encodeMessages([{
    type: "bitfield",
    bitfield: new Uint8Array(length),
  }]);
}

Deno.test("MessageDecoder takes the bitfield of any torrent before it knows which", () => {
  for (const length of [0, 1, 42, 20_000, MAX_PIECES / 8]) {
    const [message] = new MessageDecoder(undefined).push(bitfieldFrame(length));
    assert(message?.type === "bitfield");
    assertEquals(message.bitfield.length, length);
  }
  const decoder = new MessageDecoder(undefined);
  const head = bitfieldFrame(MAX_PIECES / 8 + 1).slice(0, 5);
  const allocated = allocatedBytes(() => {
    assertThrows(() => decoder.push(head), ProtocolError, "message 5");
  });
  assertEquals(allocated, 0);
});

Deno.test("MessageDecoder.learn() gives a bitfield its length", () => {
  const decoder = new MessageDecoder(undefined);
  // One that has begun before is let through: it is checked where it is taken.
  const early = bitfieldFrame(3);
  assertEquals(decoder.push(early.slice(0, 6)), []);
  decoder.learn(9);
  assertEquals(decoder.push(early.slice(6)).length, 1);
  assertEquals(decoder.push(bitfieldFrame(2)).length, 1);
  assertThrows(() => decoder.push(bitfieldFrame(3)), ProtocolError);
});
