/**
 * The trackers of a torrent that can be asked: its own, without those that the
 * user does not want, and the user's.
 *
 * @module
 */

import type { Magnet } from "../metainfo/magnet.ts";
import type { Metainfo } from "../metainfo/metainfo.ts";
import { HttpTracker } from "../tracker/http_tracker.ts";
import type { Tracker } from "../tracker/tracker.ts";
import { UdpTracker } from "../tracker/udp_tracker.ts";
import type { UdpTrackerClient } from "../tracker/udp_tracker_client.ts";

/** Excludes all trackers that a torrent names. */
export const EXCLUDE_ALL = "*";

/** What the user wants of trackers, and what they need. */
export interface TrackerChoice {
  /** What sends the packets of UDP trackers; without it they cannot be asked. */
  udpTrackers?: UdpTrackerClient;
  /** URLs of trackers beside those of the torrent. */
  extra?: readonly string[];
  /** URLs of the torrent's trackers not to ask; `*` for all of them. */
  exclude?: readonly string[];
}

/** The trackers of a torrent. */
export interface TrackerSelection {
  /** Those of the torrent that can be asked, in their tiers. */
  tiers: Tracker[][];
  /** The user's that can be asked, each beside all others. */
  extra: Tracker[];
  /** The URLs of those that cannot. */
  unusable: string[];
}

/**
 * Finds out which trackers of a torrent can be asked.
 *
 * A private torrent is announced to its own trackers and nobody else (BEP 27):
 * the user's are left out.
 *
 * @param metainfo The torrent.
 * @param choice What the user wants.
 * @returns The trackers, in the order of the torrent.
 */
export function trackersOf(
  metainfo: Metainfo | Magnet,
  choice: TrackerChoice = {},
): TrackerSelection {
  const { udpTrackers, extra = [], exclude = [] } = choice;
  const unusable: string[] = [];
  const seen = new Set(exclude);
  const pick = (urls: readonly string[]) =>
    urls.flatMap((url) => {
      if (seen.has(url)) return [];
      seen.add(url);
      const tracker = HttpTracker.at(url) ??
        (udpTrackers && UdpTracker.at(url, { client: udpTrackers }));
      if (!tracker) unusable.push(url);
      return tracker ?? [];
    });
  const own = exclude.includes(EXCLUDE_ALL) ? [] : metainfo.announceTiers;
  const tiers = own.map(pick).filter((tier) => tier.length > 0);
  // Only the torrent's are excluded: who names a tracker himself wants it.
  for (const url of exclude) seen.delete(url);
  return {
    tiers,
    extra: "isPrivate" in metainfo && metainfo.isPrivate ? [] : pick(extra),
    unusable,
  };
}
