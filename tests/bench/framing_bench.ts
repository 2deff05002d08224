import {
  encodeMessages,
  type Message,
  PIECE_HEADER_LENGTH,
  PREFIX_LENGTH,
} from "../../src/wire/message.ts";
import { MessageDecoder } from "../../src/wire/message_stream.ts";
import { BLOCK_LENGTH } from "../../src/metainfo/layout.ts";

const MIB = 1024 * 1024;

/** What one read gives when there is enough. */
const CHUNK_LENGTH = 256 * 1024;

function repeated(message: Message, bytes: number): Message[] {
  const length = encodeMessages([message]).length;
  return new Array(Math.floor(bytes / length)).fill(message);
}

function chunksOf(bytes: Uint8Array): Uint8Array[] {
  return Array.from(
    { length: Math.ceil(bytes.length / CHUNK_LENGTH) },
    (_, i) => bytes.slice(i * CHUNK_LENGTH, (i + 1) * CHUNK_LENGTH),
  );
}

const PIECES = repeated({
  type: "piece",
  index: 1,
  begin: 2 * BLOCK_LENGTH,
  block: new Uint8Array(BLOCK_LENGTH),
}, 64 * MIB);

const REQUESTS = repeated(
  { type: "request", index: 1, begin: 2 * BLOCK_LENGTH, length: BLOCK_LENGTH },
  MIB,
);

const HAVES = repeated({ type: "have", index: 1 }, MIB);

function decode(chunks: Uint8Array[]): void {
  const decoder = new MessageDecoder(100);
  for (const chunk of chunks) decoder.push(chunk);
}

const pieceChunks = chunksOf(encodeMessages(PIECES));
const requestChunks = chunksOf(encodeMessages(REQUESTS));
const haveChunks = chunksOf(encodeMessages(HAVES));

const perPiece = PREFIX_LENGTH + PIECE_HEADER_LENGTH + BLOCK_LENGTH;

Deno.bench(
  `decode 64 MiB of piece messages (${perPiece} bytes)`,
  () => decode(pieceChunks),
);
Deno.bench(
  "decode 1 MiB of request messages (17 bytes)",
  () => decode(requestChunks),
);
Deno.bench("decode 1 MiB of have messages (9 bytes)", () => decode(haveChunks));
Deno.bench("encode 1 MiB of request messages, 32 at a time", () => {
  for (let at = 0; at < REQUESTS.length; at += 32) {
    encodeMessages(REQUESTS.slice(at, at + 32));
  }
});
