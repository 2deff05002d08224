/**
 * `LayerRows`: the nodes above the piece layer of a file, kept to prove parts
 * of it to many (BEP 52). Pure.
 *
 * @module
 */

import { SHA256_LENGTH } from "../bytes/hash.ts";
import { padNode, rowAbove } from "./merkle.ts";
import { concat } from "@std/bytes/concat";

/** How many nodes are hashed in one go: some milliseconds; even. */
const STEP = 4096;

/** The piece layer of a file and all rows above it. */
export class LayerRows {
  readonly #level: number;
  readonly #height: number;
  readonly #rows: Uint8Array[];

  /**
   * Knows the layer alone.
   *
   * @param layer The nodes; not copied.
   * @param options Their level, and that of the root.
   */
  constructor(
    layer: Uint8Array,
    { level, height }: { level: number; height: number },
  ) {
    this.#level = level;
    this.#height = height;
    this.#rows = [layer];
  }

  /**
   * Makes the rows above, step by step: a large layer takes seconds.
   *
   * @returns What has to be run to its end before anything is proven.
   */
  *grow(): Generator<void, void, void> {
    for (let level = this.#level; level < this.#height; level++) {
      const below = this.#rows.at(-1)!;
      const parts: Uint8Array[] = [];
      for (let at = 0; at < below.length; at += STEP * SHA256_LENGTH) {
        const part = below.subarray(at, at + STEP * SHA256_LENGTH);
        parts.push(rowAbove(part, level));
        yield;
      }
      this.#rows.push(concat(parts));
    }
  }

  /**
   * A node.
   *
   * @param level Its level: that of the layer, or above.
   * @param index Its place in the row.
   * @returns 32 bytes, a view; a pad beyond the end of the file.
   */
  node(level: number, index: number): Uint8Array {
    const row = this.#rows[level - this.#level]!;
    const at = index * SHA256_LENGTH;
    return at < row.length
      ? row.subarray(at, at + SHA256_LENGTH)
      : padNode(level);
  }
}
