/**
 * Programs that run as children of a test, and end with it.
 *
 * @module
 */

import { delay } from "@std/async/delay";

/** The end of a log says what went wrong. */
const MAX_LOG_LENGTH = 8_000;

/** Other programs cannot be listened to, only asked again. */
const POLL_INTERVAL_MS = 20;

/** What to run, and what it sees of the world. */
export interface ChildOptions {
  /** The program and its arguments. */
  command: readonly [program: string, ...args: string[]];
  /** Its current folder. */
  cwd: string;
  /** Its environment; nothing is inherited. */
  env: Record<string, string>;
  /** What it reads; nothing if not given. */
  stdin?: Uint8Array | undefined;
}

/** A program that runs. */
export class Child implements AsyncDisposable {
  /** What it was called. */
  readonly name: string;
  readonly #process: Deno.ChildProcess;
  readonly #reading: Promise<unknown>;
  #stdout = "";
  #stderr = "";
  #hasExited = false;

  /**
   * Starts a program.
   *
   * @param name What to call it.
   * @param options What to run.
   */
  constructor(name: string, options: ChildOptions) {
    this.name = name;
    const [program, ...args] = options.command;
    this.#process = new Deno.Command(program, {
      args,
      cwd: options.cwd,
      clearEnv: true,
      env: options.env,
      stdin: options.stdin ? "piped" : "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const { stdout, stderr, status } = this.#process;
    this.#reading = Promise.all([
      readText(stdout, (text) => this.#stdout += text),
      readText(stderr, (text) => this.#stderr += text),
      options.stdin && this.#feed(options.stdin),
      status.then(() => this.#hasExited = true),
    ]);
  }

  /** Its number. */
  get pid(): number {
    return this.#process.pid;
  }

  /** Whether it has ended. */
  get hasExited(): boolean {
    return this.#hasExited;
  }

  /** What it has written to standard output. */
  get stdout(): string {
    return this.#stdout;
  }

  /** What it has written to standard error. */
  get stderr(): string {
    return this.#stderr;
  }

  /** What it has written, for somebody who looks for a mistake. */
  get log(): string {
    const text = `${this.#stdout}${this.#stderr}`.slice(-MAX_LOG_LENGTH);
    return `--- ${this.name}\n${text}`;
  }

  /**
   * Sends it a signal, if it still runs.
   *
   * @param signal The signal.
   */
  kill(signal: Deno.Signal): void {
    if (!this.#hasExited) this.#process.kill(signal);
  }

  /**
   * Waits for its end.
   *
   * @returns Its exit status, and the signal that ended it, if one did.
   */
  async exit(): Promise<Deno.CommandStatus> {
    await this.#reading;
    return await this.#process.status;
  }

  /** Ends it at once: nothing of what it keeps is needed again. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill("SIGKILL");
    await this.exit();
  }

  async #feed(bytes: Uint8Array): Promise<void> {
    await new Blob([bytes.slice()]).stream().pipeTo(this.#process.stdin);
  }
}

async function readText(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  add: (text: string) => void,
): Promise<void> {
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    add(text);
  }
}

/** Options for {@linkcode waitUntil}. */
export interface WaitOptions {
  /** What is waited for, as a message has it. */
  what: string;
  /** After how many seconds the test has failed. */
  seconds: number;
  /** How long to wait between two looks; little if not given. */
  intervalMs?: number;
}

/**
 * Waits until something is so.
 *
 * @param isSo Asks.
 * @param options What it is.
 * @throws If it takes too long.
 */
export async function waitUntil(
  isSo: () => boolean | Promise<boolean>,
  { what, seconds, intervalMs = POLL_INTERVAL_MS }: WaitOptions,
): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (!await isSo()) {
    if (performance.now() > end) {
      throw new Error(`Waited ${seconds} s for ${what}`);
    }
    await delay(intervalMs);
  }
}
