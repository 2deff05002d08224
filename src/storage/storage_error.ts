/**
 * What the system reports about files, as a `StorageError` with a sentence
 * that says what to do.
 *
 * @module
 */

import { StorageError, type StorageProblem } from "../errors.ts";

/** The codes of the system, and what they mean for the download. */
const PROBLEMS: Record<string, StorageProblem> = {
  ENOSPC: "disk_full",
  EDQUOT: "disk_full",
  EACCES: "denied",
  EPERM: "denied",
  EROFS: "denied",
  EEXIST: "exists",
  EISDIR: "exists",
  ENOTDIR: "exists",
  ENOTEMPTY: "exists",
  ELOOP: "exists",
};

const SENTENCES: Record<StorageProblem, string> = {
  "disk_full": "No space left for",
  denied: "Permission denied:",
  exists: "Something else lies at",
  locked: "Another process is using",
  io: "The disk failed at",
};

/**
 * Turns what a file operation threw into our class.
 *
 * @param error What was thrown.
 * @param path The file it was about.
 * @returns The error to throw.
 * @throws What is no failure of the disk but a bug.
 */
export function storageError(error: unknown, path: string): StorageError {
  if (error instanceof StorageError) return error;
  if (
    !(error instanceof Error) || error instanceof TypeError ||
    error instanceof RangeError || error instanceof ReferenceError
  ) throw error;
  if (error instanceof Deno.errors.NotCapable) {
    const flag = /--allow-\w+/.exec(error.message)?.[0] ?? "--allow-write";
    return new StorageError("denied", {
      message: `${path} may not be used: run again with ${flag}=${path}`,
      path,
      cause: error,
    });
  }
  const code = (error as { code?: string }).code ?? "";
  const problem = PROBLEMS[code] ?? "io";
  const detail = problem === "io" ? ` (${error.message})` : "";
  return new StorageError(problem, {
    message: `${SENTENCES[problem]} ${path}${detail}`,
    path,
    cause: error,
  });
}

/** A failure as a worker tells it: errors lose their class on the way. */
export interface StorageFailure {
  /** What kind of failure it is. */
  readonly problem: StorageProblem;
  /** What happened, and what to do. */
  readonly message: string;
  /** The file it was about. */
  readonly path: string;
}

/**
 * What a worker tells of an error; `new StorageError(failure.problem, failure)`
 * makes it one again.
 *
 * @param error What was thrown.
 * @returns The failure.
 * @throws What is no failure of the disk but a bug.
 */
export function failureOf(error: unknown): StorageFailure {
  if (!(error instanceof StorageError)) throw error;
  const { problem, message, options: { path } } = error;
  return { problem, message, path };
}

/**
 * Whether a file could not be opened because too many are open already.
 *
 * @param error What was thrown.
 * @returns Whether closing one would help.
 */
export function isOutOfDescriptors(error: unknown): boolean {
  const code = (error as { code?: string } | undefined)?.code;
  return code === "EMFILE" || code === "ENFILE";
}
