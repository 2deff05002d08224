/**
 * A seeder that is never the bottleneck: its blocks are all the same, so it
 * has them ready in one buffer, writes the index and the begin that were asked
 * for between them, and sends many at once.
 *
 * It waits until all leechers are there and begins with all at the same time.
 * The first line that it prints are its ports, one for each leecher. Asked for
 * a plain stream it sends the same amount without any protocol.
 * It can also lose requests, or answer some much later than others.
 *
 * @module
 */

import { Bitfield } from "../../../src/bytes/bitfield.ts";
import { HASH_LENGTH } from "../../../src/bytes/hash.ts";
import { BLOCK_LENGTH } from "../../../src/metainfo/layout.ts";
import {
  encodeHandshake,
  HANDSHAKE_LENGTH,
  ourReserved,
} from "../../../src/wire/handshake.ts";
import {
  encodeMessages,
  type Message,
  PIECE_HEADER_LENGTH,
  PREFIX_LENGTH,
} from "../../../src/wire/message.ts";
import { encodeExtensionHandshake } from "../../../src/wire/extension_handshake.ts";
import { evenBytes, evenTorrent } from "../support/even_torrent.ts";
import { BLOCK } from "../support/even_torrent.ts";
import type { ReceivingRecipe } from "../receiving.ts";
import { seededRandom } from "../../support/seeded_random.ts";

/** So many blocks go out in one write at most. */
const BATCH = 32;

/** What a plain stream sends in one write. */
const PLAIN_LENGTH = 512 * 1024;

const FRAME_LENGTH = PREFIX_LENGTH + PIECE_HEADER_LENGTH + BLOCK_LENGTH;
const REQUEST_ID = 6;
const INTERESTED_ID = 2;

/** The index and the begin of a request or a piece, after length and id. */
const FIELDS = { at: PREFIX_LENGTH + 1, length: 8 };

const recipe = JSON.parse(Deno.args[0]!) as ReceivingRecipe;
const metainfo = evenTorrent(recipe);
const everybody = Promise.withResolvers<void>();
let arrived = 0;

function arrive(): Promise<void> {
  if (++arrived === recipe.peers) everybody.resolve();
  return everybody.promise;
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += await conn.write(bytes.subarray(at));
  }
}

async function stream(conn: Deno.Conn): Promise<void> {
  const bytes = evenBytes(PLAIN_LENGTH);
  await arrive();
  let left = Math.floor(recipe.length / recipe.peers);
  while (left > 0) {
    const part = bytes.subarray(0, left);
    await writeAll(conn, part);
    left -= part.length;
  }
}

/** Splits what a leecher says into messages; none of them is long. */
class Ear {
  readonly #conn: Deno.Conn;
  readonly #buffer = new Uint8Array(64 * 1024);
  #from = 0;
  #end = 0;

  constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  /** Waits for bytes; tells whether there will be more. */
  async listen(): Promise<boolean> {
    this.#buffer.copyWithin(0, this.#from, this.#end);
    this.#end -= this.#from;
    this.#from = 0;
    const count = await this.#conn.read(this.#buffer.subarray(this.#end));
    this.#end += count ?? 0;
    return count !== null;
  }

  /** The next message that is there, its length included. */
  next(): Uint8Array | undefined {
    const rest = this.#buffer.subarray(this.#from, this.#end);
    if (rest.length < PREFIX_LENGTH) return undefined;
    const length = PREFIX_LENGTH +
      new DataView(rest.buffer, rest.byteOffset).getUint32(0);
    if (rest.length < length) return undefined;
    this.#from += length;
    return rest.subarray(0, length);
  }

  skip(length: number): boolean {
    if (this.#end - this.#from < length) return false;
    this.#from += length;
    return true;
  }
}

function randomHalf(seed: number): Uint8Array {
  const { pieceCount } = metainfo.layout;
  const random = seededRandom(seed);
  const half = new Bitfield(pieceCount);
  for (let index = 0; index < pieceCount; index++) {
    if (random() < 0.5) half.add(index);
  }
  return half.bytes;
}

async function seed(conn: Deno.Conn, id: number): Promise<void> {
  const peerId = new Uint8Array(HASH_LENGTH);
  new DataView(peerId.buffer).setUint32(0, 1 + id);
  const { infoHash } = metainfo;
  await conn.write(
    encodeHandshake({ reserved: ourReserved(), infoHash, peerId }),
  );
  const payload = encodeExtensionHandshake({
    messages: new Map(),
    reqq: 2000,
  });
  const greeting: Message[] = [
    recipe.isPartial && id >= 2
      ? { type: "bitfield", bitfield: randomHalf(2 + id) }
      : { type: "have_all" },
    { type: "extended", id: 0, payload },
  ];
  await conn.write(encodeMessages(greeting));
  const ear = new Ear(conn);
  const out = new Uint8Array(BATCH * FRAME_LENGTH);
  const frame = encodeMessages([
    { type: "piece", index: 0, begin: 0, block: BLOCK },
  ]);
  for (let i = 0; i < BATCH; i++) out.set(frame, i * FRAME_LENGTH);
  const { lost = 0, lostForMs = Infinity } = recipe;
  const random = seededRandom(2 + id);
  const late: { dueAt: number; fields: Uint8Array }[] = [];
  while (!ear.skip(HANDSHAKE_LENGTH)) await ear.listen();
  while (true) {
    let filled = 0;
    const now = performance.now();
    while (late[0] && late[0].dueAt <= now && filled < out.length) {
      out.set(late.shift()!.fields, filled + FIELDS.at);
      filled += FRAME_LENGTH;
    }
    if (filled === out.length) {
      await writeAll(conn, out);
      filled = 0;
    }
    for (let said = ear.next(); said; said = ear.next()) {
      if (said[PREFIX_LENGTH] === INTERESTED_ID) {
        await arrive();
        await conn.write(encodeMessages([{ type: "unchoke" }]));
      }
      if (said[PREFIX_LENGTH] !== REQUEST_ID) continue;
      const fields = said.subarray(FIELDS.at, FIELDS.at + FIELDS.length);
      if (random() < lost) {
        late.push({ dueAt: now + lostForMs, fields: fields.slice() });
        continue;
      }
      out.set(fields, filled + FIELDS.at);
      filled += FRAME_LENGTH;
      if (filled < out.length) continue;
      await writeAll(conn, out);
      filled = 0;
    }
    if (filled > 0) await writeAll(conn, out.subarray(0, filled));
    if (!await ear.listen()) return;
  }
}

const listeners = Array.from(
  { length: recipe.peers },
  () => Deno.listen({ hostname: "127.0.0.1", port: 0 }),
);
// deno-lint-ignore no-console
console.log(JSON.stringify(listeners.map(({ addr }) => addr.port)));
await Promise.all(listeners.map(async (listener, i) => {
  using conn = await listener.accept();
  conn.setNoDelay(true);
  try {
    await (recipe.isPlain ? stream(conn) : seed(conn, i));
  } catch (error) {
    if (
      !(error instanceof Deno.errors.ConnectionReset) &&
      !(error instanceof Deno.errors.BrokenPipe)
    ) throw error;
  }
}));
