/**
 * Checks which pieces lie on disk already: reads them and compares their
 * hashes, in workers on every core where that is worth their start.
 *
 * @module
 */

import { StorageError } from "../errors.ts";
import type { PieceVerdict } from "../metainfo/piece_digest.ts";
import {
  contradictoryTorrent,
  PieceHashes,
  type PieceHashesRecord,
} from "../metainfo/piece_hashes.ts";
import { TaskGroup } from "../task_group.ts";
import { Turns } from "../turns.ts";
import { PieceReader } from "./piece_reader.ts";
import { failureOf, type StorageFailure } from "./storage_error.ts";
import { runWorker, workerCount } from "./workers.ts";

/** A piece is read in parts, so that a large one needs no large buffer. */
const PART_LENGTH = 1024 * 1024;

/** How many bytes a worker checks between two reports. */
const REPORT_BYTES = 16 * 1024 * 1024;

/** What a checker needs to know; it can be sent to a worker. */
export interface CheckJob {
  /** What the pieces must hash to, and where they lie. */
  hashes: PieceHashesRecord;
  /** The path of each file; `undefined` stands for zeros. */
  paths: readonly (string | undefined)[];
  /** The pieces to check, all of known hash; shared by all who check. */
  pieces: Int32Array;
  /** How many of them have been taken; shared by all who check. */
  taken: Int32Array;
}

/** What a worker says: pieces it has checked, or why it cannot go on. */
export type CheckReport =
  | { type: "checked"; good: number[]; bad: number[] }
  | { type: "contradictory"; index: number }
  | { type: "done" }
  | { type: "failed" } & StorageFailure;

/** What was found out about a piece. */
export interface CheckedPiece {
  /** The piece. */
  index: number;
  /** What its hash says. */
  verdict: PieceVerdict;
  /** How much data it has, in bytes. */
  length: number;
}

/** Checks pieces one by one; several checkers can share one job. */
export class Checker implements Disposable {
  readonly #job: CheckJob;
  readonly #hashes: PieceHashes;
  readonly #reader: PieceReader;
  readonly #buffer: Uint8Array;

  /**
   * Takes a share in a job.
   *
   * @param job The job.
   */
  constructor(job: CheckJob) {
    this.#job = job;
    this.#hashes = PieceHashes.from(job.hashes);
    const { layout } = this.#hashes;
    this.#reader = new PieceReader(layout, job.paths);
    this.#buffer = new Uint8Array(Math.min(PART_LENGTH, layout.pieceLength));
  }

  /**
   * Checks the next piece.
   *
   * @returns What it is; `undefined` when no piece is left.
   * @throws {StorageError} If the disk fails.
   */
  next(): CheckedPiece | undefined {
    const at = Atomics.add(this.#job.taken, 0, 1);
    const index = this.#job.pieces[at];
    if (index === undefined) return undefined;
    const length = this.#hashes.layout.dataSize(index);
    return { index, length, verdict: this.#check(index) };
  }

  /** Closes the files. */
  [Symbol.dispose](): void {
    this.#reader[Symbol.dispose]();
  }

  #check(index: number): PieceVerdict {
    const { layout } = this.#hashes;
    const hasher = this.#hashes.hasher(index);
    const offset = layout.pieceOffset(index);
    const length = layout.pieceSize(index);
    for (let at = 0; at < length; at += PART_LENGTH) {
      const part = this.#buffer.subarray(0, Math.min(PART_LENGTH, length - at));
      if (!this.#reader.readSync(offset + at, part)) return "wrong";
      hasher.update(part);
    }
    return hasher.verdict();
  }
}

/**
 * Serves as the body of a worker: checks until no piece is left.
 *
 * @param job The job.
 * @param report Who hears of it.
 */
export function checkInWorker(
  job: CheckJob,
  report: (report: CheckReport) => void,
): void {
  let [good, bad, bytes]: [number[], number[], number] = [[], [], 0];
  const flush = () => {
    report({ type: "checked", good, bad });
    [good, bad, bytes] = [[], [], 0];
  };
  try {
    using checker = new Checker(job);
    for (let piece = checker.next(); piece; piece = checker.next()) {
      if (piece.verdict === "contradictory") {
        return report({ type: "contradictory", index: piece.index });
      }
      (piece.verdict === "right" ? good : bad).push(piece.index);
      bytes += piece.length;
      if (bytes >= REPORT_BYTES) flush();
    }
    flush();
    report({ type: "done" });
  } catch (error) {
    report({ type: "failed", ...failureOf(error) });
  }
}

/** Options for {@linkcode checkPieces}. */
export interface CheckOptions {
  /** How many bytes the pieces have together. */
  bytes: number;
  /** Hears of every piece. */
  onPiece: (index: number, isGood: boolean) => void;
  /** Stops checking. */
  signal: AbortSignal;
}

/**
 * Checks the pieces of a job.
 *
 * @param job The job.
 * @param options Who hears of the pieces.
 * @throws {StorageError} If the disk fails.
 * @throws {MetainfoError} If the torrent contradicts itself.
 */
export async function checkPieces(
  job: CheckJob,
  options: CheckOptions,
): Promise<void> {
  options.signal.throwIfAborted();
  const count = workerCount(WORKER_URL, options.bytes);
  if (count > 0) {
    await using tasks = new TaskGroup({ signal: options.signal });
    for (let i = 0; i < count; i++) {
      tasks.spawn((signal) => checkBeside(job, { ...options, signal }));
    }
    await tasks.join();
    options.signal.throwIfAborted();
    return;
  }
  using checker = new Checker(job);
  const turns = new Turns();
  for (let piece = checker.next(); piece; piece = checker.next()) {
    const { index, verdict } = piece;
    if (verdict === "contradictory") throw contradictoryTorrent(index);
    options.onPiece(index, verdict === "right");
    await turns.pause(performance.now());
    options.signal.throwIfAborted();
  }
}

const WORKER_URL = import.meta.resolve("./check_worker.ts");

async function checkBeside(
  job: CheckJob,
  { onPiece, signal }: CheckOptions,
): Promise<void> {
  await runWorker<CheckReport>(WORKER_URL, {
    job,
    signal,
    onReport(report) {
      switch (report.type) {
        case "checked":
          for (const index of report.good) onPiece(index, true);
          for (const index of report.bad) onPiece(index, false);
          return false;
        case "contradictory":
          throw contradictoryTorrent(report.index);
        case "done":
          return true;
        case "failed":
          throw new StorageError(report.problem, report);
        default:
          report satisfies never;
          return false;
      }
    },
    // Deno lets a worker that is busy go on for a while: nothing is left to do.
    onEnd: () => Atomics.store(job.taken, 0, job.pieces.length),
  });
}
