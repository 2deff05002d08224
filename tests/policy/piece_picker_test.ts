import { assert, assertEquals, assertThrows } from "@std/assert";
import { Bitfield } from "../../src/bytes/bitfield.ts";
import { BLOCK_LENGTH, PieceLayout } from "../../src/metainfo/layout.ts";
import {
  type PickerPeer,
  PiecePicker,
  type Receipt,
  type Rejection,
} from "../../src/policy/piece_picker.ts";
import { seededRandom } from "../support/seeded_random.ts";

/** How a swarm looks before anybody is asked. */
interface Picture {
  /** What is there already: `x` for a piece, `.` for one that is wanted. */
  have: string;
  /** How many peers have each piece, but for those that join later. */
  availability?: string;
  /** How many blocks a piece has; 2 if not given. */
  blocks?: number;
  /** How many pieces may be open. */
  maxOpen?: number;
  /** If not given, the first of equals is always taken. */
  random?: () => number;
}

/** When to pick, and what a choking peer allows. */
interface PickTimes {
  now?: number;
  patience?: number;
  only?: number[];
  from?: number;
}

/** A picker in a swarm; pieces are written `x.x`, blocks `piece.block`. */
class Swarm {
  readonly layout: PieceLayout;
  readonly picker: PiecePicker;
  readonly #haves = new Map<PickerPeer, Bitfield>();

  constructor(picture: Picture) {
    const { have, availability = "", blocks = 2, maxOpen = 1000 } = picture;
    const pieceLength = blocks * BLOCK_LENGTH;
    this.layout = new PieceLayout(pieceLength, [have.length * pieceLength]);
    this.picker = new PiecePicker(this.layout, {
      wanted: pieces(have).complement(),
      maxOpen,
      random: picture.random ?? (() => 0),
    });
    const counts = availability === ""
      ? []
      : availability.split(" ").map(Number);
    for (let peer = 0; peer < Math.max(0, ...counts); peer++) {
      this.join(counts.map((count) => count > peer ? "x" : ".").join(""));
    }
  }

  /** A peer comes and says what it has. */
  join(have: string): PickerPeer {
    const set = new Bitfield(have.length);
    const peer = this.picker.join(set);
    this.#haves.set(peer, set);
    this.picker.gainedAll(peer, set.addAll(pieces(have)));
    return peer;
  }

  /** A peer says that it has one more. */
  gain(peer: PickerPeer, index: number): void {
    this.#haves.get(peer)!.add(index);
    this.picker.gained(peer, index);
  }

  /** What a peer is asked for. */
  pick(
    peer: PickerPeer,
    count: number,
    { now = 0, patience = 1000, only, from }: PickTimes = {},
  ): string {
    return this.picker.pick(peer, {
      count,
      now,
      patience,
      only: only && new Set(only),
      from,
    })
      .map(({ index, begin, length }) => {
        assertEquals(length, BLOCK_LENGTH);
        return `${index}.${begin / BLOCK_LENGTH}`;
      }).join(" ");
  }

  /** Blocks arrive; all of them are of the same worth. */
  receive(peer: PickerPeer, names: string): Receipt {
    const receipts = names.split(" ").map((name) =>
      this.picker.received(peer, this.block(name))
    );
    const verdicts = new Set(receipts.map(({ verdict }) => verdict));
    assertEquals(verdicts.size, 1);
    return receipts.at(-1)!;
  }

  /** A peer rejects a block. */
  reject(peer: PickerPeer, name: string, now = 0): Rejection {
    return this.picker.rejected(peer, { block: this.block(name), now });
  }

  block(name: string) {
    const [index, at] = name.split(".").map(Number);
    return this.layout.block(index!, at!);
  }

  id(name: string): number {
    const [index, at] = name.split(".").map(Number);
    return index! * this.layout.blocksPerPiece + at!;
  }

  /** What a peer was asked for and has not sent. */
  asked(peer: PickerPeer): string {
    return [...peer.requests.keys()].map((id) => {
      const { index, begin } = this.picker.blockOf(id);
      return `${index}.${begin / BLOCK_LENGTH}`;
    }).join(" ");
  }
}

function pieces(picture: string): Bitfield {
  const set = new Bitfield(picture.length);
  [...picture].forEach((mark, index) => mark === "x" && set.add(index));
  return set;
}

Deno.test("PiecePicker.pick() takes the rarest pieces that the peer has", async (t) => {
  const table: [
    have: string,
    availability: string,
    peer: string,
    expected: string,
  ][] = [
    ["...", "1 3 2", "xxx", "0 2 1"],
    ["...", "3 2 1", "xxx", "2 1 0"],
    ["...", "1 3 2", ".xx", "2 1"],
    ["...", "1 3 2", ".x.", "1"],
    ["...", "1 3 2", "...", ""],
    ["x..", "1 3 2", "xxx", "2 1"],
    ["xxx", "1 3 2", "xxx", ""],
    ["x.x....", "1 1 1 4 3 2 1", "xxxxxxx", "1 6 5 4 3"],
    [".......", "6 5 4 3 2 1 0", "x.x.x.x", "6 4 2 0"],
    ["......x", "0 0 9 1 9 0 0", "xxxxx.x", "0 1 3 2 4"],
  ];
  for (const [have, availability, peer, expected] of table) {
    await t.step(`${have}, ${availability}, ${peer}: ${expected}`, () => {
      const swarm = new Swarm({ have, availability, blocks: 1 });
      // Where availability is equal the order is not: see below.
      const ties = (text: string) => {
        const counts = availability.split(" ");
        return text.split(" ").map((index) => counts[Number(index)]);
      };
      const expectedBlocks = expected.split(" ").filter((name) => name !== "");
      const picked = swarm.pick(swarm.join(peer), 100).replaceAll(".0", "");
      assertEquals(ties(picked), ties(expected));
      assertEquals(
        picked.split(" ").filter((name) => name !== "").sort(),
        expectedBlocks.sort(),
      );
    });
  }
});

Deno.test("PiecePicker.pick() takes a piece from its start to its end", () => {
  const swarm = new Swarm({ have: "..", availability: "1 2", blocks: 4 });
  const peer = swarm.join("xx");
  assertEquals(swarm.pick(peer, 3), "0.0 0.1 0.2");
  assertEquals(swarm.pick(peer, 3), "0.3 1.0 1.1");
  assertEquals(swarm.pick(peer, 3), "1.2 1.3");
  assertEquals(swarm.pick(peer, 3), "");
});

