import { assertEquals } from "@std/assert";
import {
  type Announced,
  AnnouncedSwarms,
} from "../../src/tracker/announced_swarms.ts";

const PEER: Announced = {
  infoHash: "h",
  endpoint: { hostname: "192.0.2.1", port: 1 },
  peerId: new Uint8Array(20),
  isSeed: false,
  event: undefined,
  wanted: 50,
};

function at(port: number): Announced {
  return { ...PEER, endpoint: { hostname: "192.0.2.1", port } };
}

Deno.test("AnnouncedSwarms.announce() names the others of the swarm", () => {
  const swarms = new AnnouncedSwarms();
  const ports = (announced: Announced) =>
    swarms.announce(announced, 0).map(({ endpoint }) => endpoint.port);
  assertEquals(ports(at(1)), []);
  assertEquals(ports(at(2)), [1]);
  assertEquals(ports({ ...at(3), infoHash: "other" }), []);
  assertEquals(ports({ ...at(4), wanted: 1 }), [1]);
  assertEquals(ports({ ...at(1), event: "stopped" }), [2, 4]);
  assertEquals(ports(at(4)), [2]);
});

Deno.test("AnnouncedSwarms forgets who does not come again in 45 minutes", () => {
  const swarms = new AnnouncedSwarms();
  swarms.announce(at(1), 0);
  swarms.announce(at(2), 1000);
  assertEquals(swarms.announce(at(3), 2_700_000).length, 2);
  assertEquals(swarms.announce(at(3), 2_700_001).length, 1);
});

Deno.test("AnnouncedSwarms.counts() counts seeds, others and downloads", () => {
  const swarms = new AnnouncedSwarms();
  assertEquals(swarms.counts("h"), undefined);
  swarms.announce({ ...at(1), isSeed: true }, 0);
  swarms.announce(at(2), 0);
  assertEquals(swarms.counts("h"), { seeders: 1, completed: 0, leechers: 1 });
  swarms.announce({ ...at(2), isSeed: true, event: "completed" }, 0);
  assertEquals(swarms.counts("h"), { seeders: 2, completed: 1, leechers: 0 });
  assertEquals(swarms.infoHashes, ["h"]);
});
