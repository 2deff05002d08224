import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import { type Endpoint, formatEndpoint } from "../../src/bytes/endpoint.ts";
import type { KrpcReturn } from "../../src/dht/krpc.ts";
import { idFitsAddress } from "../../src/dht/node_id.ts";
import { encodeSavedNodes } from "../../src/dht/saved_nodes.ts";
import { NetworkError } from "../../src/errors.ts";
import { DhtStage } from "../support/dht_stage.ts";
import { testEndpoint } from "../support/simulated_dht.ts";

const MINUTE_MS = 60_000;
const HASH = new Uint8Array(20).fill(0x5a);
const TOKEN = Uint8Array.of(1, 2, 3);
const [A, B, C] = [1, 2, 3].map(testEndpoint) as [Endpoint, Endpoint, Endpoint];

/** Searches to the end. */
async function search(
  stage: DhtStage,
  options: { announcePort?: number } = {},
): Promise<{ peers: string[]; answers: number; announcedTo: number }> {
  const { signal } = new AbortController();
  const peers: string[] = [];
  const batches = stage.node.getPeers(HASH, { ...options, signal });
  return await stage.clock.until((async () => {
    for (;;) {
      const { done, value } = await batches.next();
      if (done) return { peers, ...value };
      peers.push(...value.map(formatEndpoint));
    }
  })());
}

Deno.test("DhtNode finds in by the nodes that it is told, and gets to know others", async () => {
  await using stage = new DhtStage({ bootstrap: [A] });
  const nodes = [B, C].map((endpoint) => ({
    id: stage.id(endpoint),
    endpoint,
  }));
  stage.script = (_query, { to }) => to === A || to.port === 1 ? { nodes } : {};
  stage.start();
  await stage.clock.advance(MINUTE_MS);
  const { nodes: known, goodNodes } = stage.node.stats().ipv4;
  assertEquals([known, goodNodes], [3, 3]);
});

Deno.test("DhtNode keeps the well-known nodes out of its table (BEP 5)", async () => {
  const resolve = ({ hostname }: Endpoint) =>
    hostname === "router.bittorrent.com"
      ? Promise.resolve([A])
      : Promise.reject(new NetworkError("No such name"));
  await using stage = new DhtStage({
    resolve,
    bootstrap: [
      { hostname: "router.bittorrent.com", port: 6881 },
      { hostname: "elsewhere.example", port: 6881 },
    ],
  });
  const nodes = [{ id: stage.id(B), endpoint: B }];
  stage.script = (_query, { to }) =>
    to.hostname === A.hostname ? { nodes } : {};
  stage.start();
  await stage.clock.advance(MINUTE_MS);
  assertEquals(stage.node.stats().ipv4.nodes, 1);
  assertEquals(stage.asked.get(formatEndpoint(A)), 1);
});

Deno.test("DhtNode tries again when nobody can be found, less and less often", async () => {
  const attempts: number[] = [];
  await using stage = new DhtStage({
    bootstrap: [{ hostname: "dead.example", port: 1 }],
    resolve: () => {
      attempts.push(stage.clock.now());
      return Promise.reject(new NetworkError("No network"));
    },
  });
  stage.start();
  await stage.clock.advance(30 * MINUTE_MS);
  const waits = attempts.slice(1).map((at, i) => (at - attempts[i]!) / 1000);
  assertEquals(waits.slice(0, 9), [5, 10, 20, 40, 80, 160, 300, 300, 300]);
  assertEquals(stage.sent, []);
});

Deno.test("DhtNode gives up on a resolver that takes too long", async () => {
  let aborted = 0;
  await using stage = new DhtStage({
    bootstrap: [{ hostname: "slow.example", port: 1 }, A],
    resolve: (_host, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => {
          aborted++;
          reject(signal.reason);
        });
      }),
  });
  stage.script = () => ({});
  stage.start();
  await stage.clock.advance(MINUTE_MS);
  assertEquals(aborted, 1);
  assertEquals(stage.node.stats().ipv4.goodNodes, 1);
});

Deno.test("DhtNode goes on when the network is cut for a while", async () => {
  await using stage = new DhtStage({ bootstrap: [A] });
  stage.script = () => ({});
  stage.isCut = true;
  stage.start();
  await stage.clock.advance(MINUTE_MS);
  assertEquals(stage.node.stats().ipv4.nodes, 0);
  stage.isCut = false;
  await stage.clock.advance(3 * MINUTE_MS);
  assertEquals(stage.node.stats().ipv4.goodNodes, 1);
  stage.isCut = true;
  await stage.clock.advance(60 * MINUTE_MS);
  // Nobody is to blame but the line.
  assertEquals(stage.node.stats().ipv4.nodes, 1);
  stage.isCut = false;
  await stage.clock.advance(10 * MINUTE_MS);
  assertEquals(stage.node.stats().ipv4.goodNodes, 1);
});

