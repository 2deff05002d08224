/**
 * `Display`: where and when progress is shown. One redrawn line on a terminal,
 * whole lines at a slow interval elsewhere, JSON lines for programs, or nothing.
 * No form needs more of a terminal than a carriage return.
 *
 * @module
 */

import type { Metainfo } from "../metainfo/metainfo.ts";
import type { TorrentEvent, TorrentStats } from "../torrent/events.ts";
import type { ProgressForm } from "./args.ts";
import type { TextSink } from "./env.ts";
import {
  progressLine,
  type Result,
  resultLine,
  summaryLine,
} from "./progress.ts";
import { about, plural, printable, widthOf } from "./text.ts";
import { encodeHex } from "@std/encoding/hex";

/** The version of the JSON lines: it grows when a field changes its meaning. */
const SCHEMA_VERSION = 1;

/** How often a terminal is redrawn: often enough to look alive. */
const BAR_INTERVAL_MS = 250;

/** How often a line is added to a log. */
const LINE_INTERVAL_MS = 10_000;

/** How often a program is told. */
const JSON_INTERVAL_MS = 1_000;

/** What to say when nobody can connect to us. */
const NO_PORT = "No port is free to listen on, so nobody can connect to us; " +
  "name others with --listen-port";

/** A download that runs. */
export interface Running {
  /** Which torrent it is. */
  readonly infoHash: Uint8Array;
  /** What to call it, as far as is known. */
  readonly name: string;
  /** What it is, once that is known. */
  readonly metainfo: Metainfo | undefined;
  /** Where it goes, once that is known. */
  readonly path: string | undefined;
  /** How it stands now. */
  stats(): TorrentStats;
}

/** Shows how downloads go. */
export interface Display {
  /** How often {@linkcode Display.tick} is wanted; never if not given. */
  readonly intervalMs: number | undefined;
  /** Others can connect to us, or nobody can. */
  listening(port: number | undefined): void;
  /** A download begins. */
  begin(running: Running): void;
  /** Something happened to a download. */
  event(running: Running, event: TorrentEvent): void;
  /** Something is to be said that is about no download. */
  notice(message: string): void;
  /** Time has passed. */
  tick(): void;
  /** A download has ended, in whatever way. */
  end(result: Result, running: Running | undefined): void;
  /** Everything has ended. */
  close(summary: Summary): void;
}

/** How a run ended. */
export interface Summary {
  /** Its exit status. */
  exitCode: number;
  /** How many sources there were. */
  sources: number;
  /** How each download ended that did. */
  results: readonly Result[];
  /** How long it took, in seconds. */
  seconds: number;
}

/** How much is said. */
export interface DisplayOptions {
  /** The form of progress. */
  form: ProgressForm;
  /** Whether only errors are said. */
  isQuiet: boolean;
  /** Whether everything that happens is said. */
  isVerbose: boolean;
}

/**
 * Makes the display that fits.
 *
 * @param sink Where to show.
 * @param options What to show.
 * @returns The display.
 */
export function createDisplay(
  sink: TextSink,
  options: DisplayOptions,
): Display {
  if (options.form === "json") return new JsonDisplay(sink, options);
  const form = options.isQuiet
    ? "none"
    : options.form === "auto"
    ? sink.isTerminal ? "bar" : "line"
    : options.form;
  return new TextDisplay(sink, { ...options, form });
}

class TextDisplay implements Display {
  readonly intervalMs: number | undefined;
  readonly #sink: TextSink;
  readonly #options: DisplayOptions;
  readonly #running = new Set<Running>();
  /** What was said of each tracker last: it is not repeated. */
  readonly #said = new Map<string, string | undefined>();
  /** The width of the line that is redrawn, if one stands there. */
  #barWidth = 0;
  #lastLineAt = -Infinity;

  constructor(sink: TextSink, options: DisplayOptions) {
    this.#sink = sink;
    this.#options = options;
    this.intervalMs = options.form === "none" ? undefined : BAR_INTERVAL_MS;
  }

