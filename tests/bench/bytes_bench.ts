import { decodeBencode, encodeBencode } from "../../src/bytes/bencode.ts";
import { Bitfield } from "../../src/bytes/bitfield.ts";
import { parseMetainfo } from "../../src/metainfo/metainfo.ts";
import { encodeHaves } from "../../src/wire/message.ts";
import { makeTorrent } from "../support/make_torrent.ts";
import { seededRandom } from "../support/seeded_random.ts";

const FILES = 20_000;
const PIECES = 100_000;

const { bytes } = makeTorrent({
  files: Object.fromEntries(
    Array.from({ length: FILES }, (_, i) => [`folder ${i % 99}/file ${i}`, 9]),
  ),
});
const value = decodeBencode(bytes);
const kib = Math.round(bytes.length / 1024);

Deno.bench(`decode ${kib} KiB of bencode`, () => void decodeBencode(bytes));
Deno.bench(`encode ${kib} KiB of bencode`, () => void encodeBencode(value));
Deno.bench(`read a torrent of ${FILES} files`, () => void parseMetainfo(bytes));

const random = seededRandom(1);
const half = new Bitfield(PIECES);
for (let index = 0; index < PIECES; index++) {
  if (random() < 0.5) half.add(index);
}

Deno.bench(`walk through a bitfield of ${PIECES} pieces`, () => {
  let sum = 0;
  for (const index of half) sum += index;
  if (sum === 0) throw new Error("There is nothing in it");
});
Deno.bench(`take a bitfield of ${PIECES} pieces from the wire`, () => {
  if (!Bitfield.fromBytes(half.bytes, PIECES)) throw new Error("It is wrong");
});
Deno.bench(`what one of ${PIECES} pieces has and another lacks`, () => {
  new Bitfield(PIECES).addAll(half);
});
Deno.bench(`tell of ${PIECES} pieces`, () => {
  encodeHaves(new Uint32Array(PIECES));
});
