import { concat } from "@std/bytes/concat";
import { sha1 } from "../../src/bytes/hash.ts";
import { PieceLayout } from "../../src/metainfo/layout.ts";
import { leavesOf, merkleRoot, pieceLevel } from "../../src/metainfo/merkle.ts";
import {
  hashFiles,
  type HashJob,
  hashJob,
  piecesDone,
} from "../../src/storage/hash_files.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { assertEquals, assertRejects } from "@std/assert";

const KIB = 1024;
const MIB = KIB * KIB;
const { signal } = new AbortController();

interface Scene extends Disposable {
  job: HashJob;
  layout: PieceLayout;
  bytes: Uint8Array;
}

/** Files on disk; a negative length is a pad. */
function scene(lengths: readonly number[], pieceLength: number): Scene {
  const folder = new TempFolder();
  const random = seededRandom(lengths.length);
  const layout = new PieceLayout(pieceLength, lengths.map(Math.abs));
  const contents = lengths.map((length) =>
    length < 0
      ? new Uint8Array(-length)
      : length > MIB
      ? new Uint8Array(length).fill(length % 251)
      : randomBytes(length, random)
  );
  const paths = lengths.map((length, i) => {
    if (length < 0) return undefined;
    Deno.writeFileSync(folder.join(`${i}`), contents[i]!);
    return folder.join(`${i}`);
  });
  return {
    job: hashJob({ layout, paths, hasV1: true, hasV2: true }),
    layout,
    bytes: concat(contents),
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}

/** What BEP 3 and 52 say, with everything in memory. */
function assertDigests({ job, layout, bytes }: Scene): void {
  const { pieceLength } = layout;
  for (let index = 0; index < layout.pieceCount; index++) {
    const begin = layout.pieceOffset(index);
    const piece = bytes.subarray(begin, begin + layout.pieceSize(index));
    assertEquals(
      job.hashes!.slice(index * 20, index * 20 + 20),
      sha1(piece),
      `piece ${index}`,
    );
    const [span] = layout.spans(begin, piece.length);
    const isWhole = layout.fileLength(span!.file) <= pieceLength;
    assertEquals(
      job.nodes!.slice(index * 32, index * 32 + 32),
      merkleRoot(
        leavesOf(piece.subarray(0, span!.length)),
        isWhole ? {} : { height: pieceLevel(pieceLength) },
      ),
      `piece ${index}`,
    );
    assertEquals(job.wasRead[index], 1);
  }
}

Deno.test("hashFiles() hashes pieces of every size for v1 and v2", async (t) => {
  const table: [pieceLength: number, lengths: number[]][] = [
    [16 * KIB, [1, -16_383, 0, 100_000, -14_688, 16_384, 5]],
    [256 * KIB, [3 * MIB, 7, -(256 * KIB - 7), 256 * KIB, 20_000]],
    [2 * MIB, [5 * MIB + 1, -(MIB - 1), 3, -(2 * MIB - 3), 2 * MIB]],
    [16 * KIB, []],
    [16 * KIB, [0]],
  ];
  for (const [pieceLength, lengths] of table) {
    await t.step(`${pieceLength}: ${lengths}`, async () => {
      using stage = scene(lengths, pieceLength);
      const finished: number[] = [];
      await hashFiles([stage.job], {
        signal,
        onFinished: (job) => finished.push(job),
      });
      assertEquals(finished, [0]);
      assertEquals(piecesDone(stage.job), stage.layout.pieceCount);
      assertDigests(stage);
    });
  }
});

Deno.test("hashFiles() shares several torrents among workers", async () => {
  using a = scene([40 * MIB, 3], 512 * KIB);
  using b = scene([30 * MIB, -(2 * MIB), 9], 4 * MIB);
  using c = scene([5], 16 * KIB);
  const finished: number[] = [];
  await hashFiles([a.job, b.job, c.job], {
    signal,
    onFinished: (job) => finished.push(job),
  });
  assertEquals(finished.sort(), [0, 1, 2]);
  for (const stage of [a, b, c]) assertDigests(stage);
});

Deno.test("hashFiles() says which pieces could not be read", async () => {
  using stage = scene([40_000, -(9152), 16_384, 32_768], 16 * KIB);
  const { paths } = stage.job;
  await Deno.truncate(paths[0]!, 20_000);
  await Deno.remove(paths[2]!);
  await hashFiles([stage.job], { signal });
  assertEquals([...stage.job.wasRead], [1, 0, 0, 0, 1, 1]);
});

Deno.test("hashFiles() stops when it is told to", async () => {
  using stage = scene([100 * MIB], 16 * KIB);
  const stop = new AbortController();
  const hashing = hashFiles([stage.job], { signal: stop.signal });
  stop.abort(new Error("enough"));
  await assertRejects(() => hashing, Error, "enough");
});
