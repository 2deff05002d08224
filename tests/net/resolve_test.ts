import { assert, assertEquals, assertRejects } from "@std/assert";
import { isLoopback } from "../../src/bytes/local_host.ts";
import { resolve } from "../../src/net/resolve.ts";

const { signal } = new AbortController();

Deno.test("resolve() takes an address for what it is", async () => {
  for (const hostname of ["192.0.2.1", "2001:db8::1"]) {
    const endpoint = { hostname, port: 80 };
    assertEquals(await resolve(endpoint, { signal }), [endpoint]);
  }
});

Deno.test("resolve() finds the addresses of this machine's name", async () => {
  const found = await resolve({ hostname: "localhost", port: 80 }, { signal });
  assert(found.length > 0);
  for (const { hostname, port } of found) {
    assert(isLoopback(hostname));
    assertEquals(port, 80);
  }
});

Deno.test("resolve() does not begin when it is too late", async () => {
  const aborted = AbortSignal.abort(new Error("enough"));
  await assertRejects(
    () => resolve({ hostname: "localhost", port: 80 }, { signal: aborted }),
    Error,
    "enough",
  );
});
