import { assert, assertEquals, assertThrows } from "@std/assert";
import { ProtocolError } from "../../src/errors.ts";
import {
  encodeAnswer,
  encodeQuery,
  isKrpc,
  type KrpcQuery,
  type KrpcReturn,
} from "../../src/dht/krpc.ts";
import { decodeMessage } from "../../src/dht/krpc_decoder.ts";
import { decodeHex } from "@std/encoding/hex";
import vectors from "../../testdata/dht_vectors.json" with { type: "json" };

const text = (value: string) => new TextEncoder().encode(value);
const ID = text("abcdefghij0123456789");
const HASH = text("mnopqrstuvwxyz123456");
const AA = text("aa");
const ASKER = { hostname: "124.168.180.8", port: 62844 };

/** A message as others write it, as text. */
function decode(message: string) {
  return decodeMessage(text(message));
}

/** What each row of `messages` is. */
const MEANINGS: ReturnType<typeof decodeMessage>[] = [
  {
    ...{ type: "error", transaction: AA, code: 201, address: undefined },
    reason: "A Generic Error Ocurred",
  },
  query({ method: "ping" }),
  response(HASH, {}),
  query({ method: "find_node", target: HASH, want: undefined }),
  // Nine bytes are no nodes.
  response(text("0123456789abcdefghij"), { nodes: [] }),
  query({
    ...{ method: "get_peers", infoHash: HASH, want: undefined },
    ...{ noSeed: false, scrape: false },
  }),
  response(ID, {
    token: text("aoeusnth"),
    values: [
      { hostname: "97.120.106.101", port: 11893 },
      { hostname: "105.100.104.116", port: 28269 },
    ],
  }),
  response(ID, { token: text("aoeusnth"), nodes: [] }),
  query({
    ...{ method: "announce_peer", infoHash: HASH, port: undefined },
    ...{ token: text("aoeusnth"), isSeed: false },
  }),
  response(text("hellohellohellohello"), {}, { transaction: text("hello") }),
  response(new Uint8Array(20), {
    nodes: [{
      id: new Uint8Array(20),
      endpoint: { hostname: "1.2.3.4", port: 4660 },
    }],
  }, { transaction: Uint8Array.of(0x8c, 0x25) }),
  response(new Uint8Array(20), {
    values: [{ hostname: "1.2.3.4", port: 22136 }],
  }, { transaction: Uint8Array.of(0x8c, 0x25) }),
  response(decodeHex("ebff36697351ff4aec29cdbaabf2fbe3467cc267"), {}, {
    transaction: Uint8Array.of(3),
    address: ASKER.hostname,
  }),
  {
    ...{ type: "bad_query", transaction: AA, code: 204 },
    reason: "unknown method",
  },
];

function query(query: KrpcQuery): ReturnType<typeof decodeMessage> {
  const { type, transaction, id } = {
    type: "query",
    transaction: AA,
    id: ID,
  } as const;
  return { type, transaction, id, isReadOnly: false, query };
}

function response(
  id: Uint8Array,
  values: KrpcReturn,
  options: { transaction?: Uint8Array; address?: string } = {},
): ReturnType<typeof decodeMessage> {
  const { transaction = AA, address } = options;
  const all: KrpcReturn = {
    ...{ nodes: undefined, nodes6: undefined, values: undefined },
    ...{ token: undefined, seeds: undefined, downloaders: undefined },
    ...values,
  };
  return { type: "response", transaction, id, values: all, address };
}

Deno.test("decodeMessage() reads what others write", async (t) => {
  assertEquals(vectors.messages.length, MEANINGS.length);
  for (const [i, { note, hex }] of vectors.messages.entries()) {
    await t.step(`${i}: ${note}`, () => {
      const packet = decodeHex(hex);
      assert(isKrpc(packet));
      const message = decodeMessage(packet);
      assertEquals(message, MEANINGS[i]!);
      // Nothing of the packet is kept.
      packet.fill(0xee);
      assertEquals(message, MEANINGS[i]!);
    });
  }
});

Deno.test("decodeMessage() rejects what breaks off", () => {
  for (const { hex } of vectors.messages) {
    const packet = decodeHex(hex);
    for (let length = 0; length < packet.length; length++) {
      const part = packet.subarray(0, length);
      assertThrows(() => decodeMessage(part), ProtocolError);
    }
    const more = Uint8Array.from([...packet, 0x65]);
    assertThrows(() => decodeMessage(more), ProtocolError);
  }
});

