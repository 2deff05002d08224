import { assert, assertEquals } from "@std/assert";
import { randomBytes } from "../support/seeded_random.ts";
import {
  ROUND_TRIP_MS,
  SimulatedDht,
  testEndpoint,
} from "../support/simulated_dht.ts";

const NODES = 200;

/** Starts nodes one after the other, as they come in real life. */
async function populate(dht: SimulatedDht, count = NODES): Promise<void> {
  for (let i = 0; i < count; i++) {
    dht.start(testEndpoint(i));
    await dht.clock.advance(200);
  }
  await dht.clock.advance(30_000);
}

Deno.test("a DHT of 200 nodes finds an announced peer in 8 rounds", async () => {
  await using dht = new SimulatedDht(1);
  const t0 = performance.now();
  await populate(dht);
  console.log(
    "populate",
    performance.now() - t0,
    dht.network.packets,
    dht.nodes.map((n) => n.node.stats().ipv4.goodNodes).slice(0, 200).join(" "),
  );
  for (let i = 0; i < 10; i++) {
    const infoHash = randomBytes(20, dht.random);
    const [announcer, seeker] = [dht.nodes[i]!, dht.nodes[NODES - 1 - i]!];
    const a = await dht.getPeers(announcer, infoHash, {
      announcePort: 1000 + i,
    });
    const { peers, firstMs, answers } = await dht.getPeers(seeker, infoHash);
    console.log(
      a,
      peers,
      firstMs / ROUND_TRIP_MS,
      answers,
      performance.now() - t0,
    );
    assertEquals(peers, [`${announcer.endpoint.hostname}:${1000 + i}`]);
    assert(firstMs <= 8 * ROUND_TRIP_MS);
  }
});
