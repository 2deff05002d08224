/**
 * What the exit status says: aria2's numbers where it has one.
 *
 * @module
 */

import {
  BencodeError,
  GaveUpError,
  MagnetError,
  MetainfoError,
  NetworkError,
  StorageError,
} from "../errors.ts";
import { UsageError } from "./options.ts";
import { SourceError } from "./source.ts";

/** Every exit status, by its meaning. */
export const EXIT = {
  done: 0,
  unexpected: 1,
  usage: 2,
  sourceNotFound: 3,
  stalled: 5,
  network: 6,
  stopped: 7,
  diskFull: 9,
  exists: 13,
  denied: 15,
  diskIo: 17,
  notBencoded: 25,
  badTorrent: 26,
  badMagnet: 27,
  mismatch: 32,
} as const;

/** The worst first: a run ends with the worst of its downloads. */
const SEVERITY: readonly number[] = [
  EXIT.unexpected,
  EXIT.usage,
  EXIT.diskIo,
  EXIT.diskFull,
  EXIT.denied,
  EXIT.exists,
  EXIT.mismatch,
  EXIT.badTorrent,
  EXIT.notBencoded,
  EXIT.badMagnet,
  EXIT.sourceNotFound,
  EXIT.network,
  EXIT.stalled,
  EXIT.stopped,
  EXIT.done,
];

/**
 * The exit status of a run with several results.
 *
 * @param codes The status of each.
 * @returns The worst; 0 for none.
 */
export function worstOf(codes: Iterable<number>): number {
  const all = new Set(codes);
  return SEVERITY.find((code) => all.has(code)) ?? EXIT.done;
}

/**
 * The exit status that an error stands for.
 *
 * @param error What was thrown.
 * @returns The status, or `undefined` for what nobody expected.
 */
export function exitCodeOf(error: unknown): number | undefined {
  if (error instanceof UsageError) return EXIT.usage;
  if (error instanceof SourceError) return EXIT[error.kind];
  if (error instanceof BencodeError) return EXIT.notBencoded;
  if (error instanceof MagnetError) return EXIT.badMagnet;
  if (error instanceof MetainfoError) return EXIT.badTorrent;
  if (error instanceof NetworkError) return EXIT.network;
  if (error instanceof GaveUpError) {
    const { reason } = error;
    return reason === "unreachable"
      ? EXIT.network
      : reason === "mismatch"
      ? EXIT.mismatch
      : EXIT.stalled;
  }
  if (error instanceof StorageError) {
    switch (error.problem) {
      case "disk_full":
        return EXIT.diskFull;
      case "exists":
        return EXIT.exists;
      case "denied":
      case "locked":
        return EXIT.denied;
      case "io":
        return EXIT.diskIo;
      default:
        error.problem satisfies never;
    }
  }
  return undefined;
}
