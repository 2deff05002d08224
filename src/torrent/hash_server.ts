/**
 * `HashServer`: answers those who ask for parts of hash trees (BEP 52), within
 * bounds.
 *
 * An answer is a hundred times as long as a request, and leaves cost reading a
 * piece. So each peer has one answer made at a time, when it has taken what it
 * was sent before, and a limit for all of them together.
 *
 * @module
 */

import { SHA256_LENGTH } from "../bytes/hash.ts";
import type { FileTree, FileTrees } from "../metainfo/file_trees.ts";
import { LayerRows } from "../metainfo/layer_rows.ts";
import { BLOCK_LENGTH } from "../metainfo/layout.ts";
import { makeProof } from "../metainfo/merkle.ts";
import { Turns } from "../turns.ts";
import { type HashRange, MAX_HASHES, uncleCount } from "../wire/hash_range.ts";
import type { Message } from "../wire/message.ts";
import { concat } from "@std/bytes/concat";

/** Who asks for more at once is told no; our own picker asks for eight. */
const MAX_QUEUED = 64;

/**
 * How often a peer may have all piece layers. One should do; connections break,
 * and other clients may ask for smaller parts with longer proofs.
 */
const MAX_TIMES = 3;

/** What a peer may have of hashes in any case. */
const FREE_HASHES = 64 * MAX_HASHES;

/**
 * How much is read and hashed for a peer in any case. Beyond that, as much as
 * it has taken of data: only who has got a bad piece needs leaves.
 */
const FREE_LEAF_BYTES = 16 * 1024 * 1024;

/** What a server is made of. */
export interface HashServerOptions<Peer> {
  /** The hash trees of the torrent. */
  trees: FileTrees;
  /** The piece layer of a file, if it is here. */
  layerOf: (file: number) => Uint8Array | undefined;
  /** Whether a piece is verified, and can be read. */
  has: (index: number) => boolean;
  /** Reads the leaves of a piece, if that can be done. */
  readLeaves: (index: number) => Promise<Uint8Array | undefined>;
  /** How many bytes of data a peer has taken. */
  sentTo: (peer: Peer) => number;
  /** Sends an answer. */
  send: (peer: Peer, message: Message) => void;
}

interface Customer {
  readonly queue: HashRange[];
  /** How many hashes it has been given, or promised. */
  hashes: number;
  /** How many bytes were read for it. */
  leafBytes: number;
  isServed: boolean;
}

/** Serves the hash trees of one torrent. */
export class HashServer<Peer extends object> {
  readonly #options: HashServerOptions<Peer>;
  readonly #customers = new Map<Peer, Customer>();
  readonly #rows = new Map<FileTree, Promise<LayerRows>>();
  readonly #working = new Set<Promise<void>>();
  readonly #maxHashes: number;

  /**
   * A server that nobody has asked.
   *
   * @param options What it serves.
   */
  constructor(options: HashServerOptions<Peer>) {
    this.#options = options;
    let nodes = 0;
    for (const { pieceCount } of options.trees.all) nodes += pieceCount;
    this.#maxHashes = MAX_TIMES * nodes + FREE_HASHES;
  }

  /**
   * A peer asks for hashes. It is answered when it has taken what it was sent
   * before: {@linkcode HashServer.serve} is to be called then.
   *
   * @param peer The peer.
   * @param range What it asks for; whatever it needs is copied.
   */
  request(peer: Peer, range: HashRange): void {
    const asked = copyOf(range);
    const customer = this.#customers.get(peer) ??
      { queue: [], hashes: 0, leafBytes: 0, isServed: false };
    this.#customers.set(peer, customer);
    if (
      customer.queue.length >= MAX_QUEUED || !this.#isServable(asked) ||
      !this.#afford(peer, customer, asked)
    ) return this.#reject(peer, asked);
    customer.queue.push(asked);
  }

