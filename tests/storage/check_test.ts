import { assert, assertEquals, assertRejects } from "@std/assert";
import { sha1 } from "../../src/bytes/hash.ts";
import { MetainfoError, StorageError } from "../../src/errors.ts";
import { PieceLayout } from "../../src/metainfo/layout.ts";
import { PieceHashes } from "../../src/metainfo/piece_hashes.ts";
import {
  Checker,
  checkInWorker,
  type CheckJob,
  checkPieces,
  type CheckReport,
} from "../../src/storage/check.ts";
import { placeFiles } from "../../src/storage/places.ts";
import { type FormRecipe, makeForm } from "../support/make_form.ts";
import { type MadeTorrent, writePayload } from "../support/make_torrent.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { delay } from "@std/async/delay";

const MIB = 1024 * 1024;

/** What makes `checkPieces()` use workers, and what does not. */
const WAYS: Record<string, number> = { "in workers": 64 * MIB, "here": 0 };

/** Writes files whose bytes stand for the pieces, and a job to check them. */
function jobIn(
  folder: TempFolder,
  options: { pieceLength: number; fileLengths: number[]; broken?: number[] },
): CheckJob {
  const { pieceLength, fileLengths, broken = [] } = options;
  const layout = new PieceLayout(pieceLength, fileLengths);
  const payload = randomBytes(layout.length, seededRandom(1));
  const pieceHashes = new Uint8Array(layout.pieceCount * 20);
  for (let index = 0; index < layout.pieceCount; index++) {
    const offset = layout.pieceOffset(index);
    const piece = payload.subarray(offset, offset + layout.pieceSize(index));
    pieceHashes.set(sha1(piece), index * 20);
    if (broken.includes(index)) piece[piece.length - 1]! ^= 1;
  }
  const paths = fileLengths.map((length, file) => {
    const path = folder.join(String(file));
    const at = layout.fileOffset(file);
    Deno.writeFileSync(path, payload.subarray(at, at + length));
    return path;
  });
  return {
    hashes: PieceHashes.ofV1(layout, pieceHashes).record,
    paths,
    ...piecesToCheck(Array.from({ length: layout.pieceCount }, (_, i) => i)),
  };
}

function piecesToCheck(pieces: number[]): Pick<CheckJob, "pieces" | "taken"> {
  const shared = new Int32Array(new SharedArrayBuffer(pieces.length * 4));
  shared.set(pieces);
  return { pieces: shared, taken: new Int32Array(new SharedArrayBuffer(4)) };
}

/** A job of zeros that nobody has to write. */
function emptyJobIn(folder: TempFolder, options: { length: number }): CheckJob {
  const path = folder.join("zeros");
  Deno.writeFileSync(path, new Uint8Array());
  Deno.truncateSync(path, options.length);
  const count = options.length / MIB;
  const hash = sha1(new Uint8Array(MIB));
  const pieceHashes = Uint8Array.from(
    { length: count * 20 },
    (_, i) => hash[i % 20]!,
  );
  const layout = new PieceLayout(MIB, [options.length]);
  return {
    hashes: PieceHashes.ofV1(layout, pieceHashes).record,
    paths: [path],
    ...piecesToCheck(Array.from({ length: count }, (_, i) => i)),
  };
}

async function check(
  job: CheckJob,
  bytes: number,
): Promise<{ good: number[]; bad: number[] }> {
  const [good, bad]: [number[], number[]] = [[], []];
  await checkPieces(job, {
    bytes,
    onPiece: (index, isGood) => (isGood ? good : bad).push(index),
    signal: new AbortController().signal,
  });
  const ascending = (a: number, b: number) => a - b;
  return { good: good.sort(ascending), bad: bad.sort(ascending) };
}

