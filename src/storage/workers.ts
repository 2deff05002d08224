/**
 * Workers: when they are worth their start, one of them from its start to its
 * end, and what is around them.
 *
 * @module
 */

/** Below this a worker costs more time to start than it saves. */
const MIN_BYTES_FOR_WORKERS = 64 * 1024 * 1024;

/** More workers than this only wait for the disk. */
const MAX_WORKERS = 8;

/**
 * How many workers to start.
 *
 * @param url The worker's module.
 * @param bytes How many bytes there are to hash.
 * @returns How many; 0 if it is better done here.
 */
export function workerCount(url: string, bytes: number): number {
  if (bytes < MIN_BYTES_FOR_WORKERS) return 0;
  const count = Math.min(navigator.hardwareConcurrency, MAX_WORKERS);
  return count > 1 && mayStartWorkers(url) ? count : 0;
}

/** A worker is loaded from its file, which Deno may not permit to read. */
function mayStartWorkers(url: string): boolean {
  const path = new URL(url);
  return path.protocol !== "file:" ||
    Deno.permissions.querySync({ name: "read", path }).state === "granted";
}

/** Options for {@linkcode runWorker}. */
export interface RunWorkerOptions<Report> {
  /** What it is to do. */
  job: unknown;
  /** Hears of what it did; says whether that was all. */
  onReport: (report: Report) => boolean;
  /** Called when it has ended, in whatever way. */
  onEnd?: () => void;
  /** Stops it. */
  signal: AbortSignal;
}

/**
 * Runs a worker to its end.
 *
 * @param url The worker's module.
 * @param options What it is to do.
 * @throws What `onReport` throws.
 */
export async function runWorker<Report>(
  url: string,
  { job, onReport, onEnd, signal }: RunWorkerOptions<Report>,
): Promise<void> {
  signal.throwIfAborted();
  const worker = new Worker(url, { type: "module" });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort);
  worker.onerror = (event) => {
    event.preventDefault();
    reject(new Error(`The worker failed: ${event.message}`));
  };
  worker.onmessage = ({ data }: MessageEvent<Report>) => {
    try {
      if (onReport(data)) resolve();
    } catch (error) {
      reject(error);
    }
  };
  try {
    worker.postMessage(job);
    await promise;
  } finally {
    onEnd?.();
    worker.terminate();
    signal.removeEventListener("abort", abort);
  }
}

/** What is global in a worker, and not in the types of the main thread. */
export interface WorkerScope<Job> {
  /** Takes what the worker is sent. */
  onmessage: ((event: MessageEvent<Job>) => void) | null;
  /** Answers; memory that is named goes along, and is not copied. */
  postMessage(message: unknown, transfer?: ArrayBuffer[]): void;
}

/**
 * What is global in this worker.
 *
 * @returns The scope; to be asked for in a worker only.
 */
export function workerScope<Job>(): WorkerScope<Job> {
  return globalThis as unknown as WorkerScope<Job>;
}
