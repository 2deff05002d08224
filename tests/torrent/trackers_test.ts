import { assertEquals } from "@std/assert";
import { type TrackerChoice, trackersOf } from "../../src/torrent/trackers.ts";
import { UdpTrackerClient } from "../../src/tracker/udp_tracker_client.ts";
import { makeTorrent } from "../support/make_torrent.ts";

/** Nobody is asked here. */
const UDP = new UdpTrackerClient({
  socket: () => {
    throw new Error("A socket was opened");
  },
});

function select(
  tiers: string[][],
  choice: TrackerChoice = {},
  info: Record<string, number> = {},
) {
  const { metainfo } = makeTorrent({
    files: 1,
    extra: { "announce-list": tiers },
    info,
  });
  const found = trackersOf(metainfo, { udpTrackers: UDP, ...choice });
  return {
    tiers: found.tiers.map((tier) => tier.map(({ name }) => name)),
    extra: found.extra.map(({ name }) => name),
    unusable: found.unusable,
  };
}

Deno.test("trackersOf() keeps the tiers, without what cannot be asked", () => {
  assertEquals(
    select([
      ["udp://a.example:1/announce"],
      ["http://b.example/announce", "wss://c.example/"],
      ["http://d.example/announce", "https://e.example/announce"],
      ["file:///etc/passwd", "http://localhost/admin", "udp://f.example/"],
    ]),
    {
      tiers: [
        ["udp://a.example:1"],
        ["http://b.example/announce"],
        ["http://d.example/announce", "https://e.example/announce"],
      ],
      extra: [],
      unusable: [
        "wss://c.example/",
        "file:///etc/passwd",
        "http://localhost/admin",
        "udp://f.example/",
      ],
    },
  );
});

Deno.test("trackersOf() finds none where there are none", () => {
  assertEquals(select([]), { tiers: [], extra: [], unusable: [] });
});

Deno.test("trackersOf() cannot ask UDP trackers without a client", () => {
  const { metainfo } = makeTorrent({ files: 1, trackers: ["udp://a:1"] });
  assertEquals(trackersOf(metainfo).unusable, ["udp://a:1"]);
});

Deno.test("trackersOf() names a tracker once", () => {
  const tiers = [["udp://a.example:1", "udp://a.example:1"], [
    "udp://a.example:1",
    "udp://b.example:1",
  ]];
  const found = select(tiers, { extra: ["udp://b.example:1"] });
  assertEquals(found.tiers, [["udp://a.example:1"], ["udp://b.example:1"]]);
  assertEquals(found.extra, []);
});

Deno.test("trackersOf() adds the user's trackers, each for itself", () => {
  const found = select([["udp://a.example:1"]], {
    extra: ["http://b.example/announce", "udp://c.example:1/x", "wss://d/"],
  });
  assertEquals(found, {
    tiers: [["udp://a.example:1"]],
    extra: ["http://b.example/announce", "udp://c.example:1"],
    unusable: ["wss://d/"],
  });
});

Deno.test("trackersOf() leaves out what the user excludes", async (t) => {
  const a = "udp://a.example:1/announce";
  const b = "http://b.example/announce";
  const rows: [name: string, choice: TrackerChoice, left: string[]][] = [
    ["the exact URL", { exclude: [a] }, [b]],
    ["several", { exclude: [a, b] }, []],
    ["and nothing that is only like it", { exclude: [`${a}/`, "a.example"] }, [
      "udp://a.example:1",
      b,
    ]],
    ["all of the torrent", { exclude: ["*"] }, []],
    ["but not what is the user's own", { exclude: ["*"], extra: [b] }, [b]],
    ["nor the same tracker", { exclude: [b], extra: [b] }, [
      "udp://a.example:1",
      b,
    ]],
  ];
  for (const [name, choice, left] of rows) {
    await t.step(name, () => {
      const { tiers, extra, unusable } = select([[a], [b]], choice);
      assertEquals([...tiers.flat(), ...extra], left);
      assertEquals(unusable, []);
    });
  }
});

Deno.test("trackersOf() tells nobody else of a private torrent", () => {
  const choice = { extra: ["udp://b.example:1", "wss://c/"] };
  assertEquals(select([["udp://a.example:1"]], choice, { private: 1 }), {
    tiers: [["udp://a.example:1"]],
    extra: [],
    unusable: [],
  });
  const none = { ...choice, exclude: ["*"] };
  assertEquals(select([["udp://a.example:1"]], none, { private: 1 }), {
    tiers: [],
    extra: [],
    unusable: [],
  });
});
