/**
 * Whatever bytes arrive, the decoders of UDP trackers return what is well
 * formed and bounded, or throw `ProtocolError`, and nothing else; and a client
 * that waits for an answer still takes the right one after any of them.
 */

import { assert, assertEquals } from "@std/assert";
import { endpointOf } from "../../src/bytes/endpoint.ts";
import { ProtocolError } from "../../src/errors.ts";
import {
  ACTION,
  decodeAnnounce,
  decodeConnect,
  decodeError,
  decodeHead,
  decodeScrape,
  encodeScrape,
} from "../../src/tracker/udp_packet.ts";
import {
  decodeRequest,
  encodeResponse,
} from "../../src/tracker/udp_server_packet.ts";
import { UdpTrackerClient } from "../../src/tracker/udp_tracker_client.ts";
import { FakePackets } from "../support/fake_packets.ts";
import { FakeClock, settled } from "../support/fake_tracker.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";
import { decodeHex } from "@std/encoding/hex";
import vectors from "../../testdata/udp_tracker_vectors.json" with {
  type: "json",
};

const SEED = 1;
const ROUNDS = 100_000;

const PACKETS = [
  vectors.connectRequest,
  vectors.connectReply.hex,
  vectors.announceRequest.hex,
  vectors.announceRequest.hex + vectors.urlData[1]!.options,
  ...vectors.announceReplies.map(({ hex }) => hex),
  vectors.scrapeReply.hex,
  vectors.errorReply.hex,
  ...Object.values(vectors.ignored.connect),
  ...Object.values(vectors.ignored.announce),
].map((hex) => decodeHex(hex));

type Draw = (limit: number) => number;

function mutate(bytes: Uint8Array, draw: Draw): Uint8Array {
  const at = draw(bytes.length + 1);
  switch (draw(4)) {
    case 0: {
      const changed = bytes.slice();
      if (changed.length > 0) changed[draw(changed.length)] = draw(256);
      return changed;
    }
    case 1:
      return bytes.slice(0, at);
    case 2:
      return bytes.slice(at);
    default: {
      const other = PACKETS[draw(PACKETS.length)]!;
      const joined = new Uint8Array(at + other.length);
      joined.set(bytes.subarray(0, at));
      joined.set(other, at);
      return joined;
    }
  }
}

function drawPacket(round: number, draw: Draw, random: () => number) {
  let packet = round % 10 === 0
    ? randomBytes(draw(200), random)
    : PACKETS[draw(PACKETS.length)]!;
  for (let i = draw(4); i > 0; i--) packet = mutate(packet, draw);
  return packet;
}

/** Runs what may throw for a packet that is none. */
function survive(read: () => void): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
  }
}

function checkPacket(packet: Uint8Array, draw: Draw): void {
  const head = decodeHead(packet);
  assert(head === undefined || head.action <= 3);
  survive(() => decodeConnect(packet));
  for (const family of [4, 6] as const) {
    survive(() => {
      const answer = decodeAnnounce(packet, family);
      assert(answer.peers.length <= 1000);
      for (const { endpoint: { hostname, port } } of answer.peers) {
        assertEquals(endpointOf(hostname, port), { hostname, port });
      }
    });
  }
  const count = draw(5);
  survive(() => assertEquals(decodeScrape(packet, count).length, count));
  if (packet.length >= 8) decodeError(packet);
  survive(() => {
    const request = decodeRequest(packet);
    if (request.type === "announce") {
      assertEquals(request.infoHash.length, 20);
      assert(request.wanted >= 0);
    }
  });
}

Deno.test("the decoders of UDP trackers survive any packet", () => {
  const random = seededRandom(SEED);
  const draw: Draw = (limit) => Math.floor(random() * limit);
  for (let round = 0; round < ROUNDS; round++) {
    const packet = drawPacket(round, draw, random);
    try {
      checkPacket(packet, draw);
    } catch (error) {
      throw new Error(`Seed ${SEED}, round ${round}: ${[...packet]}`, {
        cause: error,
      });
    }
  }
});

Deno.test("UdpTrackerClient.ask() survives any packet", async () => {
  const random = seededRandom(SEED);
  const draw: Draw = (limit) => Math.floor(random() * limit);
  const clock = new FakeClock();
  const packets = new FakePackets();
  using client = new UdpTrackerClient({ socket: () => packets, clock });
  const tracker = { hostname: "192.0.2.1", port: 80 };
  const asking = client.ask([tracker], {
    action: ACTION.scrape,
    minLength: 8,
    encode: (connection, transaction) =>
      encodeScrape([], { connection, transaction }),
    signal: new AbortController().signal,
  });
  await settled();
  const disturb = () => {
    const { transaction } = packets.sent.at(-1)!.request;
    for (let round = 0; round < ROUNDS / 10; round++) {
      const packet = drawPacket(round, draw, random);
      // Nobody who does not see our packets can know it.
      if (decodeHead(packet)?.transaction === transaction) continue;
      packets.deliver(
        packet,
        draw(2) === 0 ? tracker : { ...tracker, port: 1 },
      );
    }
  };
  const answer = async (type: "connect" | "scrape") => {
    const { transaction } = packets.sent.at(-1)!.request;
    const response = { type, transaction, connection: 1n, counts: [] };
    packets.deliver(encodeResponse(response), tracker);
    await settled();
  };
  disturb();
  assertEquals(packets.sent.length, 1);
  await answer("connect");
  disturb();
  assertEquals(packets.sent.length, 2);
  await answer("scrape");
  assertEquals((await asking).length, 8);
  assertEquals(clock.waiting, 0);
});
