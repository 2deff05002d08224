import { assertEquals } from "@std/assert";
import { UdpSocket } from "../../src/net/udp.ts";
import { Session } from "../../src/torrent/session.ts";
import { HttpTracker } from "../../src/tracker/http_tracker.ts";
import type { AnnounceRequest } from "../../src/tracker/tracker.ts";
import { UdpTracker } from "../../src/tracker/udp_tracker.ts";
import { conditionalTest, missingProgram } from "../support/conditional.ts";
import { FakePeer } from "../support/fake_peer.ts";
import { makeTorrent } from "../support/make_torrent.ts";
import { TempFolder } from "../support/temp_folder.ts";
import {
  BittorrentTracker,
  missingBittorrentTracker,
} from "./support/bittorrent_tracker.ts";
import { Btget } from "./support/btget.ts";
import { SINGLE_FILE } from "./support/downloads.ts";
import { OPENTRACKER, type OpenTracker } from "./support/opentracker.ts";
import { LIBTORRENT } from "./support/clients.ts";
import { assertFiles, withSwarm } from "./support/swarm.ts";

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

/** Somebody who listens, and never answers. */
function silent(): UdpSocket {
  return UdpSocket.open({ ports: [0], hostname: "127.0.0.1" });
}

const WAYS: [
  name: string,
  trackers: (own: OpenTracker, dead: number) => string[],
][] = [
  ["by UDP alone", (own) => [own.udpAnnounceUrl]],
  ["by UDP, in the second tier behind a dead tracker", (own, dead) => [
    `udp://127.0.0.1:${dead}/announce`,
    own.udpAnnounceUrl,
  ]],
  ["by HTTP, in the second tier behind a dead tracker", (own, dead) => [
    `http://127.0.0.1:${dead}/announce`,
    own.announceUrl,
  ]],
];

for (const [name, trackers] of WAYS) {
  conditionalTest({
    name: `btget downloads through opentracker ${name}`,
    missing: [...missingProgram(OPENTRACKER), ...LIBTORRENT.missing()],
    async fn() {
      await using dead = silent();
      const options = {
        recipe: SINGLE_FILE,
        trackers: (own: OpenTracker) => trackers(own, dead.port),
        seeders: [LIBTORRENT],
      };
      await withSwarm(options, async (swarm) => {
        await swarm.download();
        // It has said when it was complete, and when it left.
        assertEquals(await swarm.scrape(), {
          complete: 1,
          incomplete: 0,
          downloaded: 1,
        });
      });
    },
  });
}

conditionalTest({
  name: "btget shows what opentracker says by HTTP and UDP",
  missing: [...missingProgram(OPENTRACKER), ...LIBTORRENT.missing()],
  async fn() {
    const options = {
      recipe: SINGLE_FILE,
      trackers: (own: OpenTracker) => [own.udpAnnounceUrl, own.announceUrl],
      seeders: [LIBTORRENT],
    };
    await withSwarm(options, async (swarm) => {
      using folder = new TempFolder();
      await using btget = new Btget({
        folder: folder.path,
        torrentPath: swarm.torrentPath,
        args: ["show", "--scrape", swarm.torrentPath],
      });
      assertEquals(await btget.finished(), 0);
      const counts = btget.stdout.match(/^Swarm at .*$/gm)!
        .map((line) => line.replace(/.*?: /, ""));
      assertEquals(
        counts,
        Array(2).fill("1 seeder, 0 leechers, downloaded 0 times"),
      );
    });
  },
});

conditionalTest({
  name: "btget downloads through bittorrent-tracker on ::1 alone",
  missing: missingBittorrentTracker(),
  async fn() {
    await using tracker = new BittorrentTracker();
    await tracker.start();
    const made = makeTorrent({
      ...SINGLE_FILE,
      trackers: [tracker.announceUrl("http")],
    });
    await using peer = new FakePeer(made, { hostname: "::1" });
    const seeder = {
      infoHash: made.metainfo.infoHash,
      peerId: new Uint8Array(20).fill(0x2d),
      port: peer.endpoint.port,
      uploaded: 0,
      downloaded: 0,
      left: 0,
      event: "started",
      numWant: 0,
      key: "abcd",
    } as const;
    const { signal } = new AbortController();
    const http = HttpTracker.at(tracker.announceUrl("http"))!;
    await Array.fromAsync(http.announce(seeder, { signal }));
    using folder = new TempFolder();
    const torrentPath = folder.join("x.torrent");
    await Deno.writeFile(torrentPath, made.bytes);
    const downloads = folder.join("downloads");
    await Deno.mkdir(downloads);
    await using btget = new Btget({
      folder: downloads,
      torrentPath,
      args: [
        "--progress=json",
        "--listen-port=0",
        "--no-dht",
        "--no-lsd",
        torrentPath,
      ],
    });
    assertEquals(await btget.finished(), 0, btget.log);
    await assertFiles(made, downloads);
    const hashes = [made.metainfo.infoHash];
    const [counts] = await http.scrape(hashes, { signal });
    // btget has come and gone; it counts downloads by the seeders there are.
    assertEquals(counts, { seeders: 1, completed: 1, leechers: 0 });
  },
});

conditionalTest({
  name: "bittorrent-tracker on ::1 hears us by UDP",
  missing: missingBittorrentTracker(),
  async fn() {
    await using tracker = new BittorrentTracker();
    await tracker.start();
    await using session = new Session({ listenPorts: [] });
    const udp = UdpTracker.at(tracker.announceUrl("udp"), {
      client: session.udpTrackers,
    })!;
    const infoHash = crypto.getRandomValues(new Uint8Array(20));
    const { signal } = new AbortController();
    const announce = async (change: Partial<AnnounceRequest>) => {
      const request = {
        infoHash,
        peerId: new Uint8Array(20).fill(change.port!),
        port: 6881,
        uploaded: 0,
        downloaded: 0,
        left: 1,
        numWant: 50,
        key: "abcd",
        ...change,
      };
      const answers = udp.announce(request, { signal });
      const [answer] = await Array.fromAsync(answers);
      return [answer!.seeders, answer!.leechers];
    };
    // It names no IPv6 peers by UDP, so only the counts tell that it heard.
    const started = "started" as const;
    assertEquals(await announce({ port: 1, event: started }), [0, 1]);
    assertEquals(await announce({ port: 2, event: started, left: 0 }), [1, 1]);
    const stopped = { port: 1, event: "stopped" } as const;
    assertEquals(await announce(stopped), [1, 0]);
    const [counts] = await udp.scrape([infoHash], { signal });
    assertEquals(counts, { seeders: 1, completed: 1, leechers: 0 });
  },
});
