/**
 * Tests that need what a machine may lack: they are skipped there, with a line
 * that says so. Where everything must be there (BTGET_TEST_NO_SKIPS=1), they
 * fail instead.
 *
 * @module
 */

/** A test and what it needs. */
export interface ConditionalTest {
  /** The name of the test. */
  name: string;
  /** What is not there, as sentences; nothing if the test can run. */
  missing: readonly string[];
  /** The test. */
  fn: (t: Deno.TestContext) => Promise<void>;
}

/** What a line has been printed for. */
const said = new Set<string>();

/**
 * Declares a test that needs what may be missing.
 *
 * @param test The test and what it lacks.
 */
export function conditionalTest({ name, missing, fn }: ConditionalTest): void {
  if (missing.length === 0) return Deno.test({ name, fn });
  if (Deno.env.get("BTGET_TEST_NO_SKIPS") === "1") {
    return Deno.test(name, () => {
      throw new Error(`${missing.join(", ")}, and no test may be skipped`);
    });
  }
  for (const sentence of missing) {
    if (said.has(sentence)) continue;
    said.add(sentence);
    // deno-lint-ignore no-console
    console.log(`SKIPPED: ${sentence}`);
  }
  Deno.test({ name, ignore: true, fn });
}

/**
 * Looks for a program.
 *
 * @param name Its name.
 * @returns Nothing if it is there, or a sentence that it is not.
 */
export function missingProgram(name: string): string[] {
  const folders = (Deno.env.get("PATH") ?? "").split(":");
  const isThere = folders.some((folder) => {
    try {
      return Deno.statSync(`${folder}/${name}`).isFile;
    } catch {
      return false;
    }
  });
  return isThere ? [] : [`${name} is not installed`];
}
