import { assert, assertEquals, assertThrows } from "@std/assert";
import { decodeHex, encodeHex } from "@std/encoding/hex";
import { encodeBencode } from "../../src/bytes/bencode.ts";
import { ProtocolError } from "../../src/errors.ts";
import { PeerState } from "../../src/wire/peer_state.ts";
import vectors from "../../testdata/wire_vectors.json" with { type: "json" };

Deno.test("PeerState begins choked, without interest, with nothing", () => {
  const state = new PeerState(9);
  assertEquals(
    [
      state.amChoking,
      state.amInterested,
      state.peerChoking,
      state.peerInterested,
    ],
    [true, false, true, false],
  );
  assert(state.have.isEmpty);
  assertEquals(state.have.length, 9);
});

Deno.test("PeerState.receiveBitfield() takes the size and spare bits of BEP 3", async (t) => {
  for (const { hex, pieces, isRight, what } of vectors.bitfields) {
    await t.step(`${hex} for ${pieces} pieces: ${what}`, () => {
      const state = new PeerState(pieces);
      const receive = () => state.receiveBitfield(decodeHex(hex));
      if (isRight) {
        assertEquals(encodeHex(receive().bytes), hex);
        assertEquals(encodeHex(state.have.bytes), hex);
      } else {
        assertThrows(receive, ProtocolError, "Cannot use bitfield");
        assert(state.have.isEmpty);
      }
    });
  }
});

Deno.test("PeerState.receiveBitfield() tells only the news of a later one", () => {
  const state = new PeerState(8);
  assertEquals([...state.receiveBitfield(Uint8Array.of(0b1100_0000))], [0, 1]);
  state.receiveHave(5);
  assertEquals([...state.receiveBitfield(Uint8Array.of(0b0110_0101))], [2, 7]);
  // What the later one lacks is not taken back: nobody loses a piece.
  assertEquals([...state.have], [0, 1, 2, 5, 7]);
});

Deno.test("PeerState.receiveBitfield() keeps no view of the bytes", () => {
  const state = new PeerState(8);
  const bytes = Uint8Array.of(0xf0);
  state.receiveBitfield(bytes);
  bytes.fill(0);
  assertEquals([...state.have], [0, 1, 2, 3]);
});

Deno.test("PeerState.receiveHave() says what is news", () => {
  const state = new PeerState(9);
  assert(state.receiveHave(0));
  assert(state.receiveHave(8));
  assert(!state.receiveHave(8));
  assertEquals([...state.have], [0, 8]);
});

Deno.test("PeerState.receiveHave() rejects a piece that is not there", () => {
  const state = new PeerState(9);
  for (const index of [9, 15, 16, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]) {
    assertThrows(
      () => state.receiveHave(index),
      ProtocolError,
      `Cannot believe "have ${index}"`,
    );
  }
  assert(state.have.isEmpty);
});

Deno.test("PeerState takes no message of BEP 6 that was not agreed upon", async (t) => {
  const table: [type: string, receive: (state: PeerState) => unknown][] = [
    ["have_all", (state) => state.receiveHaveAll()],
    ["have_none", (state) => state.receiveHaveNone()],
    ["suggest_piece", (state) => state.receiveSuggestPiece(0)],
    ["reject_request", (state) => state.receiveRejectRequest(true)],
    ["allowed_fast", (state) => state.receiveAllowedFast(0)],
  ];
  for (const [type, receive] of table) {
    await t.step(type, () => {
      for (const options of [undefined, {}, { supportsFast: false }]) {
        const state = new PeerState(9, options);
        assertThrows(() => receive(state), ProtocolError, type);
        assert(!state.supportsFast);
        assert(state.have.isEmpty);
        assertEquals(state.allowedFast.size + state.suggested.size, 0);
      }
      const state = new PeerState(9, { supportsFast: true });
      assert(state.supportsFast);
      receive(state);
    });
  }
});

Deno.test("PeerState.receiveHaveAll() tells what is news, whatever was said before", () => {
  const state = new PeerState(10, { supportsFast: true });
  state.receiveHaveNone();
  state.receiveHave(3);
  state.receiveBitfield(Uint8Array.of(0b1000_0000, 0));
  assertEquals([...state.receiveHaveAll()], [1, 2, 4, 5, 6, 7, 8, 9]);
  assert(state.have.isFull);
  assert(state.receiveHaveAll().isEmpty);
});

Deno.test("PeerState.receiveHaveNone() takes nothing back", () => {
  const state = new PeerState(10, { supportsFast: true });
  state.receiveHaveAll();
  state.receiveHaveNone();
  assert(state.have.isFull);
  assert(state.receiveBitfield(Uint8Array.of(0, 0)).isEmpty);
});

