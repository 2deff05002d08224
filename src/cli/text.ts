/**
 * Text for people: numbers with units, and strangers' words made harmless.
 * Pure.
 *
 * @module
 */

import { format as formatBinary } from "@std/fmt/bytes";
import { format as formatMilliseconds } from "@std/fmt/duration";

/**
 * What a terminal would obey, or what would hide or turn the text around it:
 * C0 and C1 controls, DEL, line separators, bidirectional and zero-width
 * characters, and halves of surrogate pairs.
 */
const HARMFUL =
  // deno-lint-ignore no-control-regex
  /[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|\p{Cs}/gu;

/**
 * Makes text from outside safe to print.
 *
 * @param text What a torrent, a tracker or a peer said.
 * @returns The text on one line, with what is harmful escaped.
 */
export function printable(text: string): string {
  return text.replace(HARMFUL, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x100
      ? `\\x${code.toString(16).padStart(2, "0")}`
      : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

/**
 * A number of bytes with a binary unit.
 *
 * @param bytes How many.
 * @returns Such as `1.5 GiB`.
 */
export function formatBytes(bytes: number): string {
  const text = formatBinary(bytes, {
    binary: true,
    minimumFractionDigits: 1,
    maximumFractionDigits: 1,
  });
  // The library's small k is not what the standard writes.
  return bytes < 1024 ? `${Math.round(bytes)} B` : text.replace("k", "K");
}

/**
 * A time in its two largest units.
 *
 * @param seconds How long.
 * @returns Such as `2h 5m`, or `1.5s` where seconds are few.
 */
export function formatDuration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)}s`;
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
  for (const character of text) {
    if (widthOf(kept + character) > width - 1) break;
    kept += character;
  }
  return width > 0 ? `${kept}…` : "";
}

/**
 * How many columns a terminal gives a text.
 *
 * @param text The text, without control characters.
 * @returns The number of columns.
 */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of text) {
    width += COMBINING.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  }
  return width;
}

const COMBINING = /\p{M}/u;

/** East Asian wide and full-width characters, and pictures. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}|[\u{20000}-\u{3fffd}]/u;
