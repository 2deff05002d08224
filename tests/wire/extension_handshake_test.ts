import { assert, assertEquals, assertThrows } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { fromLatin1, latin1 } from "../../src/bytes/bencode.ts";
import { ProtocolError } from "../../src/errors.ts";
import {
  decodeExtensionHandshake,
  encodeExtensionHandshake,
  type ExtensionHandshake,
  mergeExtensionHandshakes,
} from "../../src/wire/extension_handshake.ts";
import vectors from "../../testdata/extension_handshake_vectors.json" with {
  type: "json",
};

const NOTHING: ExtensionHandshake = { messages: new Map() };

function decode(payload: string): ExtensionHandshake {
  return decodeExtensionHandshake(fromLatin1(payload));
}

/** A handshake in the form of the table: only what it says. */
function said({ messages, yourip, ...rest }: ExtensionHandshake) {
  return {
    messages: Object.fromEntries(messages),
    ...(yourip && { yourip: encodeHex(yourip) }),
    ...Object.fromEntries(
      Object.entries(rest).filter(([, value]) => value !== undefined),
    ),
  };
}

Deno.test("decodeExtensionHandshake() takes what can be right", async (t) => {
  for (const { source, payload, says } of vectors.handshakes) {
    await t.step(`${source}: ${payload}`, () => {
      const { also, ...expected } = says as typeof says & {
        also?: [string, number];
      };
      const handshake = decode(payload);
      if (also) assertEquals(handshake.messages.get(also[0]), also[1]);
      const messages = new Map(handshake.messages);
      if (also) messages.delete(also[0]);
      assertEquals<unknown>(said({ ...handshake, messages }), expected);
    });
  }
});

Deno.test("decodeExtensionHandshake() refuses what is no dictionary", async (t) => {
  for (const { source, payload } of vectors.refused) {
    await t.step(`${source}: ${payload}`, () => {
      assertThrows(
        () => decode(payload),
        ProtocolError,
        "Cannot decode extension handshake",
      );
    });
  }
});

Deno.test("decodeExtensionHandshake() refuses 16 KiB and a byte", () => {
  const padded = (length: number) =>
    `d1:x${length - 11}:${" ".repeat(length - 11)}e`;
  assertEquals(padded(16_384).length, 16_384);
  assertEquals(said(decode(padded(16_384))), { messages: {} });
  assertThrows(() => decode(padded(16_385)), ProtocolError, "too many");
});

Deno.test("decodeExtensionHandshake() refuses what is nested deep", () => {
  const nested = "d1:m" + "l".repeat(8000) + "e".repeat(8000) + "e";
  assertThrows(() => decode(nested), ProtocolError, "nested too deep");
});

Deno.test("decodeExtensionHandshake() takes 64 extensions with short names", () => {
  const entry = (i: number) => `4:x${String(i).padStart(3, "0")}i1e`;
  const many = Array.from({ length: 1000 }, (_, i) => entry(i)).join("");
  assertEquals(decode(`d1:md${many}ee`).messages.size, 64);
  const names = `d1:md64:${"a".repeat(64)}i1e65:${"b".repeat(65)}i2eee`;
  assertEquals([...decode(names).messages], [["a".repeat(64), 1]]);
});

Deno.test("decodeExtensionHandshake() cuts a long name of a client", () => {
  for (const character of ["x", "é", "☃", "🌊"]) {
    const name = character.repeat(100);
    const { length } = new TextEncoder().encode(name);
    const bytes = latin1(new TextEncoder().encode(name));
    assertEquals(decode(`d1:v${length}:${bytes}e`).v, character.repeat(64));
  }
});

Deno.test("decodeExtensionHandshake() keeps no view of the payload", () => {
  const payload = fromLatin1("d1:md6:ut_pexi1ee6:yourip4:abcde");
  const handshake = decodeExtensionHandshake(payload);
  payload.fill(0);
  assertEquals(said(handshake), {
    messages: { ut_pex: 1 },
    yourip: "61626364",
  });
});

Deno.test("encodeExtensionHandshake() writes sorted keys and no unsaid ones", () => {
  const table: [says: ExtensionHandshake, payload: string][] = [
    [NOTHING, "d1:mdee"],
    [
      {
        messages: new Map([["ut_pex", 1], ["ut_metadata", 2]]),
        v: "µ",
        p: 6881,
        reqq: 250,
        uploadOnly: true,
        yourip: Uint8Array.of(127, 0, 0, 1),
        metadataSize: 1024,
      },
      "d1:md11:ut_metadatai2e6:ut_pexi1ee13:metadata_sizei1024e1:pi6881e" +
      "4:reqqi250e11:upload_onlyi1e1:v2:\u00c2\u00b56:yourip4:\x7f\0\0\x01e",
    ],
    [{ ...NOTHING, uploadOnly: false }, "d1:mde11:upload_onlyi0ee"],
  ];
  for (const [says, payload] of table) {
    assertEquals(latin1(encodeExtensionHandshake(says)), payload);
    assertEquals(said(decode(payload)), said(says));
  }
});

Deno.test("mergeExtensionHandshakes() keeps what the later one does not name", () => {
  const first = decode(
    "d1:md6:ut_pexi1e11:ut_metadatai2ee1:pi6881e4:reqqi100e1:v1:a6:yourip4:abcde",
  );
  const second = decode(
    "d1:md6:ut_pexi0e11:ut_metadatai9e12:ut_holepunchi3ee11:upload_onlyi1ee",
  );
  const third = decode(
    "d4:reqqi200e1:v1:b13:metadata_sizei7e11:upload_onlyi0ee",
  );
  const known = [first, second].reduce(mergeExtensionHandshakes, NOTHING);
  assertEquals<unknown>(said(known), {
    messages: { ut_metadata: 9, ut_holepunch: 3 },
    p: 6881,
    reqq: 100,
    v: "a",
    yourip: "61626364",
    uploadOnly: true,
  });
  assertEquals<unknown>(said(mergeExtensionHandshakes(known, third)), {
    messages: { ut_metadata: 9, ut_holepunch: 3 },
    p: 6881,
    reqq: 200,
    v: "b",
    yourip: "61626364",
    uploadOnly: false,
    metadataSize: 7,
  });
  assertEquals(first.messages.get("ut_pex"), 1);
});

Deno.test("mergeExtensionHandshakes() is bounded, however many come", () => {
  let known = NOTHING;
  for (let i = 0; i < 1000; i++) {
    known = mergeExtensionHandshakes(known, decode(`d1:md4:${1000 + i}i1eee`));
  }
  assertEquals(known.messages.size, 64);
  // Those that are known can still change, and make room.
  known = mergeExtensionHandshakes(
    known,
    decode("d1:md4:1000i7e4:1001i0e4:5000i8eee"),
  );
  assertEquals(known.messages.get("1000"), 7);
  assert(!known.messages.has("1001"));
  assertEquals(known.messages.get("5000"), 8);
});
