import { Bitfield } from "../../src/bytes/bitfield.ts";
import {
  type Block,
  BLOCK_LENGTH,
  PieceLayout,
} from "../../src/metainfo/layout.ts";
import { seededRandom } from "../support/seeded_random.ts";
import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";

/** Pieces of two blocks; the files end inside, at and across their ends. */
const FILES = [0, 20_000, 0, 12_768, 70_000, 0, 1, 0];
const LAYOUT = new PieceLayout(32_768, FILES);

Deno.test("PieceLayout cuts a row of files into pieces", () => {
  assertEquals(LAYOUT.length, 102_769);
  assertEquals(LAYOUT.fileCount, 8);
  assertEquals(LAYOUT.pieceCount, 4);
  assertEquals(LAYOUT.blocksPerPiece, 2);
  const pieces = [0, 1, 2, 3];
  assertEquals(pieces.map((index) => LAYOUT.pieceOffset(index)), [
    0,
    32_768,
    65_536,
    98_304,
  ]);
  assertEquals(pieces.map((index) => LAYOUT.pieceSize(index)), [
    32_768,
    32_768,
    32_768,
    4465,
  ]);
  assertEquals(pieces.map((index) => LAYOUT.blockCount(index)), [2, 2, 2, 1]);
});

Deno.test("PieceLayout.filePieces() gives an empty file no piece", () => {
  const found = FILES.map((_, file) => LAYOUT.filePieces(file));
  assertEquals(found.map(({ first, end }) => [first, end]), [
    [0, 0],
    [0, 1],
    [0, 0],
    [0, 1],
    [1, 4],
    [3, 3],
    [3, 4],
    [3, 3],
  ]);
});

Deno.test("PieceLayout.spans() cuts a run at the ends of files", () => {
  assertEquals(LAYOUT.spans(0, 32_768), [
    { file: 1, begin: 0, at: 0, length: 20_000 },
    { file: 3, begin: 0, at: 20_000, length: 12_768 },
  ]);
  assertEquals(LAYOUT.spans(98_304, 4465), [
    { file: 4, begin: 65_536, at: 0, length: 4464 },
    { file: 6, begin: 0, at: 4464, length: 1 },
  ]);
  assertEquals(LAYOUT.spans(19_999, 2), [
    { file: 1, begin: 19_999, at: 0, length: 1 },
    { file: 3, begin: 0, at: 1, length: 1 },
  ]);
  assertEquals(LAYOUT.spans(102_769, 0), []);
});

Deno.test("PieceLayout.spans() throws where there are no files", () => {
  for (
    const [offset, length] of [[102_769, 1], [0, 102_770], [-1, 1]] as const
  ) {
    assertThrows(() => LAYOUT.spans(offset, length), RangeError);
  }
});

Deno.test("PieceLayout.isBlock() knows our own blocks alone", async (t) => {
  const table: [block: Block, isBlock: boolean][] = [
    [{ index: 0, begin: 0, length: 16_384 }, true],
    [{ index: 0, begin: 16_384, length: 16_384 }, true],
    [{ index: 3, begin: 0, length: 4465 }, true],
    [{ index: 3, begin: 0, length: 16_384 }, false],
    [{ index: 3, begin: 0, length: 4464 }, false],
    [{ index: 3, begin: 16_384, length: 0 }, false],
    [{ index: 4, begin: 0, length: 16_384 }, false],
    [{ index: -1, begin: 0, length: 16_384 }, false],
    [{ index: 2 ** 32 - 1, begin: 0, length: 16_384 }, false],
    [{ index: 0, begin: 32_768, length: 16_384 }, false],
    [{ index: 0, begin: 8192, length: 16_384 }, false],
    [{ index: 0, begin: -16_384, length: 16_384 }, false],
    [{ index: 0, begin: 2 ** 32 - 16_384, length: 16_384 }, false],
    [{ index: 0, begin: 0, length: 32_768 }, false],
    [{ index: 0, begin: 0, length: 0 }, false],
    [{ index: 0, begin: 0, length: -1 }, false],
  ];
  for (const [block, isBlock] of table) {
    await t.step(JSON.stringify(block), () => {
      assertEquals(LAYOUT.isBlock(block), isBlock);
    });
  }
});

Deno.test("PieceLayout counts in whole numbers up to 2^53", () => {
  const half = 2 ** 52;
  const layout = new PieceLayout(2 ** 32, [half - 1, 1, half - 1]);
  assertEquals(layout.length, Number.MAX_SAFE_INTEGER);
  assertEquals(layout.pieceCount, 2 ** 21);
  assertEquals(layout.pieceSize(2 ** 21 - 1), 2 ** 32 - 1);
  assertEquals(layout.spans(half - 2, 4), [
    { file: 0, begin: half - 2, at: 0, length: 1 },
    { file: 1, begin: 0, at: 1, length: 1 },
    { file: 2, begin: 0, at: 2, length: 2 },
  ]);
  const last = layout.block(2 ** 21 - 1, 2 ** 18 - 1);
  assertEquals(last, {
    index: 2 ** 21 - 1,
    begin: 2 ** 32 - 16_384,
    length: 16_383,
  });
  assert(layout.isBlock(last));
});

