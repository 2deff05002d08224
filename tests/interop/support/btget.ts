/**
 * The program itself, as a child process with nothing but what it needs.
 *
 * @module
 */

import { join } from "@std/path";
import type { TorrentStats } from "../../../src/torrent/events.ts";
import { Child, waitUntil } from "./child.ts";

/** What the program may touch. */
export interface BtgetScope {
  /** Its current folder, where it may read and write. */
  folder: string;
  /** A torrent elsewhere, which it may read. */
  torrentPath?: string | undefined;
}

/** A form of the program. */
export interface BtgetProgram {
  /** The program and its first arguments. */
  command: (scope: BtgetScope) => [program: string, ...args: string[]];
  /** Its environment. */
  env: Record<string, string>;
}

/** A line of `--progress json`. */
export type BtgetRecord = { type: string } & Record<string, unknown>;

/** A line of `--progress json` that says how a download stands. */
export type BtgetProgress = BtgetRecord & TorrentStats;

const MAIN = join(import.meta.dirname!, "../../../main.ts");

/** The source, with exactly the permissions that a user would grant. */
export const FROM_SOURCE: BtgetProgram = {
  command: ({ folder, torrentPath }) => [
    Deno.execPath(),
    "run",
    "--no-prompt",
    "--allow-net",
    `--allow-read=${[torrentPath, folder].filter(Boolean).join(",")}`,
    `--allow-write=${folder}`,
    MAIN,
  ],
  env: {
    ...inherited("PATH", "HOME", "DENO_DIR"),
    // Nothing but the program itself talks to anybody.
    DENO_NO_UPDATE_CHECK: "1",
  },
};

/** What a run of the program is given. */
export interface BtgetOptions extends BtgetScope {
  /** The form of the program; its source if not given. */
  program?: BtgetProgram | undefined;
  /** Its arguments. */
  args: readonly string[];
  /** What it reads. */
  stdin?: Uint8Array | undefined;
}

/** A run of the program. */
export class Btget extends Child {
  /**
   * Starts it.
   *
   * @param options With what.
   */
  constructor(options: BtgetOptions) {
    const { program = FROM_SOURCE, args, folder, stdin } = options;
    super("btget", {
      command: [...program.command(options), ...args],
      cwd: folder,
      env: program.env,
      stdin,
    });
  }

  /** What it has said in JSON so far. */
  get records(): BtgetRecord[] {
    // A line that has no end yet is half a record.
    return this.stderr.split("\n").slice(0, -1)
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line));
  }

  /** Where others can connect to it, once it has said so. */
  get port(): number {
    const record = this.records.find(({ type }) => type === "listening");
    return Number(record?.port);
  }

  /** How the download stood when it was last said. */
  get progress(): BtgetProgress | undefined {
    return this.records.findLast(isProgress);
  }

  /**
   * Waits until it has said something.
   *
   * @param isIt Whether a record is the one.
   * @param what What it is, as a message has it.
   */
  async said(
    isIt: (record: BtgetRecord) => boolean,
    what: string,
  ): Promise<void> {
    await waitUntil(() => {
      if (this.records.some(isIt)) return true;
      if (!this.hasExited) return false;
      throw new Error(`btget has ended before ${what}\n${this.log}`);
    }, { what: `btget: ${what}`, seconds: 60 });
  }

  /**
   * Waits for its end.
   *
   * @returns Its exit status.
   */
  async finished(): Promise<number> {
    await waitUntil(() => this.hasExited, {
      what: "btget to end",
      seconds: 120,
    });
    return (await this.exit()).code;
  }
}

/**
 * Tells whether a record says how a download stands.
 *
 * @param record The record.
 * @returns Whether it does.
 */
export function isProgress(record: BtgetRecord): record is BtgetProgress {
  return record.type === "progress";
}

function inherited(...names: string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  }));
}
