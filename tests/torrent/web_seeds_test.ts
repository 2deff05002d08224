import {
  assert,
  assertEquals,
  assertGreater,
  assertInstanceOf,
  assertLessOrEqual,
  assertMatch,
} from "@std/assert";
import { delay } from "@std/async/delay";
import { Bitfield } from "../../src/bytes/bitfield.ts";
import { sha1 } from "../../src/bytes/hash.ts";
import { GaveUpError } from "../../src/errors.ts";
import { type Block, BLOCK_LENGTH } from "../../src/metainfo/layout.ts";
import type { TorrentForm } from "../../src/metainfo/create.ts";
import { PieceHashes } from "../../src/metainfo/piece_hashes.ts";
import { PiecePicker } from "../../src/policy/piece_picker.ts";
import { FileStorage } from "../../src/storage/file_storage.ts";
import { PieceStore } from "../../src/storage/piece_store.ts";
import { placeFiles } from "../../src/storage/places.ts";
import { SideWriter } from "../../src/storage/side_writer.ts";
import { TaskGroup } from "../../src/task_group.ts";
import { Download, type DownloadHandler } from "../../src/torrent/download.ts";
import type { TorrentEvent } from "../../src/torrent/events.ts";
import { WebSeeds } from "../../src/torrent/web_seeds.ts";
import { FakePeer } from "../support/fake_peer.ts";
import {
  type Answerer,
  FakeWebSeed,
  partOf,
} from "../support/fake_web_seed.ts";
import { makeForm } from "../support/make_form.ts";
import {
  checkPayload,
  type MadeTorrent,
  makeTorrent,
} from "../support/make_torrent.ts";
import { RawServer } from "../support/raw_server.ts";
import { runTorrent } from "../support/run_torrent.ts";
import { seededRandom } from "../support/seeded_random.ts";
import { TempFolder } from "../support/temp_folder.ts";

const KIB = 1024;

/** Hears nothing of a download. */
const NOBODY: DownloadHandler = {
  onPiece: () => {},
  onMismatch: () => {},
  onGained: () => {},
  onLiar: () => {},
  onOtherLiar: () => {},
  onFailure: () => {},
};

/** A download from web seeds that behave so, and nobody else. */
async function downloadFrom(made: MadeTorrent, answers: Answerer[]) {
  using folder = new TempFolder();
  await using stack = new AsyncDisposableStack();
  const seeds = answers.map((answer) =>
    stack.use(new FakeWebSeed(made, answer))
  );
  const result = await runTorrent(made, {
    folder: folder.path,
    webSeeds: seeds.map((seed) => seed.url()),
    stallTimeoutMs: 30_000,
  });
  if (!result.error) checkPayload(made, folder.path);
  return { ...result, seeds };
}

Deno.test("WebSeeds alone are enough for layouts of every shape", async (t) => {
  const layouts: [name: string, made: MadeTorrent][] = [
    ["a single file", makeTorrent({ files: 3000 * KIB + 1 })],
    ["a single byte", makeTorrent({ files: 1 })],
    [
      "a piece length that is no multiple of a block",
      makeTorrent({ pieceLength: 20_000, files: 90_001 }),
    ],
    [
      "pieces that span files",
      makeTorrent({
        files: {
          "a": 10_000,
          "sub/b": 70_000,
          "sub/deeper/c": 1,
          "empty": 0,
          "z": 33_333,
        },
      }),
    ],
    ...(["v2", "hybrid"] as const).map((
      form,
    ): [string, MadeTorrent] => [
      `${form}, with pads between files`,
      makeForm({
        form,
        files: { a: 70_001, "b/c": 0, d: 1, e: 40_000, f: 65_536 },
      }),
    ]),
    ["a file for v2 alone", makeForm({ form: "v2", files: { "": 70_001 } })],
  ];
  for (const [name, made] of layouts) {
    await t.step(name, async () => {
      const { stats, error } = await downloadFrom(made, [() => undefined]);
      assertEquals(error, undefined);
      assertEquals(stats.phase, "complete");
      assertEquals(stats.verifiedBytes, made.metainfo.layout.dataLength);
      assertEquals(stats.receivedBytes, made.metainfo.layout.dataLength);
      assertEquals(stats.wastedBytes, 0);
    });
  }
});

