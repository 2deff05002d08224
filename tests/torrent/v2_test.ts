import type { Endpoint } from "../../src/bytes/endpoint.ts";
import { MetainfoError } from "../../src/errors.ts";
import type { TorrentForm } from "../../src/metainfo/create.ts";
import { type Block, BLOCK_LENGTH } from "../../src/metainfo/layout.ts";
import { FakePeer } from "../support/fake_peer.ts";
import { givesHashes } from "../support/gives_hashes.ts";
import { makeForm } from "../support/make_form.ts";
import {
  checkPayload,
  type MadeTorrent,
  writePayload,
} from "../support/make_torrent.ts";
import { runTorrent } from "../support/run_torrent.ts";
import { ScriptedPeer } from "../support/scripted_peer.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { whileSeeding } from "../support/while_seeding.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStringIncludes,
} from "@std/assert";

const KIB = 1024;
const PIECE = 64 * KIB;
const FORMS: readonly TorrentForm[] = ["v2", "hybrid"];

/** Around blocks and pieces, where pads and trees change their shape. */
const SHAPES: Record<string, Record<string, number>> = {
  "one file": { "": 3 * PIECE + 5 },
  "one file of a byte": { "": 1 },
  "one file of a piece": { "": PIECE },
  "files around a block": {
    "a": 16 * KIB - 1,
    "b": 16 * KIB,
    "c": 16 * KIB + 1,
  },
  "files around a piece": { "a": PIECE - 1, "b": PIECE, "c": PIECE + 1 },
  "empty files": { "a": 0, "b": 5, "c": 0, "d/e": 2 * PIECE, "f": 0 },
  "nothing but empty files": { "a": 0, "b/c": 0 },
};

function dataOf(made: MadeTorrent): number {
  return made.files.values().reduce((sum, { length }) => sum + length, 0);
}

/** The blocks of a torrent that hold data, as text. */
function blocksOf({ metainfo }: MadeTorrent): string[] {
  const { layout } = metainfo;
  const blocks: string[] = [];
  for (let index = 0; index < layout.pieceCount; index++) {
    const size = layout.dataSize(index);
    for (let begin = 0; begin < size; begin += BLOCK_LENGTH) {
      blocks.push(nameOf({
        index,
        begin,
        length: Math.min(BLOCK_LENGTH, size - begin),
      }));
    }
  }
  return blocks;
}

function nameOf({ index, begin, length }: Block): string {
  return `${index} ${begin} ${length}`;
}

for (const form of FORMS) {
  Deno.test(`Torrent downloads the data and no pads, ${form}`, async (t) => {
    for (const [name, files] of Object.entries(SHAPES)) {
      await t.step(name, async () => {
        using folder = new TempFolder();
        const made = makeForm({ form, files, pieceLength: PIECE });
        await using seed = new FakePeer(made);
        const { stats, error } = await runTorrent(made, {
          folder: folder.path,
          peers: [seed.endpoint],
        });
        assertEquals(error, undefined);
        assertEquals(stats.phase, "complete");
        checkPayload(made, folder.path);
        const total = dataOf(made);
        assertEquals(
          [stats.totalBytes, stats.verifiedBytes, stats.receivedBytes],
          [total, total, total],
        );
        const requests = seed.connections.flatMap(({ requests }) => requests);
        assertEquals(requests.map(nameOf).sort(), blocksOf(made).sort());
        // Pads are no files.
        const entries = await Array.fromAsync(Deno.readDir(folder.path));
        assertEquals(entries.map(({ name }) => name), ["payload"]);
      });
    }
  });

  Deno.test(`Torrent goes on with what is there, ${form}`, async () => {
    using folder = new TempFolder();
    const files = { a: 2 * PIECE + 1, b: 100, c: 5 * PIECE };
    const made = makeForm({ form, files, pieceLength: PIECE });
    writePayload(made, folder.path);
    // A byte of the second piece, and the whole of the last file.
    await Deno.remove(folder.join("payload/c"));
    const damaged = made.files.get("payload/a")!.slice();
    damaged[PIECE + 3]! ^= 1;
    await Deno.writeFile(folder.join("payload/a"), damaged);
    await using seed = new FakePeer(made);
    const { stats, error } = await runTorrent(made, {
      folder: folder.path,
      peers: [seed.endpoint],
    });
    assertEquals(error, undefined);
    checkPayload(made, folder.path);
    const pieces = new Set(
      seed.connections.flatMap(({ requests }) =>
        requests.map(({ index }) => index)
      ),
    );
    assertEquals([...pieces].sort(), [1, 4, 5, 6, 7, 8]);
    // What nobody has to read is not counted: the file that was not there.
    assertEquals(stats.bytesToCheck, 2 * PIECE + 101);
    assertEquals(stats.verifiedBytes, dataOf(made));
    // And from then on nothing is missing.
    const again = await runTorrent(made, {
      folder: folder.path,
      isCheckOnly: true,
      mustCheckAll: true,
    });
    assertEquals(again.stats.verifiedPieces, again.stats.pieceCount);
  });

  Deno.test(`Torrent asks again for a piece whose hash is wrong, ${form}`, async () => {
    using folder = new TempFolder();
    const files = { a: PIECE + 20_000, b: 7 };
    const made = makeForm({ form, files, pieceLength: PIECE });
    let lies = 0;
    // Whoever lies is banned with its address.
    await using liar = new FakePeer(
      made,
      givesHashes(made, {
        hostname: "127.0.0.2",
        serve: ({ index, begin }, right) => {
          if (index === 1 && begin === 0 && lies++ === 0) right[0]! ^= 1;
          return right;
        },
      }),
    );
    await using honest = new FakePeer(made, givesHashes(made));
    let ours: Endpoint | undefined;
    const { stats, error } = await runTorrent(made, {
      folder: folder.path,
      peers: [liar.endpoint],
      onListening: (endpoint) => ours = endpoint,
      onEvent: ({ type }) => {
        if (type === "hash_mismatch") honest.connectTo(ours!);
      },
    });
    assertEquals(error, undefined);
    assertEquals([stats.hashMismatches, stats.banned], [1, 1]);
    checkPayload(made, folder.path);
  });
}

