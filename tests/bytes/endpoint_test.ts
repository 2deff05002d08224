import {
  type AddressFamily,
  decodeCompactEndpoints,
  encodeCompactEndpoint,
  endpointOf,
  familyOf,
  formatAddress,
  formatEndpoint,
  parseAddress,
  parseEndpoint,
} from "../../src/bytes/endpoint.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";
import { assert, assertEquals } from "@std/assert";
import { decodeHex, encodeHex } from "@std/encoding/hex";

/** Addresses in canonical text, and their bytes. */
const ADDRESSES: [text: string, hex: string][] = [
  ["1.2.3.4", "01020304"],
  ["127.0.0.1", "7f000001"],
  ["192.0.2.255", "c00002ff"],
  ["223.255.255.255", "dfffffff"],
  ["::1", "00000000000000000000000000000001"],
  ["1::", "00010000000000000000000000000000"],
  ["2001:db8::1", "20010db8000000000000000000000001"],
  ["2001:db8:0:1:1:1:1:1", "20010db8000000010001000100010001"],
  ["2001:db8:1:2:3:4:5:6", "20010db8000100020003000400050006"],
  ["1:0:0:2::3", "00010000000000020000000000000003"],
  ["fe80::1234:5678", "fe800000000000000000000012345678"],
];

Deno.test("decodeCompactEndpoints() and encodeCompactEndpoint() are inverse", async (t) => {
  for (const [hostname, hex] of ADDRESSES) {
    await t.step(hostname, () => {
      const family: AddressFamily = hex.length === 8 ? 4 : 6;
      for (
        const [port, portHex] of [[1, "0001"], [6881, "1ae1"], [
          65_535,
          "ffff",
        ]] as const
      ) {
        const endpoint = { hostname, port };
        assertEquals(encodeHex(encodeCompactEndpoint(endpoint)), hex + portHex);
        const bytes = decodeHex(hex + portHex);
        assertEquals(decodeCompactEndpoints(bytes, { family, limit: 9 }), [
          endpoint,
        ]);
        assertEquals(familyOf(endpoint), family);
      }
    });
  }
});

Deno.test("decodeCompactEndpoints() leaves out what nobody answers at", async (t) => {
  const table: [
    name: string,
    family: AddressFamily,
    hex: string,
    texts: string[],
  ][] = [
    ["nothing", 4, "", []],
    ["port 0", 4, "010203040000", []],
    ["any address", 4, "000000001ae1", []],
    ["this network", 4, "000102031ae1", []],
    ["broadcast", 4, "ffffffff1ae1", []],
    ["multicast", 4, "e00000011ae1", []],
    ["reserved", 4, "f00000011ae1", []],
    ["a rest of five bytes", 4, "010203041ae10102030405", ["1.2.3.4:6881"]],
    ["good ones between bad ones", 4, "0102030400000a0000011ae1e00000010001", [
      "10.0.0.1:6881",
    ]],
    ["any IPv6 address", 6, "000000000000000000000000000000001ae1", []],
    ["IPv6 multicast", 6, "ff0200000000000000000000000000011ae1", []],
    ["IPv6 port 0", 6, "20010db80000000000000000000000010000", []],
    ["IPv4 in IPv6", 6, "00000000000000000000ffff010203041ae1", [
      "1.2.3.4:6881",
    ]],
    ["any IPv4 address in IPv6", 6, "00000000000000000000ffff000000001ae1", []],
    ["broadcast in IPv6", 6, "00000000000000000000ffffffffffff1ae1", []],
    ["a rest of 17 bytes", 6, "20010db8000000000000000000000001" + "00", []],
  ];
  for (const [name, family, hex, texts] of table) {
    await t.step(name, () => {
      const found = decodeCompactEndpoints(decodeHex(hex), {
        family,
        limit: 9,
      });
      assertEquals(found.map(formatEndpoint), texts);
    });
  }
});

Deno.test("decodeCompactEndpoints() takes a limited number from a long list", () => {
  const bytes = new Uint8Array(6_000_000).fill(1);
  const found = decodeCompactEndpoints(bytes, { family: 4, limit: 50 });
  assertEquals(found.length, 50);
});

// Whatever 16 bytes an address has, its canonical text stands for them.
Deno.test("parseAddress() undoes the canonical text of every address", () => {
  const seed = 0xadd;
  const random = seededRandom(seed);
  for (let round = 0; round < 2000; round++) {
    const bytes = randomBytes(16, random);
    for (let i = 0; i < 16; i += 2) {
      if (random() < 0.6) bytes.fill(0, i, i + 2);
    }
    bytes[0] = 0x20;
    const endpoint = endpointOf(formatAddress(bytes), 1);
    assert(endpoint, `seed ${seed}`);
    assertEquals(parseAddress(endpoint.hostname), bytes, `seed ${seed}`);
    assertEquals(endpointOf(endpoint.hostname, 1), endpoint, `seed ${seed}`);
  }
});