Deno.test("WebSeeds that are fast are taken by whole pieces", async (t) => {
  const MIB = KIB * KIB;
  const files = { a: 30 * MIB + 5, b: 9 * MIB, c: 41 * MIB + 1 };
  const table = [["v1", 2 * MIB], ["v2", 512 * KIB], ["hybrid", 16 * KIB]];
  for (const [form, pieceLength] of table as [TorrentForm, number][]) {
    await t.step(`${form}, pieces of ${pieceLength / KIB} KiB`, async () => {
      const made = makeForm({ form, files, pieceLength });
      const { stats, error } = await downloadFrom(made, [() => undefined]);
      assertEquals(error, undefined);
      assertEquals(stats.verifiedBytes, made.metainfo.layout.dataLength);
      assertEquals(stats.receivedBytes, made.metainfo.layout.dataLength);
      assertEquals(stats.wastedBytes, 0);
    });
  }
});

Deno.test("Download takes from a run what nobody else has given", async () => {
  using folder = new TempFolder();
  const made = makeTorrent({ files: 90_000, pieceLength: 32 * KIB });
  const { layout } = made.metainfo;
  const wanted = new Bitfield(layout.pieceCount);
  wanted.fill();
  const random = seededRandom(1);
  const picker = new PiecePicker(layout, { wanted, maxOpen: 99, random });
  await using sideWriter = new SideWriter();
  const { files, folder: root } = placeFiles(made.metainfo, {
    folder: folder.path,
  });
  await using storage = new FileStorage(layout, {
    places: files,
    folder: root,
    canRead: true,
    mayReplace: false,
  });
  const have = new Bitfield(layout.pieceCount);
  const store: PieceStore = new PieceStore(layout, {
    hashes: PieceHashes.of(made.metainfo),
    storage,
    have,
    sideWriter,
    handler: { onPiece: (outcome) => download.verdicts.onPiece(outcome) },
  });
  const download: Download = new Download(layout, {
    store,
    picker,
    handler: NOBODY,
  });
  const [seed, peer] = [picker.join(wanted), picker.join(wanted)];
  for (const seat of [seed, peer]) picker.gainedAll(seat, wanted);
  const options = { count: 99, now: 0, patience: 0 };
  const blocks = picker.pick(seed, options);
  assertEquals(blocks.length, 6);
  blocks.sort((a, b) => a.index - b.index || a.begin - b.begin);
  // In the endgame somebody else gives one of them first.
  const other = picker.pick(peer, { ...options, now: 1e6 })[0]!;
  const bytesOf = ({ index, begin, length }: Block) => {
    const at = layout.pieceOffset(index) + begin;
    return made.payload.slice(at, at + length);
  };
  download.receiveFrom(peer, { place: other, block: bytesOf(other), now: 1 });
  const memory = store.lend();
  memory.set(made.payload);
  download.receiveRun(seed, { blocks, memory, now: 2 });
  await store.settled();
  assert(have.isFull);
  assertEquals(download.wastedBytes, other.length);
  checkPayload(made, folder.path);
});

Deno.test("WebSeeds ask for long runs, each byte once", async () => {
  const made = makeTorrent({ files: 6000 * KIB });
  const { stats, error, seeds } = await downloadFrom(made, [() => undefined]);
  assertEquals(error, undefined);
  const { requests } = seeds[0]!;
  assert(requests.length <= 8, `${requests.length} requests`);
  const asked = requests.map(({ range }) => range!)
    .sort((a, b) => a.begin - b.begin);
  asked.forEach(({ begin }, i) => {
    assertEquals(begin, i === 0 ? 0 : asked[i - 1]!.end);
  });
  assertEquals(asked.at(-1)!.end, made.payload.length);
  assertEquals(stats.receivedBytes, made.payload.length);
});

