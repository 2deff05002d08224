import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertLess,
  assertMatch,
} from "@std/assert";
import type { Endpoint } from "../../src/bytes/endpoint.ts";
import { GaveUpError } from "../../src/errors.ts";
import {
  formatMagnet,
  type Magnet,
  parseMagnet,
} from "../../src/metainfo/magnet.ts";
import { parseMetainfo } from "../../src/metainfo/metainfo.ts";
import { encodeTorrent } from "../../src/metainfo/torrent_file.ts";
import { Session } from "../../src/mod.ts";
import type { TorrentPhase } from "../../src/torrent/events.ts";
import { ourReserved } from "../../src/wire/handshake.ts";
import type { HashRange } from "../../src/wire/hash_range.ts";
import type { Message } from "../../src/wire/message.ts";
import { type Behaviour, FakePeer } from "../support/fake_peer.ts";
import { givesHashes, type HashGiver } from "../support/gives_hashes.ts";
import { hashesOf } from "../support/hashes_of.ts";
import { makeForm } from "../support/make_form.ts";
import { checkPayload, type MadeTorrent } from "../support/make_torrent.ts";
import { offersMetadata } from "../support/offers_metadata.ts";
import {
  type RunOptions,
  type RunResult,
  runTorrent,
} from "../support/run_torrent.ts";
import { ScriptedPeer } from "../support/scripted_peer.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { whileSeeding } from "../support/while_seeding.ts";

const KIB = 1024;
const BLOCK = 16 * KIB;
const PIECE = 64 * KIB;

const FILES = { a: 20 * PIECE + 5, b: 20 * KIB, c: 3 * PIECE };

/** The same torrent with its piece layers, and without. */
const WHOLE = makeForm({ form: "v2", files: FILES, pieceLength: PIECE });
const BARE = makeForm({
  form: "v2",
  files: FILES,
  pieceLength: PIECE,
  hasNoLayers: true,
});
const HYBRID = makeForm({ form: "hybrid", files: FILES, pieceLength: PIECE });

function linkTo(
  { metainfo }: MadeTorrent,
  hashes: "v1" | "v2" | "both",
): Magnet {
  const { infoHash, infoHashV2 } = metainfo;
  return parseMagnet(formatMagnet({
    infoHash,
    hasV1: hashes !== "v2",
    infoHashV2: hashes === "v1" ? undefined : infoHashV2,
  }));
}

async function run(
  made: MadeTorrent,
  options: Partial<RunOptions>,
): Promise<RunResult & { phases: TorrentPhase[] }> {
  using folder = new TempFolder();
  const result = await runTorrent(made, { folder: folder.path, ...options });
  if (!result.error && !options.isMetadataOnly) {
    checkPayload(made, folder.path);
  }
  const phases = result.events.flatMap((event) =>
    event.type === "phase" ? [event.phase] : []
  );
  return { ...result, phases };
}

/** Peers, each with an address of its own: a ban closes the address. */
class Crowd implements AsyncDisposable {
  readonly peers: FakePeer[];

  constructor(made: MadeTorrent, behaviours: Behaviour[]) {
    this.peers = behaviours.map((behaviour, i) =>
      new FakePeer(made, { hostname: `127.0.0.${i + 2}`, ...behaviour })
    );
  }

  get endpoints() {
    return this.peers.map(({ endpoint }) => endpoint);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const peer of this.peers) await peer[Symbol.asyncDispose]();
  }
}

/** Gives a hash with a bit that is wrong. */
const lie: HashGiver["answer"] = (_, right) => {
  if (right.type !== "hashes") return right;
  const hashes = right.hashes.slice();
  hashes[0]! ^= 1;
  return { ...right, hashes };
};

const reject: HashGiver["answer"] = (range) => ({
  ...range,
  type: "hash_reject",
});

