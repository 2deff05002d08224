import { assert } from "@std/assert";
import { conditionalTest, missingProgram } from "../support/conditional.ts";
import { isConnectionTo, MULTI_FILE } from "./support/downloads.ts";
import { OPENTRACKER } from "./support/opentracker.ts";
import { ALL_SEEDERS } from "./support/seeders.ts";
import { withSwarm } from "./support/swarm.ts";

const MIB = 1024 * 1024;

conditionalTest({
  name: "btget downloads from one seeder of each client at once",
  missing: [
    ...missingProgram(OPENTRACKER),
    ...ALL_SEEDERS.flatMap((kind) => kind.missing()),
  ],
  async fn() {
    const options = {
      recipe: { ...MULTI_FILE, files: { a: 8 * MIB + 1, "b/c": 13 * MIB + 2 } },
      seeders: ALL_SEEDERS,
      // So slow that something is left to do when Transmission unchokes.
      maxRate: 400,
    };
    await withSwarm(options, async (swarm) => {
      const records = await swarm.download();
      for (const kind of ALL_SEEDERS) {
        assert(
          records.some((record) => isConnectionTo(record, kind)),
          `no connection to ${kind.name}`,
        );
      }
    });
  },
});
