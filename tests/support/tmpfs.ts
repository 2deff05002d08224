/**
 * A small disk of its own, for tests of a disk that is full or cannot be
 * written to. Only root may mount one.
 *
 * @module
 */

import { TempFolder } from "./temp_folder.ts";

/** A disk in memory, there for one test. */
export class Tmpfs implements Disposable {
  readonly #folder: TempFolder;

  private constructor(folder: TempFolder) {
    this.#folder = folder;
  }

  /** Where it is mounted. */
  get path(): string {
    return this.#folder.path;
  }

  /**
   * Mounts a disk.
   *
   * @param options Its size in bytes.
   * @returns The disk, or `undefined` if that is not permitted; a line says so.
   */
  static mount(options: { size: number }): Tmpfs | undefined {
    const folder = new TempFolder();
    const args = ["-t", "tmpfs", "-o", `size=${options.size}`, "none"];
    if (run("mount", [...args, folder.path])) return new Tmpfs(folder);
    folder[Symbol.dispose]();
    // deno-lint-ignore no-console
    console.log("SKIPPED: mounting a disk is not permitted");
    return undefined;
  }

  /**
   * Changes the disk while it is in use.
   *
   * @param options Options of `mount`, such as `ro` or `size=2m`.
   */
  remount(options: string): void {
    if (!run("mount", ["-o", `remount,${options}`, this.path])) {
      throw new Error(`Cannot remount with ${options}`);
    }
  }

  /** Unmounts the disk; what is on it is gone. */
  [Symbol.dispose](): void {
    if (!run("umount", [this.path]) && !run("umount", ["-l", this.path])) {
      throw new Error(`Cannot unmount ${this.path}`);
    }
    this.#folder[Symbol.dispose]();
  }
}

function run(command: string, args: string[]): boolean {
  const options = { args, stdout: "null", stderr: "null" } as const;
  try {
    return new Deno.Command(command, options).outputSync().success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
