import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { Bitfield } from "../../src/bytes/bitfield.ts";
import { StorageError } from "../../src/errors.ts";
import {
  type PieceOutcome,
  PieceStore,
} from "../../src/storage/piece_store.ts";
import { SideWriter } from "../../src/storage/side_writer.ts";
import {
  type DiskRecipe,
  DiskScene,
  pictureOf,
} from "../support/disk_scene.ts";
import { seededRandom } from "../support/seeded_random.ts";
import { TempFolder } from "../support/temp_folder.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** A store over a torrent of which nothing is there, and what it says. */
class StoreScene extends DiskScene implements AsyncDisposable {
  readonly files = this.storage();
  readonly have = new Bitfield(this.layout.pieceCount);
  readonly outcomes: string[] = [];
  readonly errors: Error[] = [];
  /** The memory in which the pieces were put together. */
  readonly buffers: ArrayBufferLike[] = [];
  readonly sideWriter = new SideWriter();
  readonly store: PieceStore;

  constructor(
    folder: TempFolder,
    recipe: DiskRecipe,
    onPiece: (outcome: PieceOutcome) => void = () => {},
  ) {
    super(folder.path, recipe);
    this.store = new PieceStore(this.layout, {
      hashes: this.hashes,
      storage: this.files,
      have: this.have,
      sideWriter: this.sideWriter,
      handler: {
        onPiece: (outcome) => {
          this.outcomes.push(`${outcome.type} ${outcome.index}`);
          if (outcome.type === "failed") this.errors.push(outcome.error);
          else this.buffers.push(outcome.piece.buffer);
          onPiece(outcome);
        },
      },
    });
  }

  /** Gives blocks of a piece, all in order if it is not said which. */
  add(index: number, numbers?: number[]): void {
    const count = this.layout.blockCount(index);
    const all = Array.from({ length: count }, (_, number) => number);
    for (const number of numbers ?? all) this.addBlock(index, { number });
  }

  addBlock(
    index: number,
    { number, change = 0 }: { number: number; change?: number },
  ): void {
    const block = this.layout.block(index, number);
    const { begin, length } = block;
    const bytes = this.piece(index).slice(begin, begin + length);
    bytes[0]! ^= change;
    this.store.add(block, bytes);
  }

  /** Gives whole pieces, some of them changed. */
  addRun(first: number, end: number, changed: number[] = []): void {
    const memory = this.store.lend();
    for (let index = first; index < end; index++) {
      const at = this.layout.pieceOffset(index) -
        this.layout.pieceOffset(first);
      memory.set(this.piece(index), at);
      if (changed.includes(index)) memory[at]! ^= 1;
    }
    this.store.addRun({ first, end }, memory);
  }

  /** Removes a file before anything else can happen. */
  remove(file: number): void {
    Deno.removeSync(this.path(file));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sideWriter[Symbol.asyncDispose]();
    await this.store.settled();
    await this.files[Symbol.asyncDispose]();
  }
}

const SMALL: DiskRecipe = {
  pieceLength: 48 * KIB,
  files: [["t/a", 60 * KIB], ["t/b", 50 * KIB + 7]],
};

Deno.test("PieceStore writes a piece when its last block is there", async () => {
  using folder = new TempFolder();
  await using scene = new StoreScene(folder, SMALL);
  const { store } = scene;
  scene.add(1, [0, 1]);
  assertEquals(scene.outcomes, []);
  assertEquals(store.gatheringBytes, 32 * KIB);
  scene.add(1, [2]);
  await store.settled();
  assertEquals(scene.outcomes, ["written 1"]);
  assertEquals(store.gatheringBytes, 0);
  assertEquals(store.verifiedBytes, 48 * KIB);
  assertEquals(pictureOf(store.have), ".x.");
  scene.add(0);
  scene.add(2);
  await store.settled();
  assertEquals(store.verifiedBytes, scene.layout.length);
  for (const file of [0, 1]) {
    assertEquals(await Deno.readFile(scene.path(file)), scene.bytesOf(file));
  }
});

Deno.test("PieceStore counts what was there before", () => {
  using folder = new TempFolder();
  const scene = new DiskScene(folder.path, SMALL);
  const have = new Bitfield(3);
  have.add(0);
  have.add(2);
  const store = new PieceStore(scene.layout, {
    hashes: scene.hashes,
    storage: scene.storage(),
    have,
    handler: { onPiece: () => {} },
  });
  assertEquals(store.verifiedBytes, 62 * KIB + 7);
});

