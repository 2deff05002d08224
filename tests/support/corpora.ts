/**
 * Torrents and vectors of other projects' suites. They are not part of this
 * repository; tests that need them are skipped where they are not there.
 *
 * @module
 */

/** Where they lie: beside the checkout, or where the environment says. */
const CORPORA = new URL("../../../shared/corpora/", import.meta.url);

/**
 * Whether the collection is there.
 *
 * @returns Whether tests can use it; if not, a line says so.
 */
export function hasCorpora(): boolean {
  try {
    return Deno.statSync(CORPORA).isDirectory;
  } catch {
    // deno-lint-ignore no-console
    console.log(`SKIPPED: no collection of torrents at ${CORPORA.pathname}`);
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
  return Deno.readFileSync(new URL(path, CORPORA));
}
