import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Block, BLOCK_LENGTH } from "../../src/metainfo/layout.ts";
import { MAX_REQUESTS } from "../../src/torrent/upload.ts";
import type { Message } from "../../src/wire/message.ts";
import { FakePeer } from "../support/fake_peer.ts";
import { type MadeTorrent, makeTorrent } from "../support/make_torrent.ts";
import { ScriptedPeer } from "../support/scripted_peer.ts";
import { runTorrent } from "../support/run_torrent.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { type RunningSeed, whileSeeding } from "../support/while_seeding.ts";
import { join } from "@std/path";

const KIB = 1024;

/** A torrent of 12 pieces of two blocks; the last block is odd. */
const MADE = makeTorrent({ files: 12 * 32 * KIB - 5 });

const PLAIN = new Uint8Array(8);

function bytesOf({ payload, metainfo }: MadeTorrent, block: Block): Uint8Array {
  const offset = metainfo.layout.pieceOffset(block.index) + block.begin;
  return payload.subarray(offset, offset + block.length);
}

function request(block: Block): Message {
  return { type: "request", ...block };
}

/** A peer that has been unchoked. */
async function unchoked(
  made: MadeTorrent,
  { endpoint, reserved }: {
    endpoint: RunningSeed["endpoint"];
    reserved?: Uint8Array;
  },
): Promise<ScriptedPeer> {
  const peer = await ScriptedPeer.connect(
    made,
    reserved ? { endpoint, reserved } : { endpoint },
  );
  await peer.say({ type: "interested" });
  assert(await peer.hear("unchoke"));
  return peer;
}

Deno.test("Upload serves every block of a torrent, as it is asked for", async () => {
  const { layout } = MADE.metainfo;
  const { stats, error } = await whileSeeding(MADE, {
    during: async ({ endpoint }) => {
      using peer = await unchoked(MADE, { endpoint, reserved: PLAIN });
      const blocks: Block[] = [];
      for (let index = layout.pieceCount - 1; index >= 0; index--) {
        for (let i = 0; i < layout.blockCount(index); i++) {
          blocks.push(layout.block(index, i));
        }
      }
      // Some are not where a client would cut them.
      blocks.push({ index: 3, begin: 100, length: 200 });
      await peer.say(...blocks.map(request));
      for (const block of blocks) {
        const piece = await peer.hear("piece");
        assertEquals(piece?.index, block.index);
        assertEquals(piece?.begin, block.begin);
        assertEquals(piece?.block, bytesOf(MADE, block));
      }
    },
  });
  assertEquals(error, undefined);
  assertEquals(stats.sentBytes, layout.length + 200);
});

Deno.test("Upload refuses what it cannot or will not send", async (t) => {
  const whole = { index: 0, begin: 0, length: BLOCK_LENGTH };
  const refused: Record<string, Block> = {
    "a piece that is not there": { ...whole, index: 12 },
    "the greatest index": { ...whole, index: 0xffffffff },
    "more than the piece has": { ...whole, begin: BLOCK_LENGTH + 1 },
    "an end beyond 32 bits": { ...whole, begin: 0xffffffff },
    "more than the last piece has": {
      ...whole,
      index: 11,
      begin: BLOCK_LENGTH,
    },
    "nothing": { ...whole, length: 0 },
    "more than a block": { ...whole, length: BLOCK_LENGTH + 1 },
  };
  await whileSeeding(MADE, {
    during: async ({ endpoint }) => {
      for (const [name, block] of Object.entries(refused)) {
        await t.step(name, async () => {
          using fast = await unchoked(MADE, { endpoint });
          await fast.say(request(block), request(whole));
          assertEquals(await fast.hear("reject_request", "piece"), {
            type: "reject_request",
            ...block,
          });
          assertEquals((await fast.hear("piece"))?.begin, 0);

          // Without BEP 6 there is no word for it.
          using plain = await unchoked(MADE, { endpoint, reserved: PLAIN });
          await plain.say(request(block), request(whole));
          const answer = await plain.hear("reject_request", "piece");
          assertEquals(answer?.type, "piece");
          assertEquals(answer?.begin, 0);
        });
      }
    },
  });
});

