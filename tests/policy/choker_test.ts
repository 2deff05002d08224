import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import {
  CHOKE_INTERVAL_MS,
  Choker,
  type ChokeRound,
  type ChokerPeer,
} from "../../src/policy/choker.ts";
import { seededRandom } from "../support/seeded_random.ts";

const KIB = 1024;

/** A peer whose part is written down beforehand. */
class DrawnPeer implements ChokerPeer {
  isInterested = true;
  isAsking = true;
  isSnubbing = false;
  receivedBytes = 0;
  sentBytes = 0;
  isUnchoked = false;
  /** A character for each round: `#` served, `.` choked. */
  picture = "";

  /**
   * A peer.
   *
   * @param gives How fast it gives, in bytes per second.
   * @param takes How fast it takes while it is served.
   */
  constructor(public gives = 0, public takes = 10 * KIB) {}
}

/** A choker and its peers on a clock that is moved by hand. */
class Drawing {
  now = 0;
  sentPerSecond = 0;
  isSeeding = false;
  maxSlots: number | undefined = 4;
  chokes = 0;
  readonly choker: Choker<DrawnPeer>;

  constructor(public peers: DrawnPeer[], seed = 1) {
    this.choker = new Choker(seededRandom(seed));
  }

  choose(): Set<DrawnPeer> {
    const round: ChokeRound = {
      now: this.now,
      isSeeding: this.isSeeding,
      sentPerSecond: this.sentPerSecond,
      maxSlots: this.maxSlots,
    };
    const chosen = this.choker.choose(this.peers, round);
    for (const peer of this.peers) {
      if (peer.isUnchoked && !chosen.has(peer)) this.chokes++;
      peer.isUnchoked = chosen.has(peer);
    }
    return chosen;
  }

  wait(ms: number): void {
    this.now += ms;
    for (const peer of this.peers) {
      peer.receivedBytes += peer.gives * ms / 1000;
      if (!peer.isUnchoked || !peer.isInterested || !peer.isAsking) continue;
      peer.sentBytes += peer.takes * ms / 1000;
    }
  }

  /** Rounds as the timer asks for them, each noted in the pictures. */
  rounds(count: number): void {
    for (let i = 0; i < count; i++) {
      this.choose();
      for (const peer of this.peers) {
        peer.picture += peer.isUnchoked ? "#" : ".";
      }
      this.wait(CHOKE_INTERVAL_MS);
    }
  }

  get pictures(): string[] {
    return this.peers.map(({ picture }) => picture);
  }

  get servedCount(): number {
    return this.peers.filter(({ isUnchoked }) => isUnchoked).length;
  }
}

/** So many peers alike. */
function alike(count: number, gives = 0, takes = 10 * KIB): DrawnPeer[] {
  return Array.from({ length: count }, () => new DrawnPeer(gives, takes));
}

Deno.test("Choker.choose() serves those who give most, and one of the others in turn", () => {
  const givers = [50, 40, 30].map((rate) => new DrawnPeer(rate * KIB));
  const others = [20, 10, 0].map((rate) => new DrawnPeer(rate * KIB));
  const drawing = new Drawing([...givers, ...others]);
  drawing.rounds(3);
  for (const peer of drawing.peers) peer.picture = "";
  drawing.rounds(9);
  assertEquals(
    drawing.pictures.slice(0, 3),
    ["#########", "#########", "#########"],
  );
  assertEquals(
    drawing.pictures.slice(3).sort(),
    ["###......", "...###...", "......###"].sort(),
  );
});

Deno.test("Choker.choose() gives a free slot at once, between two rounds", () => {
  const drawing = new Drawing([]);
  drawing.choose();
  drawing.wait(1_000);
  for (let count = 1; count <= 6; count++) {
    drawing.peers.push(new DrawnPeer());
    drawing.choose();
    assertEquals(drawing.servedCount, Math.min(count, 4));
    drawing.wait(1_000);
  }
  // Nobody who has a place lost it.
  assertEquals(drawing.chokes, 0);
  // One leaves: the next one comes in.
  drawing.peers.splice(0, 1);
  drawing.choose();
  assertEquals(drawing.servedCount, 4);
  assertEquals(drawing.chokes, 0);
});