Deno.test("WebSeeds share the work", async () => {
  const made = makeTorrent({ files: 12_000 * KIB });
  const slowly: Answerer = async () => {
    await delay(5);
    return undefined;
  };
  const { error, seeds } = await downloadFrom(made, [slowly, slowly, slowly]);
  assertEquals(error, undefined);
  for (const { requests } of seeds) assertGreater(requests.length, 0);
});

Deno.test("WebSeeds ask nobody for pads, and for pieces that have them", async () => {
  const files = { a: 40_000, ".pad/25536": 25_536, b: 1000 };
  const made = makeTorrent({ files, pieceLength: 65_536 });
  made.payload.fill(0, 40_000, 65_536);
  const padded = makeTorrent({
    files,
    pieceLength: 65_536,
    info: {
      pieces: new Uint8Array([
        ...sha1(made.payload.subarray(0, 65_536)),
        ...sha1(made.payload.subarray(65_536)),
      ]),
      files: [
        { length: 40_000, path: ["a"] },
        { length: 25_536, path: [".pad", "25536"], attr: "p" },
        { length: 1000, path: ["b"] },
      ],
    },
  });
  padded.files.delete("payload/.pad/25536");
  const { error, seeds } = await downloadFrom(padded, [() => undefined]);
  assertEquals(error, undefined);
  assertEquals(
    new Set(seeds[0]!.requests.map(({ url }) => url.pathname)),
    new Set(["/payload/a", "/payload/b"]),
  );
});

Deno.test("WebSeeds of the other kind are asked for pieces", async () => {
  using folder = new TempFolder();
  const made = makeTorrent({ files: { a: 100 * KIB, b: 200 * KIB + 7 } });
  await using seed = new FakeWebSeed(made, ({ url: { searchParams } }) => {
    const begin = Number(searchParams.get("piece")) * 32 * KIB;
    const piece = made.payload.slice(begin, begin + 32 * KIB);
    const range = /^(\d+)-(\d+)$/.exec(searchParams.get("ranges") ?? "");
    return new Response(
      range ? piece.slice(Number(range[1]), Number(range[2]) + 1) : piece,
    );
  });
  const metainfo = { ...made.metainfo, httpSeeds: [seed.url("/seed?key=1")] };
  // A query nearby may be an order: only what the user names is asked.
  const refused = await runTorrent({ ...made, metainfo }, {
    folder: folder.path,
    stallTimeoutMs: 300,
  });
  assertInstanceOf(refused.error, GaveUpError);
  assertEquals(seed.requests.length, 0);
  const { error } = await runTorrent({
    ...made,
    metainfo: { ...metainfo, httpSeeds: [seed.url("/seed")] },
  }, { folder: folder.path, stallTimeoutMs: 30_000 });
  assertEquals(error, undefined);
  checkPayload(made, folder.path);
});

Deno.test("WebSeeds that give wrong bytes are banned at once", async () => {
  const made = makeTorrent({ files: 3000 * KIB });
  const lie: Answerer = ({ range, file }) =>
    partOf(
      new Uint8Array(range!.end - range!.begin).fill(7),
      range!.begin,
      file!.length,
    );
  const { stats, error, seeds, events } = await downloadFrom(made, [
    lie,
    () => undefined,
  ]);
  assertEquals(error, undefined);
  assertEquals(
    events.filter(({ type }) => type === "web_seed_banned"),
    [{ type: "web_seed_banned", webSeed: seeds[0]!.url() }],
  );
  // What was under way over other connections is all that came of it.
  assertLessOrEqual(seeds[0]!.requests.length, 3);
  assertLessOrEqual(stats.hashMismatches, 3);
  assertEquals(stats.webSeeds, 1);
});

