import { assertEquals } from "@std/assert";
import { decodeHex } from "@std/encoding/hex";
import { crc32c } from "../../src/bytes/crc32c.ts";
import type { Endpoint } from "../../src/bytes/endpoint.ts";
import { peerPriority } from "../../src/policy/peer_priority.ts";
import testdata from "../../testdata/peer_priority.json" with { type: "json" };

/** Also what nobody listens at: the vectors are made of such addresses. */
function endpoint(text: string): Endpoint {
  const [, hostname, port] = /^\[?([^\]]*?)\]?(?::(\d+))?$/.exec(text)!;
  return { hostname: hostname!, port: Number(port ?? 1) };
}

Deno.test("peerPriority() finds the numbers of BEP 40, from both ends", async (t) => {
  for (const { a, b, hashed, priority } of testdata.vectors) {
    await t.step(`${a} and ${b}`, () => {
      const wanted = parseInt(priority, 16);
      assertEquals(crc32c(decodeHex(hashed)), wanted);
      assertEquals(peerPriority(endpoint(a), endpoint(b)), wanted);
      assertEquals(peerPriority(endpoint(b), endpoint(a)), wanted);
    });
  }
});

Deno.test("peerPriority() knows no number across families, or for names", () => {
  const [four, six, name] = ["192.0.2.1:1", "[2001:db8::1]:1", "localhost:1"]
    .map(endpoint);
  for (const [a, b] of [[four, six], [six, four], [four, name], [name, name]]) {
    assertEquals(peerPriority(a!, b!), undefined);
  }
});
