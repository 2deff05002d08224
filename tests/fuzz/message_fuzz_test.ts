import { assert, assertEquals } from "@std/assert";
import { concat } from "@std/bytes/concat";
import { encodeHex } from "@std/encoding/hex";
import { ProtocolError } from "../../src/errors.ts";
import { type HashRange, uncleCount } from "../../src/wire/hash_range.ts";
import { encodeMessages, type Message } from "../../src/wire/message.ts";
import { MessageDecoder } from "../../src/wire/message_stream.ts";
import { cut } from "../support/chunks.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";

const RUNS = 100_000;

type Random = () => number;

function below(limit: number, random: Random): number {
  return Math.floor(random() * limit);
}

/** Small numbers, and those at the edges of 32 bits. */
function drawNumber(random: Random): number {
  const edges = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
  return random() < 0.2 ? edges[below(5, random)]! : below(1 << 20, random);
}

function drawRange(random: Random): HashRange {
  return {
    piecesRoot: randomBytes(32, random),
    baseLayer: drawNumber(random),
    index: drawNumber(random),
    length: drawNumber(random),
    proofLayers: drawNumber(random),
  };
}

function drawMessage(random: Random, pieces: number): Message {
  const [index, begin, length] = [random, random, random].map(drawNumber) as [
    number,
    number,
    number,
  ];
  const bytes = (count: number) => randomBytes(count, random);
  const kinds: (() => Message)[] = [
    () => ({ type: "keep_alive" }),
    () => ({ type: "choke" }),
    () => ({ type: "unchoke" }),
    () => ({ type: "interested" }),
    () => ({ type: "not_interested" }),
    () => ({ type: "have", index }),
    () => ({ type: "bitfield", bitfield: bytes(Math.ceil(pieces / 8)) }),
    () => ({ type: "request", index, begin, length }),
    () => ({ type: "piece", index, begin, block: bytes(below(40, random)) }),
    () => ({ type: "cancel", index, begin, length }),
    () => ({ type: "port", port: below(65_536, random) }),
    () => ({ type: "suggest_piece", index }),
    () => ({ type: "have_all" }),
    () => ({ type: "have_none" }),
    () => ({ type: "reject_request", index, begin, length }),
    () => ({ type: "allowed_fast", index }),
    () => ({
      type: "extended",
      id: below(256, random),
      payload: bytes(below(40, random)),
    }),
    () => ({ type: "hash_request", ...drawRange(random) }),
    () => {
      const range = { ...drawRange(random), length: 2 ** below(4, random) };
      const proofLayers = below(6, random);
      const count = range.length + uncleCount({ ...range, proofLayers });
      return {
        type: "hashes",
        ...range,
        proofLayers,
        hashes: bytes(count * 32),
      };
    },
    () => ({ type: "hash_reject", ...drawRange(random) }),
  ];
  return kinds[below(kinds.length, random)]!();
}

/** The ids of BEP 3, 5, 6, 10 and 52. */
function isKnown(id: number): boolean {
  return id < 10 || (id >= 13 && id <= 17) || (id >= 20 && id <= 23);
}

/** Whether a payload is one of hashes that are not as many as it says. */
function miscounts(payload: Uint8Array): boolean {
  if (payload[0] !== 22) return false;
  const view = new DataView(payload.buffer, payload.byteOffset);
  const [length, proofLayers] = [view.getUint32(41), view.getUint32(45)];
  if (length === 0 || (length & (length - 1)) !== 0) return true;
  const layers = 31 - Math.clz32(length);
  const uncles = Math.max(0, proofLayers - layers + 1);
  return payload.length !== 49 + 32 * (length + uncles);
}

/** A frame whose id we do not know. */
function drawUnknown(random: Random): Uint8Array {
  const payload = randomBytes(1 + below(40, random), random);
  do payload[0] = below(256, random); while (isKnown(payload[0]));
  return concat([Uint8Array.of(0, 0, 0, payload.length), payload]);
}

/** Frames right and wrong, and mere noise. */
function drawBytes(random: Random, pieces: number): Uint8Array {
  const frames = Array.from({ length: below(8, random) }, () => {
    const roll = random();
    if (roll < 0.15) return drawUnknown(random);
    if (roll < 0.2) return randomBytes(below(9, random), random);
    return encodeMessages([drawMessage(random, pieces)]);
  });
  const bytes = concat(frames);
  if (random() < 0.3 && bytes.length > 0) {
    bytes[below(bytes.length, random)]! = below(256, random);
  }
  return random() < 0.2
    ? bytes.subarray(0, below(bytes.length, random))
    : bytes;
}

