import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
} from "@std/assert";
import { encodeBencode } from "../../src/bytes/bencode.ts";
import { type Endpoint, formatEndpoint } from "../../src/bytes/endpoint.ts";
import { sha1 } from "../../src/bytes/hash.ts";
import { GaveUpError, MetainfoError } from "../../src/errors.ts";
import {
  formatMagnet,
  type Magnet,
  parseMagnet,
} from "../../src/metainfo/magnet.ts";
import type { TorrentPhase } from "../../src/torrent/events.ts";
import { decodeExtensionHandshake } from "../../src/wire/extension_handshake.ts";
import {
  decodeMetadataMessage,
  encodeMetadataMessage,
  METADATA_PIECE_LENGTH,
  type MetadataMessage,
} from "../../src/wire/ut_metadata.ts";
import { FakePeer } from "../support/fake_peer.ts";
import {
  checkPayload,
  type MadeTorrent,
  makeTorrent,
  writePayload,
} from "../support/make_torrent.ts";
import {
  extensionHandshake,
  type MetadataOffer,
  offersMetadata,
} from "../support/offers_metadata.ts";
import { peersAnswer, RecordingTracker } from "../support/recording_tracker.ts";
import {
  type RunOptions,
  type RunResult,
  runTorrent,
} from "../support/run_torrent.ts";
import { ScriptedPeer } from "../support/scripted_peer.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { whileSeeding } from "../support/while_seeding.ts";

const KIB = 1024;

/** Metadata that comes in three parts, and a payload of ten pieces. */
const MADE = makeTorrent({
  name: "film",
  files: { a: 300 * KIB, b: 5 },
  info: { "x-pad": new Uint8Array(40_000).fill(7) },
});

const { infoBytes } = MADE.metainfo;

/** The link to a torrent, which says nothing else. */
function linkTo(
  infoHash: Uint8Array,
  parts: { trackers?: string[] } = {},
): Magnet {
  const { trackers = [] } = parts;
  const announceTiers = trackers.map((url) => [url]);
  return parseMagnet(formatMagnet({ infoHash, announceTiers }));
}

/** Downloads a torrent by a link from peers. */
async function runMagnet(
  made: MadeTorrent,
  options: Partial<RunOptions> & { peers: readonly Endpoint[] },
): Promise<RunResult & { phases: TorrentPhase[] }> {
  using folder = new TempFolder();
  const result = await runTorrent(made, {
    magnet: linkTo(made.metainfo.infoHash),
    folder: folder.path,
    ...options,
  });
  if (!result.error && !options.isMetadataOnly && !options.folder) {
    checkPayload(made, folder.path);
  }
  const phases = result.events.flatMap((event) =>
    event.type === "phase" ? [event.phase] : []
  );
  return { ...result, phases };
}

/** Fake peers, and where they are. */
class Crowd implements AsyncDisposable {
  readonly peers: FakePeer[];

  constructor(made: MadeTorrent, offers: Partial<MetadataOffer>[]) {
    const { infoBytes: metadata } = made.metainfo;
    this.peers = offers.map((offer) =>
      new FakePeer(made, offersMetadata({ metadata, ...offer }))
    );
  }

  get endpoints(): Endpoint[] {
    return this.peers.map(({ endpoint }) => endpoint);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const peer of this.peers) await peer[Symbol.asyncDispose]();
  }
}

/** Gives pieces with a byte that is wrong. */
const lie = (_: number, right: MetadataMessage): MetadataMessage => {
  if (right.type !== "data") return right;
  const bytes = right.bytes.slice();
  bytes[3]! ^= 1;
  return { ...right, bytes };
};

const reject = (piece: number): MetadataMessage => ({ type: "reject", piece });

Deno.test("Torrent finds out from one peer what a link names, and downloads it", async () => {
  await using crowd = new Crowd(MADE, [{}]);
  const { error, phases, stats, events } = await runMagnet(MADE, {
    peers: crowd.endpoints,
  });
  assertEquals(error, undefined);
  assertEquals(phases, ["finding", "checking", "downloading", "complete"]);
  assertEquals(events.filter(({ type }) => type === "metadata").length, 1);
  assertEquals(stats.metadataBytes, infoBytes.length);
  assertEquals(stats.receivedBytes, MADE.payload.length);
});

