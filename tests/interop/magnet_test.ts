import { assert, assertEquals, assertLess } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { type Endpoint, formatEndpoint } from "../../src/bytes/endpoint.ts";
import { parseMetainfo } from "../../src/metainfo/metainfo.ts";
import { conditionalTest, missingProgram } from "../support/conditional.ts";
import { OwnDhtNode } from "../support/own_dht_node.ts";
import { namesIn } from "../support/scene.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { type BtgetRecord, isProgress } from "./support/btget.ts";
import {
  ARIA2,
  type ClientKind,
  LIBTORRENT,
  QBITTORRENT,
  RTORRENT,
  TRANSMISSION,
  WEBTORRENT,
} from "./support/clients.ts";
import { ForeignDhtNode, LIBTORRENT_DHT } from "./support/dht_nodes.ts";
import { isConnectionTo, MULTI_FILE } from "./support/downloads.ts";
import { freshAddress } from "./support/loopback.ts";
import { OPENTRACKER } from "./support/opentracker.ts";
import { assertFiles, type Swarm, withSwarm } from "./support/swarm.ts";

/** The exit status of a run that was stopped. */
const STOPPED = 7;

const SEEDERS = [
  TRANSMISSION,
  ARIA2,
  LIBTORRENT,
  RTORRENT,
  QBITTORRENT,
  WEBTORRENT,
];

/** The phases of a download, in order. */
function phasesOf(records: readonly BtgetRecord[]): unknown[] {
  return records.filter(({ type }) => type === "phase")
    .map(({ phase }) => phase);
}

for (const kind of SEEDERS) {
  conditionalTest({
    name: `btget downloads by magnet link from ${kind.name}`,
    missing: [...missingProgram(OPENTRACKER), ...kind.missing()],
    async fn(t) {
      const options = { recipe: MULTI_FILE, seeders: [kind] };
      await withSwarm(options, async (swarm) => {
        const links = {
          "a tracker": swarm.link({ hasTrackers: true }),
          "x.pe": swarm.link({ peers: swarm.endpoints }),
        };
        for (const [name, source] of Object.entries(links)) {
          await t.step(`that names ${name}`, async () => {
            const records = await swarm.download({ source });
            assert(records.some((record) => isConnectionTo(record, kind)));
            assertEquals(phasesOf(records), [
              "finding",
              "checking",
              "downloading",
              "complete",
            ]);
          });
        }
      });
    },
  });
}

/** Those who can be in a DHT on this machine alone. */
const NODES = [LIBTORRENT, ARIA2, WEBTORRENT];

/** What a DHT with a client in it lacks. */
function missingWith(kind: ClientKind): string[] {
  return [
    ...missingProgram(OPENTRACKER),
    ...LIBTORRENT.missing(),
    ...kind.missing(),
  ];
}

/** Runs a test with a torrent that only a DHT can lead to. */
async function withDht(
  test: (swarm: Swarm, bootstrap: Endpoint) => Promise<void>,
): Promise<void> {
  const options = { recipe: MULTI_FILE, trackers: () => [], seeders: [] };
  await withSwarm(options, async (swarm) => {
    await using node = new ForeignDhtNode(LIBTORRENT_DHT, {
      bootstrap: undefined,
      role: "stay",
      infoHash: swarm.made.metainfo.infoHash,
    });
    await node.said("ready");
    await test(swarm, node.endpoint);
  });
}

/** Where a client is according to the DHT. */
function announced(kind: ClientKind, peer: Endpoint): Endpoint {
  // It listens everywhere, and its packets come from here.
  return kind === WEBTORRENT ? { ...peer, hostname: "127.0.0.1" } : peer;
}

/** Waits until the DHT knows of a peer. */
async function isKnown(
  { made }: Swarm,
  { peer, bootstrap }: { peer: Endpoint; bootstrap: Endpoint },
): Promise<void> {
  await using node = new OwnDhtNode([bootstrap], {
    hostname: freshAddress(),
  });
  assert(await node.finds(made.metainfo.infoHash, peer), "it is in the DHT");
}

/** The arguments that let btget into a DHT, and nothing else. */
function dhtArgs(bootstrap: Endpoint): string[] {
  return ["--no-lsd", `--dht-bootstrap=${formatEndpoint(bootstrap)}`];
}

for (const kind of NODES) {
  conditionalTest({
    name: `btget finds ${kind.name} in a DHT, and downloads from it`,
    missing: missingWith(kind),
    async fn() {
      await withDht(async (swarm, bootstrap) => {
        const peer = await swarm.join(kind, { isSeeder: true, bootstrap });
        await isKnown(swarm, { peer: announced(kind, peer), bootstrap });
        const records = await swarm.download({
          source: swarm.link(),
          beyondTrackers: true,
          args: dhtArgs(bootstrap),
        });
        assert(records.some((record) => isConnectionTo(record, kind)));
      });
    },
  });
}

