import { assert, assertEquals, assertFalse } from "@std/assert";
import {
  commonPrefixLength,
  compareDistance,
  createNodeId,
  idAtDistance,
} from "../../src/dht/node_id.ts";
import { RoutingTable } from "../../src/dht/routing_table.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";

const MINUTE_MS = 60_000;
const OWN = new Uint8Array(20);

/** A table, and nodes that are drawn for it. */
class Stage {
  readonly random = seededRandom(1);
  readonly table = new RoutingTable(OWN, 0);
  now = 0;
  #count = 0;

  /**
   * A node that shares so many bits with us, at an address of its own, which
   * may have the id only if `isFitting`.
   */
  node(prefix: number, { isFitting = true, hostname = this.hostname() } = {}) {
    for (;;) {
      const random = randomBytes(20, this.random);
      const id = isFitting
        ? createNodeId(random, hostname)
        : idAtDistance(OWN, { prefix, random });
      if (commonPrefixLength(id, OWN) === prefix) {
        return { id, endpoint: { hostname, port: 6881 } };
      }
      if (isFitting && hostname !== "127.0.0.1") hostname = this.hostname();
    }
  }

  hostname(): string {
    const count = this.#count++;
    return `${20 + (count >> 16)}.${count >> 8 & 255}.${count & 255}.1`;
  }

  /** Nodes that have answered. */
  fill(prefix: number, count: number, options: { isFitting?: boolean } = {}) {
    return Array.from({ length: count }, () => {
      const node = this.node(prefix, options);
      this.table.replied(node, this.now);
      return node;
    });
  }

  /** Whether it has a node. */
  has({ endpoint }: { endpoint: { hostname: string; port: number } }): boolean {
    return this.table.nodes.some((node) =>
      node.endpoint.hostname === endpoint.hostname &&
      node.endpoint.port === endpoint.port
    );
  }

  /** Which of some nodes it has, as a picture. */
  picture(nodes: Parameters<Stage["has"]>[0][]): string {
    return nodes.map((node) => this.has(node) ? "x" : ".").join("");
  }
}

Deno.test("RoutingTable keeps 8 nodes of the far half, and more the nearer they are", () => {
  const stage = new Stage();
  assertEquals(stage.picture(stage.fill(0, 12)), "xxxxxxxx....");
  assertEquals(stage.picture(stage.fill(1, 12)), "xxxxxxxx....");
  assertEquals(stage.picture(stage.fill(5, 9)), "xxxxxxxx.");
  assertEquals(stage.table.size, 24);
  assertEquals(stage.table.depth, 7);
});

Deno.test("RoutingTable divides no bucket but the last, even by nodes all alike", () => {
  const stage = new Stage();
  // Nodes that would need a hundred divisions to be told apart.
  for (let i = 1; i <= 60; i++) {
    const id = OWN.slice();
    id[19] = i;
    const endpoint = { hostname: stage.hostname(), port: 1 };
    stage.table.replied({ id, endpoint }, 0);
  }
  assert(stage.table.depth <= 160);
  assertEquals(stage.table.size, 3 * 8 + 4 + 2 + 1);
});

Deno.test("RoutingTable has no place for ourselves", () => {
  const stage = new Stage();
  const self = { id: OWN.slice(), endpoint: { hostname: "20.0.0.1", port: 1 } };
  stage.table.replied(self, 0);
  assertEquals(stage.table.size, 0);
  assertFalse(stage.table.queried(self, 0));
});

Deno.test("RoutingTable takes only who has answered", () => {
  const stage = new Stage();
  const node = stage.node(0);
  assert(stage.table.queried(node, 0));
  assertEquals(stage.table.size, 0);
  stage.table.replied(node, 0);
  assertFalse(stage.table.queried(node, 0));
  assertEquals(stage.table.size, 1);
});

Deno.test("RoutingTable: a node is good for 15 minutes after it answered or asked", () => {
  const stage = new Stage();
  const [node] = stage.fill(0, 1);
  const good = (minutes: number) => stage.table.goodNodes(minutes * MINUTE_MS);
  assertEquals([good(0), good(14.9), good(15)], [1, 1, 0]);
  stage.table.queried(node!, 10 * MINUTE_MS);
  assertEquals([good(24.9), good(25)], [1, 0]);
  // Somebody else who says that it is this node changes nothing.
  const id = randomBytes(20, stage.random);
  stage.table.queried({ ...node!, id }, 20 * MINUTE_MS);
  assertEquals(good(25), 0);
  stage.table.replied(node!, 30 * MINUTE_MS);
  assertEquals(good(44.9), 1);
  stage.table.failed(node!.endpoint, 30 * MINUTE_MS);
  assertEquals(good(30), 0);
  // Who does not answer is not good because it asks.
  stage.table.queried(node!, 30 * MINUTE_MS);
  assertEquals(good(30), 0);
});

