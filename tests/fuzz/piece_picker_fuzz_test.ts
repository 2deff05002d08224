import { assert, assertEquals } from "@std/assert";
import { Bitfield } from "../../src/bytes/bitfield.ts";
import {
  type Block,
  BLOCK_LENGTH,
  PieceLayout,
} from "../../src/metainfo/layout.ts";
import {
  type PickerPeer,
  type PickOptions,
  PiecePicker,
  type Receipt,
} from "../../src/policy/piece_picker.ts";
import { seededRandom } from "../support/seeded_random.ts";

const RUNS = 2000;
const MAX_STEPS = 250;

/** What the picker's own constants say. */
const MAX_ASKED = 3;
const RANDOM_FIRST_PIECES = 4;
const EXCLUSIVE_PATIENCE_MS = 10_000;
const MAX_EXCLUSIVE_ATTEMPTS = 3;
const REJECTED_MS = 10_000;

interface ModelPeer {
  seat: PickerPeer;
  have: Bitfield;
  /** Number of the block → when it was asked for. */
  requests: Map<number, number>;
  /** Given up, and may still come; once for each time it was given up. */
  overdue: number[];
  /** The pieces of which it rejected a block → when that was last. */
  rejected: Map<number, number>;
  isStalled: boolean;
}

interface ModelBlock {
  giver: ModelPeer | undefined;
  /** Whether it stayed when bad blocks of the piece were asked for again. */
  isProven?: boolean;
  askers: Set<ModelPeer>;
}

interface ModelPiece {
  index: number;
  phase: "unknown" | "waiting" | "open" | "complete" | "verified";
  blocks: ModelBlock[];
  owner: ModelPeer | undefined;
  isExclusive: boolean;
  /** Attempts that ended half-way since its hash was wrong, if it was. */
  attempts: number | undefined;
}

/**
 * What a picker must know and do, told in the plainest way: every question is
 * answered by looking at everything.
 */
class Model {
  readonly layout: PieceLayout;
  readonly picker: PiecePicker;
  readonly pieces: ModelPiece[];
  readonly peers: ModelPeer[] = [];
  readonly #maxOpen: number;
  #opened = 0;

  constructor(random: () => number) {
    const below = (limit: number) => Math.floor(random() * limit);
    const [count, blocks] = [1 + below(10), 1 + below(4)];
    // The last piece may be shorter, down to one byte of one block.
    const length = count * blocks * BLOCK_LENGTH -
      below(blocks * BLOCK_LENGTH);
    this.layout = new PieceLayout(blocks * BLOCK_LENGTH, [length]);
    this.#maxOpen = random() < 0.3 ? 1 + below(3) : count;
    const wanted = new Bitfield(count);
    for (let i = 0; i < count; i++) if (random() < 0.9) wanted.add(i);
    const unknown = new Bitfield(count);
    for (let i = 0; i < count; i++) if (random() < 0.2) unknown.add(i);
    this.picker = new PiecePicker(this.layout, {
      wanted,
      unknown,
      maxOpen: this.#maxOpen,
      random,
    });
    this.pieces = Array.from({ length: count }, (_, index) => ({
      index,
      phase: !wanted.has(index)
        ? "verified"
        : unknown.has(index)
        ? "unknown"
        : "waiting",
      blocks: this.#emptyBlocks(index),
      owner: undefined,
      isExclusive: false,
      attempts: undefined,
    }));
  }

  join(): ModelPeer {
    const have = new Bitfield(this.layout.pieceCount);
    const peer: ModelPeer = {
      seat: this.picker.join(have),
      have,
      requests: new Map(),
      overdue: [],
      rejected: new Map(),
      isStalled: false,
    };
    this.peers.push(peer);
    return peer;
  }

  gain(peer: ModelPeer, index: number): void {
    if (peer.have.add(index)) this.picker.gained(peer.seat, index);
  }

  gainAll(peer: ModelPeer, pieces: Bitfield): void {
    this.picker.gainedAll(peer.seat, peer.have.addAll(pieces));
  }

