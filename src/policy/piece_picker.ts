/**
 * `PiecePicker`: which block is asked of whom. It owns availability and every
 * open request; it is told events and asked one question. Pure.
 *
 * The life of a piece that is wanted:
 *
 * ```
 *             pick()         received() × all blocks
 *   waiting ─────────► open ────────────────────────► complete ──► verified()
 *     ▲ ▲                │ ▲                              │ │
 *     │ └────────────────┘ └──────────────────────────────┘ │ reopened()
 *     │    its only source goes                             │
 *     └─────────────────────────────────────────────────────┘ failed()
 * ```
 *
 * Waiting pieces stand in one row, rarest first, in random order where they
 * are equally rare. An open piece belongs to the peer that opened it, as long
 * as that peer is there: most pieces then come from one peer, which makes a
 * liar known at once. Others join when nothing else is left for them to do, or
 * when no more pieces may be open.
 *
 * A piece whose hash was wrong must come from one peer alone the next time. In
 * v2 it can be known which of its blocks were bad: then these alone are asked
 * for again, of anybody. And in v2 it may not be known yet what a piece must
 * hash to: until then it is not asked for.
 *
 * A web seed is a peer too, as far as the picker is concerned, but one that is
 * asked for long stretches of bytes: it begins runs of pieces that are next to
 * each other, however rare they are, and fills the gaps that peers leave.
 *
 * Nobody is waited for without end: what a stalled peer was asked for counts
 * as not asked, what a slow one was asked for is asked of others when they
 * have nothing else to do, and a piece that is to come from one peer alone
 * passes on when that peer goes or takes too long. Nor is anybody asked again
 * and again: a piece of which a peer has rejected a block (BEP 6) is asked of
 * others for a while.
 *
 * @module
 */

import type { Bitfield } from "../bytes/bitfield.ts";
import {
  type Block,
  BLOCK_LENGTH,
  type PieceLayout,
} from "../metainfo/layout.ts";
import { RarityRow } from "./rarity_row.ts";

/**
 * The first pieces are taken at random: the rarest are slow to get, and
 * without a piece there is nothing to give.
 */
const RANDOM_FIRST_PIECES = 4;

/** In the endgame a block is asked of so many peers at most. */
const MAX_ASKED = 3;

/**
 * The one peer that gives all of a piece may take so long for a block, before
 * another one may take the piece over; twice as long after every time.
 */
const EXCLUSIVE_PATIENCE_MS = 10_000;

/**
 * After so many attempts that ended half-way everybody may give blocks again:
 * peers may come and go faster than one of them can send a long piece.
 */
const MAX_EXCLUSIVE_ATTEMPTS = 3;

/**
 * Blocks that a peer may still send although they were given up. Who answers
 * every twentieth request of 25 MB/s half a minute late owes 2300, and who
 * chokes us with the longest window full, 2000.
 */
const MAX_OVERDUE = 4096;

/**
 * Who rejects a block is not asked for its piece again before: it may have lost
 * the piece, or have too many requests, which passes.
 */
const REJECTED_MS = 10_000;

const FREE = 0;
const ASKED = 1;
const GOT = 2;
/** There, and known to be right: whoever gave it. */
const PROVEN = 3;

/** What the picker knows of one peer. */
export interface PickerPeer {
  /** The pieces that the peer has; whoever changes it tells the picker. */
  readonly have: Bitfield;
  /**
   * The blocks that it was asked for and has not sent: the number of each
   * block in the torrent → when it was asked for. In the order of asking.
   */
  readonly requests: Map<number, number>;
}

/** How many blocks all peers together are asked for. */
interface Tally {
  asked: number;
}

