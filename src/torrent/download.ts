/**
 * `Download`: blocks in. It asks the picker, keeps every peer's window full,
 * feeds the store, and finds who stalls.
 *
 * @module
 */

import type { Bitfield } from "../bytes/bitfield.ts";
import { ProtocolError } from "../errors.ts";
import {
  type Block,
  BLOCK_LENGTH,
  type PieceLayout,
} from "../metainfo/layout.ts";
import type { Peer } from "../peer/peer.ts";
import type {
  PickerPeer,
  PickOptions,
  PiecePicker,
  Receipt,
} from "../policy/piece_picker.ts";
import { RateMeter } from "../policy/rate.ts";
import type { PieceStore } from "../storage/piece_store.ts";
import type { Message } from "../wire/message.ts";
import { Source } from "./source.ts";
import { Turns } from "../turns.ts";
import { Verdicts, type VerdictsHandler } from "./verdicts.ts";

/** Pieces that may be open at a time, in bytes of their buffers. */
const OPEN_BYTES = 64 * 1024 * 1024;

/** With fewer open pieces than this, peers wait for each other. */
const MIN_OPEN_PIECES = 3;

/** Small pieces need no more than all windows together can ask for. */
const MAX_OPEN_PIECES = 4096;

/** A peer that sends nothing of what it was asked for is passed over. */
const SNUB_MS = 20_000;

/** Refilling a window that is nearly full would send single requests. */
const REFILL_SHARE = 1 / 4;

/**
 * The part of the open pieces that may be asked for at a time. When windows
 * take all of it, peers have to share each other's pieces: these stay open for
 * longer, take more memory, and are out of the cache when they are hashed.
 */
const ASKED_SHARE = 1 / 2;

/**
 * What a peer is asked for that has no way to say how much it takes: as much as
 * clients ask for that know nothing of the other side, such as libtorrent.
 */
const MAX_ASKED_UNSAID = 500;

/** More in one write gains nothing, and bursts leave gaps on a long path. */
const MAX_REFILL = 64;

/** Blocks nobody asked for that are put down to confusion, not to malice. */
const MAX_UNASKED = 64;

/** How long the endgame waits at least before it asks a second peer. */
const MIN_PATIENCE_MS = 250;

/** What the owner of a download hears of it. */
export interface DownloadHandler extends VerdictsHandler {
  /** A peer has pieces that it did not have before, or says it has none. */
  onGained(peer: Peer, pieces: Iterable<number>): void;
  /** A peer gave what was wrong: it must go for good. */
  onLiar(peer: Peer): void;
  /** The same of somebody who is no peer: a web seed. */
  onOtherLiar(giver: PickerPeer): void;
}

/** What a download is made of. */
export interface DownloadOptions {
  /** Where pieces gather. */
  store: PieceStore;
  /** Who decides which block is asked of whom. */
  picker: PiecePicker;
  /** Who hears of it. */
  handler: DownloadHandler;
  /** How fast blocks may come, in bytes per second, if limited. */
  maxRate?: number | undefined;
}

/** The receiving side of one torrent. */
export class Download {
  /** The bytes of blocks that came from peers. */
  readonly received: RateMeter = new RateMeter();
  /** What becomes of whole pieces. */
  readonly verdicts: Verdicts;
  #wastedBytes = 0;
  readonly #store: PieceStore;
  readonly #picker: PiecePicker;
  readonly #handler: DownloadHandler;
  readonly #maxRate: number | undefined;
  /** How many blocks all peers together are asked for, in general. */
  readonly #maxAsked: number;
  readonly #sources = new Map<Peer, Source>();
  /** Also of peers that have left: they may still turn out to be liars. */
  readonly #sourceOf = new WeakMap<PickerPeer, Source>();
  readonly #turns = new Turns();
  /** How many peers had been asked for something at the last tick; 1 at least. */
  #serving = 1;