  leave(peer: ModelPeer): void {
    this.peers.splice(this.peers.indexOf(peer), 1);
    this.#expectAbandoned(this.picker.leave(peer.seat), peer);
  }

  choke(peer: ModelPeer): void {
    this.#expectAbandoned(this.picker.releaseAll(peer.seat), peer);
  }

  stall(peer: ModelPeer): void {
    peer.isStalled = true;
    this.#expectAbandoned(this.picker.stalled(peer.seat), peer);
  }

  distrust(peer: ModelPeer): void {
    const tainted = this.pieces.filter(({ phase, blocks }) =>
      phase === "open" &&
      blocks.some(({ giver, isProven }) => giver === peer && !isProven)
    );
    assertEquals(
      new Set(this.picker.distrust(peer.seat)),
      new Set(tainted.map(({ index }) => index)),
    );
    for (const piece of tainted) {
      for (const [at, { askers }] of piece.blocks.entries()) {
        const id = piece.index * this.layout.blocksPerPiece + at;
        for (const asker of [...askers]) this.#giveUp(asker, id);
      }
      this.#wait(piece);
    }
  }

  release(peer: ModelPeer, id: number): void {
    this.picker.release(peer.seat, id);
    this.#giveUp(peer, id);
  }

  /** Rejects a block, whether it was asked for or not. */
  reject(peer: ModelPeer, block: Block, now: number): void {
    const { wasAsked, abandoned } = this.picker
      .rejected(peer.seat, { block, now });
    const id = this.layout.isBlock(block) ? this.idOf(block) : -1;
    const isPending = peer.requests.has(id);
    const overdueAt = peer.overdue.indexOf(id);
    assertEquals(wasAsked, isPending || overdueAt >= 0);
    if (!isPending) {
      if (overdueAt >= 0) peer.overdue.splice(overdueAt, 1);
      return assertEquals(abandoned, []);
    }
    const piece = this.pieces[block.index]!;
    peer.requests.delete(id);
    piece.blocks[block.begin / BLOCK_LENGTH]!.askers.delete(peer);
    peer.rejected.set(block.index, now);
    const isOwn = piece.owner === peer;
    assertEquals(abandoned, isOwn && piece.isExclusive ? [block.index] : []);
    if (!isOwn) return;
    piece.owner = undefined;
    if (piece.isExclusive) this.#restart(piece);
  }

  unchoke(peer: ModelPeer): void {
    this.picker.unchoked(peer.seat);
    peer.rejected.clear();
  }

