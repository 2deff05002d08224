import { assertEquals } from "@std/assert";
import { type Block, BLOCK_LENGTH } from "../../src/metainfo/layout.ts";
import {
  BlockCutter,
  partsOf,
  PieceFiller,
  runsOf,
  wholesOf,
} from "../../src/torrent/web_seed_run.ts";
import { makeTorrent } from "../support/make_torrent.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";

const KIB = 1024;

/** Blocks by their names, `piece.block`, of pieces of two blocks. */
function blocks(names: string): Block[] {
  return names.split(" ").map((name) => {
    const [index, at] = name.split(".").map(Number);
    return { index: index!, begin: at! * BLOCK_LENGTH, length: BLOCK_LENGTH };
  });
}

Deno.test("runsOf() parts blocks where one does not follow the other", async (t) => {
  const table: [names: string, runs: string[]][] = [
    ["0.0", ["0.0"]],
    ["0.0 0.1 1.0", ["0.0 0.1 1.0"]],
    ["1.0 0.1 0.0", ["0.0 0.1 1.0"]],
    ["0.0 1.0", ["0.0", "1.0"]],
    ["3.1 0.0 4.0 0.1", ["0.0 0.1", "3.1 4.0"]],
  ];
  for (const [names, runs] of table) {
    await t.step(names, () => {
      assertEquals(runsOf(blocks(names), 2 * BLOCK_LENGTH), runs.map(blocks));
    });
  }
});

Deno.test("partsOf() asks for parts of files, and for no pads", () => {
  const { metainfo } = makeTorrent({
    files: { "a b": 40 * KIB, ".pad/1": 24 * KIB, "c/d": 10 * KIB, e: 0, f: 9 },
    info: {
      files: [
        { length: 40 * KIB, path: ["a b"] },
        { length: 24 * KIB, path: [".pad", "1"], attr: "p" },
        { length: 10 * KIB, path: ["c", "d"] },
        { length: 0, path: ["e"] },
        { length: 9, path: ["f"] },
      ],
    },
  });
  const url = new URL("http://a.example/");
  const run = [
    ...blocks("1.0 1.1"),
    { index: 2, begin: 0, length: 10 * KIB + 9 },
  ];
  const parts = partsOf({ url, givesPieces: false }, metainfo, run);
  assertEquals(
    parts.map(({ length, file, request }) => [
      length,
      file,
      request && [request.url.href, request.begin, request.total],
    ]),
    [
      [8 * KIB, 0, ["http://a.example/payload/a%20b", 32 * KIB, 40 * KIB]],
      [24 * KIB, undefined, undefined],
      [10 * KIB, 2, ["http://a.example/payload/c/d", 0, 10 * KIB]],
      [9, 4, ["http://a.example/payload/f", 0, 9]],
    ],
  );
});

Deno.test("partsOf() asks for pieces, whole or in part", () => {
  const { metainfo } = makeTorrent({ files: 100 * KIB });
  const url = new URL("http://a.example/s");
  const place = { url, givesPieces: true };
  const parts = partsOf(place, metainfo, [
    ...blocks("0.1 1.0 1.1"),
    { index: 2, begin: 0, length: BLOCK_LENGTH },
  ]);
  assertEquals(
    parts.map(({ length, request }) => [
      length,
      request!.begin,
      request!.length,
      request!.url.search.replace(/^.*&piece/, "piece"),
    ]),
    [
      [16 * KIB, 0, 16 * KIB, "piece=0&ranges=16384-32767"],
      [32 * KIB, 0, 32 * KIB, "piece=1"],
      [16 * KIB, 0, 16 * KIB, "piece=2&ranges=0-16383"],
    ],
  );
});

Deno.test("BlockCutter cuts bytes in any portions", () => {
  const random = seededRandom(7);
  const run = [
    ...blocks("0.0 0.1 1.0"),
    { index: 1, begin: BLOCK_LENGTH, length: 1234 },
  ];
  const payload = randomBytes(3 * BLOCK_LENGTH + 1234, random);
  for (const most of [1, 1000, 20_000, 100_000]) {
    const got: Uint8Array[] = [];
    const cutter = new BlockCutter(run, (block, bytes) => {
      assertEquals(block, run[got.length]);
      assertEquals(bytes.length, block.length);
      got.push(bytes.slice());
    });
    for (let at = 0; at < payload.length;) {
      assertEquals([...cutter.missing], run.slice(got.length));
      const portion = payload.subarray(at, at + Math.ceil(random() * most));
      cutter.push(portion);
      at += portion.length;
    }
    assertEquals([...cutter.missing], []);
    assertEquals(new Uint8Array(got.flatMap((part) => [...part])), payload);
  }
});

Deno.test("wholesOf() tells whole pieces from parts", async (t) => {
  const { layout } = makeTorrent({ files: 5 * 32 * KIB + 20 * KIB }).metainfo;
  const table: [names: string, parts: [isWhole: boolean, names: string][]][] = [
    ["0.0", [[false, "0.0"]]],
    ["0.0 0.1", [[true, "0.0 0.1"]]],
    ["0.1 1.0 1.1 2.0 2.1 3.0", [
      [false, "0.1"],
      [true, "1.0 1.1 2.0 2.1"],
      [false, "3.0"],
    ]],
    ["0.1 1.0", [[false, "0.1 1.0"]]],
  ];
  for (const [names, parts] of table) {
    await t.step(names, () => {
      assertEquals(
        wholesOf(blocks(names), layout),
        parts.map(([isWhole, names]) => ({ isWhole, blocks: blocks(names) })),
      );
    });
  }
  const last = [layout.block(5, 0), layout.block(5, 1)];
  assertEquals(wholesOf(last, layout), [{ isWhole: true, blocks: last }]);
});

Deno.test("PieceFiller fills memory with whole pieces, in any portions", () => {
  const random = seededRandom(8);
  // Three pieces go together: so these are three and one.
  const run = [
    ...blocks("4.0 4.1 5.0 5.1 6.0 6.1 7.0"),
    { index: 7, begin: BLOCK_LENGTH, length: 1234 },
  ];
  const payload = randomBytes(7 * BLOCK_LENGTH + 1234, random);
  for (const most of [1000, 20_000, 200_000]) {
    const got: Uint8Array[] = [];
    let lent = 0;
    const filler = new PieceFiller(run, {
      count: 3,
      lend: () => {
        lent++;
        return new Uint8Array(3 * 32 * KIB);
      },
      onPieces: ({ blocks, memory }) => {
        assertEquals(blocks, got.length === 0 ? run.slice(0, 6) : run.slice(6));
        assertEquals(memory.length, 3 * 32 * KIB);
        const length = blocks.reduce((sum, { length }) => sum + length, 0);
        got.push(memory.slice(0, length));
      },
    });
    for (let at = 0; at < payload.length;) {
      assertEquals([...filler.missing], got.length === 0 ? run : run.slice(6));
      const isLent = random() < 0.7;
      const length = Math.ceil(random() * most);
      if (!isLent) {
        const portion = payload.slice(at, at + length);
        filler.push(portion);
        at += portion.length;
        continue;
      }
      // What reads into memory takes it away, and brings it under a new name.
      const room = filler.room().subarray(0, length);
      const moved = new Uint8Array(
        room.buffer.transfer(),
        room.byteOffset,
        Math.min(room.length, payload.length - at),
      );
      moved.set(payload.subarray(at, at + moved.length));
      filler.push(moved);
      at += moved.length;
    }
    assertEquals([[...filler.missing], lent], [[], 2]);
    assertEquals(new Uint8Array(got.flatMap((part) => [...part])), payload);
  }
});
