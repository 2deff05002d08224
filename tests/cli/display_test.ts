import {
  assert,
  assertEquals,
  assertLess,
  assertLessOrEqual,
  assertMatch,
} from "@std/assert";
import type { ProgressForm } from "../../src/cli/args.ts";
import {
  createDisplay,
  type Display,
  type DisplayOptions,
  type Running,
} from "../../src/cli/display.ts";
import type { Result } from "../../src/cli/progress.ts";
import { widthOf } from "../../src/cli/text.ts";
import type { TorrentEvent } from "../../src/torrent/events.ts";
import { JSON_LINES, parseJsonLines } from "../support/json_lines.ts";
import { makeStats } from "../support/make_stats.ts";
import type { Metainfo } from "../../src/metainfo/metainfo.ts";
import { makeTorrent } from "../support/make_torrent.ts";
import { CapturedSink } from "../support/test_env.ts";

/** What strangers say to take over a terminal. */
const EVIL = "\x1b[2J\x1b]0;owned\x07\r\n\x9b31m\u202e\u2028{}\"'\\\ud800";

/** One event of every type, with all that strangers can put into it. */
const EVENTS: Record<TorrentEvent["type"], TorrentEvent> = {
  phase: { type: "phase", phase: "downloading" },
  metadata: { type: "metadata" },
  piece: { type: "piece", index: 3 },
  "hash_mismatch": { type: "hash_mismatch", index: 4 },
  "tracker_answered": { type: "tracker_answered", tracker: EVIL, peers: 1 },
  "tracker_warning": { type: "tracker_warning", tracker: EVIL, message: EVIL },
  "tracker_failed": { type: "tracker_failed", tracker: EVIL, message: EVIL },
  "peer_connected": { type: "peer_connected", peer: "h:1", client: EVIL },
  "peer_unreachable": { type: "peer_unreachable", peer: "h:1", message: EVIL },
  "peer_disconnected": {
    type: "peer_disconnected",
    peer: "h:1",
    message: EVIL,
  },
  "peer_banned": { type: "peer_banned", peer: "h:1" },
  "web_seed_failed": {
    type: "web_seed_failed",
    webSeed: EVIL,
    message: EVIL,
  },
  "web_seed_banned": { type: "web_seed_banned", webSeed: EVIL },
  "piece_lost": { type: "piece_lost", index: 5 },
  notice: { type: "notice", message: EVIL },
};

const MADE = makeTorrent({ files: 100_000, name: "film" });

/** A download that stands still. */
function runningOf(changes: Partial<Metainfo> = {}): Running {
  const metainfo = { ...MADE.metainfo, ...changes };
  return {
    infoHash: metainfo.infoHash,
    name: metainfo.name,
    metainfo,
    path: `downloads/${metainfo.name}`,
    stats: () => makeStats(),
  };
}

function resultOf(changes: Partial<Result> = {}): Result {
  return {
    source: "film.torrent",
    name: "film",
    stats: makeStats(),
    exitCode: 0,
    message: undefined,
    seconds: 1,
    ...changes,
  };
}

/** A display and what it writes to. */
function shown(
  options: Partial<DisplayOptions> = {},
  sink: CapturedSink = new CapturedSink(),
): { display: Display; sink: CapturedSink } {
  const display = createDisplay(sink, {
    form: "auto",
    isQuiet: false,
    isVerbose: false,
    ...options,
  });
  return { display, sink };
}

/** Everything that can be shown, once. */
function showAll(display: Display, running: Running): void {
  display.listening(6881);
  display.begin(running);
  for (const event of Object.values(EVENTS)) {
    if (display.intervalMs !== undefined) display.tick();
    display.event(running, event);
  }
  display.notice(EVIL);
  const { name } = running;
  display.end(resultOf({ name, exitCode: 7, message: EVIL }), running);
  display.end(
    resultOf({ name: undefined, source: EVIL, exitCode: 3 }),
    undefined,
  );
  display.close({
    exitCode: 7,
    sources: 3,
    results: [resultOf({ exitCode: 7 }), resultOf({ exitCode: 3 })],
    seconds: 1.23456,
  });
}

Deno.test("createDisplay() passes nothing on that a terminal obeys", async (t) => {
  const evil = runningOf({ name: EVIL });
  for (const form of ["auto", "bar", "line", "json", "none"] as const) {
    for (const isTerminal of [true, false]) {
      for (const [isQuiet, isVerbose] of QUIET_VERBOSE) {
        const name = JSON.stringify({ form, isTerminal, isQuiet, isVerbose });
        await t.step(name, () => {
          const { display, sink } = shown(
            { form, isQuiet, isVerbose },
            new CapturedSink({ isTerminal }),
          );
          showAll(display, evil);
          const rest = sink.text.replaceAll(/[\r\n]/g, "");
          assert(!/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(rest));
          assertEquals(sink.text.at(-1), "\n");
        });
      }
    }
  }
});

