import { Bitfield } from "../../src/bytes/bitfield.ts";
import { BLOCK_LENGTH, PieceLayout } from "../../src/metainfo/layout.ts";
import { type PickerPeer, PiecePicker } from "../../src/policy/piece_picker.ts";
import { seededRandom } from "../support/seeded_random.ts";

interface Recipe {
  pieces: number;
  blocksPerPiece: number;
  peers: number;
  /** How many of the peers are seeds; the others have half of the pieces. */
  seeds: number;
}

/** What a window holds on a fast path. */
const WINDOW = 100;

function swarmOf({ pieces, blocksPerPiece, peers, seeds }: Recipe) {
  const random = seededRandom(1);
  const pieceLength = blocksPerPiece * BLOCK_LENGTH;
  const layout = new PieceLayout(pieceLength, [pieces * pieceLength]);
  const wanted = new Bitfield(pieces);
  wanted.fill();
  const picker = new PiecePicker(layout, { wanted, maxOpen: 2048, random });
  const seats = Array.from({ length: peers }, (_, i) => {
    const have = new Bitfield(pieces);
    for (let index = 0; index < pieces; index++) {
      if (i < seeds || random() < 0.5) have.add(index);
    }
    const seat = picker.join(have);
    picker.gainedAll(seat, have.clone());
    return seat;
  });
  return { picker, seats };
}

/** Downloads everything: every peer sends a quarter of its window in turn. */
function download(
  picker: PiecePicker,
  seats: readonly PickerPeer[],
  blocksPerPiece: number,
): void {
  let now = 0;
  const missing = new Map<number, number>();
  while (picker.neededCount > 0) {
    now += 1;
    for (const seat of seats) {
      const count = WINDOW - seat.requests.size;
      if (count >= WINDOW / 4) picker.pick(seat, { count, now, patience: 250 });
      let sent = 0;
      for (const id of seat.requests.keys()) {
        if (sent++ >= WINDOW / 4) break;
        const block = picker.blockOf(id);
        if (picker.received(seat, block).verdict !== "wanted") continue;
        const left = (missing.get(block.index) ?? blocksPerPiece) - 1;
        missing.set(block.index, left);
        if (left === 0) picker.verified(block.index);
      }
    }
  }
}

const RECIPES: Record<string, Recipe> = {
  "2 million blocks, 500 seeds, 256 KiB pieces": {
    pieces: 125_000,
    blocksPerPiece: 16,
    peers: 500,
    seeds: 500,
  },
  "2 million blocks, 500 peers with half of it, 256 KiB pieces": {
    pieces: 125_000,
    blocksPerPiece: 16,
    peers: 500,
    seeds: 2,
  },
  "2 million blocks, 50 peers with half of it, 4 MiB pieces": {
    pieces: 8_000,
    blocksPerPiece: 250,
    peers: 50,
    seeds: 2,
  },
  "100,000 blocks, 50 peers with half of it, 16 KiB pieces": {
    pieces: 100_000,
    blocksPerPiece: 1,
    peers: 50,
    seeds: 2,
  },
};

for (const [name, recipe] of Object.entries(RECIPES)) {
  Deno.bench(name, { n: 1, warmup: 0 }, (b) => {
    const { picker, seats } = swarmOf(recipe);
    b.start();
    download(picker, seats, recipe.blocksPerPiece);
    b.end();
  });
}

Deno.bench("a peer with half of 100,000 pieces joins and leaves", (b) => {
  const { picker } = swarmOf({
    pieces: 100_000,
    blocksPerPiece: 1,
    peers: 50,
    seeds: 0,
  });
  const have = new Bitfield(100_000);
  for (let index = 0; index < 100_000; index += 2) have.add(index);
  b.start();
  const seat = picker.join(have);
  picker.gainedAll(seat, have);
  picker.leave(seat);
  b.end();
});

Deno.bench("a seed of 100,000 pieces joins and leaves", (b) => {
  const { picker } = swarmOf({
    pieces: 100_000,
    blocksPerPiece: 1,
    peers: 50,
    seeds: 0,
  });
  const have = new Bitfield(100_000);
  have.fill();
  b.start();
  const seat = picker.join(have);
  picker.gainedAll(seat, have);
  picker.leave(seat);
  b.end();
});
