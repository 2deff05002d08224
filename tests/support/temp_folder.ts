/**
 * A folder that is there for one test.
 *
 * @module
 */

import { join } from "@std/path";

/** A folder that is removed when the block that declared it is left. */
export class TempFolder implements Disposable {
  /** Its path. */
  readonly path: string = Deno.makeTempDirSync({ prefix: "btget-test-" });

  /**
   * A path in the folder.
   *
   * @param names The names below the folder.
   * @returns The path.
   */
  join(...names: string[]): string {
    return join(this.path, ...names);
  }

  /** Removes the folder and what is in it. */
  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}