Deno.test("PiecePicker.pick() gives the last block its own length", () => {
  const layout = new PieceLayout(2 * BLOCK_LENGTH, [3 * BLOCK_LENGTH + 5]);
  const picker = new PiecePicker(layout, {
    wanted: pieces("..").complement(),
    maxOpen: 10,
    random: () => 0,
  });
  const have = pieces("..");
  const peer = picker.join(have);
  picker.gainedAll(peer, have.addAll(pieces("xx")));
  const blocks = picker.pick(peer, { count: 9, now: 0, patience: 0 });
  assertEquals(blocks.length, 4);
  assertEquals(blocks.find((b) => b.index === 1 && b.begin > 0), {
    index: 1,
    begin: BLOCK_LENGTH,
    length: 5,
  });
  for (const block of blocks) {
    assertEquals(picker.received(peer, block).verdict, "wanted");
  }
});

Deno.test("PiecePicker.pick() follows what peers gain", () => {
  const swarm = new Swarm({ have: "...", availability: "2 3 4", blocks: 1 });
  const reader = swarm.join("xxx");
  for (
    const peer of [swarm.join("..."), swarm.join("..."), swarm.join("...")]
  ) {
    swarm.gain(peer, 0);
  }
  // Now they are 5 3 4.
  assertEquals(swarm.pick(reader, 3), "1.0 2.0 0.0");
});

Deno.test("PiecePicker.pick() follows what leaves with a peer", () => {
  const swarm = new Swarm({ have: "...", availability: "2 3 4", blocks: 1 });
  const [reader, ...leavers] = ["xxx", "..x", ".xx", ".xx"].map((have) =>
    swarm.join(have)
  );
  swarm.gain(leavers[2]!, 0);
  // They are 3 5 7, and with the last peers gone as they were, but for one
  // that stays.
  for (const peer of leavers.slice(1)) swarm.picker.leave(peer);
  swarm.picker.leave(swarm.join("x.."));
  swarm.join("xx.");
  swarm.join("xx.");
  // Now they are 4 5 5.
  swarm.join(".x.");
  assertEquals(swarm.pick(reader!, 3), "0.0 2.0 1.0");
});

Deno.test("PiecePicker.pick() counts seeds in no order", () => {
  const swarm = new Swarm({ have: "...", availability: "1 3 2", blocks: 1 });
  const seeds = Array.from({ length: 5 }, () => swarm.join("xxx"));
  assertEquals(swarm.pick(seeds[0]!, 1), "0.0");
  for (const seed of seeds) swarm.picker.leave(seed);
  const seed = swarm.join("xxx");
  assertEquals(swarm.pick(seed, 3), "0.0 2.0 1.0");
});

/** In how many of 400 swarms piece `a` is picked before piece `b`. */
function before(
  [a, b]: [number, number],
  arrange: (random: () => number) => Swarm,
): number {
  let count = 0;
  for (let seed = 1; seed <= 400; seed++) {
    const swarm = arrange(seededRandom(seed));
    const all = "x".repeat(swarm.layout.pieceCount);
    const order = swarm.pick(swarm.join(all), 1000).replaceAll(".0", "")
      .split(" ").map(Number);
    if (order.indexOf(a) < order.indexOf(b)) count++;
  }
  return count;
}

Deno.test("PiecePicker.pick() takes equally rare pieces in random order", async (t) => {
  const have = ".".repeat(20);
  const pairs: [number, number][] = [[0, 1], [0, 19], [7, 12], [18, 19]];
  const cases: Record<string, (random: () => number) => Swarm> = {
    "nobody else is there": (random) => new Swarm({ have, blocks: 1, random }),
    "bitfields that name them in order": (random) => {
      const swarm = new Swarm({ have: `${have}.`, blocks: 1, random });
      for (let i = 0; i < 3; i++) swarm.join("x".repeat(20) + ".");
      return swarm;
    },
    "peers that gain them in order": (random) => {
      const swarm = new Swarm({ have: `${have}.`, blocks: 1, random });
      const peer = swarm.join(".".repeat(21));
      for (let index = 0; index < 20; index++) swarm.gain(peer, index);
      return swarm;
    },
    "peers that leave": (random) => {
      const swarm = new Swarm({ have: `${have}.`, blocks: 1, random });
      const peers = Array.from(
        { length: 3 },
        () => swarm.join("x".repeat(20) + "."),
      );
      swarm.picker.leave(peers[1]!);
      return swarm;
    },
    "pieces that wait again": (random) => {
      const swarm = new Swarm({ have, blocks: 1, random });
      const peer = swarm.join("x".repeat(20));
      for (const name of swarm.pick(peer, 20).split(" ")) {
        swarm.receive(peer, name);
      }
      for (let index = 0; index < 20; index++) swarm.picker.failed(index);
      return swarm;
    },
  };
  for (const [name, arrange] of Object.entries(cases)) {
    await t.step(name, () => {
      for (const pair of pairs) {
        const count = before(pair, arrange);
        // Four standard deviations of a fair coin are 40 of 400.
        assert(count > 160 && count < 240, `${pair}: ${count} of 400`);
      }
    });
  }
});

Deno.test("PiecePicker.pick() takes the first four pieces at random, then the rarest", () => {
  const firsts = new Set<string>();
  for (let seed = 1; seed <= 200; seed++) {
    const swarm = new Swarm({
      have: "..........",
      availability: "9 9 9 9 9 9 9 1 9 9",
      blocks: 1,
      random: seededRandom(seed),
    });
    const order = swarm.pick(swarm.join("xxxxxxxxxx"), 5).split(" ");
    firsts.add(order[0]!);
    assert(order.includes("7.0"), `seed ${seed}: ${order}`);
  }
  assertEquals(firsts.size, 10);
});

Deno.test("PiecePicker.pick() gives every piece one owner while others wait", () => {
  const swarm = new Swarm({ have: "...", availability: "1 2 3", blocks: 4 });
  const [a, b] = [swarm.join("xxx"), swarm.join("xxx")];
  assertEquals(swarm.pick(a, 1), "0.0");
  assertEquals(swarm.pick(b, 2), "1.0 1.1");
  assertEquals(swarm.pick(a, 2), "0.1 0.2");
  // a ends its own piece, then opens the last one; then b must join a's.
  assertEquals(swarm.pick(a, 2), "0.3 2.0");
  assertEquals(swarm.pick(b, 3), "1.2 1.3 2.1");
  assertEquals(swarm.pick(a, 9), "2.2 2.3");
});

Deno.test("PiecePicker.pick() lets a peer join when nothing that it has waits", () => {
  const swarm = new Swarm({ have: "...", availability: "1 2 3", blocks: 4 });
  const [a, b] = [swarm.join("xxx"), swarm.join("x..")];
  assertEquals(swarm.pick(a, 1), "0.0");
  assertEquals(swarm.pick(b, 2), "0.1 0.2");
});