Deno.test("decodeMessage() rejects what is no message", async (t) => {
  for (const hex of vectors.garbage) {
    await t.step(hex, () => {
      assertThrows(() => decodeMessage(decodeHex(hex)), ProtocolError);
    });
  }
  const rows: [name: string, message: string][] = [
    ["a list", "le"],
    ["an integer", "i1e"],
    ["no transaction", "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:y1:qe"],
    ["a transaction that is a number", "d1:ti1e1:y1:qe"],
    ["a transaction too long to repeat", `d1:t33:${"a".repeat(33)}1:y1:qe`],
    ["no type", "d1:t2:aae"],
    ["a type that is a list", "d1:t2:aa1:yl1:qee"],
    ["another type", "d1:t2:aa1:y1:xe"],
    ["an answer without a body", "d1:t2:aa1:y1:re"],
    ["an answer without id", "d1:rde1:t2:aa1:y1:re"],
    ["an answer with a short id", "d1:rd2:id2:abe1:t2:aa1:y1:re"],
    ["more than a packet", `d1:t2:aa1:v1480:${"a".repeat(1480)}1:y1:qe`],
  ];
  for (const [name, message] of rows) {
    await t.step(name, () => {
      assertThrows(() => decode(message), ProtocolError, "Cannot decode KRPC");
    });
  }
});

Deno.test("decodeMessage() tells what is wrong with a query", async (t) => {
  const id = "2:id20:abcdefghij0123456789";
  const hash = "9:info_hash20:mnopqrstuvwxyz123456";
  const rows: [name: string, a: string, method: string, reason: string][] = [
    ["no arguments", "i1e", "4:ping", "missing 'a' key"],
    ["no id", "de", "4:ping", "missing 'id' key"],
    ["a short id", "d2:id2:abe", "4:ping", "missing 'id' key"],
    ["no target", `d${id}e`, "9:find_node", "missing 'target' key"],
    ["no info hash", `d${id}e`, "9:get_peers", "missing 'info_hash' key"],
    [
      ...["a short info hash", `d${id}9:info_hash1:ae`, "9:get_peers"] as const,
      "missing 'info_hash' key",
    ],
    [
      ...["no token", `d${id}${hash}4:porti1ee`, "13:announce_peer"] as const,
      "missing 'token' key",
    ],
    [
      "no port",
      `d${id}${hash}5:token1:ae`,
      "13:announce_peer",
      "missing 'port' key",
    ],
    [
      "port 0",
      `d${id}${hash}4:porti0e5:token1:ae`,
      "13:announce_peer",
      "missing 'port' key",
    ],
    [
      "a port too large",
      `d${id}${hash}4:porti65536e5:token1:ae`,
      "13:announce_peer",
      "missing 'port' key",
    ],
  ];
  for (const [name, a, method, reason] of rows) {
    await t.step(name, () => {
      assertEquals(decode(`d1:a${a}1:q${method}1:t2:aa1:y1:qe`), {
        ...{ type: "bad_query", transaction: AA, code: 203, reason },
      });
    });
  }
  for (const method of ["3:foo", "i1e", "0:"]) {
    await t.step(`method ${method}`, () => {
      const message = decode(`d1:ad${id}e1:q${method}1:t2:aa1:y1:qe`);
      assertEquals(message.type === "bad_query" && message.code, 204);
    });
  }
});

Deno.test("decodeMessage() takes an error whatever it looks like", () => {
  const rows: [e: string, code: number, reason: string][] = [
    ["1:eli203e3:bade", 203, "bad"],
    ["1:e15:Malformed Error", 201, ""],
    ["1:el5:helloe", 201, ""],
    ["1:ele", 201, ""],
    ["", 201, ""],
    [`1:eli1e500:${"x".repeat(500)}e`, 1, "x".repeat(200)],
  ];
  for (const [e, code, reason] of rows) {
    const message = decode(`d${e}1:t2:aa1:y1:ee`);
    assertEquals(message, {
      ...{ type: "error", transaction: AA, code, reason, address: undefined },
    });
  }
});