  listening(port: number | undefined): void {
    if (port === undefined) return this.notice(NO_PORT);
    if (this.#options.isVerbose) this.notice(`listening on port ${port}`);
  }

  begin(running: Running): void {
    this.#running.add(running);
  }

  event({ name }: Running, event: TorrentEvent): void {
    if (event.type === "phase") {
      this.#lastLineAt = -Infinity;
      return;
    }
    const message = this.#options.isVerbose
      ? describe(event)
      : this.#important(event);
    if (message !== undefined) this.notice(`${name}: ${message}`);
  }

  notice(message: string): void {
    if (!this.#options.isQuiet) this.#line(printable(message));
  }

  tick(): void {
    const shown = [...this.#running].map((running) => ({
      name: running.name,
      stats: running.stats(),
    }));
    if (shown.length === 0) return;
    if (this.#options.form === "bar") {
      // The last column stays free: some terminals wrap when it is written.
      this.#redraw(progressLine(shown, this.#sink.columns - 1));
      return;
    }
    const now = performance.now();
    if (now - this.#lastLineAt < LINE_INTERVAL_MS) return;
    this.#lastLineAt = now;
    this.#line(progressLine(shown, Infinity));
  }

  end(result: Result, running: Running | undefined): void {
    if (running) this.#running.delete(running);
    if (result.exitCode === 0 && this.#options.isQuiet) return;
    this.#line(`btget: ${resultLine(result)}`);
  }

  close({ results, sources }: Summary): void {
    this.#redraw("");
    // The only one has had its line.
    if (sources === 1 && results.length === 1) return;
    if (!this.#options.isQuiet) {
      this.#line(`btget: ${summaryLine(results, sources)}`);
    }
  }

  /** What a person should know without having asked. */
  #important(event: TorrentEvent): string | undefined {
    switch (event.type) {
      case "tracker_warning":
      case "tracker_failed": {
        const text = describe(event);
        if (this.#said.get(event.tracker) === text) return undefined;
        this.#said.set(event.tracker, text);
        return text;
      }
      case "web_seed_failed": {
        const text = describe(event);
        if (this.#said.get(event.webSeed) === text) return undefined;
        this.#said.set(event.webSeed, text);
        return text;
      }
      case "notice":
      case "peer_banned":
      case "web_seed_banned":
        return describe(event);
      default:
        return undefined;
    }
  }

  #line(text: string): void {
    this.#redraw("");
    this.#sink.write(`${text}\n`);
  }

  /**
   * Puts a text in the place of the one that stands there: with spaces, which
   * every terminal understands, and at most to where it wraps.
   */
  #redraw(text: string): void {
    const width = widthOf(text);
    if (width === 0 && this.#barWidth === 0) return;
    const stale = Math.min(this.#barWidth, this.#sink.columns - 1) - width;
    const blank = " ".repeat(Math.max(0, stale));
    this.#sink.write(`\r${text}${blank}${text === "" ? "\r" : ""}`);
    this.#barWidth = width;
  }
}

class JsonDisplay implements Display {
  readonly intervalMs: number | undefined;
  readonly #sink: TextSink;
  readonly #options: DisplayOptions;
  readonly #running = new Set<Running>();

  constructor(sink: TextSink, options: DisplayOptions) {
    this.#sink = sink;
    this.#options = options;
    this.intervalMs = options.isQuiet ? undefined : JSON_INTERVAL_MS;
    this.#write("start", { version: SCHEMA_VERSION });
  }

  listening(port: number | undefined): void {
    if (port === undefined) return this.notice(NO_PORT);
    if (!this.#options.isQuiet) this.#write("listening", { port });
  }

  begin(running: Running): void {
    this.#running.add(running);
    if (this.#options.isQuiet) return;
    const { infoHash, name } = running;
    if (running.metainfo) return this.#describe(running);
    this.#write("magnet", { infoHash: encodeHex(infoHash), name });
  }

  #describe({ infoHash, metainfo, path }: Running): void {
    if (!metainfo) return;
    this.#write("torrent", {
      infoHash: encodeHex(infoHash),
      name: metainfo.name,
      path,
      totalBytes: metainfo.layout.dataLength,
      pieceCount: metainfo.layout.pieceCount,
      fileCount: metainfo.files.length,
    });
  }

  event(running: Running, event: TorrentEvent): void {
    if (this.#options.isQuiet) return;
    if (event.type === "piece" && !this.#options.isVerbose) return;
    if (event.type === "metadata") return this.#describe(running);
    const { type, ...facts } = event;
    const infoHash = encodeHex(running.infoHash);
    this.#write(type, { infoHash, ...facts });
    // What it stands at when it has stopped comes with its result.
    if (type === "phase" && event.phase !== "stopped") this.#progress(running);
  }

  notice(message: string): void {
    if (this.#options.isQuiet) return;
    this.#write("notice", { infoHash: null, message });
  }

  tick(): void {
    for (const running of this.#running) this.#progress(running);
  }

  end(result: Result, running: Running | undefined): void {
    if (running) {
      this.#running.delete(running);
      if (!this.#options.isQuiet) this.#progress(running);
    }
    this.#write("result", {
      infoHash: running ? encodeHex(running.infoHash) : null,
      source: result.source,
      name: result.name ?? null,
      exitCode: result.exitCode,
      message: result.message ?? null,
      seconds: rounded(result.seconds),
    });
  }

  close({ exitCode, results, sources, seconds }: Summary): void {
    const complete = results.filter((result) => result.exitCode === 0).length;
    this.#write("summary", {
      exitCode,
      complete,
      incomplete: sources - complete,
      seconds: rounded(seconds),
    });
  }

  #progress(running: Running): void {
    const stats = running.stats();
    this.#write("progress", {
      infoHash: encodeHex(running.infoHash),
      ...stats,
      bytesPerSecond: Math.round(stats.bytesPerSecond),
      sentPerSecond: Math.round(stats.sentPerSecond),
      secondsLeft: stats.secondsLeft === undefined
        ? null
        : Math.round(stats.secondsLeft),
    });
  }