Deno.test("PieceStore takes blocks in any order", async (t) => {
  const random = seededRandom(1);
  const orders: Record<string, (count: number) => number[]> = {
    "first to last": (count) => Array.from({ length: count }, (_, i) => i),
    "last to first": (count) =>
      Array.from({ length: count }, (_, i) => count - 1 - i),
    "from the middle": (count) =>
      Array.from({ length: count }, (_, i) => (i + (count >> 1)) % count),
    "shuffled": (count) =>
      Array.from({ length: count }, (_, i) => i).sort(() => random() - 0.5),
  };
  for (const [name, order] of Object.entries(orders)) {
    for (const pieceLength of [5, 16 * KIB, 20_000, 128 * KIB, MIB + 5]) {
      await t.step(`${name}, pieces of ${pieceLength} bytes`, async () => {
        using folder = new TempFolder();
        const length = Math.floor(pieceLength * 2.6);
        await using scene = new StoreScene(folder, {
          pieceLength,
          files: [["t", length]],
        });
        for (let index = 0; index < 3; index++) {
          scene.add(index, order(scene.layout.blockCount(index)));
        }
        await scene.store.settled();
        assert(scene.have.isFull);
        assertEquals(await Deno.readFile(scene.path(0)), scene.payload);
      });
    }
  }
});

Deno.test("PieceStore takes pads for data that do not end a piece", async () => {
  using folder = new TempFolder();
  await using scene = new StoreScene(folder, {
    pieceLength: 32 * KIB,
    files: [
      ["t/a", 20_000],
      // To the end of its piece, all of the next, and into the one after.
      ["t/pad", 60_000, "pad"],
      ["t/b", 5000],
      ["t/pad", 32 * KIB, "pad"],
    ],
  });
  const { layout, store } = scene;
  const sizes = [0, 1, 2, 3].map((index) => layout.dataSize(index));
  assertEquals(sizes, [20_000, 32 * KIB, 19_464, 19_464]);
  for (const index of sizes.keys()) scene.add(index);
  await store.settled();
  assert(scene.have.isFull);
  assertEquals(store.verifiedBytes, layout.dataLength);
  for (const file of [0, 2]) {
    assertEquals(await Deno.readFile(scene.path(file)), scene.bytesOf(file));
  }
});

Deno.test("PieceStore takes the blocks of many pieces at a time", async () => {
  using folder = new TempFolder();
  await using scene = new StoreScene(folder, {
    pieceLength: 64 * KIB,
    files: [["a", 900 * KIB]],
  });
  const { layout } = scene;
  const blocks = Array.from(
    { length: layout.pieceCount },
    (_, index) =>
      Array.from({ length: layout.blockCount(index) }, (_, number) => ({
        index,
        number,
      })),
  ).flat();
  const random = seededRandom(2);
  blocks.sort(() => random() - 0.5);
  for (const { index, number } of blocks) scene.addBlock(index, { number });
  await scene.store.settled();
  assert(scene.have.isFull);
  assertEquals(await Deno.readFile(scene.path(0)), scene.payload);
});

Deno.test("PieceStore shows a piece whose hash is wrong, and writes nothing", async () => {
  using folder = new TempFolder();
  let shown: Uint8Array | undefined;
  await using scene = new StoreScene(folder, SMALL, (outcome) => {
    if (outcome.type === "mismatch") shown = outcome.piece.slice();
  });
  scene.add(0, [2, 0]);
  scene.addBlock(0, { number: 1, change: 1 });
  assertEquals(scene.outcomes, ["mismatch 0"]);
  const expected = scene.piece(0).slice();
  expected[16 * KIB]! ^= 1;
  assertEquals(shown, expected);
  assert(scene.have.isEmpty);
  assertEquals(scene.store.verifiedBytes, 0);
  assertEquals(await Array.fromAsync(Deno.readDir(folder.path)), []);
  // All of it has to come again.
  scene.add(0, [0, 1]);
  assertEquals(scene.outcomes.length, 1);
  scene.add(0, [2]);
  await scene.store.settled();
  assertEquals(scene.outcomes, ["mismatch 0", "written 0"]);
});

Deno.test("PieceStore writes what it has hashed, whatever comes later", async () => {
  using folder = new TempFolder();
  await using scene = new StoreScene(folder, {
    pieceLength: 512 * KIB,
    files: [["a", 512 * KIB]],
  });
  scene.add(0, Array.from({ length: 31 }, (_, number) => number));
  // The first blocks have been hashed already; these are other bytes.
  for (const number of [0, 7, 30]) scene.addBlock(0, { number, change: 0xff });
  scene.add(0, [31]);
  await scene.store.settled();
  assertEquals(scene.outcomes, ["written 0"]);
  assertEquals(await Deno.readFile(scene.path(0)), scene.payload);
});

