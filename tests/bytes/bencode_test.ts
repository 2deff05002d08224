import {
  bencodedLength,
  type BencodeInput,
  type BencodeValue,
  bytesAt,
  decodeBencode,
  decodeBencodePrefix,
  dictionaryAt,
  dictionaryEntries,
  encodeBencode,
  fromLatin1,
  integerAt,
  latin1,
  listAt,
  listItems,
  textAt,
} from "../../src/bytes/bencode.ts";
import { BencodeError } from "../../src/errors.ts";
import vectors from "../../testdata/bencode_vectors.json" with { type: "json" };
import { assert, assertEquals, assertThrows } from "@std/assert";
import { decodeHex, encodeHex } from "@std/encoding/hex";

interface Vector {
  hex: string;
  verdict: string;
  consumed?: number;
}

const VECTORS = vectors.cases as Vector[];

function withVerdict(...verdicts: string[]): Vector[] {
  const found = VECTORS.filter(({ verdict }) => verdicts.includes(verdict));
  assert(found.length > 0);
  return found;
}

/** Bytes from text with one character for each byte. */
const bytes = fromLatin1;

/** A value with its byte strings as text, for tables. */
function shown(value: BencodeValue): unknown {
  if (value instanceof Uint8Array) return latin1(value);
  if (Array.isArray(value)) return value.map(shown);
  if (value instanceof Map) {
    return new Map([...value].map(([key, item]) => [key, shown(item)]));
  }
  return value;
}

function repeated(
  text: string,
  count: number,
  around: { before?: string; after?: string } = {},
): Uint8Array {
  const { before = "", after = "" } = around;
  const unit = bytes(text);
  const made = new Uint8Array(
    before.length + unit.length * count + after.length,
  );
  made.set(bytes(before));
  for (let i = 0; i < count; i++) {
    made.set(unit, before.length + i * text.length);
  }
  made.set(bytes(after), made.length - after.length);
  return made;
}

Deno.test("decodeBencode() and encodeBencode() are inverse", async (t) => {
  const table: [text: string, value: unknown][] = [
    ["i0e", 0],
    ["i-42e", -42],
    ["i9007199254740991e", Number.MAX_SAFE_INTEGER],
    ["i-9007199254740991e", Number.MIN_SAFE_INTEGER],
    ["i9007199254740992e", 9007199254740992n],
    ["i-9223372036854775808e", -9223372036854775808n],
    ["0:", ""],
    ["4:spam", "spam"],
    ["3:\xff\x00e", "\xff\x00e"],
    ["le", []],
    ["l4:spami7ee", ["spam", 7]],
    ["de", new Map()],
    [
      "d3:bar4:spam3:fooi42ee",
      new Map<string, unknown>([["bar", "spam"], ["foo", 42]]),
    ],
    [
      "d0:le1:\xffd1:ali1eeee",
      new Map<string, unknown>([["", []], ["\xff", new Map([["a", [1]]])]]),
    ],
  ];
  for (const [text, value] of table) {
    await t.step(JSON.stringify(text), () => {
      const decoded = decodeBencode(bytes(text));
      assertEquals(shown(decoded), value);
      assertEquals(latin1(encodeBencode(decoded)), text);
    });
  }
});

Deno.test("decodeBencode() and encodeBencode() agree with the vectors that are canonical", () => {
  for (const { hex } of withVerdict("valid")) {
    const value = decodeBencode(decodeHex(hex));
    assertEquals(encodeHex(encodeBencode(value)), hex);
  }
});

Deno.test("decodeBencode() reads the vectors that are not canonical", () => {
  for (const { hex } of withVerdict("noncanonical")) {
    const value = decodeBencode(decodeHex(hex));
    assertEquals(decodeBencode(encodeBencode(value)), value, hex);
  }
});

Deno.test("decodeBencode() refuses every other vector", () => {
  for (const { hex } of withVerdict("invalid", "trailing")) {
    assertThrows(() => decodeBencode(decodeHex(hex)), BencodeError);
  }
});

Deno.test("decodeBencodePrefix() stops where the value ends", () => {
  const all = withVerdict("valid", "noncanonical", "trailing");
  for (const { hex, consumed } of all) {
    assertEquals(decodeBencodePrefix(decodeHex(hex)).length, consumed, hex);
    const spare = decodeHex(hex + "6c6530");
    assertEquals(decodeBencodePrefix(spare).length, consumed, hex);
  }
});

Deno.test("decodeBencode() says where a value breaks off", () => {
  for (const { hex } of withVerdict("valid", "noncanonical")) {
    const whole = decodeHex(hex);
    for (let length = 0; length < whole.length; length++) {
      const error = assertThrows(
        () => decodeBencode(whole.subarray(0, length)),
        BencodeError,
      );
      assert(error.offset <= length, hex);
    }
  }
});

