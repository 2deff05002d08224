/**
 * A worker that hashes pieces and writes those that are right; see
 * `side_writer.ts`.
 *
 * @module
 */

import { SideHand, type SideRun } from "./side_hand.ts";

/** What is global in a worker, and not in the types of the main thread. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<readonly SideRun[]>) => void) | null;
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
}

const scope = globalThis as unknown as WorkerScope;
const hand = new SideHand();

scope.onmessage = ({ data }) => {
  const reports = data.map((run) => hand.end(run));
  scope.postMessage(reports, reports.map(({ memory }) => memory));
};
