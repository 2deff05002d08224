import { assert, assertEquals, assertLess } from "@std/assert";
import {
  MAX_METADATA_LENGTH,
  METADATA_PIECE_LENGTH,
} from "../../src/wire/ut_metadata.ts";
import {
  answerFrom,
  giver,
  type MetadataPeer,
  MetadataScene,
} from "../support/metadata_scene.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";

/** Metadata of so many pieces, the last of which is short. */
function metadataOf(pieces: number, seed = 1): Uint8Array {
  const length = pieces * METADATA_PIECE_LENGTH - 100;
  return randomBytes(length, seededRandom(seed));
}

/** The same with another byte in one piece. */
function spoilt(metadata: Uint8Array, piece = 0): Uint8Array {
  const other = metadata.slice();
  other[piece * METADATA_PIECE_LENGTH]! ^= 1;
  return other;
}

function silent(name: string, length: number): MetadataPeer {
  return { name, length, answer: () => undefined };
}

function rejecting(name: string, length: number): MetadataPeer {
  return { name, length, answer: (piece) => ({ type: "reject", piece }) };
}

Deno.test("MetadataFetcher finds metadata of any number of pieces", async (t) => {
  const lengths = [1, 100, 16_383, 16_384, 16_385, 32_768, 100_000];
  for (const length of lengths) {
    await t.step(`${length} bytes`, () => {
      const metadata = randomBytes(length, seededRandom(length));
      const scene = new MetadataScene(metadata, [giver("a", metadata)]);
      scene.runUntil(10_000);
      assertEquals(scene.metadata, metadata);
      assert(scene.fetcher.isDone);
      const count = Math.ceil(length / METADATA_PIECE_LENGTH);
      assertEquals(scene.askedOf("a"), [...Array(count).keys()]);
      assertEquals(scene.liars, []);
    });
  }
});

Deno.test("MetadataFetcher.tick() asks everybody, and nobody for much at once", () => {
  const metadata = metadataOf(20);
  const peers = ["a", "b", "c"].map((name) => giver(name, metadata));
  const scene = new MetadataScene(metadata, peers);
  scene.tick();
  assertEquals(
    ["a", "b", "c"].map((name) => scene.askedOf(name)),
    [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]],
  );
  // Nobody is asked again before there is an answer.
  scene.now = 1_999;
  scene.tick();
  assertEquals(scene.asked.length, 12);
  assertEquals(scene.fetcher.progress, {
    length: metadata.length,
    received: 0,
    givers: [],
    offering: 3,
  });
});

Deno.test("MetadataFetcher.progress tells how far it has come, and by whom", () => {
  const metadata = metadataOf(3);
  const [a, b] = [giver("a", metadata), silent("b", metadata.length)];
  const scene = new MetadataScene(metadata, [a, b]);
  scene.tick();
  scene.fetcher.receive(a, a.answer(2)!, 1);
  const { progress } = scene.fetcher;
  assertEquals(progress.received, METADATA_PIECE_LENGTH);
  assertEquals(progress.givers, [a]);
  assertEquals(progress.offering, 2);
});

Deno.test("MetadataFetcher asks somebody else when a peer is slow", () => {
  const metadata = metadataOf(1);
  const scene = new MetadataScene(metadata, [
    silent("silent", metadata.length),
    giver("giver", metadata),
  ]);
  scene.runUntil(10_000);
  assertEquals(scene.metadata, metadata);
  assertEquals(scene.asked, [
    { name: "silent", piece: 0, at: 0 },
    { name: "giver", piece: 0, at: 2_000 },
  ]);
});

Deno.test("MetadataFetcher asks three for the same, and no more", () => {
  const metadata = metadataOf(1);
  const names = [..."abcdefg"];
  const scene = new MetadataScene(
    metadata,
    names.map((name) => silent(name, metadata.length)),
  );
  scene.runUntil(9_000);
  assertEquals(scene.asked.map(({ name }) => name), ["a", "b", "c"]);
  // When it has waited long enough for them, others come in.
  scene.runUntil(30_000);
  assert(names.every((name) => scene.askedOf(name).length > 0));
});

Deno.test("MetadataFetcher leaves a peer that does not answer in peace, for longer each time", () => {
  const metadata = metadataOf(1);
  const scene = new MetadataScene(metadata, [silent("a", metadata.length)]);
  scene.runUntil(1_000_000);
  // 10 s of waiting, then 10, 20, 40, 80, 160 s of peace, then always 300.
  assertEquals(
    scene.asked.map(({ at }) => at / 1000),
    [0, 20, 50, 100, 190, 360, 670, 980],
  );
});