Deno.test("endpointOf() gives an address its canonical text", async (t) => {
  const table: [host: string, hostname: string][] = [
    ["1.2.3.4", "1.2.3.4"],
    ["001.002.003.004", "1.2.3.4"],
    ["2001:DB8::1", "2001:db8::1"],
    ["2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["::ffff:1.2.3.4", "1.2.3.4"],
    ["::FFFF:102:304", "1.2.3.4"],
    ["64:ff9b::1.2.3.4", "64:ff9b::102:304"],
    ["Example.COM", "example.com"],
    ["localhost", "localhost"],
    ["a_b-c.example.", "a_b-c.example."],
    ["1.2.3.4.example", "1.2.3.4.example"],
    ["xn--nxasmq6b.example", "xn--nxasmq6b.example"],
    ["x1", "x1"],
  ];
  for (const [host, hostname] of table) {
    await t.step(host, () => {
      assertEquals(endpointOf(host, 6881), { hostname, port: 6881 });
    });
  }
});

Deno.test("endpointOf() refuses hosts that are none", async (t) => {
  const hosts = [
    "",
    " ",
    ".",
    "-",
    "a b",
    "a\r\nHost: b",
    "1.2.3.4\n",
    "1.2.3.4 ",
    "user@host",
    "host/path",
    "host?query",
    "host#part",
    "host%00",
    "hö.example",
    "-host",
    "host-",
    "a".repeat(256),
    "[::1]",
    "::1]",
    "::1]/path",
    "1]@host:80/[",
    "::1\r\n",
    " ::1",
    "::1%eth0",
    "fe80::1%251",
    ":::",
    "1:2",
    "1:2:3:4:5:6:7:8:9",
    "12345::",
    "host:80",
    "256.1.1.1",
    "1.2.3.99999999999999999999",
    "1.2.3",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "1.2.3.4.5",
    "host.7",
    "host.0x",
    "127.0.0.1.",
    "0.0.0.0",
    "0.1.2.3",
    "224.0.0.1",
    "239.255.255.255",
    "255.255.255.255",
    "::",
    "0:0::0",
    "::ffff:0.0.0.0",
    "::ffff:255.255.255.255",
    "ff02::1",
    "FF05::2",
  ];
  for (const host of hosts) {
    await t.step(JSON.stringify(host.slice(0, 30)), () => {
      assertEquals(endpointOf(host, 6881), undefined);
    });
  }
});

Deno.test("endpointOf() refuses ports that are none", () => {
  for (const port of [0, -1, 65_536, 2 ** 32 + 1, 1.5, NaN, Infinity]) {
    assertEquals(endpointOf("1.2.3.4", port), undefined);
  }
});

Deno.test("parseEndpoint() and formatEndpoint() are inverse", async (t) => {
  const table: [text: string, hostname: string, port: number][] = [
    ["1.2.3.4:6881", "1.2.3.4", 6881],
    ["[2001:db8::1]:1", "2001:db8::1", 1],
    ["example.com:65535", "example.com", 65_535],
  ];
  for (const [text, hostname, port] of table) {
    await t.step(text, () => {
      assertEquals(parseEndpoint(text), { hostname, port });
      assertEquals(formatEndpoint({ hostname, port }), text);
    });
  }
  assertEquals(parseEndpoint("[::FFFF:1.2.3.4]:00080"), {
    hostname: "1.2.3.4",
    port: 80,
  });
});

Deno.test("parseEndpoint() refuses what is not one host and one port", async (t) => {
  const texts = [
    "",
    ":",
    ":6881",
    "1.2.3.4",
    "1.2.3.4:",
    "1.2.3.4:0",
    "1.2.3.4:65536",
    "1.2.3.4:100000",
    "1.2.3.4:+80",
    "1.2.3.4:8o",
    "1.2.3.4:80 ",
    "1.2.3.4:80\n",
    " 1.2.3.4:80",
    "1.2.3.4:80:80",
    "2001:db8::1:80",
    "[2001:db8::1]",
    "[2001:db8::1]80",
    "[::1:80",
    "::1]:80",
    "[[::1]]:80",
    "[1.2.3.4]:80",
    "[dead.beef]:80",
    "[host]:80",
    "[::1%eth0]:80",
    "[]:80",
    "user@host:80",
    "http://host:80",
    "host/path:80",
    "ho st:80",
    "host\r\n:80",
    "0.0.0.0:80",
    "[::]:80",
  ];
  for (const text of texts) {
    await t.step(JSON.stringify(text), () => {
      assertEquals(parseEndpoint(text), undefined);
    });
  }
});

Deno.test("familyOf() knows no family of a name", () => {
  assertEquals(familyOf({ hostname: "example.com", port: 1 }), undefined);
});
