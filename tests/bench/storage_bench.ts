/**
 * What writing and checking cost:
 * `deno bench -A --no-check tests/bench/storage_bench.ts`.
 *
 * Every row of writing writes 64 MiB into a file that has its length already:
 * the page cache takes it. `MAX_SYNC_LENGTH` of FileStorage stands where the
 * queue costs little more than a write at once, which holds up the event loop.
 * Checking reads and hashes 1 GiB in pieces of 1 MiB; the rows that begin and
 * end say what a worker's start costs (`MIN_BYTES_FOR_WORKERS`).
 *
 * @module
 */

import { sha1 } from "../../src/bytes/hash.ts";
import { PieceLayout } from "../../src/metainfo/layout.ts";
import { PieceHashes } from "../../src/metainfo/piece_hashes.ts";
import { type CheckJob, checkPieces } from "../../src/storage/check.ts";
import { FileStorage } from "../../src/storage/file_storage.ts";
import { PieceStore } from "../../src/storage/piece_store.ts";
import { Bitfield } from "../../src/bytes/bitfield.ts";
import { TempFolder } from "../support/temp_folder.ts";

const KIB = 1024;
const MIB = KIB * KIB;
const TOTAL = 64 * MIB;
const SIZES = { "16 KiB": 16, "256 KiB": 256, "1 MiB": 1024, "4 MiB": 4096 };

const folder = new TempFolder();
globalThis.addEventListener("unload", () => folder[Symbol.dispose]());

for (const [name, kib] of Object.entries(SIZES)) {
  const piece = new Uint8Array(kib * KIB).fill(7);
  const count = TOTAL / piece.length;
  const group = `writing ${name}`;
  const path = folder.join(`written-${kib}`);
  Deno.writeFileSync(path, new Uint8Array(TOTAL));

  Deno.bench(`at once, ${name}`, { group }, () => {
    using file = Deno.openSync(path, { write: true });
    for (let i = 0; i < count; i++) {
      file.seekSync(i * piece.length, Deno.SeekMode.Start);
      file.writeSync(piece);
    }
  });

  Deno.bench(`off the loop, ${name}`, { group }, async () => {
    using file = await Deno.open(path, { write: true });
    for (let i = 0; i < count; i++) {
      await file.seek(i * piece.length, Deno.SeekMode.Start);
      await file.write(piece);
    }
  });

  const layout = new PieceLayout(piece.length, [TOTAL]);
  const storage = () => {
    const storage = new FileStorage(layout, {
      places: [{ path, kind: "file" }],
      folder: folder.path,
      canRead: true,
      mayReplace: false,
    });
    storage.adopt(0, { isSynced: true });
    return storage;
  };

  Deno.bench(`FileStorage.write(), ${name}`, { group }, async () => {
    await using files = storage();
    for (let i = 0; i < count; i++) {
      const writing = files.write(i * piece.length, piece);
      if (writing) await writing;
    }
  });

  const hash = sha1(piece);
  const pieceHashes = new Uint8Array(count * 20);
  for (let i = 0; i < count; i++) pieceHashes.set(hash, i * 20);

  Deno.bench(`PieceStore.add(), ${name}`, { group }, async () => {
    await using files = storage();
    const store = new PieceStore(layout, {
      hashes: PieceHashes.ofV1(layout, pieceHashes),
      storage: files,
      have: new Bitfield(count),
      handler: { onPiece: () => {} },
    });
    for (let index = 0; index < count; index++) {
      for (let number = 0; number < layout.blockCount(index); number++) {
        const block = layout.block(index, number);
        store.add(block, piece.subarray(0, block.length));
      }
      await store.drained();
    }
    await store.settled();
  });
}

const large = folder.join("large");
const part = new Uint8Array(MIB).map((_, i) => i * 31);
const partHash = sha1(part);

/** A job over the first bytes of one file of 1 GiB. */
function job(length: number): CheckJob {
  const count = length / MIB;
  const pieces = new Int32Array(new SharedArrayBuffer(count * 4));
  pieces.forEach((_, i) => pieces[i] = i);
  const pieceHashes = new Uint8Array(count * 20);
  for (let i = 0; i < count; i++) pieceHashes.set(partHash, i * 20);
  const layout = new PieceLayout(MIB, [length]);
  return {
    hashes: PieceHashes.ofV1(layout, pieceHashes).record,
    paths: [large],
    pieces,
    taken: new Int32Array(new SharedArrayBuffer(4)),
  };
}

function prepareLarge(): void {
  using file = Deno.openSync(large, { write: true, create: true });
  for (let i = 0; i < 1024; i++) file.writeSync(part);
}

prepareLarge();

for (const mib of [16, 32, 64, 128, 1024]) {
  for (const way of ["here", "in workers"]) {
    Deno.bench(`${mib} MiB, ${way}`, {
      group: `checking ${mib} MiB`,
      n: mib === 1024 ? 3 : 10,
      warmup: 1,
    }, async () => {
      let good = 0;
      await checkPieces(job(mib * MIB), {
        bytes: way === "here" ? 0 : Infinity,
        onPiece: (_, isGood) => isGood && good++,
        signal: new AbortController().signal,
      });
      if (good !== mib) throw new Error(`${good} of ${mib} pieces are right`);
    });
  }
}
