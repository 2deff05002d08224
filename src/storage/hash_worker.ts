/**
 * A worker that hashes pieces; see `hash_files.ts`.
 *
 * @module
 */

import { hashInWorker, type HashJob } from "./hash_files.ts";

/** What is global in a worker, and not in the types of the main thread. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<readonly HashJob[]>) => void) | null;
  postMessage(message: unknown): void;
}

const scope = globalThis as unknown as WorkerScope;

scope.onmessage = ({ data }) =>
  hashInWorker(data, (report) => scope.postMessage(report));