  /**
   * A download without peers.
   *
   * @param layout Where the blocks lie.
   * @param options The parts that it plays together.
   */
  constructor(layout: PieceLayout, options: DownloadOptions) {
    this.#store = options.store;
    this.#picker = options.picker;
    this.#handler = options.handler;
    this.#maxRate = options.maxRate;
    this.verdicts = new Verdicts(layout, {
      ...options,
      convict: (giver) => this.#convict(giver),
    });
    this.#maxAsked = layout.blocksPerPiece * ASKED_SHARE *
      Download.maxOpenPieces(layout.pieceLength);
  }

  /**
   * How many pieces may be open at a time: each has its buffer in memory.
   *
   * @param pieceLength The length of a piece.
   * @returns The number.
   */
  static maxOpenPieces(pieceLength: number): number {
    const count = Math.floor(OPEN_BYTES / pieceLength);
    return Math.max(MIN_OPEN_PIECES, Math.min(MAX_OPEN_PIECES, count));
  }

  /** The bytes that came and were of no use. */
  get wastedBytes(): number {
    return this.#wastedBytes + this.verdicts.wastedBytes;
  }

  /**
   * Whether a peer serves us and does not send what it was asked for.
   *
   * @param peer The peer.
   * @returns Whether it has not for some time.
   */
  isSnubbing(peer: Peer): boolean {
    return this.#sources.get(peer)?.isSnubbing ?? false;
  }

  /**
   * A peer has come.
   *
   * @param peer The peer.
   */
  join(peer: Peer): void {
    const seat = this.#picker.join(peer.state.have);
    const source = new Source(peer, {
      seat,
      maxBytesPerSecond: this.#maxRate,
    });
    this.#sources.set(peer, source);
    this.#sourceOf.set(source.seat, source);
  }

  /**
   * A peer has gone.
   *
   * @param peer The peer.
   */
  leave(peer: Peer): void {
    const source = this.#sources.get(peer);
    if (!source) return;
    this.#sources.delete(peer);
    this.#discard(this.#picker.leave(source.seat));
  }

  /**
   * Takes what a peer says, as far as it is about blocks for us.
   *
   * @param peer The peer.
   * @param messages What it says.
   * @returns A promise while the disk does not keep up, or others have to get
   * their turn.
   * @throws {ProtocolError} If the peer breaks the rules.
   */
  receive(
    peer: Peer,
    messages: readonly Message[],
  ): Promise<void> | undefined {
    const source = this.#sources.get(peer);
    if (!source) return undefined;
    const now = performance.now();
    for (const message of messages) this.#receive(source, message, now);
    this.#updateInterest(source);
    this.#refill(source, now);
    return this.#store.drained() ?? this.#turns.pause(performance.now());
  }

  /**
   * Looks after whoever is late, and after windows that have room.
   *
   * @param now The time in milliseconds.
   */
  tick(now: number): void {
    let serving = 0;
    for (const source of this.#sources.values()) {
      if (source.seat.requests.size > 0) serving++;
      this.#releaseLate(source, now);
      this.#releaseSnubbed(source, now);
      this.#updateInterest(source);
      this.#refill(source, now);
    }
    this.#serving = Math.max(1, serving);
  }

  /**
   * Takes a block from somebody who is no peer: a web seed.
   *
   * @param giver Who gave it; one of the picker's.
   * @param options The block, its bytes, and the time.
   */
  receiveFrom(
    giver: PickerPeer,
    { place, block, now }: { place: Block; block: Uint8Array; now: number },
  ): void {
    const receipt = this.#picker.received(giver, place);
    this.received.add(block.length, now);
    this.#take(receipt, { place, block });
  }

