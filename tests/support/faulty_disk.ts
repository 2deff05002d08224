/**
 * A disk with faults, for a program in a process of its own; see
 * `faulty_disk.c`.
 *
 * @module
 */

import { hasProgram } from "./child.ts";
import { TempFolder } from "./temp_folder.ts";
import { fromFileUrl } from "@std/path";

/** What is wrong with the disk. */
export type Fault = "short" | "slow" | "eio" | "badread" | "nosync" | "nolock";

const SOURCE = new URL("faulty_disk.c", import.meta.url);

/** What makes a folder's disk faulty. */
export class FaultyDisk implements Disposable {
  readonly #folder: TempFolder;

  private constructor(folder: TempFolder) {
    this.#folder = folder;
  }

  /**
   * Builds what is needed.
   *
   * @returns The faults, or `undefined` where they cannot be had; a line says
   * so.
   */
  static build(): FaultyDisk | undefined {
    if (Deno.build.os !== "linux" || !hasProgram("gcc")) return undefined;
    const folder = new TempFolder();
    const library = folder.join("faulty_disk.so");
    const { success } = new Deno.Command("gcc", {
      args: ["-shared", "-fPIC", "-o", library, fromFileUrl(SOURCE), "-ldl"],
    }).outputSync();
    if (success) return new FaultyDisk(folder);
    folder[Symbol.dispose]();
    // deno-lint-ignore no-console
    console.log("SKIPPED: gcc cannot build faulty_disk.c");
    return undefined;
  }

  /**
   * The environment of a program for which a folder is faulty.
   *
   * @param folder The folder.
   * @param fault What is wrong with it.
   * @returns The variables.
   */
  env(folder: string, fault: Fault): Record<string, string> {
    return {
      LD_PRELOAD: this.#folder.join("faulty_disk.so"),
      FAULTY_FOLDER: folder,
      FAULT: fault,
    };
  }

  /** Removes what was built. */
  [Symbol.dispose](): void {
    this.#folder[Symbol.dispose]();
  }
}