Deno.test("DhtNode.addNode() asks a node once, by name or address", async () => {
  await using stage = new DhtStage({
    resolve: () => Promise.resolve([B]),
  });
  stage.script = () => ({});
  stage.node.addNode(A);
  stage.node.addNode(A);
  stage.start();
  await stage.clock.advance(1000);
  assertEquals(stage.news().filter((line) => line.startsWith("ping")), [
    `ping ${formatEndpoint(A)}`,
  ]);
  stage.node.addNode({ hostname: "b.example", port: 1 });
  await stage.clock.advance(1000);
  assertEquals(stage.node.stats().ipv4.goodNodes, 2);
});

Deno.test("DhtNode.addNode() is bounded: a flood is lost", async () => {
  await using stage = new DhtStage();
  stage.start();
  for (let i = 0; i < 500; i++) stage.node.addNode(testEndpoint(i));
  await stage.clock.advance(1000);
  assertEquals(stage.sent.length, 16);
  await stage.clock.advance(MINUTE_MS);
  assertEquals(stage.sent.length, 64 + 16);
});

Deno.test("DhtNode gets to know who asks, if it answers", async () => {
  await using stage = new DhtStage();
  stage.script = (_query, { to }) =>
    to.hostname === A.hostname ? {} : undefined;
  stage.start();
  for (const from of [A, B]) stage.query({ method: "ping" }, { from });
  stage.query({ method: "ping" }, { from: C, isReadOnly: true });
  await stage.clock.advance(10_000);
  const news = stage.news();
  assertEquals(news.filter((line) => line.startsWith("response")).length, 3);
  assertEquals(stage.node.stats().ipv4.nodes, 1);
  // BEP 43: nobody asks those who only ask.
  assertFalse(stage.asked.has(formatEndpoint(C)));
});

Deno.test("DhtNode.getPeers() finds peers, each once, and announces where it may", async () => {
  await using stage = new DhtStage({ bootstrap: [A, B, C] });
  const peer = (port: number) => ({ hostname: "198.51.100.1", port });
  const returns = new Map<string, KrpcReturn>([
    [A.hostname, { values: [peer(1), peer(2)], token: TOKEN }],
    [B.hostname, { values: [peer(2), peer(3)], token: TOKEN }],
    [C.hostname, { values: [peer(3)] }],
  ]);
  stage.script = ({ method }, { to }) =>
    method === "get_peers" ? returns.get(to.hostname) : {};
  stage.start();
  const found = await search(stage, { announcePort: 7777 });
  assertEquals(found.peers.sort(), [1, 2, 3].map((n) => `198.51.100.1:${n}`));
  assertEquals([found.answers, found.announcedTo], [3, 2]);
  const announced = stage.sent.flatMap(({ message, to }) =>
    message.type === "query" && message.query.method === "announce_peer"
      ? [{ to: to.hostname, ...message.query }]
      : []
  );
  assertEquals(announced.map(({ to }) => to).sort(), [A.hostname, B.hostname]);
  for (const { port, token, infoHash, isSeed } of announced) {
    assertEquals([port, token, infoHash, isSeed], [7777, TOKEN, HASH, false]);
  }
});

Deno.test("DhtNode.getPeers() announces nothing unless it should", async () => {
  await using stage = new DhtStage({ bootstrap: [A] });
  stage.script = () => ({ token: TOKEN });
  stage.start();
  assertEquals((await search(stage)).announcedTo, 0);
  assert(stage.news().every((line) => !line.startsWith("announce_peer")));
});

Deno.test("DhtNode.getPeers() knows those who have announced to us", async () => {
  await using stage = new DhtStage({ bootstrap: [A] });
  stage.script = () => ({});
  stage.start();
  await stage.clock.advance(1000);
  stage.query({ method: "get_peers", infoHash: HASH }, { from: B });
  await stage.clock.advance(1000);
  const answer =
    stage.sent.findLast(({ message }) => message.type === "response")!.message;
  assert(answer.type === "response");
  const token = answer.values.token!;
  stage.query(
    { method: "announce_peer", infoHash: HASH, port: 5, token },
    { from: B },
  );
  await stage.clock.advance(1000);
  assertEquals((await search(stage)).peers, [`${B.hostname}:5`]);
  assertEquals(stage.node.stats().torrents, 1);
});