Deno.test("Torrent gets the piece layers first that it came without", async () => {
  const asked: HashRange[] = [];
  const behaviour = givesHashes(BARE, {
    onAsked: (range) => asked.push(range),
  });
  await using crowd = new Crowd(BARE, [behaviour]);
  const { error, phases, stats } = await run(BARE, { peers: crowd.endpoints });
  assertEquals(error, undefined);
  assertEquals(phases, ["finding", "checking", "downloading", "complete"]);
  assertEquals(
    asked.map(({ baseLayer, length }) => [baseLayer, length]),
    [[2, 32], [2, 4]],
  );
  assertEquals(stats.hashBytes, (21 + 3) * 32);
  assertEquals(stats.hashTotalBytes, (21 + 3) * 32);
});

Deno.test("Torrent gets the piece layers from who has them, and bans who lies", async () => {
  await using crowd = new Crowd(BARE, [
    givesHashes(BARE, { answer: lie }),
    givesHashes(BARE, { answer: reject }),
    givesHashes(BARE, { has: () => false }),
    givesHashes(BARE),
  ]);
  const { error, stats, events } = await run(BARE, { peers: crowd.endpoints });
  assertEquals(error, undefined);
  assert(stats.banned <= 1);
  const banned = events.flatMap((event) =>
    event.type === "peer_banned" ? [event.peer.split(":")[0]] : []
  );
  assertEquals(banned, stats.banned === 1 ? ["127.0.0.2"] : []);
});

Deno.test("Torrent bans who gives piece layers that are wrong", async () => {
  await using crowd = new Crowd(BARE, [givesHashes(BARE, { answer: lie })]);
  const stop = new AbortController();
  const { stats } = await run(BARE, {
    peers: crowd.endpoints,
    signal: stop.signal,
    onEvent: ({ type }) => type === "peer_banned" && stop.abort(),
  });
  assertEquals(stats.banned, 1);
  assertEquals(stats.hashBytes, 0);
});

Deno.test("Torrent gives up when nobody has the piece layers", async () => {
  await using crowd = new Crowd(BARE, [givesHashes(BARE, { answer: reject })]);
  const { error } = await run(BARE, {
    peers: crowd.endpoints,
    stallTimeoutMs: 700,
  });
  assertInstanceOf(error, GaveUpError);
  assertEquals(error.reason, "stalled");
  assertMatch(error.message, /without piece hashes: none of the .* sends them/);
});

Deno.test("Torrent lets who floods it with hashes go, and finishes", async () => {
  // Nobody asks for so little of a proof.
  const range: HashRange = {
    piecesRoot: BARE.metainfo.files[0]!.piecesRoot!,
    baseLayer: 2,
    index: 0,
    length: 32,
    proofLayers: 3,
  };
  const hashes = hashesOf(BARE, range);
  const flood = givesHashes(BARE, {
    answer: () => undefined,
    onMessage: async (message, connection) => {
      if (message.type !== "hash_request") return;
      const answers = Array.from(
        { length: 200 },
        (): Message => ({ type: "hashes", ...range, hashes }),
      );
      await connection.send(...answers);
    },
  });
  await using crowd = new Crowd(BARE, [flood, givesHashes(BARE)]);
  let ours: Endpoint | undefined;
  const { error, stats, events } = await run(BARE, {
    peers: crowd.endpoints.slice(0, 1),
    onListening: (endpoint) => ours = endpoint,
    onEvent: ({ type }) => {
      if (type === "peer_disconnected" && crowd.peers[1]!.liveCount === 0) {
        crowd.peers[1]!.connectTo(ours!);
      }
    },
  });
  assertEquals(error, undefined);
  assertEquals(stats.banned, 0);
  const gone = events.filter((event) => event.type === "peer_disconnected")
    .map(({ message }) => message);
  assert(gone.includes("The peer sends hashes that nobody asked for"));
});