Deno.test("decodeBencode() is lenient without losing anything", async (t) => {
  const table: [text: string, value: unknown][] = [
    ["i-0e", 0],
    ["i007e", 7],
    ["i-012e", -12],
    ["03:abc", "abc"],
    ["i9223372036854775808e", 9223372036854775808n],
    ["i-00009007199254740993e", -9007199254740993n],
    [`i${"9".repeat(100)}e`, BigInt("9".repeat(100))],
    ["d1:ai1e1:ai2ee", new Map([["a", 1]])],
    ["d1:bi1e1:ai2ee", new Map([["b", 1], ["a", 2]])],
  ];
  for (const [text, value] of table) {
    await t.step(text.slice(0, 30), () => {
      const decoded = decodeBencode(bytes(text));
      assertEquals(shown(decoded), value);
      assert(!Object.is(decoded, -0));
    });
  }
});

Deno.test("decodeBencode() refuses what breaks the grammar", async (t) => {
  const table: [text: string, message: string, offset: number][] = [
    ["", "unexpected end of input", 0],
    ["x", "expected a value", 0],
    ["e", "expected a value", 0],
    ["-1:a", "expected a value", 0],
    ["ie", "expected a digit", 1],
    ["i-e", "expected a digit", 2],
    ["i--1e", "expected a digit", 2],
    ["i+1e", "expected a digit", 1],
    ["i1.5e", "expected 'e'", 2],
    [`i${"9".repeat(101)}e`, "integer too long", 102],
    ["3:ab", "string longer than the input", 0],
    ["3abc", "expected ':'", 1],
    ["2147483648:", "string longer than the input", 0],
    ["4294967299:abc", "string longer than the input", 0],
    ["10000000000000000000:", "string length too large", 0],
    ["00000000003:abc", "string length too large", 0],
    ["li1e", "unexpected end of input", 4],
    ["di1ei2ee", "expected a value", 1],
    ["d1:ae", "expected a value", 4],
    ["d-3:keyi1ee", "expected a value", 1],
    ["i1ei2e", "unexpected bytes after the value", 3],
  ];
  for (const [text, message, offset] of table) {
    await t.step(text.slice(0, 30) || "nothing", () => {
      const error = assertThrows(
        () => decodeBencode(bytes(text)),
        BencodeError,
        message,
      );
      assertEquals(error.offset, offset);
    });
  }
});

Deno.test("decodeBencode() gives views into its input", () => {
  const input = bytes("l4:spame");
  const [spam] = decodeBencode(input) as Uint8Array[];
  input[3] = 0x53;
  assertEquals(latin1(spam!), "Spam");
});

Deno.test("decodeBencode() reads input that lies inside a larger buffer", () => {
  const input = bytes("xxd1:ai1eexx").subarray(2, 10);
  assertEquals(decodeBencode(input), new Map([["a", 1]]));
});

Deno.test("decodeBencode() goes a hundred levels down and no further", () => {
  for (const [open, close] of [["l", "e"], ["d0:", "e"]] as const) {
    const nested = (depth: number) =>
      bytes(open.repeat(depth) + "le" + close.repeat(depth));
    decodeBencode(nested(100));
    assertEquals(bencodedLength(nested(100)), nested(100).length);
    const inside = (depth: number) => [
      ...dictionaryEntries(nested(depth)) ?? [],
      ...listItems(nested(depth)) ?? [],
    ];
    assertEquals(inside(100).length, 1);
    assertThrows(() => inside(101), BencodeError, "too deep");
    for (const depth of [101, 1024, 4096]) {
      for (const read of [decodeBencode, bencodedLength]) {
        assertThrows(() => read(nested(depth)), BencodeError, "too deep");
      }
    }
  }
});

Deno.test("decodeBencode() ends quickly whatever is piled up", async (t) => {
  const table: [name: string, input: Uint8Array][] = [
    ["lists in lists", repeated("l", 1_000_000)],
    ["dictionaries in dictionaries", repeated("d0:", 1_000_000)],
    ["10 million lists", repeated("le", 10_000_000, { before: "l" })],
    ["10 million dictionaries", repeated("de", 10_000_000, { before: "l" })],
    ["10 million digits", repeated("1", 10_000_000)],
    ["an integer of 10 million digits", repeated("1", 1e7, { before: "i" })],
  ];
  for (const [name, input] of table) {
    await t.step(name, () => {
      assertThrows(() => decodeBencode(input), BencodeError);
      assertThrows(() => bencodedLength(input), BencodeError);
    });
  }
});

Deno.test("decodeBencode() refuses more values than fit in memory", () => {
  const list = (count: number) =>
    repeated("le", count, { before: "l", after: "e" });
  assertEquals((decodeBencode(list(499_999)) as unknown[]).length, 499_999);
  assertThrows(() => decodeBencode(list(500_000)), BencodeError, "too many");
});

