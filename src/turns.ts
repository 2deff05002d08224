/**
 * `Turns`: gives the event loop its turn while something long is done in small
 * steps, such as hashing a file. To receive is such a thing as well: as long as
 * a socket has bytes ready, reading from it goes on in microtasks, and up to a
 * hundred reads follow each other before a timer or a signal is looked at. With
 * hashing and writing in between that is far more than a tenth of a second.
 *
 * @module
 */

import { setImmediate } from "node:timers";

/** What is due waits no longer than this for us, and for one more read. */
const MAX_TURN_MS = 20;

/** For everybody who works in small steps on one event loop. */
export class Turns {
  #since = -Infinity;
  #next: Promise<void> | undefined;

  /**
   * Whether the event loop should have its turn before anybody goes on.
   *
   * @param now The time in milliseconds.
   * @returns A promise for when it had, if so; the same for all.
   */
  pause(now: number): Promise<void> | undefined {
    if (this.#next) return this.#next;
    if (now - this.#since < MAX_TURN_MS) return undefined;
    return this.#next = this.#yield();
  }

  async #yield(): Promise<void> {
    // A timer of no length would take a millisecond or two of doing nothing.
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#next = undefined;
    this.#since = performance.now();
  }
}
