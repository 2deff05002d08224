import { assertEquals } from "@std/assert";
import { percentEncode } from "../../src/bytes/percent.ts";

Deno.test("percentEncode() leaves the unreserved characters alone", () => {
  const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  const text = percentEncode(all);
  assertEquals(
    text.replace(/%[0-9A-F]{2}/g, ""),
    "-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~",
  );
  assertEquals(text.match(/%/g)?.length, 256 - 66);
  assertEquals(percentEncode(Uint8Array.of(0, 0x25, 0xff)), "%00%25%FF");
});
