import { assert, assertEquals } from "@std/assert";
import { encodeBencode } from "../../src/bytes/bencode.ts";
import {
  decodeSavedNodes,
  encodeSavedNodes,
} from "../../src/dht/saved_nodes.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";

const NOTHING = { id: undefined, nodes: [] };

function nodes(count: number, hostname: (i: number) => string) {
  const random = seededRandom(1);
  return Array.from({ length: count }, (_, i) => ({
    id: randomBytes(20, random),
    endpoint: { hostname: hostname(i), port: i + 1 },
  }));
}

const SAVED = {
  4: { id: new Uint8Array(20).fill(4), nodes: nodes(3, (i) => `8.8.8.${i}`) },
  6: {
    id: new Uint8Array(20).fill(6),
    nodes: nodes(2, (i) => `2001:db8::${i + 1}`),
  },
};

Deno.test("decodeSavedNodes() reads what encodeSavedNodes() wrote", () => {
  const bytes = encodeSavedNodes(SAVED);
  const read = decodeSavedNodes(bytes);
  bytes.fill(0);
  assertEquals<unknown>(read, SAVED);
});

Deno.test("encodeSavedNodes() keeps 200 of each family", () => {
  const many = nodes(1000, (i) => `8.8.${i >> 8}.${i & 255}`);
  const saved = { 4: { ...SAVED[4], nodes: many }, 6: SAVED[6] };
  const read = decodeSavedNodes(encodeSavedNodes(saved));
  assertEquals(read[4].nodes, many.slice(0, 200));
});

Deno.test("decodeSavedNodes() takes from a broken file what is whole, or nothing", async (t) => {
  const whole = encodeSavedNodes(SAVED);
  const rows: [name: string, bytes: Uint8Array][] = [
    ["an empty file", new Uint8Array()],
    ["garbage", randomBytes(1000, seededRandom(2))],
    ["a list", encodeBencode([1])],
    ["an empty dictionary", encodeBencode({})],
    ["wrong types", encodeBencode({ id: 1, id6: [], nodes: 5, nodes6: {} })],
    ["a short id", encodeBencode({ id: "x", nodes: "y" })],
    ["a huge file", encodeBencode({ nodes: new Uint8Array(26 * 3000) })],
    ["too deep", new TextEncoder().encode("l".repeat(60_000))],
  ];
  for (const [name, bytes] of rows) {
    await t.step(name, () => {
      assertEquals(decodeSavedNodes(bytes), { 4: NOTHING, 6: NOTHING });
    });
  }
  await t.step("cut off anywhere", () => {
    for (let length = 0; length < whole.length; length++) {
      const read = decodeSavedNodes(whole.subarray(0, length));
      assertEquals(read, { 4: NOTHING, 6: NOTHING });
    }
  });
  await t.step("with any byte changed", () => {
    for (let i = 0; i < whole.length; i++) {
      const changed = whole.slice();
      changed[i] = changed[i]! ^ 0x11;
      const read = decodeSavedNodes(changed);
      assert(read[4].nodes.length <= 3 && read[6].nodes.length <= 2);
    }
  });
});
