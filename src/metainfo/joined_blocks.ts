/**
 * Blocks that follow each other within a piece, as one stretch of bytes. Pure.
 *
 * @module
 */

import type { Block } from "./layout.ts";

/** Blocks without a gap between them. */
export interface JoinedBlocks {
  /** What they are together. */
  part: Block;
  /** They themselves, in order. */
  blocks: Block[];
}

/**
 * Joins blocks that follow each other.
 *
 * @param blocks The blocks; their order stays.
 * @returns Stretches of one piece each.
 */
export function joinBlocks(blocks: readonly Block[]): JoinedBlocks[] {
  const runs: JoinedBlocks[] = [];
  for (const block of blocks) {
    const run = runs.at(-1);
    if (
      run && run.part.index === block.index &&
      run.part.begin + run.part.length === block.begin
    ) {
      run.part = { ...run.part, length: run.part.length + block.length };
      run.blocks.push(block);
    } else {
      runs.push({ part: block, blocks: [block] });
    }
  }
  return runs;
}