class Member implements PickerPeer {
  readonly requests = new Map<number, number>();
  /** Open pieces that belong to this peer. */
  readonly owned = new Set<OpenPiece>();
  /** Blocks that were asked for and given up, and may still come: how often. */
  readonly overdue = new Map<number, number>();
  /** Pieces of which it rejected a block → when to ask for them again. */
  readonly rejected = new Map<number, number>();
  /** Whether it is counted as one that has every piece. */
  isSeed = false;
  /** Where the last search for something of interest ended. */
  interestAt = 0;
  /** The state of the row in which no piece for this peer was found. */
  nothingWaiting = -1;
  readonly #tally: Tally;

  constructor(readonly have: Bitfield, tally: Tally) {
    this.#tally = tally;
  }

  /** Is asked for a block. */
  ask(id: number, now: number): void {
    this.requests.set(id, now);
    this.#tally.asked++;
  }

  /** Has answered; tells whether it was asked. */
  answer(id: number): boolean {
    if (!this.requests.delete(id)) return false;
    this.#tally.asked--;
    return true;
  }

  /** Whether it may be asked for a piece. */
  mayGive(index: number, only: ReadonlySet<number> | undefined): boolean {
    return this.have.has(index) && !this.rejected.has(index) &&
      (only === undefined || only.has(index));
  }

  /** Rejects count for a while; what was rejected first is first here. */
  forgetRejected(now: number): void {
    for (const [index, until] of this.rejected) {
      if (now < until) return;
      this.rejected.delete(index);
      this.nothingWaiting = -1;
    }
  }

  /** Gives up a request; the block may be on its way already. */
  giveUp(id: number): boolean {
    if (!this.answer(id)) return false;
    if (this.overdue.size >= MAX_OVERDUE) {
      const [oldest] = this.overdue.keys();
      this.overdue.delete(oldest!);
    }
    this.overdue.set(id, (this.overdue.get(id) ?? 0) + 1);
    return true;
  }

  /** Takes a block that was given up; tells whether it was. */
  takeOverdue(id: number): boolean {
    const times = this.overdue.get(id) ?? 0;
    if (times > 1) this.overdue.set(id, times - 1);
    else this.overdue.delete(id);
    return times > 0;
  }
}

/** Nearly every block is asked of one peer alone: nobody else is to be told. */
const NOBODY: readonly Member[] = [];

class OpenPiece {
  /** Of each block: free, asked for, there, or proven. */
  readonly state: Uint8Array;
  /** Of each block that is asked for: of whom. */
  readonly askers: (Member[] | undefined)[];
  /** Of each block that is there: from whom. */
  readonly givers: (PickerPeer | undefined)[];
  free: number;
  missing: number;
  owner: Member | undefined;

  constructor(
    readonly index: number,
    blocks: number,
    /** Whether nobody else may join: the piece has failed before. */
    readonly isExclusive: boolean,
  ) {
    this.state = new Uint8Array(blocks);
    this.askers = new Array(blocks);
    this.givers = new Array(blocks);
    this.free = blocks;
    this.missing = blocks;
  }
}

/** What became of a block that arrived. */
export interface Receipt {
  /**
   * - `wanted`: it fills a gap;
   * - `duplicate`: it was asked for, and another peer was faster;
   * - `unasked`: nobody asked this peer for it.
   */
  verdict: "wanted" | "duplicate" | "unasked";
  /** Who else was asked for it, and need not send it any more. */
  cancel: readonly PickerPeer[];
  /** When it was asked for, unless that was given up since. */
  askedAt: number | undefined;
  /**
   * Whether it had been asked for before, and given up: it may be the answer to
   * that, and says nothing of how long the way is.
   */
  isAmbiguous: boolean;
}

/** Options for {@linkcode PiecePicker}. */
export interface PickerOptions {
  /** The pieces that are wanted and not there; the picker keeps its own copy. */
  wanted: Bitfield;
  /** Those of them whose hash is not known yet; none if not given. */
  unknown?: Bitfield | undefined;
  /** How many pieces may be open at a time: each has a buffer in memory. */
  maxOpen: number;
  /** A number from 0 to less than 1. */
  random: () => number;
}

