/**
 * Whatever lies where the files of a torrent go (nothing, less, more, other
 * bytes), `recover()` finds exactly the pieces whose bytes are all there and
 * right, the same ones with a record of an earlier run as without; and when
 * the others are written, every file is what the torrent wants.
 */

import { assertEquals } from "@std/assert";
import type { FileKind } from "../../src/metainfo/metainfo.ts";
import {
  type DiskRecipe,
  DiskScene,
  pictureOf,
} from "../support/disk_scene.ts";
import { seededRandom } from "../support/seeded_random.ts";
import { TempFolder } from "../support/temp_folder.ts";

const SEED = 1;
const ROUNDS = 150;

const PIECE_LENGTHS = [1, 7, 100, 1000, 16_384, 20_000];

type Draw = (limit: number) => number;

function drawRecipe(draw: Draw): DiskRecipe {
  const pieceLength = PIECE_LENGTHS[draw(PIECE_LENGTHS.length)]!;
  const longest = Math.min(pieceLength * 5, 60_000);
  const files = Array.from(
    { length: 1 + draw(8) },
    (_, i): DiskRecipe["files"][number] => {
      const kind: FileKind = [
        "file",
        "file",
        "file",
        "pad",
        "symlink",
      ][draw(5)]! as FileKind;
      const length = draw(4) === 0 ? 0 : draw(longest);
      return [["t", "t/x", "t/y/z"][draw(3)]! + `/${i}`, length, kind];
    },
  );
  return { pieceLength, files };
}

/** Puts something where a file goes. */
function damage(scene: DiskScene, file: number, draw: Draw): void {
  const bytes = scene.bytesOf(file);
  switch (draw(6)) {
    case 0:
      return remove(scene.path(file));
    case 1:
      return scene.put(file);
    case 2:
      return scene.put(file, bytes.subarray(0, draw(bytes.length + 1)));
    case 3:
      return scene.put(
        file,
        new Uint8Array([...bytes, ...new Uint8Array(1 + draw(50))]),
      );
    case 4:
      return scene.put(file, new Uint8Array(bytes.length));
    default: {
      const changed = bytes.slice();
      if (changed.length > 0) changed[draw(changed.length)]! ^= 1 << draw(8);
      return scene.put(file, changed);
    }
  }
}

function remove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function readIfThere(path: string): Uint8Array {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return new Uint8Array();
    throw error;
  }
}

/** The naive way: all bytes in one row, holes where there are none. */
function expectedPicture(scene: DiskScene): string {
  const { layout, payload, recipe } = scene;
  const row: (number | undefined)[] = [];
  recipe.files.forEach(([, length], file) => {
    const isOnDisk = scene.isOnDisk(file);
    const bytes = isOnDisk ? readIfThere(scene.path(file)) : undefined;
    for (let at = 0; at < length; at++) row.push(bytes ? bytes[at] : 0);
  });
  let picture = "";
  for (let start = 0; start < layout.length; start += layout.pieceLength) {
    const end = Math.min(start + layout.pieceLength, layout.length);
    let isRight = true;
    for (let at = start; at < end; at++) isRight &&= row[at] === payload[at];
    picture += isRight ? "x" : ".";
  }
  return picture;
}

function assertFiles(scene: DiskScene): void {
  scene.recipe.files.forEach((_, file) => {
    if (!scene.isOnDisk(file)) return;
    const found = Deno.readFileSync(scene.path(file));
    const wanted = scene.bytesOf(file);
    assertEquals(found.length, wanted.length);
    assertEquals(found.findIndex((byte, i) => byte !== wanted[i]), -1);
  });
}

async function round(folder: string, draw: Draw): Promise<void> {
  const scene = new DiskScene(folder, drawRecipe(draw));
  const files = scene.recipe.files.map((_, file) => file)
    .filter((file) => scene.isOnDisk(file));
  for (const file of files) damage(scene, file, draw);

  const before = expectedPicture(scene);
  const isReadOnly = { isReadOnly: true };
  assertEquals((await scene.look(isReadOnly)).have, before);

  // A stop, a record, and somebody who changes a file or two a second later.
  await scene.record(before);
  assertEquals((await scene.look(isReadOnly)).have, before);
  for (const file of files) {
    if (draw(3) > 0) continue;
    damage(scene, file, draw);
    touch(scene.path(file));
  }
  const after = expectedPicture(scene);
  const mustCheckAll = draw(2) === 0;
  assertEquals((await scene.look({ ...isReadOnly, mustCheckAll })).have, after);

  await using storage = scene.storage();
  const { have, control } = await scene.recover(storage, {
    mayOverwrite: true,
  });
  using _control = control;
  assertEquals(pictureOf(have), after);
  for (let index = 0; index < scene.layout.pieceCount; index++) {
    if (have.has(index)) continue;
    await storage.write(scene.layout.pieceOffset(index), scene.piece(index));
  }
  storage.finish();
  assertFiles(scene);
}

function touch(path: string): void {
  try {
    const { mtime } = Deno.statSync(path);
    Deno.utimeSync(path, new Date(), new Date(mtime!.getTime() + 1000));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

Deno.test("recover() finds what a naive look finds", async () => {
  const random = seededRandom(SEED);
  for (let i = 0; i < ROUNDS; i++) {
    using folder = new TempFolder();
    try {
      await round(folder.path, (limit) => Math.floor(random() * limit));
    } catch (error) {
      throw new Error(`Seed ${SEED}, round ${i}`, { cause: error });
    }
  }
});
