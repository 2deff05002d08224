import { assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import type { Endpoint } from "../../src/bytes/endpoint.ts";
import { StorageError } from "../../src/errors.ts";
import { decodeExtensionHandshake } from "../../src/wire/extension_handshake.ts";
import { ourReserved } from "../../src/wire/handshake.ts";
import { FakePeer } from "../support/fake_peer.ts";
import {
  checkPayload,
  makeTorrent,
  writePayload,
} from "../support/make_torrent.ts";
import { runTorrent } from "../support/run_torrent.ts";
import { ScriptedPeer } from "../support/scripted_peer.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { whileSeeding } from "../support/while_seeding.ts";
import { join } from "@std/path";

const KIB = 1024;

const FILES = {
  "a": 100 * KIB + 1,
  "b/empty": 0,
  "b/c": 1,
  "b/d": 32 * KIB,
  "e": 300 * KIB - 7,
};

Deno.test("Torrent gives its files to another, and ends when enough was given", async (t) => {
  for (const files of [20 * KIB, 500_001, FILES]) {
    const made = makeTorrent({ files });
    const name = typeof files === "number" ? `${files} bytes` : "many files";
    await t.step(name, async () => {
      using target = new TempFolder();
      using source = new TempFolder();
      writePayload(made, source.path);
      let phases = "";
      const seed = await new Promise<ReturnType<typeof runTorrent>>(
        (resolve) => {
          const running = runTorrent(made, {
            folder: source.path,
            seeding: { ratio: 1 },
            onListening: (endpoint) => {
              resolve((async () => {
                const leech = await runTorrent(made, {
                  folder: target.path,
                  peers: [endpoint],
                });
                assertEquals(leech.error, undefined);
                return await running;
              })());
            },
            onEvent: (event) => {
              if (event.type === "phase") phases += `${event.phase} `;
            },
          });
        },
      );
      checkPayload(made, target.path);
      assertEquals(seed.error, undefined);
      assertEquals(seed.stats.sentBytes, made.metainfo.layout.length);
      assertEquals(phases, "checking complete seeding stopped ");
    });
  }
});

Deno.test("Torrent serves what it has while it downloads", async () => {
  const made = makeTorrent({ files: 64 * 32 * KIB });
  using near = new TempFolder();
  using far = new TempFolder();
  // The one who knows the seed gets half of it, and then no more for a while.
  const isHalfway = Promise.withResolvers<void>();
  let served = 0;
  await using seed = new FakePeer(made, {
    serve: async (_, right) => {
      if (++served > 64) await isHalfway.promise;
      return right;
    },
  });
  let other: Promise<void> | undefined;
  const leech = async (endpoint: Endpoint) => {
    const { stats, error } = await runTorrent(made, {
      folder: far.path,
      peers: [endpoint],
      onEvent: (_, { verifiedPieces }) => {
        if (verifiedPieces >= 16) isHalfway.resolve();
      },
    });
    assertEquals(error, undefined);
    assertEquals(stats.receivedBytes, made.payload.length);
  };
  let endpoint: Endpoint | undefined;
  const { error } = await runTorrent(made, {
    folder: near.path,
    peers: [seed.endpoint],
    onListening: (ours) => endpoint = ours,
    onEvent: (event) => {
      if (event.type === "phase" && event.phase === "downloading") {
        other = leech(endpoint!);
      }
    },
    seeding: { ratio: 1 },
  });
  assertEquals(error, undefined);
  await other;
  checkPayload(made, near.path);
  checkPayload(made, far.path);
});

Deno.test("Torrent stops seeding after its time, and that is no error", async () => {
  const made = makeTorrent({ files: 1000 });
  using folder = new TempFolder();
  writePayload(made, folder.path);
  const { error, stats } = await runTorrent(made, {
    folder: folder.path,
    seeding: { timeMs: 20 },
  });
  assertEquals(error, undefined);
  assertEquals(stats.verifiedPieces, 1);
});

Deno.test("Torrent seeds from a disk that may only be read", async () => {
  const made = makeTorrent({ files: FILES });
  using folder = new TempFolder();
  writePayload(made, folder.path);
  const seedOnly = {
    folder: folder.path,
    canWrite: false,
    seeding: { timeMs: 1 },
  };
  const whole = await runTorrent(made, seedOnly);
  assertEquals(whole.error, undefined);
  const entries = await Array.fromAsync(Deno.readDir(folder.path));
  assertEquals(entries.map(({ name }) => name), ["payload"]);

  await Deno.truncate(join(folder.path, "payload", "e"), 5);
  const { error, stats } = await runTorrent(made, seedOnly);
  assertInstanceOf(error, StorageError);
  assertEquals(error.problem, "denied");
  assertMatch(error.message, /^\d+ of 14 pieces are missing.*--allow-write=/);
  assertEquals(stats.phase, "stopped");
});

Deno.test("Torrent says that it has everything, and that it wants nothing", async () => {
  const made = makeTorrent({ files: 9 * 32 * KIB });
  await whileSeeding(made, {
    during: async ({ endpoint }) => {
      using fast = await ScriptedPeer.connect(made, { endpoint });
      assertEquals(await fast.hear("have_all", "bitfield", "extended"), {
        type: "have_all",
      });
      const extended = await fast.hear("extended");
      assertEquals(extended?.id, 0);
      const { v, p, reqq, uploadOnly, yourip } = decodeExtensionHandshake(
        extended!.payload,
      );
      assertEquals({ v, p, reqq, uploadOnly, yourip }, {
        v: "btget/0.1.0",
        p: endpoint.port,
        reqq: 2000,
        uploadOnly: true,
        yourip: Uint8Array.of(127, 0, 0, 1),
      });

      using plain = await ScriptedPeer.connect(made, {
        endpoint,
        reserved: new Uint8Array(8),
      });
      assertEquals(await plain.hear("have_all", "bitfield", "extended"), {
        type: "bitfield",
        bitfield: Uint8Array.of(0xff, 0x80),
      });
    },
  });
});

Deno.test("Torrent lets a peer go that wants nothing either", async (t) => {
  const made = makeTorrent({ files: 9 * 32 * KIB });
  await whileSeeding(made, {
    during: async ({ endpoint }) => {
      await t.step("it has every piece", async () => {
        using peer = await ScriptedPeer.connect(made, { endpoint });
        await peer.say({ type: "have_all" });
        assertEquals(await peer.hear("unchoke"), undefined);
      });
      await t.step("it has them one by one", async () => {
        using peer = await ScriptedPeer.connect(made, { endpoint });
        for (let index = 0; index < 9; index++) {
          await peer.say({ type: "have", index });
        }
        assertEquals(await peer.hear("unchoke"), undefined);
      });
      await t.step("it says so", async () => {
        using peer = await ScriptedPeer.connect(made, { endpoint });
        const payload = new TextEncoder().encode("d1:mde11:upload_onlyi1ee");
        await peer.say({ type: "extended", id: 0, payload });
        assertEquals(await peer.hear("unchoke"), undefined);
      });
    },
  });
});

Deno.test("Torrent keeps one of two connections to the same peer", async () => {
  const made = makeTorrent({ files: 9 * 32 * KIB });
  let most = 0;
  await whileSeeding(made, {
    onEvent: (_, { peers }) => most = Math.max(most, peers),
    during: async ({ endpoint }) => {
      const peerId = new Uint8Array(20).fill(9);
      using first = await ScriptedPeer.connect(made, { endpoint, peerId });
      await first.say({ type: "interested" });
      await first.hear("unchoke");
      using second = await ScriptedPeer.connect(made, { endpoint, peerId });
      assertEquals(await second.hear("unchoke", "have_all"), undefined);
    },
  });
  assertEquals(most, 1);
});

Deno.test("Torrent bears messages of BEP 6 only from who has agreed on it", async () => {
  const made = makeTorrent({ files: 9 * 32 * KIB });
  const messages = [
    { type: "have_all" },
    { type: "have_none" },
    { type: "suggest_piece", index: 0 },
    { type: "allowed_fast", index: 0 },
    { type: "reject_request", index: 0, begin: 0, length: 1 },
  ] as const;
  await whileSeeding(made, {
    during: async ({ endpoint }) => {
      for (const message of messages) {
        const reserved = ourReserved();
        reserved[7] = 0;
        using peer = await ScriptedPeer.connect(made, { endpoint, reserved });
        await peer.say(message, { type: "interested" });
        assertEquals(await peer.hear("unchoke"), undefined, message.type);
      }
    },
  });
});
