import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import { StorageError } from "../../src/errors.ts";
import { closeLocked, openLocked } from "../../src/storage/locked_file.ts";
import { Child, type ChildOptions } from "../support/child.ts";
import { FaultyDisk } from "../support/faulty_disk.ts";
import { TempFolder } from "../support/temp_folder.ts";

const LOCK = new URL("children/lock.ts", import.meta.url);

/** A Deno without `FsFile.tryLock`, if the environment names one. */
const OLD_DENO = Deno.env.get("BTGET_OLD_DENO") ?? "";

function hasOldDeno(): boolean {
  if (OLD_DENO !== "") return true;
  // deno-lint-ignore no-console
  console.log("SKIPPED: BTGET_OLD_DENO names no Deno before 2.9");
  return false;
}

function startChild(
  path: string,
  { mode, ...options }: { mode: "hold" | "try" } & Partial<ChildOptions>,
): Child {
  return new Child(LOCK, {
    permissions: ["--allow-read", "--allow-write"],
    args: [path, mode],
    ...options,
  });
}

function open(path: string) {
  return openLocked(path, { create: true });
}

async function assertLocked(action: () => Promise<unknown>): Promise<void> {
  const error = await assertRejects(action, StorageError, "Another btget");
  assertEquals(error.problem, "locked");
}

/** Lets something happen right after the next call of a function of Deno. */
async function afterCall<Result>(
  name: "lstat" | "open",
  event: () => unknown,
  action: () => Promise<Result>,
): Promise<Result> {
  const deno = Deno as { [name: string]: unknown };
  const real = deno[name] as (...args: unknown[]) => Promise<unknown>;
  deno[name] = async (...args: unknown[]) => {
    deno[name] = real;
    try {
      return await real(...args);
    } finally {
      await event();
    }
  };
  try {
    return await action();
  } finally {
    deno[name] = real;
  }
}

Deno.test("openLocked() creates a file if it is told to", async () => {
  using folder = new TempFolder();
  const path = folder.join("x");
  assertEquals(await openLocked(path, { create: false }), undefined);
  const file = await open(path);
  assert((await Deno.lstat(path)).isFile);
  closeLocked(file!);
  const again = await openLocked(path, { create: false });
  assert(again);
  closeLocked(again);
});

Deno.test("openLocked() is for one at a time", async (t) => {
  await t.step("in one process", async () => {
    using folder = new TempFolder();
    const path = folder.join("x");
    const file = await open(path);
    await assertLocked(() => open(path));
    closeLocked(file!);
    closeLocked((await open(path))!);
  });

  await t.step("between processes, until one is killed", async () => {
    using folder = new TempFolder();
    const path = folder.join("x");
    await using holder = startChild(path, { mode: "hold" });
    assertEquals(await holder.line(), "open");
    await assertLocked(() => open(path));
    {
      await using other = startChild(path, { mode: "try" });
      assertEquals(await other.output(), "locked\n");
    }
    await holder.kill();
    closeLocked((await open(path))!);
  });

  await t.step("and nobody works on a file that is gone", async () => {
    using folder = new TempFolder();
    const path = folder.join("x");
    for (const call of ["lstat", "open"] as const) {
      const first = await open(path);
      const finish = async () => {
        await Deno.remove(path);
        closeLocked(first!);
      };
      const second = await afterCall(call, finish, () => open(path));
      await assertLocked(() => open(path));
      closeLocked(second!);
    }
  });

  await t.step("or on one that a link leads to", async () => {
    using folder = new TempFolder();
    const [path, far] = [folder.join("x"), folder.join("far")];
    closeLocked((await open(path))!);
    const swap = async () => {
      await Deno.rename(path, far);
      await Deno.symlink(far, path);
    };
    for (const call of ["lstat", "open"] as const) {
      assertEquals(await afterCall(call, swap, () => open(path)), undefined);
      await Deno.rename(far, path);
    }
  });

  await t.step("and of two that begin at once one is first", async () => {
    using folder = new TempFolder();
    const path = folder.join("x");
    let first: Deno.FsFile | undefined;
    const begin = async () => {
      first = await open(path);
    };
    await assertLocked(() => afterCall("lstat", begin, () => open(path)));
    closeLocked(first!);
  });
});

Deno.test("openLocked() with a Deno that can only wait for a lock", {
  ignore: !hasOldDeno(),
}, async (t) => {
  await t.step("is for one at a time", async () => {
    using folder = new TempFolder();
    const path = folder.join("x");
    await using holder = startChild(path, { mode: "hold", deno: OLD_DENO });
    assertEquals(await holder.line(), "open");
    const start = performance.now();
    {
      await using other = startChild(path, { mode: "try", deno: OLD_DENO });
      assertEquals(await other.output(), "locked\n");
    }
    // It ended though it was still waiting for the lock.
    assertLess(performance.now() - start, 10_000);
    await holder.kill();
    await using next = startChild(path, { mode: "try", deno: OLD_DENO });
    assertEquals(await next.output(), "open\n");
  });

  await t.step("and the newer one sees its lock", async () => {
    using folder = new TempFolder();
    const path = folder.join("x");
    await using holder = startChild(path, { mode: "hold", deno: OLD_DENO });
    assertEquals(await holder.line(), "open");
    await assertLocked(() => open(path));
  });
});

Deno.test("openLocked() goes without a lock where there are none", async () => {
  using disk = FaultyDisk.build();
  if (!disk) return;
  using folder = new TempFolder();
  await using child = startChild(folder.join("x"), {
    mode: "try",
    env: disk.env(folder.path, "nolock"),
  });
  assertEquals(await child.output(), "open\n");
});
