/**
 * `SideWriter`: hashes whole pieces that are in memory, and writes those that
 * are right, in a worker, while the event loop goes on. It costs more in all
 * than to do it here, and is faster where one core is not enough.
 *
 * Their memory is lent to the worker and comes back: nothing is copied. What
 * waits when the worker is free goes to it in one message.
 *
 * @module
 */

import type { WriteTarget } from "./file_storage.ts";
import type {
  SideFinding,
  SidePiece,
  SideReport,
  SideRun,
} from "./side_hand.ts";
import { workerCount } from "./workers.ts";

/** What goes in one message: so little that answers come steadily. */
const MAX_BATCH_BYTES = 4 * 1024 * 1024;

/** Pieces that follow each other. */
export interface SideJob {
  /** Where they lie; lent until all have come to their end. */
  memory: Uint8Array<ArrayBuffer>;
  /** The pieces, in order. */
  pieces: readonly SidePiece[];
  /** Where the parts of the run go. */
  targets: readonly WriteTarget[];
}

/** What became of a run. */
export interface SideResult {
  /** The memory that was lent, under a new name. */
  memory: Uint8Array<ArrayBuffer>;
  /** What became of its pieces. */
  findings: readonly SideFinding[];
}

/** A run, and who waits for it. */
interface Waiting {
  readonly run: SideRun;
  readonly bytes: number;
  resolve: (result: SideResult) => void;
  reject: (error: unknown) => void;
}

/** Takes pieces to their end beside the event loop. */
export class SideWriter implements AsyncDisposable {
  #worker: Worker | undefined;
  #failure: Error | undefined;
  /** What the worker has, and what it is to get next. */
  #sent: Waiting[] = [];
  #waiting: Waiting[] = [];
  #queuedBytes = 0;
  readonly #running = new Set<Promise<unknown>>();

  /**
   * A writer, if it is worth a worker's start, and if one may be started.
   *
   * @param bytes How much there is to write.
   * @returns The writer, whose worker starts with the first run.
   */
  static for(bytes: number): SideWriter | undefined {
    return workerCount(WORKER_URL, bytes) > 0 ? new SideWriter() : undefined;
  }

  /** How many bytes wait to be hashed and written. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /**
   * Hashes pieces, and writes those that are right.
   *
   * @param job The pieces.
   * @returns What became of them.
   */
  end({ memory, pieces, targets }: SideJob): Promise<SideResult> {
    const { promise, resolve, reject } = Promise.withResolvers<SideResult>();
    const bytes = pieces.reduce((sum, { size }) => sum + size, 0);
    const run = { memory: memory.buffer, pieces, targets };
    this.#waiting.push({ run, bytes, resolve, reject });
    this.#queuedBytes += bytes;
    const running = promise.catch(() => {})
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
    if (this.#sent.length === 0) this.#send();
    return promise;
  }

  /** Waits until every piece has come to its end, and ends the worker. */
  async [Symbol.asyncDispose](): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
    this.#worker?.terminate();
  }

  /** Sends what waits, if anything does. */
  #send(): void {
    if (this.#failure) return this.#fail(this.#failure);
    let [count, sum] = [0, 0];
    for (const { bytes } of this.#waiting) {
      sum += bytes;
      if (count > 0 && sum > MAX_BATCH_BYTES) break;
      count++;
    }
    if (count === 0) return;
    this.#sent = this.#waiting.splice(0, count);
    const runs = this.#sent.map(({ run }) => run);
    this.#worker ??= this.#start();
    this.#worker.postMessage(runs, runs.map(({ memory }) => memory));
  }

  #start(): Worker {
    const worker = new Worker(WORKER_URL, { type: "module" });
    worker.onmessage = ({ data }: MessageEvent<readonly SideReport[]>) =>
      this.#receive(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(new Error(`The worker failed: ${event.message}`));
    };
    return worker;
  }

  #receive(reports: readonly SideReport[]): void {
    const done = this.#sent;
    this.#sent = [];
    this.#send();
    for (const [i, { memory, findings }] of reports.entries()) {
      const { bytes, resolve } = done[i]!;
      this.#queuedBytes -= bytes;
      resolve({ memory: new Uint8Array(memory), findings });
    }
  }

  #fail(error: Error): void {
    this.#failure = error;
    for (const { bytes, reject } of [...this.#sent, ...this.#waiting]) {
      this.#queuedBytes -= bytes;
      reject(error);
    }
    this.#sent = [];
    this.#waiting = [];
  }
}

const WORKER_URL = import.meta.resolve("./side_write_worker.ts");