Deno.test("DhtNode believes nobody outside who names what is inside", async () => {
  await using stage = new DhtStage({ bootstrap: [A] });
  const inside = ["127.0.0.1", "192.168.0.1", "10.0.0.1"]
    .map((hostname) => ({ hostname, port: 80 }));
  const nodes = inside.map((endpoint) => ({
    id: stage.id(endpoint),
    endpoint,
  }));
  stage.script = () => ({ nodes, values: inside, token: TOKEN });
  stage.start();
  assertEquals((await search(stage, { announcePort: 1 })).peers, []);
  await stage.clock.advance(60 * MINUTE_MS);
  assertEquals([...stage.asked.keys()], [formatEndpoint(A)]);
});

Deno.test("DhtNode.getPeers() is bounded in what one search may bring", async () => {
  await using stage = new DhtStage({ bootstrap: [A] });
  let next = 0;
  const peers = (count: number) =>
    Array.from({ length: count }, () => {
      const number = next++;
      const hostname = `50.${number >> 8 & 255}.${number & 255}.1`;
      return { hostname, port: 1 };
    });
  const nodes = () =>
    peers(5).map((endpoint) => ({ id: stage.id(endpoint), endpoint }));
  stage.script = () => ({ nodes: nodes(), values: peers(150), token: TOKEN });
  stage.start();
  const { peers: found, answers } = await search(stage);
  assertEquals(found.length, 2000);
  assert(answers <= 160, `${answers}`);
});

Deno.test("DhtNode.getPeers() waits until somebody is known, or it is aborted", async () => {
  await using stage = new DhtStage();
  stage.start();
  const abort = new AbortController();
  const searching = stage.node.getPeers(HASH, { signal: abort.signal }).next();
  const failing = assertRejects(() => searching, Error, "enough");
  await stage.clock.advance(10 * MINUTE_MS);
  abort.abort(new Error("enough"));
  await failing;
  stage.script = () => ({});
  const later = search(stage);
  stage.node.addNode(A);
  assertEquals((await later).answers, 1);
});

Deno.test("DhtNode.getPeers() leaves nothing behind when nobody listens any more", async () => {
  await using stage = new DhtStage({ bootstrap: [A] });
  const values = [{ hostname: "198.51.100.1", port: 1 }];
  const nodes = [{ id: stage.id(B), endpoint: B }];
  stage.script = (_query, { to }) =>
    to.hostname === A.hostname ? { values, nodes } : undefined;
  stage.start();
  await stage.clock.advance(MINUTE_MS);
  const { signal } = new AbortController();
  await stage.clock.until((async () => {
    for await (const _peers of stage.node.getPeers(HASH, { signal })) break;
  })());
  assertEquals(stage.node.stats().searches, 0);
});

Deno.test("DhtNode.scrape() counts what the nodes have together (BEP 33)", async () => {
  await using stage = new DhtStage({ bootstrap: [A, B] });
  const filter = (bits: number) => {
    const bytes = new Uint8Array(256);
    for (let i = 0; i < bits; i++) bytes[i * 5 & 255]! |= 1 << (i >> 5);
    return bytes;
  };
  stage.script = ({ method }, { to }) =>
    method === "get_peers"
      ? to.hostname === A.hostname
        ? { seeds: filter(40), downloaders: filter(0) }
        : { seeds: filter(20), downloaders: filter(10) }
      : {};
  stage.start();
  const { signal } = new AbortController();
  const scraping = stage.node.scrape(HASH, { signal });
  assertEquals(await stage.clock.until(scraping), {
    seeds: 20,
    downloaders: 5,
  });
});

Deno.test("DhtNode takes an id that its address may have, when enough agree on it (BEP 42)", async () => {
  await using stage = new DhtStage({
    bootstrap: [1, 2, 3, 4, 5].map(testEndpoint),
  });
  stage.seenAs = "203.0.113.9";
  stage.script = () => ({});
  stage.start();
  await stage.clock.advance(MINUTE_MS);
  assertEquals(stage.node.stats().ipv4.externalAddress, "203.0.113.9");
  assertEquals(stage.node.stats().ipv4.goodNodes, 5);
  const ids = stage.sent.flatMap(({ message }) =>
    message.type === "query" ? [message.id] : []
  );
  assertFalse(idFitsAddress(ids[0]!, "203.0.113.9"));
  assert(idFitsAddress(ids.at(-1)!, "203.0.113.9"));
});

