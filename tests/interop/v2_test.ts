import type { FormRecipe } from "../support/make_form.ts";
import { conditionalTest, missingProgram } from "../support/conditional.ts";
import { LIBTORRENT } from "./support/clients.ts";
import { isConnectionTo } from "./support/downloads.ts";
import { OPENTRACKER } from "./support/opentracker.ts";
import { withSwarm } from "./support/swarm.ts";
import { assert, assertEquals } from "@std/assert";

const MAX_SECONDS = 60;

const missing = [...missingProgram(OPENTRACKER), ...LIBTORRENT.missing()];

/** Pads behind nearly every file, and around blocks and pieces. */
const FILES = {
  "a.bin": 100_001,
  "block": 16_384,
  "deep/empty": 0,
  "deep/er/b.bin": 1,
  "piece": 65_536,
  "piece and one": 65_537,
  "z.bin": 1_000_000,
};

for (const form of ["v2", "hybrid"] as const) {
  const recipe: FormRecipe = {
    form,
    name: `files for ${form}`,
    pieceLength: 65_536,
    files: FILES,
  };

  conditionalTest({
    name: `btget downloads ${recipe.name} from libtorrent`,
    missing,
    async fn() {
      await withSwarm({ recipe, seeders: [LIBTORRENT] }, async (swarm) => {
        const records = await swarm.download();
        assert(records.some((record) => isConnectionTo(record, LIBTORRENT)));
        // Nothing but data has come.
        const { receivedBytes, totalBytes } = records
          .findLast(({ type }) => type === "progress")!;
        assertEquals(receivedBytes, totalBytes);
        const lengths = Object.values(FILES);
        assertEquals(totalBytes, lengths.reduce((sum, length) => sum + length));
      });
    },
  });

  conditionalTest({
    name: `libtorrent downloads ${recipe.name} from btget`,
    missing,
    async fn() {
      await withSwarm({ recipe, seeders: [] }, async (swarm) => {
        const btget = await swarm.seed();
        await swarm.leech(LIBTORRENT);
        await swarm.completed({ seconds: MAX_SECONDS });
        btget.kill("SIGTERM");
        await btget.finished();
      });
    },
  });
}