Deno.test("Torrent of v2 is downloaded by links from a peer of our own", async (t) => {
  const links: [name: string, made: MadeTorrent, magnet: Magnet][] = [
    ["v2", WHOLE, linkTo(WHOLE, "v2")],
    ["a hybrid by v1", HYBRID, linkTo(HYBRID, "v1")],
    ["a hybrid by v2", HYBRID, linkTo(HYBRID, "v2")],
    ["a hybrid by both", HYBRID, linkTo(HYBRID, "both")],
  ];
  for (const [name, made, magnet] of links) {
    await t.step(name, async () => {
      await whileSeeding(made, {
        during: async ({ endpoint }) => {
          const { error, phases } = await run(made, {
            magnet,
            peers: [endpoint],
          });
          assertEquals(error, undefined);
          assertEquals(phases.slice(-3), [
            "checking",
            "downloading",
            "complete",
          ]);
        },
      });
    });
  }
});

Deno.test("Torrent found by a link is written with its piece layers", async (t) => {
  const links: [name: string, made: MadeTorrent, magnet: Magnet][] = [
    ["v2", WHOLE, linkTo(WHOLE, "v2")],
    ["hybrid", HYBRID, linkTo(HYBRID, "both")],
  ];
  for (const [name, made, magnet] of links) {
    await t.step(name, async () => {
      const metadata = made.metainfo.infoBytes;
      const offer = offersMetadata({ metadata });
      const hashes = givesHashes(made);
      await using crowd = new Crowd(made, [{
        ...offer,
        handshake: hashes.handshake!,
        onMessage: async (message, connection) => {
          await offer.onMessage!(message, connection);
          await hashes.onMessage!(message, connection);
        },
      }]);
      await using session = new Session({ listenPorts: [] });
      const torrent = session.add(magnet, {
        places: () => {
          throw new Error("nothing is written here");
        },
        trackers: [],
        peers: crowd.endpoints,
        maxPeers: 5,
        canRead: true,
        canWrite: true,
        mustCheckAll: false,
        mayOverwrite: false,
        isCheckOnly: false,
        isMetadataOnly: true,
      })!;
      await torrent.run({ signal: AbortSignal.timeout(30_000) });
      const written = parseMetainfo(encodeTorrent(torrent.metainfo!));
      assertEquals(written.infoBytes, metadata);
      assertEquals(
        new Map(written.pieceLayers),
        new Map(made.metainfo.pieceLayers),
      );
    });
  }
});

/**
 * Downloads from a liar, whose first block has a byte that is wrong, and from
 * others that come when it has lied.
 */
async function runWithLiar(
  made: MadeTorrent,
  { liar = {}, others }: { liar?: HashGiver; others: Behaviour[] },
): Promise<RunResult & { banned: string[] }> {
  let ours: Endpoint | undefined;
  let hasLied = false;
  const lies = givesHashes(made, {
    ...liar,
    serve: (block, right) => {
      if (hasLied) return liar.serve ? liar.serve(block, right) : right;
      hasLied = true;
      right[0]! ^= 1;
      for (const peer of crowd.peers.slice(1)) peer.connectTo(ours!);
      return right;
    },
  });
  await using crowd = new Crowd(made, [lies, ...others]);
  const result = await run(made, {
    peers: crowd.endpoints.slice(0, 1),
    onListening: (endpoint) => ours = endpoint,
  });
  assertEquals(result.error, undefined);
  const { hostname, port } = crowd.endpoints[0]!;
  const banned = result.events.flatMap((event) =>
    event.type === "peer_banned" ? [event.peer] : []
  );
  assertEquals(banned.includes(`${hostname}:${port}`), true);
  return { ...result, banned };
}

/** One piece of 64 blocks, so that the blocks of several are in it. */
const ONE_PIECE = makeForm({
  form: "v2",
  files: { a: 64 * BLOCK },
  pieceLength: 64 * BLOCK,
});

Deno.test("Torrent fetches bad blocks alone again, and bans who gave them", async (t) => {
  for (const made of [WHOLE, HYBRID]) {
    await t.step(made.metainfo.hasV1 ? "hybrid" : "v2", async () => {
      const { stats, banned } = await runWithLiar(made, {
        others: [givesHashes(made), givesHashes(made)],
      });
      assertEquals(stats.hashMismatches, 1);
      assertEquals(banned.length, 1);
    });
  }
});