Deno.test("PieceLayout is of use for files without a byte", () => {
  const layout = new PieceLayout(16_384, [0, 0]);
  assertEquals([layout.length, layout.pieceCount], [0, 0]);
  assertEquals(layout.filePieces(1), { first: 0, end: 0 });
  assertEquals(layout.spans(0, 0), []);
  assertEquals(layout.bytesOf(new Bitfield(0)), 0);
  assertFalse(layout.isBlock({ index: 0, begin: 0, length: 0 }));
});

/** Sizes of pieces of a thousand bytes: whole, and of the data in them. */
function sizes(layout: PieceLayout): [size: number, data: number][] {
  return Array.from(
    { length: layout.pieceCount },
    (_, index) => [layout.pieceSize(index), layout.dataSize(index)],
  );
}

Deno.test("PieceLayout leaves out the pad at the end of a piece", async (t) => {
  // Files of data are numbers, pads are negative.
  const table: Record<string, [files: number[], data: number[]]> = {
    "no pads": [[1500, 700], [1000, 1000, 200]],
    "one behind a file": [[300, -700, 500], [300, 500]],
    "one at the end": [[300, -700, 500, -500], [300, 500]],
    "one that the torrent ends with": [[1300, -200], [1000, 300]],
    "several in a row": [[300, -300, -400, 500], [300, 500]],
    "with empty files between": [[300, -300, 0, -400, 0, 500], [300, 500]],
    "in the middle of a piece": [[300, -100, 700], [1000, 100]],
    "from piece to piece": [[300, -900, 900], [300, 1000, 100]],
    "a whole piece": [[300, -1700, 500], [300, 1000, 500]],
    "nothing else": [[-2500], [1000, 1000, 500]],
    "empty": [[1000, 0, 500], [1000, 500]],
    "files that fill their pieces": [[1000, 2000], [1000, 1000, 1000]],
  };
  for (const [name, [files, data]] of Object.entries(table)) {
    await t.step(name, () => {
      const pads = files.flatMap((length, i) => length < 0 ? [i] : []);
      const layout = new PieceLayout(1000, files.map(Math.abs), {
        pads: new Set(pads),
      });
      const all = new Bitfield(layout.pieceCount);
      all.fill();
      assertEquals(sizes(layout).map(([, data]) => data), data);
      assertEquals(
        sizes(layout).reduce((sum, [size]) => sum + size, 0),
        layout.length,
      );
      const total = data.reduce((sum, size) => sum + size, 0);
      assertEquals([layout.dataLength, layout.bytesOf(all)], [total, total]);
      assertEquals(sizes(PieceLayout.of(layout.shape)), sizes(layout));
    });
  }
});

Deno.test("PieceLayout has no blocks for pads", () => {
  const lengths = [20_000, 32_768 - 20_000, 16_384, 16_384, 10];
  const pads = new Set([1, 3]);
  const layout = new PieceLayout(32_768, lengths, { pads });
  const blocks = [0, 1, 2].map((index) =>
    Array.from(
      { length: layout.blockCount(index) },
      (_, number) => layout.block(index, number).length,
    )
  );
  assertEquals(blocks, [[16_384, 3616], [16_384], [10]]);
  assert(layout.isBlock({ index: 0, begin: 16_384, length: 3616 }));
  assertFalse(layout.isBlock({ index: 0, begin: 16_384, length: 16_384 }));
  assertFalse(layout.isBlock({ index: 1, begin: 16_384, length: 16_384 }));
});

Deno.test("PieceLayout.servedSize() has room for who asks for pads", () => {
  const lengths = [20_000, 65_536 - 20_000, 65_536, 10];
  const pads = new Set([1]);
  const served = [true, false].map((padsAreHashed) => {
    const layout = new PieceLayout(65_536, lengths, { pads, padsAreHashed });
    return [0, 1, 2].map((index) => layout.servedSize(index));
  });
  assertEquals(served, [[65_536, 65_536, 10], [32_768, 65_536, 16_384]]);
});

Deno.test("PieceLayout of v2 alone has no pads in pieces", () => {
  const layout = new PieceLayout(1000, [300, 700, 1000, 10], {
    pads: new Set([1]),
    padsAreHashed: false,
  });
  assertEquals(sizes(layout), [[300, 300], [1000, 1000], [10, 10]]);
  assertEquals(sizes(PieceLayout.of(layout.shape)), sizes(layout));
  assertEquals(layout.filePieces(2), { first: 1, end: 2 });
});

