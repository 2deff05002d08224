/**
 * `Upload`: blocks out. It keeps what peers ask for in queues, decides with
 * the choker whom to serve, reads what is verified and hands it to the wire as
 * fast as that takes it.
 *
 * @module
 */

import { Bitfield } from "../bytes/bitfield.ts";
import { joinBlocks } from "../metainfo/joined_blocks.ts";
import type { Block, PieceLayout } from "../metainfo/layout.ts";
import { BLOCK_LENGTH } from "../metainfo/layout.ts";
import type { Peer } from "../peer/peer.ts";
import { Choker } from "../policy/choker.ts";
import { RateMeter } from "../policy/rate.ts";
import { SuperSeeder } from "../policy/super_seed.ts";
import type { VerifiedReader } from "../storage/verified_reader.ts";
import { allowedFastSet } from "../wire/allowed_fast.ts";
import type { Message } from "../wire/message.ts";
import { Taker } from "./taker.ts";

/**
 * As many requests of one peer wait at most; peers that ask are told
 * (`reqq`, BEP 10). Over 300 ms that is 100 MiB/s; libtorrent takes as many.
 */
export const MAX_REQUESTS = 2000;

/** One write for so many bytes is where more would gain nothing. */
const MAX_BATCH_BLOCKS = 16;

/** Two, so that one can be on its way while the next is read. */
const MIN_BATCH_BLOCKS = 2;

/**
 * What is on its way cannot be cancelled, and holds up whatever else is to be
 * said: no more than this.
 */
const BATCH_MS = 250;

/** BEP 6 suggests ten pieces, for peers that have fewer. */
const ALLOWED_FAST_COUNT = 10;

/** What an upload is made of. */
export interface UploadOptions {
  /** The pieces that are verified; to be read only. */
  have: Bitfield;
  /** Reads them; without one nobody is served. */
  reader: VerifiedReader | undefined;
  /** Whether pieces are revealed one by one (BEP 16). */
  isSuper: boolean;
  /** Whether a peer owes us blocks and does not send them. */
  isSnubbing: (peer: Peer) => boolean;
  /** A number from 0 to less than 1. */
  random: () => number;
}

/** The giving side of one torrent. */
export class Upload {
  /** The bytes of blocks that went to peers. */
  readonly sent: RateMeter = new RateMeter();
  readonly #layout: PieceLayout;
  readonly #options: UploadOptions;
  readonly #takers = new Map<Peer, Taker>();
  readonly #choker: Choker<Taker>;
  readonly #superSeeder: SuperSeeder<Peer> | undefined;
  readonly #warming = new Set<Promise<void>>();
  #mustChoose = false;

