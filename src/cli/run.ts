/**
 * `run`: one command, from its arguments to its exit status.
 *
 * @module
 */

import { parseMetainfo } from "../metainfo/metainfo.ts";
import type { NameRules } from "../metainfo/safe_path.ts";
import { placeFiles } from "../storage/places.ts";
import { Session } from "../torrent/session.ts";
import { trackersOf } from "../torrent/trackers.ts";
import { TaskGroup } from "../task_group.ts";
import { type DownloadCommand, parseCommand, UsageError } from "./args.ts";
import { createDisplay, type Display, type Running } from "./display.ts";
import type { Env } from "./env.ts";
import { EXIT, exitCodeOf, worstOf } from "./exit_code.ts";
import { HELP, VERSION } from "./help.ts";
import type { Result } from "./progress.ts";
import { describeTorrent } from "./show.ts";
import { readSource, SourceError } from "./source.ts";
import { plural, printable } from "./text.ts";
import { delay } from "@std/async/delay";

/** Somebody or something asked us to stop before the end. */
class StopRequest extends Error {
  override readonly name = "StopRequest";
}

/**
 * Runs the program.
 *
 * @param args The arguments.
 * @param env The world.
 * @returns The exit status.
 */
export async function run(
  args: readonly string[],
  env: Env,
): Promise<number> {
  try {
    const command = parseCommand(args);
    switch (command.type) {
      case "help":
        env.stdout.write(HELP);
        return EXIT.done;
      case "version":
        env.stdout.write(`btget ${VERSION}\n`);
        return EXIT.done;
      case "show":
        return await show(command, env);
      case "download":
        return await download(command, env);
    }
  } catch (error) {
    return report(error, env);
  }
}

/** Says what went wrong, and gives the exit status. */
function report(error: unknown, env: Env): number {
  const code = exitCodeOf(error);
  if (code === undefined) {
    // Nobody expected it, so whoever mends it needs all there is to know.
    const text = error instanceof Error ? error.stack ?? error.message : error;
    env.stderr.write(`btget: unexpected: ${String(text)}\n`);
    return EXIT.unexpected;
  }
  const { message } = error as Error;
  env.stderr.write(`btget: ${printable(message)}\n`);
  if (error instanceof UsageError) {
    env.stderr.write("Try 'btget --help'.\n");
  }
  return code;
}

async function show(command: DownloadCommand, env: Env): Promise<number> {
  const codes: number[] = [];
  for (const source of command.sources) {
    try {
      const bytes = await readSource(source, {
        stdin: env.stdin,
        signal: new AbortController().signal,
      });
      const metainfo = parseMetainfo(bytes, { names: nameRules() });
      env.stdout.write(describeTorrent(metainfo));
    } catch (error) {
      codes.push(report(error, env));
    }
  }
  return worstOf(codes);
}

async function download(command: DownloadCommand, env: Env): Promise<number> {
  const { folder, isCheckOnly } = command;
  requireWrite(command);
  const startedAt = performance.now();
  const canRead = isGranted("read", folder);
  const display = createDisplay(env.stderr, {
    form: command.progress,
    isQuiet: command.isQuiet,
    isVerbose: command.isVerbose,
  });
  if (!canRead) {
    if (isCheckOnly || command.mustCheckAll) throw mayNotRead(folder);
    display.notice(
      "Without --allow-read nothing can be resumed, checked on disk or given " +
        `to others; to have that, run with --allow-read=${folder}`,
    );
  }
  const stop = new AbortController();
  const urgent = Promise.withResolvers<number>();
  using _signals = env.onStopSignal(() => {
    if (stop.signal.aborted) urgent.resolve(EXIT.stopped);
    stop.abort(new StopRequest("stopped; run the same command to go on"));
  });
  const work = downloadAll(command, { env, display, canRead, stop });
  const results = await Promise.race([work, urgent.promise]);
  if (typeof results === "number") return results;
  const exitCode = worstOf(results.map((result) => result.exitCode));
  const seconds = (performance.now() - startedAt) / 1000;
  display.close({ exitCode, results, seconds });
  return exitCode;
}

/** What the downloads of one run share. */
interface Run {
  env: Env;
  display: Display;
  canRead: boolean;
  stop: AbortController;
}

