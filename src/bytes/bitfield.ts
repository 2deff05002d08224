/**
 * A set of piece indices in the bit order of BEP 3: the high bit of the first
 * byte is piece 0. Pure.
 *
 * The bits beyond the last piece are always zero.
 *
 * @module
 */

/** A set of the integers from 0 to `length - 1`, with its size at hand. */
export class Bitfield {
  readonly #bytes: Uint8Array;
  #count = 0;

  /**
   * An empty set.
   *
   * @param length One more than the greatest index that it can hold.
   */
  constructor(readonly length: number) {
    this.#bytes = new Uint8Array(Math.ceil(length / 8));
  }

  /**
   * The set that some bytes of the wire or of a file stand for.
   *
   * @param bytes The bits; they are copied.
   * @param length How many of them count.
   * @returns The set, or `undefined` if the size is wrong or a spare bit set.
   */
  static fromBytes(bytes: Uint8Array, length: number): Bitfield | undefined {
    if (bytes.length !== Math.ceil(length / 8)) return undefined;
    const spare = bytes.length * 8 - length;
    const last = bytes.at(-1);
    if (last !== undefined && (last & ((1 << spare) - 1)) !== 0) {
      return undefined;
    }
    const bitfield = new Bitfield(length);
    bitfield.#bytes.set(bytes);
    for (const byte of bytes) bitfield.#count += POPULATION[byte]!;
    return bitfield;
  }

  /** How many indices are in the set. */
  get count(): number {
    return this.#count;
  }

  /** Whether every index is in the set. */
  get isFull(): boolean {
    return this.#count === this.length;
  }

  /** Whether no index is in the set. */
  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** The bits: a view that changes with the set, to be read only. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /**
   * Whether an index is in the set.
   *
   * @param index Any integer; one outside of the range is in no set.
   * @returns Whether it is.
   */
  has(index: number): boolean {
    return index >= 0 && index < this.length &&
      (this.#bytes[index >>> 3]! & (0x80 >> (index & 7))) !== 0;
  }

  /**
   * Puts an index into the set.
   *
   * @param index From 0 to `length - 1`.
   * @returns Whether it is new there.
   */
  add(index: number): boolean {
    this.#check(index);
    if (this.has(index)) return false;
    this.#bytes[index >>> 3]! |= 0x80 >> (index & 7);
    this.#count++;
    return true;
  }

  /**
   * Takes an index out of the set.
   *
   * @param index From 0 to `length - 1`.
   * @returns Whether it was there.
   */
  delete(index: number): boolean {
    this.#check(index);
    if (!this.has(index)) return false;
    this.#bytes[index >>> 3]! &= ~(0x80 >> (index & 7));
    this.#count--;
    return true;
  }

  /**
   * Puts the indices of another set into this one.
   *
   * @param other A set of the same length.
   * @returns Those that are new here.
   */
  addAll(other: Bitfield): Bitfield {
    const added = new Bitfield(this.length);
    for (let at = 0; at < this.#bytes.length; at++) {
      const byte = other.#bytes[at]! & ~this.#bytes[at]!;
      this.#bytes[at]! |= byte;
      added.#bytes[at] = byte;
      added.#count += POPULATION[byte]!;
    }
    this.#count += added.#count;
    return added;
  }

  /**
   * An index of this set that is in another one too.
   *
   * @param other A set of the same length.
   * @param from The search begins near this index, and wraps around.
   * @returns The index, or `undefined` if the sets have none in common.
   */
  firstCommon(other: Bitfield, from: number): number | undefined {
    const start = from >>> 3;
    for (let i = 0; i < this.#bytes.length; i++) {
      const at = (start + i) % this.#bytes.length;
      const byte = this.#bytes[at]! & other.#bytes[at]!;
      if (byte !== 0) return at * 8 + Math.clz32(byte) - 24;
    }
    return undefined;
  }

  /** Puts every index into the set. */
  fill(): void {
    this.#bytes.fill(0xff);
    const spare = this.#bytes.length * 8 - this.length;
    if (spare > 0) this.#bytes[this.#bytes.length - 1]! &= 0xff << spare;
    this.#count = this.length;
  }

  /**
   * A set of its own with the same indices.
   *
   * @returns The copy.
   */
  clone(): Bitfield {
    const copy = new Bitfield(this.length);
    copy.#bytes.set(this.#bytes);
    copy.#count = this.#count;
    return copy;
  }

  /**
   * The indices that are not in the set.
   *
   * @returns A set of the same length.
   */
  complement(): Bitfield {
    const rest = new Bitfield(this.length);
    rest.fill();
    for (let at = 0; at < rest.#bytes.length; at++) {
      rest.#bytes[at]! &= ~this.#bytes[at]!;
    }
    rest.#count = this.length - this.#count;
    return rest;
  }

  /** The indices, ascending. */
  *[Symbol.iterator](): Generator<number, void, undefined> {
    for (let at = 0; at < this.#bytes.length; at++) {
      const byte = this.#bytes[at]!;
      if (byte === 0) continue;
      for (let bit = 0; bit < 8; bit++) {
        if (byte & (0x80 >> bit)) yield at * 8 + bit;
      }
    }
  }

  #check(index: number): void {
    if (index < 0 || index >= this.length) {
      throw new RangeError(`Cannot hold ${index}: length is ${this.length}`);
    }
  }
}

/** The number of set bits of each byte. */
const POPULATION = Uint8Array.from({ length: 256 }, (_, byte) => {
  let count = 0;
  for (let rest = byte; rest > 0; rest >>= 1) count += rest & 1;
  return count;
});
