/**
 * `HashPicker`: which hashes are asked of whom (BEP 52). It is told what
 * happened and when, and says whom to ask for what. Pure.
 *
 * Two things can be wanted: the piece layers of files, for torrents that came
 * without; and the leaves of a piece whose hash was wrong, which tell the bad
 * blocks from the good. Every answer brings its own proof: it leads to a root
 * or to a piece that is trusted already, or its giver is a liar.
 *
 * ```
 *              tick()            received(), proven
 *   waiting ──────────► asked ──────────────────────► here
 *      ▲                  │
 *      └──────────────────┘ rejected(), too late, or the peer goes
 * ```
 *
 * Late answers count all the same. Whoever rejects or is late is left in peace
 * for a while; and leaves are not waited for without end, since the piece can
 * be fetched again instead.
 *
 * @module
 */

import type { Bitfield } from "../bytes/bitfield.ts";
import { SHA256_LENGTH } from "../bytes/hash.ts";
import { ProtocolError } from "../errors.ts";
import type { FileTree, FileTrees } from "../metainfo/file_trees.ts";
import { type HashRange, isSameRange } from "../wire/hash_range.ts";
import { type HashPart, HashRow } from "./hash_row.ts";

/** libtorrent asks for two at a time; that is little for large layers. */
const MAX_ASKED_PER_PEER = 8;

/**
 * An answer is 18 KiB at most: who needs longer is too slow to wait for. Pieces
 * wait for their leaves, so another peer is asked sooner.
 */
const TIMEOUT_MS: Record<HashRow["kind"], number> = {
  layer: 10_000,
  leaves: 2_000,
};

/** After so long the whole piece is fetched again. */
const LEAVES_PATIENCE_MS = 6_000;

/** The pause after the first answer that was none; it doubles with each. */
const FIRST_PAUSE_MS = 10_000;

/** What the pause grows to. */
const MAX_PAUSE_MS = 5 * 60_000;

/** Who rejects hashes may have them later. */
const REFUSED_MS = 20_000;

/** So many in a row, and a peer seems to reject whatever it is asked for. */
const MAX_REJECTS = 16;

/** Hashes nobody asked for that are put down to confusion, not to malice. */
const MAX_UNASKED = 64;

/**
 * How many ranges are looked at in one go: more are not needed to keep all
 * peers busy, and a large torrent has thousands.
 */
const MAX_LOOKED_AT = 256;

/** What to ask whom. */
export interface HashRequest<Peer> {
  /** Whom to ask. */
  readonly peer: Peer;
  /** The hashes. */
  readonly range: HashRange;
}

/** What the owner of a picker hears of it. */
export interface HashPickerHandler<Peer> {
  /**
   * The piece layer of a file is here, and proven.
   *
   * @param tree The tree of the file.
   * @param layer One node for each of its pieces.
   */
  onLayer(tree: FileTree, layer: Uint8Array): void;
  /**
   * The leaves of a piece are here, and proven.
   *
   * @param index The piece.
   * @param leaves One for each of its blocks.
   */
  onLeaves(index: number, leaves: Uint8Array): void;
  /**
   * Nobody gives the leaves of a piece.
   *
   * @param index The piece.
   */
  onNoLeaves(index: number): void;
  /**
   * A peer gave hashes that prove nothing.
   *
   * @param peer The liar.
   */
  onLiar(peer: Peer): void;
}

/** How far the piece layers have come. */
export interface LayerProgress {
  /** How many bytes of hashes are wanted in all. */
  readonly total: number;
  /** How many of them are here. */
  readonly received: number;
}

interface Asked {
  readonly at: number;
  isOverdue: boolean;
}

interface Source<Peer> {
  readonly peer: Peer;
  readonly have: Bitfield;
  readonly asked: Map<HashPart, Asked>;
  /** What it has rejected → when to ask for it again. */
  readonly refused: Map<HashPart, number>;
  rejects: number;
  failures: number;
  unasked: number;
  /** Not to be asked before. */
  notBefore: number;
}

