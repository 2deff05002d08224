/**
 * `Taker`: a peer as somebody to serve, and the queue of what it asks for.
 *
 * @module
 */

import type { Block } from "../metainfo/layout.ts";
import type { Peer } from "../peer/peer.ts";
import type { ChokerPeer } from "../policy/choker.ts";

/** So many requests that were taken may lie in a queue before it is cut. */
const MAX_TAKEN = 2000;

/** A peer that blocks go to. */
export class Taker implements ChokerPeer {
  /** Who it is. */
  readonly peer: Peer;
  /** Pieces that it may ask for while it is choked. */
  allowedFast: ReadonlySet<number> = new Set();
  /** How many bytes of them, so that nobody takes them again and again. */
  allowedBytes = 0;
  /** Room for one batch; it is on its way at most until the peer is idle. */
  buffer: Uint8Array | undefined;
  /** Whether it ever wanted something that we have. */
  wasInterested = false;
  /** Whether its next batch is being read off the event loop. */
  isWarming = false;

  readonly #isSnubbing: (peer: Peer) => boolean;
  /** What it asks for, the oldest first, from `#next` on. */
  readonly #requests: Block[] = [];
  #next = 0;

  /**
   * A peer that has asked for nothing yet.
   *
   * @param peer Who it is.
   * @param isSnubbing Whether a peer owes us blocks and does not send them.
   */
  constructor(peer: Peer, isSnubbing: (peer: Peer) => boolean) {
    this.peer = peer;
    this.#isSnubbing = isSnubbing;
  }

  /** Whether it wants something that we have. */
  get isInterested(): boolean {
    return this.peer.state.peerInterested;
  }

  /** Whether requests of it wait to be answered. */
  get isAsking(): boolean {
    return this.waiting > 0;
  }

  /** Whether it owes us blocks and does not send them. */
  get isSnubbing(): boolean {
    return this.#isSnubbing(this.peer);
  }

  /** The bytes of blocks that it gave us since it came. */
  get receivedBytes(): number {
    return this.peer.received.total;
  }

  /** The bytes of blocks that it took since it came. */
  get sentBytes(): number {
    return this.peer.sent.total;
  }

  /** How many requests wait. */
  get waiting(): number {
    return this.#requests.length - this.#next;
  }

  /**
   * It asks for a block.
   *
   * @param block The block.
   */
  ask(block: Block): void {
    this.#requests.push(block);
  }

  /**
   * It wants a block no more.
   *
   * @param block The block.
   * @returns Whether it had asked for it, and not got it.
   */
  cancel({ index, begin, length }: Block): boolean {
    const at = this.#requests.findIndex((request, i) =>
      i >= this.#next && request.index === index && request.begin === begin &&
      request.length === length
    );
    if (at < 0) return false;
    this.#requests.splice(at, 1);
    return true;
  }

  /**
   * Takes requests out of the queue.
   *
   * @param isDropped Which.
   * @returns Them.
   */
  drop(isDropped: (block: Block) => boolean): Block[] {
    const waiting = this.#requests.splice(0).slice(this.#next);
    this.#next = 0;
    this.#requests.push(...waiting.filter((block) => !isDropped(block)));
    return waiting.filter(isDropped);
  }

  /**
   * The next requests, as many as one write should hold.
   *
   * @param count How many at most.
   * @returns Them; they do not wait any more.
   */
  take(count: number): Block[] {
    const batch = this.#requests.slice(this.#next, this.#next + count);
    this.#next += batch.length;
    if (this.#next >= Math.min(this.#requests.length, MAX_TAKEN)) {
      this.#requests.splice(0, this.#next);
      this.#next = 0;
    }
    return batch;
  }
}
