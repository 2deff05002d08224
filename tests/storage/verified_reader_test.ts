/**
 * Theorem: whatever anybody does to the files, and whenever, what the reader
 * gives is what was verified; and what is there it gives, or says that it is
 * lost.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { Bitfield } from "../../src/bytes/bitfield.ts";
import type { Block } from "../../src/metainfo/layout.ts";
import { PieceHashes } from "../../src/metainfo/piece_hashes.ts";
import { FileStorage } from "../../src/storage/file_storage.ts";
import { placeFiles } from "../../src/storage/places.ts";
import { VerifiedReader } from "../../src/storage/verified_reader.ts";
import { DiskScene } from "../support/disk_scene.ts";
import { seededRandom } from "../support/seeded_random.ts";
import { makeForm } from "../support/make_form.ts";
import { writePayload } from "../support/make_torrent.ts";
import { TempFolder } from "../support/temp_folder.ts";

const FILES: [path: string, length: number, kind?: "pad"][] = [
  ["a", 100],
  ["b", 0],
  ["c/d", 61],
  ["pad", 27, "pad"],
  ["e", 1000],
];

const PIECE_LENGTH = 64;

/** Files, all verified, and a reader of them. */
class Reading implements AsyncDisposable {
  readonly #folder = new TempFolder();
  readonly scene = new DiskScene(this.#folder.path, {
    pieceLength: PIECE_LENGTH,
    files: FILES,
  });
  readonly storage = this.scene.storage();
  readonly lost = new Bitfield(this.scene.layout.pieceCount);
  readonly reader: VerifiedReader;

  constructor() {
    this.scene.putAll();
    const { layout, hashes } = this.scene;
    this.reader = new VerifiedReader(layout, {
      storage: this.storage,
      hashes,
      facts: FILES.map((_, file) =>
        this.storage.isOnDisk(file) ? this.storage.inspect(file) : undefined
      ),
      onLost: (index) => this.lost.add(index),
    });
  }

  /** Reads a part, which must be right if it is given. */
  read(part: Block): boolean {
    const buffer = new Uint8Array(part.length);
    const wasLost = this.lost.delete(part.index);
    const isRead = this.reader.readSync(part, buffer);
    if (isRead) {
      const wanted = this.scene.piece(part.index)
        .subarray(part.begin, part.begin + part.length);
      assertEquals(buffer, wanted);
      if (wasLost) this.lost.add(part.index);
    }
    assertEquals(this.lost.has(part.index), !isRead || wasLost);
    return isRead;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.reader[Symbol.dispose]();
    await this.storage[Symbol.asyncDispose]();
    this.#folder[Symbol.dispose]();
  }
}

Deno.test("VerifiedReader gives every part of every piece", async () => {
  await using reading = new Reading();
  const { layout } = reading.scene;
  for (let index = 0; index < layout.pieceCount; index++) {
    const size = layout.pieceSize(index);
    for (let begin = 0; begin < size; begin += 7) {
      assert(reading.read({ index, begin, length: size - begin }));
    }
  }
});

Deno.test("VerifiedReader gives no byte that was not verified, whatever happens to the files", async () => {
  const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
  const random = seededRandom(seed);
  try {
    for (let round = 0; round < 30; round++) {
      await using reading = new Reading();
      for (let i = 0; i < 40; i++) {
        change(reading, random);
        for (let reads = 0; reads < 5; reads++) readAny(reading, random);
      }
      // In the end everything lies there again, and is found to be right.
      reading.scene.putAll();
      for (let index = 0; index < reading.lost.length; index++) {
        const length = reading.scene.layout.pieceSize(index);
        assert(reading.read({ index, begin: 0, length }), `piece ${index}`);
      }
    }
  } catch (error) {
    throw new Error(`seed ${seed}`, { cause: error });
  }
});

