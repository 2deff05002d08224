import { assert, assertEquals } from "@std/assert";
import { formatEndpoint } from "../../src/bytes/endpoint.ts";
import { conditionalTest, missingProgram } from "../support/conditional.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { isProgress } from "./support/btget.ts";
import { LIBTORRENT } from "./support/clients.ts";
import { OPENTRACKER } from "./support/opentracker.ts";
import { assertFiles, withSwarm } from "./support/swarm.ts";

/** Nobody is found but through those who are known. */
const ALONE = {
  recipe: { name: "pex", pieceLength: 65_536, files: 3_000_000 },
  trackers: () => [],
  seeders: [],
};

const MISSING = [...missingProgram(OPENTRACKER), ...LIBTORRENT.missing()];

/** So slow that whoever waits for it alone waits for a minute. */
const SLOW_KIB = 50;

conditionalTest({
  name: "btget tells another one of a seeder, which serves that one too",
  missing: MISSING,
  async fn() {
    await withSwarm(ALONE, async (swarm) => {
      using near = new TempFolder();
      using far = new TempFolder();
      const seeder = await swarm.join(LIBTORRENT, { isSeeder: true });
      const first = swarm.btget(near.path, {
        args: [
          `--peer=${formatEndpoint(seeder)}`,
          `--max-download-limit=${SLOW_KIB}K`,
        ],
      });
      await first.said(
        (record) => isProgress(record) && record.verifiedPieces > 0,
        "a piece is verified",
      );
      const second = swarm.btget(far.path, {
        source: swarm.link({
          peers: [{ hostname: "127.0.0.1", port: first.port }],
        }),
      });
      assertEquals(await second.finished(), 0);
      await assertFiles(swarm.made, far.path);
      assert(
        second.records.some(({ type, peer }) =>
          type === "peer_connected" && peer === formatEndpoint(seeder)
        ),
      );
      assertEquals(first.hasExited, false);
    });
  },
});

conditionalTest({
  name: "btget hears from libtorrent of a seeder",
  missing: MISSING,
  async fn() {
    await withSwarm(ALONE, async (swarm) => {
      const seeder = await swarm.join(LIBTORRENT, { isSeeder: true });
      const leecher = await swarm.join(LIBTORRENT, {
        isSeeder: false,
        maxRate: SLOW_KIB,
        knows: seeder,
      });
      const records = await swarm.download({
        source: swarm.link({ peers: [leecher] }),
      });
      assert(
        records.some(({ type, peer }) =>
          type === "peer_connected" && peer === formatEndpoint(seeder)
        ),
      );
    });
  },
});
