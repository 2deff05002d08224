/**
 * Hashes the pieces of torrents, for v1 and for v2 in one reading, on every
 * core: here from the start, and in workers on the other cores as soon as they
 * run, where that is worth their start.
 *
 * @module
 */

import { HASH_LENGTH, Sha1, SHA256_LENGTH } from "../bytes/hash.ts";
import { StorageError } from "../errors.ts";
import { PieceLayout, type Span } from "../metainfo/layout.ts";
import {
  LeafHasher,
  merkleRoot,
  pieceLevel,
  type RowOptions,
} from "../metainfo/merkle.ts";
import { TaskGroup } from "../task_group.ts";
import { Turns } from "../turns.ts";
import { PieceReader } from "./piece_reader.ts";
import { failureOf, type StorageFailure } from "./storage_error.ts";
import { runWorker, workerCount } from "./workers.ts";

/**
 * What is read at a time; many small pieces, or a part of a large one. It stays
 * in a core's cache until it is hashed; see tests/bench/tools.ts.
 */
const PART_LENGTH = 256 * 1024;

/** What a worker takes at a time: little enough that all end together. */
const RUN_LENGTH = 4 * 1024 * 1024;

/** What to hash, and room for the hashes; it can be sent to a worker. */
export interface HashJob {
  /** The length of a piece. */
  readonly pieceLength: number;
  /** The length of each file. */
  readonly fileLengths: readonly number[];
  /** The path of each file; `undefined` stands for zeros. */
  readonly paths: readonly (string | undefined)[];
  /** The SHA-1 of every piece, if they are wanted. */
  readonly hashes: Uint8Array | undefined;
  /**
   * The node of every piece in the hash tree of its file (BEP 52), if they are
   * wanted: the root for a file of one piece. Files begin pieces then.
   */
  readonly nodes: Uint8Array | undefined;
  /** Which pieces could be read: 1 for those. */
  readonly wasRead: Uint8Array;
  /** How many pieces have been taken, and how many are done. */
  readonly counters: Int32Array;
}

/** What to hash. */
export interface HashPlan {
  /** Where the pieces lie. */
  layout: PieceLayout;
  /** The path of each file; `undefined` stands for zeros. */
  paths: readonly (string | undefined)[];
  /** Whether the hashes of v1 are wanted. */
  hasV1: boolean;
  /** Whether the hashes of v2 are wanted. */
  hasV2: boolean;
}

/**
 * Makes room for hashes.
 *
 * @param plan What to hash.
 * @returns The job.
 */
export function hashJob({ layout, paths, hasV1, hasV2 }: HashPlan): HashJob {
  const { pieceCount, pieceLength } = layout;
  const shared = (length: number) =>
    new Uint8Array(new SharedArrayBuffer(length));
  return {
    pieceLength,
    fileLengths: paths.map((_, file) => layout.fileLength(file)),
    paths,
    hashes: hasV1 ? shared(pieceCount * HASH_LENGTH) : undefined,
    nodes: hasV2 ? shared(pieceCount * SHA256_LENGTH) : undefined,
    wasRead: shared(pieceCount),
    counters: new Int32Array(
      new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT),
    ),
  };
}

/**
 * How far a job has come.
 *
 * @param job The job.
 * @returns How many of its pieces are done.
 */
export function piecesDone(job: HashJob): number {
  return Atomics.load(job.counters, DONE);
}

/** Where in the counters the number of pieces stands that have been taken. */
const TAKEN = 0;

/** Where in the counters the number of pieces stands that are done. */
const DONE = 1;

/** Hashes pieces run by run; several hashers can share one job. */
class Hasher implements Disposable {
  readonly #job: HashJob;
  readonly #layout: PieceLayout;
  readonly #reader: PieceReader;
  readonly #buffer: Uint8Array;
  readonly #piecesPerRun: number;

