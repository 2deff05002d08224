import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import { Bitfield } from "../../src/bytes/bitfield.ts";
import { ProtocolError } from "../../src/errors.ts";
import { FileTrees } from "../../src/metainfo/file_trees.ts";
import { leavesOf, merkleRoot } from "../../src/metainfo/merkle.ts";
import {
  HashPicker,
  type HashPickerHandler,
  type HashRequest,
} from "../../src/policy/hash_picker.ts";
import type { HashRange } from "../../src/wire/hash_range.ts";
import { hashesOf } from "../support/hashes_of.ts";
import { makeForm } from "../support/make_form.ts";
import type { MadeTorrent } from "../support/make_torrent.ts";
import { encodeHex } from "@std/encoding/hex";

const KIB = 1024;

interface TestPeer {
  name: string;
}

/** A picker, and what it told. */
class Stage {
  readonly trees: FileTrees;
  readonly picker: HashPicker<TestPeer>;
  readonly layers = new Map<string, Uint8Array>();
  readonly leaves = new Map<number, Uint8Array>();
  readonly given: number[] = [];
  readonly liars: string[] = [];
  now = 0;

  constructor(readonly made: MadeTorrent) {
    const { layout, files } = made.metainfo;
    this.trees = new FileTrees(layout, files);
    const handler: HashPickerHandler<TestPeer> = {
      onLayer: ({ piecesRoot }, layer) =>
        void this.layers.set(encodeHex(piecesRoot), layer),
      onLeaves: (index, leaves) => void this.leaves.set(index, leaves),
      onNoLeaves: (index) => void this.given.push(index),
      onLiar: ({ name }) => void this.liars.push(name),
    };
    this.picker = new HashPicker(this.trees, handler);
  }

  wantLayers(): void {
    for (const tree of this.trees.all) {
      if (tree.pieceCount > 1) this.picker.wantLayer(tree);
    }
  }

  /** A peer with the pieces of a picture; all if there is none. */
  join(name: string, picture?: string): TestPeer {
    const have = new Bitfield(this.made.metainfo.layout.pieceCount);
    if (picture === undefined) have.fill();
    [...picture ?? ""].forEach((mark, i) => mark === "x" && have.add(i));
    const peer = { name };
    this.picker.join(peer, have);
    return peer;
  }

  /** Whom to ask for what, after a while. */
  ask(afterMs = 0): HashRequest<TestPeer>[] {
    this.now += afterMs;
    return this.picker.tick(this.now);
  }

  answer({ peer, range }: HashRequest<TestPeer>): void {
    this.picker.received(peer, {
      ...range,
      hashes: hashesOf(this.made, range),
    });
  }

  lie({ peer, range }: HashRequest<TestPeer>, at = 0): void {
    const hashes = hashesOf(this.made, range);
    hashes.set([hashes.at(at)! ^ 1], at < 0 ? hashes.length + at : at);
    this.picker.received(peer, { ...range, hashes });
  }

  reject({ peer, range }: HashRequest<TestPeer>): void {
    this.picker.rejected(peer, { range, now: this.now });
  }

  /** The node of a piece of a file that begins the torrent. */
  nodeOf(index: number): { node: Uint8Array; leaves: Uint8Array } {
    const piece = this.trees.pieceAt(index)!;
    const begin = this.made.metainfo.layout.pieceOffset(index);
    const { pieceLength } = this.made.metainfo.layout;
    const end = begin + Math.min(pieceLength, piece.blockCount * 16 * KIB);
    const { file, firstPiece } = piece.tree;
    const fileEnd = this.made.metainfo.layout.pieceOffset(firstPiece) +
      this.made.metainfo.layout.fileLength(file);
    const leaves = leavesOf(
      this.made.payload.subarray(begin, Math.min(end, fileEnd)),
    );
    return { leaves, node: merkleRoot(leaves, { height: piece.level }) };
  }
}

