/**
 * `RarityRow`: the pieces that wait to be begun, in the order in which to begin
 * them: rarest first, in random order where they are equally rare. Pure.
 *
 * Every step of rarity is a stretch of the row; a piece that becomes more or
 * less rare changes places with the one at the edge of its stretch, so that
 * each change costs the same however long the row is. In its new stretch it is
 * put at a random place: else pieces that become rarer one after the other
 * would put the row in order. When many change at once, as with a bitfield, the
 * row is made anew when it is needed next: that costs as little as some changes.
 *
 * @module
 */

import type { Bitfield } from "../bytes/bitfield.ts";

/** Changes of so large a part of the row cost more than to make it anew. */
const MANY = 1 / 16;

/** But not if they are so few. */
const FEW = 256;

/** Options for {@linkcode RarityRow.first}. */
export interface SearchOptions {
  /** Where to begin, as a part of the row; its start if not given. */
  from?: number;
  /** Pieces to pass over: the keys of this. */
  except?: ReadonlyMap<number, unknown>;
}

/** Options for {@linkcode RarityRow.run}. */
export interface RunOptions {
  /** The piece to begin at; the search wraps around. */
  from: number;
  /** How many pieces are enough. */
  length: number;
  /** Pieces to pass over: the keys of this. */
  except?: ReadonlyMap<number, unknown>;
}

/** Pieces that are next to each other. */
export interface PieceRun {
  /** The first. */
  readonly first: number;
  /** How many there are. */
  readonly length: number;
}

/** The waiting pieces, rarest first. */
export class RarityRow {
  /** Changes when a piece comes back into the row. */
  version = 0;
  readonly #row: Uint32Array;
  /** All pieces in a random order, in which equally rare ones stand. */
  readonly #order: Uint32Array;
  /** Where each piece stands in the row; -1 if it does not wait. */
  readonly #place: Int32Array;
  /** How many peers that are not seeds have each piece. */
  readonly #availability: Uint16Array;
  /** Where the stretch of each availability begins; the last entry is the end. */
  #starts: number[] = [0];
  #length = 0;
  /** Whether the row does not stand in the order of availability. */
  #isStale = false;
  readonly #random: () => number;

