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

/** By which info hashes a link may name a torrent. */
const LINKS = {
  v2: ["v2"],
  hybrid: ["v1", "v2", undefined],
} as const;

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

  for (const by of form === "v2" ? LINKS.v2 : LINKS.hybrid) {
    const link = `a link by ${by ?? "both info hashes"}`;

    conditionalTest({
      name: `btget downloads ${recipe.name} from libtorrent, ${link}`,
      missing,
      async fn(t) {
        await withSwarm({ recipe, seeders: [LIBTORRENT] }, async (swarm) => {
          const sources = {
            "a tracker": swarm.link({ hasTrackers: true, by }),
            "x.pe": swarm.link({ peers: swarm.endpoints, by }),
          };
          for (const [name, source] of Object.entries(sources)) {
            await t.step(`that names ${name}`, async () => {
              const records = await swarm.download({ source });
              assert(
                records.some((record) => isConnectionTo(record, LIBTORRENT)),
              );
            });
          }
        });
      },
    });

    conditionalTest({
      name: `libtorrent downloads ${recipe.name} from btget, ${link}`,
      missing,
      async fn() {
        await withSwarm({ recipe, seeders: [] }, async (swarm) => {
          const btget = await swarm.seed();
          await swarm.join(LIBTORRENT, {
            isSeeder: false,
            link: swarm.link({ hasTrackers: true, by }),
          });
          await swarm.completed({ seconds: MAX_SECONDS });
          btget.kill("SIGTERM");
          await btget.finished();
        });
      },
    });
  }

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

/** More hashes than fit into a message, by one and by some. */
for (const pieceCount of [513, 1100]) {
  const recipe: FormRecipe = {
    form: "v2",
    name: `${pieceCount} pieces.bin`,
    pieceLength: 16_384,
    files: { "": pieceCount * 16_384 - 5 },
  };

  conditionalTest({
    name: `btget gets the hashes of ${recipe.name} from libtorrent`,
    missing,
    async fn() {
      await withSwarm({ recipe, seeders: [LIBTORRENT] }, async (swarm) => {
        const source = swarm.link({ hasTrackers: true });
        const records = await swarm.download({ source });
        const { hashBytes } = records
          .findLast(({ type }) => type === "progress")!;
        assertEquals(hashBytes, pieceCount * 32);
      });
    },
  });

  conditionalTest({
    name: `libtorrent gets the hashes of ${recipe.name} from btget`,
    missing,
    async fn() {
      await withSwarm({ recipe, seeders: [] }, async (swarm) => {
        const btget = await swarm.seed();
        await swarm.join(LIBTORRENT, {
          isSeeder: false,
          link: swarm.link({ hasTrackers: true }),
        });
        await swarm.completed({ seconds: MAX_SECONDS });
        btget.kill("SIGTERM");
        await btget.finished();
      });
    },
  });
}
