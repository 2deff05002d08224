/**
 * `PeerState`: what a peer has, the four bits of choking and interest (BEP 3),
 * and what it says of itself (BEP 6, 10, 21), with the rules that a peer can
 * break. Pure.
 *
 * @module
 */

import { Bitfield } from "../bytes/bitfield.ts";
import { ProtocolError } from "../errors.ts";
import { MAX_PIECES } from "../metainfo/layout.ts";
import { EarlyPieces } from "./early_pieces.ts";
import {
  decodeExtensionHandshake,
  type ExtensionHandshake,
  mergeExtensionHandshakes,
} from "./extension_handshake.ts";
import { FastState } from "./fast_state.ts";
import type { Message } from "./message.ts";

/** What a peer that does not say so can take (BEP 10). */
const DEFAULT_REQQ = 250;

/** More than any client in use takes, or we could ever need. */
const MAX_REQQ = 2000;

const NO_PIECES: ReadonlySet<number> = new Set();

/** Options for {@linkcode PeerState}. */
export interface PeerStateOptions {
  /** Whether both sides speak the fast extension (BEP 6). */
  supportsFast?: boolean | undefined;
}

/**
 * What both sides of a connection know of each other.
 *
 * While the number of pieces is unknown, `have` is a set without room for any;
 * what the peer says of pieces is kept aside, and counts once the number has
 * been learnt.
 */
export class PeerState {
  /** Whether we do not serve the peer. */
  amChoking = true;
  /** Whether we want something that the peer has. */
  amInterested = false;
  /** Whether the peer does not serve us. */
  peerChoking = true;
  /** Whether the peer wants something that we have. */
  peerInterested = false;
  readonly #fast: FastState | undefined;
  #have: Bitfield;
  /** What was said of pieces while nobody knew how many there are. */
  #early: EarlyPieces | undefined;
  #extension: ExtensionHandshake = { messages: new Map() };

  /**
   * The state at the start of a connection: both choke, nobody is interested.
   *
   * @param pieceCount The number of pieces; `undefined` while nobody knows it.
   * @param options What the handshakes said.
   */
  constructor(
    pieceCount: number | undefined,
    options: PeerStateOptions = {},
  ) {
    this.#have = new Bitfield(pieceCount ?? 0);
    if (pieceCount === undefined) this.#early = new EarlyPieces();
    if (options.supportsFast) {
      this.#fast = new FastState(pieceCount ?? MAX_PIECES);
    }
  }

  /**
   * The pieces that the peer says it has; the same object from the moment on
   * when their number is known.
   */
  get have(): Bitfield {
    return this.#have;
  }

  /** Whether the peer has every piece, as far as is known. */
  get hasAll(): boolean {
    return this.#have.length > 0 && this.#have.isFull;
  }

