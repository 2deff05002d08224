/**
 * Torrents and vectors of other projects' suites. They are not part of this
 * repository; tests that need them are skipped where they are not there.
 *
 * @module
 */

import { toFileUrl } from "@std/path";

/** Where the environment says that they lie, or else beside the checkout. */
function corporaFolder(): URL {
  const path = Deno.env.get("BTGET_CORPORA");
  return path
    ? toFileUrl(`${Deno.realPathSync(path)}/`)
    : new URL("../../../shared/corpora/", import.meta.url);
}

/**
 * Whether the collection is there.
 *
 * @returns Whether tests can use it; if not, a line says so.
 */
export function hasCorpora(): boolean {
  try {
    return Deno.statSync(corporaFolder()).isDirectory;
  } catch {
    // deno-lint-ignore no-console
    console.log("SKIPPED: BTGET_CORPORA names no collection of torrents");
    return false;
  }
}

/**
 * A file of the collection.
 *
 * @param path Its path in the collection.
 * @returns Its bytes.
 */
export function readCorpus(path: string): Uint8Array {
  return Deno.readFileSync(new URL(path, corporaFolder()));
}

/**
 * A JSON file of the collection.
 *
 * @param path Its path in the collection.
 * @returns What it says; keys such as `num_files` as `numFiles`.
 */
export function readVectors<T>(path: string): T {
  const text = new TextDecoder().decode(readCorpus(path));
  return JSON.parse(text, (_, value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      return value;
    }
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [
        key.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase()),
        item,
      ]),
    );
  }) as T;
}
