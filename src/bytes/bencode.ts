/**
 * Bencoding (BEP 3): bytes ↔ values, and the raw bytes of a dictionary's
 * entries. Pure.
 *
 * Decoding accepts what the clients in use accept: leading zeros, keys out of
 * order, a key twice (the first counts). Whoever needs to know looks at
 * {@linkcode dictionaryEntries}, which shows every entry as it is written. An
 * identity such as the info hash is taken over those raw bytes, never over a
 * re-encoding.
 *
 * @module
 */

import { BencodeError } from "../errors.ts";

/** A dictionary; the keys are byte strings, one character for each byte. */
export type BencodeDictionary = Map<string, BencodeValue>;

/**
 * Any bencoded value. Byte strings are views into the input. Integers beyond
 * the safe range come as `bigint`, so that nothing is rounded in silence.
 */
export type BencodeValue =
  | number
  | bigint
  | Uint8Array
  | BencodeValue[]
  | BencodeDictionary;

/** An entry of a dictionary as it is written. */
export interface RawEntry {
  /** The key, one character for each byte. */
  key: string;
  /** The value's own bytes: a view into the input. */
  bytes: Uint8Array;
}

/** Nothing in use is nested deeper; a flood of brackets ends here. */
const MAX_DEPTH = 100;

/** libtorrent's limit; a torrent of a hundred thousand files has a fifth. */
const MAX_VALUES = 3_000_000;

/** Values that are built take memory, up to a hundred times their bytes. */
const MAX_BUILT_VALUES = 500_000;

/** A length is refused before it is computed beyond this many digits. */
const MAX_LENGTH_DIGITS = 10;

/** No integer in use is longer than 64 bits; this is generous. */
const MAX_INTEGER_DIGITS = 100;

const COLON = 0x3a;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;
const DICTIONARY = 0x64;
const END = 0x65;
const INTEGER = 0x69;
const LIST = 0x6c;

/**
 * Decodes one value that fills its input.
 *
 * @param bytes The bencoded bytes.
 * @returns The value; its byte strings are views into `bytes`.
 * @throws {BencodeError} If the bytes are not one bencoded value.
 */
export function decodeBencode(bytes: Uint8Array): BencodeValue {
  const { value, length } = decodeBencodePrefix(bytes);
  if (length !== bytes.length) {
    throw new BencodeError("unexpected bytes after the value", length);
  }
  return value;
}

/**
 * Decodes the value at the start of some bytes.
 *
 * @param bytes Bytes that begin with a bencoded value.
 * @returns The value, and how many bytes it took.
 * @throws {BencodeError} If the bytes do not begin with a bencoded value.
 */
export function decodeBencodePrefix(
  bytes: Uint8Array,
): { value: BencodeValue; length: number } {
  const reader = new BencodeReader(bytes);
  const value = reader.value(0);
  return { value, length: reader.offset };
}

/**
 * The length of the value at the start of some bytes, which is checked but not
 * built: that takes no memory, whatever it is.
 *
 * @param bytes Bytes that begin with a bencoded value.
 * @returns How many bytes it takes.
 * @throws {BencodeError} If the bytes do not begin with a bencoded value.
 */
export function bencodedLength(bytes: Uint8Array): number {
  const reader = new BencodeReader(bytes);
  reader.skip(0);
  return reader.offset;
}

/**
 * The entries of a bencoded dictionary, in the order in which they are
 * written, a repeated key as often as it stands there. One is read at a time,
 * and its value not built.
 *
 * @param bytes Bytes that begin with a bencoded value.
 * @returns The entries, or `undefined` if the value is no dictionary. Going
 * through them throws `BencodeError` where the dictionary breaks off.
 */
export function dictionaryEntries(
  bytes: Uint8Array,
): Iterable<RawEntry> | undefined {
  return bytes[0] === DICTIONARY ? readEntries(bytes) : undefined;
}

function* readEntries(bytes: Uint8Array): Generator<RawEntry> {
  const reader = new BencodeReader(bytes);
  reader.open();
  while (!reader.close()) {
    const key = latin1(reader.byteString());
    yield { key, bytes: reader.raw() };
  }
}

/**
 * The items of a bencoded list as they are written. One is read at a time, and
 * not built.
 *
 * @param bytes Bytes that begin with a bencoded value.
 * @returns Views into `bytes`, or `undefined` if the value is no list. Going
 * through them throws `BencodeError` where the list breaks off.
 */
export function listItems(
  bytes: Uint8Array,
): Iterable<Uint8Array> | undefined {
  return bytes[0] === LIST ? readItems(bytes) : undefined;
}

function* readItems(bytes: Uint8Array): Generator<Uint8Array> {
  const reader = new BencodeReader(bytes);
  reader.open();
  while (!reader.close()) yield reader.raw();
}

