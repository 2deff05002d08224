import { assert, assertEquals, assertLess } from "@std/assert";
import { FileTrees } from "../../src/metainfo/file_trees.ts";
import { leavesOf } from "../../src/metainfo/merkle.ts";
import { PieceHashes } from "../../src/metainfo/piece_hashes.ts";
import { HashServer } from "../../src/torrent/hash_server.ts";
import type { HashRange } from "../../src/wire/hash_range.ts";
import type { Message } from "../../src/wire/message.ts";
import { hashesOf } from "../support/hashes_of.ts";
import { makeForm } from "../support/make_form.ts";
import type { MadeTorrent } from "../support/make_torrent.ts";
import { seededRandom } from "../support/seeded_random.ts";
import { setImmediate } from "node:timers";

const KIB = 1024;

/** Files of 5 pieces, of 2 blocks, of one block, and of 2 pieces. */
const MADE = makeForm({
  form: "v2",
  files: { a: 300 * KIB, b: 20 * KIB, c: 10, d: 100 * KIB },
  pieceLength: 64 * KIB,
});

type Answer = Extract<Message, { type: "hashes" | "hash_reject" }>;

/** A server, and what it has sent. */
class Stage {
  readonly server: HashServer<object>;
  readonly answers: Answer[] = [];
  readonly read: number[] = [];
  has = (_: number): boolean => true;
  hasLayers = true;
  sentBytes = 0;

  constructor(made: MadeTorrent) {
    const { layout, files } = made.metainfo;
    const hashes = PieceHashes.of(made.metainfo);
    this.server = new HashServer({
      trees: new FileTrees(layout, files),
      layerOf: (file) => this.hasLayers ? hashes.layerOf(file) : undefined,
      has: (index) => this.has(index),
      readLeaves: (index) => {
        this.read.push(index);
        const begin = layout.pieceOffset(index);
        const end = begin + layout.dataSize(index);
        return Promise.resolve(leavesOf(made.payload.subarray(begin, end)));
      },
      sentTo: () => this.sentBytes,
      send: (_, message) => void this.answers.push(message as Answer),
    });
  }

  /** Asks, and takes what comes. */
  async ask(range: HashRange, peer: object = this): Promise<Answer> {
    this.server.request(peer, range);
    this.server.serve(peer);
    while (this.answers.length === 0) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    const answer = this.answers.pop()!;
    // Only then the next one is made.
    await Promise.resolve();
    return answer;
  }
}

function rangeOf(made: MadeTorrent, file: number): HashRange {
  const real = made.metainfo.files.filter(({ kind }) => kind === "file");
  const { piecesRoot } = real[file]!;
  return {
    piecesRoot: piecesRoot!,
    baseLayer: 0,
    index: 0,
    length: 2,
    proofLayers: 0,
  };
}

/** Every range of a tree that BEP 52 allows, and those of one hash. */
function* rangesOf(
  made: MadeTorrent,
  { file, height, base }: { file: number; height: number; base: number },
): Generator<HashRange> {
  const width = 2 ** (height - base);
  for (let length = 1; length <= width; length *= 2) {
    for (let index = 0; index < width; index += length) {
      for (let proof = 0; proof < height - base; proof++) {
        yield {
          ...rangeOf(made, file),
          baseLayer: base,
          index,
          length,
          proofLayers: proof,
        };
      }
    }
  }
}

Deno.test("HashServer gives any part of piece layers and leaves, with its proof", async (t) => {
  const trees = [
    { file: 0, height: 5, base: 2 },
    { file: 0, height: 5, base: 0 },
    { file: 1, height: 1, base: 0 },
    { file: 3, height: 3, base: 2 },
    { file: 3, height: 3, base: 0 },
  ];
  for (const form of ["v2", "hybrid"] as const) {
    const made = makeForm({
      form,
      files: { a: 300 * KIB, b: 20 * KIB, c: 10, d: 100 * KIB },
      pieceLength: 64 * KIB,
    });
    for (const tree of trees) {
      await t.step(`${form}: ${JSON.stringify(tree)}`, async () => {
        const stage = new Stage(made);
        let served = 0;
        for (const range of rangesOf(made, tree)) {
          const answer = await stage.ask(range, {});
          const name = JSON.stringify({ ...range, piecesRoot: "" });
          if (tree.base === 0 && range.index >= leafCount(made, tree.file)) {
            // Nothing of it is of the file.
            if (answer.type === "hash_reject") continue;
          }
          const hashes = hashesOf(made, range);
          assertEquals(answer, { type: "hashes", ...range, hashes }, name);
          served++;
        }
        assert(served > 0);
      });
    }
  }
});

function leafCount(made: MadeTorrent, file: number): number {
  const real = made.metainfo.files.filter(({ kind }) => kind === "file");
  return Math.ceil(real[file]!.length / (16 * KIB));
}

