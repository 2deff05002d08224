/**
 * A world for the program that a test can look into.
 *
 * @module
 */

import type { Env, TextSink } from "../../src/cli/env.ts";
import { concat } from "@std/bytes/concat";

/** A terminal or a file that keeps what is written. */
export class CapturedSink implements TextSink {
  /** Everything that was written. */
  text = "";
  readonly isTerminal: boolean;
  /** How many columns there are; a test may change it. */
  columns: number;
  readonly #written: Uint8Array[] = [];

  /**
   * Nothing is written yet.
   *
   * @param options Whether a person sees it, and how wide it is.
   */
  constructor(options: { isTerminal?: boolean; columns?: number } = {}) {
    this.isTerminal = options.isTerminal ?? false;
    this.columns = options.columns ?? 80;
  }

  /** The whole lines, without their ends. */
  get lines(): string[] {
    return this.text.split("\n").slice(0, -1);
  }

  /** Keeps text. */
  write(text: string): void {
    this.writeBytes(new TextEncoder().encode(text));
  }

  /** Keeps bytes. */
  writeBytes(bytes: Uint8Array): void {
    this.#written.push(bytes.slice());
    this.text += new TextDecoder().decode(bytes);
  }

  /** Everything that was written, as bytes. */
  get bytes(): Uint8Array {
    return concat(this.#written);
  }
}

/** What a test gives the program. */
export interface TestEnvOptions {
  /** What comes from standard input. */
  stdin?: Uint8Array;
  /** Standard error; a file if not given. */
  stderr?: CapturedSink;
  /** Standard output; a file if not given. */
  stdout?: CapturedSink;
  /** The environment. */
  variables?: Record<string, string>;
}

/** Streams in memory, and signals on demand. */
export class TestEnv implements Env {
  readonly stdin: ReadableStream<Uint8Array>;
  readonly stdout: CapturedSink;
  readonly stderr: CapturedSink;
  readonly #handlers = new Set<() => void>();
  readonly #variables: Record<string, string>;

  /**
   * Makes a world.
   *
   * @param options What is in it.
   */
  constructor(options: TestEnvOptions = {}) {
    this.stdin = ReadableStream.from([options.stdin ?? new Uint8Array()]);
    this.stdout = options.stdout ?? new CapturedSink();
    this.stderr = options.stderr ?? new CapturedSink();
    this.#variables = options.variables ?? {};
  }

  /** How many listen for a signal. */
  get listenerCount(): number {
    return this.#handlers.size;
  }

  /** Sends a signal to stop, as Ctrl-C does. */
  interrupt(): void {
    for (const handler of this.#handlers) handler();
  }

  /** A variable of the environment. */
  variable(name: string): string | undefined {
    return this.#variables[name];
  }

  /** Hears of every signal. */
  onStopSignal(handler: () => void): Disposable {
    this.#handlers.add(handler);
    return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
  }
}
