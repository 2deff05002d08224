import { Bitfield } from "../../src/bytes/bitfield.ts";
import { SHA256_LENGTH } from "../../src/bytes/hash.ts";
import { MetainfoError } from "../../src/errors.ts";
import { leavesOf } from "../../src/metainfo/merkle.ts";
import { PieceHashes } from "../../src/metainfo/piece_hashes.ts";
import { FileStorage } from "../../src/storage/file_storage.ts";
import {
  type PieceOutcome,
  PieceStore,
} from "../../src/storage/piece_store.ts";
import { placeFiles } from "../../src/storage/places.ts";
import { pictureOf } from "../support/disk_scene.ts";
import { type FormRecipe, makeForm } from "../support/make_form.ts";
import { checkPayload } from "../support/make_torrent.ts";
import { seededRandom } from "../support/seeded_random.ts";
import { TempFolder } from "../support/temp_folder.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertThrows,
} from "@std/assert";

const KIB = 1024;
const PIECE = 64 * KIB;

/** What is different from the right bytes of a block. */
interface Damage {
  change?: number;
}

/** A store over a torrent of which nothing is there, and what it says. */
class Scene implements AsyncDisposable {
  readonly folder = new TempFolder();
  readonly made;
  readonly layout;
  readonly hashes;
  readonly files: FileStorage;
  readonly have: Bitfield;
  readonly outcomes: string[] = [];
  readonly store: PieceStore;

  constructor(
    recipe: FormRecipe,
    onPiece: (outcome: PieceOutcome, scene: Scene) => void = () => {},
  ) {
    this.made = makeForm({ pieceLength: PIECE, ...recipe });
    const { metainfo } = this.made;
    this.layout = metainfo.layout;
    this.hashes = PieceHashes.of(metainfo);
    const { files, folder } = placeFiles(metainfo, {
      folder: this.folder.path,
    });
    this.files = new FileStorage(this.layout, {
      places: files,
      folder,
      canRead: true,
      mayReplace: false,
    });
    this.have = new Bitfield(this.layout.pieceCount);
    this.store = new PieceStore(this.layout, {
      hashes: this.hashes,
      storage: this.files,
      have: this.have,
      handler: {
        onPiece: (outcome) => {
          this.outcomes.push(`${outcome.type} ${outcome.index}`);
          onPiece(outcome, this);
        },
      },
    });
  }

  /** The data of a piece. */
  data(index: number): Uint8Array {
    const offset = this.layout.pieceOffset(index);
    const length = this.layout.dataSize(index);
    return this.made.payload.subarray(offset, offset + length);
  }

