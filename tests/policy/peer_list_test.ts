import { assert, assertEquals } from "@std/assert";
import {
  type Endpoint,
  formatEndpoint,
  parseEndpoint,
} from "../../src/bytes/endpoint.ts";
import { PeerList } from "../../src/policy/peer_list.ts";
import { peerPriority } from "../../src/policy/peer_priority.ts";
import { seededRandom } from "../support/seeded_random.ts";

function at(text: string): Endpoint {
  return parseEndpoint(text)!;
}

const A = at("192.0.2.1:6881");
const B = at("192.0.2.2:6881");
const USER = at("192.0.2.99:6881");

function listOf(endpoints: Endpoint[], random = () => 0): PeerList {
  const list = new PeerList({ random });
  for (const endpoint of endpoints) {
    list.add(endpoint, { source: endpoint === USER ? "user" : "tracker" });
  }
  return list;
}

/** Who is dialled now, one after the other. */
function dial(list: PeerList, now: number): string {
  const dialled: string[] = [];
  for (let next = list.next(now); next; next = list.next(now)) {
    dialled.push(formatEndpoint(next.endpoint));
  }
  return dialled.join(" ");
}

/** Whether an endpoint is due; if so it is being dialled from here on. */
function isDue(list: PeerList, now: number): boolean {
  return list.next(now) !== undefined;
}

Deno.test("PeerList.add() says what is news", () => {
  const list = new PeerList({ random: () => 0 });
  assert(list.add(A, { source: "tracker" }));
  assert(!list.add(A, { source: "tracker" }));
  assert(!list.add({ ...A }, { source: "user" }));
  assert(list.add({ ...A, port: 6882 }, { source: "tracker" }));
  assertEquals([list.size, list.idleCount], [2, 2]);
});

Deno.test("PeerList.next() gives each candidate once, with what is known of it", () => {
  const list = new PeerList({ random: () => 0 });
  const peerId = new Uint8Array(20).fill(7);
  list.add(A, { source: "tracker", peerId });
  const candidate = list.next(0)!;
  assertEquals(candidate.endpoint, A);
  assertEquals(candidate.source, "tracker");
  assertEquals(candidate.peerId, peerId);
  assertEquals(list.next(1e9), undefined);
  assertEquals([list.size, list.idleCount], [1, 0]);
});

Deno.test("PeerList.next() takes the user's first, then who failed least", () => {
  const list = listOf([A, B, USER]);
  list.next(0);
  list.failed(USER, 0);
  list.next(0);
  list.failed(A, 0);
  assertEquals(
    dial(list, 60_000),
    [USER, B, A].map(formatEndpoint).join(" "),
  );
});

Deno.test("PeerList.next() draws lots among equals", () => {
  const endpoints = Array.from({ length: 10 }, (_, i) => at(`192.0.2.${i}:1`));
  const firsts = new Set<string>();
  for (let seed = 1; seed <= 100; seed++) {
    const list = listOf(endpoints, seededRandom(seed));
    firsts.add(formatEndpoint(list.next(0)!.endpoint));
  }
  assertEquals(firsts.size, 10);
});

Deno.test("PeerList.next() goes by BEP 40 once we know where others see us", () => {
  const us = at("123.213.32.10:6881");
  const hosts = ["98.76.54.32", "192.0.2.1", "198.51.100.7", "203.0.113.9"];
  const endpoints = [...hosts.map((host) => at(`${host}:1`)), USER];
  const sorted = (of: Endpoint[]) =>
    of.toSorted((a, b) => peerPriority(us, b)! - peerPriority(us, a)!);
  const wanted = [USER, ...sorted(endpoints.slice(0, 4))];
  for (let seed = 1; seed <= 5; seed++) {
    // Named before or after we know it.
    const [before, after] = [0, 1].map(() => listOf([], seededRandom(seed)));
    before!.seenAt(us);
    for (const list of [before!, after!]) {
      for (const endpoint of endpoints) {
        const source = endpoint === USER ? "user" : "tracker";
        list.add(endpoint, { source });
      }
    }
    after!.seenAt(us);
    for (const list of [before!, after!]) {
      assertEquals(dial(list, 0), wanted.map(formatEndpoint).join(" "));
      // Failures count for more.
      for (const endpoint of endpoints) list.failed(endpoint, 0);
      const first = list.next(1e6)!.endpoint;
      assertEquals(first, USER);
      const second = list.next(1e6)!.endpoint;
      list.failed(second, 1e6);
      assertEquals(
        dial(list, 1e7),
        [...wanted.slice(2), second].map(formatEndpoint).join(" "),
      );
    }
  }
});

