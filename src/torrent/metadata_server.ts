/**
 * `MetadataServer`: answers those who ask for the info dictionary (BEP 9),
 * within bounds. Pure.
 *
 * A piece is a thousand times as long as a request, so the answers wait here
 * until a peer has taken what it was sent before.
 *
 * @module
 */

import {
  METADATA_PIECE_LENGTH,
  type MetadataMessage,
  metadataPieceCount,
} from "../wire/ut_metadata.ts";

/** Transmission keeps as many; who asks for more at once is told no. */
const MAX_QUEUED = 64;

/**
 * BEP 9: "Typically the number of pieces of metadata times a factor": how often
 * a peer may have each piece. One should do; connections break.
 */
const MAX_TIMES = 3;

interface Customer {
  readonly queue: number[];
  /** How many pieces it has been given, or promised. */
  served: number;
}

/** Serves the metadata of one torrent. */
export class MetadataServer<Peer extends object> {
  readonly #metadata: Uint8Array | undefined;
  readonly #customers = new WeakMap<Peer, Customer>();

  /**
   * A server that nobody has asked.
   *
   * @param metadata The info dictionary, or `undefined` as long as it is not
   * here: then every request is rejected.
   */
  constructor(metadata: Uint8Array | undefined) {
    this.#metadata = metadata;
  }

  /**
   * A peer asks for a piece.
   *
   * @param peer The peer.
   * @param piece The piece.
   * @returns What to answer at once, if the answer does not wait.
   */
  request(peer: Peer, piece: number): MetadataMessage | undefined {
    const count = metadataPieceCount(this.#metadata?.length ?? 0);
    const customer = this.#customers.get(peer) ?? { queue: [], served: 0 };
    if (
      piece >= count || customer.queue.length >= MAX_QUEUED ||
      customer.served >= count * MAX_TIMES
    ) return { type: "reject", piece };
    customer.served++;
    customer.queue.push(piece);
    this.#customers.set(peer, customer);
    return undefined;
  }

  /**
   * A peer has taken what it was sent: it can have another piece.
   *
   * @param peer The peer.
   * @returns The piece that has waited longest; its bytes are a view.
   */
  next(peer: Peer): MetadataMessage | undefined {
    const piece = this.#customers.get(peer)?.queue.shift();
    if (piece === undefined || !this.#metadata) return undefined;
    const begin = piece * METADATA_PIECE_LENGTH;
    return {
      type: "data",
      piece,
      totalSize: this.#metadata.length,
      bytes: this.#metadata.subarray(begin, begin + METADATA_PIECE_LENGTH),
    };
  }
}