/**
 * Encodes a value canonically: keys sorted, integers without leading zeros.
 *
 * @param value The value; a string stands for its UTF-8 bytes.
 * @returns The bencoded bytes.
 */
export function encodeBencode(value: BencodeInput): Uint8Array {
  const parts: Uint8Array[] = [];
  write(value, parts);
  const total = parts.reduce((sum, part) => sum + part.length, 0);
  const bytes = new Uint8Array(total);
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

/** What can be encoded: any value, with strings and plain objects for ease. */
export type BencodeInput =
  | BencodeValue
  | string
  | BencodeInput[]
  | Map<string, BencodeInput>
  | { [key: string]: BencodeInput | undefined };

/**
 * The integer under a key.
 *
 * @param dictionary Where to look.
 * @param key The key.
 * @returns The integer, or `undefined` if there is none or it is not safe.
 */
export function integerAt(
  dictionary: BencodeDictionary,
  key: string,
): number | undefined {
  const value = dictionary.get(key);
  return typeof value === "number" ? value : undefined;
}

/**
 * The byte string under a key.
 *
 * @param dictionary Where to look.
 * @param key The key.
 * @returns The bytes, or `undefined` if there are none.
 */
export function bytesAt(
  dictionary: BencodeDictionary,
  key: string,
): Uint8Array | undefined {
  const value = dictionary.get(key);
  return value instanceof Uint8Array ? value : undefined;
}

/**
 * The text under a key, read as UTF-8; bytes that are not become U+FFFD.
 *
 * @param dictionary Where to look.
 * @param key The key.
 * @returns The text, or `undefined` if there is none.
 */
export function textAt(
  dictionary: BencodeDictionary,
  key: string,
): string | undefined {
  const value = bytesAt(dictionary, key);
  return value && new TextDecoder().decode(value);
}

/**
 * The list under a key.
 *
 * @param dictionary Where to look.
 * @param key The key.
 * @returns The list, or `undefined` if there is none.
 */
export function listAt(
  dictionary: BencodeDictionary,
  key: string,
): BencodeValue[] | undefined {
  const value = dictionary.get(key);
  return Array.isArray(value) ? value : undefined;
}

/**
 * The dictionary under a key.
 *
 * @param dictionary Where to look.
 * @param key The key.
 * @returns The dictionary, or `undefined` if there is none.
 */
export function dictionaryAt(
  dictionary: BencodeDictionary,
  key: string,
): BencodeDictionary | undefined {
  const value = dictionary.get(key);
  return value instanceof Map ? value : undefined;
}

/**
 * A cursor over bencoded bytes, for what is too large to be built whole; every
 * method leaves it after what it read.
 */
export class BencodeReader {
  /** Where the next value begins. */
  offset = 0;
  #values = 0;

  /**
   * Stands at the start.
   *
   * @param bytes The bencoded bytes.
   */
  constructor(readonly bytes: Uint8Array) {}

  /** Whether the next value is a dictionary. */
  get isDictionary(): boolean {
    return this.bytes[this.offset] === DICTIONARY;
  }

  /**
   * The next value, built.
   *
   * @param depth How many lists and dictionaries it lies in.
   * @returns The value.
   */
  value(depth: number): BencodeValue {
    this.#count(depth, MAX_BUILT_VALUES);
    const byte = this.bytes[this.offset];
    if (byte === INTEGER) return this.#integer();
    if (byte === LIST) {
      this.open();
      const list: BencodeValue[] = [];
      while (!this.close()) list.push(this.value(depth + 1));
      return list;
    }
    if (byte === DICTIONARY) {
      this.open();
      const dictionary: BencodeDictionary = new Map();
      while (!this.close()) {
        const key = latin1(this.byteString());
        const value = this.value(depth + 1);
        if (!dictionary.has(key)) dictionary.set(key, value);
      }
      return dictionary;
    }
    return this.byteString();
  }

  /**
   * Goes past the next value.
   *
   * @param depth How many lists and dictionaries it lies in.
   */
  skip(depth: number): void {
    this.#count(depth, MAX_VALUES);
    const byte = this.bytes[this.offset];
    if (byte === INTEGER) {
      this.#integer();
    } else if (byte === LIST) {
      this.open();
      while (!this.close()) this.skip(depth + 1);
    } else if (byte === DICTIONARY) {
      this.open();
      while (!this.close()) {
        this.#skipString();
        this.skip(depth + 1);
      }
    } else {
      this.#skipString();
    }
  }

  /**
   * The bytes of the next value, which lies in a list or a dictionary.
   *
   * @returns A view.
   */
  raw(): Uint8Array {
    const start = this.offset;
    this.skip(1);
    return this.bytes.subarray(start, this.offset);
  }

  /** Steps into the list or dictionary that begins here. */
  open(): void {
    this.offset++;
  }

  /**
   * Steps out of a list or dictionary, if it ends here.
   *
   * @returns Whether it does.
   */
  close(): boolean {
    if (this.bytes[this.offset] !== END) return false;
    this.offset++;
    return true;
  }

  /**
   * The next value, a byte string such as a key.
   *
   * @returns A view.
   */
  byteString(): Uint8Array {
    const length = this.#stringLength();
    const start = this.offset;
    this.offset += length;
    return this.bytes.subarray(start, this.offset);
  }

  #skipString(): void {
    const length = this.#stringLength();
    this.offset += length;
  }

  /** Reads what stands before the bytes of a string: they are all there. */
  #stringLength(): number {
    const start = this.offset;
    const digits = this.#digits();
    if (digits === 0) throw this.#error("expected a value");
    if (digits > MAX_LENGTH_DIGITS) {
      this.offset = start;
      throw this.#error("string length too large");
    }
    let length = 0;
    for (let i = start; i < this.offset; i++) {
      length = length * 10 + this.bytes[i]! - ZERO;
    }
    if (this.bytes[this.offset] !== COLON) throw this.#error("expected ':'");
    this.offset++;
    if (length > this.bytes.length - this.offset) {
      this.offset = start;
      throw this.#error("string longer than the input");
    }
    return length;
  }

  #integer(): number | bigint {
    const start = ++this.offset;
    if (this.bytes[this.offset] === MINUS) this.offset++;
    const digits = this.#digits();
    if (digits === 0) throw this.#error("expected a digit");
    if (digits > MAX_INTEGER_DIGITS) throw this.#error("integer too long");
    if (this.bytes[this.offset] !== END) throw this.#error("expected 'e'");
    const text = latin1(this.bytes.subarray(start, this.offset));
    this.offset++;
    const number = Number(text);
    // `+ 0` turns the minus zero of "i-0e" into zero.
    return Number.isSafeInteger(number) ? number + 0 : BigInt(text);
  }

  #digits(): number {
    const start = this.offset;
    let byte = this.bytes[this.offset];
    while (byte !== undefined && byte >= ZERO && byte <= NINE) {
      byte = this.bytes[++this.offset];
    }
    return this.offset - start;
  }

  #count(depth: number, limit: number): void {
    if (depth > MAX_DEPTH) throw this.#error("nested too deep");
    if (++this.#values > limit) throw this.#error("too many values");
  }

  #error(message: string): BencodeError {
    const problem = this.offset >= this.bytes.length
      ? "unexpected end of input"
      : message;
    return new BencodeError(problem, this.offset);
  }
}

