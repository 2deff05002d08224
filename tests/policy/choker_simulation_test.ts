import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { seededRandom } from "../support/seeded_random.ts";
import { type Role, SimulatedSwarm } from "../support/simulated_swarm.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const MINUTE_MS = 60_000;

/** A piece of a usual size: what a peer needs before it can give. */
const PIECE = 256 * KIB;

const SEED: Role = { name: "seed", up: 200 * KIB, down: 0, isSeed: true };
const GIVER: Role = { name: "giver", up: 50 * KIB, down: MIB };
const FREE_RIDER: Role = { name: "free rider", up: 0, down: MIB };
const LEECHER: Role = { ...FREE_RIDER, name: "leecher" };

/** So many with one part. */
function many(count: number, role: Role): Role[] {
  return Array.from({ length: count }, () => role);
}

/** The same, seen with several seeds. */
function seeds(check: (seed: number) => void): void {
  for (let seed = 1; seed <= 5; seed++) check(seed);
}

function swarmOf(roles: Role[], seed: number): SimulatedSwarm {
  return new SimulatedSwarm(roles, seededRandom(seed));
}

Deno.test("Choker gives to who gives, and to a free rider little", () => {
  seeds((seed) => {
    const swarm = swarmOf(
      [...many(30, GIVER), ...many(10, FREE_RIDER), SEED],
      seed,
    );
    swarm.run(10 * MINUTE_MS);
    const [given, ridden] = [GIVER, FREE_RIDER].map(({ name }) =>
      swarm.received(name)
    );
    const where = `seed ${seed}: ${given} and ${ridden}`;
    assert(given! > 2.5 * ridden!, where);
    // The optimistic slots are a fifth or a quarter of all.
    assert(10 * ridden! < 0.15 * (30 * given! + 10 * ridden!), where);
  });
});

Deno.test("Choker serves a giver before a free rider that was there first", () => {
  seeds((seed) => {
    const swarm = swarmOf([
      SEED,
      ...many(20, FREE_RIDER),
      ...many(8, { ...GIVER, joinsAt: 2 * MINUTE_MS }),
    ], seed);
    swarm.run(2 * MINUTE_MS);
    const before = swarm.received("free rider");
    swarm.run(8 * MINUTE_MS);
    const ridden = swarm.received("free rider") - before;
    const given = swarm.received("giver");
    assert(given > 2.5 * ridden, `seed ${seed}: ${given} and ${ridden}`);
  });
});

Deno.test("Choker gives more to who gives more", () => {
  seeds((seed) => {
    const swarm = swarmOf([
      SEED,
      ...many(12, { ...GIVER, name: "fast", up: 100 * KIB }),
      ...many(12, { ...GIVER, name: "slow", up: 20 * KIB }),
      ...many(6, FREE_RIDER),
    ], seed);
    swarm.run(10 * MINUTE_MS);
    const [fast, slow, ridden] = ["fast", "slow", "free rider"].map((name) =>
      swarm.received(name)
    );
    const where = `seed ${seed}: ${fast}, ${slow} and ${ridden}`;
    assert(fast! > 2 * slow!, where);
    assert(slow! > ridden!, where);
  });
});

Deno.test("Choker lets a new peer have its first piece within a minute", () => {
  seeds((seed) => {
    const late = Array.from({ length: 8 }, (_, i) => ({
      ...GIVER,
      name: `late ${i}`,
      joinsAt: 3 * MINUTE_MS + i * 37_000,
    }));
    const swarm = swarmOf(
      [...many(30, GIVER), ...many(10, FREE_RIDER), SEED, ...late],
      seed,
    );
    for (const { name, joinsAt } of late) {
      swarm.run(joinsAt + MINUTE_MS - swarm.now);
      const had = swarm.received(name);
      assert(had >= PIECE, `seed ${seed}: ${name} has only ${had} bytes`);
    }
  });
});

Deno.test("Choker lets a new swarm begin without a pause", () => {
  seeds((seed) => {
    const swarm = swarmOf([SEED, ...many(3, GIVER)], seed);
    // Three leechers and four slots: nobody waits for a round of ten seconds.
    swarm.run(4_000);
    for (const { role, received } of swarm.members) {
      assert(role.isSeed || received > 0, `seed ${seed}`);
    }
  });
});

Deno.test("Choker leaves equal peers where they are", () => {
  seeds((seed) => {
    const swarm = swarmOf([...many(30, GIVER), SEED], seed);
    swarm.run(5 * MINUTE_MS);
    const before = swarm.members.map(({ chokes }) => chokes);
    swarm.run(10 * MINUTE_MS);
    swarm.members.forEach(({ role, chokes, mostServed }, i) => {
      const perMinute = (chokes - before[i]!) / 10;
      // Two turns of the optimistic slot, some luck, and a slot that is tried
      // out; a seed gives each slot away once a minute.
      const bound = role.isSeed ? mostServed + 3 : 5;
      assertLessOrEqual(perMinute, bound, `seed ${seed}: ${role.name}`);
    });
  });
});

Deno.test("Choker of a lone seed serves twenty leechers through four slots", () => {
  seeds((seed) => {
    const swarm = swarmOf([
      { ...SEED, maxSlots: 4 },
      ...many(20, LEECHER),
    ], seed);
    swarm.run(6 * MINUTE_MS);
    for (const { role, received } of swarm.members) {
      assert(role.isSeed || received >= PIECE, `seed ${seed}: ${received}`);
    }
    swarm.run(54 * MINUTE_MS);
    const shares = swarm.members.slice(1).map(({ received }) => received);
    assert(
      Math.min(...shares) > 0.6 * Math.max(...shares),
      `seed ${seed}: ${shares}`,
    );
    assertEquals(swarm.members[0]!.mostServed, 4);
  });
});

Deno.test("Choker serves more at a time the more the line carries", () => {
  const mostServed = [50 * KIB, MIB, 100 * MIB].map((up) => {
    const swarm = swarmOf([{ ...SEED, up }, ...many(120, LEECHER)], 1);
    swarm.run(3 * MINUTE_MS);
    const { mostServed, sentPerSecond } = swarm.members[0]!;
    assert(sentPerSecond > 0.9 * up, `${sentPerSecond} of ${up}`);
    return mostServed;
  });
  const [slow, middling, fast] = mostServed;
  assert(slow! >= 5 && slow! <= 7, `${slow}`);
  assert(middling! >= 25 && middling! <= 30, `${middling}`);
  assertEquals(fast, 100);
});

Deno.test("Choker fills a fast line with slow leechers", () => {
  const swarm = swarmOf([
    { ...SEED, up: MIB },
    ...many(60, { ...LEECHER, down: 15 * KIB }),
  ], 1);
  swarm.run(10 * MINUTE_MS);
  const { sentPerSecond } = swarm.members[0]!;
  assert(sentPerSecond > 0.7 * 60 * 15 * KIB, `${sentPerSecond / KIB} KiB/s`);
});