  /** Blocks come out in the order of what is best to ask for at each point. */
  pick(peer: ModelPeer, options: PickOptions): Block[] {
    const blocks = this.picker.pick(peer.seat, options);
    assert(blocks.length <= options.count, "too many");
    const isEndgame = () =>
      !this.#some("waiting") || this.#incomplete >= this.#maxOpen;
    const inRow = options.from !== undefined;
    let next: number | undefined;
    for (const block of [...blocks, undefined]) {
      if (!block && blocks.length === options.count) break;
      // A run ends where it ends: what lies elsewhere is asked for later.
      if (!block && inRow && blocks.length > 0) break;
      const piece = block && this.pieces[block.index]!;
      const at = block ? block.begin / BLOCK_LENGTH : 0;
      if (block) assertEquals(block, this.layout.block(block.index, at));
      const having = this.pieces
        .filter(({ index }) => this.#mayGive(peer, { ...options, index }));
      const open = having.filter((p) => p.phase === "open");
      const withFree = open.filter((p) => firstFree(p) >= 0);
      const mine = withFree.filter((p) => p.owner === peer);
      const orphans = withFree.filter((p) => !p.owner);
      const waiting = this.#openCount < this.#maxOpen
        ? inRow
          ? having.filter(({ phase }) => phase === "waiting")
          : this.#rarest(
            having.filter((p) => p.phase === "waiting"),
            // Of the few that are allowed the rarest, from the start.
            options.only ? 0 : RANDOM_FIRST_PIECES,
          )
        : [];
      const others = withFree.filter((p) => !p.isExclusive);
      const best = [mine, orphans, waiting, others].find((p) => p.length > 0);
      if (best) {
        assert(piece && best.includes(piece), "not the best");
        assertEquals(at, firstFree(piece), "not from the start");
        if (piece.phase === "waiting") {
          if (inRow) assertEquals(piece.index, next ?? piece.index, "no run");
          next = piece.index + 1;
          this.#open(piece);
        }
        if (piece.owner === undefined) piece.owner = peer;
      } else {
        const asked = this.#mayTakeOver(peer, {
          ...options,
          isEndgame: isEndgame(),
        });
        if (!block || !piece) {
          assertEquals(asked, [], "something is left to ask for");
          break;
        }
        assert(asked.includes(this.idOf(block)), "not to be asked twice");
      }
      this.#ask(peer, this.idOf(block!), options.now);
    }
    return blocks;
  }

  takeOver(peer: ModelPeer, now: number): void {
    const taken = this.picker.takeOver(peer.seat, now);
    const allowed = this.pieces.filter((piece) => {
      const { attempts, index, isExclusive, owner, phase } = piece;
      if (phase !== "open" || !isExclusive || !owner) return false;
      const patience = EXCLUSIVE_PATIENCE_MS * 2 ** attempts!;
      const isLate = piece.blocks.some(({ askers }, at) => {
        const id = index * this.layout.blocksPerPiece + at;
        return askers.size > 0 && now - owner.requests.get(id)! >= patience;
      });
      return owner !== peer && !peer.isStalled &&
        this.#mayGive(peer, { index, now }) &&
        (owner.isStalled || isLate);
    });
    assertEquals(taken.length, Math.min(1, allowed.length));
    for (const index of taken) {
      const piece = this.pieces[index]!;
      assert(allowed.includes(piece), "not to be taken over");
      piece.owner!.isStalled = true;
      this.#restart(piece);
    }
  }

  receive(peer: ModelPeer, block: Block): Receipt {
    const receipt = this.picker.received(peer.seat, block);
    const id = this.idOf(block);
    const isKnown = this.layout.isBlock(block);
    const askedAt = isKnown ? peer.requests.get(id) : undefined;
    const isExpected = isKnown && (askedAt !== undefined ||
      peer.overdue.includes(id));
    if (!isExpected) {
      assertEquals(receipt, {
        verdict: "unasked",
        cancel: [],
        askedAt,
        isAmbiguous: false,
      });
      return receipt;
    }
    const piece = this.pieces[block.index]!;
    const state = piece.blocks[block.begin / BLOCK_LENGTH]!;
    const isWanted = piece.phase === "open" && !state.giver &&
      (!piece.isExclusive || piece.owner === peer);
    const others = [...state.askers].filter((other) => other !== peer);
    for (const other of isWanted ? others : []) this.#giveUp(other, id);
    if (!peer.requests.delete(id)) {
      peer.overdue.splice(peer.overdue.indexOf(id), 1);
    }
    assertEquals(receipt.verdict, isWanted ? "wanted" : "duplicate");
    assertEquals(receipt.askedAt, askedAt);
    assertEquals(
      new Set(receipt.cancel),
      new Set(isWanted ? others.map(({ seat }) => seat) : []),
    );
    assert(isWanted || askedAt === undefined, "asked for what is not wanted");
    if (isWanted) {
      peer.isStalled = false;
      state.giver = peer;
      state.askers.clear();
      if (piece.blocks.every(({ giver }) => giver)) {
        piece.phase = "complete";
        piece.owner = undefined;
      }
    }
    return receipt;
  }

  verify(piece: ModelPiece): void {
    piece.phase = "verified";
    this.picker.verified(piece.index);
  }

  fail(piece: ModelPiece): void {
    const givers = this.picker.failed(piece.index);
    assertEquals(givers, piece.blocks.map(({ giver }) => giver!.seat));
    piece.attempts = 0;
    this.#wait(piece);
  }

  reopen(piece: ModelPiece, bad: number[]): void {
    const givers = this.picker.reopened(piece.index, bad);
    assertEquals(givers, bad.map((at) => piece.blocks[at]!.giver!.seat));
    piece.blocks = piece.blocks.map(({ giver }, at) =>
      bad.includes(at)
        ? { giver: undefined, askers: new Set() }
        : { giver, askers: new Set(), isProven: true }
    );
    piece.phase = "open";
    piece.owner = undefined;
    piece.isExclusive = false;
    piece.attempts = undefined;
  }

  learn(pieces: ModelPiece[]): void {
    this.picker.learned(pieces.map(({ index }) => index));
    for (const piece of pieces) {
      if (piece.phase === "unknown") piece.phase = "waiting";
    }
  }

  /** What can be seen of the picker is what is known here. */
  check(): void {
    const needed = this.pieces.filter(({ phase }) => phase !== "verified");
    assertEquals(this.picker.neededCount, needed.length);
    assertEquals(this.picker.openCount, this.#openCount);
    assertEquals(
      this.picker.askedCount,
      this.peers.reduce((sum, { requests }) => sum + requests.size, 0),
    );
    for (const peer of this.peers) {
      assertEquals([...peer.seat.requests], [...peer.requests]);
      assertEquals(
        this.picker.isInteresting(peer.seat),
        needed.some(({ index }) => peer.have.has(index)),
      );
      for (const id of peer.requests.keys()) {
        const { index, begin } = this.picker.blockOf(id);
        const piece = this.pieces[index]!;
        const block = piece.blocks[begin / BLOCK_LENGTH]!;
        assert(peer.have.has(index), "asked for what it has not");
        assert(
          piece.phase === "open" && !block.giver && block.askers.has(peer),
        );
      }
    }
    for (const { blocks, phase, owner } of this.pieces) {
      assert(!owner || this.peers.includes(owner));
      for (const { askers, giver } of blocks) {
        assert(askers.size === 0 || (phase === "open" && !giver));
      }
    }
  }

  idOf({ index, begin }: Block): number {
    return index * this.layout.blocksPerPiece + begin / BLOCK_LENGTH;
  }

  get #openCount(): number {
    return this.pieces.filter(({ phase }) =>
      phase === "open" || phase === "complete"
    ).length;
  }

  get #incomplete(): number {
    return this.pieces.filter(({ phase }) => phase === "open").length;
  }

  #mayGive(
    { have, rejected }: ModelPeer,
    { index, now, only }: Pick<PickOptions, "now" | "only"> & { index: number },
  ): boolean {
    const rejectedAt = rejected.get(index) ?? -Infinity;
    return have.has(index) && now - rejectedAt >= REJECTED_MS &&
      (!only || only.has(index));
  }

  #some(phase: ModelPiece["phase"]): boolean {
    return this.pieces.some((piece) => piece.phase === phase);
  }

  #rarest(waiting: ModelPiece[], randomFirst: number): ModelPiece[] {
    if (this.#opened < randomFirst) return waiting;
    const availability = ({ index }: ModelPiece) =>
      this.peers.filter(({ have }) => have.has(index)).length;
    const least = Math.min(...waiting.map(availability));
    return waiting.filter((piece) => availability(piece) === least);
  }

  /** The blocks that a peer may be asked for although another one was. */
  #mayTakeOver(
    peer: ModelPeer,
    { isEndgame, ...options }: PickOptions & { isEndgame: boolean },
  ): number[] {
    const { now, patience } = options;
    return this.pieces
      .filter(({ index, phase }) =>
        phase === "open" && this.#mayGive(peer, { ...options, index })
      )
      .flatMap((piece) =>
        piece.blocks.flatMap(({ askers }, at) => {
          const id = piece.index * this.layout.blocksPerPiece + at;
          const isLate = [...askers].some((other) => {
            const age = now - other.requests.get(id)!;
            return other.isStalled || (isEndgame && age >= patience);
          });
          const active = [...askers].filter(({ isStalled }) => !isStalled);
          const mayAsk = isLate && !piece.isExclusive && !askers.has(peer) &&
            active.length < MAX_ASKED;
          return mayAsk ? [id] : [];
        })
      );
  }

  #open(piece: ModelPiece): void {
    this.#opened++;
    piece.phase = "open";
    piece.isExclusive = piece.attempts !== undefined;
  }

  #wait(piece: ModelPiece): void {
    piece.phase = "waiting";
    piece.owner = undefined;
    piece.isExclusive = false;
    piece.blocks = this.#emptyBlocks(piece.index);
  }

  #emptyBlocks(index: number): ModelBlock[] {
    return Array.from(
      { length: this.layout.blockCount(index) },
      () => ({ giver: undefined, askers: new Set<ModelPeer>() }),
    );
  }

  #ask(peer: ModelPeer, id: number, now: number): void {
    const { index, begin } = this.picker.blockOf(id);
    this.pieces[index]!.blocks[begin / BLOCK_LENGTH]!.askers.add(peer);
    peer.requests.set(id, now);
  }

  #giveUp(peer: ModelPeer, id: number): void {
    if (!peer.requests.delete(id)) return;
    peer.overdue.push(id);
    const { index, begin } = this.picker.blockOf(id);
    this.pieces[index]!.blocks[begin / BLOCK_LENGTH]!.askers.delete(peer);
  }

  #expectAbandoned(abandoned: number[], peer: ModelPeer): void {
    for (const id of [...peer.requests.keys()]) this.#giveUp(peer, id);
    const owned = this.pieces.filter(({ owner }) => owner === peer);
    const exclusive = owned.filter(({ isExclusive }) => isExclusive);
    assertEquals(
      new Set(abandoned),
      new Set(exclusive.map(({ index }) => index)),
    );
    assertEquals(abandoned.length, exclusive.length);
    for (const piece of owned) piece.owner = undefined;
    for (const piece of exclusive) this.#restart(piece);
  }

  #restart(piece: ModelPiece): void {
    piece.attempts! += Number(piece.blocks.some(({ giver }) => giver));
    if (piece.attempts! >= MAX_EXCLUSIVE_ATTEMPTS) piece.attempts = undefined;
    for (const [at, { askers }] of piece.blocks.entries()) {
      const id = piece.index * this.layout.blocksPerPiece + at;
      for (const peer of [...askers]) this.#giveUp(peer, id);
    }
    this.#wait(piece);
  }
}