/** Arguments of one call: few enough for the stack. */
const LATIN1_STEP = 1024;

/**
 * Bytes as a string of one character for each byte, the form of a key.
 *
 * @param bytes The bytes.
 * @returns A string as long as `bytes`.
 */
export function latin1(bytes: Uint8Array): string {
  let text = "";
  if (bytes.length <= LATIN1_STEP) {
    for (const byte of bytes) text += String.fromCharCode(byte);
    return text;
  }
  // A text put together from single characters takes 32 times its length.
  for (let at = 0; at < bytes.length; at += LATIN1_STEP) {
    text += String.fromCharCode(...bytes.subarray(at, at + LATIN1_STEP));
  }
  return text;
}

/**
 * The bytes of a key: the inverse of {@linkcode latin1}.
 *
 * @param text A string whose characters are all below U+0100.
 * @returns One byte for each character.
 */
export function fromLatin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function write(value: BencodeInput, parts: Uint8Array[]): void {
  if (value instanceof Uint8Array) {
    parts.push(fromLatin1(`${value.length}:`), value);
  } else if (typeof value === "string") {
    write(new TextEncoder().encode(value), parts);
  } else if (typeof value === "number" || typeof value === "bigint") {
    if (typeof value === "number" && !Number.isSafeInteger(value)) {
      throw new RangeError(`Cannot encode ${value}: not a safe integer`);
    }
    parts.push(fromLatin1(`i${value}e`));
  } else if (Array.isArray(value)) {
    parts.push(fromLatin1("l"));
    for (const item of value) write(item, parts);
    parts.push(fromLatin1("e"));
  } else {
    const entries = value instanceof Map
      ? [...value]
      : Object.entries(value).map(([key, item]) =>
        [latin1(new TextEncoder().encode(key)), item] as const
      );
    entries.sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0);
    parts.push(fromLatin1("d"));
    for (const [key, item] of entries) {
      if (item === undefined) continue;
      write(fromLatin1(key), parts);
      write(item, parts);
    }
    parts.push(fromLatin1("e"));
  }
}
