import { assert } from "@std/assert";
import { conditionalTest, missingProgram } from "../support/conditional.ts";
import { ALL_CLIENTS, LIBTORRENT } from "./support/clients.ts";
import { isConnectionTo } from "./support/downloads.ts";
import { OPENTRACKER } from "./support/opentracker.ts";
import { type SwarmOptions, withSwarm } from "./support/swarm.ts";

const MIB = 1024 * 1024;

/** All so slow that something is left to do when Transmission unchokes. */
const SWARMS: [name: string, options: SwarmOptions][] = [
  ["from one seeder of each client at once", {
    recipe: { files: { a: 8 * MIB + 1, "b/c": 13 * MIB + 2 } },
    seeders: ALL_CLIENTS,
    maxRate: 400,
  }],
  ["among leechers of every client", {
    recipe: { files: { a: 3 * MIB + 1, "b/c": 5 * MIB + 2 } },
    seeders: [LIBTORRENT],
    leechers: ALL_CLIENTS,
    maxRate: 1024,
  }],
];

for (const [name, options] of SWARMS) {
  conditionalTest({
    name: `btget downloads ${name}`,
    missing: [
      ...missingProgram(OPENTRACKER),
      ...ALL_CLIENTS.flatMap((kind) => kind.missing()),
    ],
    async fn() {
      await withSwarm(options, async (swarm) => {
        const records = await swarm.download();
        for (const kind of ALL_CLIENTS) {
          assert(
            records.some((record) => isConnectionTo(record, kind)),
            `no connection to ${kind.name}`,
          );
        }
      });
    },
  });
}