function firstFree({ blocks }: ModelPiece): number {
  return blocks.findIndex(({ giver, askers }) => !giver && askers.size === 0);
}

/** Does one thing that can happen. */
function step(model: Model, random: () => number, now: number): void {
  const below = (limit: number) => Math.floor(random() * limit);
  const one = <T>(from: T[]): T | undefined => from[below(from.length)];
  const { layout, pieces, peers } = model;
  const peer = one(peers);
  if (!peer || (peers.length < 7 && random() < 0.03)) {
    const newcomer = model.join();
    const share = one([0, 0.3, 0.7, 1])!;
    const some = new Bitfield(layout.pieceCount);
    for (const { index } of pieces) if (random() < share) some.add(index);
    if (random() < 0.9) model.gainAll(newcomer, some);
    return;
  }
  const complete = one(pieces.filter(({ phase }) => phase === "complete"));
  if (complete && random() < 0.2) {
    const what = random();
    if (what < 0.3) return model.fail(complete);
    if (what > 0.6) return model.verify(complete);
    const count = complete.blocks.length;
    const some = Array.from({ length: count }, (_, at) => at)
      .filter(() => random() < 0.3);
    return model.reopen(complete, some.length > 0 ? some : [below(count)]);
  }
  const roll = random();
  if (roll < 0.35) {
    const count = one([1, 2, 5, 100])!;
    const patience = one([0, 250, 2000])!;
    const only = random() < 0.8 ? undefined : new Set(
      pieces.map(({ index }) => index).filter(() => random() < 0.4),
    );
    const from = only || random() < 0.7
      ? undefined
      : Math.floor(random() * layout.pieceCount);
    const blocks = model.pick(peer, { count, now, patience, only, from });
    if (blocks.length === 0 || random() < 0.1) model.takeOver(peer, now);
  } else if (roll < 0.75) {
    const asked = [...peer.requests.keys()];
    const { overdue } = peer;
    // Mostly in order, as peers send.
    const id = random() < 0.2
      ? one(overdue)
      : random() < 0.8
      ? asked[0]
      : one(asked);
    if (id !== undefined) model.receive(peer, model.picker.blockOf(id));
  } else if (roll < 0.8) {
    const index = below(layout.pieceCount + 1);
    const begin = below(5) * BLOCK_LENGTH + (random() < 0.1 ? 1 : 0);
    model.receive(peer, { index, begin, length: BLOCK_LENGTH });
  } else if (roll < 0.85) {
    model.gain(peer, below(layout.pieceCount));
  } else if (roll < 0.87) {
    const some = new Bitfield(layout.pieceCount);
    for (const { index } of pieces) if (random() < 0.5) some.add(index);
    model.gainAll(peer, some);
  } else if (roll < 0.9) {
    const id = one([...peer.requests.keys()]) ?? one(peer.overdue) ?? 0;
    const any = below(layout.pieceCount * layout.blocksPerPiece + 2);
    const block = model.picker.blockOf(random() < 0.8 ? id : any);
    model.reject(peer, block, now);
  } else if (roll < 0.905) {
    model.unchoke(peer);
  } else if (roll < 0.91) {
    model.takeOver(peer, now);
  } else if (roll < 0.93) {
    model.release(peer, one([...peer.requests.keys()]) ?? 0);
  } else if (roll < 0.95) {
    model.choke(peer);
  } else if (roll < 0.97) {
    model.stall(peer);
  } else if (roll < 0.98) {
    model.distrust(peer);
  } else if (roll < 0.985) {
    model.learn(pieces.filter(() => random() < 0.5));
  } else {
    model.leave(peer);
  }
}