Deno.test("PieceStore.discard() forgets the blocks of a piece", async () => {
  using folder = new TempFolder();
  await using scene = new StoreScene(folder, SMALL);
  scene.add(0, [0, 1]);
  scene.store.discard(0);
  scene.store.discard(1);
  assertEquals(scene.store.gatheringBytes, 0);
  scene.add(0, [2]);
  assertEquals(scene.outcomes, []);
  scene.add(0, [0, 1]);
  await scene.store.settled();
  assertEquals(scene.outcomes, ["written 0"]);
});

Deno.test("PieceStore says that a piece is there when it is on disk", async (t) => {
  for (const pieceLength of [64 * KIB, 2 * MIB]) {
    await t.step(`pieces of ${pieceLength} bytes`, async () => {
      using folder = new TempFolder();
      const checked: boolean[] = [];
      await using scene = new StoreScene(folder, {
        pieceLength,
        files: [["a", 3 * pieceLength]],
      }, ({ index }) => {
        assert(scene.have.has(index));
        const at = index * pieceLength;
        const found = Deno.readFileSync(scene.path(0))
          .subarray(at, at + pieceLength);
        checked.push(found.every((byte, i) => byte === scene.piece(index)[i]));
      });
      for (const index of [1, 0, 2]) {
        scene.add(index);
        assertEquals(scene.have.count, scene.outcomes.length);
      }
      if (pieceLength > MIB) assertEquals(scene.outcomes, []);
      await scene.store.settled();
      assertEquals(checked, [true, true, true]);
    });
  }
});

Deno.test("PieceStore tells once that the disk refused a piece", async (t) => {
  for (const pieceLength of [64 * KIB, 2 * MIB]) {
    await t.step(`pieces of ${pieceLength} bytes`, async () => {
      using folder = new TempFolder();
      await using scene = new StoreScene(folder, {
        pieceLength,
        files: [["a", pieceLength], ["b", pieceLength]],
      });
      await Deno.mkdir(scene.path(0));
      scene.add(0);
      scene.add(1);
      await scene.store.settled();
      assertEquals(scene.outcomes, ["failed 0", "written 1"]);
      assertInstanceOf(scene.errors[0], StorageError);
      assertEquals(scene.errors[0].problem, "exists");
      assertEquals(pictureOf(scene.have), ".x");
      assertEquals(scene.store.verifiedBytes, pieceLength);
    });
  }
});

Deno.test("PieceStore uses its buffers again, and keeps 16 MiB at most", async (t) => {
  await t.step("small pieces", async () => {
    using folder = new TempFolder();
    await using scene = new StoreScene(folder, {
      pieceLength: 64 * KIB,
      files: [["a", 640 * KIB]],
    });
    for (let index = 0; index < 10; index++) {
      scene.add(index);
      await scene.store.settled();
    }
    assertEquals(new Set(scene.buffers).size, 1);
  });

  await t.step("pieces of 16 MiB", async () => {
    using folder = new TempFolder();
    const length = 6 * 16 * MIB;
    await using scene = new StoreScene(folder, {
      pieceLength: 16 * MIB,
      files: [["a", length]],
      payload: new Uint8Array(length),
    });
    for (const group of [[0, 1, 2], [3, 4, 5]]) {
      for (const index of group) scene.add(index, [0]);
      for (const index of group) scene.add(index);
      await scene.store.settled();
    }
    assert(scene.have.isFull);
    assertEquals(new Set(scene.buffers).size, 5);
  });

  await t.step("no larger than the torrent", async () => {
    using folder = new TempFolder();
    await using scene = new StoreScene(folder, {
      pieceLength: 128 * MIB,
      files: [["a", 100]],
    });
    scene.add(0);
    await scene.store.settled();
    assertEquals(scene.buffers[0]?.byteLength, 100);
  });
});

Deno.test("PieceStore.drained() makes peers wait only when the disk is behind", async () => {
  using folder = new TempFolder();
  const length = 5 * 4 * MIB;
  await using scene = new StoreScene(folder, {
    pieceLength: 4 * MIB,
    files: [["a", length]],
    payload: new Uint8Array(length),
  });
  const { store } = scene;
  assertEquals(store.drained(), undefined);
  for (let index = 0; index < 4; index++) {
    scene.add(index);
    assertEquals(store.drained(), undefined);
  }
  scene.add(4);
  const drained = store.drained();
  assert(drained instanceof Promise);
  await drained;
  assert(scene.outcomes.length >= 1);
  await store.settled();
  assertEquals(store.drained(), undefined);
  assertEquals(scene.outcomes.length, 5);
});

