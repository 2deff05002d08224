/**
 * What a tracker answers first: most tests have one family of addresses.
 *
 * @module
 */

import type { AnnounceResponse } from "../../src/tracker/tracker.ts";

/**
 * Waits for the first answer to an announce; later ones are given up.
 *
 * @param answers The answers.
 * @returns The first.
 */
export async function firstAnswer(
  answers: AsyncIterable<AnnounceResponse>,
): Promise<AnnounceResponse> {
  for await (const answer of answers) return answer;
  throw new Error("The tracker gave no answer, and no failure");
}
