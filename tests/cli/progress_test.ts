import {
  assert,
  assertEquals,
  assertLessOrEqual,
  assertMatch,
  assertNotMatch,
} from "@std/assert";
import {
  progressLine,
  type Result,
  resultLine,
  summaryLine,
} from "../../src/cli/progress.ts";
import { widthOf } from "../../src/cli/text.ts";
import type { TorrentStats } from "../../src/torrent/events.ts";
import { makeStats } from "../support/make_stats.ts";

const MIB = 1024 * 1024;

/** The line of one download. */
function lineOf(changes: Partial<TorrentStats>, width = 200): string {
  return progressLine([{ name: "film", stats: makeStats(changes) }], width);
}

Deno.test("progressLine() says what a download does", async (t) => {
  const cases: [name: string, changes: Partial<TorrentStats>, line: string][] =
    [
      [
        "peers serve",
        {},
        "downloading  film  [###############...............]  50.0%  " +
        "500.0 KiB/1000.0 KiB  100.0 KiB/s  ETA 5s  3 peers",
      ],
      [
        "nobody is there",
        { peers: 0, serving: 0, bytesPerSecond: 0, secondsLeft: undefined },
        "connecting  film  [###############...............]  50.0%  " +
        "500.0 KiB/1000.0 KiB  0 B/s  ETA -  0 peers",
      ],
      [
        "nobody serves",
        { peers: 1, serving: 0, bytesPerSecond: 0, secondsLeft: undefined },
        "waiting  film  [###############...............]  50.0%  " +
        "500.0 KiB/1000.0 KiB  0 B/s  ETA -  1 peer",
      ],
      [
        "web seeds serve, and no peer",
        { peers: 0, serving: 0, webSeeds: 2, webSeedsServing: 1 },
        "downloading  film  [###############...............]  50.0%  " +
        "500.0 KiB/1000.0 KiB  100.0 KiB/s  ETA 5s  0 peers  2 web seeds",
      ],
      [
        "files are checked",
        { phase: "checking", checkedBytes: 3 * MIB, bytesToCheck: 12 * MIB },
        "checking  film  [#######.......................]  25.0%  " +
        "3.0 MiB/12.0 MiB",
      ],
      [
        "files are looked at",
        { phase: "checking", checkedBytes: 0, bytesToCheck: 0 },
        "checking  film",
      ],
      [
        "nothing is missing",
        { phase: "complete", verifiedBytes: 1000 * 1024 },
        "complete  film  [##############################]  100%  " +
        "1000.0 KiB/1000.0 KiB",
      ],
      [
        "it serves others meanwhile",
        { sentPerSecond: 2048 },
        "downloading  film  [###############...............]  50.0%  " +
        "500.0 KiB/1000.0 KiB  100.0 KiB/s  ETA 5s  3 peers  " +
        "sending 2.0 KiB/s",
      ],
      [
        "it seeds",
        {
          phase: "seeding",
          verifiedBytes: 1000 * 1024,
          sentBytes: 250 * 1024,
          sentPerSecond: 2048,
        },
        "seeding  film  2.0 KiB/s  250.0 KiB sent (ratio 0.25)  3 peers",
      ],
      [
        "it stopped",
        { phase: "stopped" },
        "stopped  film  [###############...............]  50.0%  " +
        "500.0 KiB/1000.0 KiB",
      ],
    ];
  for (const [name, changes, line] of cases) {
    await t.step(name, () => assertEquals(lineOf(changes), line));
  }
});

/** A torrent of which nothing is known yet. */
const FINDING = {
  phase: "finding",
  totalBytes: 0,
  verifiedBytes: 0,
  candidates: 0,
  peers: 0,
  trackers: 0,
  trackersAnswered: 0,
} as const;