Deno.test("PiecePicker.pick() opens no more pieces than it may", () => {
  const swarm = new Swarm({
    have: "...",
    availability: "1 2 3",
    blocks: 4,
    maxOpen: 1,
  });
  const [a, b] = [swarm.join("xxx"), swarm.join("xxx")];
  assertEquals(swarm.pick(a, 2), "0.0 0.1");
  assertEquals(swarm.pick(b, 9), "0.2 0.3");
  assertEquals(swarm.picker.openCount, 1);
  // A complete piece has its buffer until it is verified.
  swarm.receive(a, "0.0 0.1");
  swarm.receive(b, "0.2 0.3");
  assertEquals(swarm.picker.openCount, 1);
  assertEquals(swarm.pick(a, 9), "");
  swarm.picker.verified(0);
  assertEquals(swarm.picker.openCount, 0);
  assertEquals(swarm.picker.neededCount, 2);
  assertEquals(swarm.pick(a, 1), "1.0");
});

Deno.test("PiecePicker.pick() takes up the pieces of peers that have gone", () => {
  const swarm = new Swarm({ have: "...", availability: "1 2 3", blocks: 4 });
  const [a, b] = [swarm.join("xxx"), swarm.join("xxx")];
  assertEquals(swarm.pick(a, 3), "0.0 0.1 0.2");
  swarm.receive(a, "0.1");
  assertEquals(swarm.picker.leave(a), []);
  // The block that came is kept, and the piece now belongs to b.
  assertEquals(swarm.pick(b, 2), "0.0 0.2");
  const c = swarm.join("xxx");
  assertEquals(swarm.pick(c, 1), "1.0");
  assertEquals(swarm.pick(b, 2), "0.3 2.0");
});

Deno.test("PiecePicker.pick() leaves an orphan to a peer that has the piece", () => {
  const swarm = new Swarm({ have: "..", availability: "1 2", blocks: 2 });
  const [a, b] = [swarm.join("xx"), swarm.join(".x")];
  assertEquals(swarm.pick(a, 1), "0.0");
  swarm.picker.leave(a);
  assertEquals(swarm.pick(b, 9), "1.0 1.1");
  assertEquals(swarm.pick(swarm.join("x."), 9), "0.0 0.1");
});

Deno.test("PiecePicker.release() frees a block once", () => {
  const swarm = new Swarm({ have: ".", blocks: 3 });
  const [a, b] = [swarm.join("x"), swarm.join("x")];
  assertEquals(swarm.pick(a, 3), "0.0 0.1 0.2");
  swarm.picker.release(a, swarm.id("0.1"));
  swarm.picker.release(a, swarm.id("0.1"));
  assertEquals(swarm.asked(a), "0.0 0.2");
  assertEquals(swarm.pick(b, 3), "0.1");
  // It is b's business now: another word of a changes nothing.
  swarm.picker.release(a, swarm.id("0.1"));
  swarm.picker.releaseAll(a);
  assertEquals(swarm.pick(swarm.join("x"), 3), "0.0 0.2");
});

Deno.test("PiecePicker.release() leaves a block to others that were asked", () => {
  const swarm = new Swarm({ have: ".", blocks: 1 });
  const [a, b, c] = [swarm.join("x"), swarm.join("x"), swarm.join("x")];
  swarm.pick(a, 1);
  swarm.pick(b, 1, { now: 1000 });
  swarm.picker.release(a, swarm.id("0.0"));
  assertEquals(swarm.pick(c, 1, { now: 1999 }), "");
  swarm.picker.release(b, swarm.id("0.0"));
  assertEquals(swarm.pick(c, 1, { now: 1999 }), "0.0");
});

Deno.test("PiecePicker.releaseAll() frees what a choking peer was asked for", () => {
  const swarm = new Swarm({ have: "..", availability: "1 2", blocks: 2 });
  const [a, b] = [swarm.join("xx"), swarm.join("xx")];
  assertEquals(swarm.pick(a, 3), "0.0 0.1 1.0");
  for (let i = 0; i < 100; i++) assertEquals(swarm.picker.releaseAll(a), []);
  assertEquals(swarm.asked(a), "");
  assertEquals(swarm.pick(b, 9), "0.0 0.1 1.0 1.1");
  assertEquals(swarm.pick(a, 9), "");
});

Deno.test("PiecePicker.pick() asks twice only when no piece waits", () => {
  const swarm = new Swarm({ have: "..", availability: "1 2", blocks: 1 });
  const [a, b] = [swarm.join("xx"), swarm.join("x.")];
  assertEquals(swarm.pick(a, 1), "0.0");
  assertEquals(swarm.pick(b, 9, { now: 60_000 }), "");
  assertEquals(swarm.pick(a, 1), "1.0");
  assertEquals(swarm.pick(b, 9, { now: 60_000 }), "0.0");
});

Deno.test("PiecePicker.pick() asks twice only after patience", () => {
  const swarm = new Swarm({ have: ".", blocks: 3 });
  const [a, b] = [swarm.join("x"), swarm.join("x")];
  assertEquals(swarm.pick(a, 1, { now: 0 }), "0.0");
  assertEquals(swarm.pick(a, 2, { now: 400 }), "0.1 0.2");
  assertEquals(swarm.pick(b, 9, { now: 999, patience: 1000 }), "");
  assertEquals(swarm.pick(b, 9, { now: 1000, patience: 1000 }), "0.0");
  assertEquals(swarm.pick(b, 1, { now: 2000, patience: 1000 }), "0.1");
  // Nobody is asked for the same block twice.
  assertEquals(swarm.pick(b, 9, { now: 9000, patience: 1000 }), "0.2");
  assertEquals(swarm.pick(b, 9, { now: 9000, patience: 1000 }), "");
  assertEquals(swarm.pick(a, 9, { now: 9000, patience: 0 }), "");
});

Deno.test("PiecePicker.pick() asks no more than three peers for a block", () => {
  const swarm = new Swarm({ have: ".", blocks: 1 });
  const peers = Array.from({ length: 4 }, () => swarm.join("x"));
  const picked = peers.map((peer, i) => swarm.pick(peer, 9, { now: i * 1000 }));
  assertEquals(picked, ["0.0", "0.0", "0.0", ""]);
  // When one gives up, there is room for another.
  swarm.picker.release(peers[1]!, swarm.id("0.0"));
  assertEquals(swarm.pick(peers[3]!, 9, { now: 5000 }), "0.0");
});

