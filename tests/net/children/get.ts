/**
 * Gets URLs one after the other, and says what came of each.
 *
 * @module
 */

import { NetworkError } from "../../../src/errors.ts";
import { httpGet } from "../../../src/net/http.ts";

const answers: string[] = [];
for (const url of Deno.args) {
  try {
    const { status, body } = await httpGet(new URL(url), {
      maxBytes: 1000,
      timeoutMs: 10_000,
      signal: new AbortController().signal,
    });
    answers.push(`${status} ${new TextDecoder().decode(body)}`);
  } catch (error) {
    if (!(error instanceof NetworkError)) throw error;
    answers.push(error.message);
  }
}
// deno-lint-ignore no-console
console.log(JSON.stringify(answers));
