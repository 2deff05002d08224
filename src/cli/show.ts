/**
 * What a torrent holds, for people. Pure.
 *
 * @module
 */

import { formatEndpoint } from "../bytes/endpoint.ts";
import type { Magnet } from "../metainfo/magnet.ts";
import type { Metainfo } from "../metainfo/metainfo.ts";
import type { ScrapeCounts } from "../tracker/tracker.ts";
import { formatBytes, plural, printable, shownUrl } from "./text.ts";
import { encodeHex } from "@std/encoding/hex";

/**
 * Describes a torrent.
 *
 * @param metainfo The torrent.
 * @returns Lines, each with its end.
 */
export function describeTorrent(metainfo: Metainfo): string {
  const { layout, files } = metainfo;
  const date = metainfo.creationDate;
  const facts: [label: string, value: string | undefined][] = [
    ["Name", metainfo.name],
    ["Info hash", encodeHex(metainfo.infoHash)],
    [
      "Size",
      `${formatBytes(layout.length)} (${plural(layout.length, "byte")})`,
    ],
    [
      "Pieces",
      `${layout.pieceCount} of ${formatBytes(layout.pieceLength)}`,
    ],
    ["Private", metainfo.isPrivate ? "yes" : undefined],
    ["Comment", metainfo.comment],
    ["Created by", metainfo.createdBy],
    ["Created", date === undefined ? undefined : isoDate(date)],
    ...metainfo.announceTiers.map((tier, i): [string, string] => [
      `Tracker tier ${i + 1}`,
      tier.map(shownUrl).join(" "),
    ]),
    ...metainfo.webSeeds.map((url): [string, string] => [
      "Web seed",
      shownUrl(url),
    ]),
  ];
  const lines = facts.flatMap(([label, value]) =>
    value === undefined ? [] : `${label}: ${printable(value)}`
  );
  const shown = files.filter(({ kind }) => kind !== "pad");
  lines.push(`${plural(shown.length, "file")}:`);
  shown.forEach(({ path, length, kind }, i) => {
    const size = kind === "symlink" ? "link" : formatBytes(length);
    const name = printable(path.join("/"));
    lines.push(`${String(i + 1).padStart(5)}  ${size.padStart(10)}  ${name}`);
  });
  return lines.map((line) => `${line}\n`).join("");
}

/**
 * Describes a magnet link: what it says is all that is known.
 *
 * @param magnet The link.
 * @returns Lines, each with its end.
 */
export function describeMagnet(magnet: Magnet): string {
  const facts: [label: string, value: string | undefined][] = [
    ["Name", magnet.name],
    ["Info hash", encodeHex(magnet.infoHash)],
    ...magnet.announceTiers.map((tier, i): [string, string] => [
      `Tracker tier ${i + 1}`,
      tier.map(shownUrl).join(" "),
    ]),
    ...magnet.webSeeds.map((url): [string, string] => [
      "Web seed",
      shownUrl(url),
    ]),
    ...magnet.peers.map((peer): [string, string] => [
      "Peer",
      formatEndpoint(peer),
    ]),
  ];
  return facts.flatMap(([label, value]) =>
    value === undefined ? [] : `${label}: ${printable(value)}\n`
  ).join("");
}

/** How a torrent stands at a tracker, or why nobody knows. */
export interface Stand {
  /** The tracker, as it may be shown. */
  tracker: string;
  /** What the tracker says; nothing if it does not know the torrent. */
  counts?: ScrapeCounts | undefined;
  /** Why it says nothing. */
  failure?: string | undefined;
}

/**
 * Describes how a torrent stands at its trackers.
 *
 * @param stands How it does.
 * @returns Lines, each with its end.
 */
export function describeStands(stands: readonly Stand[]): string {
  return stands.map(({ tracker, counts, failure }) => {
    const what = failure !== undefined
      ? `failed: ${failure}`
      : counts === undefined
      ? "does not know this torrent"
      : `${plural(counts.seeders, "seeder")}, ${
        plural(counts.leechers, "leecher")
      }, downloaded ${plural(counts.completed, "time")}`;
    return `Swarm at ${printable(`${tracker}: ${what}`)}\n`;
  }).join("");
}

function isoDate(seconds: number): string | undefined {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}