/** Of each request: who, base layer, index, length, proof layers. */
function picture(requests: readonly HashRequest<TestPeer>[]): string[] {
  return requests.map(({ peer, range }) => {
    const { baseLayer, index, length, proofLayers } = range;
    return `${peer.name} ${baseLayer}:${index}+${length}^${proofLayers}`;
  });
}

/** Files of five pieces, of one, and of two. */
const FILES = makeForm({
  form: "v2",
  files: { a: 300 * KIB, b: 20 * KIB, d: 100 * KIB },
  pieceLength: 64 * KIB,
});

/** One of 1300 pieces of 16 KiB, which is three ranges. */
const LONG = makeForm({
  form: "v2",
  files: { a: 1300 * 16 * KIB },
  pieceLength: 16 * KIB,
});

Deno.test("HashPicker asks for the layer of every file of more than a piece", () => {
  const stage = new Stage(FILES);
  stage.wantLayers();
  assertEquals(stage.ask(), []);
  stage.join("a");
  const requests = stage.ask();
  assertEquals(picture(requests), ["a 2:0+8^2", "a 2:0+2^0"]);
  assertEquals(stage.ask(), []);
  for (const request of requests) stage.answer(request);
  assertEquals(stage.layers, FILES.metainfo.pieceLayers);
  assertEquals(stage.ask(60_000), []);
});

Deno.test("HashPicker asks for 512 hashes at a time, of several peers", () => {
  const stage = new Stage(LONG);
  stage.wantLayers();
  for (const name of "ab") stage.join(name);
  const requests = stage.ask();
  assertEquals(picture(requests), [
    "a 0:0+512^10",
    "b 0:512+512^10",
    "a 0:1024+512^10",
  ]);
  assertEquals(stage.picker.progress, { total: 1300 * 32, received: 0 });
  for (const request of requests.reverse()) stage.answer(request);
  assertEquals(stage.layers, LONG.metainfo.pieceLayers);
  assertEquals(stage.picker.progress.received, 1300 * 32);
});

Deno.test("HashPicker asks for two hashes at least", () => {
  const made = makeForm({
    form: "v2",
    files: { a: 513 * 16 * KIB },
    pieceLength: 16 * KIB,
  });
  const stage = new Stage(made);
  stage.wantLayers();
  stage.join("a");
  const requests = stage.ask();
  assertEquals(picture(requests), ["a 0:0+512^9", "a 0:512+2^9"]);
  for (const request of requests) stage.answer(request);
  assertEquals(stage.layers, made.metainfo.pieceLayers);
});

Deno.test("HashPicker prefers who has pieces below the hashes", async (t) => {
  const table: [name: string, haves: string[], asked: string[]][] = [
    ["one has some", ["........", "...x...."], ["b 2:0+8^2", "a 2:0+2^0"]],
    ["nobody has any", ["........"], ["a 2:0+8^2", "a 2:0+2^0"]],
    ["each has some", [".....xxx", "x......."], ["b 2:0+8^2", "a 2:0+2^0"]],
  ];
  for (const [name, haves, asked] of table) {
    await t.step(name, () => {
      const stage = new Stage(FILES);
      stage.wantLayers();
      haves.forEach((have, i) => stage.join("abc"[i]!, have));
      assertEquals(picture(stage.ask()), asked);
    });
  }
});

Deno.test("HashPicker asks another one when somebody rejects", () => {
  const stage = new Stage(LONG);
  stage.wantLayers();
  stage.join("a");
  const [first] = stage.ask();
  stage.reject(first!);
  assertEquals(stage.ask(), []);
  stage.join("b");
  assertEquals(picture(stage.ask()), ["b 0:0+512^10"]);
});

Deno.test("HashPicker asks again after a while who rejected", () => {
  const stage = new Stage(LONG);
  stage.wantLayers();
  stage.join("a");
  const [first, ...others] = stage.ask();
  for (const other of others) stage.answer(other);
  stage.reject(first!);
  assertEquals(stage.ask(19_999), []);
  assertEquals(picture(stage.ask(1)), ["a 0:0+512^10"]);
});

