/**
 * The ways in which bytes can arrive.
 *
 * @module
 */

/** One way for some bytes to arrive. */
export interface Arrival {
  /** What to call it when a test fails. */
  name: string;
  /** The bytes, each chunk with memory of its own. */
  chunks: Uint8Array[];
}

/**
 * Every way that is tried for a short run of bytes: whole, byte by byte, and
 * cut in two at every place.
 *
 * @param bytes The bytes.
 * @returns The ways.
 */
export function* arrivals(bytes: Uint8Array): Generator<Arrival> {
  yield { name: "whole", chunks: [bytes.slice()] };
  yield { name: "byte by byte", chunks: [...cut(bytes, () => 1)] };
  for (let at = 1; at < bytes.length; at++) {
    yield {
      name: `cut at ${at}`,
      chunks: [bytes.slice(0, at), bytes.slice(at)],
    };
  }
}

/**
 * Cuts bytes into chunks.
 *
 * @param bytes The bytes.
 * @param length Says how long the next chunk is, at least 1.
 * @returns The chunks, each with memory of its own.
 */
export function* cut(
  bytes: Uint8Array,
  length: () => number,
): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + length());
    yield bytes.slice(at, end);
    at = end;
  }
}
