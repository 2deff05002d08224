import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { Tokens } from "../../src/dht/tokens.ts";

const MINUTE_MS = 60_000;
const SUBJECT = {
  address: "192.0.2.1",
  infoHash: new Uint8Array(20).fill(1),
};

Deno.test("Tokens are good for ten minutes at most, and five at least", () => {
  const tokens = new Tokens(new Uint8Array(20));
  for (const start of [0, 1, 4.9, 5, 123]) {
    const at = start * MINUTE_MS;
    const token = tokens.create(SUBJECT, at);
    assertEquals(token.length, 8);
    for (const age of [0, 1, 5]) {
      const now = at + age * MINUTE_MS;
      assert(tokens.isValid(token, { subject: SUBJECT, now }));
    }
    // One rotation, yes; two, no.
    const rotated = Math.floor(at / MINUTE_MS / 5) * 5 * MINUTE_MS;
    const [once, twice] = [1, 2].map((n) => rotated + n * 5 * MINUTE_MS);
    assert(tokens.isValid(token, { subject: SUBJECT, now: twice! - 1 }));
    assert(tokens.isValid(token, { subject: SUBJECT, now: once! }));
    assert(!tokens.isValid(token, { subject: SUBJECT, now: twice! }));
  }
});

Deno.test("Tokens are for one address and one torrent", () => {
  const tokens = new Tokens(new Uint8Array(20));
  const token = tokens.create(SUBJECT, 0);
  const others = [
    { ...SUBJECT, address: "192.0.2.2" },
    { ...SUBJECT, address: "2001:db8::1" },
    { ...SUBJECT, infoHash: new Uint8Array(20).fill(2) },
  ];
  for (const subject of others) {
    assertEquals(tokens.isValid(token, { subject, now: 0 }), false);
    assertNotEquals(tokens.create(subject, 0), token);
  }
});

Deno.test("Tokens are not to be forged", () => {
  const tokens = new Tokens(new Uint8Array(20));
  const forged = [
    new Tokens(new Uint8Array(20).fill(1)).create(SUBJECT, 0),
    new Uint8Array(),
    new Uint8Array(8),
    tokens.create(SUBJECT, 0).subarray(0, 7),
    Uint8Array.from([...tokens.create(SUBJECT, 0), 0]),
  ];
  for (const token of forged) {
    assertEquals(tokens.isValid(token, { subject: SUBJECT, now: 0 }), false);
  }
});
