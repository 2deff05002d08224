/**
 * Completes a download as if peers sent it, says which pieces are written, and
 * now and then stops cleanly.
 *
 * @module
 */

import { PieceStore } from "../../../src/storage/piece_store.ts";
import { stampFiles } from "../../../src/storage/recover.ts";
import { type DiskRecipe, DiskScene } from "../../support/disk_scene.ts";
import { seededRandom } from "../../support/seeded_random.ts";

const [folder = "", recipe = "", seed = ""] = Deno.args;
const random = seededRandom(Number(seed));
const scene = new DiskScene(folder, JSON.parse(recipe) as DiskRecipe);
const { layout } = scene;
await using storage = scene.storage();
const { have, control } = await scene.recover(storage);
using _control = control;
const store = new PieceStore(layout, {
  hashes: scene.hashes,
  storage,
  have,
  handler: {
    onPiece: ({ type, index }) => print(type === "written" ? index : type),
  },
});
const missing = Array.from({ length: layout.pieceCount }, (_, index) => index)
  .filter((index) => !have.has(index))
  .sort(() => random() - 0.5);
for (const index of missing) {
  for (let number = 0; number < layout.blockCount(index); number++) {
    const block = layout.block(index, number);
    const { begin, length } = block;
    store.add(block, scene.piece(index).subarray(begin, begin + length));
  }
  await store.drained();
  if (random() < 1 / 8) break;
}
await store.settled();
if (have.isFull) {
  storage.finish();
  control?.remove();
  print("complete");
} else {
  await storage.sync();
  await control!.write({ have, files: stampFiles(layout, storage) });
  print("stopped");
}

function print(text: string | number): void {
  // deno-lint-ignore no-console
  console.log(text);
}