Deno.test("HashPicker leaves in peace who rejects everything", () => {
  const stage = new Stage(
    makeForm({ form: "v2", files: { a: 100 * KIB }, pieceLength: 16 * KIB }),
  );
  stage.wantLayers();
  stage.join("a");
  let asked = 0;
  for (let ms = 0; ms < 3_600_000; ms += 500) {
    for (const request of stage.ask(500)) {
      asked++;
      stage.reject(request);
    }
  }
  assert(asked > 16 && asked < 200, `${asked} times`);
});

Deno.test("HashPicker asks another one when an answer is late, and takes it still", () => {
  const stage = new Stage(FILES);
  stage.wantLayers();
  stage.join("a");
  const late = stage.ask();
  stage.join("b");
  assertEquals(stage.ask(9_999), []);
  assertEquals(picture(stage.ask(1)), ["b 2:0+8^2", "b 2:0+2^0"]);
  for (const request of late) stage.answer(request);
  assertEquals(stage.layers, FILES.metainfo.pieceLayers);
  assertEquals(stage.ask(), []);
});

Deno.test("HashPicker asks another one when somebody goes", () => {
  const stage = new Stage(FILES);
  stage.wantLayers();
  const a = stage.join("a");
  stage.ask();
  stage.join("b");
  stage.picker.leave(a);
  assertEquals(picture(stage.ask()), ["b 2:0+8^2", "b 2:0+2^0"]);
});

Deno.test("HashPicker finds out who gives wrong hashes, or a wrong proof", async (t) => {
  const wrong = makeForm({
    form: "v2",
    files: { a: 600 * 16 * KIB },
    pieceLength: 16 * KIB,
  });
  for (const [name, at] of [["hash", 0], ["uncle", -1]] as const) {
    await t.step(name, () => {
      const stage = new Stage(wrong);
      stage.wantLayers();
      stage.join("a");
      const [first] = stage.ask();
      stage.join("b");
      stage.lie(first!, at);
      assertEquals(stage.liars, ["a"]);
      assertEquals(stage.layers.size, 0);
      const again = stage.ask();
      assertEquals(again.map(({ peer }) => peer.name), ["b", "b"]);
      for (const request of again) stage.answer(request);
      assertEquals(stage.layers, wrong.metainfo.pieceLayers);
    });
  }
});

Deno.test("HashPicker ignores what was not asked for, and not for ever", () => {
  const stage = new Stage(FILES);
  stage.wantLayers();
  const a = stage.join("a");
  const [first] = stage.ask();
  const others: Partial<HashRange>[] = [
    { index: 8 },
    { length: 4 },
    { baseLayer: 0 },
    { proofLayers: 1 },
    { piecesRoot: new Uint8Array(32) },
  ];
  for (const other of others) {
    const range = { ...first!.range, ...other };
    stage.picker.received(a, { ...range, hashes: new Uint8Array(32) });
  }
  assertEquals([stage.liars, stage.layers.size], [[], 0]);
  stage.answer(first!);
  assertEquals(stage.layers.size, 1);
  assertThrows(() => {
    for (let i = 0; i < 100; i++) stage.answer(first!);
  }, ProtocolError);
  assertThrows(() => {
    for (let i = 0; i < 100; i++) stage.reject(first!);
  }, ProtocolError);
});

Deno.test("HashPicker ignores who was not announced to it", () => {
  const stage = new Stage(FILES);
  stage.wantLayers();
  stage.join("a");
  const [first] = stage.ask();
  const stranger = { name: "stranger" };
  stage.answer({ peer: stranger, range: first!.range });
  stage.reject({ peer: stranger, range: first!.range });
  stage.picker.leave(stranger);
  assertEquals(stage.layers.size, 0);
});