Deno.test("PiecePicker.pick() asks twice when as many pieces as may be open are held up", () => {
  const swarm = new Swarm({
    have: ".....",
    availability: "1 2 3 4 5",
    maxOpen: 2,
  });
  const [slow, fast] = [swarm.join("xxxxx"), swarm.join("xxxxx")];
  assertEquals(swarm.pick(slow, 2), "0.0 0.1");
  assertEquals(swarm.pick(fast, 2), "1.0 1.1");
  swarm.receive(fast, "1.0 1.1");
  // A complete piece that is being written holds nothing up.
  assertEquals(swarm.pick(fast, 9, { now: 60_000 }), "");
  swarm.picker.verified(1);
  assertEquals(swarm.pick(fast, 1, { now: 60_000 }), "2.0");
  assertEquals(swarm.pick(fast, 9, { now: 60_000 }), "2.1 0.0 0.1");
});

Deno.test("PiecePicker.received() cancels what others were asked for", () => {
  const swarm = new Swarm({ have: ".", blocks: 2 });
  const peers = Array.from({ length: 3 }, () => swarm.join("x"));
  peers.forEach((peer, i) => swarm.pick(peer, 9, { now: i * 1000 }));
  const [a, b, c] = peers;
  const receipt = swarm.receive(b!, "0.0");
  assertEquals(receipt.verdict, "wanted");
  assertEquals(receipt.askedAt, 1000);
  assertEquals(receipt.cancel, [a!, c!]);
  assertEquals(peers.map((peer) => swarm.asked(peer)), ["0.1", "0.1", "0.1"]);
  // It was too late to cancel: the block comes once more.
  const late = swarm.receive(a!, "0.0");
  assertEquals([late.verdict, late.askedAt], ["duplicate", undefined]);
  assertEquals(late.cancel, []);
  assertEquals(swarm.receive(a!, "0.1").cancel, [b!, c!]);
  swarm.picker.verified(0);
  assertEquals(swarm.receive(c!, "0.0 0.1").verdict, "duplicate");
});

Deno.test("PiecePicker.received() says whether it is sure which request was answered", () => {
  const swarm = new Swarm({ have: ".", blocks: 3 });
  const peer = swarm.join("x");
  swarm.pick(peer, 2);
  // A choke: the requests are given up, and what they asked for is on its way.
  swarm.picker.releaseAll(peer);
  swarm.picker.unchoked(peer);
  assertEquals(swarm.pick(peer, 3, { now: 500 }), "0.0 0.1 0.2");
  const receipt = swarm.receive(peer, "0.0");
  assertEquals([receipt.askedAt, receipt.isAmbiguous], [500, true]);
  assertEquals(swarm.receive(peer, "0.2").isAmbiguous, false);
});

Deno.test("PiecePicker.received() takes a late block that is still wanted", () => {
  const swarm = new Swarm({ have: ".", blocks: 3 });
  const [a, b] = [swarm.join("x"), swarm.join("x")];
  swarm.pick(a, 3);
  swarm.picker.release(a, swarm.id("0.0"));
  swarm.picker.release(a, swarm.id("0.1"));
  assertEquals(swarm.pick(b, 1), "0.0");
  // Asked of another, then free: both are taken, and asked of nobody any more.
  const receipt = swarm.receive(a, "0.0");
  assertEquals([receipt.verdict, receipt.askedAt], ["wanted", undefined]);
  assertEquals(receipt.cancel, [b]);
  assertEquals(swarm.receive(a, "0.1").cancel, []);
  assertEquals(swarm.pick(b, 9), "");
  assertEquals(swarm.asked(a), "0.2");
  // A late block is late once.
  assertEquals(swarm.receive(a, "0.1").verdict, "unasked");
  assertEquals(swarm.receive(b, "0.0").verdict, "duplicate");
  assertEquals(swarm.receive(b, "0.0").verdict, "unasked");
});

Deno.test("PiecePicker.received() knows what nobody asked for", async (t) => {
  const swarm = new Swarm({ have: "..", availability: "1 2" });
  const [a, b] = [swarm.join("xx"), swarm.join("xx")];
  assertEquals(swarm.pick(a, 1), "0.0");
  const blocks = {
    "asked of another": [b, swarm.block("0.0")],
    "asked of nobody": [a, swarm.block("1.1")],
    "too short": [a, { index: 0, begin: 0, length: 1 }],
    "too long": [a, { index: 0, begin: 0, length: 2 * BLOCK_LENGTH }],
    "between two": [a, { index: 0, begin: 1, length: BLOCK_LENGTH }],
    "beyond the piece": [a, {
      index: 0,
      begin: 2 * BLOCK_LENGTH,
      length: BLOCK_LENGTH,
    }],
    "beyond the torrent": [a, { index: 2, begin: 0, length: BLOCK_LENGTH }],
    "beyond everything": [a, {
      index: 0xffff_ffff,
      begin: 0xffff_c000,
      length: BLOCK_LENGTH,
    }],
    "empty": [a, { index: 0, begin: 0, length: 0 }],
  } as const;
  for (const [name, [peer, block]] of Object.entries(blocks)) {
    await t.step(name, () => {
      const receipt = swarm.picker.received(peer, block);
      assertEquals([receipt.verdict, receipt.cancel], ["unasked", []]);
      assertEquals(swarm.asked(a), "0.0");
    });
  }
  await t.step("the one that was asked for is still wanted", () => {
    assertEquals(swarm.receive(a, "0.0").verdict, "wanted");
    assertEquals(swarm.receive(a, "0.0").verdict, "unasked");
  });
});

Deno.test("PiecePicker.received() remembers a bounded number of late blocks", () => {
  const swarm = new Swarm({ have: ".", blocks: 4200 });
  const peer = swarm.join("x");
  swarm.pick(peer, 4200);
  swarm.picker.releaseAll(peer);
  // 4096 of them, the last ones.
  assertEquals(swarm.receive(peer, "0.103").verdict, "unasked");
  assertEquals(swarm.receive(peer, "0.104").verdict, "wanted");
  assertEquals(swarm.receive(peer, "0.4199").verdict, "wanted");
});

Deno.test("PiecePicker.failed() says who gave each block", () => {
  const swarm = new Swarm({ have: ".", blocks: 3 });
  const [a, b] = [swarm.join("x"), swarm.join("x")];
  swarm.pick(a, 2);
  swarm.pick(b, 1);
  swarm.receive(a, "0.1 0.0");
  swarm.receive(b, "0.2");
  assertEquals(swarm.picker.failed(0), [a, a, b]);
  assertEquals([swarm.picker.neededCount, swarm.picker.openCount], [1, 0]);
});

