/**
 * Hashing with a line on the terminal that says how far it is, until it is
 * done or somebody asks to stop.
 *
 * @module
 */

import { hashFiles, type HashJob, piecesDone } from "../storage/hash_files.ts";
import { TaskGroup } from "../task_group.ts";
import type { Env } from "./env.ts";
import { StopRequest } from "./failure.ts";
import { fit, formatBytes, formatDuration, formatPercent } from "./text.ts";
import { delay } from "@std/async/delay";

/** How often the line is drawn: often enough to look alive. */
const INTERVAL_MS = 250;

/** What is hashed, and who hears of it. */
export interface ShownHashing {
  /** Whether nothing is said. */
  isQuiet: boolean;
  /** Hears of every job that has come to its end. */
  onFinished?: (job: number) => void;
}

/**
 * Hashes files.
 *
 * @param jobs What to hash.
 * @param options The world, and how much is said.
 * @throws {StopRequest} If somebody asks to stop.
 * @throws {StorageError} If the disk fails.
 */
export async function hashWithProgress(
  jobs: readonly HashJob[],
  { env, isQuiet, onFinished = () => {} }: ShownHashing & { env: Env },
): Promise<void> {
  const stop = new AbortController();
  using _signals = env.onStopSignal(() =>
    stop.abort(new StopRequest("stopped"))
  );
  const line = env.stderr.isTerminal && !isQuiet
    ? new Line(jobs, env.stderr)
    : undefined;
  try {
    await using tasks = new TaskGroup({ signal: stop.signal });
    if (line) {
      tasks.spawn(async (signal) => {
        while (true) {
          await delay(INTERVAL_MS, { signal });
          line.draw();
        }
      });
    }
    await hashFiles(jobs, {
      signal: tasks.signal,
      onFinished(job) {
        line?.clear();
        onFinished(job);
      },
    });
  } finally {
    line?.clear();
  }
}

/** One line that is drawn over again. */
class Line {
  readonly #jobs: readonly HashJob[];
  readonly #sink: Env["stderr"];
  readonly #startedAt = performance.now();
  readonly #totalBytes: number;
  #width = 0;

  constructor(jobs: readonly HashJob[], sink: Env["stderr"]) {
    this.#jobs = jobs;
    this.#sink = sink;
    this.#totalBytes = this.#bytes((job) => job.wasRead.length);
  }

  draw(): void {
    const done = this.#bytes(piecesDone);
    const seconds = (performance.now() - this.#startedAt) / 1000;
    const rate = done / seconds;
    const left = rate > 0
      ? `  ETA ${formatDuration(Math.ceil((this.#totalBytes - done) / rate))}`
      : "";
    const text = `hashing  ${formatPercent(done, this.#totalBytes)}  ${
      formatBytes(done)
    }/${formatBytes(this.#totalBytes)}  ${formatBytes(rate)}/s${left}`;
    const shown = fit(text, this.#sink.columns - 1);
    this.#sink.write(`\r${shown.padEnd(this.#width)}`);
    this.#width = shown.length;
  }

  clear(): void {
    if (this.#width > 0) this.#sink.write(`\r${" ".repeat(this.#width)}\r`);
    this.#width = 0;
  }

  #bytes(pieces: (job: HashJob) => number): number {
    return this.#jobs.reduce(
      (sum, job) => sum + pieces(job) * job.pieceLength,
      0,
    );
  }
}