/** A layout with short and empty files, and a row where each byte knows its file. */
function drawn(random: () => number): { layout: PieceLayout; row: number[] } {
  const below = (limit: number) => Math.floor(random() * limit);
  // Odd lengths of pieces, and some of several blocks.
  const pieceLength = [
    1,
    7,
    100,
    BLOCK_LENGTH,
    20_000,
    3 * BLOCK_LENGTH,
  ][below(6)]!;
  const lengths = Array.from(
    { length: 1 + below(12) },
    () => random() < 0.3 ? 0 : 1 + below(pieceLength * 2),
  );
  const pads = lengths.flatMap((_, file) => random() < 0.3 ? [file] : []);
  return {
    layout: new PieceLayout(pieceLength, lengths, { pads: new Set(pads) }),
    row: lengths.flatMap((length, file) => Array(length).fill(file)),
  };
}

// Pieces tile the torrent, blocks tile the data of their piece, and isBlock() is
// true for exactly these blocks.
Deno.test("PieceLayout's pieces and blocks tile the torrent", () => {
  const seed = 0x717e;
  const random = seededRandom(seed);
  for (let round = 0; round < 300; round++) {
    const { layout, row } = drawn(random);
    const context = `seed ${seed}, round ${round}`;
    assertEquals(layout.length, row.length, context);
    let at = 0;
    for (let index = 0; index < layout.pieceCount; index++) {
      assertEquals(layout.pieceOffset(index), at, context);
      const size = layout.pieceSize(index);
      assert(size > 0 && size <= layout.pieceLength, context);
      let begin = 0;
      for (let number = 0; number < layout.blockCount(index); number++) {
        const block = layout.block(index, number);
        assertEquals([block.index, block.begin], [index, begin], context);
        assert(block.length > 0 && block.length <= BLOCK_LENGTH, context);
        assert(layout.isBlock(block), context);
        for (
          const [key, by] of [["begin", 1], ["begin", -1], ["length", 1], [
            "length",
            -1,
          ]] as const
        ) {
          assertFalse(
            layout.isBlock({ ...block, [key]: block[key] + by }),
            context,
          );
        }
        begin += block.length;
      }
      assertEquals(begin, layout.dataSize(index), context);
      assert(begin > 0 && begin <= size, context);
      assert(layout.blockCount(index) <= layout.blocksPerPiece, context);
      assertFalse(
        layout.isBlock(layout.block(index, layout.blockCount(index))),
        context,
      );
      at += size;
    }
    assertEquals(at, layout.length, context);
  }
});

// The spans of any run lie one behind the other, none is empty, and together
// they name the file and the place of every byte.
Deno.test("PieceLayout.spans() names every byte of any run", () => {
  const seed = 0x5a4;
  const random = seededRandom(seed);
  for (let round = 0; round < 300; round++) {
    const { layout, row } = drawn(random);
    const context = `seed ${seed}, round ${round}`;
    for (let run = 0; run < 5; run++) {
      const offset = Math.floor(random() * (row.length + 1));
      const length = Math.floor(random() * (row.length - offset + 1));
      let at = 0;
      for (const span of layout.spans(offset, length)) {
        assertEquals(span.at, at, context);
        assert(span.length > 0, context);
        assertEquals(row[offset + at], span.file, context);
        assertEquals(row[offset + at + span.length - 1], span.file, context);
        assertEquals(
          layout.fileOffset(span.file) + span.begin,
          offset + at,
          context,
        );
        assert(
          span.begin + span.length <= layout.fileLength(span.file),
          context,
        );
        at += span.length;
      }
      assertEquals(at, length, context);
    }
  }
});

// A file has a part in a piece when and only when the piece has a span in it.
Deno.test("PieceLayout.filePieces() agrees with spans()", () => {
  const seed = 0xf11e;
  const random = seededRandom(seed);
  for (let round = 0; round < 300; round++) {
    const { layout } = drawn(random);
    const pieces = Array.from(
      { length: layout.fileCount },
      () => new Set<number>(),
    );
    for (let index = 0; index < layout.pieceCount; index++) {
      const spans = layout.spans(
        layout.pieceOffset(index),
        layout.pieceSize(index),
      );
      for (const { file } of spans) pieces[file]!.add(index);
    }
    pieces.forEach((expected, file) => {
      const { first, end } = layout.filePieces(file);
      const found = Array.from({ length: end - first }, (_, i) => first + i);
      assertEquals(found, [...expected], `seed ${seed}, round ${round}`);
    });
  }
});

// bytesOf() is the sum of the data of its pieces.
Deno.test("PieceLayout.bytesOf() adds up the data of pieces", () => {
  const seed = 0xb17e;
  const random = seededRandom(seed);
  for (let round = 0; round < 300; round++) {
    const { layout } = drawn(random);
    const pieces = new Bitfield(layout.pieceCount);
    let sum = 0;
    for (let index = 0; index < layout.pieceCount; index++) {
      if (random() < 0.5) continue;
      pieces.add(index);
      sum += layout.dataSize(index);
    }
    assertEquals(layout.bytesOf(pieces), sum, `seed ${seed}, round ${round}`);
  }
});