/** A piece of four blocks that is complete, from two peers that have it. */
function complete() {
  const swarm = new Swarm({ have: "..", blocks: 4 });
  const [a, b] = [swarm.join("x."), swarm.join("x.")];
  swarm.pick(a, 2);
  swarm.pick(b, 2);
  swarm.receive(a, "0.0 0.1");
  swarm.receive(b, "0.2 0.3");
  return { swarm, a, b };
}

Deno.test("PiecePicker.reopened() asks anybody for the bad blocks alone", () => {
  const { swarm, a, b } = complete();
  assertEquals(swarm.picker.reopened(0, [1, 2]), [a, b]);
  assertEquals([swarm.picker.neededCount, swarm.picker.openCount], [2, 1]);
  assertEquals(swarm.pick(b, 1), "0.1");
  assertEquals(swarm.pick(a, 9), "0.2");
  // What stayed is there already.
  assertEquals(swarm.receive(a, "0.2").verdict, "wanted");
  assertEquals(swarm.receive(b, "0.1").verdict, "wanted");
  swarm.picker.verified(0);
  assertEquals(swarm.picker.neededCount, 1);
});

Deno.test("PiecePicker.reopened() ends the search for one source", () => {
  const { swarm, a, b } = afterFailure();
  swarm.pick(a, 4);
  swarm.receive(a, "0.0 0.1 0.2 0.3");
  assertEquals(swarm.picker.reopened(0, [3]), [a]);
  assertEquals(swarm.pick(b, 9), "0.3");
});

Deno.test("PiecePicker.reopened() leaves what a liar gave and is proven", () => {
  const { swarm, a, b } = complete();
  assertEquals(swarm.picker.reopened(0, [1]), [a]);
  assertEquals(swarm.picker.distrust(a), []);
  assertEquals(swarm.picker.distrust(b), []);
  assertEquals(swarm.pick(b, 9), "0.1");
  // What comes from now on is not proven.
  swarm.receive(b, "0.1");
  swarm.picker.reopened(0, [0, 1]);
  assertEquals(swarm.pick(b, 1), "0.0");
  swarm.receive(b, "0.0");
  assertEquals(swarm.picker.distrust(b), [0]);
  assertEquals(swarm.picker.openCount, 0);
});

Deno.test("PiecePicker.reopened() wants a bad block", () => {
  const { swarm } = complete();
  assertThrows(() => swarm.picker.reopened(0, []), RangeError);
});

Deno.test("PiecePicker.reopened() counts a piece as one that gathers", () => {
  const swarm = new Swarm({ have: "..", blocks: 2, maxOpen: 1 });
  const [a, b] = [swarm.join("xx"), swarm.join("xx")];
  assertEquals(swarm.pick(a, 2), "1.0 1.1");
  swarm.receive(a, "1.0 1.1");
  swarm.picker.reopened(1, [0]);
  assertEquals(swarm.pick(a, 9), "1.0");
  // Nothing more may be open: it is the endgame, and b is asked as well.
  assertEquals(swarm.pick(b, 9, { now: 2000 }), "1.0");
});

Deno.test("PiecePicker asks for a piece when its hash is known", () => {
  const layout = new PieceLayout(BLOCK_LENGTH, [3 * BLOCK_LENGTH]);
  const picker = new PiecePicker(layout, {
    wanted: pieces(".xx"),
    unknown: pieces("x.x"),
    maxOpen: 10,
    random: () => 0,
  });
  const have = pieces("xxx");
  const peer = picker.join(have);
  picker.gainedAll(peer, have);
  const pick = () =>
    picker.pick(peer, { count: 9, now: 0, patience: 0 })
      .map(({ index }) => index);
  assertEquals([picker.neededCount, picker.unknownCount], [2, 1]);
  assertEquals(pick(), [1]);
  picker.verified(1);
  // What it has is of use, only not yet.
  assert(picker.isInteresting(peer));
  assertEquals(pick(), []);
  picker.learned([0, 1, 2]);
  assertEquals([picker.neededCount, picker.unknownCount], [1, 0]);
  assertEquals(pick(), [2]);
  picker.learned([2]);
  assertEquals(pick(), []);
});

/** A piece of four blocks that failed, with two peers that have it. */
function afterFailure() {
  const swarm = new Swarm({ have: ".", blocks: 4 });
  const [a, b] = [swarm.join("x"), swarm.join("x")];
  swarm.pick(a, 2);
  swarm.pick(b, 2);
  swarm.receive(a, "0.0 0.1");
  swarm.receive(b, "0.2 0.3");
  swarm.picker.failed(0);
  return { swarm, a, b };
}

Deno.test("PiecePicker.pick() takes a piece that failed from one peer alone", () => {
  const { swarm, a, b } = afterFailure();
  assertEquals(swarm.pick(a, 2), "0.0 0.1");
  assertEquals(swarm.pick(b, 9, { now: 5000 }), "");
  assertEquals(swarm.pick(a, 2), "0.2 0.3");
  assertEquals(swarm.pick(b, 9, { now: 5000 }), "");
  swarm.receive(a, "0.0 0.1 0.2 0.3");
  assertEquals(swarm.picker.failed(0), [a, a, a, a]);
});

Deno.test("PiecePicker.received() takes nothing late of others for such a piece", () => {
  const swarm = new Swarm({ have: ".", blocks: 2 });
  const [a, b, c] = [swarm.join("x"), swarm.join("x"), swarm.join("x")];
  swarm.pick(c, 2);
  swarm.picker.releaseAll(c);
  swarm.pick(a, 1);
  swarm.pick(b, 1);
  swarm.receive(a, "0.0");
  swarm.receive(b, "0.1");
  swarm.picker.failed(0);
  // Nothing of it is open now; then it is, and belongs to a.
  assertEquals(swarm.receive(c, "0.0").verdict, "duplicate");
  swarm.pick(a, 2);
  assertEquals(swarm.receive(c, "0.1").verdict, "duplicate");
  assertEquals(swarm.receive(a, "0.0 0.1").verdict, "wanted");
  assertEquals(swarm.picker.failed(0), [a, a]);
});

Deno.test("PiecePicker begins a piece anew when its only source goes", async (t) => {
  const ends: Record<string, (picker: PiecePicker, a: PickerPeer) => number[]> =
    {
      leaves: (picker, a) => picker.leave(a),
      chokes: (picker, a) => picker.releaseAll(a),
      stalls: (picker, a) => picker.stalled(a),
    };
  for (const [name, end] of Object.entries(ends)) {
    await t.step(`it ${name}`, () => {
      const { swarm, a, b } = afterFailure();
      const c = swarm.join("x");
      swarm.pick(a, 3);
      swarm.receive(a, "0.1");
      assertEquals(end(swarm.picker, a), [0]);
      assertEquals([swarm.asked(a), swarm.picker.openCount], ["", 0]);
      // The next one gives all of it again.
      assertEquals(swarm.pick(b, 2), "0.0 0.1");
      assertEquals(swarm.pick(c, 9), "");
    });
  }
});