  /**
   * A row in which every piece is equally rare.
   *
   * @param wanted The pieces that wait.
   * @param random A number from 0 to less than 1.
   */
  constructor(wanted: Bitfield, random: () => number) {
    this.#random = random;
    this.#row = Uint32Array.from(wanted);
    this.#availability = new Uint16Array(wanted.length);
    this.#place = new Int32Array(wanted.length).fill(-1);
    this.#length = this.#row.length;
    for (let i = this.#length - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1));
      [this.#row[i], this.#row[j]] = [this.#row[j]!, this.#row[i]!];
    }
    this.#row.forEach((index, place) => this.#place[index] = place);
    this.#order = this.#row.slice();
    this.#starts = [0, this.#length];
  }

  /** How many pieces wait. */
  get length(): number {
    return this.#length;
  }

  /**
   * The first piece of the row that is in a set.
   *
   * @param have The set.
   * @param options Where to begin, the search wrapping around, and which
   * pieces to pass over.
   * @returns The piece, or `undefined` if none of them waits.
   */
  first(have: Bitfield, options: SearchOptions = {}): number | undefined {
    this.#renew();
    const { from = 0, except } = options;
    const start = Math.floor(from * this.#length);
    for (let i = 0; i < this.#length; i++) {
      const place = start + i;
      const index = this.#row[
        place < this.#length ? place : place - this.#length
      ]!;
      if (have.has(index) && !except?.has(index)) return index;
    }
    return undefined;
  }

  /**
   * The one of a few pieces that stands first in the row.
   *
   * @param pieces The pieces, waiting or not.
   * @returns The piece, or `undefined` if none of them waits.
   */
  firstOf(pieces: Iterable<number>): number | undefined {
    this.#renew();
    let first: number | undefined;
    for (const index of pieces) {
      const place = this.#place[index]!;
      if (place < 0) continue;
      if (first === undefined || place < this.#place[first]!) first = index;
    }
    return first;
  }

  /**
   * A run of pieces that are next to each other, all waiting and in a set,
   * however rare they are: the first that is long enough, else the longest. It
   * is cut where the search begins.
   *
   * @param have The set.
   * @param options Where to begin, and how long it is to be.
   * @returns The run, or `undefined` if none of them waits.
   */
  run(have: Bitfield, options: RunOptions): PieceRun | undefined {
    const { from, length, except } = options;
    if (this.#length === 0) return undefined;
    const count = this.#place.length;
    let best: PieceRun | undefined;
    let first = 0;
    let found = 0;
    for (let i = 0; i < count && (best?.length ?? 0) < length; i++) {
      const index = (from + i) % count;
      const fits = this.#place[index]! >= 0 && have.has(index) &&
        !except?.has(index);
      if (!fits) {
        found = 0;
        continue;
      }
      // The last piece and the first are no neighbours.
      if (found === 0 || index === 0) [first, found] = [index, 0];
      found++;
      if (found > (best?.length ?? 0)) best = { first, length: found };
    }
    return best;
  }

  /**
   * One peer more or fewer has a piece, which may wait or not.
   *
   * @param index The piece.
   * @param by How many.
   */
  change(index: number, by: 1 | -1): void {
    const availability = this.#availability[index]!;
    this.#availability[index] = availability + by;
    if (this.#isStale || this.#place[index]! < 0) return;
    this.#reach(availability + by);
    if (by > 0) {
      const last = this.#starts[availability + 1]! - 1;
      this.#swap(this.#place[index]!, last);
      this.#starts[availability + 1] = last;
    } else {
      const first = this.#starts[availability]!;
      this.#swap(this.#place[index]!, first);
      this.#starts[availability] = first + 1;
    }
    this.#shuffle(index);
  }

  /**
   * One peer more or fewer has some pieces.
   *
   * @param pieces The pieces, waiting or not.
   * @param by How many.
   */
  changeAll(pieces: Bitfield, by: 1 | -1): void {
    if (pieces.count < Math.max(FEW, MANY * this.#length)) {
      for (const index of pieces) this.change(index, by);
      return;
    }
    const { bytes } = pieces;
    for (let at = 0; at < bytes.length; at++) {
      for (let rest = bytes[at]!; rest !== 0;) {
        const bit = Math.clz32(rest) - 24;
        this.#availability[at * 8 + bit]! += by;
        rest &= 0x7f >> bit;
      }
    }
    this.#isStale = true;
  }

  /**
   * Takes a piece out: it goes to the end of every later stretch in turn.
   *
   * @param index A piece that waits.
   */
  remove(index: number): void {
    this.#renew();
    for (
      let step = this.#availability[index]!;
      step < this.#starts.length - 1;
      step++
    ) {
      const last = this.#starts[step + 1]! - 1;
      this.#swap(this.#place[index]!, last);
      this.#starts[step + 1] = last;
    }
    this.#length--;
    this.#place[index] = -1;
  }

  /**
   * Puts a piece back, by the same way.
   *
   * @param index A piece that was taken out.
   */
  add(index: number): void {
    this.#renew();
    const availability = this.#availability[index]!;
    this.#reach(availability);
    this.#row[this.#length] = index;
    this.#place[index] = this.#length;
    this.#length++;
    this.#starts[this.#starts.length - 1] = this.#length;
    for (let step = this.#starts.length - 2; step > availability; step--) {
      const first = this.#starts[step]!;
      this.#swap(this.#place[index]!, first);
      this.#starts[step] = first + 1;
    }
    this.#shuffle(index);
    this.version++;
  }

  /** Puts the row into its order, if it is not. */
  #renew(): void {
    if (!this.#isStale) return;
    this.#isStale = false;
    const counts: number[] = [];
    for (let place = 0; place < this.#length; place++) {
      const step = this.#availability[this.#row[place]!]!;
      while (counts.length <= step) counts.push(0);
      counts[step]!++;
    }
    this.#starts = [0];
    for (const count of counts) this.#starts.push(this.#starts.at(-1)! + count);
    const next = Uint32Array.from(this.#starts);
    for (const index of this.#order) {
      if (this.#place[index]! < 0) continue;
      const place = next[this.#availability[index]!]!++;
      this.#row[place] = index;
      this.#place[index] = place;
    }
    // With nothing in it, it still has a stretch.
    this.#reach(0);
  }

  /** Puts a piece at a random place of its stretch. */
  #shuffle(index: number): void {
    const availability = this.#availability[index]!;
    const first = this.#starts[availability]!;
    const length = this.#starts[availability + 1]! - first;
    this.#swap(
      this.#place[index]!,
      first + Math.floor(this.#random() * length),
    );
  }

  /** Makes sure that there is a stretch for an availability. */
  #reach(availability: number): void {
    while (this.#starts.length < availability + 2) {
      this.#starts.push(this.#length);
    }
  }

  #swap(a: number, b: number): void {
    const [first, second] = [this.#row[a]!, this.#row[b]!];
    this.#row[a] = second;
    this.#row[b] = first;
    this.#place[second] = a;
    this.#place[first] = b;
  }
}
