import { assert, assertEquals, assertLess } from "@std/assert";
import { BLOCK_LENGTH } from "../../src/metainfo/layout.ts";
import { MAX_REQUESTS } from "../../src/torrent/upload.ts";
import type { Message } from "../../src/wire/message.ts";
import { makeTorrent } from "../support/make_torrent.ts";
import { runTorrent } from "../support/run_torrent.ts";
import { ScriptedPeer } from "../support/scripted_peer.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { type RunningSeed, whileSeeding } from "../support/while_seeding.ts";

const KIB = 1024;
const MIB = KIB * KIB;

const MADE = makeTorrent({ pieceLength: 64 * KIB, files: 40 * 64 * KIB - 5 });

const PLAIN = new Uint8Array(8);

/** What the system's own buffers of a connection hold at most. */
const SOCKET_BYTES = 12 * MIB;

function requests(count: number): Message[] {
  const block = { index: 1, begin: 0, length: BLOCK_LENGTH };
  return Array.from({ length: count }, () => ({ type: "request", ...block }));
}

async function served(
  { endpoint, reserved }: {
    endpoint: RunningSeed["endpoint"];
    reserved?: Uint8Array;
  },
): Promise<ScriptedPeer> {
  const peer = await ScriptedPeer.connect(MADE, {
    endpoint,
    ...reserved && { reserved },
  });
  await peer.say({ type: "interested" });
  await peer.hear("unchoke");
  return peer;
}

/** No file can be opened as long as this is kept. */
function withoutDescriptors(): Disposable {
  const { openSync } = Deno;
  Deno.openSync = () => {
    const message = "Too many open files (os error 24)";
    throw Object.assign(new Error(message), { code: "EMFILE" });
  };
  return { [Symbol.dispose]: () => void (Deno.openSync = openSync) };
}

/** An honest leecher beside the others. */
async function fetchAll(endpoint: RunningSeed["endpoint"]): Promise<void> {
  using folder = new TempFolder();
  const { error } = await runTorrent(MADE, {
    folder: folder.path,
    peers: [endpoint],
  });
  assertEquals(error, undefined);
}

Deno.test("Upload reads little for a peer that asks for much and takes nothing", async () => {
  const { stats } = await whileSeeding(MADE, {
    during: async ({ endpoint }) => {
      using greedy = await served({ endpoint });
      await greedy.say(...requests(MAX_REQUESTS));
      await fetchAll(endpoint);
    },
  });
  const toGreedy = stats.sentBytes - MADE.payload.length;
  assert(toGreedy > 0);
  assertLess(toGreedy, SOCKET_BYTES);
  assertLess(SOCKET_BYTES, MAX_REQUESTS * BLOCK_LENGTH / 2);
});

Deno.test("Upload bears a flood of requests", async (t) => {
  const flood = requests(50_000);
  const rounds = 4;
  await t.step("of one who hears nothing of it", async () => {
    await whileSeeding(MADE, {
      during: async ({ endpoint }) => {
        using peer = await served({ endpoint, reserved: PLAIN });
        for (let round = 0; round < rounds; round++) await peer.say(...flood);
        await fetchAll(endpoint);
      },
    });
  });
  await t.step("of one who does not read that it is refused", async () => {
    await whileSeeding(MADE, {
      during: async ({ endpoint }) => {
        using peer = await served({ endpoint });
        try {
          while (true) await peer.say(...flood);
        } catch (error) {
          // Its answers would fill our memory.
          assert(
            error instanceof Deno.errors.BrokenPipe ||
              error instanceof Deno.errors.ConnectionReset,
          );
        }
        await fetchAll(endpoint);
      },
    });
  });
});

Deno.test("Upload loses no piece when there is no descriptor left to read it", async () => {
  const [request] = requests(1);
  const { error, events } = await whileSeeding(MADE, {
    during: async ({ endpoint }) => {
      using peer = await served({ endpoint });
      const answer = async () => {
        await peer.say(request!);
        return (await peer.hear("piece", "reject_request"))?.type;
      };
      {
        using _none = withoutDescriptors();
        assertEquals(await answer(), "reject_request");
      }
      assertEquals(await answer(), "piece");
    },
  });
  assertEquals(error, undefined);
  assert(!events.some(({ type }) => type === "piece_lost"));
});