Deno.test("Choker.choose() asked between rounds leaves turns as they are", () => {
  const pictures = [0, 1, 7].map((extra) => {
    const drawing = new Drawing([
      ...alike(3, 20 * KIB),
      ...alike(6),
    ], 5);
    for (let round = 0; round < 24; round++) {
      drawing.rounds(1);
      // Asked in between, at times that are no round.
      drawing.now -= CHOKE_INTERVAL_MS;
      for (let i = 1; i <= extra; i++) {
        drawing.now += 1_000;
        const before = drawing.peers.map(({ isUnchoked }) => isUnchoked);
        drawing.choose();
        const after = drawing.peers.map(({ isUnchoked }) => isUnchoked);
        assertEquals(after, before);
      }
      drawing.now += CHOKE_INTERVAL_MS - extra * 1_000;
    }
    return drawing.pictures.slice(3).map((picture) =>
      // Each has its thirty seconds, whenever they come.
      picture.split(/\.+/).filter(Boolean).map(({ length }) => length)
    );
  });
  for (const lengths of pictures.flat().flat()) {
    assert(lengths % 3 === 0 || lengths <= 3, `${lengths} rounds`);
  }
});

Deno.test("Choker.choose() does not swap peers of about one speed", () => {
  const drawing = new Drawing(alike(4));
  const random = seededRandom(3);
  // With the optimistic slot in use by one of them, all others have earned it.
  drawing.rounds(6);
  drawing.peers.push(...alike(8));
  for (let round = 0; round < 60; round++) {
    // Speeds differ by a tenth from round to round.
    for (const peer of drawing.peers) {
      peer.gives = 20 * KIB * (0.95 + 0.1 * random());
    }
    if (round === 3) drawing.chokes = 0;
    drawing.rounds(1);
  }
  // In ten minutes the optimistic slot is passed on twenty times.
  assertLessOrEqual(drawing.chokes, 20);
});

Deno.test("Choker.choose() lets a giver who is clearly better in at the next round", () => {
  const drawing = new Drawing([...alike(4, 20 * KIB), new DrawnPeer()]);
  drawing.rounds(4);
  const late = new DrawnPeer(60 * KIB);
  drawing.peers.push(late);
  drawing.choose();
  drawing.wait(CHOKE_INTERVAL_MS);
  drawing.rounds(6);
  assertEquals(late.picture, "######");
});

Deno.test("Choker.choose() gives who snubs us an optimistic slot at most", () => {
  const snubbing = new DrawnPeer(100 * KIB);
  snubbing.isSnubbing = true;
  const drawing = new Drawing([...alike(6, 20 * KIB), snubbing]);
  drawing.rounds(40);
  assertLessOrEqual(snubbing.picture.replaceAll(".", "").length, 16);
  assert(!snubbing.picture.includes("####"), snubbing.picture);
});

Deno.test("Choker.choose() serves who was never served before all others", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const drawing = new Drawing([...alike(3, 20 * KIB), ...alike(12)], seed);
    drawing.rounds(60);
    const late = new DrawnPeer();
    drawing.peers.push(late);
    drawing.choose();
    drawing.rounds(4);
    assert(late.picture.includes("#"), `seed ${seed}: ${late.picture}`);
  }
});

Deno.test("Choker.choose() takes nobody for a giver who gives nothing", () => {
  const drawing = new Drawing(alike(8));
  drawing.rounds(24);
  // All in turn, since nobody has earned anything.
  for (const { picture } of drawing.peers) {
    assertEquals(picture.replaceAll(".", "").length, 12, picture);
  }
});

Deno.test("Choker.choose() serves everybody in turn while seeding", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const drawing = new Drawing(alike(20, 0, 100 * KIB), seed);
    drawing.isSeeding = true;
    // Everybody has had a turn after as many turns as that takes.
    drawing.rounds(36);
    for (const { picture } of drawing.peers) {
      assert(picture.includes("#"), `seed ${seed}: ${drawing.pictures}`);
    }
    drawing.rounds(324);
    const served = drawing.pictures.map((picture) =>
      picture.replaceAll(".", "").length
    );
    assert(Math.min(...served) >= 0.6 * Math.max(...served), `${served}`);
    // Four slots, and nobody is served for less than half a minute.
    assertLessOrEqual(drawing.chokes / 60, 8);
  }
});

