import { assert, assertEquals } from "@std/assert";
import { encodeBencode } from "../../src/bytes/bencode.ts";
import { Bitfield } from "../../src/bytes/bitfield.ts";
import { ProtocolError } from "../../src/errors.ts";
import { PeerState } from "../../src/wire/peer_state.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";

const RUNS = 1000;
const MAX_STEPS = 300;

/** What the constants of `FastState` say. */
const MAX_ALLOWED = 100;
const MAX_SUGGESTED = 16;
const MAX_UNASKED_REJECTS = 50;

/** What must be known of a peer, told in the plainest way. */
class Model {
  readonly have = new Set<number>();
  allowed: number[] = [];
  suggested: number[] = [];
  unasked = 0;

  constructor(readonly pieceCount: number, readonly isFast: boolean) {}

  exists(index: number): boolean {
    return index < this.pieceCount;
  }

  gain(pieces: Iterable<number>): number[] {
    const news = [...pieces].filter((index) => !this.have.has(index));
    for (const index of news) this.have.add(index);
    return news;
  }
}

/** One thing that a peer can say. */
interface Event {
  /** Whether the peer must be let go for it. */
  isWrong: (model: Model) => boolean;
  /** Hears it, and what it must bring. */
  run: (state: PeerState, model: Model) => void;
}

function drawEvent(
  random: () => number,
  { pieceCount, favourite }: { pieceCount: number; favourite: number },
): Event {
  const below = (limit: number) => Math.floor(random() * limit);
  const any = [pieceCount, 2 ** 31, 2 ** 32 - 1];
  const index = random() < 0.05 ? any[below(any.length)]! : below(pieceCount);
  const wasAsked = random() < 0.5;
  const bits = randomBytes(Math.ceil(pieceCount / 8), random);
  if (random() < 0.9) bits[bits.length - 1]! &= 0xff << (-pieceCount & 7);
  const bitfield = Bitfield.fromBytes(bits, pieceCount);
  const isNotFast = (model: Model) => !model.isFast;
  const events: Event[] = [
    {
      isWrong: (model) => !model.exists(index),
      run: (state, model) =>
        assertEquals(
          state.receiveHave(index) ? [index] : [],
          model.gain([index]),
        ),
    },
    {
      isWrong: () => bitfield === undefined,
      run: (state, model) =>
        assertEquals(
          [...state.receiveBitfield(bits)],
          model.gain(bitfield ?? []),
        ),
    },
    {
      isWrong: isNotFast,
      run: (state, model) => {
        const all = Array.from({ length: pieceCount }, (_, i) => i);
        assertEquals([...state.receiveHaveAll()], model.gain(all));
      },
    },
    { isWrong: isNotFast, run: (state) => state.receiveHaveNone() },
    {
      isWrong: isNotFast,
      run: (state, model) => {
        const isNew = model.exists(index) && !model.allowed.includes(index) &&
          model.allowed.length < MAX_ALLOWED;
        assertEquals(state.receiveAllowedFast(index), isNew);
        if (isNew) model.allowed.push(index);
      },
    },
    {
      isWrong: isNotFast,
      run: (state, model) => {
        state.receiveSuggestPiece(index);
        if (!model.exists(index)) return;
        model.suggested = [
          ...model.suggested.filter((other) => other !== index),
          index,
        ].slice(-MAX_SUGGESTED);
      },
    },
    {
      isWrong: (model) =>
        !model.isFast || (!wasAsked && model.unasked === MAX_UNASKED_REJECTS),
      run: (state, model) => {
        state.receiveRejectRequest(wasAsked);
        model.unasked += Number(!wasAsked);
      },
    },
    {
      isWrong: () => false,
      run: (state) =>
        state.receiveExtensionHandshake(encodeBencode({
          m: { [`x${below(1000)}`]: below(300) },
          reqq: below(3000) - 10,
        })),
    },
  ];
  const at = random() < 0.5 ? favourite : random();
  return events[Math.floor(at * events.length)]!;
}

/**
 * Whatever a peer says in whatever order, `PeerState` knows what a model knows,
 * keeps its bounds, and throws `ProtocolError` where the peer must be let go,
 * and nothing else.
 */
