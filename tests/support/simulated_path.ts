/**
 * A path to a peer on a clock of its own: requests travel there, wait their
 * turn, and blocks come back as fast as the line allows.
 *
 * @module
 */

import { BLOCK_LENGTH } from "../../src/metainfo/layout.ts";
import type { RequestWindow } from "../../src/policy/request_window.ts";

/** How often what is late is looked after, as in `torrent/transfer.ts`. */
const TICK_MS = 100;

/** As in `torrent/download.ts`: who sends nothing for so long is passed over. */
const SNUB_MS = 20_000;

/** A window is filled when so much of it is free, as in `torrent/download.ts`. */
const REFILL_SHARE = 1 / 4;
const MAX_REFILL = 64;

/** What blocks go over, one after the other; paths may share it. */
export interface SimulatedLine {
  /** When the last block will have left it. */
  freeAt: number;
}

/** What a path is like. */
export interface PathOptions {
  /** What the line carries. */
  bytesPerSecond: number;
  /** From a request to its block when nothing waits. */
  roundTripMs: number;
  /** How many requests are lost; none if not given. */
  loss?: number;
  /** How much of a block's delay is chance; nothing if not given. */
  jitterMs?: number;
  /** What it shares with others; a line of its own if not given. */
  line?: SimulatedLine;
  /** A number from 0 to less than 1. */
  random: () => number;
}

interface Request {
  askedAt: number;
  /** When the peer has it, and then when its block is here. */
  at: number;
}

/** A peer that serves in order, and somebody who always wants more. */
export class SimulatedPath {
  /** What the line carries; may change. */
  bytesPerSecond: number;
  /** From a request to its block when nothing waits; may change. */
  roundTripMs: number;
  /** The bytes that came, once each. */
  bytes = 0;
  /** The time in milliseconds. */
  now = 0;
  /** The most requests that were open at a time; may be set to 0. */
  mostOpen = 0;

  readonly #window: RequestWindow;
  readonly #line: SimulatedLine;
  readonly #loss: number;
  readonly #jitterMs: number;
  readonly #random: () => number;
  /** Asked for and neither here nor given up. */
  readonly #open = new Set<Request>();
  /** At the peer or on the way there. */
  readonly #waiting: Request[] = [];
  /** On the way back. */
  readonly #coming: Request[] = [];
  #newestAnswered = -Infinity;
  #lastBlockAt = 0;
  #nextTick = TICK_MS;

  /**
   * A path over which nothing was asked yet.
   *
   * @param window What decides how much to ask for.
   * @param options What the path is like.
   */
  constructor(window: RequestWindow, options: PathOptions) {
    this.#window = window;
    this.bytesPerSecond = options.bytesPerSecond;
    this.roundTripMs = options.roundTripMs;
    this.#line = options.line ?? { freeAt: 0 };
    this.#loss = options.loss ?? 0;
    this.#jitterMs = options.jitterMs ?? 0;
    this.#random = options.random;
    this.#refill();
  }

  /** How many blocks are asked for and neither here nor given up. */
  get openCount(): number {
    return this.#open.size;
  }

  /** How many blocks must be open to fill the line. */
  get need(): number {
    return this.bytesPerSecond * this.roundTripMs / 1000 / BLOCK_LENGTH;
  }

  /**
   * Lets time go by.
   *
   * @param ms How much.
   * @returns The rate at which bytes came, as a part of what the line carries.
   */
  run(ms: number): number {
    const [start, before] = [this.now, this.bytes];
    const end = start + ms;
    while (true) {
      const served = this.#servedAt();
      const came = this.#coming[0]?.at ?? Infinity;
      const next = Math.min(served, came, this.#nextTick);
      if (next > end) break;
      this.now = next;
      if (next === came) this.#receive();
      else if (next === served) this.#serve();
      else this.#tick();
    }
    this.now = end;
    return (this.bytes - before) / (this.bytesPerSecond * ms / 1000);
  }

  #servedAt(): number {
    const [first] = this.#waiting;
    if (!first) return Infinity;
    const ms = BLOCK_LENGTH / this.bytesPerSecond * 1000;
    return Math.max(this.#line.freeAt, first.at) + ms;
  }

  #serve(): void {
    const request = this.#waiting.shift()!;
    this.#line.freeAt = this.now;
    const last = this.#coming.at(-1)?.at ?? 0;
    const jitter = this.#random() * this.#jitterMs;
    // One connection: nothing overtakes.
    request.at = Math.max(last, this.now + this.roundTripMs / 2 + jitter);
    this.#coming.push(request);
  }

  #receive(): void {
    const request = this.#coming.shift()!;
    this.bytes += BLOCK_LENGTH;
    if (this.#open.delete(request)) {
      const { askedAt } = request;
      this.#newestAnswered = Math.max(this.#newestAnswered, askedAt);
      this.#lastBlockAt = this.now;
      this.#window.received(BLOCK_LENGTH, { askedAt, now: this.now });
    }
    this.#refill();
  }

  #tick(): void {
    this.#nextTick += TICK_MS;
    for (const request of this.#open) {
      const { askedAt } = request;
      if (askedAt >= this.#newestAnswered) break;
      if (this.now - askedAt < this.#window.lateAfter) break;
      this.#open.delete(request);
    }
    if (this.now - this.#lastBlockAt >= SNUB_MS) {
      this.#window.stalled();
      this.#open.clear();
      this.#lastBlockAt = this.now;
    }
    this.#refill();
  }

  #refill(): void {
    const { size } = this.#window;
    const room = size - this.#open.size;
    if (room < Math.max(1, Math.min(MAX_REFILL, size * REFILL_SHARE))) return;
    for (let i = 0; i < room; i++) {
      const at = this.now + this.roundTripMs / 2;
      const request = { askedAt: this.now, at };
      this.#open.add(request);
      if (this.#random() >= this.#loss) this.#waiting.push(request);
    }
    this.mostOpen = Math.max(this.mostOpen, this.#open.size);
  }
}
