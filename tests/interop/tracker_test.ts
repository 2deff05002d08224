import { assertEquals } from "@std/assert";
import { conditionalTest, missingProgram } from "../support/conditional.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { SINGLE_FILE } from "./support/downloads.ts";
import { OPENTRACKER } from "./support/opentracker.ts";
import { LIBTORRENT } from "./support/clients.ts";
import { withSwarm } from "./support/swarm.ts";

/** The exit status of a run that was stopped. */
const STOPPED = 7;

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  conditionalTest({
    name: `opentracker sees btget start, and leave after ${signal}`,
    missing: missingProgram(OPENTRACKER),
    async fn() {
      const options = { recipe: SINGLE_FILE, seeders: [] };
      await withSwarm(options, async (swarm) => {
        using folder = new TempFolder();
        const btget = swarm.btget(folder.path);
        await btget.said(
          ({ type }) => type === "tracker_answered",
          "the tracker's answer",
        );
        assertEquals(await swarm.scrape(), {
          complete: 0,
          incomplete: 1,
          downloaded: 0,
        });
        btget.kill(signal);
        assertEquals(await btget.finished(), STOPPED);
        assertEquals(await swarm.scrape(), {
          complete: 0,
          incomplete: 0,
          downloaded: 0,
        });
      });
    },
  });
}

conditionalTest({
  name: "opentracker counts one download, and no peer that has left",
  missing: [...missingProgram(OPENTRACKER), ...LIBTORRENT.missing()],
  async fn() {
    const options = { recipe: SINGLE_FILE, seeders: [LIBTORRENT] };
    await withSwarm(options, async (swarm) => {
      const seeder = { complete: 1, incomplete: 0 };
      assertEquals(await swarm.scrape(), { ...seeder, downloaded: 0 });
      await swarm.download();
      assertEquals(await swarm.scrape(), { ...seeder, downloaded: 1 });
      await swarm.download();
      assertEquals(await swarm.scrape(), { ...seeder, downloaded: 2 });
    });
  },
});

conditionalTest({
  name: "opentracker hears nothing of a download that was complete before",
  missing: [...missingProgram(OPENTRACKER), ...LIBTORRENT.missing()],
  async fn() {
    const options = { recipe: SINGLE_FILE, seeders: [LIBTORRENT] };
    await withSwarm(options, async (swarm) => {
      using folder = new TempFolder();
      assertEquals(await swarm.btget(folder.path).finished(), 0);
      const before = await swarm.scrape();
      assertEquals(await swarm.btget(folder.path).finished(), 0);
      assertEquals(await swarm.scrape(), before);
    });
  },
});