Deno.test("Torrent loses no more than the bad block", async () => {
  const { stats, banned } = await runWithLiar(ONE_PIECE, {
    // All else comes from somebody else.
    liar: { serve: () => undefined, rejects: true },
    others: [givesHashes(ONE_PIECE)],
  });
  assertEquals(stats.hashMismatches, 1);
  assertEquals(stats.wastedBytes, BLOCK);
  assertEquals(banned.length, 1);
});

Deno.test("Torrent bans who lies about leaves too", async () => {
  const { stats, banned } = await runWithLiar(ONE_PIECE, {
    liar: { serve: () => undefined, rejects: true, answer: lie },
    others: [givesHashes(ONE_PIECE, { answer: lie }), givesHashes(ONE_PIECE)],
  });
  assertEquals(stats.hashMismatches, 1);
  assertEquals(stats.wastedBytes, BLOCK);
  assertEquals(new Set(banned).size, banned.length);
});

Deno.test("Torrent fetches the whole piece again when nobody gives its leaves", async () => {
  const { stats, banned } = await runWithLiar(ONE_PIECE, {
    liar: { serve: () => undefined, rejects: true, answer: reject },
    others: [givesHashes(ONE_PIECE, { answer: reject })],
  });
  assertEquals(stats.hashMismatches, 1);
  assertEquals(stats.wastedBytes, 64 * BLOCK);
  // What it gave is known when the piece is right.
  assertEquals(banned.length, 1);
});

Deno.test("Torrent answers those who ask for hashes, and no flood", async () => {
  await whileSeeding(WHOLE, {
    during: async ({ endpoint }) => {
      using peer = await ScriptedPeer.connect(WHOLE, { endpoint });
      const { piecesRoot } = WHOLE.metainfo.files[0]!;
      const layer: HashRange = {
        piecesRoot: piecesRoot!,
        baseLayer: 2,
        index: 0,
        length: 4,
        proofLayers: 4,
      };
      const leaves = { ...layer, baseLayer: 0, index: 16, proofLayers: 6 };
      for (const range of [layer, leaves]) {
        await peer.say({ type: "hash_request", ...range });
        const answer = await peer.hear("hashes", "hash_reject");
        const hashes = hashesOf(WHOLE, range);
        assertEquals(answer, { type: "hashes", ...range, hashes });
      }
      const none = { ...layer, piecesRoot: new Uint8Array(32) };
      await peer.say({ type: "hash_request", ...none });
      assertEquals(await peer.hear("hashes", "hash_reject"), {
        type: "hash_reject",
        ...none,
      });
      const count = 2000;
      const flood = Array.from(
        { length: count },
        (): Message => ({ type: "hash_request", ...leaves }),
      );
      await peer.say(...flood);
      let given = 0;
      for (let i = 0; i < count; i++) {
        const answer = await peer.hear("hashes", "hash_reject");
        if (answer?.type === "hashes") given++;
      }
      assertLess(given, 300);
      assertLess(0, given);
    },
  });
});

Deno.test("Torrent answers the upgrade of a hybrid torrent with its info hash of v2", async (t) => {
  const { infoHash, infoHashV2 } = HYBRID.metainfo;
  const v2 = infoHashV2!.slice(0, 20);
  const table: [
    what: string,
    supportsV2: boolean,
    said: Uint8Array,
    answered: Uint8Array,
  ][] = [
    ["v1", false, infoHash, infoHash],
    ["v1 and the upgrade", true, infoHash, v2],
    ["v2", false, v2, v2],
  ];
  await whileSeeding(HYBRID, {
    during: async ({ endpoint }) => {
      for (const [what, supportsV2, said, answered] of table) {
        await t.step(what, async () => {
          using peer = await ScriptedPeer.connect(HYBRID, {
            endpoint,
            infoHash: said,
            reserved: ourReserved({ supportsV2 }),
          });
          assertEquals(peer.theirs.infoHash, answered);
        });
      }
    },
  });
});