/** What BEP 3 says that some bytes are, read frame by frame. */
interface Reading {
  /** The frames of messages that we know, in hex, and where each one ends. */
  frames: { hex: string; end: number }[];
  /** Where the byte after the first wrong head lies, if there is one. */
  wrongAt: number | undefined;
}

function read(bytes: Uint8Array, pieces: number): Reading {
  const lengths: Record<number, [min: number, max: number]> = {
    4: [5, 5],
    5: [1 + Math.ceil(pieces / 8), 1 + Math.ceil(pieces / 8)],
    6: [13, 13],
    7: [9, 9 + 16_384],
    8: [13, 13],
    9: [3, 3],
    13: [5, 5],
    14: [1, 1],
    15: [1, 1],
    16: [13, 13],
    17: [5, 5],
    20: [2, 1 << 16],
    21: [49, 49],
    22: [49, 49 + 32 * (512 + 53)],
    23: [49, 49],
  };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const frames: Reading["frames"] = [];
  let at = 0;
  while (at + 4 <= bytes.length) {
    const length = view.getUint32(at);
    const end = at + 4 + length;
    if (length > 0) {
      if (at + 5 > bytes.length) break;
      const id = bytes[at + 4]!;
      const [min, max] = lengths[id] ?? (id < 4 ? [1, 1] : [1, 1 << 20]);
      if (length < min || length > max) return { frames, wrongAt: at + 5 };
    }
    if (end > bytes.length) break;
    if (length > 0 && miscounts(bytes.subarray(at + 4, end))) {
      return { frames, wrongAt: end };
    }
    if (length === 0 || isKnown(bytes[at + 4]!)) {
      frames.push({ hex: encodeHex(bytes.subarray(at, end)), end });
    }
    at = end;
  }
  return { frames, wrongAt: undefined };
}

/**
 * Whatever bytes arrive, in whatever chunks, `push()` yields the messages that
 * are in them, or throws `ProtocolError` in the chunk that brings the first
 * wrong length and id or ends hashes that are not as many as they say, and
 * nothing else; and what it yielded holds until the
 * next push.
 */
Deno.test("MessageDecoder.push() reads the same whatever the chunks", () => {
  for (let seed = 1; seed <= RUNS; seed++) {
    const random = seededRandom(seed);
    const pieces = 1 + below(60, random);
    const bytes = drawBytes(random, pieces);
    const { frames, wrongAt } = read(bytes, pieces);
    const longest = [1, 4, 20, 100, 1000][below(5, random)]!;
    const decoder = new MessageDecoder(pieces);
    const seen: string[] = [];
    let last: Message[] = [];
    let at = 0;
    const look = () => {
      for (const message of last) {
        seen.push(encodeHex(encodeMessages([message])));
      }
      last = [];
    };
    for (const chunk of cut(bytes, () => 1 + below(longest, random))) {
      look();
      const isWrong = wrongAt !== undefined && wrongAt <= at + chunk.length;
      try {
        last = decoder.push(chunk);
        assert(!isWrong, `seed ${seed}: accepted`);
      } catch (error) {
        if (!(error instanceof ProtocolError) || !isWrong) {
          throw new Error(`seed ${seed}: byte ${at}`, { cause: error });
        }
        break;
      }
      at += chunk.length;
    }
    look();
    // The messages of the chunk that is wrong are lost with it.
    assertEquals(
      seen,
      frames.filter(({ end }) => end <= at).map(({ hex }) => hex),
      `seed ${seed}`,
    );
  }
});

/** Whatever is said is heard: decoding inverts encoding. */
Deno.test("MessageDecoder.push() gives what encodeMessages() wrote", () => {
  for (let seed = 1; seed <= RUNS / 10; seed++) {
    const random = seededRandom(seed);
    const pieces = 1 + below(60, random);
    const messages = Array.from(
      { length: below(6, random) },
      () => drawMessage(random, pieces),
    );
    const decoder = new MessageDecoder(pieces);
    assertEquals(
      decoder.push(encodeMessages(messages)),
      messages,
      `seed ${seed}`,
    );
  }
});
