import { assert, assertEquals, assertMatch } from "@std/assert";
import { checkFreeSpace } from "../../src/storage/free_space.ts";
import { runChild } from "../support/child.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { Tmpfs } from "../support/tmpfs.ts";
import { join } from "@std/path";

const RESERVE = new URL("children/reserve.ts", import.meta.url);

const KIB = 1024;
const GIB = KIB ** 3;

function run(path: string, bytes: number, ...more: string[]): Promise<string> {
  return runChild<string>(RESERVE, {
    permissions: ["--allow-read", "--allow-write", ...more],
    args: [path, bytes],
  });
}

Deno.test("checkFreeSpace() compares with what the system says", async () => {
  using disk = Tmpfs.mount({ size: KIB * KIB });
  if (!disk) return;
  const path = join(disk.path, "x.btget");
  const ask = (bytes: number) => run(path, bytes, "--allow-sys=statfs");
  assertEquals(await ask(900 * KIB), "room");
  assertMatch(
    await ask(5 * 1024 * GIB),
    /^disk_full: No space left in .*: 5 TiB needed, 10\d\d kiB free$/,
  );
  assertMatch(await ask(1100 * KIB), /: 1\.07 MiB needed, 10\d\d kiB free$/);
  assert((await Deno.stat(path)).size < KIB);
});

Deno.test("checkFreeSpace() tries it out where it may not ask", async () => {
  using disk = Tmpfs.mount({ size: KIB * KIB });
  if (!disk) return;
  const path = join(disk.path, "x.btget");
  assertEquals(await run(path, 900 * KIB), "room");
  assertMatch(await run(path, 5 * 1024 * GIB), /^disk_full: No space left/);
  // It gives back what it took.
  assert((await Deno.stat(path)).size < KIB);
});

Deno.test("checkFreeSpace() takes little time and room for a large download", async () => {
  using folder = new TempFolder();
  const path = folder.join("x.btget");
  assertEquals(await run(path, 1024 * GIB), "room");
  assert((await Deno.stat(path)).size < KIB);
});

Deno.test("checkFreeSpace() asks for nothing if nothing is needed", async () => {
  await checkFreeSpace(0, { path: "/nowhere/x.btget", control: undefined });
});
