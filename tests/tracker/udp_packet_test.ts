import { assertEquals, assertThrows } from "@std/assert";
import { formatEndpoint } from "../../src/bytes/endpoint.ts";
import { ProtocolError } from "../../src/errors.ts";
import type { AnnounceEvent } from "../../src/tracker/tracker.ts";
import {
  decodeAnnounce,
  decodeConnect,
  decodeError,
  decodeHead,
  decodeScrape,
  encodeAnnounce,
  encodeConnect,
  encodeScrape,
  MAX_SCRAPED,
} from "../../src/tracker/udp_packet.ts";
import { decodeHex, encodeHex } from "@std/encoding/hex";
import vectors from "../../testdata/udp_tracker_vectors.json" with {
  type: "json",
};

const { transaction } = vectors;

function request() {
  const { infoHash, peerId, event, ...rest } = vectors.announceRequest;
  return {
    ...rest,
    infoHash: decodeHex(infoHash),
    peerId: decodeHex(peerId),
    event: event as AnnounceEvent,
  };
}

function announce(urlData = "", change = {}): string {
  const connection = BigInt(`0x${vectors.announceRequest.connection}`);
  const options = { connection, transaction, urlData };
  return encodeHex(encodeAnnounce({ ...request(), ...change }, options));
}

Deno.test("encodeConnect() asks for a connection", () => {
  assertEquals(encodeHex(encodeConnect(transaction)), vectors.connectRequest);
  assertEquals(
    encodeHex(encodeConnect(0xffffffff)),
    "000004172710198000000000ffffffff",
  );
});

Deno.test("encodeAnnounce() says everything", async (t) => {
  assertEquals(announce(), vectors.announceRequest.hex);
  const field = (at: number, change: object) =>
    announce("", change).slice(at * 2, at * 2 + 8);
  const events: [AnnounceEvent | undefined, string][] = [
    [undefined, "00000000"],
    ["completed", "00000001"],
    ["started", "00000002"],
    ["stopped", "00000003"],
  ];
  for (const [event, hex] of events) {
    await t.step(`${event}`, () => assertEquals(field(80, { event }), hex));
  }
  await t.step("no peers wanted", () => {
    assertEquals(field(92, { numWant: 0 }), "00000000");
  });
  await t.step("the highest port and key", () => {
    assertEquals(announce("", { port: 65535 }).slice(-4), "ffff");
    assertEquals(field(88, { key: "ffffffff" }), "ffffffff");
  });
});

Deno.test("encodeAnnounce() carries path and query of the URL (BEP 41)", async (t) => {
  for (const { urlData, options } of vectors.urlData) {
    await t.step(JSON.stringify(urlData), () => {
      assertEquals(announce(urlData), vectors.announceRequest.hex + options);
    });
  }
  await t.step("a long one in several options", () => {
    const packet = announce(`/${"a".repeat(299)}`);
    const options = packet.slice(98 * 2);
    assertEquals(options.slice(0, 6), "02ff2f");
    assertEquals(options.slice(257 * 2, 257 * 2 + 6), "022d61");
    assertEquals(options.length, (300 + 2 * 2) * 2);
  });
  await t.step("a very long one cut off", () => {
    assertEquals(announce("x".repeat(100_000)).length / 2, 98 + 2048 + 9 * 2);
  });
});

Deno.test("encodeScrape() asks about several torrents", () => {
  const hashes = [new Uint8Array(20).fill(1), new Uint8Array(20).fill(2)];
  const packet = encodeScrape(hashes, {
    connection: 0x0102030405060708n,
    transaction,
  });
  assertEquals(
    encodeHex(packet),
    `0102030405060708000000023b9aca09${"01".repeat(20)}${"02".repeat(20)}`,
  );
  assertEquals(MAX_SCRAPED, 74);
});

Deno.test("decodeHead() reads what all answers begin with", () => {
  const head = (hex: string) => decodeHead(decodeHex(hex));
  assertEquals(head(vectors.errorReply.hex), { action: 3, transaction });
  assertEquals(head("00000000ffffffff"), {
    action: 0,
    transaction: 0xffffffff,
  });
  assertEquals(head(""), undefined);
  assertEquals(head("00000000ffffff"), undefined);
  // What DHT nodes and uTP peers send is for others.
  assertEquals(head("64313a6164323a6964"), undefined);
  assertEquals(head("2100000000000000"), undefined);
  assertEquals(head("00000004ffffffff"), undefined);
});

Deno.test("decodeConnect() reads a connection", () => {
  const { hex, connection } = vectors.connectReply;
  assertEquals(decodeConnect(decodeHex(hex)), BigInt(`0x${connection}`));
  // BEP 15: "do not expect packets to be exactly of a certain size".
  assertEquals(
    decodeConnect(decodeHex(`${hex}0000`)),
    BigInt(`0x${connection}`),
  );
  assertThrows(() => decodeConnect(decodeHex(hex.slice(2))), ProtocolError);
});

Deno.test("decodeAnnounce() reads peers of both families", async (t) => {
  for (const reply of vectors.announceReplies) {
    await t.step(reply.hex, () => {
      const family = reply.family === 4 ? 4 : 6;
      const { peers, ...found } = decodeAnnounce(decodeHex(reply.hex), family);
      assertEquals(found, {
        interval: reply.interval,
        leechers: reply.leechers,
        seeders: reply.seeders,
      });
      const endpoints = peers.map(({ endpoint }) => formatEndpoint(endpoint));
      assertEquals(endpoints, reply.peers);
    });
  }

  await t.step("not more than a thousand", () => {
    const packet = new Uint8Array(20 + 6 * 5000).fill(1);
    assertEquals(decodeAnnounce(packet, 4).peers.length, 1000);
  });

  await t.step("none that nobody can be", () => {
    const head = vectors.announceReplies[0]!.hex.slice(0, 40);
    const bad = [
      "000000001b4e",
      "c0a800010000",
      "ffffffff1b4e",
      "e00000011b4e",
    ];
    const packet = decodeHex(head + bad.join(""));
    assertEquals(decodeAnnounce(packet, 4).peers, []);
  });

  await t.step("and nothing from what is too short", () => {
    assertThrows(() => decodeAnnounce(new Uint8Array(19), 4), ProtocolError);
  });
});

Deno.test("decodeScrape() reads the counts in the order of the question", () => {
  const { hex, counts } = vectors.scrapeReply;
  assertEquals(decodeScrape(decodeHex(hex), 2), counts);
  assertEquals(decodeScrape(decodeHex(hex), 1), counts.slice(0, 1));
  assertThrows(() => decodeScrape(decodeHex(hex), 3), ProtocolError);
});

Deno.test("decodeError() reads the message", () => {
  const { hex, message } = vectors.errorReply;
  assertEquals(decodeError(decodeHex(hex)), message);
  assertEquals(decodeError(decodeHex(hex.slice(0, 16))), "");
  assertEquals(decodeError(decodeHex(`${hex.slice(0, 16)}41ff42`)), "A\ufffdB");
});