Deno.test("PeerList.seenAt() is about one family", () => {
  const six = at("[2001:db8::1]:6881");
  const lots = new Set<string>();
  for (let seed = 1; seed <= 50; seed++) {
    const list = listOf([], seededRandom(seed));
    list.seenAt(six);
    list.add(A, { source: "tracker" });
    list.add(B, { source: "tracker" });
    lots.add(dial(list, 0));
  }
  assertEquals(lots.size, 2, "the other family is drawn by lot");
  const four = at("123.213.32.10:1");
  const [low, high] = peerPriority(four, A)! < peerPriority(four, B)!
    ? [A, B]
    : [B, A];
  const list = listOf([], () => 0);
  list.seenAt(six);
  list.seenAt({ hostname: "localhost", port: 1 });
  assertEquals(list.outranked(high, [{ endpoint: low }]), undefined);
  list.seenAt(four);
  assertEquals(list.outranked(high, [{ endpoint: low }])?.endpoint, low);
});

Deno.test("PeerList.outranked() is the peer with the lowest priority, below the newcomer's", () => {
  const us = at("123.213.32.10:6881");
  const peers = ["98.76.54.32:1", "192.0.2.1:1", "198.51.100.7:1", "[::2]:1"]
    .map((text) => ({ endpoint: at(text) }));
  const list = listOf([]);
  for (const { endpoint } of peers) {
    assertEquals(list.outranked(endpoint, peers), undefined, "not known yet");
  }
  list.seenAt(us);
  const ranked = peers.slice(0, 3).toSorted((a, b) =>
    peerPriority(us, a.endpoint)! - peerPriority(us, b.endpoint)!
  );
  const [low, middle, high] = ranked;
  const outranked = (newcomer: typeof low, others: (typeof low)[]) =>
    list.outranked(newcomer!.endpoint, others.map((peer) => peer!));
  assertEquals(outranked(high, [middle, low, peers[3]]), low);
  assertEquals(outranked(high, [low, middle]), low);
  assertEquals(outranked(middle, [high, low]), low);
  assertEquals(outranked(middle, [high, middle]), undefined);
  assertEquals(outranked(low, [high, middle]), undefined);
  assertEquals(outranked(high, []), undefined);
  assertEquals(outranked(peers[3], [low]), undefined);
});

/** How many seconds an endpoint is left alone after so many failures. */
function pauseAfter(failures: number): number {
  const list = listOf([USER]);
  let now = 0;
  for (let i = 0; i < failures; i++) {
    now += 1e6;
    assert(isDue(list, now));
    list.failed(USER, now);
  }
  assertEquals(list.size, 1);
  for (let seconds = 0;; seconds++) {
    if (isDue(list, now + seconds * 1000)) return seconds;
  }
}

Deno.test("PeerList.failed() doubles the pause, up to five minutes, and never drops the user's", () => {
  assertEquals(
    [1, 2, 3, 4, 5, 6, 7, 8, 100, 2000].map(pauseAfter),
    [5, 10, 20, 40, 80, 160, 300, 300, 300, 300],
  );
});

Deno.test("PeerList.failed() spreads those that failed together by a quarter", () => {
  for (let seed = 1; seed <= 100; seed++) {
    const list = listOf([USER], seededRandom(seed));
    list.next(0);
    list.failed(USER, 0);
    assert(!isDue(list, 4_999));
    assert(isDue(list, 6_250));
  }
  const pauses = new Set(Array.from({ length: 20 }, (_, seed) => {
    const list = listOf([USER], seededRandom(seed));
    list.next(0);
    list.failed(USER, 0);
    let pause = 5_000;
    while (!isDue(list, pause)) pause++;
    return pause;
  }));
  assert(pauses.size > 10);
});

Deno.test("PeerList.failed() drops a stranger after five failures", () => {
  const list = listOf([A]);
  for (let failures = 1; failures <= 5; failures++) {
    assert(isDue(list, failures * 1e6));
    list.failed(A, failures * 1e6);
    assertEquals(list.size, failures < 5 ? 1 : 0);
  }
  // Named again, it begins anew.
  assert(list.add(A, { source: "tracker" }));
  assert(isDue(list, 0));
});

