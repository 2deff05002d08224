import { assertEquals } from "@std/assert";
import type { Block } from "../../src/metainfo/layout.ts";
import { leavesOf } from "../../src/metainfo/merkle.ts";
import { PieceHashes } from "../../src/metainfo/piece_hashes.ts";
import {
  LeafReader,
  type VerifiedBytes,
} from "../../src/torrent/leaf_reader.ts";
import { makeForm } from "../support/make_form.ts";

const KIB = 1024;

const MADE = makeForm({
  form: "hybrid",
  files: { a: 2_500 * KIB, b: 20 * KIB },
  pieceLength: 1024 * KIB,
});

/** A disk that holds the payload, and counts what is read of it. */
class Disk implements VerifiedBytes {
  readBytes = 0;
  isGone = false;
  /** A byte that somebody has changed. */
  changedAt: number | undefined;

  warm(): Promise<void> {
    return Promise.resolve();
  }

  readSync({ index, begin, length }: Block, buffer: Uint8Array): boolean {
    const offset = MADE.metainfo.layout.pieceOffset(index) + begin;
    buffer.set(MADE.payload.subarray(offset, offset + length));
    if (this.changedAt !== undefined) buffer[this.changedAt]! ^= 1;
    this.readBytes += length;
    return !this.isGone;
  }
}

function readerOf(disk: Disk): LeafReader {
  const { metainfo } = MADE;
  const hashes = PieceHashes.of(metainfo);
  return new LeafReader(metainfo.layout, { reader: disk, hashes });
}

function leavesAt(index: number): Uint8Array {
  const { layout } = MADE.metainfo;
  const begin = layout.pieceOffset(index);
  const end = begin + layout.dataSize(index);
  return leavesOf(MADE.payload.subarray(begin, end));
}

Deno.test("LeafReader gives the leaves of every piece, and reads each once", async () => {
  const disk = new Disk();
  const reader = readerOf(disk);
  for (let times = 0; times < 2; times++) {
    const read = [0, 1, 2, 3].map((index) => reader.read(index));
    assertEquals(await Promise.all(read), [0, 1, 2, 3].map(leavesAt));
  }
  assertEquals(disk.readBytes, 2_520 * KIB);
  await reader.settled();
});

Deno.test("LeafReader gives nothing of a piece that is not what it was", async () => {
  const disk = new Disk();
  const reader = readerOf(disk);
  disk.changedAt = 5;
  assertEquals(await reader.read(1), undefined);
  disk.changedAt = undefined;
  disk.isGone = true;
  assertEquals(await reader.read(1), undefined);
  disk.isGone = false;
  assertEquals(await reader.read(1), leavesAt(1));
});