for (const form of ["v1", "v2"] as const) {
  Deno.test(`WebSeeds that lie when they are fast are banned as well: ${form}`, async () => {
    const MIB = KIB * KIB;
    const made = makeForm({
      form,
      files: { "": 90 * MIB },
      pieceLength: 256 * KIB,
    });
    const { stats, error, seeds, events } = await downloadFrom(made, [
      ({ range, file }) => {
        const { begin, end } = range!;
        if (begin < 20 * MIB) return undefined;
        const bytes = file!.slice(begin, end);
        bytes[bytes.length >> 1]! ^= 1;
        return partOf(bytes, begin, file!.length);
      },
      () => undefined,
    ]);
    assertEquals(error, undefined);
    const bans = events.filter(({ type }) => type === "web_seed_banned");
    assertEquals(bans, [{
      type: "web_seed_banned",
      webSeed: seeds[0]!.url(),
    }]);
    assertGreater(stats.hashMismatches, 0);
    // What waits to be hashed, and what is under way over three connections.
    assertLessOrEqual(stats.wastedBytes, (16 + 3 * 8) * MIB);
    assertEquals(stats.verifiedBytes, 90 * MIB);
  });
}

Deno.test("WebSeeds that give wrong bytes leave honest peers alone", async () => {
  using folder = new TempFolder();
  const made = makeTorrent({ files: 3000 * KIB });
  await using peer = new FakePeer(made, {});
  await using liar = new FakeWebSeed(made, ({ range, file }) => {
    const bytes = file!.slice(range!.begin, range!.end);
    for (let at = 9; at < bytes.length; at += 16 * KIB) bytes[at]! ^= 1;
    return partOf(bytes, range!.begin, file!.length);
  });
  const { error, stats, events } = await runTorrent(made, {
    folder: folder.path,
    peers: [peer.endpoint],
    webSeeds: [liar.url()],
    stallTimeoutMs: 30_000,
  });
  assertEquals(error, undefined);
  checkPayload(made, folder.path);
  assertEquals(stats.banned, 0);
  const bans = events.filter(({ type }) => /banned/.test(type));
  assertEquals(bans.map(({ type }) => type), ["web_seed_banned"]);
});

Deno.test("WebSeeds fill what peers do not have", async () => {
  using folder = new TempFolder();
  const made = makeTorrent({ files: 64 * 32 * KIB });
  await using peer = new FakePeer(made, { has: (index) => index % 2 === 0 });
  await using seed = new FakeWebSeed(made);
  const { error, stats } = await runTorrent(made, {
    folder: folder.path,
    peers: [peer.endpoint],
    webSeeds: [seed.url()],
    stallTimeoutMs: 30_000,
  });
  assertEquals(error, undefined);
  checkPayload(made, folder.path);
  assertGreater(seed.requests.length, 0);
  assertLessOrEqual(stats.receivedBytes - stats.wastedBytes, 64 * 32 * KIB);
});

Deno.test("WebSeeds without a file give the others", async () => {
  const made = makeTorrent({
    files: Object.fromEntries(
      Array.from({ length: 20 }, (_, i) => [`f${i}`, 50_000 + i]),
    ),
  });
  const without = (lost: RegExp): Answerer => ({ url }) =>
    lost.test(url.pathname) ? new Response(null, { status: 404 }) : undefined;
  const { error, events, seeds, stats } = await downloadFrom(made, [
    without(/f[37]$/),
    without(/f1\d$/),
  ]);
  assertEquals(error, undefined);
  assertEquals(stats.webSeeds, 2);
  const failures = events.flatMap((event) =>
    event.type === "web_seed_failed" ? [event.webSeed] : []
  );
  // One word about each is enough.
  assertEquals(new Set(failures).size, failures.length);
  for (const { requests } of seeds) {
    const missed = requests.filter(({ url }) => /f[37]$/.test(url.pathname));
    assertLessOrEqual(missed.length, 60);
  }
});