Deno.test("PiecePicker opens a piece to all after three attempts that ended half-way", () => {
  const { swarm, a, b } = afterFailure();
  for (let attempt = 0; attempt < 3; attempt++) {
    // An attempt of which nothing came does not count.
    assertEquals(swarm.pick(a, 2), "0.0 0.1");
    assertEquals(swarm.picker.releaseAll(a), [0]);
    assertEquals(swarm.pick(a, 2), "0.0 0.1");
    assertEquals(swarm.pick(b, 9), "");
    swarm.receive(a, "0.0");
    assertEquals(swarm.picker.releaseAll(a), [0]);
  }
  assertEquals(swarm.pick(a, 2), "0.0 0.1");
  assertEquals(swarm.pick(b, 9), "0.2 0.3");
  swarm.receive(a, "0.0");
  assertEquals(swarm.picker.releaseAll(a), []);
  assertEquals(swarm.pick(b, 9), "0.1");
});

Deno.test("PiecePicker.takeOver() passes a piece on when its only source takes too long", () => {
  const { swarm, a, b } = afterFailure();
  assertEquals(swarm.pick(a, 3, { now: 0 }), "0.0 0.1 0.2");
  swarm.receive(a, "0.0");
  assertEquals(swarm.picker.takeOver(b, 9_999), []);
  assertEquals(swarm.picker.takeOver(a, 10_000), []);
  assertEquals(swarm.picker.takeOver(b, 10_000), [0]);
  assertEquals(swarm.asked(a), "");
  assertEquals(swarm.pick(b, 2, { now: 10_000 }), "0.0 0.1");
  // It does not come back for nothing, nor as soon to somebody else.
  const c = swarm.join("x");
  assertEquals(swarm.picker.takeOver(a, 99_000), []);
  assertEquals(swarm.picker.takeOver(c, 29_999), []);
  assertEquals(swarm.picker.takeOver(c, 30_000), [0]);
});

Deno.test("PiecePicker.takeOver() takes at once from a stalled peer", () => {
  const { swarm, a, b } = afterFailure();
  swarm.pick(a, 4);
  assertEquals(swarm.picker.stalled(a), [0]);
  // It opens the same piece again before b is asked.
  assertEquals(swarm.pick(a, 1), "0.0");
  assertEquals(swarm.pick(b, 9), "");
  assertEquals(swarm.picker.takeOver(b, 0), [0]);
  assertEquals(swarm.pick(b, 9), "0.0 0.1 0.2 0.3");
});

Deno.test("PiecePicker.takeOver() leaves other pieces alone", () => {
  const swarm = new Swarm({ have: "..", availability: "1 2", blocks: 2 });
  const [a, b, c] = [swarm.join("xx"), swarm.join("xx"), swarm.join(".x")];
  swarm.pick(a, 4);
  assertEquals(swarm.picker.takeOver(b, 99_000), []);
  swarm.receive(a, "0.0 0.1");
  swarm.picker.failed(0);
  assertEquals(swarm.pick(a, 2), "0.0 0.1");
  assertEquals(swarm.picker.takeOver(c, 99_000), []);
  swarm.receive(a, "0.0 0.1");
  assertEquals(swarm.picker.takeOver(b, 99_000), []);
});

Deno.test("PiecePicker.stalled() lets others take what the peer is asked for", () => {
  const swarm = new Swarm({ have: "..", availability: "1 2", blocks: 1 });
  const [stalled, b] = [swarm.join("xx"), swarm.join("x.")];
  assertEquals(swarm.pick(stalled, 1), "0.0");
  assertEquals(swarm.picker.stalled(stalled), []);
  // It comes first and takes the same block again; b need not wait for it,
  // though another piece waits.
  assertEquals(swarm.pick(stalled, 1), "0.0");
  assertEquals(swarm.pick(b, 1), "0.0");
  assertEquals(swarm.receive(b, "0.0").cancel, [stalled]);
});

Deno.test("PiecePicker.stalled() leaves no block to peers that never send it", () => {
  const swarm = new Swarm({ have: ".", blocks: 1 });
  const dead = Array.from({ length: 3 }, () => swarm.join("x"));
  const live = swarm.join("x");
  dead.forEach((peer, i) => swarm.pick(peer, 1, { now: i * 1000 }));
  assertEquals(swarm.pick(live, 1, { now: 5000 }), "");
  for (const peer of dead) {
    swarm.picker.stalled(peer);
    assertEquals(swarm.pick(peer, 1, { now: 20_000 }), "0.0");
  }
  assertEquals(swarm.pick(live, 1, { now: 20_000 }), "0.0");
});

Deno.test("PiecePicker.stalled() is over when a block of the peer is of use", () => {
  const swarm = new Swarm({ have: "..", availability: "1 2", blocks: 2 });
  const [a, b] = [swarm.join("xx"), swarm.join("x.")];
  swarm.pick(a, 2);
  swarm.picker.stalled(a);
  assertEquals(swarm.pick(a, 1), "0.0");
  swarm.receive(a, "0.0");
  assertEquals(swarm.pick(a, 1), "0.1");
  assertEquals(swarm.pick(b, 9), "");
});

Deno.test("PiecePicker.isInteresting() looks for a piece that is needed", () => {
  const swarm = new Swarm({ have: "x..", blocks: 1 });
  const [a, b] = [swarm.join("x.."), swarm.join("xx.")];
  const answers = () => [a, b].map((peer) => swarm.picker.isInteresting(peer));
  assertEquals(answers(), [false, true]);
  // A piece that is asked for, and one that is complete, are still needed.
  assertEquals(swarm.pick(b, 1), "1.0");
  assertEquals(answers(), [false, true]);
  swarm.receive(b, "1.0");
  assertEquals(answers(), [false, true]);
  swarm.picker.verified(1);
  assertEquals(answers(), [false, false]);
  swarm.gain(a, 2);
  assertEquals(answers(), [true, false]);
});

Deno.test("PiecePicker.blockOf() inverts the numbers of requests", () => {
  const swarm = new Swarm({ have: "...", blocks: 5 });
  const peer = swarm.join("xxx");
  const blocks = swarm.picker.pick(peer, { count: 15, now: 0, patience: 0 });
  assertEquals(
    [...peer.requests.keys()].map((id) => swarm.picker.blockOf(id)),
    blocks,
  );
});

