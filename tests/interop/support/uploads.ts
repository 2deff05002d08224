/**
 * The uploads that must succeed to every client.
 *
 * @module
 */

import { assertGreaterOrEqual } from "@std/assert";
import { conditionalTest, missingProgram } from "../../support/conditional.ts";
import type { TorrentRecipe } from "../../support/make_torrent.ts";
import type { BtgetProgram } from "./btget.ts";
import type { ClientKind } from "./clients.ts";
import { MULTI_FILE, SINGLE_FILE } from "./downloads.ts";
import { OPENTRACKER } from "./opentracker.ts";
import { withSwarm } from "./swarm.ts";

/** Transmission lets ten seconds pass before it asks for anything. */
const MAX_SECONDS = 60;

/** Options for {@linkcode testUploadsTo}. */
export interface UploadTests {
  /** The form of the program; its source if not given. */
  program?: BtgetProgram;
  /** How tests call it. */
  programName?: string;
  /** What is missing, beside clients. */
  missing?: readonly string[];
  /** Arguments of btget. */
  args?: readonly string[];
}

/**
 * Declares the test of uploads to one kind of client.
 *
 * @param kind The kind.
 * @param options The program.
 */
export function testUploadsTo(
  kind: ClientKind,
  options: UploadTests = {},
): void {
  const { programName = "btget", missing = [], args = [] } = options;
  const words = [programName, "seed", ...args].join(" ");
  conditionalTest({
    name: `${kind.name} fetches whole torrents from ${words} alone`,
    missing: [...missing, ...missingProgram(OPENTRACKER), ...kind.missing()],
    async fn() {
      // Some wait for timers of their own: both at once.
      await Promise.all([
        upload(SINGLE_FILE, { ...options, kind, isDialled: true }),
        upload(MULTI_FILE, {
          ...options,
          kind,
          isDialled: !!kind.mustBeDialled,
        }),
      ]);
    },
  });
}

async function upload(
  recipe: TorrentRecipe,
  { kind, isDialled, program, args = [] }: UploadTests & {
    kind: ClientKind;
    /** Whether btget dials the client; otherwise the client dials it. */
    isDialled: boolean;
  },
): Promise<void> {
  await withSwarm({ recipe, seeders: [] }, async (swarm) => {
    if (isDialled) await swarm.leech(kind);
    const btget = await swarm.seed({ program, args });
    if (!isDialled) await swarm.leech(kind);
    await swarm.completed({ seconds: MAX_SECONDS });
    btget.kill("SIGTERM");
    await btget.finished();
    const { sentBytes, totalBytes } = btget.progress!;
    assertGreaterOrEqual(sentBytes, totalBytes);
  });
}