Deno.test("MetadataFetcher asks a peer that rejects again later", () => {
  const metadata = metadataOf(1);
  const scene = new MetadataScene(metadata, [rejecting("a", metadata.length)]);
  scene.runUntil(100_000);
  const times = scene.asked.map(({ at }) => Math.round(at / 1000));
  assertEquals(times, [0, 10, 30, 70]);
});

Deno.test("MetadataFetcher forgives a peer that gives again", () => {
  const metadata = metadataOf(2);
  const peer = silent("a", metadata.length);
  const scene = new MetadataScene(metadata, [peer]);
  const reject = (at: number) => {
    scene.now = at;
    scene.fetcher.receive(peer, { type: "reject", piece: 0 }, at);
    scene.tick();
  };
  scene.tick();
  reject(1);
  scene.fetcher.receive(peer, answerFrom(metadata)(1)!, 2);
  scene.now = 10_001;
  scene.tick();
  // The second failure, but the first in a row.
  reject(10_002);
  scene.now = 20_002;
  scene.tick();
  assertEquals(
    scene.asked.map(({ piece, at }) => [piece, at]),
    [[0, 0], [1, 0], [0, 10_001], [0, 20_002]],
  );
});

Deno.test("MetadataFetcher takes an answer that comes late", () => {
  const metadata = metadataOf(1);
  const slow = { ...giver("slow", metadata), delayMs: 15_000 };
  const scene = new MetadataScene(metadata, [slow]);
  scene.runUntil(60_000);
  assertEquals(scene.metadata, metadata);
  assertEquals(scene.now, 15_000);
});

Deno.test("MetadataFetcher finds the liar among honest peers", async (t) => {
  const metadata = metadataOf(5);
  for (let place = 0; place < 5; place++) {
    await t.step(`in place ${place}`, () => {
      const peers = [..."abcd"].map((name) => giver(name, metadata));
      // It lies in every piece: whichever it is asked for is wrong.
      const lie = metadataOf(5, 2);
      peers.splice(place, 0, giver("liar", lie));
      const scene = new MetadataScene(metadata, peers);
      scene.runUntil(10_000);
      assertEquals(scene.metadata, metadata);
      assertEquals(scene.liars, ["liar"]);
      assertLess(scene.now, 1_000);
    });
  }
});

Deno.test("MetadataFetcher begins again when all of it came from a liar", () => {
  const metadata = metadataOf(1);
  const scene = new MetadataScene(metadata, [
    giver("liar", spoilt(metadata)),
    giver("a", metadata),
  ]);
  scene.runUntil(1_900);
  assertEquals(scene.metadata, metadata);
  assertEquals(scene.liars, ["liar"]);
});

Deno.test("MetadataFetcher finds a liar that falls silent when it is alone", () => {
  const metadata = metadataOf(2);
  const lie = answerFrom(spoilt(metadata, 0));
  let answers = 0;
  const liar: MetadataPeer = {
    name: "liar",
    length: metadata.length,
    answer: (piece) => answers++ === 0 ? lie(piece) : undefined,
  };
  const scene = new MetadataScene(metadata, [liar, giver("a", metadata)]);
  scene.runUntil(10_000);
  assertEquals(scene.metadata, metadata);
  assertEquals(scene.liars, ["liar"]);
});

Deno.test("MetadataFetcher does not wait for those who are silent when alone", () => {
  const metadata = metadataOf(4);
  const liars = [..."abc"].map((name): MetadataPeer => {
    const lie = answerFrom(metadataOf(4, 2));
    let answers = 0;
    return {
      name,
      length: metadata.length,
      answer: (piece) => answers++ === 0 ? lie(piece) : undefined,
    };
  });
  const honest = giver("honest", metadata);
  const scene = new MetadataScene(metadata, [...liars, honest]);
  scene.runUntil(600_000);
  assertEquals(scene.metadata, metadata);
  assertEquals(scene.liars.toSorted(), ["a", "b", "c"]);
  // Two at a time have ten seconds each.
  assertLess(scene.now, 25_000);
});

