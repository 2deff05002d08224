/**
 * A worker that hashes pieces; see `hash_files.ts`.
 *
 * @module
 */

import { hashInWorker, type HashJob } from "./hash_files.ts";
import { workerScope } from "./workers.ts";

const scope = workerScope<readonly HashJob[]>();

scope.onmessage = ({ data }) =>
  hashInWorker(data, (report) => scope.postMessage(report));