  constructor(job: HashJob, buffer: Uint8Array) {
    this.#job = job;
    this.#layout = new PieceLayout(job.pieceLength, job.fileLengths);
    this.#reader = new PieceReader(this.#layout, job.paths);
    this.#buffer = buffer;
    this.#piecesPerRun = Math.max(1, Math.floor(RUN_LENGTH / job.pieceLength));
  }

  /**
   * Hashes the next run of pieces.
   *
   * @returns Whether pieces are left, and whether these were the last to end.
   */
  next(): "more" | "none" | "finished" {
    const { counters } = this.#job;
    const { pieceCount } = this.#layout;
    const first = Atomics.add(counters, TAKEN, this.#piecesPerRun);
    if (first >= pieceCount) return "none";
    const end = Math.min(first + this.#piecesPerRun, pieceCount);
    this.#hashRun(first, end);
    const done = Atomics.add(counters, DONE, end - first) + end - first;
    return done === pieceCount ? "finished" : "more";
  }

  [Symbol.dispose](): void {
    this.#reader[Symbol.dispose]();
  }

  #hashRun(first: number, end: number): void {
    const { pieceLength } = this.#layout;
    const perRead = Math.floor(PART_LENGTH / pieceLength);
    if (perRead < 2) {
      for (let index = first; index < end; index++) this.#hashPiece(index);
      return;
    }
    for (let index = first; index < end; index += perRead) {
      const last = Math.min(index + perRead, end) - 1;
      const offset = this.#layout.pieceOffset(index);
      const length = this.#layout.pieceOffset(last) +
        this.#layout.pieceSize(last) - offset;
      const bytes = this.#buffer.subarray(0, length);
      const isRead = this.#reader.readSync(offset, bytes);
      for (let i = index; i <= last; i++) {
        const begin = this.#layout.pieceOffset(i) - offset;
        // Where something is missing, each piece is looked at on its own.
        if (isRead) {
          this.#digest(i, [
            bytes.subarray(begin, begin + this.#layout.pieceSize(i)),
          ]);
        } else this.#hashPiece(i);
      }
    }
  }

  #hashPiece(index: number): void {
    this.#digest(index, this.#parts(index));
  }

  /** The bytes of a piece; it breaks off where they are not there. */
  *#parts(index: number): Generator<Uint8Array | undefined> {
    const offset = this.#layout.pieceOffset(index);
    const size = this.#layout.pieceSize(index);
    for (let at = 0; at < size; at += PART_LENGTH) {
      const part = this.#buffer.subarray(0, Math.min(PART_LENGTH, size - at));
      yield this.#reader.readSync(offset + at, part) ? part : undefined;
    }
  }

  #digest(index: number, parts: Iterable<Uint8Array | undefined>): void {
    const { hashes, nodes, wasRead } = this.#job;
    const sha1 = hashes && new Sha1();
    const leaves = nodes && this.#leavesOf(index);
    for (const part of parts) {
      if (!part) return;
      sha1?.update(part);
      leaves?.update(part);
    }
    if (sha1) hashes.set(sha1.digest(), index * HASH_LENGTH);
    if (leaves) {
      const node = merkleRoot(leaves.leaves, this.#rowOf(index));
      nodes.set(node, index * SHA256_LENGTH);
    }
    wasRead[index] = 1;
  }

  /** The leaves of the file that a piece is of. */
  #leavesOf(index: number): LeafHasher {
    return new LeafHasher(this.#fileSpan(index).length);
  }

  /** Where the node of a piece stands above its leaves. */
  #rowOf(index: number): RowOptions {
    const { pieceLength } = this.#layout;
    const { file } = this.#fileSpan(index);
    const isWhole = this.#layout.fileLength(file) <= pieceLength;
    return isWhole ? {} : { height: pieceLevel(pieceLength) };
  }

  /** The part that a piece has of its file; only a pad can follow. */
  #fileSpan(index: number): Span {
    const offset = this.#layout.pieceOffset(index);
    const [span] = this.#layout.spans(offset, this.#layout.pieceSize(index));
    return span!;
  }
}

