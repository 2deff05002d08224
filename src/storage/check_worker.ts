/**
 * A worker that checks pieces; see `check.ts`.
 *
 * @module
 */

import { checkInWorker, type CheckJob } from "./check.ts";
import { workerScope } from "./workers.ts";

const scope = workerScope<CheckJob>();

scope.onmessage = ({ data }) =>
  checkInWorker(data, (report) => scope.postMessage(report));
