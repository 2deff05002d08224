/**
 * `PieceReader`: the bytes of pieces, read from the files they lie in.
 *
 * @module
 */

import type { PieceLayout, Span } from "../metainfo/layout.ts";
import { OpenFiles } from "./open_files.ts";
import { storageError } from "./storage_error.ts";

/** Pieces are read in order, so few files are in use at a time. */
const MAX_OPEN_FILES = 8;

/** The path of a file that cannot be read: its bytes count as missing. */
export const NOWHERE = "";

/** Reads pieces through file handles of its own, which can only read. */
export class PieceReader implements Disposable {
  readonly #layout: PieceLayout;
  readonly #paths: readonly (string | undefined)[];
  readonly #open = new OpenFiles<number>(MAX_OPEN_FILES);

  /**
   * Opens nothing yet.
   *
   * @param layout Where the pieces lie.
   * @param paths The path of each file, or {@linkcode NOWHERE}; `undefined`
   * stands for zeros.
   */
  constructor(
    layout: PieceLayout,
    paths: readonly (string | undefined)[],
  ) {
    this.#layout = layout;
    this.#paths = paths;
  }

  /**
   * Reads a part of a piece.
   *
   * @param offset Where the part begins in the torrent.
   * @param buffer Filled with the bytes.
   * @returns Whether all of them are there.
   * @throws {StorageError} If the disk fails.
   */
  readSync(offset: number, buffer: Uint8Array): boolean {
    for (const span of this.#layout.spans(offset, buffer.length)) {
      const part = buffer.subarray(span.at, span.at + span.length);
      const path = this.#paths[span.file];
      if (path === undefined) part.fill(0);
      else if (!this.#readSpan(path, span, part)) return false;
    }
    return true;
  }

  /**
   * Reads a part of a piece off the event loop, so that it is in memory when
   * {@linkcode PieceReader.readSync} wants it. It makes nothing sure: whatever
   * fails will fail again there.
   *
   * @param offset Where the part begins in the torrent.
   * @param buffer Room for the bytes; what it holds then means nothing.
   */
  async warm(offset: number, buffer: Uint8Array): Promise<void> {
    for (const span of this.#layout.spans(offset, buffer.length)) {
      const path = this.#paths[span.file];
      if (path === undefined) continue;
      try {
        // A handle of its own: two who read at once would mix their positions.
        using file = await Deno.open(path);
        await file.seek(span.begin, Deno.SeekMode.Start);
        let filled = 0;
        while (filled < span.length) {
          const room = buffer.subarray(span.at + filled, span.at + span.length);
          filled += await file.read(room) ?? span.length;
        }
      } catch (error) {
        storageError(error, path);
      }
    }
  }

  /**
   * Closes a file, so that what lies at its path by then is read next time.
   *
   * @param file Its position in the list.
   */
  forget(file: number): void {
    this.#open.close(file);
  }

  /** Closes the files. */
  [Symbol.dispose](): void {
    this.#open[Symbol.dispose]();
  }

  #readSpan(path: string, span: Span, part: Uint8Array): boolean {
    // Deno 2.6 and 2.9 throw different errors for it.
    if (path === NOWHERE) return false;
    try {
      const file = this.#open.use(span.file, () => Deno.openSync(path));
      file.seekSync(span.begin, Deno.SeekMode.Start);
      let filled = 0;
      while (filled < part.length) {
        const count = file.readSync(part.subarray(filled));
        if (count === null) return false;
        filled += count;
      }
      return true;
    } catch (error) {
      // Gone since somebody looked: then its bytes are not there.
      if (error instanceof Deno.errors.NotFound) return false;
      throw storageError(error, path);
    }
  }
}
