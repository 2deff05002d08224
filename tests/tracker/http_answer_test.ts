import { assert, assertEquals, assertThrows } from "@std/assert";
import { type BencodeInput, encodeBencode } from "../../src/bytes/bencode.ts";
import { formatEndpoint } from "../../src/bytes/endpoint.ts";
import { ProtocolError, TrackerError } from "../../src/errors.ts";
import {
  decodeAnnounceResponse,
  decodeScrapeResponse,
} from "../../src/tracker/http_answer.ts";
import type { AnnounceResponse } from "../../src/tracker/tracker.ts";
import { decodeHex } from "@std/encoding/hex";
import vectors from "../../testdata/tracker_vectors.json" with { type: "json" };

function decode(answer: BencodeInput | Uint8Array, status = 200) {
  const body = answer instanceof Uint8Array ? answer : encodeBencode(answer);
  return decodeAnnounceResponse(body, { status });
}

function peersOf({ peers }: AnnounceResponse): string[] {
  return peers.map(({ endpoint }) => formatEndpoint(endpoint));
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

Deno.test("decodeAnnounceResponse() reads what trackers send", async (t) => {
  interface Reply {
    text?: string;
    bytes?: string;
    peers?: string[];
    failure?: string;
    interval?: number;
    minInterval?: number;
    warning?: string;
    seeders?: number;
    leechers?: number;
    externalAddress?: string;
  }
  for (const reply of vectors.replies as Reply[]) {
    const body = reply.text !== undefined
      ? bytes(reply.text)
      : decodeHex(reply.bytes!);
    await t.step(reply.text?.slice(0, 60) ?? reply.bytes!, () => {
      if (reply.failure !== undefined) {
        const error = assertThrows(
          () => decode(body),
          TrackerError,
          reply.failure,
        );
        assertEquals(error.options.retryIn, reply.interval);
        return;
      }
      const found = decode(body);
      assertEquals(peersOf(found), reply.peers ?? []);
      assertEquals(found.interval, reply.interval);
      assertEquals(found.minInterval, reply.minInterval);
      assertEquals(found.warning, reply.warning);
      assertEquals(found.seeders, reply.seeders);
      assertEquals(found.leechers, reply.leechers);
      assertEquals(found.externalAddress, reply.externalAddress);
    });
  }
});

Deno.test("decodeAnnounceResponse() reads lists of peers", async (t) => {
  for (const { text, peer } of vectors.peers) {
    await t.step(text, () => {
      const found = decode(bytes(`d5:peersl${text}ee`));
      assertEquals(peersOf(found), peer === null ? [] : [peer]);
    });
  }
  await t.step("with peer ids", () => {
    const peers = ["a".repeat(20), "short"].map((id, i) => ({
      ip: "192.0.2.1",
      "peer id": id,
      port: i + 1,
    }));
    assertEquals(
      decode({ peers }).peers.map(({ peerId }) => peerId),
      [bytes("a".repeat(20)), undefined],
    );
  });
});

Deno.test("decodeAnnounceResponse() reads compact peers of both families", async (t) => {
  for (const { family, bytes, peers } of vectors.compact) {
    await t.step(`IPv${family}`, () => {
      const key = family === 6 ? "peers6" : "peers";
      assertEquals(peersOf(decode({ [key]: decodeHex(bytes) })), peers);
    });
  }
  await t.step("in any mixture", () => {
    const [six, four] = vectors.compact;
    const answer = decode({
      peers: decodeHex(four!.bytes),
      peers6: decodeHex(six!.bytes),
    });
    assertEquals(peersOf(answer), [...four!.peers, ...six!.peers]);
    const mixed = decode({
      peers: [{ ip: "2001:db8::1", port: 5 }, { ip: "192.0.2.1", port: 6 }],
      peers6: decodeHex(six!.bytes),
    });
    assertEquals(peersOf(mixed), [
      ...six!.peers,
      "[2001:db8::1]:5",
      "192.0.2.1:6",
    ]);
  });
});

Deno.test("decodeAnnounceResponse() drops peers that nobody can be", () => {
  const compact = [
    "7f000001" + "0000", // Port 0.
    "00000000" + "1ae1", // Any address.
    "ffffffff" + "1ae1", // Broadcast.
    "e0000001" + "1ae1", // Multicast.
    "c0000201" + "1ae1",
    "c00002", // Cut off.
  ].join("");
  assertEquals(peersOf(decode({ peers: decodeHex(compact) })), [
    "192.0.2.1:6881",
  ]);
  const compact6 = [
    "0".repeat(32) + "1ae1",
    "ff02" + "0".repeat(27) + "1" + "1ae1",
    "0".repeat(20) + "ffff" + "c0000202" + "1ae1", // IPv4 in IPv6.
  ].join("");
  assertEquals(peersOf(decode({ peers6: decodeHex(compact6) })), [
    "192.0.2.2:6881",
  ]);
  const hosts = [
    "",
    "0.0.0.0",
    "255.255.255.255",
    "224.0.0.1",
    "::",
    "ff02::1",
    "999.1.1.1",
    "a b",
    "a/b",
    "user@host",
    "\x1b[2J",
    "x".repeat(300),
  ];
  const peers = [
    ...hosts.map((ip) => ({ ip, port: 1 })),
    ...[0, -1, 65536, 2 ** 40, 2n ** 70n, "80"].map((port) => ({
      ip: "192.0.2.1",
      port,
    })),
    { ip: 5, port: 1 },
    { ip: ["192.0.2.1"], port: 1 },
    "192.0.2.1:1",
    7,
    [],
    { port: 1 },
    { ip: "192.0.2.9", port: 65535 },
  ];
  assertEquals(peersOf(decode({ peers })), ["192.0.2.9:65535"]);
});

Deno.test("decodeAnnounceResponse() takes a thousand peers of each kind", () => {
  const many = new Uint8Array(6 * 100_000).fill(1);
  assertEquals(decode({ peers: many }).peers.length, 1000);
  const listed = Array(1500).fill({ ip: "192.0.2.1", port: 1 });
  assertEquals(decode({ peers: listed }).peers.length, 1000);
});

Deno.test("decodeAnnounceResponse() takes no number for more than it is", () => {
  const values: [BencodeInput, number | undefined][] = [
    [1042, 1042],
    [0, 0],
    [-1, -1],
    [2n ** 62n, undefined],
    ["abc", undefined],
    [[1], undefined],
    [{}, undefined],
  ];
  for (const [value, number] of values) {
    const answer = decode({
      complete: value,
      incomplete: value,
      interval: value,
      "min interval": value,
    });
    assertEquals(answer.interval, number);
    assertEquals(answer.minInterval, number);
    assertEquals(answer.seeders, number);
    assertEquals(answer.leechers, number);
    assertEquals(answer.peers, []);
  }
});

Deno.test("decodeAnnounceResponse() tells when a tracker that refuses may be asked again", () => {
  const rows: [
    answer: Record<string, BencodeInput>,
    retryIn: number | undefined,
  ][] = [
    [{}, undefined],
    [{ "retry in": 5 }, 300],
    // BEP 31's example has the number as text.
    [{ "retry in": "5" }, 300],
    [{ "retry in": "-5" }, undefined],
    [{ "retry in": "1e9", interval: 900 }, 900],
    [{ "retry in": "never" }, Infinity],
    [{ "retry in": "soon" }, undefined],
    [{ interval: 900 }, 900],
    [{ interval: 900, "retry in": 1 }, 60],
    [{ interval: 900, "retry in": "never" }, Infinity],
  ];
  for (const [answer, retryIn] of rows) {
    const error = assertThrows(
      () => decode({ "failure reason": "No", ...answer }),
      TrackerError,
      "The tracker says: No",
    );
    assertEquals(error.options.retryIn, retryIn);
  }
});

Deno.test("decodeAnnounceResponse() keeps messages short", () => {
  const text = "あ".repeat(100_000);
  const error = assertThrows(
    () => decode({ "failure reason": text }),
    TrackerError,
  );
  assert(error.message.length < 550);
  assertEquals(decode({ "warning message": text }).warning?.length, 500);
  // What is no text is none.
  assertEquals(decode({ "failure reason": 5 }).peers, []);
});

Deno.test("decodeAnnounceResponse() keeps a tracker id as it is, if it is short", () => {
  const id = Uint8Array.of(0, 0xff, 0x26, 0x25);
  assertEquals(decode({ "tracker id": id }).trackerId, id);
  const [longest, tooLong] = [new Uint8Array(256), new Uint8Array(257)];
  assertEquals(decode({ "tracker id": longest }).trackerId, longest);
  assertEquals(decode({ "tracker id": tooLong }).trackerId, undefined);
  assertEquals(decode({ "tracker id": 5 }).trackerId, undefined);
});

Deno.test("decodeAnnounceResponse() refuses what is no answer", async (t) => {
  const bodies = ["", "x", "<html>", "d", "de!", "i5e", "le", "4:spam", "d1:a"];
  for (const body of bodies) {
    await t.step(JSON.stringify(body), () => {
      if (body === "de!") return assertEquals(decode(bytes(body)).peers, []);
      assertThrows(() => decode(bytes(body)), ProtocolError);
    });
  }
  await t.step("and names the status", () => {
    assertThrows(
      () => decode(bytes("<html>"), 503),
      ProtocolError,
      "HTTP status 503",
    );
  });
});

Deno.test("decodeAnnounceResponse() takes no address for ours that is none (BEP 24)", () => {
  const ours = (bytes: number[]) =>
    decode({ "external ip": Uint8Array.from(bytes) }).externalAddress;
  assertEquals(ours([127, 0, 0, 1]), "127.0.0.1");
  const mapped = [...Array(10).fill(0), 0xff, 0xff, 192, 0, 2, 1];
  assertEquals(ours(mapped), "192.0.2.1");
  for (const bytes of [[], [1, 2, 3], [0, 0, 0, 0], [255, 255, 255, 255]]) {
    assertEquals(ours(bytes), undefined);
  }
  assertEquals(ours(Array(16).fill(0)), undefined);
  assertEquals(
    decode({ "external ip": "192.0.2.1" }).externalAddress,
    undefined,
  );
});

Deno.test("decodeScrapeResponse() reads what trackers send (BEP 48)", async (t) => {
  interface Reply {
    text?: string;
    bytes?: string;
    infoHash: string;
    counts?: { seeders: number; completed: number; leechers: number };
    failure?: boolean;
  }
  for (const reply of vectors.scrapeReplies as Reply[]) {
    const body = reply.text !== undefined
      ? bytes(reply.text)
      : decodeHex(reply.bytes!);
    await t.step(reply.text ?? reply.bytes!, () => {
      const infoHashes = [decodeHex(reply.infoHash)];
      const read = () =>
        decodeScrapeResponse(body, { status: 200, infoHashes });
      if (reply.failure) assertThrows(read, Error, "tracker");
      else assertEquals(read(), [reply.counts]);
    });
  }
  await t.step("in the order of the question", () => {
    const { text } = vectors.scrapeReplies[3]!;
    const infoHashes = ["yyyyyyyyyyyyyyyyyyyy", "z", "xxxxxxxxxxxxxxxxxxxx"]
      .map(bytes);
    const found = decodeScrapeResponse(bytes(text!), {
      status: 200,
      infoHashes,
    });
    assertEquals(found.map((counts) => counts?.seeders), [21, undefined, 11]);
  });
  await t.step("a refusal, with when to come again", () => {
    const body = bytes("d14:failure reason2:no8:retry in1:5e");
    const error = assertThrows(
      () => decodeScrapeResponse(body, { status: 200, infoHashes: [] }),
      TrackerError,
      "The tracker says: no",
    );
    assertEquals(error.options.retryIn, 300);
  });
});
