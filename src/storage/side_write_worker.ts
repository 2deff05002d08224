/**
 * A worker that hashes pieces and writes those that are right; see
 * `side_writer.ts`.
 *
 * @module
 */

import { SideHand, type SideRun } from "./side_hand.ts";
import { workerScope } from "./workers.ts";

const scope = workerScope<readonly SideRun[]>();
const hand = new SideHand();

scope.onmessage = ({ data }) => {
  const reports = data.map((run) => hand.end(run));
  scope.postMessage(reports, reports.map(({ memory }) => memory));
};
