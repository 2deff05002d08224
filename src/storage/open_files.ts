/**
 * `OpenFiles`: files that stay open for a while. The one used longest ago makes
 * room for another; and when the process has no descriptors left, fewer stay
 * open from then on: connections need some as well.
 *
 * @module
 */

import { isOutOfDescriptors } from "./storage_error.ts";

/** Some open files. */
export class OpenFiles<Key> implements Disposable {
  /** The one used longest ago is first. */
  readonly #open = new Map<Key, Deno.FsFile>();
  #most: number;

  /**
   * Opens nothing yet.
   *
   * @param most How many may be open at a time.
   */
  constructor(most: number) {
    this.#most = most;
  }

  /**
   * An open file.
   *
   * @param key Which one.
   * @param open Opens it, if it is not open.
   * @returns The file; it stays open until others need its room.
   * @throws What `open` throws, unless closing others helps.
   */
  use(key: Key, open: () => Deno.FsFile): Deno.FsFile {
    let file = this.#open.get(key);
    if (file) {
      this.#open.delete(key);
    } else {
      this.#shrink(this.#most - 1);
      file = this.#tryToOpen(open);
    }
    this.#open.set(key, file);
    return file;
  }

  /**
   * Closes a file, if it is open.
   *
   * @param key Which one.
   */
  close(key: Key): void {
    this.#open.get(key)?.close();
    this.#open.delete(key);
  }

  /** Closes all. */
  [Symbol.dispose](): void {
    this.#shrink(0);
  }

  #tryToOpen(open: () => Deno.FsFile): Deno.FsFile {
    while (true) {
      try {
        return open();
      } catch (error) {
        if (!isOutOfDescriptors(error) || this.#open.size === 0) throw error;
        const kept = Math.floor(this.#open.size / 2);
        this.#shrink(kept);
        this.#most = Math.max(1, kept);
      }
    }
  }

  #shrink(count: number): void {
    for (const key of this.#open.keys()) {
      if (this.#open.size <= count) return;
      this.close(key);
    }
  }
}