const QUIET_VERBOSE = [[false, false], [true, false], [false, true]] as const;

Deno.test("createDisplay() redraws one line on a terminal", async (t) => {
  const terminal = new CapturedSink({ isTerminal: true, columns: 60 });
  const { display } = shown({}, terminal);
  let name = "a long name of a film";
  const running: Running = {
    ...runningOf(),
    get name() {
      return name;
    },
  };
  /** What stands in the line, played as a terminal plays it. */
  const screen = () => {
    const line: string[] = [];
    let column = 0;
    for (const character of terminal.text.split("\n").at(-1)!) {
      if (character === "\r") column = 0;
      else line[column++] = character;
      assertLess(column, terminal.columns);
    }
    return line.slice(0, terminal.columns).join("").trimEnd();
  };
  display.begin(running);
  await t.step("a line without an end", () => {
    display.tick();
    assertMatch(screen(), /^downloading {2}50\.0% .*…$/);
    assert(!terminal.text.includes("\n"));
  });
  await t.step("a shorter line over a longer one", () => {
    terminal.columns = 200;
    display.tick();
    const longer = screen();
    name = "x";
    display.tick();
    assertEquals(screen(), longer.replace("a long name of a film", "x"));
  });
  await t.step("a line in a window that has shrunk", () => {
    const before = terminal.text.length;
    terminal.columns = 30;
    display.tick();
    const written = terminal.text.slice(before).replaceAll("\r", "");
    assertEquals(written.length, 29);
  });
  await t.step("a message above it", () => {
    display.notice("something happened");
    assertEquals(
      terminal.lines.at(-1)!.split("\r").at(-1),
      "something happened",
    );
    assertEquals(screen(), "");
    display.tick();
    assertMatch(screen(), /^downloading/);
  });
  await t.step("the last word in its place", () => {
    display.end(resultOf(), running);
    assertMatch(terminal.lines.at(-1)!.split("\r").at(-1)!, /^btget: film: co/);
    assertEquals(screen(), "");
  });
});

Deno.test("createDisplay() fits terminals of every width", () => {
  for (let columns = 1; columns <= 200; columns++) {
    const { display, sink } = shown(
      {},
      new CapturedSink({ isTerminal: true, columns }),
    );
    for (const name of ["film", "日本語".repeat(20), EVIL]) {
      display.begin(runningOf({ name }));
      display.tick();
    }
    for (const line of sink.text.split("\r")) {
      assertLessOrEqual(widthOf(line), columns - 1);
    }
  }
});

