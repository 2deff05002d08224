import { assert, assertEquals } from "@std/assert";
import { AnswerBudget, QueryLimit } from "../../src/dht/rate_limit.ts";

Deno.test("QueryLimit blocks 1000 packets in two seconds, and nobody else", () => {
  const limit = new QueryLimit();
  let answered = 0;
  for (let i = 0; i < 1000; i++) {
    answered += Number(limit.allows("192.0.2.1", i * 2));
  }
  assertEquals(answered, 50);
  assert(limit.allows("192.0.2.2", 2000));
  assert(limit.allows("2001:db8::1", 2000));
  assert(!limit.allows("192.0.2.1", 299_000));
  assert(limit.allows("192.0.2.1", 301_000));
});

Deno.test("QueryLimit never blocks who asks five times a second", () => {
  const limit = new QueryLimit();
  for (let i = 0; i < 10_000; i++) {
    assert(limit.allows("192.0.2.1", i * 200), `${i}`);
  }
});

Deno.test("QueryLimit counts a network of IPv6 as one host", () => {
  const limit = new QueryLimit();
  let answered = 0;
  for (let i = 1; i < 200; i++) {
    answered += Number(limit.allows(`2001:db8::${i.toString(16)}`, 0));
  }
  assertEquals(answered, 50);
});

Deno.test("QueryLimit remembers a bounded number of hosts", () => {
  const limit = new QueryLimit();
  for (let i = 0; i < 10_000; i++) {
    limit.allows(`8.${i >> 16}.${i >> 8 & 255}.${i & 255}`, 0);
  }
  assertEquals(limit.size, 4096);
});

Deno.test("AnswerBudget gives 32 KiB a second, and four seconds at once", () => {
  const budget = new AnswerBudget();
  const spend = (now: number) => {
    let bytes = 0;
    while (budget.take(512, now)) bytes += 512;
    return bytes;
  };
  assertEquals(spend(0), 128 * 1024);
  assertEquals(spend(0), 0);
  assertEquals(spend(1000), 32 * 1024);
  assertEquals(spend(1500), 16 * 1024);
  assertEquals(spend(1_000_000), 128 * 1024);
  assertEquals(budget.take(200_000, 2_000_000), false);
  assertEquals(spend(2_000_000), 128 * 1024);
});