Deno.test("Choker.choose() serves fast takers more often while seeding, and slow ones too", () => {
  const fast = alike(6, 0, 100 * KIB);
  const slow = alike(6, 0, 5 * KIB);
  const drawing = new Drawing([...fast, ...slow]);
  drawing.isSeeding = true;
  drawing.rounds(720);
  const rounds = (peers: DrawnPeer[]) =>
    peers.reduce((sum, { picture }) => sum + picture.split("#").length, 0);
  assert(rounds(fast) > 1.5 * rounds(slow));
  // They differ by twenty times, and must not wait twenty times as long.
  assert(rounds(fast) < 4 * rounds(slow), `${rounds(fast)}, ${rounds(slow)}`);
});

Deno.test("Choker.choose() passes the slot of who asks for nothing on", () => {
  for (const isSeeding of [false, true]) {
    const dead = alike(8, isSeeding ? 0 : 50 * KIB);
    for (const peer of dead) peer.isAsking = false;
    const alive = alike(4, 10 * KIB);
    const drawing = new Drawing([...dead, ...alive]);
    drawing.isSeeding = isSeeding;
    drawing.rounds(4);
    for (const peer of drawing.peers) peer.picture = "";
    drawing.rounds(60);
    const shares = alive.map(({ picture }) => picture.split("#").length / 60);
    assert(Math.min(...shares) > 0.5, `${shares}, seeding ${isSeeding}`);
    // After a round without a request it is noticed.
    for (const { picture } of dead) assert(!picture.includes("##"), picture);
  }
});

Deno.test("Choker.choose() gives a peer a whole round to ask for something", () => {
  const drawing = new Drawing([]);
  drawing.choose();
  drawing.wait(9_000);
  const slow = new DrawnPeer();
  slow.isAsking = false;
  drawing.peers.push(slow, ...alike(3));
  drawing.choose();
  drawing.wait(1_000);
  drawing.peers.push(...alike(4));
  drawing.rounds(2);
  assertEquals(slow.picture, "#.");
});

Deno.test("Choker.choose() keeps a fifth of many slots for those who have earned none", () => {
  const drawing = new Drawing([...alike(40, 20 * KIB), ...alike(40)]);
  drawing.maxSlots = undefined;
  drawing.sentPerSecond = KIB * KIB;
  drawing.rounds(12);
  for (const peer of drawing.peers) peer.picture = "";
  drawing.rounds(6);
  const served = drawing.pictures.slice(40).join("").replaceAll(".", "");
  // 5 or 6 of 25 or 26.
  const perRound = served.length / 6;
  assert(perRound > 4 && perRound < 7, `${perRound}`);
});

Deno.test("Choker.choose() goes by two rounds, not by the last one alone", () => {
  const bursting = new DrawnPeer();
  const drawing = new Drawing([bursting, ...alike(8, 20 * KIB)]);
  for (let round = 0; round < 30; round++) {
    bursting.gives = round % 2 === 0 ? 0 : 80 * KIB;
    drawing.rounds(1);
  }
  assertEquals(bursting.picture.slice(4), "#".repeat(26));
});

Deno.test("Choker.choose() is not impressed by a burst of a moment", () => {
  const drawing = new Drawing(alike(8, 20 * KIB));
  drawing.rounds(6);
  drawing.now -= 1_000;
  const burst = new DrawnPeer();
  drawing.peers.push(burst);
  drawing.choose();
  // Some blocks at once, just before the round.
  drawing.now += 1_000;
  burst.receivedBytes += 64 * KIB;
  drawing.rounds(1);
  assertEquals(burst.picture, ".");
});

Deno.test("Choker.choose() lets the latest stay when those who earned it need the room", () => {
  const drawing = new Drawing([]);
  drawing.choose();
  const peers = alike(4);
  for (const peer of peers) {
    drawing.wait(2_000);
    drawing.peers.push(peer);
    drawing.choose();
  }
  const givers = alike(3, 20 * KIB);
  drawing.peers.unshift(...givers);
  drawing.choose();
  drawing.wait(2_000);
  drawing.rounds(1);
  assertEquals(
    drawing.pictures,
    ["#", "#", "#", ".", ".", ".", "#"],
  );
});

Deno.test("Choker.choose() leaves a place to who asks for nothing if nobody needs it", () => {
  const dead = new DrawnPeer();
  dead.isAsking = false;
  const drawing = new Drawing([dead, ...alike(3)]);
  drawing.rounds(20);
  assertEquals(drawing.chokes, 0);
  assertEquals(dead.picture, "#".repeat(20));
});

Deno.test("Choker.choose() chokes nobody while there is a slot for each", () => {
  for (const isSeeding of [false, true]) {
    const drawing = new Drawing([...alike(2, 20 * KIB), ...alike(2)]);
    drawing.isSeeding = isSeeding;
    drawing.rounds(60);
    assertEquals(drawing.pictures, Array(4).fill("#".repeat(60)));
  }
});

