/**
 * `Verdicts`: what follows when all of a piece is there and was hashed: it is
 * ours; or it comes again, all of it or the blocks that are known to be bad, and
 * whoever gave those has to go.
 *
 * @module
 */

import { hashesEqual, SHA256_LENGTH } from "../bytes/hash.ts";
import type { MetainfoError, StorageError } from "../errors.ts";
import type { PieceLayout } from "../metainfo/layout.ts";
import { Blame, type FailedPiece } from "../policy/blame.ts";
import type { PickerPeer, PiecePicker } from "../policy/piece_picker.ts";
import type { PieceOutcome, PieceStore } from "../storage/piece_store.ts";

/** What the owner of a download hears of its pieces. */
export interface VerdictsHandler {
  /** A piece is verified and on disk. */
  onPiece(index: number): void;
  /** A piece came whose hash was wrong. */
  onMismatch(index: number): void;
  /**
   * It would help to know what the blocks of a piece must be (BEP 52). Tells
   * whether that will be heard: by {@linkcode Verdicts.proven} or, if nobody
   * knows, {@linkcode Verdicts.unproven}.
   */
  asksForLeaves?(index: number): boolean;
  /** The disk refuses, or the torrent is wrong: nothing more can be done. */
  onFailure(error: StorageError | MetainfoError): void;
}

/** What they are made of. */
export interface VerdictsOptions {
  /** Where pieces gather. */
  store: PieceStore;
  /** Who decides which block is asked of whom. */
  picker: PiecePicker;
  /** Who hears of it. */
  handler: VerdictsHandler;
  /** Somebody gave what was wrong. */
  convict: (giver: PickerPeer) => void;
}

/** The pieces of one download that are whole. */
export class Verdicts {
  #wastedBytes = 0;
  readonly #layout: PieceLayout;
  readonly #options: VerdictsOptions;
  readonly #handler: VerdictsHandler;
  readonly #blame = new Blame<PickerPeer>();
  /** Pieces that wait to hear which of their blocks are bad: all their leaves. */
  readonly #doubtful = new Map<number, Uint8Array>();

  /**
   * Has seen no piece yet.
   *
   * @param layout Where the blocks lie.
   * @param options The parts that it plays together.
   */
  constructor(layout: PieceLayout, options: VerdictsOptions) {
    this.#layout = layout;
    this.#options = options;
    this.#handler = options.handler;
  }

  /** The bytes that were hashed and found wrong, or good for nothing. */
  get wastedBytes(): number {
    return this.#wastedBytes;
  }

  /**
   * A complete piece was hashed, and written if its hash was right.
   *
   * @param outcome What became of it.
   */
  onPiece(outcome: PieceOutcome): void {
    const { index } = outcome;
    switch (outcome.type) {
      case "written":
        this.#options.picker.verified(index);
        for (const giver of this.#blame.verified(index, outcome.piece)) {
          this.#options.convict(giver);
        }
        this.#handler.onPiece(index);
        return;
      case "mismatch":
        return this.#mismatch(index, outcome);
      case "failed":
        return this.#handler.onFailure(outcome.error);
      default:
        outcome satisfies never;
    }
  }

  /**
   * It is known what the blocks of a piece must be whose hash is wrong: the bad
   * ones are asked for again, and whoever gave them has to go.
   *
   * @param index The piece.
   * @param leaves The SHA-256 of each of its blocks.
   */
  proven(index: number, leaves: Uint8Array): void {
    const ours = this.#doubtful.get(index);
    if (!ours) return;
    const bad = differing(ours, leaves);
    if (bad.length === 0) return this.unproven(index);
    this.#doubtful.delete(index);
    for (const at of bad) {
      this.#wastedBytes += this.#layout.block(index, at).length;
    }
    this.#options.store.mend(index, bad);
    for (const giver of this.#options.picker.reopened(index, bad)) {
      this.#options.convict(giver);
    }
  }

  /**
   * Nobody says which blocks of a piece are bad: it is fetched again.
   *
   * @param index The piece.
   */
  unproven(index: number): void {
    const leaves = this.#doubtful.get(index);
    if (!leaves) return;
    this.#doubtful.delete(index);
    this.#options.store.discard(index);
    this.#failed(index, { leaves });
  }

  #mismatch(
    index: number,
    { piece, leaves }: { piece: Uint8Array; leaves: Uint8Array | undefined },
  ): void {
    this.#handler.onMismatch(index);
    // Of a piece of one block nothing can be kept.
    const isDivisible = leaves && leaves.length > SHA256_LENGTH;
    if (!isDivisible || !this.#handler.asksForLeaves?.(index)) {
      return this.#failed(index, { piece });
    }
    this.#options.store.keep(index);
    this.#doubtful.set(index, leaves.slice());
  }

  /** All of a piece is fetched again; who gave a bad block will show. */
  #failed(index: number, what: FailedPiece): void {
    this.#wastedBytes += this.#layout.dataSize(index);
    const givers = this.#options.picker.failed(index);
    const liar = this.#blame.failed(index, { ...what, givers });
    if (liar) this.#options.convict(liar);
  }
}

/** Where two rows of hashes differ. */
function differing(a: Uint8Array, b: Uint8Array): number[] {
  const places: number[] = [];
  for (let at = 0; at < a.length; at += SHA256_LENGTH) {
    const end = at + SHA256_LENGTH;
    const isSame = hashesEqual(a.subarray(at, end), b.subarray(at, end));
    if (!isSame) places.push(at / SHA256_LENGTH);
  }
  return places;
}
