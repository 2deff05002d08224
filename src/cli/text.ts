/**
 * Text for people: numbers with units, and strangers' words made harmless.
 * Pure.
 *
 * @module
 */

import { displayUrl } from "../net/http.ts";
import { format as formatMilliseconds } from "@std/fmt/duration";

/**
 * What a terminal would obey, or what would hide, turn or break the text
 * around it: controls, format characters (bidirectional and zero-width ones
 * among them), line and paragraph separators, halves of surrogate pairs.
 */
const HARMFUL = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/**
 * Makes text from outside safe to print.
 *
 * @param text What a torrent, a tracker or a peer said.
 * @returns The text on one line, with what is harmful escaped.
 */
export function printable(text: string): string {
  return text.replace(HARMFUL, (character) => {
    const code = character.codePointAt(0)!.toString(16);
    if (code.length <= 2) return `\\x${code.padStart(2, "0")}`;
    return code.length <= 4 ? `\\u${code.padStart(4, "0")}` : `\\u{${code}}`;
  });
}

/**
 * A stranger's URL as it may be shown and logged.
 *
 * @param text What a torrent or the user says.
 * @returns The URL without its secrets; other text as it is.
 */
export function shownUrl(text: string): string {
  const url = URL.parse(text);
  return url ? displayUrl(url) : text;
}

/**
 * A sentence about something, which it names once.
 *
 * @param subject What it is about.
 * @param sentence What is said of it.
 * @returns The sentence, after the subject unless it begins with that itself.
 */
export function about(subject: string, sentence: string): string {
  return sentence.startsWith(`${subject} `)
    ? sentence
    : `${subject}: ${sentence}`;
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/**
 * A number of bytes with a binary unit.
 *
 * @param bytes How many.
 * @returns Such as `1.5 GiB`.
 */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // What would be rounded to 1024 is one of the next unit.
  while (unit < UNITS.length - 1 && value >= (unit === 0 ? 1023.5 : 1023.95)) {
    value /= 1024;
    unit++;
  }
  return `${value.toFixed(unit === 0 ? 0 : 1)} ${UNITS[unit]}`;
}

/** A longer time is only a guess. */
const MAX_DURATION_S = 100 * 24 * 60 * 60;

/**
 * A time in its two largest units.
 *
 * @param seconds How long.
 * @returns Such as `2h 5m`, or `1.5s` where seconds are few.
 */
export function formatDuration(seconds: number): string {
  if (seconds >= MAX_DURATION_S) return ">99d";
  if (seconds < 9.95) {
    return `${seconds.toFixed(Number.isInteger(seconds) ? 0 : 1)}s`;
  }
  const text = formatMilliseconds(Math.round(seconds) * 1000, {
    style: "narrow",
    ignoreZero: true,
  });
  return text.split(" ").slice(0, 2).join(" ");
}

/**
 * A share in percent that says 100 only when nothing is missing.
 *
 * @param part The part.
 * @param whole The whole; nothing of nothing is everything.
 * @returns Such as `45.3%`.
 */
export function formatPercent(part: number, whole: number): string {
  if (part >= whole) return "100%";
  return `${(Math.floor(part / whole * 1000) / 10).toFixed(1)}%`;
}

/**
 * A count with its noun.
 *
 * @param count How many.
 * @param noun One of them.
 * @returns Such as `1 peer` or `3 peers`.
 */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/**
 * Cuts text to a width, with a sign that it was cut.
 *
 * @param text The text.
 * @param width How many columns there are; wide characters count as two.
 * @returns At most that many columns.
 */
export function fit(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let kept = "";
  let room = width - 1;
  for (const character of text) {
    room -= widthOf(character);
    if (room < 0) break;
    kept += character;
  }
  return width > 0 ? `${kept}…` : "";
}

/**
 * How many columns a terminal gives a text, at most: terminals differ about
 * pictures.
 *
 * @param text The text, without control characters.
 * @returns The number of columns.
 */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of text) {
    width += character === AS_PICTURE
      ? 1
      : COMBINING.test(character)
      ? 0
      : WIDE.test(character)
      ? 2
      : 1;
  }
  return width;
}

/** Makes the character before it a picture, which is wide. */
const AS_PICTURE = "\ufe0f";

/** What stands on, around or in the character before it. */
const COMBINING = /[\p{Mn}\p{Me}]/u;

/** East Asian wide and full-width characters, and pictures. */
const WIDE =
  /[\u1100-\u115f\u231a\u231b\u2329\u232a\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{16fe0}-\u{18dff}\u{1aff0}-\u{1b2ff}\u{1d300}-\u{1d37f}\u{1f200}-\u{1f2ff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