/** What somebody else does to a file. */
function change({ scene }: Reading, random: () => number): void {
  const file = [0, 2, 4][Math.floor(random() * 3)]!;
  const path = scene.path(file);
  const right = scene.bytesOf(file);
  try {
    switch (Math.floor(random() * 7)) {
      case 0:
        return Deno.truncateSync(path, Math.floor(random() * right.length));
      case 1:
        return Deno.removeSync(path);
      case 2: {
        using handle = Deno.openSync(path, { write: true });
        handle.seekSync(Math.floor(random() * right.length), 0);
        handle.writeSync(new Uint8Array(3));
        return;
      }
      case 3:
        return Deno.utimeSync(path, random() * 1e9, random() * 1e9);
      case 4:
        Deno.writeFileSync(`${path}.new`, right);
        return Deno.renameSync(`${path}.new`, path);
      case 5:
        return scene.put(file);
      default:
        return Deno.chmodSync(path, 0o600);
    }
  } catch (error) {
    // It may be gone already.
    if (!(error instanceof Error) || error instanceof TypeError) throw error;
  }
}

function readAny(reading: Reading, random: () => number): void {
  const { layout } = reading.scene;
  const index = Math.floor(random() * layout.pieceCount);
  const size = layout.pieceSize(index);
  const begin = Math.floor(random() * size);
  const length = 1 + Math.floor(random() * (size - begin));
  reading.read({ index, begin, length });
}

Deno.test("VerifiedReader warms what it will read, and bears what is not there", async () => {
  await using reading = new Reading();
  const { scene, reader } = reading;
  const part = { index: 1, begin: 3, length: 61 };
  await reader.warm(part, new Uint8Array(part.length));
  assert(reading.read(part));
  await Deno.remove(scene.path(0));
  await Deno.truncate(scene.path(2), 1);
  await reader.warm(part, new Uint8Array(part.length));
  assert(!reading.read(part));
});

Deno.test("VerifiedReader trusts what we write ourselves", async () => {
  await using reading = new Reading();
  const { scene, storage } = reading;
  for (const file of [0, 2, 4]) storage.adopt(file, { isSynced: true });
  // Were they in doubt, the wrong byte of another piece would be found.
  assert(reading.read({ index: 10, begin: 0, length: 5 }));
  for (let index = 0; index < scene.layout.pieceCount; index++) {
    storage.write(scene.layout.pieceOffset(index), scene.piece(index));
    assert(reading.read({ index, begin: 1, length: 2 }));
  }
});

for (const form of ["v2", "hybrid"] as const) {
  Deno.test(`VerifiedReader gives zeros behind the data of a piece, ${form}`, async () => {
    using folder = new TempFolder();
    const files = { a: 20_000, b: 1 };
    const made = makeForm({ form, files, pieceLength: 65_536 });
    writePayload(made, folder.path);
    const { layout } = made.metainfo;
    const places = placeFiles(made.metainfo, { folder: folder.path });
    await using storage = new FileStorage(layout, {
      places: places.files,
      folder: places.folder,
      canRead: true,
      mayReplace: false,
    });
    const lost: number[] = [];
    // What is not fresh is not hashed: that is another way to the bytes.
    for (const isFresh of [false, true]) {
      using reader = new VerifiedReader(layout, {
        storage,
        hashes: PieceHashes.of(made.metainfo),
        facts: places.files.map((_, file) => {
          if (!storage.isOnDisk(file)) return undefined;
          return { ...storage.inspect(file)!, isFresh };
        }),
        onLost: (index) => lost.push(index),
      });
      for (let index = 0; index < layout.pieceCount; index++) {
        const whole = new Uint8Array(layout.servedSize(index));
        const offset = layout.pieceOffset(index);
        const end = offset + layout.dataSize(index);
        whole.set(made.payload.subarray(offset, end));
        for (const begin of [0, 1, 5, 16_383, 16_384, 20_000, 32_767]) {
          for (const length of [1, 9, 16_384]) {
            if (begin + length > whole.length) continue;
            const buffer = new Uint8Array(length).fill(7);
            const part = { index, begin, length };
            await reader.warm(part, new Uint8Array(length));
            assert(reader.readSync(part, buffer));
            assertEquals(buffer, whole.subarray(begin, begin + length));
          }
        }
      }
    }
    assertEquals(lost, []);
  });
}
