/**
 * Looks for room on a disk, with or without the permission to ask for it.
 *
 * @module
 */

import { StorageError } from "../../../src/errors.ts";
import { ControlFile } from "../../../src/storage/control_file.ts";
import { checkFreeSpace } from "../../../src/storage/free_space.ts";

const [path = "", bytes = ""] = Deno.args;
using control = await ControlFile.open(path, {
  infoHash: new Uint8Array(20),
  create: true,
});
let answer = "room";
try {
  await checkFreeSpace(Number(bytes), { path, control });
} catch (error) {
  if (!(error instanceof StorageError)) throw error;
  answer = `${error.problem}: ${error.message}`;
}
// deno-lint-ignore no-console
console.log(JSON.stringify(answer));