Deno.test("progressLine() says what is tried to find the metadata", async (t) => {
  const cases: [name: string, changes: Partial<TorrentStats>, line: string][] =
    [
      [
        "nobody is known",
        {},
        "finding  film  0 of 0 peers connected  0 more known",
      ],
      [
        "trackers and nodes are asked",
        { trackers: 3, trackersAnswered: 1, dhtNodes: 40 },
        "finding  film  0 of 0 peers connected  0 more known  " +
        "trackers 1/3  DHT 40 nodes",
      ],
      [
        "peers have none",
        { peers: 2, tried: 5, candidates: 12 },
        "finding  film  2 of 5 peers connected  12 more known",
      ],
      [
        "it comes",
        {
          peers: 2,
          tried: 2,
          metadataBytes: 16_384,
          metadataTotalBytes: 40_960,
          metadataPeers: 2,
          metadataFrom: ["192.0.2.1:6881", "192.0.2.2:6881"],
        },
        "finding  film  metadata 16.0 KiB/40.0 KiB " +
        "from 192.0.2.1:6881 and 1 more  " +
        "2 of 2 peers connected  0 more known",
      ],
      [
        "the piece hashes come",
        {
          peers: 2,
          tried: 2,
          metadataBytes: 40_960,
          metadataTotalBytes: 40_960,
          hashBytes: 16_384,
          hashTotalBytes: 65_536,
        },
        "finding  film  piece hashes 16.0 KiB/64.0 KiB  " +
        "2 of 2 peers connected  0 more known",
      ],
    ];
  for (const [name, changes, line] of cases) {
    await t.step(
      name,
      () => assertEquals(lineOf({ ...FINDING, ...changes }), line),
    );
  }
});