Deno.test("RoutingTable gives the place of a bad node to the newest who waits", () => {
  const stage = new Stage();
  const nodes = stage.fill(0, 8);
  const waiting = stage.fill(0, 3);
  const [first] = nodes;
  stage.table.failed(first!.endpoint, 0);
  assertEquals(stage.picture([...nodes, ...waiting]), "xxxxxxxx...");
  stage.table.failed(first!.endpoint, 0);
  assertEquals(stage.picture([...nodes, ...waiting]), ".xxxxxxx..x");
  // An answer in between saves a node.
  stage.table.failed(nodes[1]!.endpoint, 0);
  stage.table.replied(nodes[1]!, 0);
  stage.table.failed(nodes[1]!.endpoint, 0);
  assertEquals(stage.picture([...nodes, ...waiting]), ".xxxxxxx..x");
});

Deno.test("RoutingTable keeps bad nodes while nobody waits: the line may be cut", () => {
  const stage = new Stage();
  const nodes = stage.fill(0, 8);
  for (const { endpoint } of [...nodes, ...nodes]) {
    stage.table.failed(endpoint, 0);
  }
  assertEquals(stage.table.size, 8);
  const names = (isGood: boolean) =>
    stage.table.closest(OWN, { now: 0, isGood }).length;
  assertEquals([names(true), names(false)], [0, 0]);
  const [late] = stage.fill(0, 1);
  assert(stage.has(late!));
});

Deno.test("RoutingTable.doubtful() names whom nobody has heard of for longest, where others wait", () => {
  const stage = new Stage();
  const nodes = stage.fill(0, 8);
  stage.table.replied(nodes[0]!, MINUTE_MS);
  stage.now = 20 * MINUTE_MS;
  const doubtful = () => stage.table.doubtful(stage.now);
  assertEquals(doubtful(), []);
  stage.fill(0, 1);
  for (const { endpoint } of nodes.slice(2)) {
    stage.table.replied(
      nodes.find((node) => node.endpoint === endpoint)!,
      stage.now,
    );
  }
  assertEquals(doubtful().map(({ endpoint }) => endpoint), [
    nodes[1]!.endpoint,
  ]);
  stage.table.replied(nodes[1]!, stage.now);
  assertEquals(doubtful().map(({ endpoint }) => endpoint), [
    nodes[0]!.endpoint,
  ]);
  stage.table.replied(nodes[0]!, stage.now);
  assertEquals(doubtful(), []);
});

Deno.test("RoutingTable prefers ids that their addresses may have (BEP 42)", async (t) => {
  await t.step("they take the places of others", () => {
    const stage = new Stage();
    const breaking = stage.fill(0, 8, { isFitting: false });
    const fitting = stage.fill(0, 8);
    assertEquals(stage.picture(breaking), "........");
    assertEquals(stage.picture(fitting), "xxxxxxxx");
    const late = stage.node(0, { isFitting: false });
    stage.table.replied(late, 0);
    assertFalse(stage.has(late));
  });

  await t.step("they are named first, however near the others are", () => {
    const stage = new Stage();
    stage.fill(0, 8);
    const near = stage.fill(10, 8, { isFitting: false });
    const named = stage.table.closest(OWN, { count: 12, now: 0 });
    assertEquals(
      named.map(({ isFitting }) => isFitting ? "x" : ".").join(""),
      "xxxxxxxx....",
    );
    const breaking = { now: 0, isFitting: false };
    assertEquals(stage.table.closest(OWN, breaking).length, near.length);
  });
});