Deno.test("HashServer rejects what no tree has", async (t) => {
  const good: HashRange = {
    ...rangeOf(MADE, 0),
    baseLayer: 2,
    length: 4,
    proofLayers: 2,
  };
  const table: Record<string, Partial<HashRange>> = {
    "an unknown root": { piecesRoot: new Uint8Array(32) },
    "the root of a file of one block": {
      ...rangeOf(MADE, 2),
    },
    "a layer between blocks and pieces": { baseLayer: 1, proofLayers: 0 },
    "a layer above pieces": { baseLayer: 3, length: 2, proofLayers: 0 },
    "a layer beyond the root": { baseLayer: 2 ** 32 - 1 },
    "no hash": { length: 0 },
    "three hashes": { length: 3 },
    "more than the tree is wide": { length: 16 },
    "more than anybody has": { length: 2 ** 31 },
    "a range that begins beyond the tree": { index: 8 },
    "a range that does not begin at a multiple of its length": { index: 2 },
    "a proof of the root": { proofLayers: 3 },
    "a proof beyond the root": { proofLayers: 2 ** 32 - 1 },
  };
  const stage = new Stage(MADE);
  assertEquals((await stage.ask(good)).type, "hashes");
  for (const [what, change] of Object.entries(table)) {
    await t.step(what, async () => {
      const range = { ...good, ...change };
      assertEquals(await stage.ask(range), { type: "hash_reject", ...range });
    });
  }
});

Deno.test("HashServer rejects what is not here", async (t) => {
  const layer = { ...rangeOf(MADE, 0), baseLayer: 2, proofLayers: 2 };
  const leaves = { ...rangeOf(MADE, 0), index: 4, proofLayers: 0 };
  await t.step("a layer", async () => {
    const stage = new Stage(MADE);
    stage.hasLayers = false;
    assertEquals((await stage.ask(layer)).type, "hash_reject");
  });
  await t.step("leaves of a piece", async () => {
    const stage = new Stage(MADE);
    stage.has = (index) => index !== 1;
    assertEquals((await stage.ask(leaves)).type, "hash_reject");
    assertEquals((await stage.ask({ ...leaves, index: 8 })).type, "hashes");
    const both = { ...leaves, index: 0, length: 8 };
    assertEquals((await stage.ask(both)).type, "hash_reject");
  });
});

Deno.test("HashServer makes one answer at a time for a peer, and rejects a flood", async () => {
  const stage = new Stage(MADE);
  const peer = {};
  const range = { ...rangeOf(MADE, 0), baseLayer: 2, proofLayers: 2 };
  for (let i = 0; i < 1000; i++) stage.server.request(peer, range);
  assertEquals(stage.answers.length, 1000 - 64);
  for (let i = 0; i < 10; i++) stage.server.serve(peer);
  await stage.server.settled();
  assertEquals(stage.answers.length, 1000 - 64 + 1);
});

Deno.test("HashServer gives a peer all layers a few times, and no more", async () => {
  const stage = new Stage(MADE);
  const range = { ...rangeOf(MADE, 0), baseLayer: 2, length: 8 };
  const count = async () => {
    let given = 0;
    while ((await stage.ask(range)).type === "hashes") given++;
    return given;
  };
  const given = await count();
  // 3 × 9 nodes and 64 × 512, by 8.
  assertEquals(given, Math.floor((3 * 9 + 64 * 512) / 8));
  assertEquals((await stage.ask(range, {})).type, "hashes");
});

Deno.test("HashServer reads no more for a peer than it has taken, and a little", async () => {
  const stage = new Stage(MADE);
  const range = { ...rangeOf(MADE, 0), length: 4 };
  const peer = {};
  while ((await stage.ask(range, peer)).type === "hashes");
  assertEquals(stage.read.length, 16 * 1024 / 64);
  stage.sentBytes += 10 * 64 * KIB;
  while ((await stage.ask(range, peer)).type === "hashes");
  assertEquals(stage.read.length, 16 * 1024 / 64 + 10);
});

Deno.test("HashServer says nothing to who has gone", async () => {
  const stage = new Stage(MADE);
  const peer = {};
  stage.server.request(peer, { ...rangeOf(MADE, 0), length: 4 });
  stage.server.serve(peer);
  stage.server.leave(peer);
  await stage.server.settled();
  assertEquals(stage.answers, []);
});

/**
 * Whatever is asked for, the answer is a reject, or hashes that are as many as
 * the range says; and nothing is thrown.
 */
Deno.test("HashServer answers anything", async () => {
  const random = seededRandom(7);
  const draw = (numbers: number[]) =>
    numbers[Math.floor(random() * numbers.length)]!;
  const stage = new Stage(MADE);
  let given = 0;
  for (let i = 0; i < 20_000; i++) {
    const range = {
      ...rangeOf(MADE, draw([0, 0, 1, 2, 3])),
      baseLayer: draw([0, 0, 1, 2, 2, 3, 2 ** 32 - 1]),
      index: draw([0, 0, 0, 2, 4, 8, 16, 31, 2 ** 31]),
      length: draw([0, 1, 2, 4, 8, 16, 32, 64, 3, 512, 2 ** 31]),
      proofLayers: draw([0, 0, 1, 2, 3, 4, 5, 2 ** 32 - 1]),
    };
    const answer = await stage.ask(range, {});
    if (answer.type === "hash_reject") continue;
    given++;
    assertEquals(answer.hashes, hashesOf(MADE, range));
  }
  assertLess(500, given);
});