/** Options for {@linkcode PiecePicker.pick}. */
export interface PickOptions {
  /** How many blocks are wanted at most. */
  count: number;
  /** The time in milliseconds. */
  now: number;
  /**
   * How long a block must have been asked of another peer before it is asked
   * of this one too, in milliseconds.
   */
  patience: number;
  /**
   * The only pieces that the peer may be asked for, if not all: those that it
   * allows while it chokes us (BEP 6).
   */
  only?: ReadonlySet<number> | undefined;
  /**
   * Whether new pieces should be next to each other, and from which piece on
   * to look for a run of them; they are rarest first if not given. Who is
   * asked so never chokes us: `only` does not go with it.
   */
  from?: number | undefined;
}

/** What became of a request that was rejected. */
export interface Rejection {
  /** Whether the peer was asked for the block at all. */
  wasAsked: boolean;
  /** The pieces that begin anew: what came of them is worth nothing. */
  abandoned: number[];
}

/** Decides which block is asked of whom. */
export class PiecePicker {
  readonly #layout: PieceLayout;
  readonly #needed: Bitfield;
  readonly #maxOpen: number;
  readonly #random: () => number;
  readonly #members = new Set<Member>();
  /** Members that send nothing of what they were asked for. */
  readonly #stalled = new Set<Member>();
  readonly #open = new Map<number, OpenPiece>();
  /** Open pieces that belong to nobody. */
  readonly #orphans = new Set<OpenPiece>();
  /** Open pieces of which blocks are missing. */
  #incomplete = 0;
  /** Open pieces with free blocks that may come from anybody. */
  readonly #joinable = new Set<OpenPiece>();
  /** Open pieces that must come from their owner alone. */
  readonly #exclusive = new Set<OpenPiece>();
  /** Pieces whose hash was wrong → attempts since then that ended half-way. */
  readonly #suspect = new Map<number, number>();
  readonly #row: RarityRow;
  /** Pieces that are needed and do not wait: their hash is not known yet. */
  readonly #unknown: Set<number>;
  readonly #tally: Tally = { asked: 0 };
  #opened = 0;
  /** No request is older: spares most looks through all of them. */
  #oldestRequest = -Infinity;

  /**
   * A picker that knows no peer.
   *
   * @param layout Where the blocks lie.
   * @param options What is wanted.
   */
  constructor(layout: PieceLayout, options: PickerOptions) {
    this.#layout = layout;
    this.#needed = options.wanted.clone();
    this.#maxOpen = options.maxOpen;
    this.#random = options.random;
    this.#row = new RarityRow(options.wanted, options.random);
    this.#unknown = new Set(options.unknown);
    for (const index of this.#unknown) {
      if (options.wanted.has(index)) this.#row.remove(index);
      else this.#unknown.delete(index);
    }
  }

  /** The pieces that are not verified yet. */
  get neededCount(): number {
    return this.#needed.count;
  }

  /** The pieces that were begun and are not verified yet. */
  get openCount(): number {
    return this.#open.size;
  }

  /** The pieces that are needed and whose hash is not known yet. */
  get unknownCount(): number {
    return this.#unknown.size;
  }

  /** How many blocks all peers together are asked for. */
  get askedCount(): number {
    return this.#tally.asked;
  }

