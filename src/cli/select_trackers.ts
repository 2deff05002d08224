/**
 * The trackers that the user wants to be asked.
 *
 * @module
 */

import type { Magnet } from "../metainfo/magnet.ts";
import type { Metainfo } from "../metainfo/metainfo.ts";
import type { Session } from "../torrent/session.ts";
import { type TrackerSelection, trackersOf } from "../torrent/trackers.ts";
import type { DownloadCommand } from "./args.ts";

/** What the user says of trackers. */
export type TrackerWishes = Pick<
  DownloadCommand,
  "usesTrackers" | "extraTrackers" | "excludedTrackers"
>;

/**
 * Chooses the trackers of a torrent.
 *
 * @param torrent The torrent, or a link to it.
 * @param options What the user says, and who sends packets.
 * @returns The trackers.
 */
export function selectTrackers(
  torrent: Metainfo | Magnet,
  { command, session }: { command: TrackerWishes; session: Session },
): TrackerSelection {
  if (!command.usesTrackers) return { tiers: [], extra: [], unusable: [] };
  return trackersOf(torrent, {
    udpTrackers: session.udpTrackers,
    extra: command.extraTrackers,
    exclude: command.excludedTrackers,
  });
}
