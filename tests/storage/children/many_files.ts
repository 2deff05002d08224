/**
 * Writes many files, and checks them, under whatever limit the process has.
 *
 * @module
 */

import { sha1 } from "../../../src/bytes/hash.ts";
import { PieceLayout } from "../../../src/metainfo/layout.ts";
import { recover } from "../../../src/storage/recover.ts";
import { PieceHashes } from "../../../src/metainfo/piece_hashes.ts";
import { FileStorage } from "../../../src/storage/file_storage.ts";

const [folder = "", count = ""] = Deno.args;
const files = Number(count);
const FILE_LENGTH = 100;

// Half of the borders of pieces lie in a file, not between two.
const layout = new PieceLayout(1050, Array(files).fill(FILE_LENGTH));
const payload = Uint8Array.from(
  { length: layout.length },
  (_, i) => (i * 2_654_435_761) >>> 24,
);
const pieceHashes = new Uint8Array(layout.pieceCount * 20);
for (let index = 0; index < layout.pieceCount; index++) {
  pieceHashes.set(sha1(piece(index)), index * 20);
}

const storage = new FileStorage(layout, {
  places: Array.from({ length: files }, (_, i) => ({
    path: `${folder}/t/${i}`,
    kind: "file" as const,
  })),
  folder,
  canRead: true,
  mayReplace: false,
});
for (let index = 0; index < layout.pieceCount; index++) {
  await storage.write(layout.pieceOffset(index), piece(index));
}
storage.finish();
// While files are open, there is a descriptor for somebody else.
Deno.openSync(Deno.execPath()).close();
await storage[Symbol.asyncDispose]();
const { have, control } = await recover(layout, {
  infoHash: new Uint8Array(20),
  hashes: PieceHashes.ofV1(layout, pieceHashes),
  storage,
  controlPath: `${folder}/t.btget`,
  mustCheckAll: true,
  mayOverwrite: false,
  isReadOnly: true,
  onProgress: () => {},
  signal: new AbortController().signal,
});
control?.[Symbol.dispose]();
const written = [...Deno.readDirSync(`${folder}/t`)].length;
// deno-lint-ignore no-console
console.log(JSON.stringify({ written, isComplete: have.isFull }));

function piece(index: number): Uint8Array {
  const offset = layout.pieceOffset(index);
  return payload.subarray(offset, offset + layout.pieceSize(index));
}