Deno.test("PeerList.connected() says whether there is a connection already", () => {
  const list = listOf([A]);
  assert(list.connected(A));
  assert(!list.connected(A));
  assertEquals([list.size, list.idleCount], [1, 0]);
  assert(!isDue(list, 1e9));
});

Deno.test("PeerList.failed() leaves a peer alone that is connected from the same endpoint", () => {
  const list = listOf([A]);
  list.next(0);
  // While we dialled it, it dialled us; then our attempt came to nothing.
  assert(list.connected(A));
  list.failed(A, 0);
  assert(!list.connected(A));
  assert(!isDue(list, 1e9));
});

Deno.test("PeerList.disconnected() lets a useful peer come back after a moment", () => {
  const list = listOf([A]);
  for (let i = 0; i < 20; i++) {
    const now = i * 1e6;
    assert(isDue(list, now));
    list.connected(A);
    list.disconnected(A, { wasUseful: true, now });
    assert(!isDue(list, now + 9_999));
    assert(isDue(list, now + 10_000));
    list.failed(A, now);
  }
});

Deno.test("PeerList.disconnected() takes a connection of no use for a failure", () => {
  const list = listOf([A, USER]);
  for (let i = 1; i <= 5; i++) {
    const now = i * 1e6;
    dial(list, now);
    for (const endpoint of [A, USER]) {
      list.connected(endpoint);
      list.disconnected(endpoint, { wasUseful: false, now });
    }
  }
  assertEquals(dial(list, 1e9), formatEndpoint(USER));
  assertEquals(list.size, 1);
});

Deno.test("PeerList forgets the port of a peer that connected to us", () => {
  const list = new PeerList({ random: () => 0 });
  for (let i = 0; i < 5000; i++) {
    const endpoint = at(`192.0.2.1:${10_000 + i}`);
    assert(list.connected(endpoint));
    assertEquals(list.next(1e9), undefined);
    list.failed(endpoint, 0);
    list.disconnected(endpoint, { wasUseful: i % 2 === 0, now: 0 });
  }
  assertEquals([list.size, list.idleCount], [0, 0]);
});

Deno.test("PeerList.isOurs() keeps our own address out for good", () => {
  const list = listOf([A, B]);
  list.next(0);
  list.isOurs(A);
  assertEquals(list.size, 1);
  assert(!list.add(A, { source: "tracker" }));
  assert(!list.add(A, { source: "user" }));
  list.failed(A, 0);
  assertEquals(dial(list, 1e9), formatEndpoint(B));
});

Deno.test("PeerList.ban() closes the offender's host to newcomers", () => {
  const list = listOf([A]);
  const [known, unknown] = ["192.0.2.1:7000", "192.0.2.1:8000"].map(at);
  list.add(known!, { source: "tracker" });
  dial(list, 0);
  list.connected(A);
  list.ban(A);
  assertEquals(
    [A, known!, unknown!, B].map((endpoint) => list.isBanned(endpoint)),
    [true, false, true, false],
  );
  assert(!list.add(A, { source: "user" }));
  assert(!list.add(unknown!, { source: "tracker" }));
  assert(list.add(B, { source: "tracker" }));
  // The connection of the offender ends now: that must not bring it back.
  list.disconnected(A, { wasUseful: true, now: 0 });
  list.failed(A, 0);
  assertEquals(list.size, 2);
});

Deno.test("PeerList.ban() takes a host of three offences for one offender", () => {
  const list = new PeerList({ random: () => 0 });
  const endpoints = [1, 2, 3, 4, 5].map((port) => at(`192.0.2.1:${port}`));
  for (const endpoint of endpoints) list.add(endpoint, { source: "tracker" });
  list.add(B, { source: "tracker" });
  list.connected(endpoints[4]!);
  list.ban(endpoints[0]!);
  list.ban(endpoints[1]!);
  assertEquals(list.size, 4);
  list.ban(endpoints[2]!);
  // The idle one goes; who is connected has done nothing yet.
  assertEquals(list.size, 2);
  assertEquals(
    [endpoints[3]!, endpoints[4]!].map((endpoint) => list.isBanned(endpoint)),
    [true, false],
  );
  assertEquals(dial(list, 1e9), formatEndpoint(B));
});

