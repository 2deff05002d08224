/**
 * The downloads that must succeed from every client.
 *
 * @module
 */

import { assert } from "@std/assert";
import { conditionalTest, missingProgram } from "../../support/conditional.ts";
import type { TorrentRecipe } from "../../support/make_torrent.ts";
import type { BtgetProgram, BtgetRecord } from "./btget.ts";
import { OPENTRACKER } from "./opentracker.ts";
import type { ClientKind } from "./clients.ts";
import { withSwarm } from "./swarm.ts";

/** One file, whose last piece and last block are odd. */
export const SINGLE_FILE: TorrentRecipe = {
  name: "single file.bin",
  pieceLength: 64 * 1024,
  files: 20 * 64 * 1024 + 16 * 1024 + 4321,
};

/** Files that begin and end within pieces, and one that has no bytes. */
export const MULTI_FILE: TorrentRecipe = {
  name: "many files",
  pieceLength: 32 * 1024,
  files: {
    "a.bin": 100_001,
    "deep/er/b.bin": 1,
    "deep/empty": 0,
    "deep/c.bin": 555_555,
    "ä ü 文.bin": 70_000,
    "z.bin": 33_333,
  },
};

/** Options for {@linkcode testDownloadsFrom}. */
export interface DownloadTests {
  /** The form of the program; its source if not given. */
  program?: BtgetProgram;
  /** How tests call it. */
  programName?: string;
  /** What is missing, beside clients. */
  missing?: readonly string[];
}

/**
 * Declares the tests of downloads from one kind of client.
 *
 * @param kind The kind.
 * @param options The program.
 */
export function testDownloadsFrom(
  kind: ClientKind,
  { program, programName = "btget", missing = [] }: DownloadTests = {},
): void {
  for (const count of [1, 3]) {
    for (const recipe of [SINGLE_FILE, MULTI_FILE]) {
      const seeders = `${count} ${kind.name} seeder${count > 1 ? "s" : ""}`;
      conditionalTest({
        name: `${programName} downloads ${recipe.name} from ${seeders}`,
        missing: [
          ...missing,
          ...missingProgram(OPENTRACKER),
          ...kind.missing(),
        ],
        async fn() {
          const options = { recipe, seeders: Array(count).fill(kind) };
          await withSwarm(options, async (swarm) => {
            const records = await swarm.download({ program });
            assert(
              records.some((record) => isConnectionTo(record, kind)),
              `a connection to ${kind.name}`,
            );
          });
        },
      });
    }
  }
}

/**
 * Tells whether btget says that it is connected to a client.
 *
 * @param record What it says.
 * @param kind The client.
 * @returns Whether it does.
 */
export function isConnectionTo(record: BtgetRecord, kind: ClientKind): boolean {
  return record.type === "peer_connected" &&
    String(record.client).startsWith(`${kind.name} `);
}
