import { assert, assertEquals } from "@std/assert";
import { Lookup, type LookupNode } from "../../src/dht/lookup.ts";
import type { NodeContact } from "../../src/dht/node_contact.ts";
import {
  compareDistance,
  createNodeId,
  idFitsAddress,
} from "../../src/dht/node_id.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";

const TARGET = new Uint8Array(20);
const TOKEN = Uint8Array.of(1);

/** A node whose id begins with a byte, at an address that may have any id. */
function local(first: number, host = first): NodeContact {
  const id = new Uint8Array(20);
  id[0] = first;
  id[19] = host;
  return { id, endpoint: { hostname: `127.0.0.${host}`, port: 1 } };
}

/** The first bytes of ids. */
function names(nodes: readonly NodeContact[]): string {
  return nodes.map(({ id }) => id[0]).join(" ");
}

Deno.test("Lookup asks the nearest, three at a time", () => {
  const lookup = new Lookup(TARGET);
  lookup.add([9, 3, 7, 1, 5].map((first) => local(first)));
  const asked = lookup.next();
  assertEquals(names(asked), "1 3 5");
  assertEquals(names(lookup.next()), "");
  const [one, three] = asked as [LookupNode, LookupNode];
  lookup.answered(one, { id: one.id, nodes: [local(2), local(8)] });
  assertEquals(names(lookup.next()), "2");
  // Who takes long keeps nobody waiting.
  lookup.slow(three);
  assertEquals(names(lookup.next()), "7");
  lookup.failed(three);
  assertEquals(names(lookup.next()), "");
  assertEquals([lookup.isDone, lookup.questions, lookup.answers], [
    false,
    5,
    1,
  ]);
});

Deno.test("Lookup ends when the 8 nearest have answered", () => {
  const lookup = new Lookup(TARGET);
  lookup.add(Array.from({ length: 20 }, (_, i) => local(i + 1)));
  const asked: string[] = [];
  while (!lookup.isDone) {
    const nodes = lookup.next();
    asked.push(names(nodes));
    for (const node of nodes) {
      lookup.answered(node, { id: node.id, nodes: [], token: TOKEN });
    }
  }
  assertEquals(asked, ["1 2 3", "4 5 6", "7 8"]);
  assertEquals(names(lookup.closest()), "1 2 3 4 5 6 7 8");
  assert(lookup.closest().every(({ token }) => token === TOKEN));
});

Deno.test("Lookup looks farther where the nearest are gone", () => {
  const lookup = new Lookup(TARGET);
  lookup.add(Array.from({ length: 40 }, (_, i) => local(i + 1)));
  while (!lookup.isDone) {
    for (const node of lookup.next()) {
      if (node.id[0]! <= 4) lookup.failed(node);
      else lookup.answered(node, { id: node.id, nodes: [] });
    }
  }
  assertEquals(lookup.questions, 4 + 12);
  assertEquals(names(lookup.closest()), "5 6 7 8 9 10 11 12");
});

Deno.test("Lookup without nodes is over", () => {
  const lookup = new Lookup(TARGET);
  assertEquals(lookup.next(), []);
  assert(lookup.isDone);
  assertEquals(lookup.closest(), []);
});

Deno.test("Lookup asks nobody twice, and not ourselves", () => {
  const ownId = local(4).id;
  const lookup = new Lookup(TARGET, { ownId });
  lookup.add([local(1), local(1), local(4)]);
  const [node] = lookup.next();
  // A node that names itself, us, and one that has not answered.
  const all = [local(1), local(4), local(2)];
  lookup.answered(node!, { id: node!.id, nodes: all });
  const [other] = lookup.next();
  assertEquals(names([other!]), "2");
  lookup.failed(other!);
  assert(lookup.isDone);
  assertEquals(names(lookup.closest()), "1");
});

