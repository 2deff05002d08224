/**
 * `EarlyPieces`: what a peer says that it has before anybody here knows how
 * many pieces there are: the metadata is still on its way (BEP 9). Pure.
 *
 * @module
 */

import { Bitfield } from "../bytes/bitfield.ts";
import { ProtocolError } from "../errors.ts";
import { MAX_PIECES } from "../metainfo/layout.ts";

/** Room that most torrents need no more than: 8,192 pieces. */
const FIRST_LENGTH = 1024;

/** What has been said, kept in at most 256 KiB. */
export class EarlyPieces {
  #bits = new Uint8Array(0);
  #hasAll = false;
  /** The length that every bitfield has, as far as one has come. */
  #bitfieldLength: number | undefined;

  /**
   * The peer says that it has a piece.
   *
   * @param index The piece.
   * @throws {ProtocolError} If no torrent has such a piece.
   */
  addHave(index: number): void {
    if (index >= MAX_PIECES) {
      throw new ProtocolError(
        `Cannot believe "have ${index}": no torrent has so many pieces`,
      );
    }
    const at = index >>> 3;
    this.#reach(at + 1);
    this.#bits[at]! |= 0x80 >> (index & 7);
  }

  /**
   * The peer says which pieces it has.
   *
   * @param bytes The bits; they are copied.
   * @throws {ProtocolError} If no torrent has so many pieces, or a bitfield of
   * another length came before.
   */
  addBitfield(bytes: Uint8Array): void {
    if (bytes.length > Math.ceil(MAX_PIECES / 8)) {
      throw new ProtocolError(
        `Cannot use bitfield: ${bytes.length} bytes are too many for any torrent`,
      );
    }
    const { length } = bytes;
    if (length !== (this.#bitfieldLength ??= length)) {
      throw new ProtocolError(
        `Cannot use bitfield: ${length} bytes after one of ${this.#bitfieldLength}`,
      );
    }
    this.#reach(length);
    bytes.forEach((byte, at) => this.#bits[at]! |= byte);
  }

  /** The peer says that it has everything. */
  addAll(): void {
    this.#hasAll = true;
  }

  /**
   * What all that comes to, now that the number of pieces is known.
   *
   * @param pieceCount The number of pieces.
   * @returns The pieces that the peer has.
   * @throws {ProtocolError} If something was said that is not true of so many.
   */
  toBitfield(pieceCount: number): Bitfield {
    const length = Math.ceil(pieceCount / 8);
    const isPadding = this.#bits.subarray(length).every((byte) => byte === 0);
    const bits = new Uint8Array(length);
    bits.set(this.#bits.subarray(0, length));
    const have = Bitfield.fromBytes(bits, pieceCount);
    if (!have || !isPadding || (this.#bitfieldLength ?? length) !== length) {
      throw new ProtocolError(
        `The peer said that it has pieces of more or less than ${pieceCount}`,
      );
    }
    if (this.#hasAll) have.fill();
    return have;
  }

  /** Makes room, twice as much as before at least: few steps lead to any. */
  #reach(length: number): void {
    if (length <= this.#bits.length) return;
    const room = Math.max(length, 2 * this.#bits.length, FIRST_LENGTH);
    const grown = new Uint8Array(Math.min(room, Math.ceil(MAX_PIECES / 8)));
    grown.set(this.#bits);
    this.#bits = grown;
  }
}
