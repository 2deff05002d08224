import { assert, assertEquals, assertGreater } from "@std/assert";
import { HostileDht } from "../support/hostile_dht.ts";
import { randomBytes } from "../support/seeded_random.ts";
import {
  ROUND_TRIP_MS,
  SimulatedDht,
  type SimulatedNode,
  testEndpoint,
} from "../support/simulated_dht.ts";

const NODES = 200;

/** Starts nodes one after the other, as they come in real life. */
async function populate(
  dht: SimulatedDht,
  onStart: (node: SimulatedNode) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  for (let i = 0; i < NODES; i++) {
    await onStart(dht.start(testEndpoint(i)));
    await dht.clock.advance(200);
  }
  await dht.clock.advance(30_000);
}

/** Lets some announce themselves, each a torrent of its own. */
async function announce(
  dht: SimulatedDht,
  announcers: readonly SimulatedNode[],
): Promise<Uint8Array[]> {
  const infoHashes: Uint8Array[] = [];
  for (const announcer of announcers) {
    const infoHash = randomBytes(20, dht.random);
    infoHashes.push(infoHash);
    await dht.getPeers(announcer, infoHash, { announcePort: 1000 });
  }
  return infoHashes;
}

Deno.test("a DHT of 200 nodes knows who is announced", async (t) => {
  await using dht = new SimulatedDht(1);
  await populate(dht);
  const announcers = dht.nodes.slice(0, 10);
  const infoHashes = await announce(dht, announcers);
  const peers = announcers
    .map(({ endpoint: { hostname } }) => [`${hostname}:1000`]);

  await t.step("and tells it in at most 8 rounds", async () => {
    for (const [i, infoHash] of infoHashes.entries()) {
      const seeker = dht.nodes[NODES - 1 - i]!;
      const found = await dht.getPeers(seeker, infoHash);
      assertEquals(found.peers, peers[i]);
      const rounds = found.firstMs / ROUND_TRIP_MS;
      assert(rounds >= 1 && rounds <= 8, `${rounds} rounds`);
    }
  });

  await t.step("and nobody else", async () => {
    const found = await dht.getPeers(
      dht.nodes[NODES - 1]!,
      randomBytes(20, dht.random),
    );
    assertEquals(found.peers, []);
    assert(found.answers >= 8);
  });

  await t.step("and still does when half the nodes have died", async () => {
    const seekers = dht.nodes.filter((_, i) => i % 2 === 1);
    for (const { stop } of dht.nodes.filter((_, i) => i % 2 === 0)) stop();
    for (const [i, infoHash] of infoHashes.entries()) {
      const found = await dht.getPeers(seekers.at(-1 - i)!, infoHash);
      assertEquals(found.peers, peers[i]);
    }
  });
});

Deno.test("200 hostile nodes beside a torrent do not hide its peers in a DHT of 200", async (t) => {
  await using dht = new SimulatedDht(2);
  const target = randomBytes(20, dht.random);
  const endpoints = Array.from(
    { length: NODES },
    (_, i) => testEndpoint(NODES + i),
  );
  const hostile = new HostileDht(dht, { target, endpoints });
  await populate(dht, ({ endpoint }) => hostile.introduce(endpoint, 4));
  const [first] = dht.nodes as [SimulatedNode];
  /** Who comes later even finds in by them, and by one that is honest. */
  const join = (index: number): SimulatedNode => {
    const bootstrap = [...endpoints.slice(0, 5), first.endpoint];
    return dht.start(testEndpoint(index), { bootstrap });
  };
  const announcer = join(500);
  await dht.getPeers(announcer, target, { announcePort: 1000 });
  assertEquals(hostile.swallowed, 8);
  const before = hostile.asked;
  for (let i = 501; i < 511; i++) {
    await t.step(`from ${testEndpoint(i).hostname}`, async () => {
      const seeker = join(i);
      const found = await dht.getPeers(seeker, target);
      assertEquals(found.peers, [`${announcer.endpoint.hostname}:1000`]);
    });
  }
  // They were asked as anybody is, and gave no peer.
  assertGreater(hostile.asked, before + 80);
});
