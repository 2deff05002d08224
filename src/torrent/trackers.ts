/**
 * The trackers of a torrent that can be asked.
 *
 * @module
 */

import type { Metainfo } from "../metainfo/metainfo.ts";
import { HttpTracker } from "../tracker/http_tracker.ts";
import type { Tracker } from "../tracker/tracker.ts";

/** The trackers of a torrent. */
export interface TrackerSelection {
  /** Those that can be asked, in their tiers. */
  tiers: Tracker[][];
  /** The URLs of those that cannot. */
  unusable: string[];
}

/**
 * Finds out which trackers of a torrent can be asked.
 *
 * @param metainfo The torrent.
 * @returns The trackers, in the order of the torrent.
 */
export function trackersOf(metainfo: Metainfo): TrackerSelection {
  const unusable: string[] = [];
  const tiers = metainfo.announceTiers.map((tier) =>
    tier.flatMap((url) => {
      const tracker = HttpTracker.at(url);
      if (!tracker) unusable.push(url);
      return tracker ?? [];
    })
  );
  return { tiers: tiers.filter((tier) => tier.length > 0), unusable };
}