  #write(type: string, facts: Record<string, unknown>): void {
    // What JSON leaves as it is could still harm a terminal.
    const text = JSON.stringify({ type, ...facts }).replace(
      /[\x7f-\uffff]/g,
      (character) =>
        `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
    this.#sink.write(`${text}\n`);
  }
}

/** An event in words; `undefined` for what the progress says already. */
function describe(event: TorrentEvent): string | undefined {
  switch (event.type) {
    case "phase":
    case "piece":
    case "metadata":
      return undefined;
    case "hash_mismatch":
      return `piece ${event.index} came with a wrong hash`;
    case "tracker_answered":
      return `${event.tracker} names ${plural(event.peers, "peer")}`;
    case "tracker_warning":
      return `${event.tracker} warns: ${event.message}`;
    case "tracker_failed":
      return about(event.tracker, event.message);
    case "peer_connected":
      return `connected to ${event.peer} (${event.client})`;
    case "peer_unreachable":
    case "peer_disconnected":
      return `${event.peer}: ${event.message}`;
    case "peer_banned":
      return `${event.peer} gave wrong data and is banned`;
    case "web_seed_failed":
      // Most messages begin with the URL of a file on it.
      return event.message.startsWith(event.webSeed)
        ? event.message
        : about(event.webSeed, event.message);
    case "web_seed_banned":
      return `the web seed ${event.webSeed} gave wrong data and is banned`;
    case "piece_lost":
      return `piece ${event.index} is not on disk any more`;
    case "notice":
      return event.message;
    default:
      event satisfies never;
      return undefined;
  }
}

function rounded(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
