/**
 * What is said of downloads while they run, and at their end: the words and
 * pictures, drawn from snapshots. Pure.
 *
 * @module
 */

import type { TorrentStats } from "../torrent/events.ts";
import {
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
  /** The reason, if it is not complete. */
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

/**
 * All downloads in one line.
 *
 * @param shown The downloads that run.
 * @param width How many columns there are.
 * @returns A line of at most that width, without its end.
 */
export function progressLine(shown: readonly Shown[], width: number): string {
  if (shown.length === 0) return "";
  const stats = sum(shown.map((download) => download.stats));
  const name = shown.length === 1
    ? printable(shown[0]!.name)
    : plural(shown.length, "torrent");
  const facts = factsOf(stats);
  const short = fit(name, MAX_NAME_WIDTH);
  const text = [stateOf(stats), short, ...facts].join("  ");
  const room = Math.min(MAX_BAR_WIDTH, width - widthOf(text) - 4);
  if (room < MIN_BAR_WIDTH) return fit(text, width);
  const [part, whole] = shareOf(stats);
  const filled = whole > 0 ? Math.floor(part / whole * room) : room;
  const bar = `[${"#".repeat(filled)}${".".repeat(room - filled)}]`;
  return [stateOf(stats), short, bar, ...facts].join("  ");
}

/**
 * The last word about one download.
 *
 * @param result How it ended.
 * @returns A sentence on one line, without its end.
 */
export function resultLine(result: Result): string {
  const { stats, exitCode, seconds } = result;
  const name = printable(result.name ?? result.source);
  if (exitCode === 0 && stats) {
    const size = formatBytes(stats.totalBytes);
    if (stats.receivedBytes === 0) {
      return `${name}: complete, ${size} verified on disk`;
    }
    const received = formatBytes(stats.receivedBytes);
    const rate = formatBytes(stats.receivedBytes / Math.max(seconds, 0.001));
    return `${name}: complete, ${size} verified; ` +
      `${received} received in ${formatDuration(seconds)} (${rate}/s)`;
  }
  const share = stats && stats.totalBytes > 0
    ? ` (${formatPercent(stats.verifiedBytes, stats.totalBytes)} verified)`
    : "";
  return `${name}: ${printable(result.message ?? "failed")}${share}`;
}

/**
 * The last word about a run of several downloads.
 *
 * @param results How each ended.
 * @returns A sentence on one line, without its end.
 */
export function summaryLine(results: readonly Result[]): string {
  const complete = results.filter(({ exitCode }) => exitCode === 0).length;
  return `${complete} of ${results.length} complete`;
}

function stateOf({ phase, serving, peers }: TorrentStats): string {
  if (phase !== "downloading" || serving > 0) return phase;
  return peers > 0 ? "waiting" : "connecting";
}

function factsOf(stats: TorrentStats): string[] {
  const [part, whole] = shareOf(stats);
  const percent = formatPercent(part, whole);
  const amount = `${formatBytes(part)}/${formatBytes(whole)}`;
  if (stats.phase !== "downloading") return [percent, amount];
  return [
    percent,
    amount,
    `${formatBytes(stats.bytesPerSecond)}/s`,
    `ETA ${
      stats.secondsLeft === undefined
        ? "-"
        : formatDuration(Math.ceil(stats.secondsLeft))
    }`,
    plural(stats.peers, "peer"),
  ];
}

function shareOf(stats: TorrentStats): [part: number, whole: number] {
  return stats.phase === "checking"
    ? [stats.checkedBytes, stats.bytesToCheck]
    : [stats.verifiedBytes, stats.totalBytes];
}

/** Several downloads as one; what they do is what the busiest does. */
function sum(all: readonly TorrentStats[]): TorrentStats {
  const total = { ...all[0]! };
  for (const stats of all.slice(1)) {
    if (stats.phase === "downloading") total.phase = "downloading";
    for (const key of SUMMED) total[key] += stats[key];
  }
  const missing = total.totalBytes - total.verifiedBytes;
  total.secondsLeft = total.bytesPerSecond > 0
    ? missing / total.bytesPerSecond
    : undefined;
  return total;
}

const SUMMED = [
  "totalBytes",
  "verifiedBytes",
  "checkedBytes",
  "bytesToCheck",
  "bytesPerSecond",
  "receivedBytes",
  "peers",
  "serving",
] as const;
