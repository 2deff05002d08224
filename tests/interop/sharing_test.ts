import { assertEquals, assertGreater, assertLessOrEqual } from "@std/assert";
import { conditionalTest, missingProgram } from "../support/conditional.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { isProgress } from "./support/btget.ts";
import { ARIA2, LIBTORRENT, TRANSMISSION } from "./support/clients.ts";
import { OPENTRACKER } from "./support/opentracker.ts";
import { assertFiles, withSwarm } from "./support/swarm.ts";

const MIB = 1024 * 1024;

/** The seeder's rate in KiB/s. */
const SEEDER_RATE = 1024;

const BTGETS = 3;

/** How much of what it takes a btget is to give. */
const MIN_RATIO = 0.5;

/** Pieces are small: whoever fetches the same one at once wastes the line. */
const PIECE_LENGTH = 64 * 1024;

/** How long it may take, in the time that the seeder needs for one copy. */
const MAX_COPIES = 1.5;

/**
 * Transmission's leecher is there first: it dials nobody here, so that all who
 * come must hear of it. Its seeder serves nobody before a timer of ten seconds
 * goes off, so time counts from the first byte; and one of the btgets only,
 * since they share an address: the ratio is that of all three.
 */
function testSharing(
  totalBytes: number,
  { isTimed }: { isTimed: boolean },
): void {
  conditionalTest({
    name: `${BTGETS} btgets share ${totalBytes / MIB} MiB of a slow ` +
      "Transmission seeder with libtorrent, aria2 and Transmission",
    missing: [
      ...missingProgram(OPENTRACKER),
      ...[ARIA2, LIBTORRENT, TRANSMISSION].flatMap((kind) => kind.missing()),
    ],
    async fn() {
      const options = {
        recipe: {
          pieceLength: PIECE_LENGTH,
          files: { "a": totalBytes - MIB - 5, "b/c": MIB + 5 },
        },
        seeders: [TRANSMISSION],
        leechers: [TRANSMISSION],
        maxRate: SEEDER_RATE,
      };
      await withSwarm(options, async (swarm) => {
        using stack = new DisposableStack();
        const btgets = Array.from({ length: BTGETS }, () => {
          const { path } = stack.use(new TempFolder());
          return { path, run: swarm.btget(path) };
        });
        await swarm.leech(LIBTORRENT, ARIA2);
        await Promise.race(btgets.map(({ run }) =>
          run.said(
            (record) => isProgress(record) && record.receivedBytes > 0,
            "the first byte",
          )
        ));
        const startedAt = performance.now();
        await swarm.completed({ seconds: 120 });
        const ratios = await Promise.all(btgets.map(async ({ path, run }) => {
          assertEquals(await run.finished(), 0);
          await assertFiles(swarm.made, path);
          return run.progress!.sentBytes / totalBytes;
        }));
        const seconds = (performance.now() - startedAt) / 1000;
        const copies = seconds * SEEDER_RATE * 1024 / totalBytes;
        const ratio = ratios.reduce((sum, ratio) => sum + ratio) / BTGETS;
        // deno-lint-ignore no-console
        console.log(
          `${seconds.toFixed(1)} s, the time of ${copies.toFixed(2)} copies; ` +
            `ratio ${ratio.toFixed(2)} ` +
            `(${ratios.map((ratio) => ratio.toFixed(2)).join(", ")})`,
        );
        if (!isTimed) return;
        assertGreater(ratio, MIN_RATIO);
        assertLessOrEqual(copies, MAX_COPIES);
      });
    },
  });
}

testSharing(8 * MIB, { isTimed: false });

if (Deno.env.get("BTGET_TEST_SOAK") === "1") {
  testSharing(32 * MIB, { isTimed: true });
}