Deno.test("PeerState knows what a model knows, whatever is said", () => {
  let wrong = 0;
  for (let seed = 1; seed <= RUNS; seed++) {
    const random = seededRandom(seed);
    const pieceCount = 1 + Math.floor(random() ** 2 * 300);
    const supportsFast = random() < 0.8;
    // Some say one thing above all: only so are the limits reached.
    const favourite = random();
    const model = new Model(pieceCount, supportsFast);
    const state = new PeerState(pieceCount, { supportsFast });
    for (let steps = random() * MAX_STEPS; steps > 0; steps--) {
      const { isWrong, run } = drawEvent(random, {
        pieceCount,
        favourite,
      });
      const mustThrow = isWrong(model);
      try {
        run(state, model);
        assert(!mustThrow, `seed ${seed}: accepted`);
      } catch (error) {
        if (!(error instanceof ProtocolError) || !mustThrow) {
          throw new Error(`seed ${seed}`, { cause: error });
        }
        wrong++;
      }
      assertEquals([...state.allowedFast], model.allowed, `seed ${seed}`);
      assertEquals([...state.suggested], model.suggested, `seed ${seed}`);
      assertEquals(state.have.count, model.have.size, `seed ${seed}`);
      assert(state.reqq >= 1 && state.reqq <= 2000, `seed ${seed}`);
    }
  }
  assert(wrong > RUNS, `${wrong} wrong messages`);
});

/** Says the same to two states; gives what went wrong with each. */
function sayToBoth(
  say: (state: PeerState) => unknown,
  states: readonly PeerState[],
): unknown[] {
  return states.map((state) => {
    try {
      say(state);
    } catch (error) {
      if (error instanceof ProtocolError) return error;
      throw error;
    }
  });
}

/**
 * Whatever a peer says before the number of pieces is known: once it is, we
 * know of the peer what we would if we had known it from the start, or the
 * peer is let go in both cases.
 */
Deno.test("PeerState.learn() knows what was said before", () => {
  let wrong = 0;
  for (let seed = 1; seed <= 5 * RUNS; seed++) {
    const random = seededRandom(seed);
    const below = (limit: number) => Math.floor(random() * limit);
    const pieceCount = 1 + Math.floor(random() ** 2 * 300);
    const options = { supportsFast: random() < 0.8 };
    const known = new PeerState(pieceCount, options);
    const early = new PeerState(undefined, options);
    let isWrong = false;
    let isRefused = false;
    for (let steps = below(12); steps > 0 && !isRefused; steps--) {
      const index = random() < 0.02 ? pieceCount + below(9) : below(pieceCount);
      const bits = randomBytes(
        Math.ceil(pieceCount / 8) + Number(random() < 0.02),
        random,
      );
      if (random() < 0.98) bits[bits.length - 1]! &= 0xff << (-pieceCount & 7);
      const isAll = random() < 0.1;
      const events: ((state: PeerState) => unknown)[] = [
        (state) => state.receiveHave(index),
        (state) => state.receiveBitfield(bits),
        (state) => state.receiveHaveNone(),
        (state) => state.receiveAllowedFast(index),
        (state) => state.receiveSuggestPiece(index),
        (state) => isAll ? state.receiveHaveAll() : state.receiveHave(index),
      ];
      const say = events[below(events.length)]!;
      const [whenKnown, whenEarly] = sayToBoth(say, [known, early]);
      if (whenKnown) isWrong = true;
      if (whenEarly) isRefused = true;
    }
    isRefused ||= sayToBoth((state) =>
      state.learn(pieceCount), [early])[0] !== undefined;
    assertEquals(isRefused, isWrong, `seed ${seed}`);
    wrong += Number(isWrong);
    if (isWrong) continue;
    assertEquals([...early.have], [...known.have], `seed ${seed}`);
    assertEquals(early.have.count, known.have.count, `seed ${seed}`);
    const [allowed, suggested] = [early.allowedFast, early.suggested];
    assert(allowed.isSubsetOf(known.allowedFast), `seed ${seed}`);
    assert(suggested.isSubsetOf(known.suggested), `seed ${seed}`);
  }
  assert(wrong > RUNS / 4, `${wrong} wrong`);
});