Deno.test("checkPieces() finds the pieces whose hash is right", async (t) => {
  const jobs: Record<string, Parameters<typeof jobIn>[1]> = {
    "small pieces over many files": {
      pieceLength: 100,
      fileLengths: [1, 0, 99, 250, 3, 3, 3, 0, 641],
      broken: [0, 4, 9],
    },
    "pieces read in several parts": {
      pieceLength: 3 * MIB - 7,
      fileLengths: [5 * MIB, 10, 2 * MIB],
      broken: [1],
    },
  };
  for (const [name, options] of Object.entries(jobs)) {
    for (const [way, bytes] of Object.entries(WAYS)) {
      await t.step(`${name}, ${way}`, async () => {
        using folder = new TempFolder();
        const job = jobIn(folder, options);
        const { good, bad } = await check(job, bytes);
        assertEquals(bad, options.broken);
        assertEquals(good.length + bad.length, job.pieces.length);
      });
    }
  }
});

/** A job over all of a torrent that lies there. */
function jobOf(
  folder: TempFolder,
  recipe: FormRecipe,
): { job: CheckJob; made: MadeTorrent } {
  const made = makeForm({ pieceLength: 64 * 1024, ...recipe });
  const { metainfo } = made;
  writePayload(made, folder.path);
  const { files } = placeFiles(metainfo, { folder: folder.path });
  const hashes = PieceHashes.of(metainfo);
  const all = Array.from({ length: metainfo.layout.pieceCount }, (_, i) => i);
  const job = {
    hashes: hashes.record,
    paths: files.map(({ path, kind }) => kind === "file" ? path : undefined),
    ...piecesToCheck(all.filter((index) => hashes.isKnown(index))),
  };
  return { job, made };
}

for (const form of ["v2", "hybrid"] as const) {
  Deno.test(`checkPieces() finds the pieces whose hash is right, ${form}`, async (t) => {
    for (const [way, bytes] of Object.entries(WAYS)) {
      await t.step(way, async () => {
        using folder = new TempFolder();
        const files = { a: 1, b: 0, c: 64 * 1024, d: 200_000, e: 2 * MIB + 1 };
        const { job, made } = jobOf(folder, { form, files });
        for (const [path, at] of [["d", 199_999], ["e", MIB]] as const) {
          const bytes = made.files.get(`payload/${path}`)!.slice();
          bytes[at]! ^= 1;
          await Deno.writeFile(folder.join("payload", path), bytes);
        }
        const { good, bad } = await check(job, bytes);
        assertEquals(bad, [5, 6 + 16]);
        assertEquals(good.length, 2 + 4 + 33 - 2);
      });
    }
  });
}

Deno.test("checkPieces() fails when the torrent contradicts itself", async (t) => {
  for (const [way, bytes] of Object.entries(WAYS)) {
    await t.step(way, async () => {
      using folder = new TempFolder();
      const { job } = jobOf(folder, {
        form: "hybrid",
        files: { a: 2 * MIB, b: 5 },
        contradictoryPiece: 17,
      });
      await assertRejects(() => check(job, bytes), MetainfoError, "piece 17");
    });
  }
});

Deno.test("checkPieces() checks the pieces that it is asked to", async () => {
  using folder = new TempFolder();
  const job = jobIn(folder, { pieceLength: 10, fileLengths: [95] });
  for (const bytes of Object.values(WAYS)) {
    const some = { ...job, ...piecesToCheck([9, 2, 4]) };
    assertEquals(await check(some, bytes), { good: [2, 4, 9], bad: [] });
    const none = { ...job, ...piecesToCheck([]) };
    assertEquals(await check(none, bytes), { good: [], bad: [] });
  }
});

Deno.test("checkPieces() counts what is missing as bad", async () => {
  using folder = new TempFolder();
  const job = jobIn(folder, { pieceLength: 10, fileLengths: [15, 20] });
  await Deno.remove(job.paths[1]!);
  for (const bytes of Object.values(WAYS)) {
    const again = { ...job, ...piecesToCheck([0, 1, 2, 3]) };
    assertEquals(await check(again, bytes), { good: [0], bad: [1, 2, 3] });
  }
});

