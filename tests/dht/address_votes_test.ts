import { assertEquals } from "@std/assert";
import { AddressVotes } from "../../src/dht/address_votes.ts";

const US = "198.51.100.7";
const MINUTE_MS = 60_000;

/** Votes one after the other, as `address voter`; the address after each. */
function count(...votes: string[]): (string | undefined)[] {
  const all = new AddressVotes(4);
  return votes.map((vote) => {
    const [address, voter] = vote.split(" ");
    all.vote(address!, { voter: voter!, now: 0 });
    return all.address;
  });
}

Deno.test("AddressVotes believes four networks that agree", () => {
  const votes = [1, 2, 3, 4].map((i) => `${US} 8.8.${i}.1`);
  assertEquals(count(...votes), [undefined, undefined, undefined, US]);
});

Deno.test("AddressVotes counts a network once, and neighbours not at all", () => {
  const nothing = Array(10).fill(undefined);
  const same = nothing.map((_, i) => `${US} 8.8.8.${i}`);
  assertEquals(count(...same), nothing);
  const neighbours = nothing.map((_, i) => `${US} 192.168.${i}.1`);
  assertEquals(count(...neighbours), nothing);
});

Deno.test("AddressVotes believes nobody who says what cannot be", () => {
  for (const address of ["10.0.0.1", "127.0.0.1", "2001:db8::1"]) {
    const votes = Array.from({ length: 8 }, (_, i) => `${address} 8.8.${i}.1`);
    assertEquals(count(...votes).at(-1), undefined);
  }
});

Deno.test("AddressVotes is not moved by less than half", () => {
  const votes = new AddressVotes(4);
  const vote = (address: string, network: number, now: number) =>
    votes.vote(address, { voter: `8.8.${network}.1`, now });
  for (let i = 0; i < 12; i++) vote(US, i, 0);
  for (let i = 12; i < 20; i++) vote("203.0.113.1", i, 60 * MINUTE_MS);
  assertEquals(votes.address, US);
  // Those who voted last count.
  const moved = [0, 1, 2, 3].map((i) => vote("203.0.113.1", i, 60 * MINUTE_MS));
  assertEquals(moved, [false, false, true, false]);
  assertEquals(votes.address, "203.0.113.1");
  // Not with every wind.
  for (let i = 0; i < 20; i++) vote(US, i, 69 * MINUTE_MS);
  assertEquals(votes.address, "203.0.113.1");
  assertEquals(vote(US, 0, 70 * MINUTE_MS), true);
});
