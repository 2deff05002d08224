import { assertEquals } from "@std/assert";
import { FileTrees } from "../../src/metainfo/file_trees.ts";
import { makeForm } from "../support/make_form.ts";
import { makeTorrent } from "../support/make_torrent.ts";

const KIB = 1024;

Deno.test("FileTrees knows where the tree of each file stands", () => {
  const files = { a: 300 * KIB, b: 20 * KIB, c: 0, d: 1, e: 64 * KIB };
  const { metainfo } = makeForm({ form: "v2", files, pieceLength: 64 * KIB });
  const trees = new FileTrees(metainfo.layout, metainfo.files);
  assertEquals(trees.pieceLevel, 2);
  assertEquals(
    [...trees.all].map(({ firstPiece, pieceCount, blockCount, height }) => [
      firstPiece,
      pieceCount,
      blockCount,
      height,
    ]),
    [[0, 5, 19, 5], [5, 1, 2, 1], [6, 1, 1, 0], [7, 1, 4, 2]],
  );
  for (const tree of trees.all) assertEquals(trees.of(tree.piecesRoot), tree);
  assertEquals(trees.of(new Uint8Array(32)), undefined);
  assertEquals(trees.of(new Uint8Array(3)), undefined);
});

Deno.test("FileTrees.pieceAt() knows a piece in the tree of its file", async (t) => {
  const files = { a: 300 * KIB, b: 20 * KIB, d: 1, e: 64 * KIB };
  const table: [index: number, at: number, level: number, blocks: number][] = [
    [0, 0, 2, 4],
    [4, 4, 2, 3],
    [5, 0, 1, 2],
    [6, 0, 0, 1],
    [7, 0, 2, 4],
  ];
  for (const form of ["v2", "hybrid"] as const) {
    const { metainfo } = makeForm({ form, files, pieceLength: 64 * KIB });
    const trees = new FileTrees(metainfo.layout, metainfo.files);
    for (const [index, ...wanted] of table) {
      await t.step(`piece ${index} of ${form}`, () => {
        const { at, level, blockCount } = trees.pieceAt(index)!;
        assertEquals([at, level, blockCount], wanted);
      });
    }
  }
});

Deno.test("FileTrees has one tree for files that are the same", () => {
  const { metainfo } = makeForm({ form: "v2", files: { a: 100 * KIB } });
  const [file] = metainfo.files;
  const trees = new FileTrees(metainfo.layout, [file!, file!]);
  assertEquals([...trees.all].length, 1);
});

Deno.test("FileTrees has no tree for a torrent of v1", () => {
  const { metainfo } = makeTorrent({ files: 1000 });
  const trees = new FileTrees(metainfo.layout, metainfo.files);
  assertEquals([...trees.all], []);
  assertEquals(trees.pieceAt(0), undefined);
});
