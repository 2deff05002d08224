import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import { formatEndpoint, parseEndpoint } from "../../src/bytes/endpoint.ts";
import { encodeAnnouncement, LSD_GROUPS } from "../../src/lsd/announcement.ts";
import { LocalSwarms } from "../../src/lsd/local_swarms.ts";
import { seededRandom } from "../support/seeded_random.ts";

const MINUTE_MS = 60_000;

function torrent(number: number): Uint8Array {
  const infoHash = new Uint8Array(20);
  new DataView(infoHash.buffer).setUint32(0, number);
  return infoHash;
}

function numberOf(infoHash: Uint8Array): number {
  return new DataView(infoHash.buffer).getUint32(0);
}

function localSwarms(): LocalSwarms {
  return new LocalSwarms({ cookie: "ours", random: () => 0.5 });
}

function packet(
  options: { port?: number; torrents?: number[]; cookie?: string } = {},
): Uint8Array {
  const { port = 6881, torrents = [1], cookie = "theirs" } = options;
  const infoHashes = torrents.map(torrent);
  return encodeAnnouncement({ port, infoHashes, cookie }, LSD_GROUPS[0]!);
}

function heard(swarms: LocalSwarms, bytes: Uint8Array, options: {
  from?: string;
  now?: number;
} = {}): string[] {
  const from = parseEndpoint(options.from ?? "192.168.1.2:6771")!;
  return swarms.receive(bytes, from, options.now ?? 0)
    .map(({ infoHash, endpoint }) =>
      `${numberOf(infoHash)} ${formatEndpoint(endpoint)}`
    );
}

Deno.test("LocalSwarms.take() announces every torrent soon, then every five minutes", () => {
  const swarms = localSwarms();
  assertEquals(swarms.nextAt, Infinity);
  assertEquals(swarms.take(1e9), []);
  swarms.add(torrent(1), 0);
  swarms.add(torrent(2), 100);
  assertEquals(swarms.take(199), []);
  // The second has come in time for the first.
  assertEquals(swarms.nextAt, 200);
  assertEquals(swarms.take(200), [torrent(1), torrent(2)]);
  assertEquals(swarms.take(300), []);
  assertEquals(swarms.nextAt, 200 + 5 * MINUTE_MS);
  assertEquals(swarms.take(200 + 5 * MINUTE_MS).length, 2);
});

Deno.test("LocalSwarms.take() sends no more than one message a minute", () => {
  const swarms = localSwarms();
  swarms.add(torrent(1), 0);
  swarms.take(200);
  swarms.add(torrent(2), 1_000);
  swarms.add(torrent(1), 1_000);
  assertEquals(swarms.nextAt, 200 + MINUTE_MS);
  assertEquals(swarms.take(199 + MINUTE_MS), []);
  assertEquals(swarms.take(200 + MINUTE_MS), [torrent(2)]);
});

Deno.test("LocalSwarms.take() has a turn for each of many torrents", () => {
  const swarms = localSwarms();
  for (let i = 0; i < 150; i++) swarms.add(torrent(i), 0);
  const seen = new Set<number>();
  const sizes: number[] = [];
  for (let minute = 0; minute < 8; minute++) {
    const due = swarms.take(200 + minute * MINUTE_MS);
    sizes.push(due.length);
    for (const infoHash of due) seen.add(numberOf(infoHash));
  }
  assertEquals(sizes, Array(8).fill(20));
  assertEquals(seen.size, 150);
});

Deno.test("LocalSwarms.take() varies the interval", () => {
  const swarms = new LocalSwarms({ cookie: "x", random: seededRandom(7) });
  swarms.add(torrent(1), 0);
  const times: number[] = [];
  for (let i = 0; i < 200; i++) {
    times.push(swarms.nextAt);
    swarms.take(swarms.nextAt);
  }
  const gaps = times.slice(1).map((at, i) => (at - times[i]!) / MINUTE_MS);
  assert(gaps.every((gap) => gap >= 4.5 && gap <= 5.5));
  assertGreaterOrEqual(Math.max(...gaps) - Math.min(...gaps), 0.8);
});

Deno.test("LocalSwarms.delete() ends the announcing and the hearing", () => {
  const swarms = localSwarms();
  swarms.add(torrent(1), 0);
  assertEquals(heard(swarms, packet()), ["1 192.168.1.2:6881"]);
  swarms.delete(torrent(1));
  swarms.delete(torrent(2));
  assertEquals(swarms.take(MINUTE_MS), []);
  assertEquals(heard(swarms, packet()), []);
});

Deno.test("LocalSwarms.receive() tells of those who look for a torrent of ours", () => {
  const swarms = localSwarms();
  for (const number of [1, 2, 3]) swarms.add(torrent(number), 0);
  const bytes = packet({ torrents: [3, 9, 1, 3], port: 51_413 });
  assertEquals(heard(swarms, bytes, { from: "10.0.0.9:40000" }), [
    "3 10.0.0.9:51413",
    "1 10.0.0.9:51413",
  ]);
});

Deno.test("LocalSwarms.receive() ignores our own messages", () => {
  const swarms = localSwarms();
  swarms.add(torrent(1), 0);
  assertEquals(heard(swarms, packet({ cookie: "ours" })), []);
});

Deno.test("LocalSwarms.receive() tells only of addresses that can be dialled", async (t) => {
  const table: [from: string, can: boolean][] = [
    ["127.0.0.1:1", true],
    ["10.1.2.3:1", true],
    ["169.254.1.2:1", true],
    ["20.1.2.3:1", true],
    ["[fd00::7]:1", true],
    ["[2001:470::1]:1", true],
    ["[fe80::1]:1", false],
    ["192.0.2.1:1", false],
  ];
  for (const [from, can] of table) {
    await t.step(from, () => {
      const swarms = localSwarms();
      swarms.add(torrent(1), 0);
      assertEquals(heard(swarms, packet(), { from }).length, Number(can));
    });
  }
});

Deno.test("LocalSwarms.receive() believes a hundred in a minute", () => {
  const swarms = localSwarms();
  swarms.add(torrent(1), 0);
  swarms.add(torrent(2), 0);
  let count = 0;
  for (let i = 0; i < 10_000; i++) {
    const from = `10.0.${i >> 8}.${i & 255}:6771`;
    const bytes = packet({ torrents: [1, 2] });
    count += heard(swarms, bytes, { from, now: i }).length;
  }
  assertEquals(count, 100);
  const later = heard(swarms, packet(), { now: MINUTE_MS });
  assertEquals(later.length, 1);
});
