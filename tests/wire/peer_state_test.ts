import { assert, assertEquals, assertThrows } from "@std/assert";
import { decodeHex, encodeHex } from "@std/encoding/hex";
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