  /**
   * Takes whole pieces from somebody who is no peer: a web seed.
   *
   * @param giver Who gave them; one of the picker's.
   * @param options The blocks of the pieces, which follow each other; where
   * they lie in memory that the store has lent; and the time.
   */
  receiveRun(
    giver: PickerPeer,
    { blocks, memory, now }: {
      blocks: readonly Block[];
      memory: Uint8Array<ArrayBuffer>;
      now: number;
    },
  ): void {
    const wanted = blocks.filter((place) =>
      this.#accepts(this.#picker.received(giver, place), place)
    );
    this.received.add(blocks.reduce((sum, { length }) => sum + length, 0), now);
    if (wanted.length === blocks.length) {
      const [first, last] = [blocks[0]!.index, blocks.at(-1)!.index];
      return this.#store.addRun({ first, end: last + 1 }, memory);
    }
    // In a hurry, a peer may have been asked for one of them as well.
    const isWanted = new Set(wanted);
    let at = 0;
    for (const place of blocks) {
      const block = memory.subarray(at, at += place.length);
      if (isWanted.has(place)) this.#store.add(place, block);
    }
  }

  #receive(source: Source, message: Message, now: number): void {
    // What a liar said before its connection was closed is worth nothing.
    if (source.isLiar) return;
    const { state } = source.peer;
    switch (message.type) {
      case "piece":
        return this.#receiveBlock(source, message, now);
      case "choke":
        state.peerChoking = true;
        return this.#discard(this.#picker.releaseAll(source.seat));
      case "unchoke":
        state.peerChoking = false;
        this.#picker.unchoked(source.seat);
        source.begin(now);
        source.window.resumed();
        return;
      case "have":
        if (state.receiveHave(message.index)) {
          this.#picker.gained(source.seat, message.index);
          this.#handler.onGained(source.peer, [message.index]);
        }
        return;
      case "bitfield":
        return this.#gainAll(source, state.receiveBitfield(message.bitfield));
      case "have_all":
        return this.#gainAll(source, state.receiveHaveAll());
      case "have_none":
        state.receiveHaveNone();
        return this.#handler.onGained(source.peer, []);
      case "allowed_fast":
        state.receiveAllowedFast(message.index);
        return;
      case "suggest_piece":
        return state.receiveSuggestPiece(message.index);
      case "reject_request":
        return this.#receiveReject(source, message, now);
    }
  }

  #gainAll({ peer, seat }: Source, gained: Bitfield): void {
    this.#picker.gainedAll(seat, gained);
    this.#handler.onGained(peer, gained);
  }

  #receiveReject(source: Source, block: Block, now: number): void {
    const { wasAsked, abandoned } = this.#picker.rejected(source.seat, {
      block,
      now,
    });
    this.#discard(abandoned);
    source.peer.state.receiveRejectRequest(wasAsked);
  }

  #receiveBlock(
    source: Source,
    { index, begin, block }: Extract<Message, { type: "piece" }>,
    now: number,
  ): void {
    const place = { index, begin, length: block.length };
    const receipt = this.#picker.received(source.seat, place);
    source.peer.received.add(block.length, now);
    this.received.add(block.length, now);
    if (receipt.askedAt !== undefined) {
      source.isSnubbing = false;
      source.begin(now);
      const askedAt = receipt.isAmbiguous ? undefined : receipt.askedAt;
      source.newestAnswered = Math.max(
        source.newestAnswered,
        askedAt ?? -Infinity,
      );
      const serving = this.#serving;
      source.window.received(block.length, { askedAt, now, serving });
    }
    this.#take(receipt, { place, block });
    if (receipt.verdict === "unasked" && ++source.unasked > MAX_UNASKED) {
      this.#convict(source.seat);
      throw new ProtocolError("The peer sends what nobody asked for");
    }
  }

  #take(
    receipt: Receipt,
    { place, block }: { place: Block; block: Uint8Array },
  ): void {
    if (this.#accepts(receipt, place)) this.#store.add(place, block);
  }

  /** Whether a block is of use; others need not send it then. */
  #accepts({ verdict, cancel }: Receipt, place: Block): boolean {
    if (verdict !== "wanted") {
      this.#wastedBytes += place.length;
      return false;
    }
    for (const seat of cancel) {
      this.#sourceOf.get(seat)?.peer.send({ type: "cancel", ...place });
    }
    return true;
  }

  /** Asks for as many blocks as the window has room for. */
  #refill(source: Source, now: number): void {
    const { peer, seat, window } = source;
    const { peerChoking, allowedFast, amInterested, reqq } = peer.state;
    if (!amInterested || (peerChoking && allowedFast.size === 0)) return;
    const size = Math.min(
      this.#shareOf(seat),
      window.size,
      peer.supportsExtensions ? reqq : MAX_ASKED_UNSAID,
    );
    const room = size - seat.requests.size;
    const least = Math.min(MAX_REFILL, size * REFILL_SHARE);
    if (room < Math.max(1, least)) return;
    const isIdle = seat.requests.size === 0;
    const patience = this.limitMs +
      Math.max(MIN_PATIENCE_MS, 2 * (window.latency ?? 0));
    const blocks = this.choose(seat, {
      count: room,
      now,
      patience,
      only: peerChoking ? allowedFast : undefined,
    });
    if (isIdle) {
      if (blocks.length === 0) window.resumed();
      else source.begin(now);
    }
    peer.send(
      ...blocks.map((block): Message => ({ type: "request", ...block })),
    );
  }

  /**
   * How many blocks a peer may be asked for, for the sake of the others: when
   * all together are asked for much, none may have more than its share.
   */
  #shareOf({ requests }: PickerPeer): number {
    return Math.max(
      Math.ceil(this.#maxAsked / this.#sources.size),
      requests.size + this.#maxAsked - this.#picker.askedCount,
    );
  }

  /** How long our own limit needs for all that was asked for. */
  get limitMs(): number {
    if (this.#maxRate === undefined) return 0;
    return this.#picker.askedCount * BLOCK_LENGTH * 1000 / this.#maxRate;
  }

  /**
   * Chooses blocks to ask somebody for, if need be in the place of others.
   *
   * @param seat Who; one of the picker's.
   * @param options How many, and the time.
   * @returns The blocks, in the order in which to ask.
   */
  choose(seat: PickerPeer, options: PickOptions): Block[] {
    const blocks = this.#picker.pick(seat, options);
    if (blocks.length > 0 || options.only) return blocks;
    const passedOn = this.#picker.takeOver(seat, options.now);
    this.#discard(passedOn);
    return passedOn.length > 0 ? this.#picker.pick(seat, options) : blocks;
  }

  #updateInterest({ peer, seat }: Source): void {
    const isInteresting = this.#picker.isInteresting(seat);
    if (isInteresting === peer.state.amInterested) return;
    peer.state.amInterested = isInteresting;
    peer.send({ type: isInteresting ? "interested" : "not_interested" });
  }

  /** Single requests that the peer seems to have lost: others may be asked. */
  #releaseLate({ seat, window, newestAnswered }: Source, now: number): void {
    for (const [id, askedAt] of seat.requests) {
      if (askedAt >= newestAnswered) return;
      if (now - askedAt < window.lateAfter) return;
      this.#picker.release(seat, id);
    }
  }

  /** A peer that has stopped sending: all that it was asked for is free. */
  #releaseSnubbed(source: Source, now: number): void {
    const { seat, window } = source;
    if (seat.requests.size === 0 || source.silentMs(now) < SNUB_MS) return;
    window.stalled();
    source.isSnubbing = true;
    source.begin(now);
    this.#discard(this.#picker.stalled(seat));
  }

  #convict(giver: PickerPeer): void {
    const source = this.#sourceOf.get(giver);
    if (source?.isLiar) return;
    if (source) source.isLiar = true;
    this.#discard(this.#picker.distrust(giver));
    if (source) this.#handler.onLiar(source.peer);
    else this.#handler.onOtherLiar(giver);
  }

  #discard(pieces: readonly number[]): void {
    for (const index of pieces) this.#store.discard(index);
  }
}