Deno.test("HashPicker asks for the leaves of a piece, proven by the piece", async (t) => {
  const large = makeForm({
    form: "v2",
    files: { a: 33_000 * KIB },
    pieceLength: 16 * 1024 * KIB,
  });
  const table: [made: MadeTorrent, index: number, asked: string[]][] = [
    [FILES, 0, ["a 0:0+4^1"]],
    [FILES, 4, ["a 0:16+4^1"]],
    [FILES, 5, ["a 0:0+2^0"]],
    [large, 1, ["a 0:1024+512^9", "a 0:1536+512^9"]],
    [large, 2, ["a 0:2048+512^9"]],
  ];
  for (const [made, index, asked] of table) {
    await t.step(`piece ${index}: ${asked.join(", ")}`, () => {
      const stage = new Stage(made);
      const { node, leaves } = stage.nodeOf(index);
      stage.join("a");
      stage.picker.wantLeaves(index, { node, now: 0 });
      stage.picker.wantLeaves(index, { node, now: 0 });
      const requests = stage.ask();
      assertEquals(picture(requests), asked);
      for (const request of requests) stage.answer(request);
      assertEquals(stage.leaves, new Map([[index, leaves]]));
    });
  }
});

Deno.test("HashPicker knows the leaf of a piece of one block", () => {
  const stage = new Stage(LONG);
  const { node, leaves } = stage.nodeOf(7);
  stage.picker.wantLeaves(7, { node, now: 0 });
  assertEquals(stage.leaves, new Map([[7, leaves]]));
});

Deno.test("HashPicker asks for leaves first", () => {
  const stage = new Stage(FILES);
  stage.wantLayers();
  stage.join("a");
  stage.picker.wantLeaves(0, { node: stage.nodeOf(0).node, now: 0 });
  assertEquals(picture(stage.ask())[0], "a 0:0+4^1");
});

Deno.test("HashPicker soon asks somebody else for leaves, and gives up in the end", () => {
  const stage = new Stage(FILES);
  const { node } = stage.nodeOf(0);
  for (const name of "ab") stage.join(name);
  stage.picker.wantLeaves(0, { node, now: 0 });
  assertEquals(picture(stage.ask()), ["a 0:0+4^1"]);
  assertEquals(picture(stage.ask(2_000)), ["b 0:0+4^1"]);
  assertEquals(stage.ask(3_999), []);
  assertEquals(stage.given, []);
  assertEquals(stage.ask(1), []);
  assertEquals(stage.given, [0]);
  // It may be wanted again.
  stage.join("c");
  stage.picker.wantLeaves(0, { node, now: stage.now });
  const [again] = stage.ask();
  assertEquals(again!.peer.name, "c");
  stage.answer(again!);
  assertEquals([...stage.leaves.keys()], [0]);
});

Deno.test("HashPicker gives up leaves at once that everybody rejects, or nobody is there for", () => {
  const stage = new Stage(FILES);
  const { node } = stage.nodeOf(0);
  const [a] = ["a", "b"].map((name) => stage.join(name));
  stage.picker.wantLeaves(0, { node, now: 0 });
  for (const request of stage.ask()) stage.reject(request);
  assertEquals(stage.given, []);
  for (const request of stage.ask()) stage.reject(request);
  assertEquals(stage.ask(), []);
  assertEquals(stage.given, [0]);
  stage.picker.wantLeaves(0, { node, now: 0 });
  stage.picker.leave(a!);
  const [last] = stage.ask();
  stage.picker.leave(last!.peer);
  stage.ask();
  assertEquals(stage.given, [0, 0]);
});

Deno.test("HashPicker.forgetLeaves() asks nobody any more", () => {
  const stage = new Stage(FILES);
  stage.picker.wantLeaves(0, { node: stage.nodeOf(0).node, now: 0 });
  stage.picker.forgetLeaves(0);
  stage.picker.forgetLeaves(1);
  stage.join("a");
  assertEquals(stage.ask(60_000), []);
  assertFalse(stage.given.includes(0));
});
