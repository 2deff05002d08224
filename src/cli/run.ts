/**
 * `run`: one command, from its arguments to its exit status.
 *
 * @module
 */

import { BencodeError } from "../errors.ts";
import { type Metainfo, parseMetainfo } from "../metainfo/metainfo.ts";
import type { NameRules } from "../metainfo/safe_path.ts";
import { placeFiles } from "../storage/places.ts";
import { Session } from "../torrent/session.ts";
import type { Torrent } from "../torrent/torrent.ts";
import { type TrackerSelection, trackersOf } from "../torrent/trackers.ts";
import { TaskGroup } from "../task_group.ts";
import { VERSION } from "../version.ts";
import { type DownloadCommand, parseCommand } from "./args.ts";
import { createDisplay, type Display, type Running } from "./display.ts";
import type { Env } from "./env.ts";
import { EXIT, exitCodeOf, worstOf } from "./exit_code.ts";
import { HELP } from "./help.ts";
import { UsageError } from "./options.ts";
import {
  limitsOf,
  mayReachAnybody,
  mayRead,
  mayWrite,
  nobodyError,
  requireAccess,
} from "./permissions.ts";
import type { Result } from "./progress.ts";
import { requireAnswer, scrape } from "./scrape.ts";
import { describeStands, describeTorrent } from "./show.ts";
import {
  readSource,
  type ReadSourceOptions,
  shownSource,
  SourceError,
} from "./source.ts";
import { about, plural, printable, shownUrl } from "./text.ts";
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
  env.stderr.write(`btget: ${printable(messageOf(error))}\n`);
  if (error instanceof UsageError) {
    env.stderr.write("Try 'btget --help'.\n");
  }
  return exitCodeOf(error) ?? EXIT.unexpected;
}