Deno.test("Choker.choose() keeps the place of who wants nothing for a moment", () => {
  const drawing = new Drawing(alike(3, 10 * KIB));
  drawing.rounds(2);
  const [peer] = drawing.peers;
  for (let i = 0; i < 20; i++) {
    peer!.isInterested = i % 2 === 1;
    drawing.choose();
    drawing.wait(700);
  }
  assertEquals(drawing.chokes, 0);
  // Somebody who wants it has it.
  drawing.rounds(1);
  peer!.isInterested = false;
  drawing.peers.push(...alike(2));
  drawing.choose();
  assertEquals(
    drawing.peers.map(({ isUnchoked }) => isUnchoked),
    [false, true, true, true, true],
  );
});

Deno.test("Choker.choose() never serves who wants nothing from the start", () => {
  const drawing = new Drawing(alike(3));
  drawing.peers[1]!.isInterested = false;
  drawing.rounds(3);
  assertEquals(drawing.pictures, ["###", "...", "###"]);
});

Deno.test("Choker.choose() serves more peers the faster we give, and no more than it may", () => {
  const servedAt = (sentPerSecond: number, maxSlots?: number) => {
    const drawing = new Drawing(alike(300));
    drawing.sentPerSecond = sentPerSecond;
    drawing.maxSlots = maxSlots;
    drawing.choose();
    return drawing.servedCount;
  };
  // The first round tries one more than the rule allows.
  assertEquals(servedAt(0), 5);
  assertEquals(servedAt(50 * KIB), 6);
  assertEquals(servedAt(KIB * KIB), 26);
  assertEquals(servedAt(100 * KIB * KIB), 100);
  assertEquals(servedAt(100 * KIB * KIB, 7), 7);
  for (const maxSlots of [0, 1, 2, 3]) {
    assertEquals(servedAt(0, maxSlots), maxSlots);
  }
});

/**
 * Whatever peers do, no more are served than there are slots, nobody is served
 * who never wanted anything, no slot is free while somebody wants it, and
 * nobody loses a place between two rounds that it still uses.
 */
Deno.test("Choker.choose() holds to its slots whatever peers do", () => {
  for (let seed = 1; seed <= 100; seed++) {
    const random = seededRandom(seed);
    const drawing = new Drawing([], seed);
    drawing.maxSlots = 1 + Math.floor(random() * 8);
    const slots = () => Math.min(drawing.maxSlots!, 4);
    const hasWanted = new Set<DrawnPeer>();
    let lastRoundAt = -Infinity;
    for (let step = 0; step < 300; step++) {
      const where = `seed ${seed}, step ${step}`;
      if (random() < 0.2 && drawing.peers.length < 20) {
        const peer = new DrawnPeer(random() * 20 * KIB);
        peer.isInterested = random() < 0.5;
        drawing.peers.push(peer);
      }
      if (random() < 0.1) drawing.peers.shift();
      for (const peer of drawing.peers) {
        if (random() < 0.1) peer.isInterested = !peer.isInterested;
        if (random() < 0.1) peer.isAsking = !peer.isAsking;
        if (random() < 0.1) peer.isSnubbing = !peer.isSnubbing;
        if (peer.isInterested) hasWanted.add(peer);
      }
      drawing.isSeeding = random() < 0.5;
      const had = drawing.maxSlots;
      if (random() < 0.05) drawing.maxSlots = 1 + Math.floor(random() * 8);
      const before = drawing.peers.filter((peer) =>
        peer.isUnchoked && peer.isInterested && peer.isAsking
      );
      const chosen = drawing.choose();
      const isRound = drawing.now - lastRoundAt >= 9_500;
      if (isRound) lastRoundAt = drawing.now;
      else if (drawing.maxSlots >= had) {
        for (const peer of before) assert(chosen.has(peer), where);
      }
      for (const peer of chosen) assert(hasWanted.has(peer), where);
      const wanting = drawing.peers.filter((peer) =>
        peer.isInterested && peer.isAsking
      );
      assertLessOrEqual(chosen.size, drawing.maxSlots, where);
      const served = wanting.filter((peer) => chosen.has(peer));
      assert(
        served.length === wanting.length || chosen.size >= slots(),
        where,
      );
      drawing.wait(random() * 6_000);
    }
  }
});