Deno.test("MetadataFetcher finds a liar that has left", () => {
  const metadata = metadataOf(2);
  const liar = giver("liar", spoilt(metadata, 0));
  const honest = giver("a", metadata);
  const scene = new MetadataScene(metadata, [liar, honest]);
  scene.tick();
  scene.fetcher.receive(liar, liar.answer(0)!, 1);
  scene.fetcher.leave(liar);
  scene.runUntil(10_000);
  assertEquals(scene.metadata, metadata);
  assertEquals(scene.liars, ["liar"]);
});

Deno.test("MetadataFetcher lets every liar go when all lie, and asks nobody then", () => {
  const metadata = metadataOf(3);
  const names = [..."abcdef"];
  const peers = names.map((name, i) => giver(name, metadataOf(3, 10 + i)));
  const scene = new MetadataScene(metadata, peers);
  scene.runUntil(600_000);
  assertEquals(scene.metadata, undefined);
  assertEquals(scene.liars.toSorted(), names);
  const before = scene.asked.length;
  // They are not believed again, whatever they say.
  for (const peer of peers) scene.fetcher.join(peer, peer.length + 1);
  scene.runUntil(700_000);
  assertEquals(scene.asked.length, before);
});

Deno.test("MetadataFetcher does not wait for those who name another length", async (t) => {
  const metadata = metadataOf(3);
  const kinds: Record<string, (name: string, i: number) => MetadataPeer> = {
    "are silent": (name, i) => silent(name, metadata.length + 1 + i),
    "reject": (name, i) => rejecting(name, metadata.length + 1 + i),
    "agree, and are silent": (name) => silent(name, metadata.length - 1),
    "are silent, and pretend that it is huge": (name, i) =>
      silent(name, MAX_METADATA_LENGTH - i),
  };
  for (const [what, liar] of Object.entries(kinds)) {
    await t.step(`and ${what}`, () => {
      const liars = Array.from({ length: 20 }, (_, i) => liar(`liar ${i}`, i));
      const scene = new MetadataScene(metadata, [
        ...liars,
        giver("honest", metadata),
      ]);
      scene.runUntil(10_000);
      assertEquals(scene.metadata, metadata);
      assertLess(scene.now, 1_000);
      // They have given nothing: nobody can tell that they lie.
      assertEquals(scene.liars, []);
    });
  }
});

Deno.test("MetadataFetcher knows who gave metadata of another length for a liar", () => {
  const metadata = metadataOf(10);
  const scene = new MetadataScene(metadata, [
    giver("honest", metadata),
    { ...giver("longer", metadataOf(40)), delayMs: 40 },
    { ...giver("shorter", metadataOf(1)), delayMs: 40 },
    silent("silent", 5),
  ]);
  scene.runUntil(10_000);
  assertEquals(scene.metadata, metadata);
  assertEquals(scene.liars.toSorted(), ["longer", "shorter"]);
});

Deno.test("MetadataFetcher holds no more than two of the longest metadata", () => {
  const metadata = metadataOf(1);
  const names = [...Array(30).keys()].map((i) => `${i}`);
  const scene = new MetadataScene(
    metadata,
    names.map((name, i) => silent(name, MAX_METADATA_LENGTH - i)),
  );
  scene.runUntil(59_000);
  const first = new Set(scene.asked.map(({ name }) => name));
  assertEquals(first.size, 2);
  // Those who wait have their turn.
  scene.runUntil(3_600_000);
  assertEquals(new Set(scene.asked.map(({ name }) => name)).size, 30);
});

Deno.test("MetadataFetcher finds long metadata among those that pretend more", () => {
  const metadata = metadataOf(500);
  const scene = new MetadataScene(metadata, [
    ...Array.from(
      { length: 70 },
      (_, i) => silent(`${i}`, 1024 * 1024 + i),
    ),
    giver("honest", metadata),
  ]);
  scene.runUntil(120_000);
  assertEquals(scene.metadata, metadata);
});

Deno.test("MetadataFetcher.join() takes no length that cannot be", () => {
  const lengths = [0, -1, MAX_METADATA_LENGTH + 1, 2 ** 31, 2 ** 53];
  for (const length of lengths) {
    const scene = new MetadataScene(metadataOf(1), [silent("a", length)]);
    scene.tick();
    assertEquals(scene.asked, []);
    assertEquals(scene.fetcher.progress.offering, 0);
  }
});

