import { assert, assertEquals } from "@std/assert";
import { Bitfield } from "../../src/bytes/bitfield.ts";
import {
  type Block,
  BLOCK_LENGTH,
  PieceLayout,
} from "../../src/metainfo/layout.ts";
import { PieceHashes } from "../../src/metainfo/piece_hashes.ts";
import type { Connection } from "../../src/net/connection.ts";
import { Peer } from "../../src/peer/peer.ts";
import { PiecePicker } from "../../src/policy/piece_picker.ts";
import type { FileStorage } from "../../src/storage/file_storage.ts";
import { PieceStore } from "../../src/storage/piece_store.ts";
import { Download } from "../../src/torrent/download.ts";
import type { Message } from "../../src/wire/message.ts";
import { FakeTime } from "../support/fake_time.ts";
import { seededRandom } from "../support/seeded_random.ts";

const RUNS = 1000;
const TICK_MS = 100;
/** Several snubs, one after the other, and the work itself. */
const LIMIT_MS = 240_000;

/** What is wrong with a peer; everything together if need be. */
interface Habits {
  /** Blocks per second. */
  rate: number;
  /** How long a request is on its way. */
  latencyMs: number;
  /** How much it has at first; it says `have` for the others by and by. */
  share: number;
  /** Requests that it drops without a word: those of some blocks, always. */
  withholds: (block: Block) => boolean;
  /** How many of its blocks are wrong. */
  lies: number;
  /** How often it chokes and unchokes, per second. */
  churn: number;
  /** How often it leaves, per second. */
  leaving: number;
}

const HONEST: Habits = {
  rate: 5,
  latencyMs: 100,
  share: 1,
  withholds: () => false,
  lies: 0,
  churn: 0,
  leaving: 0,
};

/** The connection of a peer that is played without one. */
const NOWHERE: Connection = {
  remote: { hostname: "192.0.2.1", port: 6881 },
  writingSince: undefined,
  heldMs: 0,
  read: () => Promise.resolve(null),
  write: () => Promise.resolve(),
  close: () => {},
};

class PlayedPeer extends Peer {
  readonly habits: Habits;
  readonly #random: () => number;
  #queue: { block: Block; at: number }[] = [];
  #owed = 0;
  #isChoking = true;

  constructor(
    habits: Habits,
    options: { pieceCount: number; random: () => number },
  ) {
    super({
      connection: NOWHERE,
      peerId: new Uint8Array(20),
      reserved: new Uint8Array(8),
      pieceCount: options.pieceCount,
      isIncoming: false,
    });
    this.habits = habits;
    this.#random = options.random;
  }

