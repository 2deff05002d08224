import { assertEquals } from "@std/assert";
import { MetadataServer } from "../../src/torrent/metadata_server.ts";
import { METADATA_PIECE_LENGTH } from "../../src/wire/ut_metadata.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";

const METADATA = randomBytes(2 * METADATA_PIECE_LENGTH + 5, seededRandom(1));

Deno.test("MetadataServer gives the pieces in the order in which they were asked for", () => {
  const server = new MetadataServer<object>(METADATA);
  const peer = {};
  for (const piece of [2, 0, 1]) {
    assertEquals(server.request(peer, piece), undefined);
  }
  const totalSize = METADATA.length;
  for (const piece of [2, 0, 1]) {
    const begin = piece * METADATA_PIECE_LENGTH;
    const bytes = METADATA.slice(begin, begin + METADATA_PIECE_LENGTH);
    assertEquals(server.next(peer), { type: "data", piece, totalSize, bytes });
  }
  assertEquals(server.next(peer), undefined);
});

Deno.test("MetadataServer.request() rejects a piece that is not there", () => {
  const server = new MetadataServer<object>(METADATA);
  for (const piece of [3, 2047, 2 ** 31]) {
    assertEquals(server.request({}, piece), { type: "reject", piece });
  }
});

Deno.test("MetadataServer.request() rejects everything without metadata", () => {
  const server = new MetadataServer<object>(undefined);
  const peer = {};
  assertEquals(server.request(peer, 0), { type: "reject", piece: 0 });
  assertEquals(server.next(peer), undefined);
});

Deno.test("MetadataServer gives a peer each piece three times, all in all", () => {
  const server = new MetadataServer<object>(METADATA);
  const [greedy, modest] = [{}, {}];
  let count = 0;
  for (let i = 0; i < 1_000_000; i++) {
    if (!server.request(greedy, i % 3)) count++;
    server.next(greedy);
  }
  assertEquals(count, 9);
  assertEquals(server.request(modest, 0), undefined);
});

Deno.test("MetadataServer lets 64 requests of a peer wait, and rejects the rest", () => {
  const server = new MetadataServer<object>(
    new Uint8Array(100 * METADATA_PIECE_LENGTH),
  );
  const peer = {};
  const answers = Array.from({ length: 80 }, (_, i) => server.request(peer, i));
  assertEquals(answers.filter((answer) => !answer).length, 64);
  assertEquals(answers[64], { type: "reject", piece: 64 });
  // Once one is on its way there is room for another.
  server.next(peer);
  assertEquals(server.request(peer, 99), undefined);
  assertEquals(server.request(peer, 98), { type: "reject", piece: 98 });
});