/** What went wrong, on one line. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return `Unexpected: ${String(error)}`;
  if (error instanceof StopRequest || exitCodeOf(error) !== undefined) {
    return error.message;
  }
  // Nobody expected it, so whoever mends it needs all there is to know.
  const stack = error.stack ?? error.message;
  return `Unexpected: ${stack.split(/\s*\n\s*/).join(" ")}`;
}

async function show(command: DownloadCommand, env: Env): Promise<number> {
  const codes: number[] = [];
  const { signal } = new AbortController();
  await using session = new Session({ listenPorts: [] });
  for (const source of command.sources) {
    try {
      const metainfo = await readMetainfo(source, { stdin: env.stdin, signal });
      env.stdout.write(describeTorrent(metainfo));
      if (command.scrapes) {
        const selection = selectTrackers(metainfo, { command, session });
        const stands = await scrape(metainfo, { ...selection, signal });
        env.stdout.write(describeStands(stands));
        requireAnswer(stands);
      }
    } catch (error) {
      const message = about(shownSource(source), messageOf(error));
      env.stderr.write(`btget: ${printable(message)}\n`);
      codes.push(exitCodeOf(error) ?? EXIT.unexpected);
    }
  }
  return worstOf(codes);
}

async function readMetainfo(
  source: string,
  options: ReadSourceOptions,
): Promise<Metainfo> {
  const bytes = await readSource(source, options);
  try {
    return parseMetainfo(bytes, { names: nameRules() });
  } catch (error) {
    if (!(error instanceof BencodeError)) throw error;
    throw new SourceError(
      "notBencoded",
      `${shownSource(source)} is not a torrent: ${error.message}`,
      { cause: error },
    );
  }
}

async function download(command: DownloadCommand, env: Env): Promise<number> {
  const startedAt = performance.now();
  const canRead = mayRead(command.folder);
  const stop = new AbortController();
  const urgent = Promise.withResolvers<void>();
  // Before the first word: whoever has read it may send a signal.
  using _signals = env.onStopSignal(() => {
    if (stop.signal.aborted) return urgent.resolve();
    display.notice("Stopping; once more stops at once");
    const how = canRead ? "; run the same command to go on" : "";
    stop.abort(new StopRequest(`stopped${how}`));
  });
  const display = createDisplay(env.stderr, {
    form: command.progress,
    isQuiet: command.isQuiet,
    isVerbose: command.isVerbose,
  });
  for (const message of limitsOf(command)) display.notice(message);
  const results: Result[] = [];
  const work = downloadAll(command, { env, display, canRead, stop, results });
  await Promise.race([work, urgent.promise]);
  const isCut = results.length < command.sources.length;
  const exitCode = worstOf([
    ...results.map((result) => result.exitCode),
    ...(isCut ? [EXIT.stopped] : []),
  ]);
  display.close({
    exitCode,
    sources: command.sources.length,
    results,
    seconds: (performance.now() - startedAt) / 1000,
  });
  return exitCode;
}

/** What the downloads of one run share. */
interface Run {
  env: Env;
  display: Display;
  canRead: boolean;
  stop: AbortController;
  /** How each download ended that did; it fills up. */
  results: Result[];
}

async function downloadAll(
  command: DownloadCommand,
  shared: Run,
): Promise<void> {
  const { display, stop, results } = shared;
  const waiting = [...command.sources];
  await using session = new Session({
    listenPorts: command.isCheckOnly ? [] : command.listenPorts,
    maxPeers: command.maxPeersTotal,
    maxDownloadRate: command.maxDownloadRate,
    maxUploadRate: command.maxUploadRate,
  });
  if (!command.isCheckOnly) display.listening(session.port);
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
    source: shownSource(source),
    name: undefined,
    stats: undefined,
    exitCode: EXIT.done,
    message: undefined,
    seconds: 0,
  };
  try {
    signal.throwIfAborted();
    requireAccess(command);
    const metainfo = await readMetainfo(source, { stdin: env.stdin, signal });
    const places = placeFiles(metainfo, command);
    const { tiers, extra, unusable } = selectTrackers(metainfo, options);
    const { peers } = command;
    const torrent = session.add(metainfo, {
      places,
      trackers: tiers,
      extraTrackers: extra,
      peers,
      maxPeers: command.maxPeers,
      canRead,
      canWrite: mayWrite(command.folder),
      seeding: command.seeding,
      mustCheckAll: command.mustCheckAll,
      mayOverwrite: command.mayOverwrite,
      isCheckOnly: command.isCheckOnly,
      stallTimeoutMs: command.stallTimeout && command.stallTimeout * 1000,
    });
    if (!torrent) {
      throw new UsageError(
        `${result.source} is the same torrent as another source, and that one is downloaded`,
      );
    }
    result.name = metainfo.name;
    running = { metainfo, path: places.root, stats: () => torrent.stats() };
    display.begin(running);
    if (unusable.length > 0 && !command.isCheckOnly) {
      const example = shownUrl(unusable[0]!);
      display.notice(
        unusable.length === 1
          ? `${metainfo.name}: the tracker ${example} cannot be asked`
          : `${metainfo.name}: ${unusable.length} trackers cannot be asked, such as ${example}`,
      );
    }
    if (metainfo.isPrivate && command.extraTrackers.length > 0) {
      display.notice(
        `${metainfo.name} is private: only its own trackers may hear of it`,
      );
    }
    const refused = new AbortController();
    const listening = showEvents(torrent, {
      running,
      display,
      onMoving: () => {
        // Only now: what is complete needs nobody.
        const trackers = [...tiers, extra];
        if (!mayReachAnybody({ trackers, peers, port: session.port })) {
          refused.abort(nobodyError());
        }
      },
    });
    try {
      await torrent.run({ signal: AbortSignal.any([signal, refused.signal]) });
    } finally {
      await listening;
      result.stats = torrent.stats();
    }
    const { pieceCount, verifiedPieces } = result.stats;
    if (command.isCheckOnly && verifiedPieces < pieceCount) {
      result.exitCode = EXIT.mismatch;
      result.message = `${pieceCount - verifiedPieces} of ${
        plural(pieceCount, "piece")
      } missing or not matching the hash`;
    }
  } catch (error) {
    result.exitCode = error instanceof StopRequest
      ? EXIT.stopped
      : exitCodeOf(error) ?? EXIT.unexpected;
    result.message = messageOf(error);
  }
  result.seconds = (performance.now() - startedAt) / 1000;
  display.end(result, running);
  return result;
}

/** The trackers that the user wants to be asked. */
function selectTrackers(
  metainfo: Metainfo,
  { command, session }: { command: DownloadCommand; session: Session },
): TrackerSelection {
  if (!command.usesTrackers) return { tiers: [], extra: [], unusable: [] };
  return trackersOf(metainfo, {
    udpTrackers: session.udpTrackers,
    extra: command.extraTrackers,
    exclude: command.excludedTrackers,
  });
}

async function showEvents(
  torrent: Torrent,
  { running, display, onMoving }: {
    running: Running;
    display: Display;
    onMoving: () => void;
  },
): Promise<void> {
  for await (const event of torrent.events) {
    display.event(running, event);
    if (event.type !== "phase") continue;
    if (event.phase === "downloading" || event.phase === "seeding") onMoving();
  }
}

/** What the file systems of this machine make of names. */
function nameRules(): NameRules {
  return {
    windows: Deno.build.os === "windows",
    foldsCase: Deno.build.os === "windows" || Deno.build.os === "darwin",
  };
}