Deno.test("Torrent finds the metadata among peers that do not give it", async (t) => {
  const cases: [name: string, offers: Partial<MetadataOffer>[]][] = [
    ["lie", [{ answer: lie }, { answer: lie }]],
    // This one takes two seconds: so long nobody else is asked.
    ["fall silent", [{ answer: () => undefined }]],
    ["reject", [{ answer: reject }, { answer: reject }]],
    ["name another size", [
      { metadata: new Uint8Array(infoBytes.length + 1) },
      { metadata: new Uint8Array(20) },
    ]],
    ["name another size in their answers", [{
      answer: (_, right) => ({ ...right, totalSize: 5 } as MetadataMessage),
    }]],
    ["give too little", [{
      answer: (_, right) =>
        right.type === "data"
          ? { ...right, bytes: right.bytes.subarray(1) }
          : right,
    }]],
    ["offer none", [
      { handshake: { metadataSize: undefined } },
      { handshake: { messages: new Map() } },
      { handshake: { metadataSize: 2 ** 31 } },
    ]],
  ];
  for (const [name, offers] of cases) {
    await t.step(`but ${name}`, async () => {
      await using crowd = new Crowd(MADE, [...offers, {}]);
      const { error, stats, events } = await runMagnet(MADE, {
        peers: crowd.endpoints,
        isMetadataOnly: true,
      });
      assertEquals(error, undefined);
      assertEquals(stats.metadataBytes, infoBytes.length);
      const banned = events.flatMap((event) =>
        event.type === "peer_banned" ? [event.peer] : []
      );
      const honest = formatEndpoint(crowd.endpoints.at(-1)!);
      assertEquals(banned.includes(honest), false);
    });
  }
});

Deno.test("Torrent bans who gives metadata that is wrong", async () => {
  await using crowd = new Crowd(MADE, [{ answer: lie }]);
  const { error, events, stats } = await runMagnet(MADE, {
    peers: crowd.endpoints,
    stallTimeoutMs: 700,
  });
  assertInstanceOf(error, GaveUpError);
  assertEquals(error.reason, "stalled");
  assertMatch(
    error.message,
    /^Gave up after 0\.7 s without metadata: what came is not what the link names, and nobody else has it$/,
  );
  const [peer] = crowd.endpoints.map(formatEndpoint);
  assert(
    events.some((event) => event.type === "peer_banned" && event.peer === peer),
  );
  assertEquals([stats.banned, stats.peers], [1, 0]);
});

Deno.test("Torrent takes what peers say of their pieces before it knows how many there are", async (t) => {
  const cases: [name: string, greeting: MetadataOffer["greeting"]][] = [
    ["bitfield", (bitfield) => [{ type: "bitfield", bitfield }]],
    ["have_all", () => [{ type: "have_all" }]],
    ["have", () =>
      Array.from(
        { length: MADE.metainfo.layout.pieceCount },
        (_, index) => ({ type: "have", index }),
      )],
  ];
  for (const [name, greeting] of cases) {
    await t.step(name, async () => {
      await using crowd = new Crowd(MADE, [{ greeting: greeting! }]);
      const { error } = await runMagnet(MADE, { peers: crowd.endpoints });
      assertEquals(error, undefined);
    });
  }
  await t.step("a bitfield that is too long", async () => {
    const bitfield = new Uint8Array(100);
    await using crowd = new Crowd(MADE, [
      { greeting: () => [{ type: "bitfield", bitfield }] },
    ]);
    const { error, events, phases } = await runMagnet(MADE, {
      peers: crowd.endpoints,
      stallTimeoutMs: 300,
    });
    assertInstanceOf(error, GaveUpError);
    assertEquals(phases.includes("downloading"), true);
    const gone = events.flatMap((event) =>
      event.type === "peer_disconnected" ? [event.message] : []
    );
    assertMatch(gone[0]!, /more or less than 10$/);
  });
});

Deno.test("Torrent takes an unchoke and interest from before it had the metadata", async () => {
  const made = MADE;
  const offer = offersMetadata({
    metadata: infoBytes,
    greeting: (bitfield) => [
      { type: "bitfield", bitfield },
      { type: "unchoke" },
    ],
  });
  await using peer = new FakePeer(made, { ...offer, unchokes: false });
  const { error } = await runMagnet(made, { peers: [peer.endpoint] });
  assertEquals(error, undefined);
});

Deno.test("Torrent has nothing for anybody while it looks for the metadata", async () => {
  const isOver = new AbortController();
  const isFinding = Promise.withResolvers<void>();
  let endpoint: Endpoint | undefined;
  const running = runMagnet(MADE, {
    peers: [],
    signal: isOver.signal,
    onListening: (ours) => endpoint = ours,
    onEvent: () => isFinding.resolve(),
  });
  await isFinding.promise;
  const block = { index: 0, begin: 0, length: 16 * KIB };
  {
    using fast = await ScriptedPeer.connect(MADE, { endpoint: endpoint! });
    assertEquals(await fast.hear("have_none", "bitfield"), {
      type: "have_none",
    });
    const hello = decodeExtensionHandshake(
      (await fast.hear("extended"))!.payload,
    );
    assertEquals(hello.metadataSize, undefined);
    assertEquals([...hello.messages.keys()], ["ut_metadata", "ut_pex"]);
    assertEquals(hello.uploadOnly, false);
    await fast.say({ type: "request", ...block });
    assertEquals(await fast.hear("reject_request"), {
      type: "reject_request",
      ...block,
    });
    await fast.say({
      type: "extended",
      id: hello.messages.get("ut_metadata")!,
      payload: encodeMetadataMessage({ type: "request", piece: 0 }),
    }, extensionHandshake({ messages: new Map([["ut_metadata", 9]]) }));
    await fast.say({
      type: "extended",
      id: hello.messages.get("ut_metadata")!,
      payload: encodeMetadataMessage({ type: "request", piece: 0 }),
    });
    const { id, payload } = (await fast.hear("extended"))!;
    assertEquals(id, 9);
    assertEquals(decodeMetadataMessage(payload), { type: "reject", piece: 0 });
  }
  isOver.abort();
  assertEquals((await running).phases, ["finding", "stopped"]);
});

