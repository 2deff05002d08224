/**
 * `download`: downloads torrents and serves them, several at a time, until all
 * is done or somebody asks to stop.
 *
 * @module
 */

import { StorageError } from "../errors.ts";
import { encodeTorrent } from "../metainfo/torrent_file.ts";
import { placeFiles } from "../storage/places.ts";
import { readSmallFile, writeSmallFile } from "../storage/small_file.ts";
import { saveTorrent } from "../storage/save_torrent.ts";
import { TaskGroup } from "../task_group.ts";
import type { TorrentPhase } from "../torrent/events.ts";
import { type DhtOptions, Session } from "../torrent/session.ts";
import type { Torrent } from "../torrent/torrent.ts";
import type { DownloadCommand } from "./args.ts";
import { createDisplay, type Display, type Running } from "./display.ts";
import type { Env } from "./env.ts";
import { EXIT, exitCodeOf, worstOf } from "./exit_code.ts";
import { messageOf, StopRequest } from "./failure.ts";
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
import { selectTrackers } from "./select_trackers.ts";
import { shownSource } from "./source.ts";
import { plural, shownUrl } from "./text.ts";
import { isMetainfo, nameRules, readTorrent } from "./torrent_source.ts";
import { delay } from "@std/async/delay";

/** What a torrent does when it needs others. */
const MOVING: ReadonlySet<TorrentPhase> = new Set([
  "finding",
  "downloading",
  "seeding",
]);

/**
 * Downloads torrents, or serves them.
 *
 * @param command What is wanted.
 * @param env The world.
 * @returns The exit status.
 */
export async function download(
  command: DownloadCommand,
  env: Env,
): Promise<number> {
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
    dht: await dhtOptions(command),
    usesLocalDiscovery: command.usesLocalDiscovery && !command.isCheckOnly,
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
          await downloadOne({ ...shared, source, command, session }),
        );
      }
    },
  );
  await Promise.all(lanes);
  await keepNodes(session, { command, display });
}

/** A DHT file holds some hundred nodes of 26 or 38 bytes each. */
const MAX_DHT_FILE_BYTES = 1024 * 1024;

async function dhtOptions(
  { usesDht, dhtBootstrap, dhtFile, isCheckOnly }: DownloadCommand,
): Promise<DhtOptions | undefined> {
  if (!usesDht || isCheckOnly) return undefined;
  return {
    bootstrap: dhtBootstrap.length > 0 ? dhtBootstrap : undefined,
    savedNodes: dhtFile === undefined
      ? undefined
      : await readSmallFile(dhtFile, MAX_DHT_FILE_BYTES),
  };
}

async function keepNodes(
  { savedNodes }: Session,
  { command: { dhtFile }, display }: {
    command: DownloadCommand;
    display: Display;
  },
): Promise<void> {
  if (dhtFile === undefined || !savedNodes) return;
  try {
    await writeSmallFile(dhtFile, savedNodes);
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    display.notice(`Cannot keep the nodes of the DHT: ${error.message}`);
  }
}

async function downloadOne(
  options: Run & { source: string; command: DownloadCommand; session: Session },
): Promise<Result> {
  const { command, session, env, display, canRead, stop } = options;
  const { signal } = stop;
  const startedAt = performance.now();
  let running: Running | undefined;
  const result: Result = {
    source: shownSource(options.source),
    name: undefined,
    stats: undefined,
    exitCode: EXIT.done,
    message: undefined,
    seconds: 0,
  };
  try {
    signal.throwIfAborted();
    requireAccess(command);
    const source = await readTorrent(options.source, {
      stdin: env.stdin,
      signal,
    });
    const { tiers, extra, unusable } = selectTrackers(source, options);
    const peers = [
      ...command.peers,
      ...(isMetainfo(source) ? [] : source.peers),
    ];
    const torrent = session.add(source, {
      places: (metainfo) => placeFiles(metainfo, command),
      names: nameRules(),
      trackers: tiers,
      extraTrackers: extra,
      peers,
      webSeeds: command.webSeeds,
      maxPeers: command.maxPeers,
      // Thousands of events that nobody looks at cost time all the same.
      tellsPieces: command.isVerbose,
      canRead,
      canWrite: mayWrite(command.folder),
      seeding: command.seeding,
      mustCheckAll: command.mustCheckAll,
      mayOverwrite: command.mayOverwrite,
      isCheckOnly: command.isCheckOnly,
      isMetadataOnly: command.isMetadataOnly,
      stallTimeoutMs: command.stallTimeout && command.stallTimeout * 1000,
    });
    if (!torrent) {
      throw new UsageError(
        `${result.source} is the same torrent as another source, and that one is downloaded`,
      );
    }
    running = runningOf(torrent, command);
    display.begin(running);
    if (unusable.length > 0 && !command.isCheckOnly) {
      const example = shownUrl(unusable[0]!);
      display.notice(
        unusable.length === 1
          ? `${torrent.name}: the tracker ${example} cannot be asked`
          : `${torrent.name}: ${unusable.length} trackers cannot be asked, such as ${example}`,
      );
    }
    if (torrent.metainfo?.isPrivate && command.extraTrackers.length > 0) {
      display.notice(
        `${torrent.name} is private: only its own trackers may hear of it`,
      );
    }
    const refused = new AbortController();
    const listening = showEvents(torrent, {
      running,
      display,
      onMoving: () => {
        // Only now: what is complete needs nobody.
        const trackers = [...tiers, extra];
        const webSeeds = [...command.webSeeds, ...webSeedsOf(torrent)];
        const { port } = session;
        if (!mayReachAnybody({ trackers, peers, webSeeds, port })) {
          refused.abort(nobodyError());
        }
      },
    });
    try {
      await torrent.run({ signal: AbortSignal.any([signal, refused.signal]) });
    } finally {
      await listening;
      result.name = torrent.name;
      result.stats = torrent.stats();
      const kept = await keepTorrent(torrent, command);
      if (command.isMetadataOnly) result.message = kept && `wrote ${kept}`;
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

/** Those of a link count once it is known what to ask them for. */
function webSeedsOf({ metainfo }: Torrent): string[] {
  return [...metainfo?.webSeeds ?? [], ...metainfo?.httpSeeds ?? []];
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
    if (MOVING.has(event.phase)) onMoving();
  }
}

/** Writes the .torrent file, if it is wanted. */
async function keepTorrent(
  { metainfo }: Torrent,
  command: DownloadCommand,
): Promise<string | undefined> {
  const isWanted = command.isMetadataOnly || command.savesMetadata;
  if (!metainfo || !isWanted) return undefined;
  const path = `${placeFiles(metainfo, command).root}.torrent`;
  await saveTorrent(path, {
    bytes: encodeTorrent(metainfo),
    mayOverwrite: command.mayOverwrite,
  });
  return path;
}

/** A torrent as the display sees it; of a link more is known in time. */
function runningOf(torrent: Torrent, command: DownloadCommand): Running {
  return {
    infoHash: torrent.infoHash,
    get name() {
      return torrent.name;
    },
    get metainfo() {
      return torrent.metainfo;
    },
    get path() {
      const { metainfo } = torrent;
      return metainfo && placeFiles(metainfo, command).root;
    },
    stats: () => torrent.stats(),
  };
}