Deno.test("Lookup is bounded, however long the chain that it is led along", async (t) => {
  const random = seededRandom(1);
  for (const isFitting of [false, true]) {
    await t.step(`of ids that ${isFitting ? "fit" : "do not fit"}`, () => {
      const lookup = new Lookup(TARGET);
      let count = 0;
      /** Each nearer than all before. */
      const invent = (): NodeContact => {
        const hostname = isFitting
          ? `127.${count >> 16}.${count >> 8 & 255}.${count & 255}`
          : `8.${count >> 8}.${count & 255}.1`;
        const id = new Uint8Array(20).fill(255);
        new DataView(id.buffer).setUint32(0, 0x7fffffff - count++);
        return { id, endpoint: { hostname, port: 1 } };
      };
      lookup.add([invent()]);
      let steps = 0;
      while (!lookup.isDone && steps++ < 10_000) {
        for (const node of lookup.next()) {
          const nodes = Array.from({ length: 50 }, invent);
          if (random() < 0.5) lookup.failed(node);
          else lookup.answered(node, { id: node.id, nodes });
        }
      }
      assert(lookup.isDone);
      assert(lookup.questions <= 160, `${lookup.questions}`);
      assert(lookup.closest().length <= 16);
    });
  }
});

Deno.test("Lookup takes one node of a network, and the next when that one is gone", () => {
  const at = (first: number, hostname: string): NodeContact => ({
    ...local(first),
    endpoint: { hostname, port: first },
  });
  const lookup = new Lookup(TARGET);
  lookup.add([at(1, "8.8.8.1"), at(2, "8.8.8.2"), at(3, "8.8.9.1")]);
  const [one, three] = lookup.next();
  assertEquals(names([one!, three!]), "1 3");
  lookup.answered(three!, { id: three!.id, nodes: [at(4, "8.8.8.4")] });
  assertEquals(names(lookup.next()), "");
  lookup.failed(one!);
  assertEquals(names(lookup.next()), "2");
});

Deno.test("Lookup believes of a node's id what the node says", () => {
  const lookup = new Lookup(TARGET);
  lookup.add([local(1, 50), local(2), local(3)]);
  const [liar] = lookup.next();
  lookup.answered(liar!, { id: local(200, 50).id, nodes: [] });
  for (const node of lookup.next()) {
    lookup.answered(node, { id: node.id, nodes: [] });
  }
  lookup.answered(local(2) as LookupNode, { id: local(2).id, nodes: [] });
  lookup.answered(local(3) as LookupNode, { id: local(3).id, nodes: [] });
  assertEquals(names(lookup.closest()), "2 3 200");
});

Deno.test("Lookup finds a node though others say that it is far away", () => {
  const lookup = new Lookup(TARGET);
  const node = local(1);
  const misplaced = { ...node, id: local(255).id };
  lookup.add([
    ...Array.from({ length: 9 }, (_, i) => local(i + 10)),
    misplaced,
  ]);
  const [honest] = lookup.next();
  lookup.answered(honest!, { id: honest!.id, nodes: [node] });
  assertEquals(names(lookup.next()), "1");
});

Deno.test("Lookup: nodes that break BEP 42 lead nobody away from those that keep it", () => {
  const random = seededRandom(2);
  const target = randomBytes(20, random);
  /** Honest nodes, of which each names its neighbours. */
  const honest = Array.from({ length: 200 }, (_, i): NodeContact => {
    const hostname = `198.18.${i}.1`;
    const id = createNodeId(randomBytes(20, random), hostname);
    return { id, endpoint: { hostname, port: 1 } };
  }).sort((a, b) => compareDistance(target, { a: a.id, b: b.id }));
  const hostile = Array.from({ length: 200 }, (_, i): NodeContact => {
    const id = target.slice();
    id[19] = id[19]! ^ i;
    return { id, endpoint: { hostname: `198.19.${i}.1`, port: 1 } };
  });
  const lookup = new Lookup(target);
  lookup.add([...honest.slice(-3), ...hostile.slice(0, 5)]);
  while (!lookup.isDone) {
    for (const node of lookup.next()) {
      const at = honest.findIndex(({ endpoint }) => endpoint === node.endpoint);
      // Even the honest have heard of the hostile.
      const nodes = at < 0
        ? hostile.slice(0, 16)
        : [...honest.slice(Math.max(0, at - 30)).slice(0, 8), ...hostile];
      lookup.answered(node, { id: node.id, nodes, token: TOKEN });
    }
  }
  const closest = lookup.closest();
  const found = closest
    .filter(({ id, endpoint }) => idFitsAddress(id, endpoint.hostname));
  assertEquals(
    found.map(({ endpoint }) => endpoint.hostname),
    honest.slice(0, 8).map(({ endpoint }) => endpoint.hostname),
  );
  assertEquals(closest.length, 16);
});
