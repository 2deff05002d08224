/**
 * What is said of downloads while they run, and at their end: the words and
 * pictures, drawn from snapshots. Pure.
 *
 * @module
 */

import type { TorrentPhase, TorrentStats } from "../torrent/events.ts";
import {
  about,
  fit,
  formatBytes,
  formatDuration,
  formatPercent,
  plural,
  printable,
  widthOf,
} from "./text.ts";

/** A download as the display sees it. */
export interface Shown {
  /** Its name, as the torrent has it. */
  name: string;
  /** How it stands. */
  stats: TorrentStats;
}

/** How a download ended. */
export interface Result {
  /** What the user named. */
  source: string;
  /** The torrent's name, if it was read. */
  name: string | undefined;
  /** How it stood at the end, if it was begun. */
  stats: TorrentStats | undefined;
  /** What its exit status would be, were it alone. */
  exitCode: number;
  /** The reason, if it is not complete; or what else is to be said. */
  message: string | undefined;
  /** How long it took, in seconds. */
  seconds: number;
}

/** The widest bar; a wider one says no more. */
const MAX_BAR_WIDTH = 30;

/** A narrower bar is left out. */
const MIN_BAR_WIDTH = 8;

/** A name is cut to this before the bar gives way. */
const MAX_NAME_WIDTH = 30;

/** A name that is cut to less names nothing, and is left out. */
const MIN_NAME_WIDTH = 8;

/** What stands between the parts of a line. */
const GAP = "  ";

/**
 * All downloads in one line. Where there is not enough room, the bar goes
 * first, then the name, then what stands at the end.
 *
 * @param shown The downloads that run.
 * @param width How many columns there are.
 * @returns A line of at most that width, without its end.
 */
export function progressLine(shown: readonly Shown[], width: number): string {
  if (shown.length === 0) return "";
  const stats = sum(shown.map((download) => download.stats));
  const [state, facts] = [stateOf(stats), factsOf(stats)];
  const room = width - widthOf([state, ...facts].join(GAP)) - GAP.length;
  if (room < MIN_NAME_WIDTH) return fit([state, ...facts].join(GAP), width);
  const name = fit(
    shown.length === 1
      ? printable(shown[0]!.name)
      : plural(shown.length, "torrent"),
    Math.min(room, MAX_NAME_WIDTH),
  );
  const bar = barOf(stats, room - widthOf(name) - GAP.length);
  return [state, name, ...bar, ...facts].join(GAP);
}

/**
 * The last word about one download.
 *
 * @param result How it ended.
 * @returns A sentence on one line, without its end.
 */
export function resultLine(result: Result): string {
  const { name, source, stats, exitCode, seconds } = result;
  const message = result.message ?? "failed";
  if (name === undefined) return printable(about(source, message));
  if (!stats) return printable(`${name}: ${message}`);
  if (exitCode !== 0) {
    const { verifiedBytes, totalBytes } = stats;
    const verified = totalBytes > 0
      ? ` (${formatPercent(verifiedBytes, totalBytes)} verified)`
      : "";
    return printable(`${name}: ${message}${verified}`);
  }
  if (result.message !== undefined) return printable(`${name}: ${message}`);
  const size = formatBytes(stats.totalBytes);
  const sent = stats.sentBytes > 0 ? `; ${sentWords(stats)}` : "";
  if (stats.receivedBytes === 0) {
    return printable(`${name}: complete, ${size} verified on disk${sent}`);
  }
  const received = formatBytes(stats.receivedBytes);
  const rate = formatBytes(stats.receivedBytes / Math.max(seconds, 0.001));
  return printable(
    `${name}: complete, ${size} verified; ${received} received in ` +
      `${formatDuration(seconds)} (${rate}/s)${sent}`,
  );
}

/**
 * The last word about a run of several downloads.
 *
 * @param results How each ended that did.
 * @param sources How many there were.
 * @returns A sentence on one line, without its end.
 */
export function summaryLine(
  results: readonly Result[],
  sources: number,
): string {
  const complete = results.filter(({ exitCode }) => exitCode === 0).length;
  return `${complete} of ${sources} complete`;
}

/** What was given, and how many times the torrent that is. */
function sentWords({ sentBytes, totalBytes }: TorrentStats): string {
  const ratio = sentBytes / Math.max(totalBytes, 1);
  return `${formatBytes(sentBytes)} sent (ratio ${ratio.toFixed(2)})`;
}

function stateOf(stats: TorrentStats): string {
  const { phase, serving, webSeedsServing, peers } = stats;
  if (phase !== "downloading" || serving + webSeedsServing > 0) return phase;
  return peers > 0 ? "waiting" : "connecting";
}

