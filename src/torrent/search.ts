/**
 * Waits for what peers have to give before a download can begin, and gives up
 * when nothing of it comes any more.
 *
 * @module
 */

import { TaskGroup } from "../task_group.ts";
import type { TorrentStats } from "./events.ts";
import { type FindingSituation, Patience, type Sought } from "./patience.ts";
import { delay } from "@std/async/delay";

/** How often it is looked whom to ask. */
const INTERVAL_MS = 500;

/** How a search stands. */
export interface SearchSituation
  extends
    TorrentStats,
    Pick<FindingSituation, "wasConnected" | "trackerError" | "usesDht"> {
  /** How many peers can be asked for hashes. */
  hashPeers: number;
}

/** Options for {@linkcode search}. */
export interface SearchOptions<Found> {
  /** What is looked for. */
  what: Sought;
  /** It, as soon as it is here. */
  found: Promise<Found>;
  /** After how long without any progress to give up; never if not given. */
  stallTimeoutMs: number | undefined;
  /** Asks for what is missing. */
  tick: (now: number) => void;
  /** Tells how it stands. */
  situation: () => SearchSituation;
  /** Gives up at once. */
  signal: AbortSignal;
}

/**
 * Waits for what is looked for.
 *
 * @param options What it is, and for how long.
 * @returns It.
 * @throws {GaveUpError} If nothing came for too long.
 */
export async function search<Found>(
  options: SearchOptions<Found>,
): Promise<Found> {
  const { what, found, stallTimeoutMs, tick, situation } = options;
  await using searching = new TaskGroup({ signal: options.signal });
  const patience = new Patience(stallTimeoutMs);
  patience.begin(performance.now());
  searching.spawn(async (signal) => {
    while (true) {
      await delay(INTERVAL_MS, { signal });
      const now = performance.now();
      tick(now);
      const { metadataPeers, hashPeers, ...rest } = situation();
      const progress = rest.metadataBytes + rest.hashBytes;
      if (patience.lasts(progress, now)) continue;
      const offering = what === "metadata" ? metadataPeers : hashPeers;
      throw patience.giveUpFinding(what, { ...rest, offering });
    }
  });
  await Promise.race([found, searching.join()]);
  options.signal.throwIfAborted();
  return await found;
}
