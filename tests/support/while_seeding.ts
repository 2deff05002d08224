/**
 * Runs a seed in this process while something else happens.
 *
 * @module
 */

import type { Endpoint } from "../../src/bytes/endpoint.ts";
import { type MadeTorrent, writePayload } from "./make_torrent.ts";
import { type RunOptions, type RunResult, runTorrent } from "./run_torrent.ts";
import { TempFolder } from "./temp_folder.ts";

/** A seed that runs. */
export interface RunningSeed {
  /** Where it can be connected to. */
  endpoint: Endpoint;
  /** The folder of its files. */
  folder: string;
}

/**
 * Seeds a torrent, all of which is there, until something is done.
 *
 * @param made The torrent.
 * @param options What to do meanwhile, and how the seed differs from others.
 * @returns How the seed ended.
 */
export async function whileSeeding(
  made: MadeTorrent,
  { during, ...options }:
    & Partial<RunOptions>
    & { during: (seed: RunningSeed) => Promise<void> },
): Promise<RunResult> {
  using folder = new TempFolder();
  writePayload(made, folder.path);
  const stop = new AbortController();
  const isReady = Promise.withResolvers<void>();
  let endpoint: Endpoint | undefined;
  const running = runTorrent(made, {
    seeding: {},
    ...options,
    folder: folder.path,
    signal: stop.signal,
    onListening: (ours) => endpoint = ours,
    onEvent: (event, stats) => {
      options.onEvent?.(event, stats);
      if (event.type === "phase" && event.phase === "seeding") {
        isReady.resolve();
      }
    },
  });
  try {
    await Promise.race([isReady.promise, running]);
    await during({ endpoint: endpoint!, folder: folder.path });
  } finally {
    stop.abort();
    await running;
  }
  return await running;
}
