import { assertEquals } from "@std/assert";
import { trackersOf } from "../../src/torrent/trackers.ts";
import { makeTorrent } from "../support/make_torrent.ts";

function select(tiers: string[][]) {
  const { metainfo } = makeTorrent({
    files: 1,
    extra: { "announce-list": tiers },
  });
  const selection = trackersOf(metainfo);
  return {
    ...selection,
    tiers: selection.tiers.map((tier) => tier.map(({ name }) => name)),
  };
}

Deno.test("trackersOf() keeps the tiers, without what cannot be asked", () => {
  assertEquals(
    select([
      ["udp://a.example:1/announce"],
      ["http://b.example/announce", "wss://c.example/"],
      ["http://d.example/announce", "https://e.example/announce"],
      ["file:///etc/passwd", "http://localhost/admin"],
    ]),
    {
      tiers: [
        ["http://b.example/announce"],
        ["http://d.example/announce", "https://e.example/announce"],
      ],
      unusable: [
        "udp://a.example:1/announce",
        "wss://c.example/",
        "file:///etc/passwd",
        "http://localhost/admin",
      ],
    },
  );
});

Deno.test("trackersOf() finds none where there are none", () => {
  assertEquals(select([]), { tiers: [], unusable: [] });
});