Deno.test("PeerState keeps what the peer allows, suggests and rejects", () => {
  const state = new PeerState(100, { supportsFast: true });
  for (const index of [5, 6, 100]) {
    assertEquals(state.receiveAllowedFast(index), index < 100);
    state.receiveSuggestPiece(index + 1);
  }
  assertEquals([...state.allowedFast], [5, 6]);
  assertEquals([...state.suggested], [6, 7]);
  // It is not said that the peer has them.
  assert(state.have.isEmpty);
  for (let i = 0; i < 50; i++) state.receiveRejectRequest(false);
  state.receiveRejectRequest(true);
  assertThrows(() => state.receiveRejectRequest(false), ProtocolError);
});

Deno.test("PeerState knows little of a peer that does not introduce itself", () => {
  const state = new PeerState(9);
  assertEquals(
    [state.peerUploadOnly, state.reqq, state.listenPort, state.client],
    [false, 250, undefined, undefined],
  );
  assertEquals(state.extensionId("ut_pex"), undefined);
});

Deno.test("PeerState.receiveExtensionHandshake() adds to what was said before", () => {
  const state = new PeerState(9);
  state.receiveExtensionHandshake(encodeBencode({
    m: { ut_pex: 1, ut_metadata: 2 },
    p: 6881,
    reqq: 100,
    upload_only: 1,
    v: "x 1.0",
  }));
  state.receiveExtensionHandshake(encodeBencode({ m: { ut_pex: 0 } }));
  assertEquals(
    [state.peerUploadOnly, state.reqq, state.listenPort, state.client],
    [true, 100, 6881, "x 1.0"],
  );
  assertEquals(state.extensionId("ut_pex"), undefined);
  assertEquals(state.extensionId("ut_metadata"), 2);
  assertEquals(state.extensionId("toString"), undefined);
  state.receiveExtensionHandshake(encodeBencode({ upload_only: 0 }));
  assert(!state.peerUploadOnly);
  assertThrows(
    () => state.receiveExtensionHandshake(encodeBencode("hello")),
    ProtocolError,
  );
});

Deno.test("PeerState.reqq lies between 1 and 2000", async (t) => {
  const table: [said: number, kept: number][] = [
    [-5, 250],
    [0, 250],
    [1, 1],
    [2000, 2000],
    [2001, 2000],
    [2 ** 31, 2000],
  ];
  for (const [reqq, kept] of table) {
    await t.step(`${reqq}: ${kept}`, () => {
      const state = new PeerState(9);
      state.receiveExtensionHandshake(encodeBencode({ reqq }));
      assertEquals(state.reqq, kept);
    });
  }
});

Deno.test("PeerState.learn() makes what was said before count", () => {
  const state = new PeerState(undefined, { supportsFast: true });
  assert(!state.receiveHave(3));
  assert(state.receiveBitfield(Uint8Array.of(0b1000_0000, 0)).isEmpty);
  state.receiveHaveNone();
  for (const index of [5, 10, 0xffff_ffff]) {
    state.receiveAllowedFast(index);
    state.receiveSuggestPiece(index);
  }
  assert(state.have.isEmpty);
  state.learn(10);
  assertEquals([...state.have], [0, 3]);
  assertEquals(state.have.length, 10);
  assertEquals([...state.allowedFast], [5]);
  assertEquals([...state.suggested], [5]);
});

Deno.test("PeerState.learn() lets the rules of a known torrent hold", () => {
  const state = new PeerState(undefined, { supportsFast: true });
  state.learn(10);
  const { have } = state;
  assertThrows(() => state.receiveHave(10), ProtocolError);
  assertThrows(() => state.receiveBitfield(Uint8Array.of(0)), ProtocolError);
  assert(!state.receiveAllowedFast(10));
  assert(state.receiveHave(9));
  assertEquals(state.receiveHaveAll().count, 9);
  assert(state.have === have);
  assertThrows(() => state.learn(10), TypeError);
});

Deno.test("PeerState.learn() knows a peer that has everything", () => {
  const state = new PeerState(undefined, { supportsFast: true });
  assert(state.receiveHaveAll().isEmpty);
  state.learn(10);
  assert(state.have.isFull);
  assertThrows(
    () => new PeerState(undefined).receiveHaveAll(),
    ProtocolError,
    "have_all",
  );
});

Deno.test("PeerState.learn() lets a peer go that spoke of another torrent", () => {
  const state = new PeerState(undefined);
  state.receiveHave(10);
  assertThrows(() => state.learn(10), ProtocolError, "more or less than 10");
});
