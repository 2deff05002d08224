import { assertEquals } from "@std/assert";
import { Patience, type Situation } from "../../src/torrent/patience.ts";

/** Nobody was ever there. */
const ALONE: Situation = {
  peers: 0,
  serving: 0,
  receivedBytes: 0,
  mismatches: 0,
  webSeeds: 0,
  webSeedError: undefined,
  wasConnected: false,
  trackersAnswered: 0,
  trackerError: undefined,
};

Deno.test("Patience.giveUp() says what peers and web seeds did", async (t) => {
  const webSeedError = "http://w/ answers with status 503";
  const table: [changes: Partial<Situation>, reason: string, text: string][] = [
    [
      {},
      "unreachable",
      "no peer could be reached, and there is no tracker to ask",
    ],
    [
      { webSeeds: 1 },
      "unreachable",
      "no peer could be reached, and no web seed sends anything",
    ],
    [
      { webSeeds: 1, webSeedError },
      "unreachable",
      `no peer could be reached, and ${webSeedError}`,
    ],
    [
      { webSeeds: 1, webSeedError, trackerError: "http://t/ is down" },
      "unreachable",
      `no peer could be reached, and http://t/ is down, and ${webSeedError}`,
    ],
    [
      { webSeeds: 1, webSeedError, receivedBytes: 5 },
      "stalled",
      `no peer is connected, and ${webSeedError}`,
    ],
    [
      { peers: 2, serving: 1, webSeedError },
      "stalled",
      `none of the connected peers (2) sends what is missing, and ${webSeedError}`,
    ],
    [
      { peers: 2 },
      "stalled",
      "none of the connected peers (2) serves us",
    ],
    [
      { webSeedError, receivedBytes: 5, mismatches: 1 },
      "mismatch",
      "what came did not match its hash, and nobody else has it",
    ],
  ];
  for (const [changes, reason, text] of table) {
    await t.step(text, () => {
      const error = new Patience(1500).giveUp({ ...ALONE, ...changes });
      assertEquals(error.reason, reason);
      assertEquals(
        error.message,
        `Gave up after 1.5 s without progress: ${text}`,
      );
    });
  }
});
