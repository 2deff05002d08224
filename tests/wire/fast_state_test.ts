import { assert, assertEquals, assertThrows } from "@std/assert";
import { ProtocolError } from "../../src/errors.ts";
import { FastState } from "../../src/wire/fast_state.ts";

Deno.test("FastState.receiveAllowed() keeps the pieces that exist", () => {
  const state = new FastState(9);
  assert(state.receiveAllowed(8));
  assert(state.receiveAllowed(0));
  assert(!state.receiveAllowed(8));
  for (const index of [9, 0x3030_3030, 0x8000_0000, 0xffff_ffff]) {
    assert(!state.receiveAllowed(index));
    state.receiveSuggestion(index);
  }
  assertEquals([...state.allowed], [8, 0]);
  assertEquals([...state.suggested], []);
});

Deno.test("FastState keeps its bounds through a flood of BEP 6", () => {
  const state = new FastState(100_000);
  for (let index = 0; index < 100_000; index++) {
    state.receiveSuggestion(index);
    state.receiveAllowed(index);
    state.receiveReject(true);
  }
  assertEquals(
    [...state.suggested],
    Array.from({ length: 16 }, (_, i) => 100_000 - 16 + i),
  );
  assertEquals(
    [...state.allowed],
    Array.from({ length: 100 }, (_, i) => i),
  );
});

Deno.test("FastState.receiveSuggestion() makes a piece the newest again", () => {
  const state = new FastState(100);
  for (const index of [5, 6, 7, 5]) state.receiveSuggestion(index);
  assertEquals([...state.suggested], [6, 7, 5]);
});

Deno.test("FastState.receiveReject() ends with the 51st that nobody asked for", () => {
  const state = new FastState(9);
  for (let i = 0; i < 50; i++) {
    state.receiveReject(false);
    state.receiveReject(true);
  }
  state.receiveReject(true);
  assertThrows(
    () => state.receiveReject(false),
    ProtocolError,
    "rejects what nobody asked for",
  );
});