Deno.test("PieceStore takes whole pieces, and writes those that are right", async () => {
  using folder = new TempFolder();
  const kept: Uint8Array[] = [];
  await using scene = new StoreScene(folder, {
    pieceLength: 64 * KIB,
    files: [["a", 100 * KIB], ["pad", 28 * KIB, "pad"], ["b", 340 * KIB + 7]],
  }, (outcome) => {
    if (outcome.type === "mismatch") kept.push(outcome.piece.slice());
  });
  const { store, layout } = scene;
  assertEquals(store.piecesPerRun, 16);
  scene.addRun(1, 4, [2]);
  scene.addRun(5, 8);
  scene.addRun(4, 5);
  assertEquals(scene.outcomes, []);
  await store.settled();
  assertEquals(scene.outcomes, [
    "written 1",
    "mismatch 2",
    "written 3",
    "written 5",
    "written 6",
    "written 7",
    "written 4",
  ]);
  const wrong = scene.piece(2).slice();
  wrong[0]! ^= 1;
  assertEquals(kept, [wrong]);
  // What is wrong has not been written: there are zeros.
  const before = await Deno.readFile(scene.path(2));
  assert(before.subarray(0, 64 * KIB).every((byte) => byte === 0));
  scene.add(0);
  scene.addRun(2, 3);
  await store.settled();
  assert(scene.have.isFull);
  assertEquals(store.verifiedBytes, layout.dataLength);
  for (const file of [0, 2]) {
    assertEquals(await Deno.readFile(scene.path(file)), scene.bytesOf(file));
  }
});

Deno.test("PieceStore keeps a piece of a run as any other", async () => {
  using folder = new TempFolder();
  await using scene = new StoreScene(folder, {
    pieceLength: 64 * KIB,
    files: [["a", 128 * KIB]],
  }, ({ type, index }) => {
    if (type === "mismatch") scene.store.keep(index);
  });
  scene.addRun(0, 2, [1]);
  await scene.store.settled();
  assertEquals(scene.outcomes, ["written 0", "mismatch 1"]);
  scene.store.mend(1, [0]);
  scene.add(1, [0]);
  assertEquals(scene.outcomes.at(-1), "written 1");
  assertEquals(await Deno.readFile(scene.path(0)), scene.payload);
});

Deno.test("PieceStore tells of each piece of a run that the disk refused it", async () => {
  using folder = new TempFolder();
  await using scene = new StoreScene(folder, {
    pieceLength: 64 * KIB,
    files: [["a", 64 * KIB], ["b", 64 * KIB]],
  });
  await Deno.mkdir(scene.path(0));
  scene.addRun(0, 2);
  await scene.store.settled();
  assertEquals(scene.outcomes, ["failed 0", "failed 1"]);
  assertInstanceOf(scene.errors[0], StorageError);
  assert(scene.have.isEmpty);
});

Deno.test("PieceStore tells why a run could not be written aside", async () => {
  using folder = new TempFolder();
  await using scene = new StoreScene(folder, {
    pieceLength: 64 * KIB,
    files: [["a", 64 * KIB]],
  });
  scene.addRun(0, 1);
  // It was opened here, and is to be opened again on the other side.
  scene.remove(0);
  await scene.store.settled();
  assertEquals(scene.outcomes, ["failed 0"]);
  assertInstanceOf(scene.errors[0], StorageError);
  assertEquals(scene.errors[0].options.path, scene.path(0));
  assert(scene.have.isEmpty);
});

Deno.test("PieceStore takes no runs of large pieces, nor where nobody is aside", () => {
  using folder = new TempFolder();
  const runs = (pieceLength: number, sideWriter?: SideWriter) => {
    const scene = new DiskScene(folder.path, {
      pieceLength,
      files: [["a", 9]],
    });
    return new PieceStore(scene.layout, {
      hashes: scene.hashes,
      storage: scene.storage(),
      have: new Bitfield(1),
      handler: { onPiece: () => {} },
      sideWriter,
    }).piecesPerRun;
  };
  const writer = new SideWriter();
  assertEquals(runs(16 * KIB, writer), 64);
  assertEquals(runs(3 * MIB, writer), 1);
  assertEquals(runs(16 * MIB, writer), 0);
  assertEquals(runs(16 * KIB), 0);
});

Deno.test("PieceStore.drained() counts what waits to be hashed", async () => {
  using folder = new TempFolder();
  const length = 17 * MIB;
  await using scene = new StoreScene(folder, {
    pieceLength: MIB,
    files: [["a", length]],
    payload: new Uint8Array(length),
  });
  for (let index = 0; index < 16; index++) {
    scene.addRun(index, index + 1);
    assertEquals(scene.store.drained(), undefined);
  }
  scene.addRun(16, 17);
  const drained = scene.store.drained();
  assert(drained instanceof Promise);
  await drained;
  assertEquals(scene.outcomes[0], "written 0");
});
