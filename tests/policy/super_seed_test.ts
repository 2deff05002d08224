import { assert, assertEquals } from "@std/assert";
import { Bitfield } from "../../src/bytes/bitfield.ts";
import { SuperSeeder } from "../../src/policy/super_seed.ts";

/** The first second, in which peers may still say what they have. */
const GREETED = 1000;

function bitfieldOf(picture: string): Bitfield {
  const bitfield = new Bitfield(picture.length);
  [...picture].forEach((mark, index) => {
    if (mark === "x") bitfield.add(index);
  });
  return bitfield;
}

/** A super seeder and its peers, named by letters. */
class Scene {
  readonly seeder: SuperSeeder<string>;
  readonly have = new Map<string, Bitfield>();
  /** The peers that are not interested. */
  readonly bored = new Set<string>();
  now = 0;

  constructor(pieces: number) {
    this.seeder = new SuperSeeder<string>(pieces, {
      wants: (peer) => !this.bored.has(peer),
      // Equally rare pieces are shown from the first to the last.
      random: () => 0,
    });
  }

  join(peer: string, picture: string): void {
    const have = bitfieldOf(picture);
    this.have.set(peer, have);
    this.seeder.join(peer, { have, now: this.now });
    this.seeder.gained(peer, { pieces: [], now: this.now });
  }

  gains(peer: string, index: number): void {
    this.have.get(peer)!.add(index);
    this.seeder.gained(peer, { pieces: [index], now: this.now });
  }

  asks(peer: string, index: number): void {
    this.seeder.requested(peer, { index, now: this.now });
  }

  /** What is shown, as "a0 b1". */
  shows(): string {
    return this.seeder.next(this.now)
      .map(({ peer, index }) => `${peer}${index}`).join(" ");
  }
}

Deno.test("SuperSeeder shows each peer a piece that nobody else was shown", () => {
  const scene = new Scene(6);
  for (const peer of "abc") scene.join(peer, "......");
  assertEquals(scene.shows(), "a0 b1 c2");
  assertEquals(scene.shows(), "");
  for (const peer of "abc") {
    for (let index = 0; index < 6; index++) {
      const isShown = index === "abc".indexOf(peer);
      assertEquals(scene.seeder.isShown(peer, index), isShown);
    }
  }
  assert(!scene.seeder.isShown("d", 0));
});

Deno.test("SuperSeeder shows the rarest piece first", async (t) => {
  const table: [swarm: string[], shown: string][] = [
    [["xx..", "x..."], "a2 b3"],
    [["xx.x", "x..."], "a2"],
    [["xxx.", "...x"], "a3 b0"],
    [["xxxx", "...."], "b0"],
    [["xxxx", "xx..", "x..."], "b2 c3"],
    [["xxxx", "xxxx"], ""],
  ];
  for (const [swarm, shown] of table) {
    await t.step(`${swarm.join(" ")}: ${shown}`, () => {
      const scene = new Scene(4);
      swarm.forEach((picture, i) => scene.join("abc"[i]!, picture));
      assertEquals(scene.shows(), shown);
    });
  }
});

Deno.test("SuperSeeder waits a second for what a new peer has", () => {
  const scene = new Scene(3);
  const have = bitfieldOf("...");
  scene.have.set("a", have);
  scene.seeder.join("a", { have, now: 0 });
  scene.now = GREETED - 1;
  assertEquals(scene.shows(), "");
  scene.gains("a", 0);
  assertEquals(scene.shows(), "a1");
  const silent = new Scene(3);
  silent.seeder.join("a", { have: bitfieldOf("..."), now: 0 });
  silent.now = GREETED;
  assertEquals(silent.shows(), "a0");
});

Deno.test("SuperSeeder shows one piece more while one is fetched, and then no other until one is passed on", () => {
  const scene = new Scene(6);
  for (const peer of "ab") scene.join(peer, "......");
  assertEquals(scene.shows(), "a0 b1");
  scene.asks("a", 0);
  assertEquals(scene.shows(), "a2");
  scene.gains("a", 0);
  scene.asks("a", 2);
  scene.gains("a", 2);
  // It holds two pieces that nobody has from it.
  assertEquals(scene.shows(), "");
  scene.gains("b", 2);
  assertEquals(scene.shows(), "a3");
});