/** What a worker says: which job has come to its end, or why it cannot go on. */
export type HashReport =
  | { type: "finished"; job: number }
  | { type: "done" }
  | { type: "failed" } & StorageFailure;

/**
 * Serves as the body of a worker: hashes until no piece is left.
 *
 * @param jobs The jobs.
 * @param report Who hears of it.
 */
export function hashInWorker(
  jobs: readonly HashJob[],
  report: (report: HashReport) => void,
): void {
  try {
    for (const finished of hashAll(jobs)) {
      if (finished !== undefined) report({ type: "finished", job: finished });
    }
    report({ type: "done" });
  } catch (error) {
    report({ type: "failed", ...failureOf(error) });
  }
}

/** Hashes run by run, and names the jobs that are finished. */
function* hashAll(jobs: readonly HashJob[]): Generator<number | undefined> {
  const buffer = new Uint8Array(PART_LENGTH);
  for (const [number, job] of jobs.entries()) {
    using hasher = new Hasher(job, buffer);
    for (let next = hasher.next(); next !== "none"; next = hasher.next()) {
      yield next === "finished" ? number : undefined;
    }
  }
}

/** Options for {@linkcode hashFiles}. */
export interface HashOptions {
  /** Hears of every job that has come to its end. */
  onFinished?: (job: number) => void;
  /** Stops hashing. */
  signal: AbortSignal;
}

/**
 * Hashes the pieces of some torrents.
 *
 * @param jobs What to hash; the hashes are in there afterwards.
 * @param options Who hears of it.
 * @throws {StorageError} If the disk fails.
 */
export async function hashFiles(
  jobs: readonly HashJob[],
  { onFinished = () => {}, signal }: HashOptions,
): Promise<void> {
  signal.throwIfAborted();
  const told = new Set<number>();
  const tell = (job: number) => {
    if (told.has(job)) return;
    told.add(job);
    onFinished(job);
  };
  const tellFinished = () =>
    jobs.forEach((job, i) => {
      if (piecesDone(job) === job.wasRead.length) tell(i);
    });
  tellFinished();
  const bytes = jobs.reduce(
    (sum, job) => sum + job.wasRead.length * job.pieceLength,
    0,
  );
  await using tasks = new TaskGroup({ signal });
  // One core is ours.
  for (let i = 1; i < workerCount(WORKER_URL, bytes); i++) {
    tasks.spawn((signal) => hashBeside(jobs, { onFinished: tell, signal }));
  }
  await hashHere(jobs, { onFinished: tell, signal: tasks.signal });
  // Workers may have done the last pieces, and not have said so yet; others may
  // not have begun: nobody waits for them.
  tellFinished();
  if (told.size < jobs.length) await tasks.join();
  signal.throwIfAborted();
}

/** Hashes until no piece is left, and lets the event loop turn meanwhile. */
async function hashHere(
  jobs: readonly HashJob[],
  { onFinished, signal }: Required<HashOptions>,
): Promise<void> {
  const turns = new Turns();
  for (const finished of hashAll(jobs)) {
    if (finished !== undefined) onFinished(finished);
    await turns.pause(performance.now());
    if (signal.aborted) return;
  }
}

const WORKER_URL = import.meta.resolve("./hash_worker.ts");

async function hashBeside(
  jobs: readonly HashJob[],
  { onFinished, signal }: Required<HashOptions>,
): Promise<void> {
  await runWorker<HashReport>(WORKER_URL, {
    job: jobs,
    signal,
    onReport(report) {
      switch (report.type) {
        case "finished":
          onFinished(report.job);
          return false;
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
    onEnd() {
      for (const { counters, wasRead } of jobs) {
        Atomics.store(counters, TAKEN, wasRead.length);
      }
    },
  });
}
