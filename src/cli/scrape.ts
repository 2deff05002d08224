/**
 * Asks the trackers of a torrent how it stands.
 *
 * @module
 */

import { NetworkError, TrackerError } from "../errors.ts";
import type { Metainfo } from "../metainfo/metainfo.ts";
import type { TrackerSelection } from "../torrent/trackers.ts";
import { AnnounceSlots } from "../tracker/announce_slots.ts";
import type { Tracker } from "../tracker/tracker.ts";
import type { Stand } from "./show.ts";
import { shownUrl } from "./text.ts";

/**
 * Asks every tracker, all at once.
 *
 * @param torrent The torrent.
 * @param options Its trackers, and what gives up.
 * @returns What each says.
 */
export async function scrape(
  { infoHash }: Pick<Metainfo, "infoHash">,
  { tiers, extra, unusable, signal }: TrackerSelection & {
    signal: AbortSignal;
  },
): Promise<Stand[]> {
  const slots = new AnnounceSlots();
  const ask = async (tracker: Tracker): Promise<Stand> => {
    const { name } = tracker;
    try {
      const [counts] = await tracker.scrape([infoHash], { signal });
      return { tracker: name, counts };
    } catch (error) {
      if (!(error instanceof TrackerError)) throw error;
      return { tracker: name, failure: error.message };
    }
  };
  const asked = await Promise.all(
    [...tiers.flat(), ...extra]
      .map((tracker) => slots.run(() => ask(tracker), { signal })),
  );
  const others = unusable.map((url): Stand => ({
    tracker: shownUrl(url),
    failure: "it cannot be asked",
  }));
  return [...asked, ...others];
}

/**
 * Makes sure that somebody has said something.
 *
 * @param stands What was said.
 * @throws {NetworkError} If nobody has.
 */
export function requireAnswer(stands: readonly Stand[]): void {
  if (stands.some(({ failure }) => failure === undefined)) return;
  throw new NetworkError(
    stands.length === 0
      ? "There is no tracker to ask"
      : "None of the trackers says how it stands",
  );
}
