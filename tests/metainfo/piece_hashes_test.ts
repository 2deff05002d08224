import { sha256 } from "../../src/bytes/hash.ts";
import { MetainfoError } from "../../src/errors.ts";
import {
  createTorrent,
  planTorrent,
  type TorrentForm,
} from "../../src/metainfo/create.ts";
import { leavesOf, padNode } from "../../src/metainfo/merkle.ts";
import { parseMetainfo } from "../../src/metainfo/metainfo.ts";
import {
  contradictoryTorrent,
  PieceHashes,
} from "../../src/metainfo/piece_hashes.ts";
import { makeForm } from "../support/make_form.ts";
import type { MadeTorrent } from "../support/make_torrent.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { concat } from "@std/bytes/concat";
import { encodeHex } from "@std/encoding/hex";

const KIB = 1024;
const PIECE = 64 * KIB;
const FORMS: readonly TorrentForm[] = ["v1", "v2", "hybrid"];

/** Around blocks and pieces, where trees change their shape. */
const FILES = {
  "a": 1,
  "b": 0,
  "c": 16 * KIB - 1,
  "d": 16 * KIB,
  "e": 16 * KIB + 1,
  "f": 3 * 16 * KIB,
  "g": PIECE - 1,
  "h": PIECE,
  "i": PIECE + 1,
  "j": 2 * PIECE,
  "k": 3 * PIECE - 5,
  "l": 5 * PIECE + 16 * KIB,
};

/** A piece as it is hashed. */
function pieceOf({ metainfo, payload }: MadeTorrent, index: number) {
  const { layout } = metainfo;
  const offset = layout.pieceOffset(index);
  return payload.slice(offset, offset + layout.pieceSize(index));
}

/** What the hashes say of a piece that is given in parts. */
function judge(
  hashes: PieceHashes,
  index: number,
  { piece, step = piece.length }: { piece: Uint8Array; step?: number },
) {
  const hasher = hashes.hasher(index);
  for (let at = 0; at < piece.length; at += step) {
    hasher.update(piece.subarray(at, at + step));
  }
  return hasher.verdict();
}

/** What is said of each piece that can be told of: `+`, `-` or `!`; or `?`. */
function picture(hashes: PieceHashes, made: MadeTorrent): string {
  const marks = { right: "+", wrong: "-", contradictory: "!" };
  return Array.from({ length: hashes.layout.pieceCount }, (_, index) => {
    if (!hashes.isKnown(index)) return "?";
    return marks[judge(hashes, index, { piece: pieceOf(made, index) })];
  }).join("");
}

for (const form of FORMS) {
  Deno.test(`PieceHashes tells right pieces from wrong ones, ${form}`, () => {
    const made = makeForm({ form, files: FILES, pieceLength: PIECE });
    const hashes = PieceHashes.of(made.metainfo);
    for (const same of [hashes, PieceHashes.from(hashes.record)]) {
      assert(same.unknown.isEmpty);
      for (let index = 0; index < same.layout.pieceCount; index++) {
        const piece = pieceOf(made, index);
        for (const step of [piece.length, 16 * KIB, 10_000]) {
          assertEquals(judge(same, index, { piece, step }), "right");
        }
        for (const at of [0, same.layout.dataSize(index) - 1]) {
          const damaged = piece.slice();
          damaged[at]! ^= 1;
          assertEquals(judge(same, index, { piece: damaged }), "wrong");
        }
      }
    }
  });
}

Deno.test("PieceHashes of v2 takes no piece that is longer or shorter", () => {
  const files = { "": PIECE + 16 * KIB };
  const made = makeForm({ form: "v2", files, pieceLength: PIECE });
  const hashes = PieceHashes.of(made.metainfo);
  const piece = pieceOf(made, 1);
  assertEquals(judge(hashes, 1, { piece }), "right");
  assertEquals(judge(hashes, 1, { piece: piece.subarray(1) }), "wrong");
  assertEquals(judge(hashes, 1, { piece: new Uint8Array() }), "wrong");
});

Deno.test("PieceHasher.leaves are those of the data", () => {
  for (const form of ["v2", "hybrid"] as const) {
    const made = makeForm({ form, files: FILES, pieceLength: PIECE });
    const hashes = PieceHashes.of(made.metainfo);
    for (let index = 0; index < hashes.layout.pieceCount; index++) {
      const piece = pieceOf(made, index);
      const hasher = hashes.hasher(index);
      hasher.update(piece);
      const data = piece.subarray(0, hashes.layout.dataSize(index));
      assertEquals(hasher.leaves, leavesOf(data));
    }
  }
  const made = makeForm({ form: "v1", files: FILES });
  assertEquals(PieceHashes.of(made.metainfo).hasher(0).leaves, undefined);
});