Deno.test("PeerList.add() keeps a bounded number, however many are named", () => {
  const list = listOf([USER], seededRandom(1));
  for (let i = 0; i < 20_000; i++) {
    const host = `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`;
    assertEquals(
      list.add(at(`${host}:6881`), { source: "tracker" }),
      i < 1999,
    );
  }
  assertEquals(list.size, 2000);
});

Deno.test("PeerList.add() gives the place of who failed most to a newcomer", () => {
  const endpoints = Array.from(
    { length: 1999 },
    (_, i) => at(`10.0.${i >> 8}.${i & 255}:6881`),
  );
  const list = listOf([USER, ...endpoints], seededRandom(1));
  const failures = new Map<string, number>();
  const fail = (count: number, now: number) => {
    for (let i = 0; i < count; i++) {
      const { endpoint } = list.next(now)!;
      const name = formatEndpoint(endpoint);
      failures.set(name, (failures.get(name) ?? 0) + 1);
      list.failed(endpoint, now);
    }
  };
  // The user's fails most of all, then one stranger twice.
  for (let i = 0; i < 4; i++) fail(1, i * 1e6);
  fail(2000, 1e7);
  list.next(1e8);
  const twice = list.next(1e8)!.endpoint;
  list.failed(twice, 1e8);
  list.failed(USER, 1e8);
  assert(list.add(B, { source: "tracker" }));
  assertEquals(list.size, 2000);
  assert(list.add(twice, { source: "tracker" }), "it was the one that went");
  assert(!list.add(USER, { source: "user" }), "the user's never goes");
});

Deno.test("PeerList.add() gives nobody's place to a newcomer if all are the user's", () => {
  const list = new PeerList({ random: () => 0 });
  for (let port = 1; port <= 2000; port++) {
    list.add({ ...A, port }, { source: "user" });
  }
  list.failed(list.next(0)!.endpoint, 0);
  assert(!list.add(B, { source: "tracker" }));
  assertEquals(list.size, 2000);
});

/**
 * Whatever happens in whatever order, nobody is dialled who is being dialled,
 * connected, banned, ourselves or not due; and all numbers agree.
 */
Deno.test("PeerList has every endpoint in one state only", () => {
  const HOSTS = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];
  for (let seed = 1; seed <= 300; seed++) {
    const random = seededRandom(seed);
    const below = (limit: number) => Math.floor(random() * limit);
    const list = new PeerList({ random });
    const dialling = new Set<string>();
    const connected = new Set<string>();
    const own = new Set<string>();
    const banned = new Set<string>();
    const notBefore = new Map<string, number>();
    let now = 0;
    for (let step = 0; step < 300; step++) {
      now += below(5_000);
      const endpoint = at(`${HOSTS[below(3)]}:${1 + below(4)}`);
      const name = formatEndpoint(endpoint);
      const where = `seed ${seed}, step ${step}`;
      const roll = random();
      if (roll < 0.3) {
        const source = random() < 0.2 ? "user" : "tracker";
        const isNews = list.add(endpoint, { source });
        assert(!isNews || !(own.has(name) || banned.has(name)), where);
        assert(!isNews || !(dialling.has(name) || connected.has(name)), where);
        if (isNews) notBefore.delete(name);
      } else if (roll < 0.5) {
        const next = list.next(now);
        if (!next) continue;
        const found = formatEndpoint(next.endpoint);
        assert(!dialling.has(found) && !connected.has(found), where);
        assert(!own.has(found) && !banned.has(found), where);
        assert((notBefore.get(found) ?? 0) <= now, where);
        dialling.add(found);
      } else if (roll < 0.6) {
        if (own.has(name) || list.isBanned(endpoint)) continue;
        assertEquals(list.connected(endpoint), !connected.has(name), where);
        dialling.delete(name);
        connected.add(name);
      } else if (roll < 0.75) {
        list.failed(endpoint, now);
        if (dialling.delete(name)) notBefore.set(name, now + 5_000);
      } else if (roll < 0.9) {
        if (!connected.has(name)) continue;
        list.disconnected(endpoint, { wasUseful: random() < 0.5, now });
        connected.delete(name);
        notBefore.set(name, now + 5_000);
      } else if (roll < 0.92) {
        list.isOurs(endpoint);
        own.add(name);
        dialling.delete(name);
        connected.delete(name);
      } else if (roll < 0.94) {
        list.ban(endpoint);
        banned.add(name);
        dialling.delete(name);
        connected.delete(name);
        assert(list.isBanned(endpoint), where);
      }
      assertEquals(
        list.size - list.idleCount,
        dialling.size + connected.size,
        where,
      );
    }
  }
});