/** A bar of at most that width, if there is room for one. */
function barOf(stats: TorrentStats, width: number): string[] {
  const length = Math.min(MAX_BAR_WIDTH, width - "[]".length);
  const [part, whole] = shareOf(stats);
  // What is complete, or has no known end, needs no bar.
  if (stats.phase === "seeding" || stats.phase === "finding") return [];
  if (length < MIN_BAR_WIDTH || whole === 0) return [];
  const filled = Math.floor(part / whole * length);
  return [`[${"#".repeat(filled)}${".".repeat(length - filled)}]`];
}

function factsOf(stats: TorrentStats): string[] {
  if (stats.phase === "finding") return findingFacts(stats);
  const [part, whole] = shareOf(stats);
  // Before anything is known, nothing of nothing would look like everything.
  if (whole === 0) return [];
  if (stats.phase === "seeding") {
    return [
      `${formatBytes(stats.sentPerSecond)}/s`,
      sentWords(stats),
      plural(stats.peers, "peer"),
    ];
  }
  const percent = formatPercent(part, whole);
  const amount = `${formatBytes(part)}/${formatBytes(whole)}`;
  if (stats.phase !== "downloading") return [percent, amount];
  const { secondsLeft } = stats;
  return [
    percent,
    amount,
    `${formatBytes(stats.bytesPerSecond)}/s`,
    `ETA ${
      secondsLeft === undefined ? "-" : formatDuration(Math.ceil(secondsLeft))
    }`,
    plural(stats.peers, "peer"),
    ...(stats.webSeeds > 0 ? [plural(stats.webSeeds, "web seed")] : []),
    ...(stats.sentPerSecond > 0
      ? [`sending ${formatBytes(stats.sentPerSecond)}/s`]
      : []),
  ];
}

/** Whom we have asked, and what has come of it. */
function findingFacts(stats: TorrentStats): string[] {
  const { trackers, trackersAnswered, dhtNodes, metadataTotalBytes } = stats;
  const facts = [
    `${stats.peers} of ${plural(stats.tried, "peer")} connected`,
    `${stats.candidates} more known`,
  ];
  if (stats.hashTotalBytes > 0) {
    const [part, whole] = [stats.hashBytes, stats.hashTotalBytes]
      .map(formatBytes);
    facts.unshift(`piece hashes ${part}/${whole}`);
  } else if (metadataTotalBytes > 0) {
    const [part, whole] = [stats.metadataBytes, metadataTotalBytes]
      .map(formatBytes);
    const [first, ...others] = stats.metadataFrom;
    const more = others.length > 0 ? ` and ${others.length} more` : "";
    const from = first === undefined
      ? `offered by ${plural(stats.metadataPeers, "peer")}`
      : `from ${first}${more}`;
    facts.unshift(`metadata ${part}/${whole} ${from}`);
  }
  if (trackers > 0) facts.push(`trackers ${trackersAnswered}/${trackers}`);
  if (dhtNodes > 0) facts.push(`DHT ${plural(dhtNodes, "node")}`);
  return facts;
}

function shareOf(stats: TorrentStats): [part: number, whole: number] {
  return stats.phase === "checking"
    ? [stats.checkedBytes, stats.bytesToCheck]
    : [stats.verifiedBytes, stats.totalBytes];
}

/** Several downloads as one; what they do is what the busiest does. */
function sum(all: readonly TorrentStats[]): TorrentStats {
  const total = { ...all[0]! };
  if (all.length === 1) return total;
  for (const stats of all.slice(1)) {
    for (const key of SUMMED) total[key] += stats[key];
  }
  const phases = new Set(all.map(({ phase }) => phase));
  total.phase = BUSIEST.find((phase) => phases.has(phase)) ?? total.phase;
  const missing = total.totalBytes - total.verifiedBytes - total.gatheringBytes;
  total.secondsLeft = total.bytesPerSecond > 0
    ? missing / total.bytesPerSecond
    : undefined;
  return total;
}

const BUSIEST: readonly TorrentPhase[] = [
  "downloading",
  "checking",
  "finding",
  "seeding",
];

/** Of the DHT there is one for all of them. */
const SUMMED = [
  "totalBytes",
  "verifiedBytes",
  "gatheringBytes",
  "metadataBytes",
  "metadataTotalBytes",
  "metadataPeers",
  "hashBytes",
  "hashTotalBytes",
  "checkedBytes",
  "bytesToCheck",
  "bytesPerSecond",
  "receivedBytes",
  "sentBytes",
  "sentPerSecond",
  "peers",
  "serving",
  "webSeeds",
  "webSeedsServing",
  "candidates",
  "tried",
  "trackers",
  "trackersAnswered",
] as const;