  /**
   * An upload without peers.
   *
   * @param layout Where the blocks lie.
   * @param options The parts that it plays together.
   */
  constructor(layout: PieceLayout, options: UploadOptions) {
    this.#layout = layout;
    this.#options = options;
    this.#choker = new Choker(options.random);
    if (options.isSuper) {
      this.#superSeeder = new SuperSeeder(layout.pieceCount, {
        wants: (peer) => peer.state.peerInterested,
        random: options.random,
      });
    }
  }

  /** The pieces that peers are told we have. */
  get shown(): Bitfield {
    return this.#superSeeder
      ? new Bitfield(this.#layout.pieceCount)
      : this.#options.have;
  }

  /**
   * A peer has come.
   *
   * @param peer The peer.
   */
  join(peer: Peer): void {
    this.#takers.set(peer, new Taker(peer, this.#options.isSnubbing));
    const { have } = peer.state;
    this.#superSeeder?.join(peer, { have, now: performance.now() });
  }

  /**
   * A peer has got pieces, or says that it has none.
   *
   * @param peer The peer.
   * @param pieces The pieces that it did not have before.
   */
  gained(peer: Peer, pieces: Iterable<number>): void {
    this.#superSeeder?.gained(peer, { pieces, now: performance.now() });
  }

  /**
   * A peer has gone.
   *
   * @param peer The peer.
   */
  leave(peer: Peer): void {
    if (!this.#takers.delete(peer)) return;
    this.#superSeeder?.leave(peer);
    if (!peer.state.amChoking) this.#mustChoose = true;
  }

  /**
   * Lets a peer that has little ask for some pieces even while it is choked
   * (BEP 6): whoever has nothing to give gets something to give.
   *
   * @param peer The peer.
   * @param infoHash The torrent.
   */
  allowFast(peer: Peer, infoHash: Uint8Array): void {
    const taker = this.#takers.get(peer);
    if (!taker || !this.#options.reader || !peer.state.supportsFast) return;
    if (this.#superSeeder) return;
    if (peer.state.have.count >= ALLOWED_FAST_COUNT) return;
    const pieces = allowedFastSet(peer.endpoint.hostname, {
      infoHash,
      pieceCount: this.#layout.pieceCount,
      count: ALLOWED_FAST_COUNT,
    }).filter((index) => this.#options.have.has(index));
    taker.allowedFast = new Set(pieces);
    taker.allowedBytes = pieces.reduce(
      (sum, index) => sum + this.#layout.servedSize(index),
      0,
    );
    peer.send(
      ...pieces.map((index): Message => ({ type: "allowed_fast", index })),
    );
  }

  /**
   * Takes what a peer says, as far as it is about blocks for it.
   *
   * @param peer The peer.
   * @param messages What it says.
   */
  receive(peer: Peer, messages: readonly Message[]): void {
    const taker = this.#takers.get(peer);
    if (!taker) return;
    for (const message of messages) {
      switch (message.type) {
        case "interested":
          peer.state.peerInterested = true;
          this.#mustChoose = true;
          break;
        case "not_interested":
          peer.state.peerInterested = false;
          this.#mustChoose = true;
          break;
        case "request":
          this.#request(taker, message);
          break;
        case "cancel":
          if (taker.cancel(message)) this.#reject(taker, message);
          break;
      }
    }
    if (peer.state.peerInterested && !taker.wasInterested) {
      // Once: who changes its mind all the time waits for the next look.
      taker.wasInterested = true;
      const isSeeding = this.#options.have.isFull;
      this.choose({ now: performance.now(), isSeeding });
    }
    if (taker.isAsking) peer.wake();
  }

  /**
   * Whom to serve, if anything has changed since it was decided.
   *
   * @param options The time, and whether everything is there.
   */
  update(options: { now: number; isSeeding: boolean }): void {
    if (this.#mustChoose) this.choose(options);
    for (const { peer, index } of this.#superSeeder?.next(options.now) ?? []) {
      peer.send({ type: "have", index });
    }
  }

  /**
   * Decides anew whom to serve.
   *
   * @param options The time, and whether everything is there.
   */
  choose(options: { now: number; isSeeding: boolean }): void {
    this.#mustChoose = false;
    if (!this.#options.reader) return;
    const sentPerSecond = this.sent.bytesPerSecond(options.now);
    const chosen = this.#choker.choose(this.#takers.values(), {
      ...options,
      sentPerSecond,
    });
    for (const taker of this.#takers.values()) {
      const isChoking = !chosen.has(taker);
      if (isChoking === taker.peer.state.amChoking) continue;
      if (isChoking) this.#choke(taker);
      else this.#unchoke(taker);
    }
  }

  /**
   * A peer is idle: the next blocks that it asked for can go.
   *
   * @param peer The peer.
   */
  serve(peer: Peer): void {
    const taker = this.#takers.get(peer);
    const { reader } = this.#options;
    if (!taker?.isAsking || !reader) return;
    // Most peers never ask: hundreds of them must not hold one each.
    taker.buffer ??= new Uint8Array(MAX_BATCH_BLOCKS * BLOCK_LENGTH);
    while (taker.isAsking && !taker.isWarming) {
      const rate = peer.sent.bytesPerSecond(performance.now());
      const batch = taker.take(batchBlocks(rate));
      if (!reader.isSlow) {
        if (this.#send(taker, batch)) return;
        continue;
      }
      taker.isWarming = true;
      const warming = this.#warm(taker, batch)
        .finally(() => this.#warming.delete(warming));
      this.#warming.add(warming);
    }
  }

  /**
   * A piece is not there any more: nobody gets it, and whoever waits for it
   * hears so.
   *
   * @param index The piece.
   * @returns Peers that wait for it and have no way to hear it.
   */
  lose(index: number): Peer[] {
    const waiting: Peer[] = [];
    for (const taker of this.#takers.values()) {
      const dropped = taker.drop((block) => block.index === index);
      for (const block of dropped) this.#reject(taker, block);
      if (dropped.length > 0 && !taker.peer.state.supportsFast) {
        waiting.push(taker.peer);
      }
    }
    return waiting;
  }

  /** Waits until nothing is being read. */
  async settled(): Promise<void> {
    while (this.#warming.size > 0) await Promise.all(this.#warming);
  }

  #request(taker: Taker, { index, begin, length }: Block): void {
    const block = { index, begin, length };
    const isServed = this.#isServable(block) &&
      (!taker.peer.state.amChoking || this.#isAllowed(taker, block)) &&
      (this.#superSeeder?.isShown(taker.peer, index) ?? true) &&
      taker.waiting < MAX_REQUESTS;
    if (!isServed) return this.#reject(taker, block);
    taker.ask(block);
    const now = performance.now();
    this.#superSeeder?.requested(taker.peer, { index, now });
  }

  /** Whether a stranger's request is for bytes of a verified piece, or its pad. */
  #isServable({ index, begin, length }: Block): boolean {
    return index < this.#layout.pieceCount &&
      length > 0 && length <= BLOCK_LENGTH &&
      begin + length <= this.#layout.servedSize(index) &&
      this.#options.have.has(index);
  }

  #isAllowed(taker: Taker, { index, length }: Block): boolean {
    if (!taker.allowedFast.has(index) || taker.allowedBytes < length) {
      return false;
    }
    taker.allowedBytes -= length;
    return true;
  }

  /** Without the fast extension a request that is refused is never answered. */
  #reject({ peer }: Taker, { index, begin, length }: Block): void {
    if (!peer.state.supportsFast) return;
    peer.send({ type: "reject_request", index, begin, length });
  }

  #choke(taker: Taker): void {
    taker.peer.state.amChoking = true;
    taker.peer.send({ type: "choke" });
    // BEP 6: what was allowed is served all the same, the rest is refused.
    const { peer, allowedFast } = taker;
    const dropped = taker.drop(({ index }) =>
      !peer.state.supportsFast || !allowedFast.has(index)
    );
    for (const block of dropped) this.#reject(taker, block);
  }

  #unchoke({ peer }: Taker): void {
    peer.state.amChoking = false;
    peer.send({ type: "unchoke" });
  }

  async #warm(taker: Taker, batch: readonly Block[]): Promise<void> {
    const { reader } = this.#options;
    for (const { part } of joinBlocks(batch)) {
      await reader!.warm(part, taker.buffer!.subarray(0, part.length));
    }
    taker.isWarming = false;
    if (!this.#takers.has(taker.peer)) return;
    if (!this.#send(taker, batch)) taker.peer.wake();
  }

  /**
   * Reads blocks, those that follow each other at once, and sends them; tells
   * whether there was one to send.
   */
  #send(taker: Taker, batch: readonly Block[]): boolean {
    const { peer } = taker;
    const messages: Message[] = [];
    let at = 0;
    for (const { part, blocks } of joinBlocks(batch)) {
      const bytes = taker.buffer!.subarray(at, at + part.length);
      at += part.length;
      if (!this.#options.reader!.readSync(part, bytes)) {
        for (const block of blocks) this.#reject(taker, block);
        continue;
      }
      for (const { index, begin, length } of blocks) {
        const from = begin - part.begin;
        const block = bytes.subarray(from, from + length);
        messages.push({ type: "piece", index, begin, block });
      }
      const now = performance.now();
      this.sent.add(part.length, now);
      peer.sent.add(part.length, now);
    }
    peer.send(...messages);
    return messages.length > 0;
  }
}

/** As many blocks as go out in a moment, at the speed that the peer takes. */
function batchBlocks(bytesPerSecond: number): number {
  const blocks = Math.ceil(bytesPerSecond * BATCH_MS / 1000 / BLOCK_LENGTH);
  return Math.max(MIN_BATCH_BLOCKS, Math.min(MAX_BATCH_BLOCKS, blocks));
}