Deno.test("WebSeeds that have nothing are not asked for ever", async (t) => {
  const files = Object.fromEntries(
    Array.from({ length: 100 }, (_, i) => [`f${i}`, 50_000 + i]),
  );
  const table: [name: string, made: MadeTorrent][] = [
    ["a single file", makeTorrent({ files: 300 * KIB })],
    ["many files", makeTorrent({ files })],
  ];
  for (const [name, made] of table) {
    await t.step(name, async () => {
      using folder = new TempFolder();
      const nowhere: Answerer = () => new Response(null, { status: 404 });
      await using seed = new FakeWebSeed(made, nowhere);
      const { error, stats } = await runTorrent(made, {
        folder: folder.path,
        webSeeds: [seed.url()],
        stallTimeoutMs: 1000,
      });
      assertInstanceOf(error, GaveUpError);
      assertEquals(error.reason, "unreachable");
      assertMatch(error.message, /, and http:\S+ answers with status 404$/);
      assertEquals(stats.webSeeds, 0);
      assertLessOrEqual(seed.requests.length, 15);
    });
  }
});

Deno.test("WebSeeds are asked again after a failure", async (t) => {
  const made = makeTorrent({ files: 2000 * KIB });
  const faults: Record<string, Answerer> = {
    "a busy server": ({ count }) =>
      count < 3
        ? new Response("1", { status: 503, headers: { "retry-after": "1" } })
        : undefined,
    "answers that break off": ({ count, file, range }) => {
      if (count > 2) return undefined;
      const { begin } = range!;
      return new Response(
        ReadableStream.from([file!.slice(begin, begin + 70_000)]),
        {
          status: 206,
          headers: {
            "content-range": `bytes ${begin}-${range!.end - 1}/${file!.length}`,
          },
        },
      );
    },
  };
  for (const [name, answer] of Object.entries(faults)) {
    await t.step(name, async () => {
      const { error, stats } = await downloadFrom(made, [answer]);
      assertEquals(error, undefined);
      assertEquals(stats.hashMismatches, 0);
      assertEquals(stats.wastedBytes, 0);
    });
  }
});

Deno.test("WebSeeds that cannot be asked are said to be so", async () => {
  using folder = new TempFolder();
  const made = makeTorrent({ files: 5 });
  const { error, events } = await runTorrent(made, {
    folder: folder.path,
    webSeeds: ["file:///etc/passwd"],
    stallTimeoutMs: 300,
  });
  assertInstanceOf(error, GaveUpError);
  const notices = events.flatMap((event) =>
    event.type === "notice" ? [event.message] : []
  );
  assertEquals(notices, ["the web seed file:///etc/passwd cannot be asked"]);
});

Deno.test("WebSeeds are left alone when everything is there", async () => {
  using folder = new TempFolder();
  const made = makeTorrent({ files: { a: 300 * KIB, b: 1 } });
  await using seed = new FakeWebSeed(made);
  const options = { folder: folder.path, webSeeds: [seed.url()] };
  assertEquals((await runTorrent(made, options)).error, undefined);
  const count = seed.requests.length;
  assertGreater(count, 0);
  const again = await runTorrent(made, {
    ...options,
    seeding: { timeMs: 300 },
  });
  assertEquals(again.error, undefined);
  assertEquals(seed.requests.length, count);
});

Deno.test("WebSeeds keep to the limit of the session", async () => {
  using folder = new TempFolder();
  const made = makeTorrent({ files: 400 * KIB });
  await using seed = new FakeWebSeed(made);
  const startedAt = performance.now();
  const { error } = await runTorrent(made, {
    folder: folder.path,
    webSeeds: [seed.url()],
    maxDownloadRate: 200 * KIB,
  });
  assertEquals(error, undefined);
  // Two seconds, of which the start may make up for a part.
  assertGreater(performance.now() - startedAt, 1500);
});

/** What sends the start of a part, or not even that, and no more. */
function sendsLittle(isBegun: boolean) {
  const asked = Promise.withResolvers<void>();
  const server = new RawServer(async ({ send, closed }) => {
    const head = "HTTP/1.1 206 P\r\ncontent-range: bytes 0-307199/307200";
    if (isBegun) await send(`${head}\r\n\r\nx`);
    asked.resolve();
    await closed;
  });
  return { server, asked: asked.promise };
}