Deno.test("createDisplay() writes whole lines, and seldom, where nobody watches", () => {
  const now = performance.now.bind(performance);
  let passed = 0;
  performance.now = () => now() + passed;
  try {
    const { display, sink } = shown();
    const running = runningOf();
    display.begin(running);
    for (let i = 0; i < 100; i++) display.tick();
    assertEquals(sink.lines.length, 1);
    assertMatch(sink.text, /^downloading {2}film {2}\[#+\.+\] {2}50\.0% .*\n$/);
    passed += 10_000;
    for (let i = 0; i < 100; i++) display.tick();
    assertEquals(sink.lines.length, 2);
    // A change of what it does is worth a line.
    display.event(running, { type: "phase", phase: "complete" });
    for (let i = 0; i < 100; i++) display.tick();
    assertEquals(sink.lines.length, 3);
    display.end(resultOf(), running);
    display.tick();
    assertMatch(sink.lines.at(-1)!, /^btget: film: complete/);
    assert(!sink.text.includes("\r"));
  } finally {
    performance.now = now;
  }
});

Deno.test("createDisplay() says what matters, and all of it when asked", () => {
  const said = (isVerbose: boolean) => {
    const { display, sink } = shown({ form: "none", isVerbose });
    for (const event of Object.values(EVENTS)) {
      display.event(runningOf(), {
        ...event,
        ...("message" in event ? { message: "why" } : {}),
        ...("tracker" in event ? { tracker: "http://t/" } : {}),
        ...("webSeed" in event ? { webSeed: "http://w/" } : {}),
        ...("client" in event ? { client: "rain 1.0.0" } : {}),
      });
    }
    return sink.lines;
  };
  const important = [
    "film: http://t/ warns: why",
    "film: http://t/: why",
    "film: h:1 gave wrong data and is banned",
    "film: http://w/: why",
    "film: the web seed http://w/ gave wrong data and is banned",
    "film: why",
  ];
  assertEquals(said(false), important);
  assertEquals(said(true), [
    "film: piece 4 came with a wrong hash",
    "film: http://t/ names 1 peer",
    ...important.slice(0, 2),
    "film: connected to h:1 (rain 1.0.0)",
    "film: h:1: why",
    "film: h:1: why",
    ...important.slice(2, 5),
    "film: piece 5 is not on disk any more",
    important[5],
  ]);
});

Deno.test("createDisplay() says the same of a tracker or web seed once", () => {
  const [tracker, webSeed] = ["http://t/", "http://t/"];
  const failures = [
    (message: string) => ({ type: "tracker_failed", tracker, message }),
    (message: string) => ({ type: "web_seed_failed", webSeed, message }),
  ] as const;
  for (const failure of failures) {
    const { display, sink } = shown({ form: "none" });
    for (const message of ["a", "a", "http://t/ b", "http://t/ b", "a"]) {
      display.event(runningOf(), failure(message) as TorrentEvent);
    }
    assertEquals(sink.lines, [
      "film: http://t/: a",
      "film: http://t/ b",
      "film: http://t/: a",
    ]);
  }
});

Deno.test("createDisplay() sums up a run of several, and ends every line", async (t) => {
  const close = (form: ProgressForm, sources: number, codes: number[]) => {
    const { display, sink } = shown({ form });
    const results = codes.map((exitCode) => resultOf({ exitCode }));
    for (const result of results) display.end(result, undefined);
    display.close({ exitCode: 0, sources, results, seconds: 1 });
    return sink.lines.at(-1);
  };
  for (const form of ["bar", "line", "none"] as const) {
    await t.step(form, () => {
      assertMatch(close(form, 1, [0])!, /^btget: film: complete/);
      assertMatch(close(form, 1, [7])!, /^btget: film: failed/);
      assertEquals(close(form, 3, [0, 7, 0]), "btget: 2 of 3 complete");
      // Stopped at once: what was not ended counts too.
      assertEquals(close(form, 3, [0]), "btget: 1 of 3 complete");
      assertEquals(close(form, 1, []), "btget: 0 of 1 complete");
    });
  }
});

Deno.test("createDisplay() says errors only when it is to be quiet", async (t) => {
  for (const form of ["auto", "bar", "line", "none"] as const) {
    await t.step(form, () => {
      const { display, sink } = shown({ form, isQuiet: true });
      assertEquals(display.intervalMs, undefined);
      const running = runningOf();
      display.begin(running);
      for (const event of Object.values(EVENTS)) display.event(running, event);
      display.notice("hello");
      display.end(resultOf(), running);
      assertEquals(sink.text, "");
      display.end(resultOf({ exitCode: 9, message: "full" }), undefined);
      const results = [resultOf(), resultOf({ exitCode: 9 })];
      display.close({ exitCode: 9, sources: 2, results, seconds: 1 });
      assertEquals(sink.text, "btget: film: full (50.0% verified)\n");
    });
  }
  await t.step("json", () => {
    const { display, sink } = shown({ form: "json", isQuiet: true });
    assertEquals(display.intervalMs, undefined);
    showAll(display, runningOf());
    assertEquals(
      parseJsonLines(sink.text).map(({ type }) => type),
      ["start", "result", "result", "summary"],
    );
  });
});

Deno.test("createDisplay() keeps the promises of its JSON lines", async (t) => {
  const records = (isVerbose: boolean) => {
    const { display, sink } = shown({ form: "json", isVerbose });
    showAll(display, runningOf({ name: EVIL }));
    return parseJsonLines(sink.text);
  };
  await t.step("every record", () => {
    const { display, sink } = shown({ form: "json" });
    showAll(display, { ...runningOf(), metainfo: undefined });
    const types = new Set(
      [...records(true), ...parseJsonLines(sink.text)].map(({ type }) => type),
    );
    assertEquals([...types].sort(), Object.keys(JSON_LINES).sort());
  });
  await t.step("pieces only when everything is wanted", () => {
    assert(records(true).some(({ type }) => type === "piece"));
    assert(!records(false).some(({ type }) => type === "piece"));
  });
  await t.step("values that are as they were given", () => {
    const all = records(false);
    const find = (wanted: string) => all.find(({ type }) => type === wanted)!;
    assertEquals(all[0], { type: "start", version: 1 });
    assertEquals(find("torrent").name, EVIL);
    assertEquals(find("torrent").path, `downloads/${EVIL}`);
    assertEquals(find("torrent").totalBytes, 100_000);
    assertEquals(find("tracker_failed").message, EVIL);
    assertEquals(find("progress").verifiedBytes, 500 * 1024);
    assertEquals(find("result").exitCode, 7);
    assertEquals(all.at(-1), {
      type: "summary",
      exitCode: 7,
      complete: 0,
      incomplete: 3,
      seconds: 1.235,
    });
  });
  await t.step("how it stands just before its result", () => {
    const types = records(false).map(({ type }) => type);
    assertEquals(types[types.indexOf("result") - 1], "progress");
  });
  await t.step("nothing where a time cannot be told", () => {
    const { display, sink } = shown({ form: "json" });
    const stats = makeStats({ secondsLeft: undefined, bytesPerSecond: 0.4 });
    display.begin({ ...runningOf(), stats: () => stats });
    display.tick();
    const record = JSON.parse(sink.lines.at(-1)!);
    assertEquals(record.secondsLeft, null);
    assertEquals(record.bytesPerSecond, 0);
  });
});
