import { assert, assertEquals } from "@std/assert";
import { delay } from "@std/async/delay";
import { conditionalTest, missingProgram } from "../support/conditional.ts";
import { seededRandom } from "../support/seeded_random.ts";
import { TempFolder } from "../support/temp_folder.ts";
import type { Btget } from "./support/btget.ts";
import { freePort } from "./support/loopback.ts";
import { OPENTRACKER } from "./support/opentracker.ts";
import { LIBTORRENT } from "./support/clients.ts";
import { assertFiles, type Swarm, withSwarm } from "./support/swarm.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** Some runs are killed before they begin, some when all is nearly done. */
const MAX_LIFE_MS = 1_500;

/** The exit status of a program that SIGKILL has ended. */
const KILLED = 128 + 9;

const missing = [...missingProgram(OPENTRACKER), ...LIBTORRENT.missing()];

/**
 * Theorem: whenever the program is killed, the same command goes on. No piece
 * that was verified once is fetched again, and in the end every file is right.
 */
function testKills(kills: number, options: { totalBytes: number }): void {
  conditionalTest({
    name: `btget goes on after kill -9 at ${kills} random moments`,
    missing,
    async fn() {
      const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
      // deno-lint-ignore no-console
      console.log(`seed ${seed}`);
      const recipe = {
        name: "soaked",
        pieceLength: 32 * KIB,
        files: {
          "a": 70_000,
          "b/empty": 0,
          "b/c": 1,
          "d": options.totalBytes - 170_001,
          "e": 100_000,
        },
      };
      const seeders = [LIBTORRENT];
      const maxRate = 1024;
      await withSwarm({ recipe, seeders, maxRate }, async (swarm) => {
        const soak = new Soak(swarm, seededRandom(seed));
        await soak.run(kills);
        // deno-lint-ignore no-console
        console.log(soak.summary);
      });
    },
  });
}

/** Downloads that are killed again and again. */
class Soak {
  readonly #swarm: Swarm;
  readonly #random: () => number;
  /** The tracker must not take every run for another peer. */
  readonly #listenPort = freePort("0.0.0.0");
  #kills = 0;
  #downloads = 0;
  #fetchedBytes = 0;

  constructor(swarm: Swarm, random: () => number) {
    this.#swarm = swarm;
    this.#random = random;
  }

  get summary(): string {
    const { length } = this.#swarm.made.payload;
    return `${this.#kills} kills; ${this.#fetchedBytes} bytes were fetched ` +
      `for ${this.#downloads} × ${length}`;
  }

  /** Downloads until there were enough kills, and then to the end. */
  async run(kills: number): Promise<void> {
    while (this.#kills < kills) await this.#download(kills);
  }

  async #download(kills: number): Promise<void> {
    using folder = new TempFolder();
    const fetched = new Set<number>();
    while (true) {
      await using btget = this.#swarm.btget(folder.path, {
        listenPort: this.#listenPort,
        args: ["--verbose"],
      });
      if (this.#kills < kills) await this.#kill(btget);
      const status = await btget.finished();
      for (const { type, index } of btget.records) {
        if (type !== "piece") continue;
        const piece = index as number;
        assert(!fetched.has(piece), `piece ${piece} was fetched again`);
        fetched.add(piece);
        const { layout } = this.#swarm.made.metainfo;
        this.#fetchedBytes += layout.pieceSize(piece);
      }
      if (status === 0) break;
      assertEquals(status, KILLED);
      this.#kills++;
    }
    await assertFiles(this.#swarm.made, folder.path);
    this.#downloads++;
  }

  async #kill(btget: Btget): Promise<void> {
    await delay(this.#random() * MAX_LIFE_MS);
    btget.kill("SIGKILL");
  }
}

testKills(5, { totalBytes: 3 * MIB });

if (Deno.env.get("BTGET_TEST_SOAK") === "1") {
  testKills(200, { totalBytes: 24 * MIB });
}
