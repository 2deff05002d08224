import { assertEquals } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { TrackerError } from "../../src/errors.ts";
import { Announcers } from "../../src/torrent/announcers.ts";
import type { AnnounceRequest, Tracker } from "../../src/tracker/tracker.ts";
import type { WireHashes } from "../../src/wire/handshake.ts";

const V1 = new Uint8Array(20).fill(0x11);
const V2 = new Uint8Array(20).fill(0x22);

/** Announces to a tracker until every swarm has been, and leaves again. */
async function announce(
  hashes: WireHashes,
  { swarms, isPrivate = false, turnsPrivate = false }: {
    swarms: number;
    isPrivate?: boolean;
    turnsPrivate?: boolean;
  },
): Promise<{ told: string[]; heard: string[] }> {
  const told: string[] = [];
  const heard: string[] = [];
  const all = Promise.withResolvers<void>();
  const left = Promise.withResolvers<void>();
  const tracker: Tracker = {
    name: "http://tracker.example",
    async *announce({ infoHash, event }: AnnounceRequest) {
      told.push(`${encodeHex(infoHash).slice(0, 2)} ${event}`);
      await Promise.resolve();
      if (event === "stopped") left.resolve();
      if (infoHash === V2 && !turnsPrivate) {
        throw new TrackerError("Not registered");
      }
      yield {
        peers: [],
        interval: 1800,
        minInterval: 1800,
        externalAddress: undefined,
        trackerId: undefined,
        warning: undefined,
        seeders: undefined,
        leechers: undefined,
      };
    },
    scrape: () => Promise.reject(new TrackerError("Not asked")),
  };
  const announcers = new Announcers({
    hashes,
    tiers: [[tracker]],
    isPrivate,
    identity: { peerId: new Uint8Array(20), port: 1, key: "k" },
    totals: () => ({ uploaded: 0, downloaded: 0, left: 1 }),
    wantsPeers: () => true,
    random: () => 0,
    handler: {
      onAnnounce: ({ type }, isV2) => {
        heard.push(`${isV2 ? "v2" : "v1"} ${type}`);
        if (heard.length >= swarms) all.resolve();
      },
    },
  });
  const stop = new AbortController();
  const running = announcers.run({ signal: stop.signal });
  await all.promise;
  if (turnsPrivate) {
    announcers.leaveOthers();
    await left.promise;
  }
  stop.abort();
  await running;
  await announcers.stop();
  assertEquals(announcers.size, 1);
  return { told: told.sort(), heard: heard.sort() };
}

Deno.test("Announcers tells trackers of both swarms of a hybrid torrent", async () => {
  assertEquals(await announce({ v1: V1, v2: V2 }, { swarms: 2 }), {
    // Whoever does not know the second one need not be left.
    told: ["11 started", "11 stopped", "22 started"],
    heard: ["v1 answered", "v2 failed"],
  });
});

Deno.test("Announcers names a private torrent by one info hash", async () => {
  const options = { swarms: 1, isPrivate: true };
  assertEquals(await announce({ v1: V1, v2: V2 }, options), {
    told: ["11 started", "11 stopped"],
    heard: ["v1 answered"],
  });
});

Deno.test("Announcers names a torrent by the info hash that it has", async () => {
  assertEquals(await announce({ v1: V1, v2: undefined }, { swarms: 1 }), {
    told: ["11 started", "11 stopped"],
    heard: ["v1 answered"],
  });
  assertEquals(await announce({ v1: undefined, v2: V2 }, { swarms: 1 }), {
    told: ["22 started"],
    heard: ["v2 failed"],
  });
});

Deno.test("Announcers leaves the other swarm of a torrent that turns out private", async () => {
  const options = { swarms: 2, turnsPrivate: true };
  const { told } = await announce({ v1: V1, v2: V2 }, options);
  assertEquals(told, ["11 started", "11 stopped", "22 started", "22 stopped"]);
});