Deno.test("PiecePicker keeps its own copy of what is wanted", () => {
  const layout = new PieceLayout(BLOCK_LENGTH, [2 * BLOCK_LENGTH]);
  const wanted = pieces("xx");
  const picker = new PiecePicker(layout, {
    wanted,
    maxOpen: 1,
    random: () => 0,
  });
  wanted.delete(0);
  assertEquals(picker.neededCount, 2);
});

Deno.test("PiecePicker refuses a peer of somebody else's making", () => {
  const swarm = new Swarm({ have: "." });
  const stranger = { have: pieces("x"), requests: new Map() };
  assertThrows(() => swarm.pick(stranger, 1), TypeError);
});

Deno.test("PiecePicker.pick() takes only what a choking peer allows", async (t) => {
  const table: [
    availability: string,
    peer: string,
    only: number[],
    expected: string,
  ][] = [
    ["1 3 2 1", "xxxx", [], ""],
    ["1 3 2 1", "xxxx", [1], "1.0 1.1"],
    ["1 3 2 1", "xxxx", [1, 2], "2.0 2.1 1.0 1.1"],
    ["1 3 2 1", "xxxx", [2, 1], "2.0 2.1 1.0 1.1"],
    ["1 3 2 1", "xx..", [1, 2], "1.0 1.1"],
    ["1 3 2 1", "....", [0, 1, 2, 3], ""],
  ];
  for (const [availability, peer, only, expected] of table) {
    await t.step(`${availability}, ${peer}, [${only}]: ${expected}`, () => {
      const swarm = new Swarm({ have: "....", availability });
      assertEquals(swarm.pick(swarm.join(peer), 100, { only }), expected);
    });
  }
  await t.step("what is there already is not taken", () => {
    const swarm = new Swarm({ have: "x.x." });
    const peer = swarm.join("xxxx");
    assertEquals(swarm.pick(peer, 100, { only: [0, 2, 3] }), "3.0 3.1");
  });
});

Deno.test("PiecePicker.pick() stays within what is allowed wherever it looks", () => {
  const swarm = new Swarm({ have: "....", availability: "1 2 3 4" });
  const peer = swarm.join("xxxx");
  // Its own piece, one that nobody owns, one that it could join, the endgame.
  assertEquals(swarm.pick(peer, 1), "0.0");
  const gone = swarm.join(".x..");
  assertEquals(swarm.pick(gone, 1), "1.0");
  swarm.picker.leave(gone);
  const other = swarm.join("..xx");
  assertEquals(swarm.pick(other, 3), "2.0 2.1 3.0");
  const late = { now: 5000, patience: 1000 };
  assertEquals(swarm.pick(peer, 100, { ...late, only: [] }), "");
  assertEquals(swarm.pick(peer, 1, { ...late, only: [0] }), "0.1");
  assertEquals(swarm.pick(peer, 1, { ...late, only: [1] }), "1.0");
  assertEquals(swarm.pick(peer, 1, { ...late, only: [3] }), "3.1");
  assertEquals(swarm.pick(peer, 9, { ...late, only: [2] }), "2.0 2.1");
  // When it unchokes us, the rest follows.
  assertEquals(swarm.pick(peer, 100, late), "1.1 3.0");
});

Deno.test("PiecePicker.pick() finds all again after it looked for little", () => {
  const swarm = new Swarm({ have: "...." });
  const peer = swarm.join("xxxx");
  assertEquals(swarm.pick(peer, 100, { only: [] }), "");
  assertEquals(swarm.pick(peer, 100).split(" ").length, 8);
});

Deno.test("PiecePicker.rejected() asks for the piece elsewhere", () => {
  const swarm = new Swarm({ have: ".." });
  const [a, b] = [swarm.join("xx"), swarm.join("xx")];
  const first = swarm.pick(a, 2).split(" ");
  const [other] = swarm.pick(b, 1).split(" ");
  assertEquals(swarm.reject(a, first[1]!), { wasAsked: true, abandoned: [] });
  assertEquals(swarm.asked(a), first[0]);
  // What it has not rejected it may still send.
  assertEquals(swarm.receive(a, first[0]!).verdict, "wanted");
  // The piece belongs to nobody, so b goes on with its own and then takes it.
  assertEquals(swarm.pick(b, 100), `${other!.replace(".0", ".1")} ${first[1]}`);
});

Deno.test("PiecePicker.rejected() keeps a peer from being asked again at once", () => {
  const swarm = new Swarm({ have: ".." });
  const peer = swarm.join("xx");
  let now = 0;
  let asked = 0;
  // It rejects all it is asked for, for a minute.
  for (; now < 60_000; now += 10) {
    for (const name of swarm.pick(peer, 100, { now }).split(" ")) {
      if (name === "") continue;
      asked++;
      assert(swarm.reject(peer, name, now).wasAsked);
    }
  }
  // Every ten seconds each of the four blocks.
  assertEquals(asked, 4 * 6);
  assertEquals(swarm.asked(peer), "");
  assertEquals(swarm.pick(peer, 100, { now }).split(" ").length, 4);
});

Deno.test("PiecePicker.rejected() counts from the last time for each piece", () => {
  const swarm = new Swarm({ have: "..", availability: "1 2" });
  const peer = swarm.join("xx");
  assertEquals(swarm.pick(peer, 100), "0.0 0.1 1.0 1.1");
  swarm.reject(peer, "0.0", 0);
  swarm.reject(peer, "1.0", 1000);
  swarm.reject(peer, "0.1", 5000);
  assertEquals(swarm.pick(peer, 100, { now: 10_999 }), "");
  assertEquals(swarm.pick(peer, 100, { now: 11_000 }), "1.0");
  assertEquals(swarm.pick(peer, 100, { now: 14_999 }), "");
  assertEquals(swarm.pick(peer, 100, { now: 15_000 }), "0.0 0.1");
});

Deno.test("PiecePicker.takeOver() takes nothing that the peer has just rejected", () => {
  const swarm = new Swarm({ have: "." });
  const [a, b] = [swarm.join("x"), swarm.join("x")];
  swarm.pick(a, 2);
  swarm.receive(a, "0.0 0.1");
  swarm.picker.failed(0);
  assertEquals(swarm.pick(a, 2), "0.0 0.1");
  swarm.reject(a, "0.0", 15_000);
  assertEquals(swarm.pick(b, 2, { now: 15_000 }), "0.0 0.1");
  swarm.picker.stalled(b);
  assertEquals(swarm.pick(b, 2, { now: 15_000 }), "0.0 0.1");
  assertEquals(swarm.picker.takeOver(a, 24_999), []);
  assertEquals(swarm.picker.takeOver(a, 25_000), [0]);
});