Deno.test("bencodedLength() and listItems() pass by what is too much to build", () => {
  const list = repeated("de", 2_900_000, { before: "l", after: "e" });
  assertEquals(bencodedLength(list), list.length);
  let count = 0;
  for (const item of listItems(list)!) count += item.length;
  assertEquals(count, list.length - 2);
  const flood = repeated("de", 3_000_001, { before: "l", after: "e" });
  assertThrows(() => bencodedLength(flood), BencodeError, "too many");
  const items = listItems(flood)!;
  assertThrows(
    () => {
      for (const item of items) count += item.length;
    },
    BencodeError,
    "too many",
  );
});

Deno.test("bencodedLength() takes and refuses what decodeBencodePrefix() does", () => {
  for (const { hex, consumed } of VECTORS) {
    const input = decodeHex(hex);
    if (consumed === undefined) {
      const ours = assertThrows(() => bencodedLength(input), BencodeError);
      const theirs = assertThrows(
        () => decodeBencodePrefix(input),
        BencodeError,
      );
      assertEquals(ours.message, theirs.message);
    } else {
      assertEquals(bencodedLength(input), consumed, hex);
    }
  }
});

Deno.test("dictionaryEntries() gives every entry as it is written", () => {
  const entries = dictionaryEntries(bytes("d1:bi007e1:ale1:bdee")) ?? [];
  assertEquals(
    Array.from(entries, (entry) => [entry.key, latin1(entry.bytes)]),
    [["b", "i007e"], ["a", "le"], ["b", "de"]],
  );
});

Deno.test("dictionaryEntries() is for dictionaries and listItems() for lists", () => {
  assertEquals(dictionaryEntries(bytes("le")), undefined);
  assertEquals(dictionaryEntries(bytes("")), undefined);
  assertEquals(listItems(bytes("de")), undefined);
  assertEquals(listItems(bytes("2:le")), undefined);
});

Deno.test("dictionaryEntries() and listItems() throw where the bytes break off", () => {
  const entries = dictionaryEntries(bytes("d1:ai1e1:b"))![Symbol.iterator]();
  assertEquals(entries.next().value?.key, "a");
  assertThrows(() => entries.next(), BencodeError);
  const items = listItems(bytes("li1ex"))![Symbol.iterator]();
  assertEquals(items.next().value, bytes("i1e"));
  assertThrows(() => items.next(), BencodeError);
});

Deno.test("encodeBencode() writes strings, plain objects and nothing for undefined", () => {
  const table: [value: BencodeInput, text: string][] = [
    ["höß", "5:h\xc3\xb6\xc3\x9f"],
    [{ b: 1, a: [2n, "x"], c: undefined }, "d1:ali2e1:xe1:bi1ee"],
    [{ "é": 1, z: 2 }, "d1:zi2e2:\xc3\xa9i1ee"],
    [new Map([["\xff", 1], ["a", 2], ["Z", 3]]), "d1:Zi3e1:ai2e1:\xffi1ee"],
    [{ aa: 1, a: 2, "": 3 }, "d0:i3e1:ai2e2:aai1ee"],
    [2n ** 70n, "i1180591620717411303424e"],
  ];
  for (const [value, text] of table) {
    assertEquals(latin1(encodeBencode(value)), text);
  }
});

Deno.test("encodeBencode() refuses numbers that are not safe integers", () => {
  for (const number of [1.5, 2 ** 53, NaN, Infinity]) {
    assertThrows(() => encodeBencode([number]), RangeError);
  }
});

Deno.test("integerAt() and its kin give nothing for another type", () => {
  const dictionary = decodeBencode(
    bytes("d1:bi9007199254740992e1:dde1:ii1e1:lle1:s3:\xc3\xa9\xffe"),
  );
  assert(dictionary instanceof Map);
  const found = ["b", "d", "i", "l", "s", "none"].map((key) => [
    integerAt(dictionary, key),
    bytesAt(dictionary, key),
    textAt(dictionary, key),
    listAt(dictionary, key),
    dictionaryAt(dictionary, key),
  ]);
  const none = undefined;
  assertEquals(found, [
    [none, none, none, none, none],
    [none, none, none, none, new Map()],
    [1, none, none, none, none],
    [none, none, none, [], none],
    [none, bytes("\xc3\xa9\xff"), "é\ufffd", none, none],
    [none, none, none, none, none],
  ]);
});

Deno.test("latin1() and fromLatin1() are inverse at any length", () => {
  const all = Uint8Array.from({ length: 5000 }, (_, i) => i % 256);
  for (const length of [0, 1, 255, 256, 1023, 1024, 1025, 5000]) {
    const some = all.subarray(0, length);
    assertEquals(latin1(some).length, length);
    assertEquals(fromLatin1(latin1(some)), some);
  }
});
