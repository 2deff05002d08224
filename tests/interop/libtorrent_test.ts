import { assertEquals } from "@std/assert";
import { conditionalTest, missingProgram } from "../support/conditional.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { isProgress } from "./support/btget.ts";
import { LIBTORRENT } from "./support/clients.ts";
import { testDownloadsFrom } from "./support/downloads.ts";
import { OPENTRACKER } from "./support/opentracker.ts";
import { assertFiles, withSwarm } from "./support/swarm.ts";
import { testUploadsTo } from "./support/uploads.ts";

const MIB = 1024 * 1024;

testDownloadsFrom(LIBTORRENT);
testUploadsTo(LIBTORRENT);

conditionalTest({
  name: "btget goes on when its only seeder has gone and comes back",
  missing: [...missingProgram(OPENTRACKER), ...LIBTORRENT.missing()],
  async fn() {
    const options = {
      recipe: { pieceLength: MIB, files: { a: 3 * MIB, b: 3 * MIB + 1 } },
      seeders: [LIBTORRENT],
      maxRate: 2048,
    };
    await withSwarm(options, async (swarm) => {
      using folder = new TempFolder();
      const btget = swarm.btget(folder.path);
      await btget.said(
        (record) => isProgress(record) && record.verifiedBytes > 0,
        "a piece is verified",
      );
      await swarm.killClients();
      await btget.said(
        ({ type }) => type === "peer_disconnected",
        "the seeder has gone",
      );
      swarm.restartClients();
      assertEquals(await btget.finished(), 0);
      await assertFiles(swarm.made, folder.path);
      // The blocks of pieces that were not complete have been kept.
      const { receivedBytes, wastedBytes, totalBytes } = btget.progress!;
      assertEquals(receivedBytes - wastedBytes, totalBytes);
    });
  },
});