Deno.test("Torrent tells its peers when it has the metadata, and when it has all", async () => {
  const [isFinding, isSeeding, mayFind] = [1, 2, 3].map(() =>
    Promise.withResolvers<void>()
  );
  await using crowd = new Crowd(MADE, [{}]);
  await using tracker = new RecordingTracker(async () => {
    await mayFind!.promise;
    return new Response(encodeBencode(peersAnswer(...crowd.endpoints)).slice());
  });
  const stop = new AbortController();
  let endpoint: Endpoint | undefined;
  const running = runMagnet(MADE, {
    peers: [],
    magnet: linkTo(MADE.metainfo.infoHash, { trackers: [tracker.announceUrl] }),
    seeding: {},
    signal: stop.signal,
    onListening: (ours) => endpoint = ours,
    onEvent: (event) => {
      if (event.type !== "phase") return;
      if (event.phase === "finding") isFinding!.resolve();
      if (event.phase === "seeding") isSeeding!.resolve();
    },
  });
  await isFinding!.promise;
  using peer = await ScriptedPeer.connect(MADE, { endpoint: endpoint! });
  // Its interest is said before there is anything to be interested in.
  await peer.say(extensionHandshake({}), { type: "interested" });
  const heard: string[] = [];
  const { pieceCount } = MADE.metainfo.layout;
  const have = new Set<number>();
  let isUnchoked = false;
  while (heard.length < 3 || have.size < pieceCount || !isUnchoked) {
    const message = (await peer.hear("extended", "have", "unchoke"))!;
    if (message.type === "unchoke") isUnchoked = true;
    else if (message.type === "have") have.add(message.index);
    else if (message.id === 0) {
      const news = decodeExtensionHandshake(message.payload);
      heard.push(`${news.metadataSize} ${news.uploadOnly} ${have.size}`);
      mayFind!.resolve();
    }
  }
  assertEquals(heard, [
    "undefined false 0",
    `${infoBytes.length} undefined 0`,
    `undefined true ${pieceCount}`,
  ]);
  await isSeeding!.promise;
  await peer.say({ type: "request", index: 9, begin: 0, length: 100 });
  const { block } = (await peer.hear("piece"))!;
  assertEquals(block, MADE.payload.subarray(9 * 32 * KIB, 9 * 32 * KIB + 100));
  stop.abort();
  await running;
});

Deno.test("Torrent gives the metadata to others, piece by piece and not for ever", async () => {
  await whileSeeding(MADE, {
    during: async ({ endpoint }) => {
      using peer = await ScriptedPeer.connect(MADE, { endpoint });
      const hello = decodeExtensionHandshake(
        (await peer.hear("extended"))!.payload,
      );
      assertEquals(hello.metadataSize, infoBytes.length);
      const id = hello.messages.get("ut_metadata")!;
      await peer.say(
        extensionHandshake({ messages: new Map([["ut_metadata", 5]]) }),
      );
      const ask = async (...pieces: number[]) => {
        await peer.say(...pieces.map((piece) => ({
          type: "extended" as const,
          id,
          payload: encodeMetadataMessage({ type: "request", piece }),
        })));
        const answers: MetadataMessage[] = [];
        while (answers.length < pieces.length) {
          const message = (await peer.hear("extended"))!;
          if (message.id !== 5) continue;
          answers.push(decodeMetadataMessage(message.payload)!);
        }
        return answers;
      };
      const answers = await ask(0, 1, 2);
      answers.forEach((answer, piece) => {
        const begin = piece * METADATA_PIECE_LENGTH;
        assertEquals(answer, {
          type: "data",
          piece,
          totalSize: infoBytes.length,
          bytes: infoBytes.slice(begin, begin + METADATA_PIECE_LENGTH),
        });
      });
      assertEquals(await ask(3), [{ type: "reject", piece: 3 }]);
      await ask(0, 1, 2, 0, 1, 2);
      assertEquals(await ask(0), [{ type: "reject", piece: 0 }]);
    },
  });
});