/**
 * Whatever happens in whatever order, every block is free, asked for or there;
 * who is asked has the piece; nobody is asked twice, and others only in the
 * endgame or in place of a stalled peer; the rarest piece is opened; nothing
 * that could be asked for is left out; and in the end a seed completes it all.
 */
Deno.test("PiecePicker does what a model does that looks at everything", () => {
  let verified = 0;
  for (let seed = 1; seed <= RUNS; seed++) {
    const random = seededRandom(seed);
    const model = new Model(random);
    let now = 0;
    try {
      const steps = Math.floor(random() * MAX_STEPS);
      for (let i = 0; i < steps; i++) {
        now += Math.floor(random() ** 4 * 3000);
        step(model, random, now);
        model.check();
      }
      const before = model.picker.neededCount;
      finish(model, now);
      verified += before;
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
  // What is drawn must not be over before it ends.
  assert(verified > RUNS, `${verified} pieces were left for the seed`);
});

/**
 * A seed comes and sends whatever it is asked for. Nobody else sends anything
 * any more: again and again they are found to stall, and each of them takes
 * another block before the seed is asked.
 */
function finish(model: Model, now: number): void {
  model.learn(model.pieces);
  const others = [...model.peers];
  const seed = model.join();
  const all = new Bitfield(model.layout.pieceCount);
  all.fill();
  model.gainAll(seed, all);
  const options = { count: 1, patience: 2000 };
  for (let i = 0; model.picker.neededCount > 0; i++) {
    assert(i < 50, "it never ends");
    now += 20_000;
    for (const peer of others) {
      if (peer.requests.size > 0) model.stall(peer);
      model.pick(peer, { ...options, now });
    }
    const pickAll = () => model.pick(seed, { ...options, count: 100, now });
    const blocks = pickAll();
    if (blocks.length === 0) {
      model.takeOver(seed, now);
      blocks.push(...pickAll());
    }
    for (const block of blocks) {
      // A block of this batch may have been the last that its piece needed.
      if (seed.requests.has(model.idOf(block))) model.receive(seed, block);
    }
    for (const piece of model.pieces) {
      if (piece.phase === "complete") model.verify(piece);
    }
    model.check();
  }
}