/** Web seeds without a clock. */
function standingStill(webSeed: URL) {
  const { metainfo } = makeTorrent({ files: 300 * KIB });
  const { layout } = metainfo;
  const wanted = new Bitfield(layout.pieceCount);
  wanted.fill();
  const random = seededRandom(1);
  const picker = new PiecePicker(layout, { wanted, maxOpen: 99, random });
  const store = new PieceStore(layout, {
    hashes: PieceHashes.of(metainfo),
    storage: new FileStorage(layout, {
      places: [],
      folder: "",
      canRead: false,
      mayReplace: false,
    }),
    have: new Bitfield(layout.pieceCount),
    handler: { onPiece: () => {} },
  });
  const events: TorrentEvent[] = [];
  const webSeeds = new WebSeeds(metainfo, {
    extra: [webSeed.href],
    picker,
    store,
    download: new Download(layout, { store, picker, handler: NOBODY }),
    limits: [],
    emit: (event) => events.push(event),
  });
  return { layout, picker, webSeeds, events };
}

Deno.test("WebSeeds give up a server that sends nothing", async (t) => {
  for (const isBegun of [false, true]) {
    await t.step(isBegun ? "more" : "at all", async () => {
      const { server, asked } = sendsLittle(isBegun);
      await using _server = server;
      const scene = standingStill(server.url("/f"));
      const { layout, picker, webSeeds, events } = scene;
      await using tasks = new TaskGroup();
      using _connections = webSeeds.start(tasks);
      await asked;
      const now = performance.now();
      webSeeds.tick(now + 15_000);
      assertEquals(events, []);
      assertEquals(picker.askedCount, Math.ceil(layout.length / BLOCK_LENGTH));
      webSeeds.tick(now + 30_000);
      await tasks.join();
      assertEquals(picker.askedCount, 0);
      assertEquals(events.map((event) => "message" in event && event.message), [
        `${server.url("/f")} sent nothing for 20 s`,
      ]);
    });
  }
});

Deno.test("WebSeeds do not wait for what others have given", async () => {
  const { server, asked } = sendsLittle(true);
  await using _server = server;
  const { picker, webSeeds, events } = standingStill(server.url("/f"));
  await using tasks = new TaskGroup();
  using _connections = webSeeds.start(tasks);
  await asked;
  const now = performance.now();
  const have = new Bitfield(10);
  const peer = picker.join(have);
  have.fill();
  picker.gainedAll(peer, have);
  const options = { count: 999, now: now + 9000, patience: 0 };
  for (const block of picker.pick(peer, options)) picker.received(peer, block);
  assertEquals(picker.askedCount, 0);
  webSeeds.tick(now + 9000);
  await tasks.join();
  assertEquals(events, []);
  assertEquals(webSeeds.serving, 0);
});

Deno.test("WebSeeds are not asked for what no URL can name", async () => {
  using folder = new TempFolder();
  const files = { "a": 90_000, "__/b": 90_000, "c": 90_000 };
  const made = makeTorrent({
    files,
    info: {
      files: ["a", "../b", "c"].map((path) => ({
        length: 90_000,
        path: path.split("/"),
      })),
    },
  });
  await using seed = new FakeWebSeed(made);
  // Else it could be done before anybody asks the web seed for that file.
  const missed = Promise.withResolvers<void>();
  await using peer = new FakePeer(made, {
    serve: async (_, right) => {
      await missed.promise;
      return right;
    },
  });
  const { error, events } = await runTorrent(made, {
    folder: folder.path,
    peers: [peer.endpoint],
    webSeeds: [seed.url()],
    stallTimeoutMs: 30_000,
    onEvent: ({ type }) => {
      if (type === "web_seed_failed") missed.resolve();
    },
  });
  assertEquals(error, undefined);
  checkPayload(made, folder.path);
  assert(
    seed.requests.every(({ url }) => /^.payload.[ac]$/.test(url.pathname)),
  );
  assertEquals(
    events.flatMap((event) =>
      event.type === "web_seed_failed" ? [event.message] : []
    ),
    [`${seed.url()} cannot be asked for a file of such a name`],
  );
});