Deno.test("decodeMessage() leaves out nodes and peers that nobody can reach", () => {
  const id = "a".repeat(20);
  const node = (address: string) => `${id}${address}`;
  const packet = (body: string) =>
    decodeMessage(
      Uint8Array.from(
        `d1:rd2:id20:${id}${body}e1:t2:aa1:y1:re`,
        (character) => character.charCodeAt(0),
      ),
    );
  const values = (body: string) => {
    const message = packet(body);
    assert(message.type === "response");
    return message.values;
  };
  const good = "\x01\x02\x03\x04\x00\x05";
  // Port 0, "any", multicast, and broadcast.
  const bad = ["\x01\x02\x03\x04\x00\x00", "\x00\x00\x00\x00\x00\x05"]
    .concat("\xe0\x00\x00\x01\x00\x05", "\xff\xff\xff\xff\x00\x05");
  const five = [...bad, good].map(node).join("");
  assertEquals(
    values(`5:nodes130:${five}`).nodes?.map(({ endpoint }) => endpoint),
    [{ hostname: "1.2.3.4", port: 5 }],
  );
  // One byte short: none is believed.
  assertEquals(values(`5:nodes129:${five.slice(1)}`).nodes, []);
  assertEquals(
    values(`5:nodes1040:${node(good).repeat(40)}`).nodes?.length,
    16,
  );
  const list = [...bad, good].map((value) => `6:${value}`).join("");
  assertEquals(values(`6:valuesl${list}e`).values?.length, 1);
  assertEquals(values(`6:valuesl3:abci1elee`).values, []);
  assertEquals(values(`6:values6:${good}`).values, undefined);
  const many = `6:${good}`.repeat(170);
  assertEquals(values(`6:valuesl${many}e`).values?.length, 150);
  // Both families in one list (BEP 32).
  const six = `\x20\x01\x0d\xb8${"\0".repeat(11)}\x01\x00\x05`;
  assertEquals(values(`6:valuesl6:${good}18:${six}e`).values, [
    { hostname: "1.2.3.4", port: 5 },
    { hostname: "2001:db8::1", port: 5 },
  ]);
  const mapped = `${"\0".repeat(10)}\xff\xff\x01\x02\x03\x04\x00\x05`;
  assertEquals(values(`6:nodes638:${node(mapped)}`).nodes6, []);
});

Deno.test("decodeMessage() reads want as BEP 32 has it", () => {
  const wants: Record<string, number[]> = {
    "want IPv4": [4],
    "want IPv6": [6],
    both: [4, 6],
    "neither: ignore": [],
  };
  for (const { note, hex } of vectors.want) {
    const want = new TextDecoder().decode(decodeHex(hex));
    const message = decode(
      "d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456" +
        `4:want${want}e1:q9:find_node1:t2:aa1:y1:qe`,
    );
    assert(message.type === "query" && message.query.method === "find_node");
    assertEquals<unknown>(message.query.want, wants[note]);
  }
});

Deno.test("encodeQuery() writes what decodeMessage() reads", async (t) => {
  const queries: KrpcQuery[] = [
    { method: "ping" },
    { method: "find_node", target: HASH, want: undefined },
    { method: "find_node", target: HASH, want: [4, 6] },
    {
      ...{ method: "get_peers", infoHash: HASH, want: [6] },
      ...{ noSeed: true, scrape: true },
    },
    {
      ...{ method: "announce_peer", infoHash: HASH, port: 6881 },
      ...{ token: AA, isSeed: true },
    },
    {
      ...{ method: "announce_peer", infoHash: HASH, port: undefined },
      ...{ token: AA, isSeed: false },
    },
  ];
  for (const query of queries) {
    for (const isReadOnly of [false, true]) {
      await t.step(`${query.method} ${isReadOnly}`, () => {
        const said = { transaction: AA, id: ID, isReadOnly };
        const packet = encodeQuery(query, said);
        const written = new TextDecoder("latin1").decode(packet);
        assertEquals(written.includes("2:roi1e"), isReadOnly);
        assertEquals(decodeMessage(packet), { type: "query", ...said, query });
      });
    }
  }
});

Deno.test("encodeQuery() writes the bytes of BEP 5, and who we are", () => {
  const said = { transaction: AA, id: ID, isReadOnly: false };
  assertEquals(
    new TextDecoder().decode(encodeQuery({ method: "ping" }, said)),
    "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:v4:bg\0\x011:y1:qe",
  );
});

Deno.test("encodeAnswer() writes what decodeMessage() reads", () => {
  const contact = (hostname: string) => ({
    id: HASH,
    endpoint: { hostname, port: 6881 },
  });
  const values: KrpcReturn = {
    nodes: [contact("192.0.2.1"), contact("192.0.2.2")],
    nodes6: [contact("2001:db8::1")],
    values: [{ hostname: "192.0.2.3", port: 1 }],
    token: AA,
    seeds: new Uint8Array(256).fill(1),
    downloaders: new Uint8Array(256).fill(2),
  };
  const answer = { type: "response", transaction: AA, id: ID, values } as const;
  const address = ASKER.hostname;
  assertEquals(decodeMessage(encodeAnswer(answer, ASKER)), {
    ...answer,
    address,
  });
  const error = {
    type: "error",
    transaction: AA,
    code: 203,
    reason: "no",
  } as const;
  assertEquals(decodeMessage(encodeAnswer(error, ASKER)), {
    ...error,
    address,
  });
});
