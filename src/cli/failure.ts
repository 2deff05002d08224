/**
 * What went wrong, in one line.
 *
 * @module
 */

import { exitCodeOf } from "./exit_code.ts";

/** Somebody or something asked us to stop before the end. */
export class StopRequest extends Error {
  /** The name of the class. */
  override readonly name = "StopRequest";
}

/**
 * Says what went wrong.
 *
 * @param error What was thrown.
 * @returns One line.
 */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return `Unexpected: ${String(error)}`;
  if (error instanceof StopRequest || exitCodeOf(error) !== undefined) {
    return error.message;
  }
  // Nobody expected it, so whoever mends it needs all there is to know.
  const stack = error.stack ?? error.message;
  return `Unexpected: ${stack.split(/\s*\n\s*/).join(" ")}`;
}
