/**
 * `MetadataAttempt`: the pieces of some metadata of one length (BEP 9) on their
 * way: which are here and from whom, and which were asked for. Pure.
 *
 * @module
 */

import { sha1 } from "../bytes/hash.ts";
import {
  METADATA_PIECE_LENGTH,
  metadataPieceCount,
} from "../wire/ut_metadata.ts";
import { concat } from "@std/bytes/concat";

/** Nobody needs an answer from more peers than that. */
const MAX_ASKED_AT_ONCE = 3;

/** After so long without an answer the same is asked of somebody else too. */
const REPEAT_AFTER_MS = 2_000;

/** What somebody gave, remembered after the bytes are gone. */
export interface MetadataEvidence<Peer> {
  /** Who gave the piece. */
  readonly giver: Peer;
  /** The SHA-1 of what was given. */
  readonly digest: Uint8Array;
}

interface Piece<Peer> {
  readonly index: number;
  bytes: Uint8Array | undefined;
  giver: Peer | undefined;
  /** How many answers are still awaited. */
  awaited: number;
  lastAskedAt: number;
}

/** Metadata that is being put together. */
export class MetadataAttempt<Peer> {
  readonly #pieces: Piece<Peer>[];
  #missing: number;

  /**
   * An attempt without any piece; memory is taken as they come.
   *
   * @param length The length of the metadata.
   */
  constructor(readonly length: number) {
    this.#missing = metadataPieceCount(length);
    this.#pieces = Array.from({ length: this.#missing }, (_, index) => ({
      index,
      bytes: undefined,
      giver: undefined,
      awaited: 0,
      lastAskedAt: 0,
    }));
  }

  /** Whether every piece is here. */
  get isComplete(): boolean {
    return this.#missing === 0;
  }

  /** How many pieces are here. */
  get received(): number {
    return this.#pieces.length - this.#missing;
  }

  /** Who gave what is here. */
  get givers(): Set<Peer> {
    return new Set(
      this.#pieces.flatMap(({ bytes, giver }) => bytes ? [giver!] : []),
    );
  }

  /**
   * The piece to ask somebody for.
   *
   * @param isAsked Whether they have been asked for a piece already.
   * @param now The time in milliseconds.
   * @returns The piece: one that nobody was asked for if there is any, else one
   * that others are slow to give.
   */
  next(isAsked: (piece: number) => boolean, now: number): number | undefined {
    let repeated: number | undefined;
    for (const { index, bytes, awaited, lastAskedAt } of this.#pieces) {
      if (bytes || isAsked(index)) continue;
      if (awaited === 0) return index;
      const isSlow = now - lastAskedAt >= REPEAT_AFTER_MS;
      if (isSlow && awaited < MAX_ASKED_AT_ONCE) repeated ??= index;
    }
    return repeated;
  }

  /**
   * Somebody is asked for a piece.
   *
   * @param piece The piece.
   * @param now The time in milliseconds.
   */
  asked(piece: number, now: number): void {
    const { [piece]: asked } = this.#pieces;
    asked!.awaited++;
    asked!.lastAskedAt = now;
  }

  /**
   * An answer has come, or is not awaited any more.
   *
   * @param piece The piece.
   */
  answered(piece: number): void {
    this.#pieces[piece]!.awaited--;
  }

  /**
   * A piece has come.
   *
   * @param piece The piece.
   * @param options Its bytes, which are copied, and who gave them.
   * @returns Whether it can be that piece, by its length.
   */
  put(
    piece: number,
    { bytes, giver }: { bytes: Uint8Array; giver: Peer },
  ): boolean {
    const begin = piece * METADATA_PIECE_LENGTH;
    const end = Math.min(begin + METADATA_PIECE_LENGTH, this.length);
    if (bytes.length !== end - begin) return false;
    const { [piece]: given } = this.#pieces;
    if (given!.bytes) return true;
    given!.bytes = bytes.slice();
    given!.giver = giver;
    this.#missing--;
    return true;
  }

  /**
   * All the pieces in one row.
   *
   * @returns The metadata, once it is complete.
   */
  join(): Uint8Array {
    return concat(this.#pieces.map(({ bytes }) => bytes!));
  }

  /**
   * Who gave what, to be remembered.
   *
   * @returns The evidence for each piece, once all are here.
   */
  evidence(): MetadataEvidence<Peer>[] {
    return this.#pieces.map(({ bytes, giver }) => ({
      giver: giver!,
      digest: sha1(bytes!),
    }));
  }
}
