/**
 * `Env`: arguments aside, all that the program sees of the world: streams,
 * terminal and signals. A test gives one of its own and runs the whole program
 * in its process.
 *
 * @module
 */

import { storageError } from "../storage/storage_error.ts";

/** A place for text, written at once. */
export interface TextSink {
  /** Whether a person sees it as it is written. */
  readonly isTerminal: boolean;
  /** How many columns there are. */
  readonly columns: number;
  /**
   * Writes text.
   *
   * @param text The text; nothing is added.
   */
  write(text: string): void;
  /**
   * Writes bytes.
   *
   * @param bytes The bytes.
   */
  writeBytes(bytes: Uint8Array): void;
}

/** The world, as far as the program needs it. */
export interface Env {
  /** Standard input. */
  readonly stdin: ReadableStream<Uint8Array>;
  /** Standard output: what was asked for. */
  readonly stdout: TextSink;
  /** Standard error: what goes on. */
  readonly stderr: TextSink;
  /**
   * Reads a variable of the environment, if that needs no prompt.
   *
   * @param name The variable.
   * @returns Its value, if it is set and may be read.
   */
  variable(name: string): string | undefined;
  /**
   * Hears of every wish to stop (Ctrl-C, `kill`).
   *
   * @param handler Called for each.
   * @returns What stops listening.
   */
  onStopSignal(handler: () => void): Disposable;
}

/** When the width of a terminal cannot be told. */
const DEFAULT_COLUMNS = 80;

class StreamSink implements TextSink {
  readonly #stream: typeof Deno.stdout | typeof Deno.stderr;
  readonly #name: string;
  #isClosed = false;

  constructor(
    stream: typeof Deno.stdout | typeof Deno.stderr,
    name: string,
  ) {
    this.#stream = stream;
    this.#name = name;
  }

  get isTerminal(): boolean {
    return this.#stream.isTerminal();
  }

  get columns(): number {
    try {
      const { columns } = Deno.consoleSize();
      return columns === 0 ? DEFAULT_COLUMNS : columns;
    } catch {
      // No stream of ours is a terminal, and each system says so differently.
      return DEFAULT_COLUMNS;
    }
  }

  write(text: string): void {
    this.writeBytes(new TextEncoder().encode(text));
  }

  writeBytes(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    try {
      let written = 0;
      while (written < bytes.length) {
        written += this.#stream.writeSync(bytes.subarray(written));
      }
    } catch (error) {
      if (error instanceof Deno.errors.WouldBlock) return;
      this.#isClosed = true;
      // Whoever reads may stop at any time, as in `btget … | head -1`; and
      // where errors are told there is nobody to tell of this one.
      if (
        !(error instanceof Deno.errors.BrokenPipe) &&
        this.#stream !== Deno.stderr
      ) throw storageError(error, this.#name);
    }
  }
}

/** The real world. */
export const REAL_ENV: Env = {
  get stdin() {
    return Deno.stdin.readable;
  },
  stdout: new StreamSink(Deno.stdout, "standard output"),
  stderr: new StreamSink(Deno.stderr, "standard error"),
  variable(name) {
    const { state } = Deno.permissions.querySync({
      name: "env",
      variable: name,
    });
    return state === "granted" ? Deno.env.get(name) : undefined;
  },
  onStopSignal(handler) {
    const signals: Deno.Signal[] = Deno.build.os === "windows"
      ? ["SIGINT", "SIGBREAK"]
      : ["SIGINT", "SIGTERM"];
    for (const signal of signals) Deno.addSignalListener(signal, handler);
    return {
      [Symbol.dispose]() {
        for (const signal of signals) {
          Deno.removeSignalListener(signal, handler);
        }
      },
    };
  },
};