  /** Gives blocks of a piece, all of them if it is not said which. */
  add(index: number, numbers?: number[], { change = 0 }: Damage = {}): void {
    const count = this.layout.blockCount(index);
    for (const number of numbers ?? Array.from({ length: count }).keys()) {
      const block = this.layout.block(index, number);
      const end = block.begin + block.length;
      const bytes = this.data(index).slice(block.begin, end);
      bytes[0]! ^= change;
      this.store.add(block, bytes);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store.settled();
    await this.files[Symbol.asyncDispose]();
    this.folder[Symbol.dispose]();
  }
}

const FILES = {
  "a": 1,
  "b": 0,
  "c": 16 * KIB,
  "d": PIECE - 1,
  "e": PIECE,
  "f": 2 * PIECE + 20_000,
};

for (const form of ["v2", "hybrid"] as const) {
  Deno.test(`PieceStore takes data and no pads, ${form}`, async () => {
    await using scene = new Scene({ form, files: FILES });
    const { store, layout } = scene;
    const random = seededRandom(1);
    // Buffers go from piece to piece: what one had is not the next one's pad.
    const pieces = Array.from({ length: layout.pieceCount }, (_, i) => i)
      .sort(() => random() - 0.5);
    for (const index of [...pieces, ...pieces]) {
      if (scene.have.has(index)) continue;
      const count = layout.blockCount(index);
      const blocks = Array.from({ length: count }, (_, i) => i)
        .sort(() => random() - 0.5);
      scene.add(index, blocks.slice(1));
      assertEquals(
        store.gatheringBytes,
        layout.dataSize(index) - layout.block(index, blocks[0]!).length,
      );
      scene.add(index, [blocks[0]!]);
      await store.settled();
      assertEquals(store.gatheringBytes, 0);
    }
    assert(scene.have.isFull);
    const total = Object.values(FILES).reduce((sum, length) => sum + length);
    assertEquals([layout.dataLength, store.verifiedBytes], [total, total]);
    scene.files.finish();
    checkPayload(scene.made, scene.folder.path);
    store.lose(0);
    assertEquals(store.verifiedBytes, total - layout.dataSize(0));
  });

  Deno.test(`PieceStore shows the leaves of a piece whose hash is wrong, ${form}`, async () => {
    const shown: Uint8Array[] = [];
    await using scene = new Scene({ form, files: FILES }, (outcome) => {
      if (outcome.type !== "mismatch") return;
      assertEquals(outcome.piece.length, 20_000);
      assertEquals(outcome.leaves, leavesOf(outcome.piece));
      shown.push(outcome.leaves!.slice());
    });
    const last = scene.layout.pieceCount - 1;
    scene.add(last, [0]);
    scene.add(last, [1], { change: 1 });
    assertEquals(scene.outcomes, [`mismatch ${last}`]);
    const right = leavesOf(scene.data(last));
    const isSame = [0, 1].map((i) =>
      shown[0]!.subarray(i * SHA256_LENGTH, (i + 1) * SHA256_LENGTH)
        .every((byte, at) => byte === right[i * SHA256_LENGTH + at])
    );
    assertEquals(isSame, [true, false]);
  });

  Deno.test(`PieceStore.mend() gathers bad blocks again, ${form}`, async () => {
    await using scene = new Scene(
      { form, files: FILES },
      ({ type, index }, { store }) => type === "mismatch" && store.keep(index),
    );
    const { store } = scene;
    // The second piece of the last file.
    const index = scene.layout.pieceCount - 2;
    scene.add(index, [0, 2]);
    scene.add(index, [1, 3], { change: 1 });
    assertEquals(scene.outcomes, [`mismatch ${index}`]);
    assertEquals(store.gatheringBytes, 0);
    // What is kept is out of reach of other pieces.
    scene.add(0);
    scene.add(index - 1);
    store.mend(index, [1, 3]);
    assertEquals(store.gatheringBytes, 32 * KIB);
    scene.add(index, [1]);
    // Bad once more: all of the piece is verified, and it is kept again.
    scene.add(index, [3], { change: 2 });
    store.mend(index, [3]);
    // What is there stays, whatever comes.
    scene.add(index, [0, 1, 2], { change: 3 });
    scene.add(index, [3]);
    await store.settled();
    assertEquals(scene.outcomes, [
      `mismatch ${index}`,
      "written 0",
      `written ${index - 1}`,
      `mismatch ${index}`,
      `written ${index}`,
    ]);
    assertEquals(
      (await Deno.readFile(scene.folder.join("payload/f"))).subarray(PIECE),
      scene.data(index),
    );
  });
}

Deno.test("PieceStore.mend() can follow at once", async () => {
  await using scene = new Scene(
    { form: "v2", files: { "": PIECE } },
    ({ type, index }, { store }) => {
      if (type !== "mismatch") return;
      store.keep(index);
      store.mend(index, [2]);
    },
  );
  scene.add(0, [0, 1]);
  scene.add(0, [2], { change: 1 });
  scene.add(0, [3]);
  scene.add(0, [2]);
  await scene.store.settled();
  assertEquals(scene.outcomes, ["mismatch 0", "written 0"]);
});

Deno.test("PieceStore.discard() forgets what was kept", async () => {
  await using scene = new Scene(
    { form: "v2", files: { "": PIECE } },
    ({ type, index }, { store }) => type === "mismatch" && store.keep(index),
  );
  const { store } = scene;
  scene.add(0, [0, 1, 2]);
  scene.add(0, [3], { change: 1 });
  store.discard(0);
  assertThrows(() => store.mend(0, [3]), RangeError, "not kept");
  scene.add(0, [3]);
  assertEquals(store.gatheringBytes, 16 * KIB);
  scene.add(0, [0, 1, 2]);
  await store.settled();
  assertEquals(scene.outcomes, ["mismatch 0", "written 0"]);
});

Deno.test("PieceStore.keep() is for what is at hand", async () => {
  await using scene = new Scene({ form: "v2", files: { a: PIECE, b: PIECE } });
  const { store } = scene;
  scene.add(0, [0, 1, 2]);
  assertThrows(() => store.keep(0), RangeError);
  scene.add(0, [3], { change: 1 });
  // Nobody kept it in time.
  assertThrows(() => store.keep(0), RangeError);
  assertThrows(() => store.mend(0, [3]), RangeError);
});

Deno.test("PieceStore.mend() wants a bad block", async () => {
  await using scene = new Scene(
    { form: "v2", files: { "": PIECE } },
    ({ type, index }, { store }) => type === "mismatch" && store.keep(index),
  );
  scene.add(0, [0, 1, 2]);
  scene.add(0, [3], { change: 1 });
  assertThrows(() => scene.store.mend(0, []), RangeError, "no block");
});

Deno.test("PieceStore blames the torrent that contradicts itself", async () => {
  const errors: Error[] = [];
  await using scene = new Scene(
    { form: "hybrid", files: { a: PIECE, b: 5 }, contradictoryPiece: 1 },
    (outcome) => outcome.type === "failed" && errors.push(outcome.error),
  );
  scene.add(0);
  scene.add(1);
  await scene.store.settled();
  assertEquals(scene.outcomes, ["written 0", "failed 1"]);
  assertInstanceOf(errors[0], MetainfoError);
  assertEquals(pictureOf(scene.have), "x.");
});