async function downloadAll(
  command: DownloadCommand,
  shared: Run,
): Promise<Result[]> {
  const { display, stop } = shared;
  const results: Result[] = [];
  const waiting = [...command.sources];
  await using session = new Session({
    listenPorts: command.isCheckOnly ? [] : command.listenPorts,
  });
  await using background = new TaskGroup();
  const { intervalMs } = display;
  if (intervalMs !== undefined) {
    background.spawn(async (signal) => {
      while (true) {
        await delay(intervalMs, { signal });
        display.tick();
      }
    });
  }
  const { stopAfter } = command;
  if (stopAfter !== undefined) {
    background.spawn(async (signal) => {
      await delay(stopAfter * 1000, { signal });
      stop.abort(
        new StopRequest(`stopped after ${stopAfter} s, as --stop asks`),
      );
    });
  }
  const lanes = Array.from(
    { length: Math.min(command.maxConcurrent, waiting.length) },
    async () => {
      for (
        let source = waiting.shift();
        source !== undefined;
        source = waiting.shift()
      ) {
        results.push(
          await downloadOne(source, { ...shared, command, session }),
        );
      }
    },
  );
  await Promise.all(lanes);
  return results;
}

async function downloadOne(
  source: string,
  options: Run & { command: DownloadCommand; session: Session },
): Promise<Result> {
  const { command, session, env, display, canRead, stop } = options;
  const { signal } = stop;
  const startedAt = performance.now();
  let running: Running | undefined;
  const result: Result = {
    source,
    name: undefined,
    stats: undefined,
    exitCode: EXIT.done,
    message: undefined,
    seconds: 0,
  };
  try {
    signal.throwIfAborted();
    const bytes = await readSource(source, { stdin: env.stdin, signal });
    const metainfo = parseMetainfo(bytes, { names: nameRules() });
    result.name = metainfo.name;
    const places = placeFiles(metainfo, command);
    const { tiers, unusable } = trackersOf(metainfo);
    const torrent = session.add(metainfo, {
      places,
      trackers: command.usesTrackers ? tiers : [],
      peers: command.peers,
      maxPeers: command.maxPeers,
      canRead,
      mustCheckAll: command.mustCheckAll,
      mayOverwrite: command.mayOverwrite,
      isCheckOnly: command.isCheckOnly,
      stallTimeoutMs: command.stallTimeout && command.stallTimeout * 1000,
    });
    if (!torrent) throw new UsageError(`${source} is given twice`);
    running = { metainfo, path: places.root, stats: () => torrent.stats() };
    display.begin(running);
    if (command.usesTrackers && unusable.length > 0 && !command.isCheckOnly) {
      display.notice(
        `${metainfo.name}: ${
          plural(unusable.length, "tracker")
        } cannot be asked, such as ${unusable[0]}`,
      );
    }
    const listening = showEvents(running, { torrent, display });
    try {
      await torrent.run({ signal });
    } finally {
      await listening;
      result.stats = torrent.stats();
    }
    if (
      command.isCheckOnly &&
      result.stats.verifiedPieces < result.stats.pieceCount
    ) {
      result.exitCode = EXIT.mismatch;
      result.message = `${
        plural(
          result.stats.pieceCount - result.stats.verifiedPieces,
          "piece",
        )
      } of ${result.stats.pieceCount} missing or not matching the hash`;
    }
  } catch (error) {
    const code = error instanceof StopRequest
      ? EXIT.stopped
      : exitCodeOf(error);
    if (code === undefined) report(error, env);
    result.exitCode = code ?? EXIT.unexpected;
    result.message = error instanceof Error ? error.message : String(error);
  }
  result.seconds = (performance.now() - startedAt) / 1000;
  display.end(result, running);
  return result;
}

async function showEvents(
  running: Running,
  { torrent, display }: {
    torrent: { events: ReadableStream<Parameters<Display["event"]>[1]> };
    display: Display;
  },
): Promise<void> {
  for await (const event of torrent.events) display.event(running, event);
}

function requireWrite({ folder, isCheckOnly }: DownloadCommand): void {
  if (isCheckOnly || isGranted("write", folder)) return;
  throw new SourceError(
    "denied",
    `Cannot write to ${folder}: run again with --allow-write=${folder}`,
  );
}

function mayNotRead(folder: string): SourceError {
  return new SourceError(
    "denied",
    `Cannot check what is in ${folder}: run again with --allow-read=${folder}`,
  );
}

function isGranted(name: "read" | "write", path: string): boolean {
  return Deno.permissions.querySync({ name, path }).state === "granted";
}

/** What the file systems of this machine make of names. */
function nameRules(): NameRules {
  return {
    windows: Deno.build.os === "windows",
    foldsCase: Deno.build.os === "windows" || Deno.build.os === "darwin",
  };
}
