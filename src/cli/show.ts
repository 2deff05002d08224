/**
 * What a torrent holds, for people. Pure.
 *
 * @module
 */

import { formatEndpoint } from "../bytes/endpoint.ts";
import type { Lint } from "../metainfo/lints.ts";
import { formatMagnet, type Magnet } from "../metainfo/magnet.ts";
import type { Metainfo, TorrentFile } from "../metainfo/metainfo.ts";
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
  const { layout, files, hasV1, infoHashV2 } = metainfo;
  const length = payloadLength(metainfo);
  const date = metainfo.creationDate;
  const facts: [label: string, value: string | undefined][] = [
    ["Name", metainfo.name],
    ["Info hash", hasV1 ? encodeHex(metainfo.infoHash) : undefined],
    ["Info hash v2", infoHashV2 && encodeHex(infoHashV2)],
    [
      "Size",
      `${formatBytes(length)} (${plural(length, "byte")})`,
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
    ...metainfo.httpSeeds.map((url): [string, string] => [
      "Web seed (BEP 17)",
      shownUrl(url),
    ]),
  ];
  const lines = facts.flatMap(([label, value]) =>
    value === undefined ? [] : `${label}: ${printable(value)}`
  );
  const shown = files.filter(({ kind }) => kind !== "pad");
  lines.push(`${plural(shown.length, "file")}:`);
  shown.forEach((file, i) => {
    const size = file.kind === "symlink" ? "link" : formatBytes(file.length);
    const name = file.path.join("/") + attributesOf(file);
    lines.push(
      `${String(i + 1).padStart(5)}  ${size.padStart(10)}  ${printable(name)}`,
    );
  });
  return lines.map((line) => `${line}\n`).join("");
}

/** What is said of a file behind its path, as `ls -F` does it. */
function attributesOf({ kind, target, isExecutable }: TorrentFile): string {
  if (kind === "symlink") {
    return target ? ` -> ${target.join("/")}` : " -> nowhere";
  }
  return isExecutable ? " *" : "";
}

/**
 * The length of the files that are written.
 *
 * @param metainfo The torrent.
 * @returns The length without pads.
 */
function payloadLength({ files }: Metainfo): number {
  return files.filter(({ kind }) => kind === "file")
    .reduce((sum, { length }) => sum + length, 0);
}

/**
 * What a torrent holds, for programs.
 *
 * @param metainfo The torrent.
 * @param options What will make trouble, and how it stands, if that is known.
 * @returns What to write as JSON.
 */
export function torrentRecord(
  metainfo: Metainfo,
  { lints, stands }: {
    lints: readonly Lint[];
    stands: readonly Stand[] | undefined;
  },
): unknown {
  const { layout, hasV1, infoHash, infoHashV2, creationDate } = metainfo;
  return {
    name: metainfo.name,
    infoHash: hasV1 ? encodeHex(infoHash) : null,
    infoHashV2: infoHashV2 ? encodeHex(infoHashV2) : null,
    magnet: formatMagnet(metainfo),
    totalBytes: payloadLength(metainfo),
    pieceLength: layout.pieceLength,
    pieceCount: layout.pieceCount,
    isPrivate: metainfo.isPrivate,
    comment: metainfo.comment ?? null,
    createdBy: metainfo.createdBy ?? null,
    creationDate: creationDate ?? null,
    trackers: metainfo.announceTiers,
    webSeeds: metainfo.webSeeds,
    httpSeeds: metainfo.httpSeeds,
    nodes: metainfo.nodes.map(formatEndpoint),
    isMultiFile: metainfo.isMultiFile,
    files: metainfo.files.filter(({ kind }) => kind !== "pad")
      .map(({ path, length, kind, target, piecesRoot, isExecutable }) => ({
        path: path.join("/"),
        length,
        kind,
        ...(kind === "symlink" ? { target: target?.join("/") ?? null } : {}),
        ...(isExecutable ? { isExecutable } : {}),
        ...(piecesRoot ? { piecesRoot: encodeHex(piecesRoot) } : {}),
      })),
    warnings: lints,
    ...(stands ? { swarms: stands.map(standRecord) } : {}),
  };
}

function standRecord({ tracker, counts, failure }: Stand): unknown {
  return { tracker, ...(counts ?? {}), ...(failure ? { failure } : {}) };
}

/**
 * What a magnet link says, for programs.
 *
 * @param magnet The link.
 * @param stands How it stands, if that is known.
 * @returns What to write as JSON.
 */
export function magnetRecord(
  magnet: Magnet,
  stands: readonly Stand[] | undefined,
): unknown {
  const { hasV1, infoHash, infoHashV2 } = magnet;
  return {
    name: magnet.name ?? null,
    infoHash: hasV1 ? encodeHex(infoHash) : null,
    infoHashV2: infoHashV2 ? encodeHex(infoHashV2) : null,
    magnet: formatMagnet(magnet),
    trackers: magnet.announceTiers,
    webSeeds: magnet.webSeeds,
    peers: magnet.peers.map(formatEndpoint),
    ...(stands ? { swarms: stands.map(standRecord) } : {}),
  };
}

/**
 * Describes what will make trouble, and the link to a torrent.
 *
 * @param metainfo The torrent.
 * @param lints What will make trouble.
 * @returns Lines, each with its end.
 */
export function describeTrouble(
  metainfo: Metainfo,
  lints: readonly Lint[],
): string {
  return [
    `Magnet: ${shownMagnet(metainfo)}`,
    ...lints.map(({ message }) => `Warning: ${message}`),
  ].map((line) => `${printable(line)}\n`).join("");
}

/** The link with its trackers as they may be shown: without passkeys. */
function shownMagnet(metainfo: Metainfo): string {
  return formatMagnet({
    ...metainfo,
    announceTiers: metainfo.announceTiers.map((tier) => tier.map(shownUrl)),
    webSeeds: metainfo.webSeeds.map(shownUrl),
  });
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
    ["Info hash", magnet.hasV1 ? encodeHex(magnet.infoHash) : undefined],
    ["Info hash v2", magnet.infoHashV2 && encodeHex(magnet.infoHashV2)],
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
