/**
 * A worker that checks pieces; see `check.ts`.
 *
 * @module
 */

import { checkInWorker, type CheckJob } from "./check.ts";

/** What is global in a worker, and not in the types of the main thread. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<CheckJob>) => void) | null;
  postMessage(message: unknown): void;
}

const scope = globalThis as unknown as WorkerScope;

scope.onmessage = ({ data }) =>
  checkInWorker(data, (report) => scope.postMessage(report));