Deno.test("DhtNode says that it is read-only when no stranger ever asks (BEP 43)", async () => {
  const bootstrap = Array.from({ length: 25 }, (_, i) => testEndpoint(i + 1));
  await using stage = new DhtStage({ bootstrap });
  stage.script = () => ({});
  stage.start();
  await stage.clock.advance(9 * MINUTE_MS);
  const isSaid = () =>
    stage.sent.splice(0).flatMap(({ message }) =>
      message.type === "query" ? [message.isReadOnly] : []
    );
  assertEquals(isSaid().some(Boolean), false);
  assertEquals(stage.node.stats().ipv4.isReadOnly, false);
  await stage.clock.advance(2 * MINUTE_MS);
  assertEquals(stage.node.stats().ipv4.isReadOnly, true);
  await stage.clock.advance(8 * MINUTE_MS);
  const later = isSaid();
  assert(later.length > 0 && later.every(Boolean));
  const stranger = testEndpoint(300);
  stage.query({ method: "ping" }, { from: stranger });
  await stage.clock.advance(1000);
  assertEquals(stage.node.stats().ipv4.isReadOnly, false);
});

Deno.test("DhtNode finds in again by what it saved, and ignores a broken file", async () => {
  const first = new DhtStage({ bootstrap: [A, B] });
  first.script = () => ({});
  first.start();
  await first.clock.advance(MINUTE_MS);
  const saved = first.node.saveNodes();
  await first[Symbol.asyncDispose]();

  await using stage = new DhtStage();
  stage.script = () => ({});
  assertEquals(stage.node.loadNodes(saved.subarray(1)), 0);
  assertEquals(stage.node.loadNodes(saved), 2);
  // Nothing is lost if it never runs.
  assertEquals(stage.node.saveNodes(), saved);
  stage.start();
  await stage.clock.advance(MINUTE_MS);
  assertEquals(stage.node.stats().ipv4.goodNodes, 2);
});

Deno.test("DhtNode finds in by others when all that were saved have gone", async () => {
  await using stage = new DhtStage({ bootstrap: [A] });
  const nodes = Array.from({ length: 200 }, (_, i) => {
    const endpoint = testEndpoint(i + 100);
    return { id: stage.id(endpoint), endpoint };
  });
  const nothing = { id: undefined, nodes: [] };
  const saved = { 4: { id: undefined, nodes }, 6: nothing };
  stage.node.loadNodes(encodeSavedNodes(saved));
  const others = Array.from({ length: 8 }, (_, i) => {
    const endpoint = testEndpoint(i + 10);
    return { id: stage.id(endpoint), endpoint };
  });
  const alive = new Set([A, ...others.map(({ endpoint }) => endpoint)]
    .map(({ hostname }) => hostname));
  stage.script = (_query, { to }) =>
    alive.has(to.hostname) ? { nodes: others } : undefined;
  stage.start();
  const start = stage.clock.now();
  assert((await search(stage)).answers >= 8);
  // It did not wait for the dead.
  assert(stage.clock.now() - start < 10_000);
});

Deno.test("DhtNode keeps its nodes fresh, and lets go of those who have gone", async () => {
  await using stage = new DhtStage({
    bootstrap: Array.from({ length: 6 }, (_, i) => testEndpoint(i + 1)),
  });
  stage.script = () => ({});
  stage.start();
  await stage.clock.advance(6 * 60 * MINUTE_MS);
  assertEquals(stage.node.stats().ipv4.goodNodes, 6);
  // Six hours, every quarter of an hour a few questions: that is no burden.
  assert(stage.sent.length < 6 * 4 * 6 * 4, `${stage.sent.length}`);
  stage.script = (_query, { to }) =>
    to.hostname === A.hostname ? {} : undefined;
  await stage.clock.advance(60 * MINUTE_MS);
  assertEquals(stage.node.stats().ipv4.goodNodes, 1);
});

Deno.test("DhtNode uses both networks, each with its own nodes (BEP 32)", async () => {
  const six = { hostname: "2001:db8::1", port: 6881 };
  await using stage = new DhtStage({ bootstrap: [A, six] });
  stage.script = ({ method }, { to }) =>
    method === "get_peers"
      ? { values: [{ ...to, port: 9 }], token: TOKEN }
      : {};
  stage.start();
  const found = await search(stage, { announcePort: 1 });
  assertEquals(found.peers.sort(), [`${A.hostname}:9`, "[2001:db8::1]:9"]);
  assertEquals([found.answers, found.announcedTo], [2, 2]);
  const { ipv4, ipv6 } = stage.node.stats();
  assertEquals([ipv4.nodes, ipv6.nodes], [1, 1]);
});

Deno.test("DhtNode.run() ends at once, whatever is going on", async () => {
  const stage = new DhtStage({ bootstrap: [A, B] });
  stage.start();
  stage.node.addNode(C);
  await stage.clock.advance(1500);
  await stage[Symbol.asyncDispose]();
  stage.query({ method: "ping" }, { from: A });
  stage.news();
  await stage.clock.advance(MINUTE_MS);
  assertEquals(stage.news(), []);
});