Deno.test("PiecePicker.unchoked() lets a peer be asked again", () => {
  const swarm = new Swarm({ have: ".." });
  const peer = swarm.join("xx");
  for (const name of swarm.pick(peer, 100).split(" ")) swarm.reject(peer, name);
  assertEquals(swarm.pick(peer, 100, { now: 9999 }), "");
  swarm.picker.unchoked(peer);
  assertEquals(swarm.pick(peer, 100, { now: 9999 }).split(" ").length, 4);
});

Deno.test("PiecePicker.rejected() knows what nobody asked for", () => {
  const swarm = new Swarm({ have: "..." });
  const [a, b] = [swarm.join("xxx"), swarm.join("xxx")];
  const [name] = swarm.pick(a, 1).split(" ");
  const nothing = { wasAsked: false, abandoned: [] };
  assertEquals(swarm.reject(b, name!), nothing);
  assertEquals(swarm.reject(a, name!.replace(".0", ".1")), nothing);
  for (
    const block of [
      { index: 3, begin: 0, length: BLOCK_LENGTH },
      { index: 0xffff_ffff, begin: 0, length: BLOCK_LENGTH },
      { index: 0, begin: 1, length: BLOCK_LENGTH },
      { index: 0, begin: 0, length: 1 },
    ]
  ) {
    assertEquals(swarm.picker.rejected(a, { block, now: 0 }), nothing);
  }
  assertEquals(swarm.asked(a), name);
  assertEquals(swarm.reject(a, name!).wasAsked, true);
  assertEquals(swarm.reject(a, name!), nothing);
});

Deno.test("PiecePicker.rejected() takes what was given up for asked, once", () => {
  const swarm = new Swarm({ have: "." });
  const peer = swarm.join("x");
  assertEquals(swarm.pick(peer, 1), "0.0");
  // Choke, and then the reject that BEP 6 demands.
  swarm.picker.releaseAll(peer);
  assertEquals(swarm.reject(peer, "0.0"), { wasAsked: true, abandoned: [] });
  assertEquals(swarm.reject(peer, "0.0").wasAsked, false);
  // That says nothing about the time after the choke.
  assertEquals(swarm.pick(peer, 100), "0.0 0.1");
});

Deno.test("PiecePicker.rejected() begins a piece anew that needs one source", () => {
  const swarm = new Swarm({ have: "." });
  const [a, b] = [swarm.join("x"), swarm.join("x")];
  swarm.pick(a, 2);
  swarm.receive(a, "0.0 0.1");
  swarm.picker.failed(0);
  assertEquals(swarm.pick(a, 2), "0.0 0.1");
  swarm.receive(a, "0.0");
  assertEquals(swarm.reject(a, "0.1"), { wasAsked: true, abandoned: [0] });
  assertEquals(swarm.pick(a, 2), "");
  assertEquals(swarm.picker.takeOver(a, 0), []);
  assertEquals(swarm.pick(b, 2), "0.0 0.1");
  // When b takes too long, a has rejected it long ago.
  assertEquals(swarm.picker.takeOver(a, 19_999), []);
  assertEquals(swarm.picker.takeOver(a, 20_000), [0]);
});

Deno.test("PiecePicker.pick() gives runs of pieces to who wants them", async (t) => {
  const table: [
    have: string,
    peer: string,
    from: number,
    count: number,
    expected: string,
  ][] = [
    ["......", "xxxxxx", 0, 4, "0.0 0.1 1.0 1.1"],
    ["......", "xxxxxx", 3, 4, "3.0 3.1 4.0 4.1"],
    ["......", "xxxxxx", 3, 3, "3.0 3.1 4.0"],
    [".x.x..", "xxxxxx", 0, 4, "4.0 4.1 5.0 5.1"],
    [".x.x..", "xxxxxx", 0, 6, "4.0 4.1 5.0 5.1"],
    ["......", "xx.xxx", 0, 9, "3.0 3.1 4.0 4.1 5.0 5.1"],
    ["xx.xxx", "xxxxxx", 4, 9, "2.0 2.1"],
    ["xxxxxx", "xxxxxx", 0, 9, ""],
  ];
  for (const [have, peer, from, count, expected] of table) {
    await t.step(`${count} blocks of ${have} from ${from}`, () => {
      const swarm = new Swarm({ have });
      assertEquals(swarm.pick(swarm.join(peer), count, { from }), expected);
    });
  }
});

Deno.test("PiecePicker.pick() ends a run where no more pieces may be open", () => {
  const swarm = new Swarm({ have: "......", maxOpen: 3 });
  const seed = swarm.join("xxxxxx");
  assertEquals(
    swarm.pick(seed, 100, { from: 1 }),
    "1.0 1.1 2.0 2.1 3.0 3.1",
  );
  assertEquals(swarm.pick(seed, 100, { from: 4 }), "");
});

Deno.test("PiecePicker.pick() ends begun pieces before it begins a run", () => {
  const swarm = new Swarm({ have: "......" });
  const [seed, peer] = [swarm.join("xxxxxx"), swarm.join("x.....")];
  assertEquals(swarm.pick(seed, 3, { from: 2 }), "2.0 2.1 3.0");
  assertEquals(swarm.pick(seed, 3, { from: 4 }), "3.1 4.0 4.1");
  swarm.pick(peer, 1);
  // What another one has begun comes when nothing waits.
  assertEquals(swarm.pick(seed, 9, { from: 5 }), "5.0 5.1");
  assertEquals(swarm.pick(seed, 9, { from: 0 }), "1.0 1.1");
  assertEquals(swarm.pick(seed, 9, { from: 2 }), "0.1");
});

Deno.test("PiecePicker.withdraw() frees what is still asked for", () => {
  const swarm = new Swarm({ have: ".." });
  const [seed, peer] = [swarm.join("xx"), swarm.join("xx")];
  swarm.pick(seed, 4, { from: 0 });
  const blocks = ["0.0", "0.1", "1.0", "1.1"].map((name) => swarm.block(name));
  swarm.receive(seed, "0.0");
  assertEquals(
    blocks.map((block) => swarm.picker.isAsked(seed, block)),
    [false, true, true, true],
  );
  swarm.picker.withdraw(seed, blocks.slice(0, 3));
  assertEquals(swarm.asked(seed), "1.1");
  assertEquals(swarm.pick(peer, 9), "0.1 1.0");
});