Deno.test("SuperSeeder does not wait for one that has no neighbours", () => {
  const scene = new Scene(4);
  scene.join("a", "....");
  assertEquals(scene.shows(), "a0");
  for (const next of ["a1", "a2 a3", "", ""]) {
    const index = scene.have.get("a")!.count;
    scene.gains("a", index);
    assertEquals(scene.shows(), next);
  }
  assert(scene.seeder.isSpread);
  // Nor for neighbours that want nothing.
  const bored = new Scene(4);
  bored.bored.add("b");
  for (const peer of "ab") bored.join(peer, "....");
  assertEquals(bored.shows(), "a0 b1");
  bored.gains("a", 0);
  assertEquals(bored.shows(), "a2");
});

Deno.test("SuperSeeder shows the last two pieces at once, so that nobody has a seed and no wish", () => {
  const scene = new Scene(4);
  scene.join("a", "....");
  assertEquals(scene.shows(), "a0");
  scene.gains("a", 0);
  assertEquals(scene.shows(), "a1");
  scene.gains("a", 1);
  assertEquals(scene.shows(), "a2 a3");
});

Deno.test("SuperSeeder gives little to one that passes nothing on", () => {
  const scene = new Scene(20);
  for (const peer of "ab") scene.join(peer, ".".repeat(20));
  const at: number[] = [];
  for (scene.now = 0; scene.now < 100_000; scene.now += 100) {
    for (const { peer, index } of scene.seeder.next(scene.now)) {
      if (peer !== "a") continue;
      at.push(scene.now);
      scene.gains("a", index);
    }
  }
  assertEquals(at, [0, 100, 30_000, 30_100, 60_000, 60_100, 90_000, 90_100]);
});

Deno.test("SuperSeeder shows something else to one that does not want a piece", () => {
  const scene = new Scene(6);
  for (const peer of "ab") scene.join(peer, "......");
  scene.bored.add("a");
  assertEquals(scene.shows(), "a0 b1");
  scene.now = 19_999;
  assertEquals(scene.shows(), "");
  scene.now = 20_000;
  assertEquals(scene.shows(), "a2");
});

Deno.test("SuperSeeder keeps a piece that is fetched from others, until nothing happens", () => {
  const scene = new Scene(2);
  for (const peer of "ab") scene.join(peer, "..");
  assertEquals(scene.shows(), "a0 b1");
  scene.asks("a", 0);
  scene.gains("b", 1);
  for (; scene.now < 25_000; scene.now += 1000) {
    scene.asks("a", 0);
    assertEquals(scene.shows(), "");
  }
  // Who has waited for half a minute is shown what is there.
  for (; scene.now < 30_000; scene.now += 1000) {
    assertEquals(scene.shows(), "");
  }
  assertEquals(scene.shows(), "a1 b0");
});

Deno.test("SuperSeeder shows again what left with its only owner", () => {
  const scene = new Scene(2);
  for (const peer of "ab") scene.join(peer, "..");
  assertEquals(scene.shows(), "a0 b1");
  scene.gains("a", 0);
  scene.gains("b", 1);
  assert(scene.seeder.isSpread);
  scene.seeder.leave("a");
  scene.seeder.leave("a");
  assert(!scene.seeder.isSpread);
  assertEquals(scene.shows(), "b0");
});

Deno.test("SuperSeeder shows what nobody fetches before what is being fetched", () => {
  const scene = new Scene(2);
  for (const peer of "abc") scene.join(peer, "..");
  assertEquals(scene.shows(), "a0 b1");
  scene.now = 15_000;
  scene.asks("a", 0);
  assertEquals(scene.shows(), "");
  scene.now = 30_000;
  assertEquals(scene.shows(), "c1");
});
