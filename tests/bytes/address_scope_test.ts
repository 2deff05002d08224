import { assertEquals } from "@std/assert";
import { isInScopeOf, scopeOf } from "../../src/bytes/address_scope.ts";

Deno.test("scopeOf() knows the edges of the networks", async (t) => {
  const table: [scope: string | undefined, ...hostnames: string[]][] = [
    ["loopback", "127.0.0.0", "127.0.0.1", "127.255.255.255", "::1"],
    ["link", "169.254.0.0", "169.254.255.255", "fe80::1", "febf:ffff::"],
    ["private", "10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255"],
    ["private", "192.168.0.0", "192.168.255.255"],
    ["private", "100.64.0.0", "100.127.255.255", "fc00::", "fdff::1"],
    ["global", "1.0.0.0", "9.255.255.255", "11.0.0.0", "126.255.255.255"],
    ["global", "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255"],
    [
      "global",
      "172.32.0.0",
      "192.167.255.255",
      "192.169.0.0",
      "100.63.255.255",
    ],
    ["global", "100.128.0.0", "192.0.1.255", "192.0.3.0", "198.17.255.255"],
    [
      "global",
      "198.20.0.0",
      "223.255.255.255",
      "2000::",
      "3fff::",
      "2001:db9::",
    ],
    [undefined, "0.0.0.0", "0.255.255.255", "192.0.2.0", "192.0.2.255"],
    [undefined, "198.18.0.0", "198.19.255.255", "198.51.100.7", "203.0.113.7"],
    [undefined, "224.0.0.0", "239.192.152.143", "255.255.255.255"],
    [undefined, "::", "::2", "1::", "1fff::", "4000::", "fe7f::", "fec0::"],
    [undefined, "fbff::", "fe00::", "ff02::1", "2001:db8::", "64:ff9b::1"],
    [undefined, "", "localhost", "example.com", "1.2.3.4.example.com"],
  ];
  for (const [scope, ...hostnames] of table) {
    await t.step(`${scope}: ${hostnames[0]}`, () => {
      for (const hostname of hostnames) {
        assertEquals(scopeOf(hostname), scope, hostname);
      }
    });
  }
});

Deno.test("isInScopeOf() believes what is as near to the teller as he to us", () => {
  const near = {
    loopback: "127.0.0.1",
    link: "fe80::1",
    private: "10.0.0.1",
    global: "1.2.3.4",
    none: "example.com",
  };
  const believed = Object.entries(near).flatMap(([what, hostname]) =>
    Object.entries(near).filter(([, teller]) => isInScopeOf(hostname, teller))
      .map(([who]) => `${what} of ${who}`)
  );
  assertEquals(believed, [
    "loopback of loopback",
    "link of link",
    "private of private",
    "global of loopback",
    "global of link",
    "global of private",
    "global of global",
    "global of none",
  ]);
});
