/**
 * The program in a process of its own: for exit statuses, permissions, signals
 * and terminals.
 *
 * @module
 */

import { fromFileUrl } from "@std/path";

/** What the program needs for everything that these tests do. */
export const ALL_PERMISSIONS: readonly string[] = [
  "--allow-net",
  "--allow-read",
  "--allow-write",
];

/** How to start the program. */
export interface ProgramOptions {
  /** Deno's permission flags; {@linkcode ALL_PERMISSIONS} if not given. */
  permissions?: readonly string[];
  /** What comes from standard input; nothing if not given. */
  stdin?: Uint8Array;
  /** The current folder. */
  cwd?: string;
  /** What the program is started by, such as `setpriv`. */
  wrapper?: readonly string[];
}

/** How the program ended. */
export interface Ended {
  /** Its exit status. */
  code: number;
  /** What it wrote to standard output. */
  stdout: string;
  /** What it wrote to standard error. */
  stderr: string;
}

/**
 * The command line of the program.
 *
 * @param args Its arguments.
 * @param options How to start it; on a terminal it may ask for permissions.
 * @returns The words of the command.
 */
export function commandLine(
  args: readonly string[],
  options: { permissions?: readonly string[]; mayPrompt?: boolean } = {},
): string[] {
  return [
    Deno.execPath(),
    "run",
    "--quiet",
    "--no-check",
    ...(options.mayPrompt ? [] : ["--no-prompt"]),
    ...options.permissions ?? ALL_PERMISSIONS,
    fromFileUrl(new URL("../../main.ts", import.meta.url)),
    ...args,
  ];
}

/** The program while it runs; it is killed when its block is left. */
export class Program implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #stdout: Promise<string>;
  readonly #reading: Promise<void>;
  readonly #waiting = new Set<() => void>();
  #stderr = "";
  #hasEnded = false;

  /**
   * Starts the program.
   *
   * @param args Its arguments.
   * @param options How to start it.
   */
  constructor(args: readonly string[], options: ProgramOptions = {}) {
    const { permissions = ALL_PERMISSIONS, stdin, cwd } = options;
    const [command, ...words] = [
      ...options.wrapper ?? [],
      ...commandLine(args, { permissions }),
    ];
    this.#process = new Deno.Command(command!, {
      args: words,
      env: { NO_COLOR: "1" },
      stdin: stdin ? "piped" : "null",
      stdout: "piped",
      stderr: "piped",
      ...(cwd === undefined ? {} : { cwd }),
    }).spawn();
    this.#stdout = new Response(this.#process.stdout).text();
    this.#reading = this.#read();
    if (stdin) void this.#feed(stdin);
  }

  /** The process's number. */
  get pid(): number {
    return this.#process.pid;
  }

  /** Whether it will write nothing more. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** What it has written to standard error until now. */
  get stderr(): string {
    return this.#stderr;
  }

  /**
   * Sends a signal; nothing happens if the program has ended.
   *
   * @param signal The signal.
   */
  kill(signal: Deno.Signal): void {
    try {
      this.#process.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
  }

  /**
   * Waits until something was said on standard error.
   *
   * @param pattern What.
   * @returns What of it was said.
   * @throws If the program ends without it.
   */
  async said(pattern: RegExp): Promise<RegExpExecArray> {
    while (true) {
      const match = pattern.exec(this.#stderr);
      if (match) return match;
      if (this.#hasEnded) throw new Error(`It never said so: ${this.#stderr}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      await promise;
      this.#waiting.delete(resolve);
    }
  }

  /**
   * Waits for the program's end.
   *
   * @returns How it ended.
   */
  async ended(): Promise<Ended> {
    const [{ code }, stdout] = await Promise.all([
      this.#process.status,
      this.#stdout,
      this.#reading,
    ]);
    return { code, stdout, stderr: this.#stderr };
  }

  /** Kills the program if it is still running. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill("SIGKILL");
    await this.ended();
  }

  async #read(): Promise<void> {
    const text = this.#process.stderr.pipeThrough(new TextDecoderStream());
    for await (const part of text) {
      this.#stderr += part;
      for (const wake of this.#waiting) wake();
    }
    this.#hasEnded = true;
    for (const wake of this.#waiting) wake();
  }

  async #feed(bytes: Uint8Array): Promise<void> {
    const writer = this.#process.stdin.getWriter();
    try {
      await writer.write(bytes.slice());
      await writer.close();
    } catch (error) {
      // It may have ended without reading.
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    }
  }
}

/**
 * Runs the program to its end.
 *
 * @param args Its arguments.
 * @param options How to start it.
 * @returns How it ended.
 */
export async function runProgram(
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<Ended> {
  await using program = new Program(args, options);
  return await program.ended();
}

/**
 * Runs a command on a terminal of its own, as `script` gives one.
 *
 * @param command The words of the command.
 * @param options How wide the terminal is, and what kind; `typed` is what comes
 * from the keyboard.
 * @returns Its exit status, and what stands on the terminal.
 */
export async function runOnTerminal(
  command: readonly string[],
  options: { columns?: number; term?: string; stdout?: string } = {},
): Promise<{ code: number; text: string }> {
  const { columns = 80, term = "xterm", stdout } = options;
  const words = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`);
  const into = stdout === undefined ? "" : ` >'${stdout}'`;
  const child = new Deno.Command("script", {
    args: [
      "-qec",
      // Who waits for an answer waits in vain, but not for ever.
      `stty cols ${columns} -echo; ` +
      `exec timeout --foreground 60 ${words.join(" ")}${into}`,
      "/dev/null",
    ],
    env: { TERM: term, NO_COLOR: "1", SHELL: "/bin/sh" },
    // The keyboard stays silent, and is there.
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const [text, { code }] = await Promise.all([
    new Response(child.stdout).text(),
    child.status,
  ]);
  await child.stdin.abort();
  return { code, text };
}