Deno.test("Upload keeps only so many requests of a peer", async () => {
  const excess = 300;
  await whileSeeding(MADE, {
    during: async ({ endpoint }) => {
      using peer = await unchoked(MADE, { endpoint });
      const block = { index: 1, begin: 0, length: 1 };
      // In one go: nothing is sent before all have been read.
      const requests = Array.from(
        { length: MAX_REQUESTS + excess },
        () => request(block),
      );
      await peer.say(...requests);
      let sent = 0;
      let rejected = 0;
      while (sent + rejected < requests.length) {
        const answer = await peer.hear("piece", "reject_request");
        if (answer?.type === "piece") sent++;
        else rejected++;
      }
      assert(sent >= MAX_REQUESTS, `${sent} sent`);
      assert(rejected > 0, "nothing was rejected");
    },
  });
});

Deno.test("Upload sends nothing to who is choked but what is allowed fast", async () => {
  const { layout } = MADE.metainfo;
  const { stats } = await whileSeeding(MADE, {
    during: async ({ endpoint }) => {
      using peer = await ScriptedPeer.connect(MADE, { endpoint });
      const allowed = new Set<number>();
      while (allowed.size < 10) {
        allowed.add((await peer.hear("allowed_fast"))!.index);
      }
      for (let index = 0; index < layout.pieceCount; index++) {
        const block = layout.block(index, 0);
        await peer.say(request(block));
        const answer = await peer.hear("piece", "reject_request");
        assertEquals(
          answer?.type,
          allowed.has(index) ? "piece" : "reject_request",
        );
      }
      // As often as they are long, not for ever.
      const [index] = allowed;
      let bytes = 10 * BLOCK_LENGTH;
      while (true) {
        await peer.say(request(layout.block(index!, 0)));
        const answer = await peer.hear("piece", "reject_request");
        if (answer?.type !== "piece") break;
        bytes += answer.block.length;
        assert(bytes <= layout.length, "there is no end");
      }
    },
  });
  assertEquals(stats.served, 0);
});

Deno.test("Upload answers a cancelled request with a rejection, or with the piece", async () => {
  const { layout } = MADE.metainfo;
  await whileSeeding(MADE, {
    during: async ({ endpoint }) => {
      using peer = await unchoked(MADE, { endpoint });
      const blocks = Array.from(
        { length: 200 },
        (_, i) => layout.block(i % 11, i % 2),
      );
      const last = layout.block(11, 0);
      await peer.say(
        ...blocks.map(request),
        ...blocks.map((block): Message => ({ type: "cancel", ...block })),
        // Neither of these is known: they are ignored.
        { type: "cancel", ...last },
        { type: "cancel", index: 99, begin: 1, length: 2 },
        request(last),
      );
      let answers = 0;
      while (true) {
        const answer = await peer.hear("piece", "reject_request");
        if (answer?.index === last.index) break;
        answers++;
      }
      assertEquals(answers, blocks.length);
    },
  });
});

