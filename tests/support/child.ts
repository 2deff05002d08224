/**
 * Programs in processes of their own: for what only another process can show,
 * such as a permission that is missing, a lock, a limit, or a sudden death.
 *
 * @module
 */

import { fromFileUrl } from "@std/path";

/** How to start a program. */
export interface ChildOptions {
  /** Deno's permission flags. */
  permissions: readonly string[];
  /** The program's arguments. */
  args?: readonly (string | number | boolean)[];
  /** What the program is started by, such as `prlimit`. */
  wrapper?: readonly string[];
  /** More variables of the environment. */
  env?: Record<string, string>;
  /** Which Deno runs it; the one that runs the tests if not given. */
  deno?: string;
}

const CONFIG = new URL("../../deno.json", import.meta.url);

/** A program that is running; it is killed when its block is left. */
export class Child implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #errors: Promise<string>;
  #rest = "";

  /**
   * Starts a program.
   *
   * @param program The URL of its main module.
   * @param options How to start it.
   */
  constructor(program: URL, options: ChildOptions) {
    const [command = Deno.execPath(), ...args] = [
      ...options.wrapper ?? [],
      options.deno ?? Deno.execPath(),
      "run",
      "--quiet",
      "--no-prompt",
      `--config=${fromFileUrl(CONFIG)}`,
      ...options.permissions,
      fromFileUrl(program),
      ...(options.args ?? []).map(String),
    ];
    this.#process = new Deno.Command(command, {
      args,
      env: { NO_COLOR: "1", ...options.env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#lines = this.#process.stdout
      .pipeThrough(new TextDecoderStream()).getReader();
    this.#errors = new Response(this.#process.stderr).text();
  }

  /**
   * Waits for a line that the program prints.
   *
   * @returns The line.
   * @throws If the program ends before, with what it says.
   */
  async line(): Promise<string> {
    while (!this.#rest.includes("\n")) {
      const { value, done } = await this.#lines.read();
      if (done) throw new Error(`The child has ended: ${await this.#errors}`);
      this.#rest += value;
    }
    const [line = "", ...rest] = this.#rest.split("\n");
    this.#rest = rest.join("\n");
    return line;
  }

  /**
   * Waits for the program's end.
   *
   * @returns What it printed since the last line that was taken.
   * @throws If it fails, with what it says.
   */
  async output(): Promise<string> {
    for (;;) {
      const { value, done } = await this.#lines.read();
      if (done) break;
      this.#rest += value;
    }
    const { success, code } = await this.#process.status;
    if (!success) {
      throw new Error(`The child failed (${code}): ${await this.#errors}`);
    }
    return this.#rest;
  }

  /** Ends the program as a power loss would, and waits until it is gone. */
  async kill(): Promise<void> {
    try {
      this.#process.kill("SIGKILL");
    } catch (error) {
      // It has ended by itself.
      if (!(error instanceof TypeError)) throw error;
    }
    await this.#process.status;
  }

  /** Kills the program if it is still running. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.#errors;
    await this.#lines.cancel();
  }
}

/**
 * Runs a program to its end.
 *
 * @param program The URL of its main module.
 * @param options How to start it.
 * @returns The JSON that it printed.
 */
export async function runChild<Result>(
  program: URL,
  options: ChildOptions,
): Promise<Result> {
  await using child = new Child(program, options);
  return JSON.parse(await child.output());
}

/**
 * Whether a program is installed.
 *
 * @param name Its name.
 * @returns Whether it is; if not, a line says so.
 */
export function hasProgram(name: string): boolean {
  try {
    new Deno.Command(name, {
      args: ["--version"],
      stdout: "null",
      stderr: "null",
    }).outputSync();
    return true;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    // deno-lint-ignore no-console
    console.log(`SKIPPED: ${name} is not installed`);
    return false;
  }
}
