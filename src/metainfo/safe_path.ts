/**
 * A torrent's path lists → relative paths that cannot leave the download
 * folder, cannot hide what they are, and never meet. Pure.
 *
 * @module
 */

/** What the file system below the download folder makes of names. */
export interface NameRules {
  /** Whether Windows' reserved characters and names must be rewritten too. */
  windows: boolean;
  /** Whether names that differ in case or Unicode form only are one file. */
  foldsCase: boolean;
}

/** The rules of Linux: only `/` and NUL are special, every byte counts. */
export const LINUX_NAMES: NameRules = { windows: false, foldsCase: false };

/**
 * The ending of our own control files. A torrent must not bring one: it would
 * say that what lies beside it is ours to overwrite.
 */
export const CONTROL_SUFFIX = ".btget";

/** The longest name of a file that file systems in use take, in bytes. */
export const MAX_NAME_BYTES = 255;

/** Linux takes 4096 bytes with the download folder's own path and a NUL. */
const MAX_PATH_BYTES = 3000;

/** libtorrent's limit; no honest torrent comes near. */
const MAX_PATH_DEPTH = 100;

/** What stands for a character that may not be in a name. */
const REPLACEMENT = "_";

/** Room for a dot and the number that tells two files apart. */
const MAX_NUMBER_BYTES = 8;

/** The longest ending that is kept when a name is shortened, with its dot. */
const MAX_EXTENSION_BYTES = 32;

/** Separators, C0 and C1 controls, DEL, and what is not Unicode. */
// deno-lint-ignore no-control-regex
const FORBIDDEN = /[\/\\\x00-\x1f\x7f-\x9f\ufffd]/g;

/** Characters nobody sees: they turn the text around or hide in it. */
const INVISIBLE =
  /[\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

const DECODER = new TextDecoder();
const ENCODER = new TextEncoder();

const WINDOWS_FORBIDDEN = /[<>:"|?*]/g;
const WINDOWS_RESERVED = /^(con|prn|aux|nul|(com|lpt)[0-9¹²³]) *(\.|$)/i;

/**
 * One element of a path as a safe name.
 *
 * @param raw The element as the torrent has it, UTF-8 by BEP 3.
 * @param rules The rules of the file system.
 * @returns The name, or `undefined` if nothing is left of it.
 */
export function safeName(
  raw: Uint8Array,
  rules: NameRules,
): string | undefined {
  const name = DECODER.decode(raw)
    .replace(INVISIBLE, "")
    .replace(FORBIDDEN, REPLACEMENT);
  if (name === "" || name === ".") return undefined;
  // It stays a level of its own, so that what lies below it stays below.
  if (name === "..") return REPLACEMENT.repeat(2);
  const fitted = rules.windows
    ? windowsName(name)
    : shortenName(name, MAX_NAME_BYTES);
  return fitted.toLowerCase().endsWith(CONTROL_SUFFIX)
    ? shortenName(fitted, MAX_NAME_BYTES - REPLACEMENT.length) + REPLACEMENT
    : fitted || undefined;
}

function windowsName(name: string): string {
  // A byte is left for the mark of a reserved name.
  return shortenName(
    name.replace(WINDOWS_FORBIDDEN, REPLACEMENT),
    MAX_NAME_BYTES - REPLACEMENT.length,
  ).replace(/[. ]+$/, "").replace(WINDOWS_RESERVED, `${REPLACEMENT}$&`);
}

/**
 * A path list as safe names.
 *
 * @param raw The elements as the torrent has them.
 * @param rules The rules of the file system.
 * @returns The names, or what is wrong with the list as the end of a sentence.
 */
export function safePath(
  raw: readonly Uint8Array[],
  rules: NameRules,
): string[] | string {
  if (raw.length > MAX_PATH_DEPTH) {
    return `is more than ${MAX_PATH_DEPTH} folders deep`;
  }
  const names = raw.map((element) => safeName(element, rules))
    .filter((name) => name !== undefined);
  if (names.length === 0) return "has no usable name";
  const bytes = names.reduce((sum, name) => sum + utf8Length(name) + 1, 0);
  if (bytes > MAX_PATH_BYTES) {
    return `is longer than ${MAX_PATH_BYTES} bytes`;
  }
  return names;
}

/**
 * Gives every file a path of its own: a later file whose path is taken gets a
 * number before its ending, and so does a file where a folder must be.
 *
 * @param paths Safe paths, in the torrent's order.
 * @param rules The rules of the file system.
 * @returns As many paths, no two of which meet.
 */
export function distinctPaths(
  paths: readonly (readonly string[])[],
  rules: NameRules,
): (readonly string[])[] {
  const fold = (path: readonly string[]) => {
    const text = path.join("/");
    return rules.foldsCase ? foldCase(text) : text;
  };
  const folded = paths.map(fold);
  const isFolder = folderTest(folded);
  const taken = new Set<string>();
  const numbers = new Map<string, number>();
  return paths.map((path, i) => {
    let chosen = path;
    let key = folded[i]!;
    if (taken.has(key) || isFolder(key)) {
      const folder = path.slice(0, -1);
      const [stem, extension] = splitExtension(path.at(-1)!);
      const short = shortenName(
        stem,
        MAX_NAME_BYTES - utf8Length(extension) - MAX_NUMBER_BYTES,
      );
      // Names of one stem share their numbers: none is tried a second time.
      const family = fold([...folder, short, extension]);
      let number = numbers.get(family) ?? 1;
      do {
        chosen = [...folder, `${short}.${number++}${extension}`];
        key = fold(chosen);
      } while (taken.has(key) || isFolder(key));
      numbers.set(family, number);
    }
    taken.add(key);
    return chosen;
  });
}

/** The same text for all names that one file system may take for one. */
function foldCase(text: string): string {
  // There and back again: some letters have two small or two great forms.
  return text.toLowerCase().toUpperCase().normalize("NFC");
}

/** Tells whether a path is a folder, which is: whether others lie below it. */
function folderTest(paths: readonly string[]): (path: string) => boolean {
  const sorted = paths.toSorted();
  return (path) => {
    const start = `${path}/`;
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle]! < start) low = middle + 1;
      else high = middle;
    }
    return sorted[low]?.startsWith(start) ?? false;
  };
}

/**
 * Shortens a name to fit, keeping its ending.
 *
 * @param name The name.
 * @param maxBytes How many bytes of UTF-8 it may have.
 * @returns The name, or as much of it as fits.
 */
export function shortenName(name: string, maxBytes: number): string {
  if (utf8Length(name) <= maxBytes) return name;
  const [stem, extension] = splitExtension(name);
  const room = new Uint8Array(maxBytes - utf8Length(extension));
  const { read } = ENCODER.encodeInto(stem, room);
  return stem.slice(0, read) + extension;
}

function splitExtension(name: string): [stem: string, extension: string] {
  const dot = name.lastIndexOf(".");
  if (dot <= 0 || utf8Length(name.slice(dot)) > MAX_EXTENSION_BYTES) {
    return [name, ""];
  }
  return [name.slice(0, dot), name.slice(dot)];
}

function utf8Length(text: string): number {
  return ENCODER.encode(text).length;
}