Deno.test("PeerList.forget() keeps those of others, and who is connected", () => {
  const list = new PeerList({ random: () => 0 });
  const [user, tracked, connected] = [1, 2, 3].map((port) => ({
    hostname: "192.0.2.1",
    port,
  }));
  list.add(user!, { source: "user" });
  list.add(tracked!, { source: "tracker" });
  list.add(connected!, { source: "tracker" });
  list.connected(connected!);
  assertEquals(list.sourceOf(tracked!), "tracker");
  list.forget("tracker", "dht");
  assertEquals(list.sourceOf(tracked!), undefined);
  assertEquals(list.size, 2);
  assertEquals(list.next(0)?.endpoint, user);
  assertEquals(list.next(0), undefined);
  assertEquals(list.connected(connected!), false);
});

Deno.test("PeerList.forget() never gives those again who are still on their way", async (t) => {
  const later = 1e9;
  const forgotten = () => {
    const list = new PeerList({ random: () => 0 });
    list.add(A, { source: "dht" });
    assertEquals(list.next(0)?.endpoint, A);
    return list;
  };
  await t.step("who is dialled, in vain", () => {
    const list = forgotten();
    list.forget("dht");
    list.failed(A, 0);
    assertEquals([list.size, list.next(later)], [0, undefined]);
  });
  await t.step("who is dialled, and reached", () => {
    const list = forgotten();
    list.forget("dht");
    assertEquals(list.connected(A), false);
    list.failed(A, 0);
    assertEquals([list.size, list.next(later)], [0, undefined]);
  });
  for (const wasUseful of [true, false]) {
    await t.step(`who was ${wasUseful ? "useful" : "of no use"}`, () => {
      const list = forgotten();
      assertEquals(list.connected(A), true);
      list.forget("dht");
      list.disconnected(A, { wasUseful, now: 0 });
      assertEquals([list.size, list.next(later)], [0, undefined]);
    });
  }
  await t.step("but who is named again", () => {
    const list = forgotten();
    list.forget("dht");
    list.add(A, { source: "tracker" });
    list.failed(A, 0);
    assertEquals(list.next(later)?.source, "tracker");
  });
});

Deno.test("PeerList.add() takes the word of the user first, then of trackers", () => {
  const sources = ["pex", "tracker", "dht", "user", "tracker"] as const;
  const list = new PeerList({ random: () => 0 });
  const known = sources.map((source) => {
    list.add(A, { source });
    return list.sourceOf(A);
  });
  assertEquals(known, ["pex", "tracker", "tracker", "user", "user"]);
});

Deno.test("PeerList gives up soon whom strangers name, and for good", () => {
  for (const source of ["dht", "pex", "lsd"] as const) {
    const list = new PeerList({ random: () => 0 });
    const endpoint = { hostname: "192.0.2.1", port: 1 };
    let now = 0;
    let dialled = 0;
    for (let i = 0; i < 20; i++) {
      list.add(endpoint, { source });
      now += 3_600_000;
      if (!list.next(now)) continue;
      dialled++;
      list.failed(endpoint, now);
    }
    assertEquals(dialled, 2, source);

    // A tracker's word counts again.
    assert(list.add(endpoint, { source: "tracker" }));
    assertEquals(list.next(now)?.endpoint, endpoint);
  }
});

Deno.test("PeerList.add() remembers who is of the swarm of v2, whoever says so", () => {
  const list = new PeerList({ random: () => 0 });
  const [a, b] = [1, 2].map((port) => ({ hostname: "192.0.2.1", port }));
  list.add(a!, { source: "tracker" });
  list.add(b!, { source: "tracker" });
  list.add(b!, { source: "dht", isV2: true });
  list.add(b!, { source: "tracker" });
  assertEquals(
    [list.next(0), list.next(0)].map((candidate) => candidate?.isV2),
    [false, true],
  );
});