// libtorrent 2.0 asks for whole blocks in torrents for v2 alone.
Deno.test("Torrent serves pads for v1, and for v2 to the end of a block", async (t) => {
  const files = { a: 20_000, b: 1 };
  const blocks: [name: string, block: Block, forms: string][] = [
    ["the last data", { index: 0, begin: 16_384, length: 3616 }, "v2 hybrid"],
    [
      "data and a pad",
      { index: 0, begin: 16_384, length: 16_384 },
      "v2 hybrid",
    ],
    ["a byte of a pad", { index: 0, begin: 20_000, length: 1 }, "v2 hybrid"],
    ["a block of a pad", { index: 0, begin: 49_152, length: 16_384 }, "hybrid"],
    ["the end of all", { index: 1, begin: 0, length: 16_384 }, "v2 hybrid"],
    ["behind the end of all", { index: 1, begin: 5, length: 9 }, "v2 hybrid"],
    ["what is beyond", { index: 1, begin: 65_535, length: 2 }, ""],
  ];
  for (const form of FORMS) {
    const made = makeForm({ form, files, pieceLength: PIECE });
    const { layout } = made.metainfo;
    await whileSeeding(made, {
      during: async ({ endpoint }) => {
        for (const [name, block, forms] of blocks) {
          await t.step(`${name}, ${form}`, async () => {
            using peer = await ScriptedPeer.connect(made, { endpoint });
            await peer.say({ type: "interested" });
            assert(await peer.hear("unchoke"));
            await peer.say({ type: "request", ...block });
            const answer = await peer.hear("piece", "reject_request");
            const isServed = forms.split(" ").includes(form);
            assertEquals(
              answer?.type,
              isServed ? "piece" : "reject_request",
            );
            if (answer?.type !== "piece") return;
            const begin = layout.pieceOffset(block.index) + block.begin;
            const bytes = made.payload.subarray(begin, begin + block.length);
            const expected = new Uint8Array(block.length);
            expected.set(bytes);
            assertEquals(answer.block, expected);
          });
        }
      },
    });
  }
});

Deno.test("Torrent stops when it contradicts itself, and blames nobody", async (t) => {
  const made = makeForm({
    form: "hybrid",
    files: { a: 3 * PIECE, b: 5 },
    pieceLength: PIECE,
    contradictoryPiece: 2,
  });
  const check = (error: unknown) => {
    assertInstanceOf(error, MetainfoError);
    assertStringIncludes(error.message, "piece 2");
  };
  await t.step("by what comes", async () => {
    using folder = new TempFolder();
    await using seed = new FakePeer(made);
    const { error, stats } = await runTorrent(made, {
      folder: folder.path,
      peers: [seed.endpoint],
    });
    check(error);
    assertEquals([stats.banned, stats.hashMismatches], [0, 0]);
  });
  await t.step("by what is there", async () => {
    using folder = new TempFolder();
    writePayload(made, folder.path);
    check((await runTorrent(made, { folder: folder.path })).error);
  });
});