  /**
   * The number of pieces is known now: what the peer said before counts.
   *
   * @param pieceCount The number of pieces.
   * @throws {ProtocolError} If something was said that is not true of so many.
   */
  learn(pieceCount: number): void {
    if (!this.#early) throw new TypeError("The number of pieces is known");
    this.#have = this.#early.toBitfield(pieceCount);
    this.#early = undefined;
    this.#fast?.learn(pieceCount);
  }

  /** Whether both sides speak the fast extension (BEP 6). */
  get supportsFast(): boolean {
    return this.#fast !== undefined;
  }

  /** The pieces that we may ask for while choked; the peer may lack them. */
  get allowedFast(): ReadonlySet<number> {
    return this.#fast?.allowed ?? NO_PIECES;
  }

  /** The pieces that the peer would like us to take, the newest last. */
  get suggested(): ReadonlySet<number> {
    return this.#fast?.suggested ?? NO_PIECES;
  }

  /** Whether the peer says that it wants nothing any more (BEP 21). */
  get peerUploadOnly(): boolean {
    return this.#extension.uploadOnly ?? false;
  }

  /** How many requests the peer keeps without dropping any (BEP 10). */
  get reqq(): number {
    return Math.min(this.#extension.reqq ?? DEFAULT_REQQ, MAX_REQQ);
  }

  /** The port at which the peer says that it listens (BEP 10). */
  get listenPort(): number | undefined {
    return this.#extension.p;
  }

  /** How long the metadata is, says the peer (BEP 9). */
  get metadataSize(): number | undefined {
    return this.#extension.metadataSize;
  }

  /** What the peer's program calls itself; whoever shows it escapes it. */
  get client(): string | undefined {
    return this.#extension.v;
  }

  /**
   * The id under which the peer takes an extension's messages (BEP 10).
   *
   * @param name The name of the extension.
   * @returns The id, or `undefined` if it does not take them.
   */
  extensionId(name: string): number | undefined {
    return this.#extension.messages.get(name);
  }

  /**
   * The peer says that it has a piece.
   *
   * @param index The piece.
   * @returns Whether that is news; nothing is before their number is known.
   * @throws {ProtocolError} If there is no such piece.
   */
  receiveHave(index: number): boolean {
    if (this.#early) {
      this.#early.addHave(index);
      return false;
    }
    if (index >= this.have.length) {
      throw new ProtocolError(
        `Cannot believe "have ${index}": there are ${this.have.length} pieces`,
      );
    }
    return this.have.add(index);
  }

  /**
   * The peer says which pieces it has. BEP 3 allows that only as the first
   * message; aria2 does it later too, so any number is taken.
   *
   * @param bytes The bits.
   * @returns The pieces that are news.
   * @throws {ProtocolError} If the size is wrong or a spare bit is set.
   */
  receiveBitfield(bytes: Uint8Array): Bitfield {
    if (this.#early) {
      this.#early.addBitfield(bytes);
      return this.have;
    }
    const bitfield = Bitfield.fromBytes(bytes, this.have.length);
    if (!bitfield) {
      throw new ProtocolError(
        `Cannot use bitfield: ${bytes.length} bytes for ${this.have.length} pieces, or a spare bit is set`,
      );
    }
    return this.have.addAll(bitfield);
  }

  /**
   * The peer says that it has everything.
   *
   * @returns The pieces that are news.
   * @throws {ProtocolError} If the fast extension was not agreed upon.
   */
  receiveHaveAll(): Bitfield {
    this.#require("have_all");
    this.#early?.addAll();
    const all = new Bitfield(this.have.length);
    all.fill();
    return this.have.addAll(all);
  }

  /**
   * The peer says that it has nothing. Like a second bitfield it takes nothing
   * back: nobody loses a piece.
   *
   * @throws {ProtocolError} If the fast extension was not agreed upon.
   */
  receiveHaveNone(): void {
    this.#require("have_none");
  }

  /**
   * The peer lets us ask for a piece while it chokes us.
   *
   * @param index The piece; one that does not exist is ignored.
   * @returns Whether that is news.
   * @throws {ProtocolError} If the fast extension was not agreed upon.
   */
  receiveAllowedFast(index: number): boolean {
    return this.#require("allowed_fast").receiveAllowed(index);
  }

  /**
   * The peer would like us to take a piece.
   *
   * @param index The piece; one that does not exist is ignored.
   * @throws {ProtocolError} If the fast extension was not agreed upon.
   */
  receiveSuggestPiece(index: number): void {
    this.#require("suggest_piece").receiveSuggestion(index);
  }

  /**
   * The peer will not send a block.
   *
   * @param wasAsked Whether we asked for it; only the picker knows.
   * @throws {ProtocolError} If the fast extension was not agreed upon, or the
   * peer has rejected too much that we did not ask for.
   */
  receiveRejectRequest(wasAsked: boolean): void {
    this.#require("reject_request").receiveReject(wasAsked);
  }

  /**
   * The peer says what it speaks (BEP 10), for the first time or again.
   *
   * @param payload What follows the id 0; no view of it is kept.
   * @throws {ProtocolError} If it is too long or no bencoded dictionary.
   */
  receiveExtensionHandshake(payload: Uint8Array): void {
    this.#extension = mergeExtensionHandshakes(
      this.#extension,
      decodeExtensionHandshake(payload),
    );
  }

  /**
   * Takes what the peer says of itself, whatever it is; for who draws no
   * conclusions from it yet.
   *
   * @param message What it says; other messages change nothing.
   * @throws {ProtocolError} If it cannot be true.
   */
  receive(message: Message): void {
    switch (message.type) {
      case "choke":
        this.peerChoking = true;
        return;
      case "unchoke":
        this.peerChoking = false;
        return;
      case "interested":
        this.peerInterested = true;
        return;
      case "not_interested":
        this.peerInterested = false;
        return;
      case "have":
        this.receiveHave(message.index);
        return;
      case "bitfield":
        this.receiveBitfield(message.bitfield);
        return;
      case "have_all":
        this.receiveHaveAll();
        return;
      case "have_none":
        return this.receiveHaveNone();
      case "allowed_fast":
        this.receiveAllowedFast(message.index);
        return;
      case "suggest_piece":
        return this.receiveSuggestPiece(message.index);
      case "reject_request":
        return this.receiveRejectRequest(false);
    }
  }

  /** BEP 6: who sends its messages unasked must be let go. */
  #require(type: Message["type"]): FastState {
    if (this.#fast) return this.#fast;
    throw new ProtocolError(
      `Cannot take ${type}: the fast extension was not agreed upon`,
    );
  }
}
