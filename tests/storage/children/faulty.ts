/**
 * Writes a file in parts, on a disk that may be faulty, and says what came of
 * it.
 *
 * @module
 */

import { StorageError } from "../../../src/errors.ts";
import { PieceLayout } from "../../../src/metainfo/layout.ts";
import { FileStorage } from "../../../src/storage/file_storage.ts";

const [folder = "", partLength = "", count = ""] = Deno.args;
const part = new Uint8Array(Number(partLength));
for (let i = 0; i < part.length; i++) part[i] = i % 251;
const layout = new PieceLayout(part.length, [part.length * Number(count)]);
await using storage = new FileStorage(layout, {
  places: [{ path: `${folder}/a`, kind: "file" }],
  folder,
  canRead: true,
  mayReplace: false,
});
const outcomes: string[] = [];
for (let index = 0; index < Number(count); index++) {
  try {
    const writing = storage.write(layout.pieceOffset(index), part);
    await writing;
    outcomes.push(writing ? "queued" : "at once");
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    outcomes.push(error.problem);
  }
}
// deno-lint-ignore no-console
console.log(JSON.stringify(outcomes));
