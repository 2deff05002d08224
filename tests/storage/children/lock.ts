/**
 * Opens a locked file, says what came of it, and holds it until killed.
 *
 * @module
 */

import { StorageError } from "../../../src/errors.ts";
import { closeLocked, openLocked } from "../../../src/storage/locked_file.ts";

const [path = "", mode] = Deno.args;
try {
  const file = await openLocked(path, { create: true });
  print("open");
  // A timer keeps the process alive.
  if (mode === "hold") await new Promise(() => setInterval(() => {}, 60_000));
  closeLocked(file!);
} catch (error) {
  if (!(error instanceof StorageError)) throw error;
  print(error.problem);
}
// As `main.ts` does: an old Deno would wait for the lock for ever.
Deno.exit(0);

function print(text: string): void {
  // deno-lint-ignore no-console
  console.log(text);
}