  /**
   * A peer has taken all that was said to it.
   *
   * @param peer The peer.
   */
  serve(peer: Peer): void {
    const customer = this.#customers.get(peer);
    if (!customer || customer.isServed) return;
    const range = customer.queue.shift();
    if (!range) return;
    customer.isServed = true;
    const working = this.#answer(peer, range).finally(() => {
      customer.isServed = false;
      this.#working.delete(working);
    });
    this.#working.add(working);
  }

  /**
   * A peer has gone.
   *
   * @param peer The peer.
   */
  leave(peer: Peer): void {
    this.#customers.delete(peer);
  }

  /** Waits until no answer is being made. */
  async settled(): Promise<void> {
    for (const { queue } of this.#customers.values()) queue.length = 0;
    while (this.#working.size > 0) await Promise.all(this.#working);
  }

  async #answer(peer: Peer, range: HashRange): Promise<void> {
    const hashes = await this.#hashes(range);
    if (!this.#customers.has(peer)) return;
    if (!hashes) return this.#reject(peer, range);
    this.#options.send(peer, { type: "hashes", ...range, hashes });
  }

  #reject(peer: Peer, range: HashRange): void {
    this.#options.send(peer, { type: "hash_reject", ...range });
  }

  /** Whether a stranger's range is one of hashes that may be here. */
  #isServable(range: HashRange): boolean {
    const { baseLayer, index, length, proofLayers } = range;
    const { trees, has, layerOf } = this.#options;
    const tree = trees.of(range.piecesRoot);
    if (!tree) return false;
    const { height } = tree;
    const isLayer = baseLayer === trees.pieceLevel;
    // A piece of more than 8 MiB has more leaves than BEP 52 has hashes in a
    // request; libtorrent asks for all of them at once.
    const most = Math.max(MAX_HASHES, 2 ** trees.pieceLevel);
    if (
      !(isLayer || baseLayer === 0) || baseLayer >= height ||
      !Number.isInteger(Math.log2(length)) || length > most ||
      index % length !== 0 || index + length > 2 ** (height - baseLayer) ||
      proofLayers >= height - baseLayer
    ) return false;
    if (isLayer) return layerOf(tree.file) !== undefined;
    const { first, end } = this.#piecesOf(tree, range);
    for (let piece = first; piece < end; piece++) {
      if (!has(tree.firstPiece + piece)) return false;
    }
    return first < end;
  }

  /** The pieces of a file that some leaves are of; none beyond its end. */
  #piecesOf(
    { pieceCount }: FileTree,
    { index, length }: HashRange,
  ): { first: number; end: number } {
    const perPiece = 2 ** this.#options.trees.pieceLevel;
    const end = Math.ceil((index + length) / perPiece);
    return {
      first: Math.floor(index / perPiece),
      end: Math.min(end, pieceCount),
    };
  }

  /** Notes what an answer costs; tells whether the peer may have it. */
  #afford(peer: Peer, customer: Customer, range: HashRange): boolean {
    const { trees, sentTo } = this.#options;
    const hashes = customer.hashes + range.length + uncleCount(range);
    if (hashes > this.#maxHashes + sentTo(peer) / BLOCK_LENGTH) return false;
    let { leafBytes } = customer;
    if (range.baseLayer !== trees.pieceLevel) {
      const { first, end } = this.#piecesOf(trees.of(range.piecesRoot)!, range);
      leafBytes += (end - first) * 2 ** trees.pieceLevel * BLOCK_LENGTH;
      const pieceBytes = 2 ** trees.pieceLevel * BLOCK_LENGTH;
      const free = Math.max(FREE_LEAF_BYTES, 2 * pieceBytes);
      if (leafBytes > free + sentTo(peer)) return false;
    }
    customer.hashes = hashes;
    customer.leafBytes = leafBytes;
    return true;
  }

  async #hashes(range: HashRange): Promise<Uint8Array | undefined> {
    const { trees } = this.#options;
    const tree = trees.of(range.piecesRoot)!;
    const isLayer = range.baseLayer === trees.pieceLevel;
    const found = isLayer
      ? await this.#ofLayer(tree, range)
      : await this.#ofLeaves(tree, range);
    return found &&
      concat([found.nodes, ...found.uncles.slice(0, uncleCount(range))]);
  }

  async #ofLayer(tree: FileTree, { index, length }: HashRange) {
    const rows = await this.#rowsOf(tree);
    if (!rows) return undefined;
    const level = this.#options.trees.pieceLevel;
    const nodes = concat(
      Array.from({ length }, (_, i) => rows.node(level, index + i)),
    );
    const uncles = unclesIn(rows, {
      level: level + Math.log2(length),
      index: index / length,
      height: tree.height,
    });
    return { nodes, uncles };
  }

  async #ofLeaves(tree: FileTree, range: HashRange) {
    const { pieceLevel } = this.#options.trees;
    const { index, length } = range;
    const level = Math.min(pieceLevel, tree.height);
    const perPiece = 2 ** level;
    const { first, end } = this.#piecesOf(tree, range);
    const nodes = new Uint8Array(length * SHA256_LENGTH);
    const uncles: Uint8Array[] = [];
    for (let piece = first; piece < end; piece++) {
      const index = tree.firstPiece + piece;
      const leaves = await this.#options.readLeaves(index);
      if (!leaves) return undefined;
      const from = Math.max(0, range.index - piece * perPiece);
      const to = from + Math.min(length, perPiece);
      const at = Math.max(0, piece * perPiece - range.index) * SHA256_LENGTH;
      nodes.set(
        leaves.subarray(from * SHA256_LENGTH, to * SHA256_LENGTH),
        at,
      );
      if (length >= perPiece) continue;
      const proof = makeProof(leaves, {
        level: 0,
        index: from,
        count: length,
        height: level,
      });
      uncles.push(...nodesOf(proof));
    }
    if (uncles.length >= uncleCount(range)) return { nodes, uncles };
    const rows = await this.#rowsOf(tree);
    if (!rows) return undefined;
    uncles.push(...unclesIn(rows, {
      level: Math.max(pieceLevel, Math.log2(length)),
      index: Math.floor(index / Math.max(length, perPiece)),
      height: tree.height,
    }));
    return { nodes, uncles };
  }

  /** The rows above a layer; made when they are first needed. */
  async #rowsOf(tree: FileTree): Promise<LayerRows | undefined> {
    const layer = this.#options.layerOf(tree.file);
    if (!layer) return undefined;
    const rows = this.#rows.get(tree) ?? this.#makeRows(tree, layer);
    this.#rows.set(tree, rows);
    return await rows;
  }

  async #makeRows(
    { height }: FileTree,
    layer: Uint8Array,
  ): Promise<LayerRows> {
    const rows = new LayerRows(layer, {
      level: this.#options.trees.pieceLevel,
      height,
    });
    const turns = new Turns();
    for (const _ of rows.grow()) await turns.pause(performance.now());
    return rows;
  }
}

/** The siblings of a node and of all above it below the root, lowest first. */
function unclesIn(
  rows: LayerRows,
  { level, index, height }: { level: number; index: number; height: number },
): Uint8Array[] {
  const uncles: Uint8Array[] = [];
  for (let at = index; level < height; level++, at = Math.floor(at / 2)) {
    uncles.push(rows.node(level, at % 2 === 0 ? at + 1 : at - 1));
  }
  return uncles;
}

function nodesOf(row: Uint8Array): Uint8Array[] {
  return Array.from(
    { length: row.length / SHA256_LENGTH },
    (_, i) => row.subarray(i * SHA256_LENGTH, (i + 1) * SHA256_LENGTH),
  );
}

/** A range that is no view into somebody's buffer. */
function copyOf(range: HashRange): HashRange {
  const { piecesRoot, baseLayer, index, length, proofLayers } = range;
  return {
    piecesRoot: piecesRoot.slice(),
    baseLayer,
    index,
    length,
    proofLayers,
  };
}
