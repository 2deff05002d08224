import { assertEquals } from "@std/assert";
import { crc32c } from "../../src/bytes/crc32c.ts";

Deno.test("crc32c() gives the check values of RFC 3720", () => {
  const rows: [bytes: Uint8Array, checksum: number][] = [
    [new Uint8Array(), 0],
    [new TextEncoder().encode("123456789"), 0xe3069283],
    [new Uint8Array(32), 0x8a9136aa],
    [new Uint8Array(32).fill(255), 0x62a8ab43],
    [Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
  ];
  for (const [bytes, checksum] of rows) assertEquals(crc32c(bytes), checksum);
});