Deno.test("Upload never sends the bytes of a file that was changed", async (t) => {
  const changes: Record<string, (path: string) => void> = {
    "changed": (path) => Deno.writeTextFileSync(path, "x", { append: true }),
    "overwritten": (path) => {
      using file = Deno.openSync(path, { write: true });
      file.seekSync(5 * 32 * KIB + 9, Deno.SeekMode.Start);
      file.writeSync(new Uint8Array(10));
    },
    "cut": (path) => Deno.truncateSync(path, 5 * 32 * KIB + 1),
    "emptied": (path) => Deno.truncateSync(path, 0),
    "removed": (path) => Deno.removeSync(path),
    "replaced by a link": (path) => {
      Deno.renameSync(path, `${path}.old`);
      Deno.symlinkSync(`${path}.old`, path);
    },
    "replaced by a folder": (path) => {
      Deno.removeSync(path);
      Deno.mkdirSync(path);
    },
  };
  const block = MADE.metainfo.layout.block(5, 0);
  for (const [name, change] of Object.entries(changes)) {
    for (const isOpen of [false, true]) {
      const when = isOpen ? "after it was read" : "before it was read";
      await t.step(`${name} ${when}`, async () => {
        const { events, error } = await whileSeeding(MADE, {
          during: async ({ endpoint, folder }) => {
            using peer = await unchoked(MADE, { endpoint });
            if (isOpen) {
              await peer.say(request(MADE.metainfo.layout.block(4, 0)));
              assertEquals((await peer.hear("piece"))?.index, 4);
            }
            change(join(folder, "payload"));
            await peer.say(request(block));
            const answer = await peer.hear("piece", "reject_request");
            if (name === "changed") {
              assertEquals(answer?.type, "piece");
              if (answer?.type === "piece") {
                assertEquals(answer.block, bytesOf(MADE, block));
              }
            } else {
              assertEquals(answer, { type: "reject_request", ...block });
              // It is not offered again.
              using other = await ScriptedPeer.connect(MADE, {
                endpoint,
                reserved: PLAIN,
              });
              const { bitfield } = (await other.hear("bitfield"))!;
              assertEquals(bitfield[0]! & (0x80 >> 5), 0);
            }
          },
        });
        assertEquals(error, undefined);
        const lost = events.filter(({ type }) => type === "piece_lost");
        assertEquals(lost.length, name === "changed" ? 0 : 1);
      });
    }
  }
});

Deno.test("Upload lets a peer go that waits for a lost piece and cannot hear of it", async () => {
  await whileSeeding(MADE, {
    during: async ({ endpoint, folder }) => {
      using peer = await unchoked(MADE, { endpoint, reserved: PLAIN });
      await Deno.remove(join(folder, "payload"));
      const { layout } = MADE.metainfo;
      await peer.say(
        ...Array.from({ length: 40 }, () => request(layout.block(5, 0))),
      );
      await assertRejects(async () => {
        if (await peer.hear("piece") === undefined) throw new Error("closed");
      });
    },
  });
});

Deno.test("Upload serves no piece before it is verified", async () => {
  const { layout } = MADE.metainfo;
  // One piece comes, and of another one block.
  const late = layout.block(1, 1);
  await using seed = new FakePeer(MADE, {
    has: (index) => index < 2,
    serve: ({ index, begin }, right) =>
      index === late.index && begin === late.begin ? undefined : right,
  });
  using folder = new TempFolder();
  const stop = new AbortController();
  let endpoint: RunningSeed["endpoint"] | undefined;
  const isHad = Promise.withResolvers<void>();
  const running = runTorrent(MADE, {
    folder: folder.path,
    peers: [seed.endpoint],
    signal: stop.signal,
    onListening: (ours) => endpoint = ours,
    onEvent: (event) => {
      if (event.type === "piece") isHad.resolve();
    },
  });
  await isHad.promise;
  {
    using peer = await unchoked(MADE, { endpoint: endpoint! });
    const open = layout.block(1, 0);
    await peer.say(request(open), request(layout.block(0, 0)));
    assertEquals(await peer.hear("piece", "reject_request"), {
      type: "reject_request",
      ...open,
    });
    assertEquals((await peer.hear("piece", "reject_request"))?.type, "piece");
    await seed.connections[0]!.send({
      type: "piece",
      ...late,
      block: bytesOf(MADE, late),
    });
    assertEquals(await peer.hear("have"), { type: "have", index: 1 });
    await peer.say(request(open));
    assertEquals((await peer.hear("piece", "reject_request"))?.type, "piece");
  }
  stop.abort();
  await running;
});
