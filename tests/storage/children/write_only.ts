/**
 * Writes `t/a`, `t/empty` and `b` as a process that may not read.
 *
 * @module
 */

import { StorageError } from "../../../src/errors.ts";
import { PieceLayout } from "../../../src/metainfo/layout.ts";
import { FileStorage } from "../../../src/storage/file_storage.ts";

const [folder = "", mayReplace] = Deno.args;
const layout = new PieceLayout(16, [2, 0, 2]);
try {
  await using storage = new FileStorage(layout, {
    places: ["t/a", "t/empty", "b"].map((path) => ({
      path: `${folder}/${path}`,
      kind: "file" as const,
    })),
    folder,
    canRead: false,
    mayReplace: mayReplace === "true",
  });
  storage.makeRoot();
  storage.write(0, new TextEncoder().encode("aabb"));
  storage.finish();
  await storage.sync();
  print({});
} catch (error) {
  if (!(error instanceof StorageError)) throw error;
  print({ problem: error.problem, message: error.message });
}

function print(answer: unknown): void {
  // deno-lint-ignore no-console
  console.log(JSON.stringify(answer));
}
