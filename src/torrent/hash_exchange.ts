/**
 * `HashExchange`: hash trees from peers and to peers (BEP 52): the piece layers
 * that a torrent came without, the leaves that tell bad blocks from good ones,
 * and whatever of both others need.
 *
 * @module
 */

import type { Bitfield } from "../bytes/bitfield.ts";
import { SHA256_LENGTH } from "../bytes/hash.ts";
import { FileTrees } from "../metainfo/file_trees.ts";
import type { Metainfo } from "../metainfo/metainfo.ts";
import type { PieceHashes } from "../metainfo/piece_hashes.ts";
import type { Peer } from "../peer/peer.ts";
import { HashPicker, type LayerProgress } from "../policy/hash_picker.ts";
import type { HashRange } from "../wire/hash_range.ts";
import type { Message } from "../wire/message.ts";
import { HashServer } from "./hash_server.ts";
import type { LeafReader } from "./leaf_reader.ts";
import { encodeHex } from "@std/encoding/hex";

/** What the owner of an exchange hears of it. */
export interface HashExchangeHandler {
  /**
   * A peer gave hashes that prove nothing.
   *
   * @param peer The liar.
   */
  onLiar(peer: Peer): void;
  /**
   * The leaves of a piece are here.
   *
   * @param index The piece.
   * @param leaves The SHA-256 of each of its blocks, as they must be.
   */
  onLeaves(index: number, leaves: Uint8Array): void;
  /**
   * Nobody gives the leaves of a piece.
   *
   * @param index The piece.
   */
  onNoLeaves(index: number): void;
}

/** A message about hashes. */
export type HashMessage = Extract<
  Message,
  { type: "hash_request" | "hashes" | "hash_reject" }
>;

/** Pieces that leaves can be read of. */
export interface LeafSource {
  /** The pieces that are verified; to be read only. */
  have: Bitfield;
  /** Reads them. */
  reader: LeafReader;
}

/** What is known of a torrent of v2. */
interface Known {
  trees: FileTrees;
  hashes: PieceHashes;
  picker: HashPicker<Peer>;
  server: HashServer<Peer>;
  /** How many layers are missing. */
  missing: number;
}

/** Whether a message is about hashes. */
export function isHashMessage(message: Message): message is HashMessage {
  return message.type === "hash_request" || message.type === "hashes" ||
    message.type === "hash_reject";
}

/** Fetches and serves the hash trees of one torrent. */
export class HashExchange {
  /** The piece layers that are here, by the roots of the files in hex. */
  readonly layers: Map<string, Uint8Array> = new Map();
  readonly #handler: HashExchangeHandler;
  readonly #complete = Promise.withResolvers<void>();
  /** Who can be asked. */
  readonly #peers = new Set<Peer>();
  #known: Known | undefined;
  #leaves: LeafSource | undefined;

  /**
   * An exchange that knows no torrent.
   *
   * @param handler Who hears of it.
   */
  constructor(handler: HashExchangeHandler) {
    this.#handler = handler;
  }

  /** Whether every piece layer is here; not before the torrent is known. */
  get isComplete(): boolean {
    return this.#known?.missing === 0;
  }

  /** Waits until every piece layer is here. */
  get complete(): Promise<void> {
    return this.#complete.promise;
  }

  /** How far the layers have come that were missing. */
  get progress(): LayerProgress {
    return this.#known?.picker.progress ?? { total: 0, received: 0 };
  }

  /** How many peers can be asked for hashes. */
  get peerCount(): number {
    return this.#peers.size;
  }

