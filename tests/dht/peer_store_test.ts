import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import type { Endpoint } from "../../src/bytes/endpoint.ts";
import { PeerStore } from "../../src/dht/peer_store.ts";
import { seededRandom } from "../support/seeded_random.ts";

const MINUTE_MS = 60_000;

function hash(number: number): Uint8Array {
  const bytes = new Uint8Array(20);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

function address(number: number): Endpoint {
  const hostname = `8.${number >> 16}.${number >> 8 & 255}.${number & 255}`;
  return { hostname, port: 6881 };
}

class Stage {
  readonly store = new PeerStore();
  readonly random = seededRandom(1);
  now = 0;

  announce(torrent: number, endpoint: Endpoint, isSeed = false): void {
    const infoHash = hash(torrent);
    this.store.announce({ infoHash, endpoint, isSeed }, this.now);
  }

  peers(
    torrent: number,
    options: { limit?: number; noSeed?: boolean; family?: 4 | 6 } = {},
  ): string[] {
    const { limit = 10_000, noSeed = false, family = 4 } = options;
    const { random, now } = this;
    const selection = { family, limit, noSeed, random, now };
    return this.store.peers(hash(torrent), selection)
      .map(({ hostname }) => hostname);
  }
}

Deno.test("PeerStore gives the peers of a torrent, of one family", () => {
  const stage = new Stage();
  stage.announce(1, address(1));
  stage.announce(1, { hostname: "2001:db8::1", port: 1 });
  stage.announce(2, address(2));
  assertEquals(stage.peers(1), ["8.0.0.1"]);
  assertEquals(stage.peers(1, { family: 6 }), ["2001:db8::1"]);
  assertEquals(stage.peers(2), ["8.0.0.2"]);
  assertEquals(stage.peers(3), []);
  assertEquals([stage.store.torrents, stage.store.size], [2, 3]);
});

Deno.test("PeerStore forgets a peer after 30 minutes, not if it announces again", () => {
  const stage = new Stage();
  stage.announce(1, address(1));
  stage.announce(1, address(2));
  stage.now = 20 * MINUTE_MS;
  stage.announce(1, address(2));
  stage.now = 30 * MINUTE_MS - 1;
  assertEquals(stage.peers(1).length, 2);
  stage.now = 30 * MINUTE_MS;
  assertEquals(stage.peers(1), ["8.0.0.2"]);
  stage.announce(9, address(9));
  assertEquals(stage.store.size, 2);
  stage.now = 50 * MINUTE_MS;
  assertEquals(stage.peers(1), []);
  stage.announce(9, address(9));
  assertEquals([stage.store.torrents, stage.store.size], [1, 1]);
});

Deno.test("PeerStore has one peer for each address (BEP 33), but neighbours apart", () => {
  const stage = new Stage();
  for (const port of [1, 2, 3]) {
    stage.announce(1, { hostname: "8.8.8.8", port });
    stage.announce(1, { hostname: "2001:db8::1", port });
    stage.announce(1, { hostname: `2001:db8::${port}`, port });
    stage.announce(2, { hostname: "127.0.0.1", port });
  }
  assertEquals(stage.peers(1).length, 1);
  assertEquals(stage.peers(1, { family: 6 }).length, 1);
  assertEquals(stage.peers(2).length, 3);
});

Deno.test("PeerStore.peers() draws some, without seeds if they are not wanted", () => {
  const stage = new Stage();
  for (let i = 0; i < 100; i++) stage.announce(1, address(i), i < 50);
  const drawn = stage.peers(1, { limit: 20 });
  assertEquals(new Set(drawn).size, 20);
  assert(stage.peers(1, { limit: 20 }).join() !== drawn.join());
  const seen = new Set<string>();
  for (let i = 0; i < 100; i++) {
    for (const peer of stage.peers(1, { limit: 20 })) seen.add(peer);
  }
  assertEquals(seen.size, 100);
  const others = stage.peers(1, { noSeed: true });
  assertEquals(others.length, 50);
  assert(others.every((host) => Number(host.split(".")[3]) >= 50));
});

Deno.test("PeerStore.filters() counts seeds and others apart (BEP 33)", () => {
  const stage = new Stage();
  const options = { family: 4, now: 0 } as const;
  assertEquals(stage.store.filters(hash(1), options), undefined);
  for (let i = 0; i < 100; i++) stage.announce(1, address(i), i < 70);
  const { seeds, downloaders } = stage.store.filters(hash(1), options)!;
  assertAlmostEquals(seeds.estimate(), 70, 2);
  assertAlmostEquals(downloaders.estimate(), 30, 2);
  // Who has become a seed counts once.
  for (let i = 0; i < 100; i++) stage.announce(1, address(i), true);
  const later = stage.store.filters(hash(1), options)!;
  assertEquals(later.downloaders.estimate(), 0);
});

Deno.test("PeerStore is bounded", async (t) => {
  await t.step("in peers of a torrent: the oldest goes", () => {
    const stage = new Stage();
    for (let i = 0; i < 600; i++) stage.announce(1, address(i));
    const kept = stage.peers(1);
    assertEquals(kept.length, 500);
    assert(!kept.includes("8.0.0.99") && kept.includes("8.0.0.100"));
  });

  await t.step("in torrents: the one announced longest ago goes", () => {
    const stage = new Stage();
    for (let i = 0; i < 2000; i++) stage.announce(i, address(i));
    stage.announce(0, address(0));
    for (let i = 2000; i < 2010; i++) stage.announce(i, address(i));
    assertEquals(stage.store.torrents, 2000);
    assertEquals(stage.peers(0).length, 1);
    assertEquals(stage.peers(1).length, 0);
    assertEquals(stage.peers(10).length, 0);
    assertEquals(stage.peers(11).length, 1);
  });

  await t.step("in torrents of one host: nobody else loses", () => {
    const stage = new Stage();
    stage.announce(0, address(1));
    for (let i = 1; i < 10_000; i++) stage.announce(i, address(7));
    assertEquals(stage.store.torrents, 51);
    assertEquals(stage.peers(0).length, 1);
    assertEquals(stage.peers(9949).length, 0);
    assertEquals(stage.peers(9950).length, 1);
  });

  await t.step("in all", () => {
    const stage = new Stage();
    for (let torrent = 0; torrent < 120; torrent++) {
      for (let i = 0; i < 500; i++) {
        stage.announce(torrent, address(torrent * 500 + i));
      }
    }
    assertEquals(stage.store.size, 50_000);
    assertEquals(stage.peers(19).length, 0);
    assertEquals(stage.peers(119).length, 500);
  });
});
