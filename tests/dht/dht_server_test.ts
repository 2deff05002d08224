import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import type { Endpoint } from "../../src/bytes/endpoint.ts";
import { DhtNetwork } from "../../src/dht/dht_network.ts";
import { DhtServer } from "../../src/dht/dht_server.ts";
import { encodeQuery, type KrpcQuery } from "../../src/dht/krpc.ts";
import { decodeMessage } from "../../src/dht/krpc_decoder.ts";
import { createNodeId } from "../../src/dht/node_id.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";

const MINUTE_MS = 60_000;
const ASKER = { hostname: "198.51.100.7", port: 4000 };
const ASKER6 = { hostname: "2001:db8::7", port: 4000 };
const HASH = new Uint8Array(20).fill(0x5a);
const TRANSACTION = Uint8Array.of(1, 2, 3, 4);

/** A server that knows many nodes. */
class Stage {
  readonly random = seededRandom(1);
  readonly #bytes = (length: number) => randomBytes(length, this.random);
  readonly networks = {
    4: new DhtNetwork({ family: 4, randomBytes: this.#bytes, now: 0 }),
    6: new DhtNetwork({ family: 6, randomBytes: this.#bytes, now: 0 }),
  } as const;
  readonly server = new DhtServer({
    networks: this.networks,
    random: this.random,
    randomBytes: this.#bytes,
  });
  now = 0;
  /** How many bytes came in, and went out. */
  in = 0;
  out = 0;

  constructor() {
    for (let i = 0; i < 200; i++) {
      this.know(`20.${i}.0.1`);
      this.know(`2001:db8:${i.toString(16)}::1`);
    }
  }

  know(hostname: string): void {
    const family = hostname.includes(":") ? 6 : 4;
    const id = createNodeId(this.#bytes(20), hostname);
    const contact = { id, endpoint: { hostname, port: 6881 } };
    this.networks[family].table.replied(contact, this.now);
  }

  /** Asks over the wire, and reads the answer. */
  ask(query: KrpcQuery, from: Endpoint = ASKER) {
    const id = new Uint8Array(20).fill(7);
    const said = { transaction: TRANSACTION, id, isReadOnly: false };
    const packet = encodeQuery(query, said);
    const request = decodeMessage(packet);
    assert(request.type === "query");
    this.in += packet.length;
    const { now } = this;
    const answer = this.server.answer(request, { from, now });
    if (!answer) return undefined;
    this.out += answer.length;
    assertLessOrEqual(answer.length, 1024);
    const message = decodeMessage(answer);
    assertEquals(message.transaction, TRANSACTION);
    return message;
  }

  /** Asks for what must be answered. */
  returned(query: KrpcQuery, from: Endpoint = ASKER) {
    const message = this.ask(query, from);
    assert(message?.type === "response", `${message?.type}`);
    assertEquals(message.address, from.hostname);
    return message.values;
  }

  getPeers(from: Endpoint = ASKER, more: { scrape?: boolean } = {}) {
    const query = { method: "get_peers", infoHash: HASH, ...more } as const;
    return this.returned(query, from);
  }

  announce(token: Uint8Array, from: Endpoint = ASKER, port?: number) {
    const isSeed = false;
    const { type } = this.ask({
      ...{ method: "announce_peer", infoHash: HASH, port, token, isSeed },
    }, from)!;
    return type;
  }
}

Deno.test("DhtServer answers ping with the id of that network", () => {
  const stage = new Stage();
  for (const [from, family] of [[ASKER, 4], [ASKER6, 6]] as const) {
    const message = stage.ask({ method: "ping" }, from);
    assert(message?.type === "response");
    assertEquals(message.id, stage.networks[family].table.id);
    assertEquals(message.address, from.hostname);
  }
});

Deno.test("DhtServer names the 8 nearest nodes of the families that are wanted", async (t) => {
  const stage = new Stage();
  const rows: [Endpoint, (4 | 6)[] | undefined, number, number][] = [
    [ASKER, undefined, 8, 0],
    [ASKER6, undefined, 0, 8],
    [ASKER, [4, 6], 8, 8],
    [ASKER, [6], 0, 8],
    [ASKER6, [4], 8, 0],
    [ASKER, [], 0, 0],
  ];
  for (const [from, want, nodes, nodes6] of rows) {
    await t.step(`${from.hostname} wants ${want}`, () => {
      const found = stage.returned(
        { method: "find_node", target: HASH, want },
        from,
      );
      assertEquals(found.nodes?.length ?? 0, nodes);
      assertEquals(found.nodes6?.length ?? 0, nodes6);
    });
  }
  const { table } = stage.networks[4];
  const named = stage.returned({ method: "find_node", target: HASH }).nodes!;
  assertEquals(
    named.map(({ endpoint }) => endpoint),
    table.closest(HASH, { now: 0 }).map(({ endpoint }) => endpoint),
  );
});

Deno.test("DhtServer names nobody to himself, nor neighbours to those outside", () => {
  const stage = new Stage();
  stage.know("192.168.0.9");
  const named = (from: Endpoint) =>
    stage.returned({ method: "find_node", target: HASH }, from).nodes!
      .map(({ endpoint }) => endpoint.hostname);
  const all = Array.from({ length: 40 }, (_, i) =>
    stage.returned({
      method: "find_node",
      target: randomBytes(20, stage.random),
    }, { hostname: `198.51.100.${i + 1}`, port: 1 }).nodes!).flat();
  assert(all.every(({ endpoint }) => endpoint.hostname !== "192.168.0.9"));
  const [first] = named(ASKER);
  const others = named({ hostname: first!, port: 6881 });
  assertEquals(others.length, 8);
  assert(!others.includes(first!));
});

Deno.test("DhtServer keeps who announces, and tells it to those of its family", () => {
  const stage = new Stage();
  const { token, values } = stage.getPeers();
  assertEquals(values, undefined);
  assertEquals(stage.announce(token!, ASKER, 6881), "response");
  assertEquals(stage.getPeers().values, [{ ...ASKER, port: 6881 }]);
  assertEquals(stage.getPeers(ASKER6).values, undefined);
  // The port of the packet.
  assertEquals(stage.announce(token!), "response");
  assertEquals(stage.getPeers().values, [ASKER]);
  const six = stage.getPeers(ASKER6).token!;
  assertEquals(stage.announce(six, ASKER6, 1), "response");
  assertEquals(stage.getPeers(ASKER6).values, [{ ...ASKER6, port: 1 }]);
});

Deno.test("DhtServer refuses who has not asked before, and keeps nothing", async (t) => {
  const other = { hostname: "198.51.100.8", port: 4000 };
  const rows: [name: string, token: (stage: Stage) => Uint8Array][] = [
    ["a forged token", () => new Uint8Array(8)],
    ["the token of another address", (stage) => stage.getPeers(other).token!],
    ["an old token", (stage) => {
      const { token } = stage.getPeers();
      stage.now = 10 * MINUTE_MS;
      return token!;
    }],
    ["the token of another torrent", (stage) => {
      const infoHash = new Uint8Array(20);
      return stage.returned({ method: "get_peers", infoHash }).token!;
    }],
  ];
  for (const [name, tokenOf] of rows) {
    await t.step(name, () => {
      const stage = new Stage();
      const token = tokenOf(stage);
      const query = {
        method: "announce_peer",
        infoHash: HASH,
        port: 1,
        token,
      } as const;
      const message = stage.ask(query);
      assert(message?.type === "error");
      assertEquals([message.code, message.reason], [203, "bad token"]);
      assertEquals(stage.server.store.size, 0);
    });
  }
});

Deno.test("DhtServer tells what is wrong with a query", () => {
  const { server } = new Stage();
  const bad = { code: 203, reason: "missing 'target' key" };
  const request = {
    type: "bad_query",
    transaction: TRANSACTION,
    ...bad,
  } as const;
  const answer = server.answer(request, { from: ASKER, now: 0 });
  const address = ASKER.hostname;
  assertEquals(decodeMessage(answer!), {
    ...{ type: "error", transaction: TRANSACTION, ...bad, address },
  });
});

/** Lets many announce, each from an address of its own. */
function crowd(stage: Stage, count: number): void {
  for (let i = 0; i < count; i++) {
    stage.now += 100;
    for (
      const hostname of [`30.${i >> 8}.${i & 255}.1`, `2001:db9:${i + 1}::1`]
    ) {
      const from = { hostname, port: 1000 + i };
      stage.announce(stage.getPeers(from).token!, from);
    }
  }
  stage.now += MINUTE_MS;
}

Deno.test("DhtServer's answers are short: nobody is worth forging the address of", async (t) => {
  const stage = new Stage();
  crowd(stage, 200);
  const rows: [name: string, from: Endpoint, query: KrpcQuery][] = [
    ["ping", ASKER, { method: "ping" }],
    ["find_node", ASKER, { method: "find_node", target: HASH, want: [4, 6] }],
    ["get_peers", ASKER, { method: "get_peers", infoHash: HASH }],
    ["get_peers, both", ASKER, {
      ...{ method: "get_peers", infoHash: HASH, want: [4, 6] },
    }],
    ["get_peers, IPv6", ASKER6, { method: "get_peers", infoHash: HASH }],
    ["get_peers, IPv6, both", ASKER6, {
      ...{ method: "get_peers", infoHash: HASH, want: [4, 6] },
    }],
    ["scrape", ASKER, {
      ...{ method: "get_peers", infoHash: HASH, scrape: true, want: [4, 6] },
    }],
    ["scrape, IPv6", ASKER6, {
      ...{ method: "get_peers", infoHash: HASH, scrape: true, want: [4, 6] },
    }],
  ];
  for (const [name, from, query] of rows) {
    await t.step(name, () => {
      stage.in = stage.out = 0;
      assert(stage.ask(query, from));
      assertLessOrEqual(stage.out, 9 * stage.in);
    });
  }
});

Deno.test("DhtServer counts swarms (BEP 33)", () => {
  const stage = new Stage();
  assertEquals(stage.getPeers(ASKER, { scrape: true }).seeds, undefined);
  crowd(stage, 50);
  const { seeds, downloaders, values, token } = stage.getPeers(ASKER, {
    scrape: true,
  });
  assertEquals([seeds?.length, downloaders?.length], [256, 256]);
  assert(seeds!.every((byte) => byte === 0));
  assert(downloaders!.some((byte) => byte !== 0));
  assertEquals([values, token?.length], [undefined, 8]);
});

Deno.test("DhtServer answers a flood from one address with a trickle, others as ever", () => {
  const stage = new Stage();
  let answered = 0;
  for (let i = 0; i < 1000; i++) {
    stage.now += 2;
    answered += Number(stage.ask({ method: "ping" }) !== undefined);
  }
  assertEquals(answered, 50);
  assert(stage.ask({ method: "ping" }, { ...ASKER, hostname: "8.8.8.8" }));
  // So do 10,000 with forged addresses, all together.
  stage.out = 0;
  for (let i = 0; i < 10_000; i++) {
    const hostname = `40.${i >> 8}.${i & 255}.1`;
    stage.ask({ method: "get_peers", infoHash: HASH }, { hostname, port: 1 });
  }
  assertLessOrEqual(stage.out, 128 * 1024);
});

Deno.test("DhtServer answers nothing while nobody can reach us (BEP 43)", () => {
  const stage = new Stage();
  const { reachability } = stage.networks[4];
  for (let i = 0; i < 30; i++) {
    reachability.sent({ hostname: `20.${i}.0.1`, port: 1 }, 0);
  }
  stage.now = 10 * MINUTE_MS;
  assertEquals(stage.ask({ method: "ping" }), undefined);
  assert(stage.ask({ method: "ping" }, ASKER6));
});