/** Decides which hashes are asked of whom. */
export class HashPicker<Peer extends object> {
  readonly #trees: FileTrees;
  readonly #handler: HashPickerHandler<Peer>;
  readonly #sources = new Map<Peer, Source<Peer>>();
  /**
   * What is wanted, leaves before layers: pieces wait for those. What somebody
   * has been asked for in vain moves to the end.
   */
  readonly #wants: Record<HashRow["kind"], Set<HashPart>> = {
    leaves: new Set(),
    layer: new Set(),
  };
  readonly #leaves = new Map<number, HashRow>();
  #layerTotal = 0;
  #layerReceived = 0;

  /**
   * A picker that knows no peer, and wants nothing.
   *
   * @param trees The hash trees of the torrent.
   * @param handler Who hears of what comes.
   */
  constructor(trees: FileTrees, handler: HashPickerHandler<Peer>) {
    this.#trees = trees;
    this.#handler = handler;
  }

  /** How far the piece layers have come. */
  get progress(): LayerProgress {
    return { total: this.#layerTotal, received: this.#layerReceived };
  }

  /**
   * The piece layer of a file is wanted.
   *
   * @param tree The tree of the file, which has more than one piece.
   */
  wantLayer(tree: FileTree): void {
    this.#layerTotal += tree.pieceCount * SHA256_LENGTH;
    this.#want(HashRow.layer(tree, this.#trees.pieceLevel));
  }

  /**
   * The leaves of a piece are wanted.
   *
   * @param index The piece.
   * @param options The node that stands for the piece, and the time in
   * milliseconds.
   */
  wantLeaves(
    index: number,
    { node, now }: { node: Uint8Array; now: number },
  ): void {
    if (this.#leaves.has(index)) return;
    const piece = this.#trees.pieceAt(index);
    if (!piece) throw new TypeError(`Piece ${index} is of no file`);
    // A piece of one block is its own leaf.
    if (piece.level === 0) return this.#handler.onLeaves(index, node);
    const perPiece = 2 ** this.#trees.pieceLevel;
    const row = HashRow.leaves(piece, { node, perPiece, now });
    this.#leaves.set(index, row);
    this.#want(row);
  }

  /**
   * The leaves of a piece are not wanted any more.
   *
   * @param index The piece.
   */
  forgetLeaves(index: number): void {
    const row = this.#leaves.get(index);
    if (!row) return;
    this.#leaves.delete(index);
    const { leaves } = this.#wants;
    for (const part of leaves) if (part.row === row) leaves.delete(part);
  }

  /**
   * A peer that may be asked for hashes has come.
   *
   * @param peer The peer.
   * @param have What it has; never copied.
   */
  join(peer: Peer, have: Bitfield): void {
    this.#sources.set(peer, {
      peer,
      have,
      asked: new Map(),
      refused: new Map(),
      rejects: 0,
      failures: 0,
      unasked: 0,
      notBefore: 0,
    });
  }

  /**
   * A peer has gone.
   *
   * @param peer The peer.
   */
  leave(peer: Peer): void {
    const source = this.#sources.get(peer);
    for (const [part, { isOverdue }] of source?.asked ?? []) {
      if (!isOverdue) part.awaited--;
    }
    this.#sources.delete(peer);
  }

  /**
   * A peer gives hashes.
   *
   * @param peer The peer.
   * @param answer The hashes, which are copied: as many as the range says.
   * @throws {ProtocolError} If it gives too much that nobody asked for.
   */
  received(peer: Peer, answer: HashRange & { hashes: Uint8Array }): void {
    const source = this.#sources.get(peer);
    const part = source && this.#answered(source, answer);
    if (!source || !part) return;
    const { row, range } = part;
    if (!row.proves(range, answer.hashes)) {
      this.leave(peer);
      return this.#handler.onLiar(peer);
    }
    source.failures = 0;
    source.rejects = 0;
    if (!this.#wants[row.kind].delete(part)) return;
    const count = row.put(range, answer.hashes);
    if (row.kind === "layer") this.#layerReceived += count * SHA256_LENGTH;
    if (!row.isComplete) return;
    if (row.kind === "layer") {
      this.#handler.onLayer(row.tree, row.bytes);
    } else {
      this.#leaves.delete(row.index);
      this.#handler.onLeaves(row.index, row.bytes);
    }
  }

  /**
   * A peer does not give hashes.
   *
   * @param peer The peer.
   * @param options What it rejects, and the time in milliseconds.
   * @throws {ProtocolError} If it rejects too much that nobody asked for.
   */
  rejected(
    peer: Peer,
    { range, now }: { range: HashRange; now: number },
  ): void {
    const source = this.#sources.get(peer);
    const part = source && this.#answered(source, range);
    if (!source || !part) return;
    source.refused.delete(part);
    source.refused.set(part, now + REFUSED_MS);
    this.#postpone(part);
    if (++source.rejects < MAX_REJECTS) return;
    source.rejects = 0;
    fail(source, now);
  }

  /**
   * Says what to ask for now: to be called after every other call, and a few
   * times a second.
   *
   * @param now The time in milliseconds.
   * @returns The requests to send.
   */
  tick(now: number): HashRequest<Peer>[] {
    for (const source of this.#sources.values()) this.#lookAfter(source, now);
    for (const row of this.#leaves.values()) {
      if (now - row.since < LEAVES_PATIENCE_MS && !this.#isHopeless(row)) {
        continue;
      }
      this.forgetLeaves(row.index);
      this.#handler.onNoLeaves(row.index);
    }
    const requests: HashRequest<Peer>[] = [];
    let looked = 0;
    for (const part of [...this.#wants.leaves, ...this.#wants.layer]) {
      if (part.awaited > 0) continue;
      if (++looked > MAX_LOOKED_AT) break;
      const source = this.#sourceFor(part, now);
      if (!source) continue;
      part.awaited++;
      source.asked.set(part, { at: now, isOverdue: false });
      requests.push({ peer: source.peer, range: part.range });
    }
    return requests;
  }

  #want(row: HashRow): void {
    for (const part of row.parts()) this.#wants[row.kind].add(part);
  }

  /** What a peer's answer is about, if it was asked. */
  #answered(source: Source<Peer>, range: HashRange): HashPart | undefined {
    for (const [part, { isOverdue }] of source.asked) {
      if (!isSameRange(part.range, range)) continue;
      source.asked.delete(part);
      if (!isOverdue) part.awaited--;
      return part;
    }
    if (++source.unasked <= MAX_UNASKED) return undefined;
    throw new ProtocolError("The peer sends hashes that nobody asked for");
  }

  #lookAfter(source: Source<Peer>, now: number): void {
    let isLate = false;
    for (const [part, asked] of source.asked) {
      if (asked.isOverdue || now - asked.at < TIMEOUT_MS[part.row.kind]) {
        continue;
      }
      // It may still come, but others are asked meanwhile.
      asked.isOverdue = true;
      part.awaited--;
      this.#postpone(part);
      isLate = true;
    }
    if (isLate) fail(source, now);
    for (const [part, until] of source.refused) {
      if (now < until) break;
      source.refused.delete(part);
    }
    if (now < source.notBefore) return;
    for (const [part, { isOverdue }] of source.asked) {
      if (isOverdue) source.asked.delete(part);
    }
  }

  #postpone(part: HashPart): void {
    const wants = this.#wants[part.row.kind];
    if (wants.delete(part)) wants.add(part);
  }

  /** Whether everybody has rejected some of the same leaves. */
  #isHopeless(row: HashRow): boolean {
    const sources = [...this.#sources.values()];
    return [...this.#wants.leaves].some((part) =>
      part.row === row && part.awaited === 0 &&
      sources.every(({ refused }) => refused.has(part))
    );
  }

  /**
   * Whom to ask: somebody who has a piece below the hashes must have them, and
   * others may. Who has less to do comes first.
   */
  #sourceFor(part: HashPart, now: number): Source<Peer> | undefined {
    let best: Source<Peer> | undefined;
    let bestScore = Infinity;
    for (const source of this.#sources.values()) {
      const { asked, refused, notBefore } = source;
      if (
        notBefore > now || asked.size >= MAX_ASKED_PER_PEER ||
        asked.has(part) || refused.has(part)
      ) continue;
      const score = source.asked.size + source.failures +
        (mustHave(source, part) ? 0 : 1000);
      if (score >= bestScore) continue;
      best = source;
      bestScore = score;
    }
    return best;
  }
}

/** BEP 52: whoever has announced a piece must give the hashes above it. */
function mustHave<Peer>({ have }: Source<Peer>, part: HashPart): boolean {
  if (have.length === 0) return false;
  for (let index = part.first; index < part.end; index++) {
    if (have.has(index)) return true;
  }
  return false;
}

/** A peer did not answer as asked: it is left in peace for a while. */
function fail<Peer>(source: Source<Peer>, now: number): void {
  const pause = FIRST_PAUSE_MS * 2 ** source.failures++;
  source.notBefore = now + Math.min(pause, MAX_PAUSE_MS);
}
