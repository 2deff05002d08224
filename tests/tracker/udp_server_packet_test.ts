import { assertEquals, assertThrows } from "@std/assert";
import { ProtocolError } from "../../src/errors.ts";
import type { AnnounceEvent } from "../../src/tracker/tracker.ts";
import { encodeAnnounce, encodeScrape } from "../../src/tracker/udp_packet.ts";
import {
  decodeRequest,
  encodeResponse,
} from "../../src/tracker/udp_server_packet.ts";
import { decodeHex, encodeHex } from "@std/encoding/hex";
import vectors from "../../testdata/udp_tracker_vectors.json" with {
  type: "json",
};

const { transaction } = vectors;

Deno.test("decodeRequest() reads a connect", () => {
  const request = decodeRequest(decodeHex(vectors.connectRequest));
  assertEquals(request, { type: "connect", transaction });
  // Without the magic number it is somebody else's packet.
  const other = vectors.connectRequest.replace("80", "81");
  assertThrows(() => decodeRequest(decodeHex(other)), ProtocolError);
});

Deno.test("decodeRequest() reads an announce", async (t) => {
  const { hex, infoHash, peerId, port } = vectors.announceRequest;
  const wanted = {
    type: "announce" as const,
    transaction,
    connection: 0xffffffffffffffffn,
    infoHash: decodeHex(infoHash),
    peerId: decodeHex(peerId),
    isSeed: false,
    event: "started" as AnnounceEvent | undefined,
    wanted: 50,
    port,
  };
  assertEquals(decodeRequest(decodeHex(hex)), wanted);
  const request = {
    infoHash: wanted.infoHash,
    peerId: wanted.peerId,
    uploaded: 0,
    downloaded: 0,
    left: 0,
    key: "0",
    port,
  };
  const options = { connection: 5n, transaction, urlData: "/announce" };
  for (const event of [undefined, "completed", "started", "stopped"] as const) {
    await t.step(`${event}`, () => {
      const packet = encodeAnnounce(
        { ...request, event, numWant: -1 },
        options,
      );
      assertEquals(decodeRequest(packet), {
        ...wanted,
        connection: 5n,
        isSeed: true,
        event,
      });
    });
  }
  await t.step("whole, or not at all", () => {
    const short = decodeHex(hex.slice(0, -2));
    assertThrows(() => decodeRequest(short), ProtocolError);
  });
});

Deno.test("decodeRequest() reads a scrape", () => {
  const infoHashes = [new Uint8Array(20).fill(1), new Uint8Array(20).fill(2)];
  const packet = encodeScrape(infoHashes, { connection: 7n, transaction });
  const wanted = { type: "scrape" as const, transaction, connection: 7n };
  assertEquals(decodeRequest(packet), { ...wanted, infoHashes });
  assertEquals(decodeRequest(packet.subarray(0, -1)), {
    ...wanted,
    infoHashes: infoHashes.slice(0, 1),
  });
});

Deno.test("decodeRequest() refuses what is no question", () => {
  for (const hex of ["", "00".repeat(15), `${"00".repeat(11)}0300000000`]) {
    assertThrows(() => decodeRequest(decodeHex(hex)), ProtocolError);
  }
});

Deno.test("encodeResponse() writes every answer", () => {
  const { connectReply, errorReply, scrapeReply } = vectors;
  const [announce] = vectors.announceReplies;
  assertEquals(
    encodeHex(encodeResponse({
      type: "connect",
      transaction,
      connection: BigInt(`0x${connectReply.connection}`),
    })),
    connectReply.hex,
  );
  assertEquals(
    encodeHex(encodeResponse({
      type: "announce",
      transaction,
      interval: announce!.interval,
      leechers: announce!.leechers,
      seeders: announce!.seeders,
      peers: [decodeHex("c0a800011b4e"), decodeHex("c0a800021b4f")],
    })),
    announce!.hex,
  );
  const { counts } = scrapeReply;
  assertEquals(
    encodeHex(encodeResponse({ type: "scrape", transaction, counts })),
    scrapeReply.hex,
  );
  const { message } = errorReply;
  assertEquals(
    encodeHex(encodeResponse({ type: "error", transaction, message })),
    errorReply.hex,
  );
});
