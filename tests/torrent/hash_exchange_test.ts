import { assert, assertEquals, assertFalse } from "@std/assert";
import { PieceHashes } from "../../src/metainfo/piece_hashes.ts";
import { Peer } from "../../src/peer/peer.ts";
import { HashExchange } from "../../src/torrent/hash_exchange.ts";
import { ourReserved } from "../../src/wire/handshake.ts";
import { makeForm } from "../support/make_form.ts";
import { memoryConnections } from "../support/memory_connection.ts";

const KIB = 1024;

const MADE = makeForm({
  form: "v2",
  files: { a: 300 * KIB, b: 20 * KIB },
  pieceLength: 64 * KIB,
});

/** An exchange, and what its handler has heard. */
function exchangeOf({ hasLayers = true } = {}) {
  const heard: string[] = [];
  const exchange = new HashExchange({
    onLiar: () => heard.push("liar"),
    onLeaves: (index) => heard.push(`leaves ${index}`),
    onNoLeaves: (index) => heard.push(`no leaves ${index}`),
  });
  const pieceLayers = hasLayers ? MADE.metainfo.pieceLayers : new Map();
  const metainfo = { ...MADE.metainfo, pieceLayers };
  exchange.learn(metainfo, PieceHashes.of(metainfo));
  return { exchange, heard };
}

function peerOf({ isV2 = true } = {}): Peer {
  const [connection] = memoryConnections();
  return new Peer({
    connection,
    peerId: new Uint8Array(20),
    reserved: ourReserved(),
    isV2,
    pieceCount: MADE.metainfo.layout.pieceCount,
    isIncoming: false,
  });
}

Deno.test("HashExchange.wantLeaves() asks nobody where there is nobody, or no hash", () => {
  const { exchange, heard } = exchangeOf();
  assertFalse(exchange.wantLeaves(0, 0));
  exchange.joined(peerOf({ isV2: false }));
  assertFalse(exchange.wantLeaves(0, 0));
  exchange.joined(peerOf());
  assert(exchange.wantLeaves(0, 0));
  const bare = exchangeOf({ hasLayers: false });
  bare.exchange.joined(peerOf());
  assertFalse(bare.exchange.wantLeaves(0, 0));
  assertEquals([heard, bare.heard], [[], []]);
});

Deno.test("HashExchange.wantLeaves() answers later, even if nobody can be asked", () => {
  const { exchange, heard } = exchangeOf();
  const peer = peerOf();
  exchange.joined(peer);
  assert(exchange.wantLeaves(0, 0));
  exchange.left(peer);
  assertEquals(heard, []);
  exchange.tick(0);
  assertEquals(heard, ["no leaves 0"]);
});

Deno.test("HashExchange is complete when no layer is missing", async () => {
  const { exchange } = exchangeOf();
  assert(exchange.isComplete);
  await exchange.complete;
  assertEquals(exchange.progress, { total: 0, received: 0 });
  const bare = exchangeOf({ hasLayers: false });
  assertFalse(bare.exchange.isComplete);
  assertEquals(bare.exchange.progress, { total: 5 * 32, received: 0 });
});
