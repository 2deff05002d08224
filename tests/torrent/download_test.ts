import {
  assert,
  assertEquals,
  assertGreater,
  assertInstanceOf,
  assertLess,
  assertLessOrEqual,
} from "@std/assert";
import { delay } from "@std/async/delay";
import { type Endpoint, formatEndpoint } from "../../src/bytes/endpoint.ts";
import { GaveUpError } from "../../src/errors.ts";
import type { MadeTorrent } from "../support/make_torrent.ts";
import { checkPayload, makeTorrent } from "../support/make_torrent.ts";
import { type Behaviour, FakePeer } from "../support/fake_peer.ts";
import { runTorrent } from "../support/run_torrent.ts";
import { seededRandom } from "../support/seeded_random.ts";
import { TempFolder } from "../support/temp_folder.ts";

const KIB = 1024;

/** Slow enough that nobody has done everything before the others have come. */
const unhurried: Behaviour = {
  serve: async (_, right) => {
    await delay(1);
    return right;
  },
};

/** A download from peers that behave so; they are gone when it returns. */
async function downloadFrom(made: MadeTorrent, behaviours: Behaviour[]) {
  using folder = new TempFolder();
  await using stack = new AsyncDisposableStack();
  const peers = behaviours.map((behaviour) =>
    stack.use(new FakePeer(made, behaviour))
  );
  const result = await runTorrent(made, {
    folder: folder.path,
    peers: peers.map((peer) => peer.endpoint),
    stallTimeoutMs: 30_000,
  });
  if (!result.error) checkPayload(made, folder.path);
  return { ...result, peers };
}

