import { assertEquals } from "@std/assert";
import { isLocal, isLoopback } from "../../src/bytes/local_host.ts";

Deno.test("isLocal() and isLoopback() know this machine and its neighbours", () => {
  const rows: [host: string, isLocal: boolean, isLoopback: boolean][] = [
    ["127.0.0.1", true, true],
    ["localhost", true, true],
    ["[::1]", true, true],
    ["[::ffff:7f00:1]", true, true],
    ["0.0.0.0", true, true],
    ["[::ffff:0:0]", true, true],
    ["192.168.0.1", true, false],
    ["172.32.0.1", false, false],
    ["172.15.0.1", false, false],
    ["100.63.0.1", false, false],
    ["100.128.0.1", false, false],
    ["11.0.0.1", false, false],
    ["128.0.0.1", false, false],
    ["[2001:db8::1]", false, false],
    ["[::ffff:808:808]", false, false],
    ["[fc::1]", false, false],
    ["localhost.example.com", false, false],
    ["127.0.0.1.example.com", false, false],
    ["10.example.com", false, false],
    ["example.com.", false, false],
  ];
  for (const [host, local, loopback] of rows) {
    assertEquals(isLocal(host), local, host);
    assertEquals(isLoopback(host), loopback, host);
  }
});
