import { conditionalTest, missingProgram } from "../support/conditional.ts";
import { MULTI_FILE, SINGLE_FILE } from "./support/downloads.ts";
import { OPENTRACKER } from "./support/opentracker.ts";
import { ALL_SEEDERS } from "./support/seeders.ts";
import { withSwarm } from "./support/swarm.ts";

for (const recipe of [SINGLE_FILE, MULTI_FILE]) {
  conditionalTest({
    name: `btget downloads ${recipe.name} from one seeder of each client`,
    missing: [
      ...missingProgram(OPENTRACKER),
      ...ALL_SEEDERS.flatMap((kind) => kind.missing()),
    ],
    async fn() {
      await withSwarm({ recipe, seeders: ALL_SEEDERS }, async (swarm) => {
        await swarm.download();
      });
    },
  });
}
