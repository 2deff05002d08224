/**
 * `SideHand`: what the worker of a `SideWriter` does: it hashes pieces, and
 * writes those that are right.
 *
 * It opens files by their paths, but only such as were opened on the other side
 * a moment ago, where it is known that they may be changed: what it has opened
 * must be the same file.
 *
 * @module
 */

import { StorageError } from "../errors.ts";
import {
  type DigestOrder,
  PieceHasher,
  type PieceVerdict,
} from "../metainfo/piece_digest.ts";
import type { WriteTarget } from "./file_storage.ts";
import { OpenFiles } from "./open_files.ts";
import {
  failureOf,
  storageError,
  type StorageFailure,
} from "./storage_error.ts";

/** Pieces come in order, so few files are in use at a time. */
const MAX_OPEN_FILES = 8;

/** One piece of a run. */
export interface SidePiece {
  /** Where it begins in the memory of the run. */
  readonly begin: number;
  /** How long its data is. */
  readonly length: number;
  /** How long it is with the pad that may follow. */
  readonly size: number;
  /** What to find out about it. */
  readonly order: DigestOrder;
}

/** Pieces that follow each other; it can be sent to a worker. */
export interface SideRun {
  /** Where they lie. */
  readonly memory: ArrayBuffer;
  /** The pieces, in order. */
  readonly pieces: readonly SidePiece[];
  /** Where the parts of the run go. */
  readonly targets: readonly WriteTarget[];
}

/** What became of a piece. */
export interface SideFinding {
  /** What its hash says. */
  readonly verdict: PieceVerdict;
  /** The SHA-256 of its blocks, for v2. */
  readonly leaves: Uint8Array | undefined;
  /** Why it is right, and not written. */
  readonly failure: StorageFailure | undefined;
}

/** What became of a run. */
export interface SideReport {
  /** Its memory, given back. */
  readonly memory: ArrayBuffer;
  /** What became of its pieces. */
  readonly findings: readonly SideFinding[];
}

/** Hashes and writes. */
export class SideHand implements Disposable {
  /** Open files by their paths, and by which files these were. */
  readonly #open = new OpenFiles<string>(MAX_OPEN_FILES);

  /**
   * Takes the pieces of a run to their end.
   *
   * @param run The run.
   * @returns What became of it.
   */
  end({ memory, pieces, targets }: SideRun): SideReport {
    const bytes = new Uint8Array(memory);
    const findings = pieces.map((piece): SideFinding => {
      const { begin, length, size, order } = piece;
      const hasher = new PieceHasher(order);
      hasher.update(bytes.subarray(begin, begin + size));
      const verdict = hasher.verdict();
      const { leaves } = hasher;
      // Now it is in this core's cache.
      const failure = verdict === "right"
        ? this.#tryToWrite(targets, { bytes, begin, end: begin + length })
        : undefined;
      return { verdict, leaves, failure };
    });
    return { memory, findings };
  }

  /** Closes the files. */
  [Symbol.dispose](): void {
    this.#open[Symbol.dispose]();
  }

  /** Writes a part of the run. */
  #tryToWrite(
    targets: readonly WriteTarget[],
    { bytes, begin, end }: { bytes: Uint8Array; begin: number; end: number },
  ): StorageFailure | undefined {
    try {
      for (const target of targets) {
        const from = Math.max(begin, target.at);
        const to = Math.min(end, target.at + target.length);
        if (from >= to) continue;
        const place = target.begin + from - target.at;
        this.#write(target, { place, part: bytes.subarray(from, to) });
      }
      return undefined;
    } catch (error) {
      return failureOf(error);
    }
  }

  #write(
    target: WriteTarget,
    { place, part }: { place: number; part: Uint8Array },
  ): void {
    try {
      const { path, dev, ino } = target;
      const file = this.#open.use(
        `${dev} ${ino} ${path}`,
        () => openSame(target),
      );
      file.seekSync(place, Deno.SeekMode.Start);
      for (let at = 0; at < part.length;) {
        at += file.writeSync(part.subarray(at));
      }
    } catch (error) {
      throw storageError(error, target.path);
    }
  }
}

/** Opens a file, if it is the one that is meant. */
function openSame({ path, dev, ino }: WriteTarget): Deno.FsFile {
  const file = Deno.openSync(path, { write: true });
  const found = file.statSync();
  if (found.dev === dev && found.ino === ino) return file;
  file.close();
  const message = `${path} was replaced while it was in use`;
  throw new StorageError("exists", { message, path });
}
