/**
 * Finds out what lies on disk with whatever permissions this process has, and
 * says what it found and how.
 *
 * @module
 */

import { StorageError } from "../../../src/errors.ts";
import { parseMetainfo } from "../../../src/metainfo/metainfo.ts";
import { PieceHashes } from "../../../src/metainfo/piece_hashes.ts";
import { FileStorage } from "../../../src/storage/file_storage.ts";
import { placeFiles } from "../../../src/storage/places.ts";
import { recover } from "../../../src/storage/recover.ts";
import { decodeHex, encodeHex } from "@std/encoding/hex";

const [folder = "", torrent = "", mode] = Deno.args;
const metainfo = parseMetainfo(decodeHex(torrent));
const places = placeFiles(metainfo, { folder });

let workers = 0;
const { Worker } = globalThis;
globalThis.Worker = class extends Worker {
  constructor(url: string | URL, options?: WorkerOptions) {
    super(url, options);
    workers++;
  }
};

try {
  await using storage = new FileStorage(metainfo.layout, {
    places: places.files,
    folder: places.folder,
    canRead: true,
    mayReplace: false,
  });
  const { have, control } = await recover(metainfo.layout, {
    infoHash: metainfo.infoHash,
    hashes: PieceHashes.of(metainfo),
    storage,
    controlPath: places.control,
    mustCheckAll: false,
    mayOverwrite: false,
    isReadOnly: mode === "check",
    onProgress: () => {},
    signal: new AbortController().signal,
  });
  if (mode !== "check") await storage.sync();
  control?.[Symbol.dispose]();
  print({ have: encodeHex(have.bytes), workers });
} catch (error) {
  if (!(error instanceof StorageError)) throw error;
  print({ problem: error.problem });
}

function print(answer: unknown): void {
  // deno-lint-ignore no-console
  console.log(JSON.stringify(answer));
}
