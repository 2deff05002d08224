/**
 * `Identity`: what a torrent is, as far as it is known: its info hashes, its
 * info dictionary and its hash trees; and what peers ask and say about these.
 *
 * @module
 */

import { hashesEqual } from "../bytes/hash.ts";
import { type Magnet, metainfoOf } from "../metainfo/magnet.ts";
import type { Metainfo } from "../metainfo/metainfo.ts";
import { PieceHashes } from "../metainfo/piece_hashes.ts";
import type { NameRules } from "../metainfo/safe_path.ts";
import type { Peer } from "../peer/peer.ts";
import { EXTENSION_HANDSHAKE_ID } from "../wire/extension_handshake.ts";
import { type WireHashes, wireHashesOf } from "../wire/handshake.ts";
import type { Message } from "../wire/message.ts";
import {
  HashExchange,
  type HashExchangeHandler,
  isHashMessage,
} from "./hash_exchange.ts";
import { OUR_EXTENSIONS } from "./introduction.ts";
import { MetadataExchange } from "./metadata_exchange.ts";
import { encodeHex } from "@std/encoding/hex";

/** Options for {@linkcode Identity}. */
export interface IdentityOptions {
  /** What the file systems of this machine make of names. */
  names: NameRules | undefined;
  /** Who hears of what peers give, or lie about. */
  handler: HashExchangeHandler;
}

/** What one torrent is. */
export class Identity {
  /** The info dictionary, from peers and to peers. */
  readonly metadata: MetadataExchange;
  /** The hash trees, from peers and to peers. */
  readonly trees: HashExchange;
  readonly #source: Metainfo | Magnet;
  readonly #names: NameRules | undefined;
  #hashes: WireHashes;
  #metainfo: Metainfo | undefined;
  #pieceHashes: PieceHashes | undefined;

  /**
   * What a file or a link says.
   *
   * @param source What it is, or a link that names it.
   * @param options The rules for names, and who hears of what comes.
   */
  constructor(source: Metainfo | Magnet, { names, handler }: IdentityOptions) {
    this.#source = source;
    this.#names = names;
    this.#hashes = wireHashesOf(source);
    const metainfo = "infoBytes" in source ? source : undefined;
    this.metadata = new MetadataExchange({
      infoHash: source.hasV1 ? source.infoHash : source.infoHashV2!,
      metadata: metainfo?.infoBytes,
      onLiar: (peer) => handler.onLiar(peer),
    });
    this.trees = new HashExchange(handler);
    if (metainfo) this.learn(metainfo);
  }

  /** What the torrent is, once that is known. */
  get metainfo(): Metainfo | undefined {
    return this.#metainfo;
  }

  /** What every piece must hash to, once that is known. */
  get pieceHashes(): PieceHashes | undefined {
    return this.#pieceHashes;
  }

  /** The info hashes under which peers know it, as far as we know them. */
  get hashes(): WireHashes {
    return this.#hashes;
  }

  /** What to call it, as far as is known; strangers chose it. */
  get name(): string {
    const { name, infoHash } = this.#source;
    return this.#metainfo?.name ?? name ?? encodeHex(infoHash);
  }

  /**
   * Whether somebody knows the torrent as one of v2.
   *
   * @param infoHash By which info hash it names the torrent.
   * @returns Whether that is the one of v2.
   */
  isV2(infoHash: Uint8Array): boolean {
    const { v2 } = this.#hashes;
    return v2 !== undefined && hashesEqual(v2, infoHash);
  }

  /**
   * Reads the info dictionary that the link names.
   *
   * @param infoBytes The dictionary as it is written.
   * @returns What it and the link say.
   * @throws {MetainfoError} If it cannot be used, or is not that of the link.
   * @throws {BencodeError} If it is not bencoded.
   */
  read(infoBytes: Uint8Array): Metainfo {
    if ("infoBytes" in this.#source) return this.#source;
    const names = this.#names ? { names: this.#names } : {};
    return metainfoOf(this.#source, infoBytes, names);
  }

  /**
   * What the torrent is is known now, also to every peer: what is missing of
   * its hash trees is asked for.
   *
   * @param metainfo The torrent.
   * @returns The same, with piece layers that fill up as they come.
   */
  learn(metainfo: Metainfo): Metainfo {
    const hashes = this.#pieceHashes = PieceHashes.of(metainfo);
    this.#hashes = wireHashesOf(metainfo);
    this.trees.learn(metainfo, hashes);
    const pieceLayers = this.trees.layers;
    return this.#metainfo = { ...metainfo, pieceLayers };
  }

  /**
   * A peer has come.
   *
   * @param peer The peer.
   */
  joined(peer: Peer): void {
    this.trees.joined(peer);
    this.trees.tick(performance.now());
  }

  /**
   * A peer has gone.
   *
   * @param peer The peer.
   */
  left(peer: Peer): void {
    this.metadata.left(peer);
    this.trees.left(peer);
  }

  /**
   * A peer has said something, of which only this is for us.
   *
   * @param peer The peer.
   * @param messages What it said.
   * @throws {ProtocolError} If it breaks the rules.
   */
  receive(peer: Peer, messages: readonly Message[]): void {
    for (const message of messages) {
      if (isHashMessage(message)) {
        this.trees.receive(peer, message, performance.now());
      }
      if (message.type !== "extended") continue;
      const now = performance.now();
      if (message.id === OUR_EXTENSIONS.ut_metadata) {
        this.metadata.receive(peer, { payload: message.payload, now });
      } else if (message.id === EXTENSION_HANDSHAKE_ID) {
        this.metadata.greeted(peer, now);
      }
    }
  }

  /**
   * A peer has taken all that was said to it.
   *
   * @param peer The peer.
   */
  serve(peer: Peer): void {
    this.metadata.serve(peer);
    this.trees.serve(peer);
  }
}
