/**
 * `eachAnswer`: one question asked in several ways at once.
 *
 * @module
 */

import { TrackerError } from "../errors.ts";

/** One way to ask. */
export type Attempt<T> = (signal: AbortSignal) => Promise<T>;

type Outcome<T> = { value: T } | { error: unknown };

/** What systems say when there is no way to a family of addresses at all. */
const NO_WAY = /unreachable|cannot assign|not supported/i;

/**
 * Asks in every way at once, and gives the answers as they come: none waits
 * for another. Whoever wants no more answers leaves the loop, which gives up
 * the rest.
 *
 * @param attempts The ways to ask.
 * @param options What gives up.
 * @yields {T} The answers, the fastest first.
 * @throws {TrackerError} If no way leads to an answer: the failure that says
 * most.
 */
export async function* eachAnswer<T>(
  attempts: readonly Attempt<T>[],
  { signal }: { signal: AbortSignal },
): AsyncGenerator<T, void, undefined> {
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  const pending = new Map(
    attempts.map((attempt, i) => [i, outcomeOf(i, attempt(either))]),
  );
  const failures: TrackerError[] = [];
  try {
    while (pending.size > 0) {
      const [i, outcome] = await Promise.race(pending.values());
      pending.delete(i);
      if ("value" in outcome) {
        yield outcome.value;
      } else if (outcome.error instanceof TrackerError) {
        failures.push(outcome.error);
      } else {
        throw outcome.error;
      }
    }
    if (failures.length === attempts.length) throw mostTelling(failures);
  } finally {
    over.abort();
    await Promise.all(pending.values());
  }
}

async function outcomeOf<T>(
  i: number,
  answer: Promise<T>,
): Promise<[number, Outcome<T>]> {
  try {
    return [i, { value: await answer }];
  } catch (error) {
    return [i, { error }];
  }
}

/** A refusal tells more than silence, and silence more than "no IPv6 here". */
function mostTelling(failures: readonly TrackerError[]): TrackerError {
  const isRefusal = (error: TrackerError) => error.cause === undefined;
  const hasWay = (error: TrackerError) => !NO_WAY.test(error.message);
  return failures.find(isRefusal) ?? failures.find(hasWay) ?? failures[0]!;
}