  /**
   * A peer has come.
   *
   * @param have What it has; empty at first, and never copied.
   * @returns The peer as the picker knows it.
   */
  join(have: Bitfield): PickerPeer {
    const member = new Member(have, this.#tally);
    this.#members.add(member);
    return member;
  }

  /**
   * A peer has gone: what was asked of it is free again.
   *
   * @param peer The peer.
   * @returns The pieces that begin anew: what came of them is worth nothing.
   */
  leave(peer: PickerPeer): number[] {
    const member = this.#member(peer);
    this.#members.delete(member);
    this.#stalled.delete(member);
    const abandoned = this.#releaseAll(member);
    if (!member.isSeed) this.#row.changeAll(member.have, -1);
    return abandoned;
  }

  /**
   * A peer has a piece more; its set holds it already.
   *
   * @param peer The peer.
   * @param index The piece.
   */
  gained(peer: PickerPeer, index: number): void {
    const member = this.#member(peer);
    member.nothingWaiting = -1;
    if (this.#needed.has(index)) member.interestAt = index;
    this.#row.change(index, 1);
  }

  /**
   * A peer has many pieces more; its set holds them already.
   *
   * @param peer The peer.
   * @param pieces The new ones.
   */
  gainedAll(peer: PickerPeer, pieces: Bitfield): void {
    const member = this.#member(peer);
    member.nothingWaiting = -1;
    if (pieces.isFull) {
      // Seeds make every piece equally less rare: they change no order.
      member.isSeed = true;
    } else {
      this.#row.changeAll(pieces, 1);
    }
  }

  /**
   * Whether a peer has anything that is needed.
   *
   * @param peer The peer.
   * @returns Whether it is worth being interested.
   */
  isInteresting(peer: PickerPeer): boolean {
    const member = this.#member(peer);
    if (
      this.#needed.has(member.interestAt) && member.have.has(member.interestAt)
    ) {
      return true;
    }
    const index = this.#needed.firstCommon(member.have, member.interestAt);
    if (index === undefined) return false;
    member.interestAt = index;
    return true;
  }

  /**
   * Chooses blocks to ask a peer for, and notes that it is asked.
   *
   * @param peer The peer.
   * @param options How many, and the time.
   * @returns The blocks, in the order in which to ask.
   */
  pick(peer: PickerPeer, options: PickOptions): Block[] {
    const member = this.#member(peer);
    const { only } = options;
    member.forgetRejected(options.now);
    const blocks: Block[] = [];
    const take = (piece: OpenPiece) => {
      this.#takeFree(piece, member, { ...options, blocks });
      return blocks.length < options.count;
    };
    for (const piece of member.owned) {
      if (piece.free === 0 || !member.mayGive(piece.index, only)) continue;
      if (!take(piece)) return blocks;
    }
    for (const piece of this.#orphans) {
      if (piece.free === 0 || !member.mayGive(piece.index, only)) continue;
      this.#own(piece, member);
      if (!take(piece)) return blocks;
    }
    if (options.from !== undefined) {
      const { from, count } = options;
      const length = Math.ceil(
        (count - blocks.length) / this.#layout.blocksPerPiece,
      );
      for (const index of this.#run(member, { from, length })) {
        if (!take(this.#openPiece(index, member))) return blocks;
      }
      // What is left lies elsewhere: that is for the next request.
      if (blocks.length > 0) return blocks;
    }
    while (options.from === undefined && this.#open.size < this.#maxOpen) {
      const piece = this.#openFor(member, only);
      if (!piece) break;
      if (!take(piece)) return blocks;
    }
    for (const piece of this.#joinable) {
      if (member.mayGive(piece.index, only) && !take(piece)) return blocks;
    }
    this.#takeAsked(member, { ...options, blocks });
    return blocks;
  }

  /**
   * A block has arrived.
   *
   * @param peer From whom.
   * @param block The block.
   * @returns What it is worth.
   */
  received(peer: PickerPeer, block: Block): Receipt {
    const member = this.#member(peer);
    const id = this.#idOf(block);
    const known = this.#layout.isBlock(block);
    const askedAt = known ? member.requests.get(id) : undefined;
    const isAmbiguous = askedAt !== undefined && member.overdue.has(id);
    const wasAsked = known && member.answer(id);
    // Asked for again after a choke, it comes once more: some peers send what
    // they have read from their disk already.
    if (!wasAsked && !(known && member.takeOverdue(id))) {
      return { verdict: "unasked", cancel: NOBODY, askedAt, isAmbiguous };
    }
    const piece = this.#open.get(block.index);
    const at = block.begin / BLOCK_LENGTH;
    if (
      !piece || piece.state[at]! >= GOT ||
      // In a suspect piece every block must come from the one owner.
      (piece.isExclusive && piece.owner !== member)
    ) {
      return { verdict: "duplicate", cancel: NOBODY, askedAt, isAmbiguous };
    }
    const askers = piece.askers[at] ?? NOBODY;
    const cancel = askers.length === 1 && askers[0] === member
      ? NOBODY
      : askers.filter((other) => other !== member);
    for (const other of cancel) other.giveUp(id);
    this.#setState(piece, at, GOT);
    piece.askers[at] = undefined;
    piece.givers[at] = peer;
    piece.missing--;
    this.#stalled.delete(member);
    if (piece.missing === 0) {
      this.#incomplete--;
      this.#exclusive.delete(piece);
      this.#disown(piece);
      this.#orphans.delete(piece);
    }
    return { verdict: "wanted", cancel, askedAt, isAmbiguous };
  }

  /**
   * A peer will not send a block, or takes too long: others may be asked.
   *
   * @param peer The peer.
   * @param id The number of the block, as in `requests`.
   */
  release(peer: PickerPeer, id: number): void {
    const member = this.#member(peer);
    if (member.giveUp(id)) this.#unask(id, member);
  }

  /**
   * Whether a peer is still asked for a block: others may have sent it.
   *
   * @param peer The peer.
   * @param block The block.
   * @returns Whether it is.
   */
  isAsked(peer: PickerPeer, block: Block): boolean {
    return peer.requests.has(this.#idOf(block));
  }

  /**
   * A peer will not send some blocks: what of them it is still asked for is
   * free for others.
   *
   * @param peer The peer.
   * @param blocks The blocks.
   */
  withdraw(peer: PickerPeer, blocks: readonly Block[]): void {
    for (const block of blocks) this.release(peer, this.#idOf(block));
  }

  /**
   * A peer has rejected a request (BEP 6): others may be asked, and the peer
   * itself is not asked for that piece for a while. Whoever chokes us rejects
   * as well: what was released before counts as asked for, and means nothing
   * for the time after.
   *
   * @param peer The peer.
   * @param options What it says that we asked for, and the time.
   * @returns Whether it was asked, and what begins anew.
   */
  rejected(
    peer: PickerPeer,
    { block, now }: { block: Block; now: number },
  ): Rejection {
    const member = this.#member(peer);
    if (!this.#layout.isBlock(block)) return { wasAsked: false, abandoned: [] };
    const id = this.#idOf(block);
    if (!member.answer(id)) {
      return { wasAsked: member.takeOverdue(id), abandoned: [] };
    }
    this.#unask(id, member);
    member.rejected.delete(block.index);
    member.rejected.set(block.index, now + REJECTED_MS);
    const piece = this.#open.get(block.index)!;
    if (piece.owner !== member) return { wasAsked: true, abandoned: [] };
    this.#disown(piece);
    if (!piece.isExclusive) return { wasAsked: true, abandoned: [] };
    this.#restart(piece);
    return { wasAsked: true, abandoned: [block.index] };
  }

  /**
   * A peer has unchoked us: it may be asked again for what it rejected.
   *
   * @param peer The peer.
   */
  unchoked(peer: PickerPeer): void {
    this.#member(peer).forgetRejected(Infinity);
  }

  /**
   * A peer has choked us: it will send nothing of what it was asked for.
   *
   * @param peer The peer.
   * @returns The pieces that begin anew: what came of them is worth nothing.
   */
  releaseAll(peer: PickerPeer): number[] {
    return this.#releaseAll(this.#member(peer));
  }

  /**
   * A peer sends nothing of what it was asked for: that is free again, and
   * what it is asked for from now on others may be asked for as well, until a
   * block of it is of use.
   *
   * @param peer The peer.
   * @returns The pieces that begin anew: what came of them is worth nothing.
   */
  stalled(peer: PickerPeer): number[] {
    const member = this.#member(peer);
    this.#stalled.add(member);
    return this.#releaseAll(member);
  }

  /**
   * A peer for which nothing is left may have a piece that was to come from
   * another one alone, if that one stalls or takes too long.
   *
   * @param peer The peer.
   * @param now The time in milliseconds.
   * @returns The pieces that begin anew: what came of them is worth nothing.
   */
  takeOver(peer: PickerPeer, now: number): number[] {
    const member = this.#member(peer);
    if (this.#stalled.has(member)) return [];
    member.forgetRejected(now);
    for (const piece of this.#exclusive) {
      if (
        piece.owner !== member && member.mayGive(piece.index, undefined) &&
        this.#isHeldUp(piece, now)
      ) {
        // It must not take the piece back in turn.
        this.#stalled.add(piece.owner!);
        this.#restart(piece);
        return [piece.index];
      }
    }
    return [];
  }

  /**
   * A peer turned out to be a liar: nothing of what it gave can be trusted.
   *
   * @param peer The peer; it may have left already.
   * @returns The pieces that begin anew: what came of them is worth nothing.
   */
  distrust(peer: PickerPeer): number[] {
    const tainted = [...this.#open.values()].filter((piece) =>
      piece.missing > 0 &&
      piece.givers.some((giver, at) =>
        giver === peer && piece.state[at] !== PROVEN
      )
    );
    for (const piece of tainted) this.#abandon(piece);
    return tainted.map((piece) => piece.index);
  }

  /**
   * A piece is verified and safe: it is not needed any more.
   *
   * @param index The piece.
   */
  verified(index: number): void {
    this.#needed.delete(index);
    this.#open.delete(index);
    this.#suspect.delete(index);
  }

  /**
   * The hash of a complete piece is wrong: it waits again, and next time one
   * peer alone gives all of it.
   *
   * @param index The piece.
   * @returns Who gave each block.
   */
  failed(index: number): PickerPeer[] {
    const piece = this.#open.get(index)!;
    this.#suspect.set(index, 0);
    this.#abandon(piece);
    return piece.givers.filter((giver) => giver !== undefined);
  }

  /**
   * The hash of a complete piece is wrong, and it is known which of its blocks
   * are: these can be asked of anybody, and the others stay.
   *
   * @param index The piece.
   * @param bad The numbers of its bad blocks; at least one.
   * @returns Who gave each of them.
   */
  reopened(index: number, bad: readonly number[]): PickerPeer[] {
    const complete = this.#open.get(index)!;
    if (bad.length === 0) {
      throw new RangeError(`Cannot reopen piece ${index}: no block is bad`);
    }
    const piece = new OpenPiece(index, complete.state.length, false);
    piece.state.fill(PROVEN);
    for (const at of bad) piece.state[at] = FREE;
    piece.free = piece.state.filter((state) => state === FREE).length;
    piece.missing = piece.free;
    complete.givers.forEach((giver, at) => {
      if (piece.state[at] === PROVEN) piece.givers[at] = giver;
    });
    this.#suspect.delete(index);
    this.#open.set(index, piece);
    this.#incomplete++;
    this.#joinable.add(piece);
    this.#orphans.add(piece);
    return bad.map((at) => complete.givers[at]!);
  }

  /**
   * It is known now what pieces must hash to: they can be asked for.
   *
   * @param pieces Those pieces; it may be known of some already.
   */
  learned(pieces: Iterable<number>): void {
    for (const index of pieces) {
      if (this.#unknown.delete(index)) this.#row.add(index);
    }
  }

  /**
   * The block that a number stands for.
   *
   * @param id The number of a block in the torrent, as in `requests`.
   * @returns The block.
   */
  blockOf(id: number): Block {
    const perPiece = this.#layout.blocksPerPiece;
    return this.#layout.block(Math.floor(id / perPiece), id % perPiece);
  }

  #idOf(block: Block): number {
    return block.index * this.#layout.blocksPerPiece +
      block.begin / BLOCK_LENGTH;
  }

  #member(peer: PickerPeer): Member {
    if (peer instanceof Member) return peer;
    throw new TypeError("Cannot pick for a peer of another picker");
  }

  #own(piece: OpenPiece, member: Member): void {
    this.#orphans.delete(piece);
    piece.owner = member;
    member.owned.add(piece);
  }

  #disown(piece: OpenPiece): void {
    piece.owner?.owned.delete(piece);
    piece.owner = undefined;
    this.#orphans.add(piece);
  }

  #setState(piece: OpenPiece, at: number, state: number): void {
    piece.free += Number(state === FREE) - Number(piece.state[at] === FREE);
    piece.state[at] = state;
    if (piece.free === 0) this.#joinable.delete(piece);
    else if (!piece.isExclusive) this.#joinable.add(piece);
  }

  /** Opens the rarest waiting piece that a peer has. */
  #openFor(
    member: Member,
    only: ReadonlySet<number> | undefined,
  ): OpenPiece | undefined {
    const index = only
      ? this.#row.firstOf(
        [...only].filter((index) => member.mayGive(index, only)),
      )
      : this.#firstWaiting(member);
    return index === undefined ? undefined : this.#openPiece(index, member);
  }

  /** Pieces next to each other that wait, as many as may be opened. */
  #run(
    member: Member,
    { from, length }: { from: number; length: number },
  ): number[] {
    const room = this.#maxOpen - this.#open.size;
    const run = this.#row.run(member.have, {
      from,
      length: Math.min(length, room),
      except: member.rejected,
    });
    return Array.from({ length: run?.length ?? 0 }, (_, i) => run!.first + i);
  }

  #openPiece(index: number, member: Member): OpenPiece {
    this.#opened++;
    this.#row.remove(index);
    const piece = new OpenPiece(
      index,
      this.#layout.blockCount(index),
      this.#suspect.has(index),
    );
    this.#open.set(index, piece);
    this.#incomplete++;
    (piece.isExclusive ? this.#exclusive : this.#joinable).add(piece);
    this.#own(piece, member);
    return piece;
  }

  #firstWaiting(member: Member): number | undefined {
    if (member.nothingWaiting === this.#row.version) return undefined;
    const from = this.#opened < RANDOM_FIRST_PIECES ? this.#random() : 0;
    const index = this.#row.first(member.have, {
      from,
      except: member.rejected,
    });
    // Pieces only leave the row, until its version says otherwise.
    if (index === undefined) member.nothingWaiting = this.#row.version;
    return index;
  }

  /** Takes the free blocks of a piece, from its start. */
  #takeFree(
    piece: OpenPiece,
    member: Member,
    { count, now, blocks }: PickOptions & { blocks: Block[] },
  ): void {
    for (let at = 0; piece.free > 0 && blocks.length < count; at++) {
      at = piece.state.indexOf(FREE, at);
      if (at < 0) return;
      this.#setState(piece, at, ASKED);
      piece.askers[at] = [];
      blocks.push(this.#ask(piece, at, { member, now }));
    }
  }

  /**
   * Takes blocks that others were asked for and have not sent: of stalled
   * peers at any time, of all in the endgame.
   */
  #takeAsked(member: Member, options: PickOptions & { blocks: Block[] }): void {
    const { now, patience } = options;
    for (const other of this.#stalled) {
      this.#takeFrom(other, { ...options, member, patience: 0 });
    }
    if (!this.#isEndgame || now - this.#oldestRequest < patience) return;
    let oldest = now;
    for (const other of this.#members) {
      this.#takeFrom(other, { ...options, member });
      for (const askedAt of other.requests.values()) {
        oldest = Math.min(oldest, askedAt);
        break;
      }
    }
    this.#oldestRequest = oldest;
  }

  /** Takes blocks that another one was asked for. */
  #takeFrom(
    other: Member,
    { member, count, now, patience, only, blocks }: PickOptions & {
      member: Member;
      blocks: Block[];
    },
  ): void {
    if (other === member) return;
    for (const [id, askedAt] of other.requests) {
      // What follows was asked for even later.
      if (blocks.length >= count || now - askedAt < patience) return;
      const { index, begin } = this.blockOf(id);
      const piece = this.#open.get(index)!;
      if (
        member.requests.has(id) || !member.mayGive(index, only) ||
        piece.isExclusive
      ) continue;
      const at = begin / BLOCK_LENGTH;
      const active = piece.askers[at]!.filter((asker) =>
        !this.#stalled.has(asker)
      );
      if (active.length >= MAX_ASKED) continue;
      blocks.push(this.#ask(piece, at, { member, now }));
    }
  }

  /**
   * Whether there is nothing new to begin: no piece waits, or as many as may
   * be open wait for blocks.
   */
  get #isEndgame(): boolean {
    return this.#row.length === 0 || this.#incomplete >= this.#maxOpen;
  }

  #ask(
    piece: OpenPiece,
    at: number,
    { member, now }: { member: Member; now: number },
  ): Block {
    const block = this.#layout.block(piece.index, at);
    const id = this.#idOf(block);
    piece.askers[at]!.push(member);
    member.ask(id, now);
    return block;
  }

  #releaseAll(member: Member): number[] {
    for (const id of [...member.requests.keys()]) {
      member.giveUp(id);
      this.#unask(id, member);
    }
    const abandoned: number[] = [];
    for (const piece of [...member.owned]) {
      this.#disown(piece);
      if (!piece.isExclusive) continue;
      this.#restart(piece);
      abandoned.push(piece.index);
    }
    return abandoned;
  }

  /** Whether the owner of a piece stalls or takes too long for a block. */
  #isHeldUp({ index, owner, askers }: OpenPiece, now: number): boolean {
    if (this.#stalled.has(owner!)) return true;
    const patience = EXCLUSIVE_PATIENCE_MS * 2 ** this.#suspect.get(index)!;
    return askers.some((asked, at) =>
      asked &&
      now - owner!.requests.get(this.#idOf(this.#layout.block(index, at)))! >=
        patience
    );
  }

  /** An attempt to get a piece from one peer alone has ended half-way. */
  #restart(piece: OpenPiece): void {
    const attempts = this.#suspect.get(piece.index)! +
      Number(piece.missing < piece.state.length);
    if (attempts < MAX_EXCLUSIVE_ATTEMPTS) {
      this.#suspect.set(piece.index, attempts);
    } else {
      this.#suspect.delete(piece.index);
    }
    this.#abandon(piece);
  }

  /** One peer fewer is asked for a block; without any it is free. */
  #unask(id: number, member: Member): void {
    const { index, begin } = this.blockOf(id);
    const piece = this.#open.get(index)!;
    const at = begin / BLOCK_LENGTH;
    const askers = piece.askers[at]!.filter((other) => other !== member);
    piece.askers[at] = askers.length > 0 ? askers : undefined;
    if (askers.length === 0) this.#setState(piece, at, FREE);
  }

  /** An open or complete piece waits again; what came of it is forgotten. */
  #abandon(piece: OpenPiece): void {
    this.#disown(piece);
    this.#orphans.delete(piece);
    this.#exclusive.delete(piece);
    this.#joinable.delete(piece);
    this.#open.delete(piece.index);
    if (piece.missing > 0) this.#incomplete--;
    piece.askers.forEach((askers, at) => {
      const id = this.#idOf(this.#layout.block(piece.index, at));
      for (const member of askers ?? []) member.giveUp(id);
    });
    this.#row.add(piece.index);
  }
}
