/**
 * Opens a control file, says what came of it, and holds it until killed.
 *
 * @module
 */

import { StorageError } from "../../../src/errors.ts";
import { ControlFile } from "../../../src/storage/control_file.ts";

const [path = "", mode] = Deno.args;
try {
  const control = await ControlFile.open(path, {
    infoHash: new Uint8Array(20).fill(7),
    create: true,
  });
  print(control?.isResumed ? "resumed" : "new");
  // A timer keeps the process alive.
  if (mode === "hold") await new Promise(() => setInterval(() => {}, 60_000));
  control?.[Symbol.dispose]();
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
