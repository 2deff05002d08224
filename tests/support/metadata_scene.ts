/**
 * A metadata fetcher and its peers, on a clock of their own.
 *
 * @module
 */

import { sha1 } from "../../src/bytes/hash.ts";
import { MetadataFetcher } from "../../src/torrent/metadata.ts";
import {
  METADATA_PIECE_LENGTH,
  type MetadataMessage,
} from "../../src/wire/ut_metadata.ts";

/** What a peer makes of a request: an answer, or nothing for ever. */
export type Answer = (piece: number) => MetadataMessage | undefined;

/** A peer that offers metadata. */
export interface MetadataPeer {
  /** What a test calls it. */
  readonly name: string;
  /** The length that it names. */
  readonly length: number;
  /** How it answers. */
  readonly answer: Answer;
  /** How long it takes for that, in milliseconds; 50 if not given. */
  readonly delayMs?: number;
}

/** How often the fetcher is looked after when nothing happens. */
const TICK_MS = 1_000;

/** A peer that gives what it has. */
export function giver(name: string, metadata: Uint8Array): MetadataPeer {
  return { name, length: metadata.length, answer: answerFrom(metadata) };
}

/**
 * The answers of who has some bytes.
 *
 * @param metadata The bytes.
 * @returns Gives their pieces.
 */
export function answerFrom(metadata: Uint8Array): Answer {
  return (piece) => {
    const begin = piece * METADATA_PIECE_LENGTH;
    const bytes = metadata.slice(begin, begin + METADATA_PIECE_LENGTH);
    return { type: "data", piece, totalSize: metadata.length, bytes };
  };
}

/** A fetcher, and who is asked for what when. */
export class MetadataScene {
  /** The fetcher. */
  readonly fetcher: MetadataFetcher<MetadataPeer>;
  /** What was asked: the peer's name, the piece, the time. */
  readonly asked: { name: string; piece: number; at: number }[] = [];
  /** The names of those called liars, in order. */
  readonly liars: string[] = [];
  /** The metadata, once it is here. */
  metadata: Uint8Array | undefined;
  /** The time in milliseconds. */
  now = 0;
  #coming: { at: number; peer: MetadataPeer; message: MetadataMessage }[] = [];

  /**
   * A scene.
   *
   * @param metadata What is to be found.
   * @param peers Who offers it.
   */
  constructor(metadata: Uint8Array, peers: readonly MetadataPeer[] = []) {
    this.fetcher = new MetadataFetcher({
      infoHash: sha1(metadata),
      handler: {
        onMetadata: (bytes) => this.metadata = bytes,
        onLiar: ({ name }) => this.liars.push(name),
      },
    });
    for (const peer of peers) this.fetcher.join(peer, peer.length);
  }

  /** Lets the fetcher ask now, and the peers answer in their time. */
  tick(): void {
    for (const { peer, piece } of this.fetcher.tick(this.now)) {
      this.asked.push({ name: peer.name, piece, at: this.now });
      const message = peer.answer(piece);
      if (!message) continue;
      const at = this.now + (peer.delayMs ?? 50);
      this.#coming.push({ at, peer, message });
      this.#coming.sort((a, b) => a.at - b.at);
    }
  }

  /**
   * Goes on until the metadata is here, or some time has come.
   *
   * @param end The time in milliseconds.
   */
  runUntil(end: number): void {
    this.tick();
    while (!this.metadata && this.now < end) {
      const next = this.#coming[0]?.at ?? Infinity;
      this.now = Math.min(next, this.now + TICK_MS, end);
      while (this.#coming[0] && this.#coming[0].at <= this.now) {
        const { peer, message } = this.#coming.shift()!;
        this.fetcher.receive(peer, message, this.now);
      }
      this.tick();
    }
  }

  /**
   * What was asked of a peer.
   *
   * @param name The peer.
   * @returns The pieces, in order.
   */
  askedOf(name: string): number[] {
    return this.asked.filter((one) => one.name === name)
      .map(({ piece }) => piece);
  }
}