Deno.test("progressLine() says 100% only at the end", () => {
  const nearly = makeStats({ totalBytes: 2 ** 50, verifiedBytes: 2 ** 50 - 1 });
  const line = progressLine([{ name: "film", stats: nearly }], 200);
  assertMatch(line, / 99\.9% /);
  assertMatch(line, /#\.\] /);
});

Deno.test("progressLine() tells only a time that can be told", async (t) => {
  const times: [seconds: number | undefined, text: string][] = [
    [undefined, "ETA -"],
    [0, "ETA 0s"],
    [0.2, "ETA 1s"],
    [59.2, "ETA 1m"],
    [7261, "ETA 2h 1m"],
    [1e12, "ETA >99d"],
    [Infinity, "ETA >99d"],
  ];
  for (const [secondsLeft, text] of times) {
    await t.step(text, () => {
      assert(lineOf({ secondsLeft }).includes(`  ${text}  `));
    });
  }
});

/** Names as torrents can have them. */
const NAMES = [
  "",
  "a",
  "a plain name.iso",
  "x".repeat(255),
  "日本語の映画".repeat(15),
  "👩‍👩‍👧‍👦".repeat(10),
  "❤\ufe0f".repeat(60),
  "e\u0301".repeat(80),
  "क\u093f".repeat(60),
  "\x1b[2J\x1b]0;owned\x07\r\n".repeat(10),
  "\u202e\u200b".repeat(40),
];

Deno.test("progressLine() is never wider than the terminal", async (t) => {
  const stats = [
    makeStats(),
    makeStats({ phase: "checking" }),
    makeStats({
      totalBytes: 2 ** 53,
      verifiedBytes: 2 ** 52,
      bytesPerSecond: 2 ** 40,
      secondsLeft: 1e15,
      peers: 999_999,
    }),
  ];
  for (const name of NAMES) {
    await t.step(JSON.stringify(name.slice(0, 20)), () => {
      for (let width = 0; width <= 200; width++) {
        for (const each of stats) {
          const line = progressLine([{ name, stats: each }], width);
          assertLessOrEqual(widthOf(line), width);
          assertNotMatch(line, /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
        }
      }
    });
  }
});

Deno.test("progressLine() gives up the bar, then the name, then the end", () => {
  assertEquals(
    [120, 100, 80, 70, 60, 40, 20, 5, 1, 0].map((width) =>
      progressLine([{ name: "a film.mkv", stats: makeStats() }], width)
    ),
    [
      "downloading  a film.mkv  [###############...............]  50.0%  500.0 KiB/1000.0 KiB  100.0 KiB/s  ETA 5s  3 peers",
      "downloading  a film.mkv  [#######.......]  50.0%  500.0 KiB/1000.0 KiB  100.0 KiB/s  ETA 5s  3 peers",
      "downloading  a film.…  50.0%  500.0 KiB/1000.0 KiB  100.0 KiB/s  ETA 5s  3 peers",
      "downloading  50.0%  500.0 KiB/1000.0 KiB  100.0 KiB/s  ETA 5s  3 peers",
      "downloading  50.0%  500.0 KiB/1000.0 KiB  100.0 KiB/s  ETA …",
      "downloading  50.0%  500.0 KiB/1000.0 Ki…",
      "downloading  50.0% …",
      "down…",
      "…",
      "",
    ],
  );
});

Deno.test("progressLine() sums up several torrents", () => {
  const downloading = makeStats({ peers: 2, secondsLeft: 100 });
  const checking = makeStats({
    phase: "checking",
    verifiedBytes: 0,
    checkedBytes: 10 * MIB,
    bytesToCheck: 20 * MIB,
    bytesPerSecond: 0,
    secondsLeft: undefined,
    peers: 0,
  });
  const shown = (all: TorrentStats[]) =>
    progressLine(all.map((stats) => ({ name: "x", stats })), 150);
  assertEquals(
    shown([checking, downloading]),
    "downloading  2 torrents  [#######.......................]  25.0%  " +
      "500.0 KiB/2.0 MiB  100.0 KiB/s  ETA 15s  2 peers",
  );
  assertEquals(
    shown([checking, checking, makeStats({ phase: "complete" })]),
    "checking  3 torrents  [###############...............]  50.0%  " +
      "20.0 MiB/40.0 MiB",
  );
  // The node of the DHT is one for all.
  const finding = makeStats({
    ...FINDING,
    peers: 1,
    tried: 2,
    candidates: 3,
    trackers: 4,
    trackersAnswered: 1,
    metadataBytes: 1024,
    metadataTotalBytes: 2048,
    metadataPeers: 1,
    dhtNodes: 9,
  });
  assertEquals(
    shown([finding, finding]),
    "finding  2 torrents  metadata 2.0 KiB/4.0 KiB offered by 2 peers  " +
      "2 of 4 peers connected  6 more known  trackers 2/8  DHT 9 nodes",
  );
  assertEquals(progressLine([], 80), "");
});

/** How a download ended, complete but for what is said. */
function resultOf(changes: Partial<Result>): Result {
  return {
    source: "film.torrent",
    name: "film",
    stats: makeStats({
      phase: "complete",
      verifiedBytes: 1000 * 1024,
      receivedBytes: 300 * 1024,
    }),
    exitCode: 0,
    message: undefined,
    seconds: 2.5,
    ...changes,
  };
}

Deno.test("resultLine() says in a sentence how a download ended", async (t) => {
  const cases: [name: string, changes: Partial<Result>, line: string][] = [
    [
      "complete",
      {},
      "film: complete, 1000.0 KiB verified; 300.0 KiB received in 2.5s (120.0 KiB/s)",
    ],
    [
      "complete before",
      { stats: makeStats({ receivedBytes: 0 }) },
      "film: complete, 1000.0 KiB verified on disk",
    ],
    [
      "in no time",
      { seconds: 0 },
      "film: complete, 1000.0 KiB verified; 300.0 KiB received in 0s (293.0 MiB/s)",
    ],
    [
      "stopped",
      { exitCode: 7, message: "stopped", stats: makeStats() },
      "film: stopped (50.0% verified)",
    ],
    [
      "a torrent of nothing",
      { exitCode: 13, message: "no", stats: makeStats({ totalBytes: 0 }) },
      "film: no",
    ],
    [
      "never begun",
      { exitCode: 15, message: "a/film is a folder", stats: undefined },
      "film: a/film is a folder",
    ],
    [
      "never read",
      {
        exitCode: 3,
        name: undefined,
        stats: undefined,
        message: "film.torrent does not exist",
      },
      "film.torrent does not exist",
    ],
    [
      "never read, and not named",
      { exitCode: 26, name: undefined, stats: undefined, message: "Bad" },
      "film.torrent: Bad",
    ],
    [
      "hostile",
      { exitCode: 1, name: "\x1b[2J", stats: undefined, message: "a\nb\x07" },
      "\\x1b[2J: a\\x0ab\\x07",
    ],
    [
      "hostile, and never read",
      { exitCode: 3, name: undefined, source: "\x1b[2J", stats: undefined },
      "\\x1b[2J: failed",
    ],
    [
      "without a word",
      { exitCode: 1, stats: undefined },
      "film: failed",
    ],
  ];
  for (const [name, changes, line] of cases) {
    await t.step(name, () => assertEquals(resultLine(resultOf(changes)), line));
  }
});

Deno.test("summaryLine() counts what is complete", () => {
  const results = [resultOf({}), resultOf({ exitCode: 7 }), resultOf({})];
  assertEquals(summaryLine(results, 3), "2 of 3 complete");
  assertEquals(summaryLine(results, 5), "2 of 5 complete");
  assertEquals(summaryLine([], 1), "0 of 1 complete");
});
