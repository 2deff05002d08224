/**
 * What a process uses between two moments.
 *
 * @module
 */

import process from "node:process";

/** What was used. */
export interface Usage {
  /** Seconds that passed. */
  wall: number;
  /** Seconds of CPU in the program. */
  user: number;
  /** Seconds of CPU in the kernel. */
  system: number;
  /** The longest that a timer was late, in milliseconds. */
  lateMs: number;
  /** How late it was at most in 99 of 100 times, in milliseconds. */
  usuallyLateMs: number;
  /** The most memory that the process had until then, in MiB, if known. */
  peakMib: number;
  /** The part of what was received that was of no use. */
  wasted: number;
}

/** How often the meter asks to be woken. */
const TIMER_MS = 10;

/** Measures this process. */
export class Meter {
  #from: { at: number; cpu: NodeJS.CpuUsage } | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  readonly #lateMs: number[] = [];

  /** The measured part begins, if it has not begun. */
  begin(): void {
    if (this.#from) return;
    this.#from = { at: performance.now(), cpu: process.cpuUsage() };
    let due = performance.now() + TIMER_MS;
    this.#timer = setInterval(() => {
      const now = performance.now();
      this.#lateMs.push(now - due);
      due = now + TIMER_MS;
    }, TIMER_MS);
  }

  /**
   * The measured part ends: prints what it used.
   *
   * @param wasted The part of what was received that was of no use.
   */
  end(wasted = 0): void {
    const { at, cpu } = this.#from!;
    clearInterval(this.#timer);
    const { user, system } = process.cpuUsage(cpu);
    const late = this.#lateMs.toSorted((a, b) => a - b);
    const usage: Usage = {
      wall: (performance.now() - at) / 1e3,
      user: user / 1e6,
      system: system / 1e6,
      lateMs: late.at(-1) ?? 0,
      usuallyLateMs: late[Math.floor(late.length * 0.99)] ?? 0,
      peakMib: peakMib(),
      wasted,
    };
    // deno-lint-ignore no-console
    console.log(JSON.stringify(usage));
  }
}

/** Linux says so; elsewhere nobody does. */
function peakMib(): number {
  try {
    const status = Deno.readTextFileSync("/proc/self/status");
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return NaN;
  }
}