  override send(...messages: Message[]): void {
    for (const message of messages) {
      if (message.type === "request" && !this.#isChoking) {
        const at = performance.now() + this.habits.latencyMs;
        this.#queue.push({ block: message, at });
      } else if (message.type === "cancel") {
        this.#queue = this.#queue.filter(({ block }) =>
          block.index !== message.index || block.begin !== message.begin
        );
      }
    }
  }

  /** What it says at the beginning. */
  hello(): Message[] {
    const pieces = new Bitfield(this.state.have.length);
    for (let i = 0; i < pieces.length; i++) {
      if (this.#random() < this.habits.share) pieces.add(i);
    }
    this.#isChoking = false;
    return [
      { type: "bitfield", bitfield: pieces.bytes },
      { type: "unchoke" },
    ];
  }

  /** What it says in the next tenth of a second. */
  live(): Message[] {
    const messages: Message[] = [];
    const { churn, lies, rate, withholds } = this.habits;
    const perTick = TICK_MS / 1000;
    if (this.#random() < churn * perTick) {
      this.#isChoking = !this.#isChoking;
      this.#queue = [];
      messages.push({ type: this.#isChoking ? "choke" : "unchoke" });
    }
    const { length } = this.state.have;
    const index = Math.floor(this.#random() * length);
    if (this.#random() < perTick && !this.state.have.has(index)) {
      messages.push({ type: "have", index });
    }
    this.#owed = Math.min(1, this.#owed) + rate * perTick;
    while (this.#owed >= 1 && this.#queue.length > 0) {
      if (this.#queue[0]!.at > performance.now()) break;
      const { block } = this.#queue.shift()!;
      if (withholds(block)) continue;
      this.#owed--;
      const bytes = new Uint8Array(block.length);
      if (this.#random() < lies) bytes[0] = 1;
      messages.push({
        type: "piece",
        index: block.index,
        begin: block.begin,
        block: bytes,
      });
    }
    return messages;
  }
}

/** Pieces in memory; those whose bytes are all zero are right. */
class PlayedStore extends PieceStore {
  readonly complete: { index: number; piece: Uint8Array }[] = [];
  readonly #pieces = new Map<number, (Uint8Array | undefined)[]>();
  readonly #pieceLayout: PieceLayout;

  constructor(layout: PieceLayout) {
    super(layout, {
      hashes: PieceHashes.ofV1(layout, new Uint8Array()),
      storage: {} as FileStorage,
      have: new Bitfield(layout.pieceCount),
      handler: { onPiece: () => {} },
    });
    this.#pieceLayout = layout;
  }

  override add({ index, begin }: Block, bytes: Uint8Array): void {
    const count = this.#pieceLayout.blockCount(index);
    const blocks = this.#pieces.get(index) ?? new Array(count).fill(undefined);
    assert(blocks[begin / BLOCK_LENGTH] === undefined, "a block came twice");
    blocks[begin / BLOCK_LENGTH] = bytes;
    this.#pieces.set(index, blocks);
    if (blocks.includes(undefined)) return;
    const piece = new Uint8Array(this.#pieceLayout.pieceSize(index));
    blocks.forEach((block, at) => piece.set(block!, at * BLOCK_LENGTH));
    this.#pieces.delete(index);
    this.complete.push({ index, piece });
  }

  override discard(index: number): void {
    this.#pieces.delete(index);
  }

  override drained(): undefined {}
}

function drawHabits(random: () => number): Habits {
  const one = <T>(from: T[]): T => from[Math.floor(random() * from.length)]!;
  const modulus = 2 + Math.floor(random() * 4);
  return {
    rate: one([0, 0, 1 / 15, 1, 5, 50]),
    latencyMs: one([0, 100, 1000, 5000]),
    share: one([0, 0.5, 1, 1]),
    withholds: one<Habits["withholds"]>([
      () => false,
      () => false,
      ({ index, begin }) => (index + begin / BLOCK_LENGTH) % modulus === 0,
    ]),
    lies: one([0, 0, 0, 0.3, 1]),
    churn: one([0, 0, 0.1, 2]),
    leaving: one([0, 0, 0.05]),
  };
}

/** Lets a drawn swarm live until the download is complete. */
function run(random: () => number, time: FakeTime): void {
  const below = (limit: number) => Math.floor(random() * limit);
  const pieceLength = (1 + below(4)) * BLOCK_LENGTH;
  const layout = new PieceLayout(pieceLength, [
    (1 + below(12)) * pieceLength - below(pieceLength),
  ]);
  const wanted = new Bitfield(layout.pieceCount);
  wanted.fill();
  const maxOpen = 1 + below(layout.pieceCount);
  const picker = new PiecePicker(layout, { wanted, maxOpen, random });
  const store = new PlayedStore(layout);
  const banned = new Set<Peer>();
  const download = new Download(layout, {
    store,
    picker,
    handler: {
      onPiece: () => {},
      onGained: () => {},
      onMismatch: () => {},
      onLiar: (peer) => banned.add(peer),
      onOtherLiar: () => {},
      onFailure: (error) => {
        throw error;
      },
    },
  });
  const peers = new Set<PlayedPeer>();
  const join = (habits: Habits) => {
    const peer = new PlayedPeer(habits, {
      pieceCount: layout.pieceCount,
      random,
    });
    peers.add(peer);
    download.join(peer);
    download.receive(peer, peer.hello());
  };
  for (let i = below(8); i >= 0; i--) join(drawHabits(random));
  // One peer that is what it should be, and not always the first.
  const seedJoins = below(50) * TICK_MS;
  const start = time.now;
  while (picker.neededCount > 0) {
    const elapsed = time.now - start;
    assert(elapsed < LIMIT_MS, `${picker.neededCount} pieces are missing`);
    if (elapsed === seedJoins) join(HONEST);
    for (const peer of peers) {
      const messages = peer.live();
      if (messages.length > 0) download.receive(peer, messages);
    }
    for (const { index, piece } of store.complete.splice(0)) {
      const isRight = piece.every((byte) => byte === 0);
      download.verdicts.onPiece({
        type: isRight ? "written" : "mismatch",
        index,
        piece,
        leaves: undefined,
      });
    }
    for (const peer of peers) {
      const isBanned = banned.has(peer);
      assert(!isBanned || peer.habits.lies > 0, "an honest peer was banned");
      const leaves = random() < peer.habits.leaving * TICK_MS / 1000;
      if (!isBanned && !leaves) continue;
      peers.delete(peer);
      download.leave(peer);
      if (leaves) join(drawHabits(random));
    }
    download.tick(time.now);
    time.skip(TICK_MS);
  }
  assertEquals(picker.openCount, 0);
}

/**
 * Whoever else is there, be it dead, slow, choking, withholding, lying or
 * leaving: with one honest seed every piece is verified within minutes, and
 * no honest peer is taken for a liar.
 */
Deno.test("Download ends in every drawn swarm that has a seed", () => {
  using time = new FakeTime();
  for (let seed = 1; seed <= RUNS; seed++) {
    try {
      run(seededRandom(seed), time);
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
});