Deno.test("MetadataFetcher.join() again takes a new length, and no new patience", () => {
  const metadata = metadataOf(1);
  const peer = rejecting("a", metadata.length);
  const scene = new MetadataScene(metadata, [peer]);
  scene.runUntil(1_000);
  assertEquals(scene.asked.length, 1);
  for (let length = 1; length < 1_000; length++) {
    scene.fetcher.join(peer, length);
    scene.tick();
  }
  assertEquals(scene.asked.length, 1);
  assertEquals(scene.fetcher.progress.offering, 1);
});

Deno.test("MetadataFetcher.receive() ignores what nobody asked for", () => {
  const metadata = metadataOf(5);
  const [a, b] = [giver("a", metadata), giver("b", metadata)];
  const scene = new MetadataScene(metadata, [a]);
  for (const peer of [a, b]) {
    for (const piece of [0, 4, 5, 2047]) {
      scene.fetcher.receive(peer, peer.answer(piece)!, 0);
      scene.fetcher.receive(peer, { type: "request", piece }, 0);
      scene.fetcher.receive(peer, { type: "reject", piece }, 0);
    }
  }
  assertEquals(scene.fetcher.progress.received, 0);
  scene.tick();
  // The fifth piece has not been asked for yet.
  scene.fetcher.receive(a, a.answer(4)!, 0);
  assertEquals(scene.fetcher.progress.received, 0);
  scene.fetcher.receive(a, a.answer(3)!, 0);
  scene.fetcher.receive(a, a.answer(3)!, 0);
  assertEquals(scene.fetcher.progress.received, METADATA_PIECE_LENGTH);
});

Deno.test("MetadataFetcher.receive() refuses a piece that cannot be right", async (t) => {
  const metadata = metadataOf(2);
  const { length } = metadata;
  const bytes = (count: number) => new Uint8Array(count);
  const table: [what: string, totalSize: number | undefined, Uint8Array][] = [
    ["short", length, bytes(METADATA_PIECE_LENGTH - 1)],
    ["long", length, bytes(METADATA_PIECE_LENGTH + 1)],
    ["empty", undefined, bytes(0)],
    ["another total size", length + 1, bytes(METADATA_PIECE_LENGTH)],
    ["a huge total size", 2 ** 40, bytes(METADATA_PIECE_LENGTH)],
  ];
  for (const [what, totalSize, bytes] of table) {
    await t.step(what, () => {
      const peer: MetadataPeer = {
        name: "a",
        length,
        answer: (piece) => ({ type: "data", piece, totalSize, bytes }),
      };
      const scene = new MetadataScene(metadata, [peer]);
      scene.runUntil(5_000);
      assertEquals(scene.fetcher.progress.received, 0);
      // That is a mistake rather than a lie; the peer has a pause.
      assertEquals(scene.liars, []);
      assertEquals(scene.asked.length, 2);
    });
  }
});

Deno.test("MetadataFetcher.receive() takes a piece without a total size, and copies it", () => {
  const metadata = metadataOf(2);
  const answer = answerFrom(metadata);
  const peer: MetadataPeer = {
    name: "a",
    length: metadata.length,
    answer: () => undefined,
  };
  const scene = new MetadataScene(metadata, [peer]);
  scene.tick();
  for (const piece of [1, 0]) {
    const message = answer(piece);
    assert(message?.type === "data");
    scene.fetcher.receive(peer, { ...message, totalSize: undefined }, 1);
    message.bytes.fill(0);
  }
  assertEquals(scene.metadata, metadata);
});

Deno.test("MetadataFetcher.leave() lets others be asked at once", () => {
  const metadata = metadataOf(1);
  const [a, b] = [silent("a", metadata.length), giver("b", metadata)];
  const scene = new MetadataScene(metadata, [a, b]);
  scene.tick();
  scene.fetcher.leave(a);
  scene.fetcher.leave(a);
  scene.tick();
  assertEquals(scene.asked.map(({ name }) => name), ["a", "b"]);
});

Deno.test("MetadataFetcher does nothing when it is done", () => {
  const metadata = metadataOf(1);
  const [a, b] = [giver("a", metadata), giver("b", metadata)];
  const scene = new MetadataScene(metadata, [a]);
  scene.runUntil(1_000);
  scene.metadata = undefined;
  scene.fetcher.join(b, b.length);
  scene.fetcher.receive(a, a.answer(0)!, 2_000);
  scene.fetcher.leave(a);
  assertEquals(scene.fetcher.tick(60_000), []);
  assertEquals(scene.metadata, undefined);
});
