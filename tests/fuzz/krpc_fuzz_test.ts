/**
 * Whatever packets arrive, `decodeMessage()` returns messages whose nodes and
 * peers can be reached and are bounded, or throws `ProtocolError`, and nothing
 * else; and a node that gets them all answers the next one as ever.
 */

import { assert, assertEquals } from "@std/assert";
import { endpointOf } from "../../src/bytes/endpoint.ts";
import { encodeAnswer, encodeQuery } from "../../src/dht/krpc.ts";
import { decodeMessage } from "../../src/dht/krpc_decoder.ts";
import type { NodeContact } from "../../src/dht/node_contact.ts";
import { ProtocolError } from "../../src/errors.ts";
import { DhtStage } from "../support/dht_stage.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";
import { testEndpoint } from "../support/simulated_dht.ts";
import { decodeHex } from "@std/encoding/hex";
import vectors from "../../testdata/dht_vectors.json" with { type: "json" };

const SEED = 1;
const ROUNDS = 100_000;

/** How many of them a node gets; it answers each that it can. */
const PACKETS = 20_000;

const ID = new Uint8Array(20).fill(1);
const ASKER = { hostname: "198.51.100.1", port: 1 };

/** What is mutated: what others write, and what we do. */
const MESSAGES = [
  ...vectors.messages.map(({ hex }) => decodeHex(hex)),
  ...vectors.garbage.map((hex) => decodeHex(hex)),
  encodeQuery({
    ...{ method: "announce_peer", infoHash: ID, port: 1, isSeed: true },
    token: ID,
  }, { transaction: ID.slice(0, 4), id: ID, isReadOnly: true }),
  encodeQuery({
    ...{ method: "get_peers", infoHash: ID, want: [4, 6], scrape: true },
  }, { transaction: ID.slice(0, 4), id: ID, isReadOnly: false }),
  encodeAnswer({
    type: "response",
    transaction: ID.slice(0, 4),
    id: ID,
    values: {
      nodes: [{ id: ID, endpoint: ASKER }],
      nodes6: [{ id: ID, endpoint: { hostname: "2001:db8::1", port: 2 } }],
      values: [ASKER, ASKER],
      token: ID,
      seeds: new Uint8Array(256),
      downloaders: new Uint8Array(256),
    },
  }, ASKER),
];

/** What stands in KRPC, to be put where it does not belong. */
const TOKENS = [
  ...["d", "l", "e", "i", ":", "-", "0", "9", "i0e", "le", "de", "1:t", "1:y"],
  ...["1:q", "1:r", "1:e", "1:a", "2:id", "5:nodes", "6:nodes6", "6:values"],
  ...["4:want", "2:ip", "2:ro", "4:BFsd", "4:port", "5:token", "20:"],
].map((text) => new TextEncoder().encode(text));

type Draw = (limit: number) => number;

function mutate(bytes: Uint8Array, draw: Draw): Uint8Array {
  const at = draw(bytes.length + 1);
  const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)];
  switch (draw(6)) {
    case 0: {
      const changed = bytes.slice();
      if (changed.length > 0) changed[draw(changed.length)] = draw(256);
      return changed;
    }
    case 1:
      return head;
    case 2:
      return joined(head, tail.subarray(draw(8)));
    case 3:
      return joined(head, TOKENS[draw(TOKENS.length)]!, tail);
    case 4:
      return joined(head, bytes.subarray(draw(bytes.length + 1)));
    default: {
      const other = MESSAGES[draw(MESSAGES.length)]!;
      return joined(head, other.subarray(draw(other.length)));
    }
  }
}

function joined(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function* packets(count: number): Generator<Uint8Array> {
  const random = seededRandom(SEED);
  const draw: Draw = (limit) => Math.floor(random() * limit);
  for (let round = 0; round < count; round++) {
    let packet = round % 10 === 0
      ? randomBytes(draw(100), random)
      : MESSAGES[draw(MESSAGES.length)]!;
    // The first few are as they should be.
    const changes = draw(4);
    for (let i = 0; i < changes; i++) packet = mutate(packet, draw);
    yield packet;
  }
}

function checkNodes(nodes: readonly NodeContact[] | undefined): void {
  if (!nodes) return;
  assert(nodes.length <= 16);
  for (const { id, endpoint } of nodes) {
    assertEquals(id.length, 20);
    assertEquals(endpointOf(endpoint.hostname, endpoint.port), endpoint);
  }
}

/** Whether it is a message; fails if it is one that should not be. */
function check(packet: Uint8Array): boolean {
  try {
    const message = decodeMessage(packet);
    assert(message.transaction.length <= 32);
    if (message.type === "query" || message.type === "response") {
      assertEquals(message.id.length, 20);
    }
    if (message.type !== "response") return true;
    const { nodes, nodes6, values, seeds } = message.values;
    checkNodes(nodes);
    checkNodes(nodes6);
    assert((values?.length ?? 0) <= 150);
    for (const peer of values ?? []) {
      assertEquals(endpointOf(peer.hostname, peer.port), peer);
    }
    assert(seeds === undefined || seeds.length === 256);
    return true;
  } catch (error) {
    if (error instanceof ProtocolError) return false;
    throw error;
  }
}

Deno.test("decodeMessage() survives any packet", () => {
  let [round, messages] = [0, 0];
  for (const packet of packets(ROUNDS)) {
    try {
      messages += Number(check(packet));
    } catch (error) {
      throw new Error(`Seed ${SEED}, round ${round}: ${[...packet]}`, {
        cause: error,
      });
    }
    round++;
  }
  // Not all of it is thrown away at the door.
  assert(messages > ROUNDS / 10, `${messages}`);
});

Deno.test("DhtNode survives any packet", async () => {
  await using stage = new DhtStage({ bootstrap: [testEndpoint(1)] });
  stage.script = () => ({});
  stage.start();
  await stage.clock.advance(1000);
  let round = 0;
  for (const packet of packets(PACKETS)) {
    stage.deliver(packet, testEndpoint(round++ % 400));
    if (round % 500 === 0) await stage.clock.advance(10_000);
  }
  await stage.clock.advance(60_000);
  stage.news();
  const from = testEndpoint(450);
  stage.query({ method: "ping" }, { from });
  await stage.clock.advance(1000);
  assertEquals(stage.news()[0], `response ${from.hostname}:${from.port}`);
});
