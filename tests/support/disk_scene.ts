/**
 * A torrent whose files can be put on disk, left out, or damaged; and what the
 * storage layer makes of them.
 *
 * @module
 */

import { Bitfield } from "../../src/bytes/bitfield.ts";
import { sha1 } from "../../src/bytes/hash.ts";
import { PieceLayout } from "../../src/metainfo/layout.ts";
import type { FileKind } from "../../src/metainfo/metainfo.ts";
import { PieceHashes } from "../../src/metainfo/piece_hashes.ts";
import { ControlFile } from "../../src/storage/control_file.ts";
import { FileStorage } from "../../src/storage/file_storage.ts";
import {
  recover,
  type Recovered,
  type RecoverOptions,
  stampFiles,
} from "../../src/storage/recover.ts";
import { randomBytes, seededRandom } from "./seeded_random.ts";
import { dirname, join } from "@std/path";

/** What a torrent is to be like. */
export interface DiskRecipe {
  /** The length of a piece. */
  pieceLength: number;
  /** Each file's path below the folder, its length, and what it is. */
  files: [path: string, length: number, kind?: FileKind][];
  /** What is in the files; random if not given. */
  payload?: Uint8Array;
}

/** A torrent in a folder, of which nothing lies there yet. */
export class DiskScene {
  /** Its identity. */
  readonly infoHash: Uint8Array = new Uint8Array(20).fill(7);
  /** Where its pieces lie. */
  readonly layout: PieceLayout;
  /** All files in one row; pads and links are zeros. */
  readonly payload: Uint8Array;
  /** The SHA-1 of every piece. */
  readonly pieceHashes: Uint8Array;
  /** The same, as those take it who compare. */
  readonly hashes: PieceHashes;
  /** Where the control file lies. */
  readonly control: string;

  /**
   * Puts nothing on disk.
   *
   * @param folder Where the files go.
   * @param recipe What they are.
   */
  constructor(readonly folder: string, readonly recipe: DiskRecipe) {
    const { pieceLength, files } = recipe;
    const lengths = files.map(([, length]) => length);
    const pads = files.flatMap(([, , kind], i) => kind === "pad" ? [i] : []);
    this.layout = new PieceLayout(pieceLength, lengths, {
      pads: new Set(pads),
    });
    this.payload = recipe.payload ??
      randomBytes(this.layout.length, seededRandom(1));
    files.forEach((_, file) => {
      if (!this.isOnDisk(file)) this.bytesOf(file).fill(0);
    });
    this.pieceHashes = new Uint8Array(this.layout.pieceCount * 20);
    for (let index = 0; index < this.layout.pieceCount; index++) {
      this.pieceHashes.set(sha1(this.piece(index)), index * 20);
    }
    this.hashes = PieceHashes.ofV1(this.layout, this.pieceHashes);
    this.control = join(folder, "t.btget");
  }

  /**
   * The bytes of a piece.
   *
   * @param index The piece.
   * @returns A view.
   */
  piece(index: number): Uint8Array {
    const offset = this.layout.pieceOffset(index);
    return this.payload.subarray(offset, offset + this.layout.pieceSize(index));
  }

  /**
   * The bytes of a file.
   *
   * @param file Its position in the list.
   * @returns A view.
   */
  bytesOf(file: number): Uint8Array {
    const offset = this.layout.fileOffset(file);
    return this.payload.subarray(offset, offset + this.layout.fileLength(file));
  }

  /**
   * Whether a file is one on disk.
   *
   * @param file Its position in the list.
   * @returns Whether it is.
   */
  isOnDisk(file: number): boolean {
    return (this.recipe.files[file]![2] ?? "file") === "file";
  }

  /**
   * Where a file goes.
   *
   * @param file Its position in the list.
   * @returns Its path.
   */
  path(file: number): string {
    return join(this.folder, this.recipe.files[file]![0]);
  }

  /**
   * Puts bytes where a file goes.
   *
   * @param file Its position in the list.
   * @param bytes The bytes; its own if not given.
   */
  put(file: number, bytes: Uint8Array = this.bytesOf(file)): void {
    Deno.mkdirSync(dirname(this.path(file)), { recursive: true });
    Deno.writeFileSync(this.path(file), bytes);
  }

  /** Puts every file where it goes. */
  putAll(): void {
    this.recipe.files.forEach((_, file) => {
      if (this.isOnDisk(file)) this.put(file);
    });
  }

  /**
   * The storage that writes the files.
   *
   * @param options What it may.
   * @returns The storage.
   */
  storage(options: { canRead?: boolean } = {}): FileStorage {
    return new FileStorage(this.layout, {
      places: this.recipe.files.map(([, , kind = "file"], file) => ({
        path: this.path(file),
        kind,
      })),
      folder: this.folder,
      canRead: true,
      mayReplace: false,
      ...options,
    });
  }

  /**
   * Calls `recover()`.
   *
   * @param storage The storage.
   * @param options What differs from a plain start.
   * @returns What it finds.
   */
  async recover(
    storage: FileStorage,
    options: Partial<RecoverOptions> = {},
  ): Promise<Recovered> {
    return await recover(this.layout, {
      infoHash: this.infoHash,
      hashes: this.hashes,
      storage,
      controlPath: this.control,
      mustCheckAll: false,
      mayOverwrite: false,
      isReadOnly: false,
      onProgress: () => {},
      signal: new AbortController().signal,
      ...options,
    });
  }

  /**
   * Calls `recover()`, and ends.
   *
   * @param options What differs from a plain start.
   * @returns A picture of what is there, and whether there is a control file.
   */
  async look(
    options: Partial<RecoverOptions> = {},
  ): Promise<{ have: string; isBegun: boolean }> {
    await using storage = this.storage();
    const { have, control } = await this.recover(storage, options);
    control?.[Symbol.dispose]();
    return { have: pictureOf(have), isBegun: control !== undefined };
  }

  /**
   * Writes a record, as a download does that is stopped.
   *
   * @param picture The pieces that it claims.
   */
  async record(picture: string): Promise<void> {
    await using storage = this.storage();
    using control = await ControlFile.open(this.control, {
      infoHash: this.infoHash,
      create: true,
    });
    await control!.write({
      have: haveOf(picture),
      files: stampFiles(this.layout, storage),
    });
  }
}

/**
 * Draws a set of pieces.
 *
 * @param have The set.
 * @returns A character for each piece: `x` for those in the set.
 */
export function pictureOf(have: Bitfield): string {
  return Array.from({ length: have.length }, (_, i) => have.has(i) ? "x" : ".")
    .join("");
}

/**
 * The set of pieces that a picture shows.
 *
 * @param picture The picture.
 * @returns The set.
 */
export function haveOf(picture: string): Bitfield {
  const have = new Bitfield(picture.length);
  [...picture].forEach((character, i) => character === "x" && have.add(i));
  return have;
}
