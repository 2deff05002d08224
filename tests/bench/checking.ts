/**
 * How late a timer is while data on disk is being checked: by all cores, and by
 * this thread alone.
 *
 *     deno run -A tests/bench/checking.ts [--mib=4096] [--piece-kib=16384]
 *
 * The data are the zeros of a file that takes no room on disk.
 *
 * @module
 */

import { sha1 } from "../../src/bytes/hash.ts";
import { PieceLayout } from "../../src/metainfo/layout.ts";
import { PieceHashes } from "../../src/metainfo/piece_hashes.ts";
import { checkPieces } from "../../src/storage/check.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { Meter } from "./support/meter.ts";
import { parseArgs } from "@std/cli/parse-args";

const KIB = 1024;

const options = parseArgs(Deno.args, { string: ["mib", "piece-kib"] });
const pieceLength = Number(options["piece-kib"] ?? 16_384) * KIB;
const length = Number(options.mib ?? 4096) * KIB * KIB;
const layout = new PieceLayout(pieceLength, [length]);

using folder = new TempFolder();
const path = folder.join("zeros");
await Deno.writeFile(path, new Uint8Array());
await Deno.truncate(path, length);
const hash = sha1(new Uint8Array(pieceLength));
const pieceHashes = new Uint8Array(layout.pieceCount * hash.length);
for (let index = 0; index < layout.pieceCount; index++) {
  pieceHashes.set(hash, index * hash.length);
}
const { record } = PieceHashes.ofV1(layout, pieceHashes);

/** Checks all; so many bytes decide who does it. */
async function check(bytes: number): Promise<void> {
  const numbers = new SharedArrayBuffer((layout.pieceCount + 1) * 4);
  const pieces = new Int32Array(numbers, 4);
  for (let index = 0; index < pieces.length; index++) pieces[index] = index;
  const taken = new Int32Array(numbers, 0, 1);
  const job = { hashes: record, paths: [path], pieces, taken };
  const meter = new Meter();
  meter.begin();
  await checkPieces(job, {
    bytes,
    onPiece: (_, isGood) => {
      if (!isGood) throw new Error("The zeros are no zeros");
    },
    signal: new AbortController().signal,
  });
  meter.end();
}

await check(length);
await check(0);