Deno.test("PieceHashes knows what it can tell without layers", () => {
  const files = { a: 1, b: PIECE, c: PIECE + 1, d: 3 * PIECE, e: 2 };
  const options = { files, pieceLength: PIECE, hasNoLayers: true };
  const v2 = makeForm({ form: "v2", ...options });
  const hashes = PieceHashes.of(v2.metainfo);
  assertEquals(picture(hashes, v2), "++?????+");
  assertEquals([...hashes.unknown], [2, 3, 4, 5, 6]);
  assertThrows(() => hashes.hasher(2), RangeError, "piece 2");
  assertEquals(picture(PieceHashes.from(hashes.record), v2), "++?????+");
  // Hybrid torrents have the hashes of v1 all the same.
  const hybrid = makeForm({ form: "hybrid", ...options });
  const both = PieceHashes.of(hybrid.metainfo);
  assertEquals(picture(both, hybrid), "++++++++");
  assert(both.unknown.isEmpty);
  for (const made of [v2, hybrid]) {
    const { filesWithoutLayer } = PieceHashes.of(made.metainfo);
    assertEquals(
      filesWithoutLayer.map((file) => made.metainfo.files[file]!.path[1]),
      ["c", "d"],
    );
  }
});

Deno.test("PieceHashes.learn() takes the layer that the root proves", () => {
  const files = { a: 1, c: PIECE + 1, d: 3 * PIECE };
  const form = "v2";
  const { metainfo } = makeForm({ form, files, pieceLength: PIECE });
  const bare = makeForm({ form, files, pieceLength: PIECE, hasNoLayers: true });
  const hashes = PieceHashes.of(bare.metainfo);
  const layerOf = (name: string) => {
    const { piecesRoot } = metainfo.files.find(({ path }) => path[1] === name)!;
    const root = piecesRoot!;
    return { root, layer: metainfo.pieceLayers.get(encodeHex(root))! };
  };
  const [c, d] = [layerOf("c"), layerOf("d")];
  const damaged = d.layer.slice();
  damaged[5]! ^= 1;
  const refused: Record<string, [root: Uint8Array, layer: Uint8Array]> = {
    "of another file": [c.root, d.layer],
    "damaged": [d.root, damaged],
    "empty": [d.root, new Uint8Array()],
    "cut": [d.root, d.layer.subarray(32)],
    "with a pad": [d.root, concat([d.layer, padNode(2)])],
    "the root itself": [d.root, d.root],
    "of no file": [sha256(d.layer), d.layer],
    "of a file of one piece": [
      metainfo.files[0]!.piecesRoot!,
      metainfo.files[0]!.piecesRoot!,
    ],
  };
  for (const [name, [root, layer]] of Object.entries(refused)) {
    assertEquals(hashes.learn(root, layer), [], name);
    assertEquals(picture(hashes, bare), "+?????", name);
  }
  // A pad stands between the files.
  assertEquals(hashes.learn(d.root, d.layer), [4]);
  assertEquals(picture(hashes, bare), "+??+++");
  assertEquals(hashes.layerOf(4), d.layer);
  assertEquals(hashes.layerOf(2), undefined);
  assertEquals(hashes.layerOf(0), metainfo.files[0]!.piecesRoot);
  assertEquals(hashes.learn(c.root, c.layer), [2]);
  assertEquals(picture(hashes, bare), "++++++");
  assertEquals(hashes.filesWithoutLayer, []);
});

Deno.test("PieceHashes.learn() serves all files that are the same", () => {
  const bytes = new Uint8Array(2 * PIECE).fill(3);
  const plan = planTorrent(
    ["a", "b"].map((name) => ({
      path: [name],
      length: bytes.length,
      isExecutable: false,
    })),
    { form: "v2", pieceLength: PIECE },
  );
  const node = nodeOf(bytes.subarray(0, PIECE));
  const torrent = createTorrent(plan, {
    name: "n",
    hashes: undefined,
    nodes: concat([node, node, node, node]),
  });
  const metainfo = parseMetainfo(torrent);
  const hashes = PieceHashes.of({ ...metainfo, pieceLayers: new Map() });
  const root = metainfo.files[0]!.piecesRoot!;
  assertEquals(hashes.filesWithoutLayer, [0, 1]);
  assertEquals(hashes.learn(root, concat([node, node])), [0, 1]);
  for (let index = 0; index < 4; index++) {
    const piece = bytes.subarray(0, PIECE);
    assertEquals(judge(hashes, index, { piece }), "right");
  }
});

/** The node over a piece of four blocks. */
function nodeOf(piece: Uint8Array): Uint8Array {
  const leaves = leavesOf(piece);
  return sha256(concat([
    sha256(leaves.subarray(0, 64)),
    sha256(leaves.subarray(64, 128)),
  ]));
}

Deno.test("PieceHashes sees a hybrid torrent that contradicts itself", () => {
  const files = { a: PIECE + 1, b: 1 };
  const made = makeForm({
    form: "hybrid",
    files,
    pieceLength: PIECE,
    contradictoryPiece: 1,
  });
  const hashes = PieceHashes.of(made.metainfo);
  assertEquals(picture(hashes, made), "+!+");
  // What is neither is only wrong.
  const damaged = pieceOf(made, 1);
  damaged[0]! ^= 1;
  assertEquals(judge(hashes, 1, { piece: damaged }), "wrong");
  const error = contradictoryTorrent(1);
  assertInstanceOf(error, MetainfoError);
  assertStringIncludes(error.message, "piece 1");
});

Deno.test("PieceHashes of torrents without a byte know everything", () => {
  for (const form of FORMS) {
    const made = makeForm({ form, files: { a: 0, b: 0 } });
    const hashes = PieceHashes.of(made.metainfo);
    assertEquals(picture(hashes, made), "");
    assertEquals(hashes.filesWithoutLayer, []);
    assertEquals(hashes.layerOf(0), undefined);
  }
});