Deno.test("RoutingTable has one place for a host, and one in a bucket for a network", async (t) => {
  await t.step("IPv4", () => {
    const stage = new Stage();
    const at = (prefix: number, hostname: string, port: number) => {
      const random = randomBytes(20, stage.random);
      const id = idAtDistance(OWN, { prefix, random });
      const node = { id, endpoint: { hostname, port } };
      stage.table.replied(node, 0);
      return node;
    };
    stage.fill(0, 7);
    stage.fill(1, 7);
    const nodes = [
      at(0, "9.9.9.9", 1),
      at(0, "9.9.9.9", 2),
      at(1, "9.9.9.9", 3),
      at(0, "9.9.9.8", 1),
      at(1, "9.9.9.8", 2),
      at(1, "9.9.9.7", 1),
    ];
    assertEquals(stage.picture(nodes), "x...x.");
    assertFalse(stage.table.queried(nodes[3]!, 0));
  });

  await t.step("IPv6", () => {
    const stage = new Stage();
    const nodes = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]
      .map((hostname) => {
        const id = randomBytes(20, stage.random);
        const node = { id, endpoint: { hostname, port: 1 } };
        stage.table.replied(node, 0);
        return node;
      });
    assertEquals(stage.picture(nodes), "x.x");
  });

  await t.step("256 addresses of one network get few places", () => {
    const stage = new Stage();
    for (let i = 0; i < 256; i++) {
      const id = randomBytes(20, stage.random);
      const endpoint = { hostname: `9.9.9.${i}`, port: 1 };
      stage.table.replied({ id, endpoint }, 0);
    }
    assertEquals(stage.table.size, 1);
  });

  await t.step("but neighbours are not told apart", () => {
    const stage = new Stage();
    const nodes = [1, 2, 3].map((port) => {
      const id = randomBytes(20, stage.random);
      const node = { id, endpoint: { hostname: "127.0.0.1", port } };
      stage.table.replied(node, 0);
      return node;
    });
    assertEquals(stage.picture(nodes), "xxx");
  });
});

Deno.test("RoutingTable: who changes its id goes; who takes another's id does not get in", () => {
  const stage = new Stage();
  const [node] = stage.fill(0, 1);
  const thief = { ...node!, endpoint: { hostname: "9.9.9.9", port: 1 } };
  stage.table.replied(thief, 0);
  assertEquals([stage.has(node!), stage.has(thief)], [true, false]);
  const changed = { ...node!, id: randomBytes(20, stage.random) };
  stage.table.replied(changed, 0);
  assertEquals(stage.table.size, 0);
  stage.table.replied(changed, 0);
  assertEquals(stage.table.size, 1);
});

Deno.test("RoutingTable.closest() names the nearest, good ones only if wanted", () => {
  const stage = new Stage();
  for (let prefix = 0; prefix < 6; prefix++) stage.fill(prefix, 8);
  const target = randomBytes(20, stage.random);
  const nearest = stage.table.nodes
    .sort((a, b) => compareDistance(target, { a: a.id, b: b.id }));
  const now = 0;
  assertEquals(stage.table.closest(target, { now }), nearest.slice(0, 8));
  assertEquals(
    stage.table.closest(target, { now, count: 20 }),
    nearest.slice(0, 20),
  );
  const later = 16 * MINUTE_MS;
  assertEquals(stage.table.closest(target, { now: later }), []);
  const any = { now: later, isGood: false };
  assertEquals(stage.table.closest(target, any), nearest.slice(0, 8));
});

Deno.test("RoutingTable.closest() keeps neighbours from those outside", () => {
  const stage = new Stage();
  stage.fill(0, 1);
  const id = randomBytes(20, stage.random);
  const endpoint = { hostname: "192.168.0.2", port: 1 };
  stage.table.replied({ id, endpoint }, 0);
  assertEquals(stage.table.closest(OWN, { now: 0 }).length, 2);
  const outside = { now: 0, isOutside: true };
  assertEquals(stage.table.closest(OWN, outside).length, 1);
});

Deno.test("RoutingTable.stale() has each bucket looked after every 15 minutes", () => {
  const stage = new Stage();
  stage.fill(0, 8);
  stage.fill(1, 8);
  stage.fill(2, 3);
  const randomBytesOf = {
    randomBytes: (length: number) => randomBytes(length, stage.random),
  };
  const stale = (minutes: number) =>
    stage.table.stale(minutes * MINUTE_MS, randomBytesOf)
      .map((id) => commonPrefixLength(id, OWN));
  assertEquals(stale(14), []);
  stage.table.replied(stage.table.nodes[0]!, 10 * MINUTE_MS);
  assertEquals(stale(15).map((prefix) => Math.min(prefix, 2)), [1, 2]);
  assertEquals(stale(15), []);
  assertEquals(stale(25), [0]);
  const sparse = stage.table.sparse(randomBytesOf);
  assertEquals(sparse, []);
  stage.fill(3, 8);
  const sparser = stage.table.sparse(randomBytesOf);
  assertEquals(sparser.map((id) => commonPrefixLength(id, OWN)), [2]);
});

Deno.test("RoutingTable.moveTo() finds new places for the nodes", () => {
  const stage = new Stage();
  const nodes = [...stage.fill(0, 8), ...stage.fill(3, 8)];
  const id = OWN.slice();
  id[0] = 0x80;
  stage.table.moveTo(id, 0);
  assertEquals(stage.table.id, id);
  assertEquals(stage.picture(nodes), "x".repeat(16));
  assertEquals(stage.table.silentFor(5), 5);
  assertEquals(new RoutingTable(id, 0).silentFor(5), Infinity);
});