  /**
   * What the torrent is is known: what is missing of it is asked for.
   *
   * @param metainfo The torrent; nothing is done for one of v1.
   * @param hashes What of its trees is here; it learns the rest.
   */
  learn(metainfo: Metainfo, hashes: PieceHashes): void {
    if (metainfo.metaVersion === 1) return this.#complete.resolve();
    for (const [root, layer] of metainfo.pieceLayers) {
      this.layers.set(root, layer);
    }
    const trees = new FileTrees(metainfo.layout, metainfo.files);
    const known: Known = {
      trees,
      hashes,
      picker: new HashPicker<Peer>(trees, {
        onLayer: ({ piecesRoot }, layer) => this.#learnt(piecesRoot, layer),
        onLeaves: (index, leaves) => this.#handler.onLeaves(index, leaves),
        onNoLeaves: (index) => this.#handler.onNoLeaves(index),
        onLiar: (peer) => this.#handler.onLiar(peer),
      }),
      server: new HashServer<Peer>({
        trees,
        layerOf: (file) => hashes.layerOf(file),
        has: (index) => this.#leaves?.have.has(index) ?? false,
        readLeaves: async (index) => await this.#leaves?.reader.read(index),
        sentTo: ({ sent }) => sent.total,
        send: (peer, message) => peer.send(message),
      }),
      missing: 0,
    };
    this.#known = known;
    for (const tree of trees.all) {
      if (tree.pieceCount === 1 || hashes.layerOf(tree.file)) continue;
      known.missing++;
      known.picker.wantLayer(tree);
    }
    if (known.missing === 0) this.#complete.resolve();
    for (const peer of this.#peers) known.picker.join(peer, peer.state.have);
  }

  /**
   * Pieces can be read from now on, so their leaves can be given.
   *
   * @param source The pieces.
   */
  serveFrom(source: LeafSource | undefined): void {
    this.#leaves = source;
  }

  /**
   * A peer has come.
   *
   * @param peer The peer.
   */
  joined(peer: Peer): void {
    if (!peer.supportsHashes) return;
    this.#peers.add(peer);
    this.#known?.picker.join(peer, peer.state.have);
  }

  /**
   * A peer has gone.
   *
   * @param peer The peer.
   */
  left(peer: Peer): void {
    this.#peers.delete(peer);
    this.#known?.picker.leave(peer);
    this.#known?.server.leave(peer);
  }

  /**
   * A peer asks for hashes, or answers.
   *
   * @param peer The peer.
   * @param message What it says.
   * @param now The time in milliseconds.
   * @throws {ProtocolError} If it says too much that nobody asked for.
   */
  receive(peer: Peer, message: HashMessage, now: number): void {
    switch (message.type) {
      case "hash_request":
        return this.#request(peer, message);
      case "hashes":
        this.#known?.picker.received(peer, message);
        return this.tick(now);
      case "hash_reject":
        this.#known?.picker.rejected(peer, { range: message, now });
        return this.tick(now);
      default:
        message satisfies never;
    }
  }

  /**
   * A peer has taken all that was said to it.
   *
   * @param peer The peer.
   */
  serve(peer: Peer): void {
    this.#known?.server.serve(peer);
  }

  /**
   * Asks for what is missing; to be called a few times a second.
   *
   * @param now The time in milliseconds.
   */
  tick(now: number): void {
    for (const { peer, range } of this.#known?.picker.tick(now) ?? []) {
      peer.send({ type: "hash_request", ...range });
    }
  }

  /**
   * The hash of a piece is wrong: its leaves are asked for by the next
   * {@linkcode HashExchange.tick}, if there is anybody to ask.
   *
   * @param index The piece, which has more than one block.
   * @param now The time in milliseconds.
   * @returns Whether the handler will hear of the leaves: never before this
   * has returned.
   */
  wantLeaves(index: number, now: number): boolean {
    const node = this.#nodeOf(index);
    if (!this.#known || !node || this.#peers.size === 0) return false;
    this.#known.picker.wantLeaves(index, { node, now });
    return true;
  }

  /** Waits until nothing is being read for anybody. */
  async settled(): Promise<void> {
    await this.#known?.server.settled();
    await this.#leaves?.reader.settled();
  }

  /** What stands for a piece in the tree of its file, if that is known. */
  #nodeOf(index: number): Uint8Array | undefined {
    const piece = this.#known?.trees.pieceAt(index);
    const layer = piece && this.#known?.hashes.layerOf(piece.tree.file);
    if (!layer) return undefined;
    const begin = piece.at * SHA256_LENGTH;
    return layer.subarray(begin, begin + SHA256_LENGTH);
  }

  #request(peer: Peer, range: HashRange): void {
    if (this.#known) {
      this.#known.server.request(peer, range);
      return peer.wake();
    }
    peer.send({
      ...range,
      type: "hash_reject",
      piecesRoot: range.piecesRoot.slice(),
    });
  }

  #learnt(piecesRoot: Uint8Array, layer: Uint8Array): void {
    const known = this.#known!;
    known.hashes.learn(piecesRoot, layer);
    this.layers.set(encodeHex(piecesRoot), layer);
    if (--known.missing === 0) this.#complete.resolve();
  }
}