Deno.test("checkPieces() reads zeros where there is no path", async () => {
  using folder = new TempFolder();
  const job = emptyJobIn(folder, { length: 2 * MIB });
  for (const bytes of Object.values(WAYS)) {
    const pads = { ...job, paths: [undefined], ...piecesToCheck([0, 1]) };
    assertEquals(await check(pads, bytes), { good: [0, 1], bad: [] });
  }
});

Deno.test("checkPieces() fails when the disk does", async (t) => {
  for (const [way, bytes] of Object.entries(WAYS)) {
    await t.step(way, async () => {
      using folder = new TempFolder();
      const job = jobIn(folder, { pieceLength: 10, fileLengths: [15, 200] });
      await Deno.remove(job.paths[1]!);
      await Deno.mkdir(job.paths[1]!);
      const error = await assertRejects(
        () => check(job, bytes),
        StorageError,
        job.paths[1]!,
      );
      assertEquals(error.problem, "exists");
      assertEquals(error.options.path, job.paths[1]);
    });
  }
});

Deno.test("checkPieces() ends soon when it is aborted", async (t) => {
  for (const [way, bytes] of Object.entries(WAYS)) {
    await t.step(way, async () => {
      using folder = new TempFolder();
      const job = emptyJobIn(folder, { length: 1024 * MIB });
      const abort = new AbortController();
      const reason = new Error("enough");
      let checked = 0;
      const error = await assertRejects(() =>
        checkPieces(job, {
          bytes,
          onPiece: () => {
            checked++;
            abort.abort(reason);
          },
          signal: abort.signal,
        })
      );
      assertEquals(error, reason);
      assert(checked < 1024, `${checked}`);
      // Deno lets a busy worker go on for a while: it must find nothing to do.
      if (bytes > 0) assert(Atomics.load(job.taken, 0) >= 1024);
    });
  }

  await t.step("before it has begun", async () => {
    using folder = new TempFolder();
    const job = jobIn(folder, { pieceLength: 10, fileLengths: [95] });
    for (const bytes of Object.values(WAYS)) {
      await assertRejects(
        () =>
          checkPieces(job, {
            bytes,
            onPiece: () => {
              throw new Error("A piece was checked");
            },
            signal: AbortSignal.abort(new Error("enough")),
          }),
        Error,
        "enough",
      );
    }
  });
});

Deno.test("checkPieces() leaves the event loop free", async (t) => {
  for (const [way, bytes] of Object.entries(WAYS)) {
    await t.step(way, async () => {
      using folder = new TempFolder();
      const job = emptyJobIn(folder, { length: 192 * MIB });
      const checking = check(job, bytes);
      let isDone = false;
      checking.finally(() => isDone = true);
      let turns = 0;
      for (; !isDone; turns++) await delay(0);
      assert(turns >= 3, `${turns}`);
      assertEquals((await checking).good.length, 192);
    });
  }
});

Deno.test("Checker shares a job with others: no piece is checked twice", () => {
  using folder = new TempFolder();
  const job = jobIn(folder, { pieceLength: 10, fileLengths: [95] });
  using first = new Checker(job);
  using second = new Checker(job);
  const indices: (number | undefined)[] = [];
  for (let i = 0; i < 6; i++) {
    indices.push(first.next()?.index, second.next()?.index);
  }
  assertEquals(indices.slice(0, 10), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assertEquals(indices.slice(10), [undefined, undefined]);
});

Deno.test("checkInWorker() reports now and then, and in the end", () => {
  using folder = new TempFolder();
  const job = emptyJobIn(folder, { length: 40 * MIB });
  const reports: CheckReport[] = [];
  checkInWorker(job, (report) => reports.push(report));
  assertEquals(
    reports.map((report) =>
      report.type === "checked" ? report.good.length : report.type
    ),
    [16, 16, 8, "done"],
  );
});