Deno.test("Torrent refuses metadata that is no torrent it can use", async (t) => {
  const cases: [name: string, metadata: Uint8Array][] = [
    ["no bencoding", new TextEncoder().encode("<html>")],
    ["no dictionary", new TextEncoder().encode("i1e")],
    ["no pieces", encodeBencode({ name: "x", length: 5 })],
    [
      "too many hashes",
      encodeBencode({
        name: "x",
        length: 5,
        "piece length": 16_384,
        pieces: new Uint8Array(40),
      }),
    ],
  ];
  for (const [name, metadata] of cases) {
    await t.step(name, async () => {
      const infoHash = sha1(metadata);
      const made = { ...MADE, metainfo: { ...MADE.metainfo, infoHash } };
      await using peer = new FakePeer(made, offersMetadata({ metadata }));
      const { error } = await runMagnet(made, { peers: [peer.endpoint] });
      assertInstanceOf(error, MetainfoError);
    });
  }
});

Deno.test("Torrent says why it has not found the metadata", async (t) => {
  const { infoHash } = MADE.metainfo;
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const nobody = { hostname: "127.0.0.1", port: listener.addr.port };
  listener.close();
  const fails = async (
    options: Partial<RunOptions>,
    [reason, why]: [GaveUpError["reason"], RegExp],
  ) => {
    const { error, phases } = await runMagnet(MADE, {
      peers: [],
      stallTimeoutMs: 600,
      ...options,
    });
    assertInstanceOf(error, GaveUpError);
    assertMatch(error.message, /^Gave up after 0\.6 s without metadata: /);
    assertMatch(error.message, why);
    assertEquals(error.reason, reason);
    assertEquals(phases, ["finding", "stopped"]);
  };
  await t.step("there is nobody", async () => {
    await fails({}, ["unreachable", /: there is nobody to ask$/]);
  });
  await t.step("nobody can be reached", async () => {
    await fails({ peers: [nobody] }, [
      "unreachable",
      /: no peer could be reached \([1-9] tried\)$/,
    ]);
  });
  await t.step("a tracker knows nobody", async () => {
    await using tracker = new RecordingTracker(() => peersAnswer());
    const magnet = linkTo(infoHash, { trackers: [tracker.announceUrl] });
    await fails({ magnet }, ["stalled", /: nobody has the torrent$/]);
  });
  await t.step("a tracker does not answer", async () => {
    const url = `http://${formatEndpoint(nobody)}/announce`;
    const magnet = linkTo(infoHash, { trackers: [url] });
    await fails({ magnet }, ["unreachable", /: http:.* cannot be asked: /]);
  });
  await t.step("nobody has it", async () => {
    await using crowd = new Crowd(MADE, [{ handshake: { metadataSize: 0 } }]);
    await fails({ peers: crowd.endpoints }, [
      "stalled",
      /: none of the connected peers \(1\) has it$/,
    ]);
  });
  await t.step("nobody gives it", async () => {
    await using crowd = new Crowd(MADE, [{ answer: () => undefined }]);
    await fails({ peers: crowd.endpoints }, [
      "stalled",
      /: none of the connected peers \(1\) sends it$/,
    ]);
  });
  await t.step("who was there has gone", async () => {
    await using peer = new FakePeer(MADE, {
      ...offersMetadata({ metadata: infoBytes }),
      onMessage: (_, connection) => connection.close(),
    });
    await fails({ peers: [peer.endpoint] }, [
      "stalled",
      /: no peer is connected$/,
    ]);
  });
});

Deno.test("Torrent fetches nothing by a link that lies on disk", async () => {
  await using crowd = new Crowd(MADE, [{}]);
  using folder = new TempFolder();
  writePayload(MADE, folder.path);
  const { error, phases, stats } = await runMagnet(MADE, {
    folder: folder.path,
    peers: crowd.endpoints,
  });
  assertEquals(error, undefined);
  assertEquals(phases, ["finding", "checking", "complete"]);
  assertEquals(stats.receivedBytes, 0);
});

Deno.test("Torrent takes back its offer to exchange peers when it turns out to be private", async () => {
  const made = makeTorrent({ files: 100 * KIB, info: { private: 1 } });
  await using crowd = new Crowd(made, [{}]);
  const { error, events } = await runMagnet(made, { peers: crowd.endpoints });
  assertEquals(error, undefined);
  const notices = events.filter(({ type }) => type === "notice");
  assertEquals(notices, [{
    type: "notice",
    message: "it is private: only its trackers are asked from now on",
  }]);
  const [connection] = crowd.peers[0]!.connections;
  assertEquals(connection!.extensions.slice(0, 2), [
    new Map([["ut_metadata", 1], ["ut_pex", 2]]),
    new Map([["ut_pex", 0]]),
  ]);
});