for (const kind of NODES) {
  conditionalTest({
    name: `${kind.name} gets metadata and files from btget, by its DHT alone`,
    missing: missingWith(kind),
    async fn() {
      await withDht(async (swarm, bootstrap) => {
        const leech = { isSeeder: false, link: swarm.link() };
        if (kind.mustBeDialled) {
          const peer = await swarm.join(kind, { ...leech, bootstrap });
          await isKnown(swarm, { peer: announced(kind, peer), bootstrap });
        }
        const { port } = await swarm.seed({
          beyondTrackers: true,
          args: dhtArgs(bootstrap),
        });
        if (!kind.mustBeDialled) {
          const peer = { hostname: "127.0.0.1", port };
          await isKnown(swarm, { peer, bootstrap });
          // Nobody but us is known to it.
          await swarm.join(kind, { ...leech, bootstrap: peer });
        }
        await swarm.completed({ seconds: 60 });
      });
    },
  });
}

conditionalTest({
  name: "Transmission gets metadata and files from btget, which dials it",
  missing: [...missingProgram(OPENTRACKER), ...TRANSMISSION.missing()],
  async fn() {
    const options = { recipe: MULTI_FILE, seeders: [] };
    await withSwarm(options, async (swarm) => {
      await swarm.join(TRANSMISSION, {
        isSeeder: false,
        link: swarm.link({ hasTrackers: true }),
      });
      await swarm.announced();
      await swarm.seed();
      await swarm.completed({ seconds: 60 });
    });
  },
});

conditionalTest({
  name: "btget downloads by an info hash alone from a peer that it is told",
  missing: [...missingProgram(OPENTRACKER), ...LIBTORRENT.missing()],
  async fn() {
    const options = { recipe: MULTI_FILE, seeders: [LIBTORRENT] };
    await withSwarm(options, async (swarm) => {
      await swarm.download({
        source: encodeHex(swarm.made.metainfo.infoHash),
        args: swarm.endpoints.map((peer) => `--peer=${formatEndpoint(peer)}`),
      });
    });
  },
});

conditionalTest({
  name: "btget writes the .torrent file of a magnet link, alone or beside it",
  missing: [...missingProgram(OPENTRACKER), ...LIBTORRENT.missing()],
  async fn(t) {
    // So many pieces that their hashes come in several parts.
    const recipe = { name: "x", pieceLength: 16_384, files: 40_000_000 };
    await withSwarm({ recipe, seeders: [LIBTORRENT] }, async (swarm) => {
      const source = swarm.link({ hasTrackers: true });
      const { made } = swarm;
      const check = (path: string) => {
        const kept = parseMetainfo(Deno.readFileSync(path));
        assertEquals(kept.infoBytes, made.metainfo.infoBytes);
        assertEquals(kept.announceTiers, made.metainfo.announceTiers);
        Deno.removeSync(path);
      };
      using folder = new TempFolder();
      await t.step("--metadata-only", async () => {
        const args = ["--metadata-only"];
        const btget = swarm.btget(folder.path, { source, args });
        assertEquals(await btget.finished(), 0);
        assertEquals(phasesOf(btget.records), ["finding", "complete"]);
        assertEquals(namesIn(folder.path), ["x.torrent"]);
        check(folder.join("x.torrent"));
      });
      await t.step("--save-metadata", async () => {
        const args = ["--save-metadata"];
        const btget = swarm.btget(folder.path, { source, args });
        assertEquals(await btget.finished(), 0);
        check(folder.join("x.torrent"));
        await assertFiles(made, folder.path);
      });
      await t.step("nothing is fetched again that lies there", async () => {
        const btget = swarm.btget(folder.path, { source });
        assertEquals(await btget.finished(), 0);
        assertEquals(
          phasesOf(btget.records),
          [
            "finding",
            "checking",
            "complete",
            "stopped",
          ].slice(0, 3),
        );
        assertEquals(btget.progress!.receivedBytes, 0);
      });
    });
  },
});

conditionalTest({
  name: "btget goes on with a download by magnet link that was stopped",
  missing: [...missingProgram(OPENTRACKER), ...LIBTORRENT.missing()],
  async fn() {
    const options = {
      recipe: { pieceLength: 65_536, files: { a: 2_000_000, b: 1_000_001 } },
      seeders: [LIBTORRENT],
      maxRate: 1024,
    };
    await withSwarm(options, async (swarm) => {
      const source = swarm.link({ hasTrackers: true });
      using folder = new TempFolder();
      const first = swarm.btget(folder.path, { source });
      await first.said(
        (record) => isProgress(record) && record.verifiedPieces >= 8,
        "some pieces are verified",
      );
      first.kill("SIGINT");
      assertEquals(await first.finished(), STOPPED);
      const { verifiedBytes } = first.progress!;
      const second = swarm.btget(folder.path, { source });
      assertEquals(await second.finished(), 0);
      await assertFiles(swarm.made, folder.path);
      const { receivedBytes, wastedBytes, totalBytes } = second.progress!;
      assertEquals(
        receivedBytes - wastedBytes <= totalBytes - verifiedBytes,
        true,
      );
      assertLess(receivedBytes, totalBytes);
    });
  },
});