Deno.test("Torrent downloads layouts of every shape", async (t) => {
  const layouts: [name: string, made: MadeTorrent][] = [
    ["a single file", makeTorrent({ files: 300 * KIB })],
    ["a single byte", makeTorrent({ files: 1 })],
    ["an odd last block", makeTorrent({ files: 100 * KIB + 1 })],
    [
      "a piece smaller than a block",
      makeTorrent({
        pieceLength: 1000,
        files: 10_500,
      }),
    ],
    [
      "a piece length that is no multiple of a block",
      makeTorrent({
        pieceLength: 20_000,
        files: 90_001,
      }),
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
    [
      "many tiny files in one piece",
      makeTorrent({
        files: Object.fromEntries(
          Array.from({ length: 200 }, (_, i) => [`d${i % 7}/f${i}`, i]),
        ),
      }),
    ],
  ];
  for (const [name, made] of layouts) {
    await t.step(name, async () => {
      const { stats, error } = await downloadFrom(made, [{}]);
      assertEquals(error, undefined);
      assertEquals(stats.phase, "complete");
      assertEquals(stats.verifiedBytes, made.payload.length);
      assertEquals(stats.wastedBytes, 0);
    });
  }
});

Deno.test("Torrent creates empty files of a torrent without bytes", async () => {
  using folder = new TempFolder();
  const made = makeTorrent({ files: { "a": 0, "b/c": 0 } });
  const { stats, error } = await runTorrent(made, { folder: folder.path });
  assertEquals(error, undefined);
  assertEquals(stats.phase, "complete");
  checkPayload(made, folder.path);
});

Deno.test("Torrent shares the work between peers that have parts", async () => {
  const made = makeTorrent({ files: 40 * 32 * KIB });
  const { error, stats, peers } = await downloadFrom(made, [
    { has: (index) => index % 2 === 0 },
    { has: (index) => index % 2 === 1 },
    { has: (index) => index < 20 },
  ]);
  assertEquals(error, undefined);
  assertEquals(stats.wastedBytes, 0);
  for (const peer of peers.slice(0, 2)) assertGreater(peer.sentBytes, 0);
});

Deno.test("Torrent learns of pieces by haves and late bitfields", async (t) => {
  const made = makeTorrent({ files: 20 * 32 * KIB });
  await t.step("nothing first, then haves", async () => {
    const { error } = await downloadFrom(made, [{
      greeting: () =>
        Array.from({ length: 20 }, (_, index) => ({ type: "have", index })),
    }]);
    assertEquals(error, undefined);
  });
  await t.step("a second bitfield in mid-connection", async () => {
    let asked = 0;
    const half = new Uint8Array([0xff, 0xc0, 0x00]);
    const { error } = await downloadFrom(made, [{
      greeting: () => [{ type: "bitfield", bitfield: half }],
      onMessage: async (message, connection) => {
        if (message.type !== "request" || ++asked !== 15) return;
        const bitfield = new Uint8Array([0xff, 0xff, 0xf0]);
        await connection.send({ type: "bitfield", bitfield });
      },
    }]);
    assertEquals(error, undefined);
  });
});

Deno.test("Torrent bears a peer that sends what it was asked for before it choked", async () => {
  // libtorrent does so with what it has read from its disk already.
  const made = makeTorrent({ files: 100 * 32 * KIB });
  let requests = 0;
  const { error, stats } = await downloadFrom(made, [{
    ...unhurried,
    onMessage: async ({ type }, connection) => {
      if (type !== "request" || ++requests % 40 !== 0) return;
      await connection.send({ type: "choke" }, { type: "unchoke" });
    },
  }]);
  assertEquals(error, undefined);

  assertEquals(stats.banned, 0);
});

Deno.test("Torrent survives peers that dribble single bytes", async () => {
  const made = makeTorrent({ files: 3 * 32 * KIB });
  const { error } = await downloadFrom(made, [{ writeLength: 1 }]);
  assertEquals(error, undefined);
});

Deno.test("Torrent bans a liar among honest peers, and loses nobody else", async () => {
  const made = makeTorrent({ pieceLength: 64 * KIB, files: 16 * KIB * KIB });
  const { error, stats, events, peers } = await downloadFrom(made, [
    { serve: (_, right) => right.map((byte) => byte ^ 1) },
    unhurried,
    unhurried,
    unhurried,
    unhurried,
  ]);
  assertEquals(error, undefined);
  const [liar, ...honest] = peers.map(({ endpoint }) =>
    formatEndpoint(endpoint)
  );
  const gone = events.flatMap((event) =>
    event.type === "peer_disconnected" && event.message !== "Stopped"
      ? [event.peer]
      : []
  );
  assertEquals(gone, [liar]);
  for (const peer of honest) {
    assert(
      events.some((event) =>
        event.type === "peer_connected" && event.peer === peer
      ),
    );
  }
  assertEquals(stats.banned, 1);
  assertEquals(events.filter(({ type }) => type === "peer_banned").length, 1);
  assertLess(stats.wastedBytes, made.payload.length * 0.05);
});

Deno.test("Torrent finds a liar who rarely lies", async () => {
  const made = makeTorrent({ pieceLength: 64 * KIB, files: 8 * KIB * KIB });
  const random = seededRandom(7);
  const { error, stats } = await downloadFrom(made, [
    {
      serve: (_, right) =>
        random() < 0.02 ? right.map((byte) => byte ^ 1) : right,
    },
    {},
    {},
  ]);
  assertEquals(error, undefined);
  assertLessOrEqual(stats.banned, 1);
  assertLess(stats.wastedBytes, made.payload.length * 0.05);
});

Deno.test("Torrent finishes beside peers that are of no use", async (t) => {
  const made = makeTorrent({ files: 2 * KIB * KIB });
  const useless: [name: string, behaviour: Behaviour][] = [
    ["never unchokes", { unchokes: false }],
    ["unchokes and never sends", { serve: () => undefined }],
    ["says it has nothing", { has: () => false }],
    ["hangs up at the first request", {
      serve: (_, right) => right,
      onMessage: (message, connection) => {
        if (message.type === "request") connection.close();
      },
    }],
    ["chokes and unchokes all the time", {
      onMessage: async (message, connection) => {
        if (message.type !== "request") return;
        await connection.send({ type: "choke" }, { type: "unchoke" });
      },
    }],
    ["sends what nobody asked for", {
      onMessage: async (message, connection) => {
        if (message.type !== "request") return;
        const block = new Uint8Array(16 * KIB);
        const index = (message.index + 1) % 60;
        await connection.send({ type: "piece", index, begin: 0, block });
      },
    }],
    ["sends garbage", {
      onMessage: (message, connection) =>
        message.type === "interested" &&
        connection.write(new Uint8Array(5000).fill(0xee)),
    }],
    ["answers for another torrent", {
      handshake: (right) => right.with(30, right[30]! ^ 1),
    }],
    ["speaks another protocol", {
      handshake: () => new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"),
    }],
    ["claims a message of four gigabytes", {
      greeting: () => [],
      onMessage: (_, connection) =>
        connection.write(new Uint8Array([0xff, 0xff, 0xff, 0xff, 7])),
    }],
  ];
  for (const [name, behaviour] of useless) {
    await t.step(name, async () => {
      const { error, stats } = await downloadFrom(made, [behaviour, {}]);
      assertEquals(error, undefined);
      assertEquals(stats.verifiedPieces, stats.pieceCount);
    });
  }
});

Deno.test("Torrent takes the blocks of peers that connect to it", async () => {
  using folder = new TempFolder();
  const made = makeTorrent({ files: 500 * KIB });
  await using peer = new FakePeer(made);
  let us: Endpoint | undefined;
  const { error } = await runTorrent(made, {
    folder: folder.path,
    onListening: (endpoint) => us = endpoint,
    onEvent: (event) => {
      if (event.type === "phase" && event.phase === "downloading") {
        peer.connectTo(us!);
      }
    },
  });
  assertEquals(error, undefined);
  checkPayload(made, folder.path);
});

Deno.test("Torrent goes on where it stopped, and fetches nothing twice", async () => {
  using folder = new TempFolder();
  const made = makeTorrent({ files: 4 * KIB * KIB });
  await using peer = new FakePeer(made);
  const stop = new AbortController();
  const first = await runTorrent(made, {
    folder: folder.path,
    peers: [peer.endpoint],
    signal: stop.signal,
    onEvent: (event, stats) => {
      if (event.type === "piece" && stats.verifiedPieces >= 40) stop.abort();
    },
  });
  assertEquals(first.stats.phase, "stopped");
  const kept = first.stats.verifiedBytes;
  assertGreater(kept, 0);
  assertLess(kept, made.payload.length);

  const second = await runTorrent(made, {
    folder: folder.path,
    peers: [peer.endpoint],
  });
  assertEquals(second.error, undefined);
  assertEquals(second.stats.receivedBytes, made.payload.length - kept);
  assertEquals(second.stats.checkedBytes, 0);
  checkPayload(made, folder.path);
  const left = await Array.fromAsync(Deno.readDir(folder.path));
  assertEquals(left.map(({ name }) => name), [
    "payload",
  ]);
});

Deno.test("Torrent gives up when told to, and says why", async (t) => {
  const made = makeTorrent({ files: 100 * KIB });
  const attempt = async (behaviours: Behaviour[]) => {
    using folder = new TempFolder();
    await using stack = new AsyncDisposableStack();
    const peers = behaviours.map((behaviour) =>
      stack.use(new FakePeer(made, behaviour)).endpoint
    );
    const { error } = await runTorrent(made, {
      folder: folder.path,
      peers,
      stallTimeoutMs: 300,
    });
    assertInstanceOf(error, GaveUpError);
    return error.reason;
  };
  await t.step("nobody could be reached", async () => {
    assertEquals(await attempt([]), "unreachable");
  });
  await t.step("nobody serves us", async () => {
    assertEquals(await attempt([{ unchokes: false }]), "stalled");
  });
  await t.step("the only peer lies", async () => {
    const lie = { serve: (_: unknown, right: Uint8Array) => right.fill(0) };
    assertEquals(await attempt([lie]), "mismatch");
  });
});

Deno.test("Torrent holds little in memory whatever the piece length", async () => {
  const pieceLength = 16 * KIB * KIB;
  const made = makeTorrent({ pieceLength, files: 6 * pieceLength });
  let most = 0;
  using folder = new TempFolder();
  await using stack = new AsyncDisposableStack();
  const peers = Array.from(
    { length: 50 },
    () => stack.use(new FakePeer(made)).endpoint,
  );
  const { error } = await runTorrent(made, {
    folder: folder.path,
    peers,
    onEvent: (_, stats) => most = Math.max(most, stats.gatheringBytes),
  });
  assertEquals(error, undefined);
  assert(most <= 64 * KIB * KIB);
  checkPayload(made, folder.path);
});
