import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  type Endpoint,
  familyOf,
  formatEndpoint,
} from "../../src/bytes/endpoint.ts";
import { NetworkError, TrackerError } from "../../src/errors.ts";
import type { AnnounceResponse } from "../../src/tracker/tracker.ts";
import { encodeResponse } from "../../src/tracker/udp_server_packet.ts";
import { UdpTracker } from "../../src/tracker/udp_tracker.ts";
import { UdpTrackerClient } from "../../src/tracker/udp_tracker_client.ts";
import { FakePackets } from "../support/fake_packets.ts";
import { FakeClock, settled } from "../support/fake_tracker.ts";

const REQUEST = {
  infoHash: new Uint8Array(20).fill(1),
  peerId: new Uint8Array(20).fill(2),
  port: 6881,
  uploaded: 0,
  downloaded: 0,
  left: 1,
  numWant: 50,
  key: "abcd",
};

const NEVER = new AbortController().signal;

const PEERS = {
  4: Uint8Array.of(192, 0, 2, 9, 0, 4),
  6: Uint8Array.of(0x20, 1, 0xd, 0xb8, ...new Array(11).fill(0), 9, 0, 6),
};

/** A tracker with some addresses, of which some answer. */
class Stage implements Disposable {
  readonly clock = new FakeClock();
  readonly packets = new FakePackets();
  readonly client: UdpTrackerClient;
  readonly tracker: UdpTracker;

  constructor(
    addresses: string[] | Error,
    { silent = [], url = "udp://tracker.example:6969/announce" }: {
      silent?: string[];
      url?: string;
    } = {},
  ) {
    this.client = new UdpTrackerClient({
      socket: () => this.packets,
      resolve: ({ port }) =>
        addresses instanceof Error
          ? Promise.reject(addresses)
          : Promise.resolve(addresses.map((hostname) => ({ hostname, port }))),
      clock: this.clock,
    });
    this.tracker = UdpTracker.at(url, { client: this.client })!;
    this.packets.onSent = ({ request, to }) => {
      if (silent.includes(to.hostname)) return;
      this.#answer(request.transaction, { type: request.type, to });
    };
  }

  announce(signal = NEVER): AsyncGenerator<AnnounceResponse> {
    return this.tracker.announce(REQUEST, { signal });
  }

  #answer(
    transaction: number,
    { type, to }: { type: "connect" | "announce" | "scrape"; to: Endpoint },
  ): void {
    const { sent } = this.packets;
    const request = sent.at(-1)!.request;
    const count = request.type === "scrape" ? request.infoHashes.length : 0;
    const family = familyOf(to) === 6 ? 6 : 4;
    this.packets.deliver(
      encodeResponse({
        type,
        transaction,
        connection: BigInt(family),
        interval: 900,
        leechers: 1,
        seeders: 2,
        peers: [PEERS[family]],
        counts: Array.from({ length: count }, (_, i) => ({
          seeders: i,
          completed: count,
          leechers: family,
        })),
      }),
      to,
    );
  }

  [Symbol.dispose](): void {
    this.client[Symbol.dispose]();
    assertEquals(this.clock.waiting, 0);
  }
}

function peersOf({ peers }: AnnounceResponse): string[] {
  return peers.map(({ endpoint }) => formatEndpoint(endpoint));
}

Deno.test("UdpTracker.at() knows the URLs of trackers", async (t) => {
  const client = new UdpTrackerClient({ socket: () => new FakePackets() });
  const good: [url: string, name: string][] = [
    ["udp://a.example:1", "udp://a.example:1"],
    ["UDP://A.Example:6969/announce", "udp://a.example:6969"],
    ["udp://192.0.2.1:80/x?passkey=secret", "udp://192.0.2.1:80"],
    ["udp://[2001:DB8::1]:1337/announce", "udp://[2001:db8::1]:1337"],
    ["udp://localhost:1", "udp://localhost:1"],
  ];
  for (const [url, name] of good) {
    await t.step(url, () => {
      assertEquals(UdpTracker.at(url, { client })?.name, name);
    });
  }
  const bad = [
    "",
    "udp://",
    "udp://a.example",
    "udp://a.example/announce",
    "udp://a.example:0",
    "udp://a.example:65536",
    "udp://a.example:-1",
    "udp://:80/announce",
    "udp:///announce",
    "udp:a.example:80",
    "udp://a example:80",
    "udp://a.example:80/\r\n",
    "udp://a.example:80/\u0000",
    "udp://0.0.0.0:80",
    "udp://255.255.255.255:80",
    "udp://224.0.0.1:80",
    "udp://[::]:80",
    "udp://[ff02::1]:80",
    "udp://127.1:80",
    "http://a.example:80/announce",
    " udp://a.example:80",
  ];
  for (const url of bad) {
    await t.step(`not ${JSON.stringify(url)}`, () => {
      assertEquals(UdpTracker.at(url, { client }), undefined);
    });
  }
});

Deno.test("UdpTracker.announce() tells what it is told", async () => {
  using stage = new Stage(["192.0.2.1"]);
  assertEquals(await Array.fromAsync(stage.announce()), [{
    interval: 900,
    leechers: 1,
    seeders: 2,
    peers: [{ endpoint: { hostname: "192.0.2.9", port: 4 } }],
    minInterval: undefined,
    trackerId: undefined,
    warning: undefined,
    externalAddress: undefined,
  }]);
  const [, announce] = stage.packets.sent;
  assertEquals(announce!.request.type, "announce");
  // BEP 41: the tracker sees what the URL says beside the host.
  assertEquals(
    new TextDecoder().decode(announce!.packet.subarray(100)),
    "/announce",
  );
});

Deno.test("UdpTracker.announce() sends no empty path", async () => {
  for (const url of ["udp://192.0.2.1:1", "udp://192.0.2.1:1/"]) {
    using stage = new Stage(["192.0.2.1"], { url });
    await Array.fromAsync(stage.announce());
    assertEquals(stage.packets.sent[1]!.packet.length, 98);
  }
});

Deno.test("UdpTracker.announce() announces both families, none for the other (T18)", async (t) => {
  const both = ["2001:db8::5", "192.0.2.1", "2001:db8::6", "192.0.2.2"];

  await t.step("both answer", async () => {
    using stage = new Stage(both);
    const answers = await Array.fromAsync(stage.announce());
    assertEquals(answers.map(peersOf).sort(), [["192.0.2.9:4"], [
      "[2001:db8::9]:6",
    ]]);
    assertEquals(stage.packets.news().sort(), [
      "announce 192.0.2.1:6969",
      "announce [2001:db8::5]:6969",
      "connect 192.0.2.1:6969",
      "connect [2001:db8::5]:6969",
    ]);
  });

  for (
    const [silent, heard] of [
      [["192.0.2.1", "192.0.2.2"], "[2001:db8::9]:6"],
      [["2001:db8::5", "2001:db8::6"], "192.0.2.9:4"],
    ] as const
  ) {
    await t.step(`${silent[0]} is silent`, async () => {
      using stage = new Stage(both, { silent: [...silent] });
      const answers = stage.announce();
      const first = await answers.next();
      assertEquals(peersOf(first.value as AnnounceResponse), [heard]);
      await answers.return(undefined);
    });
  }

  await t.step("one answers later", async () => {
    using stage = new Stage(both, { silent: ["2001:db8::5"] });
    const answers = stage.announce();
    await answers.next();
    const second = answers.next();
    await stage.clock.advance(15);
    assertEquals(peersOf((await second).value as AnnounceResponse), [
      "[2001:db8::9]:6",
    ]);
    assertEquals((await answers.next()).done, true);
  });

  await t.step("both are silent", async () => {
    using stage = new Stage(both, { silent: both });
    const failing = assertRejects(
      () => stage.announce().next(),
      TrackerError,
      "does not answer",
    );
    await stage.clock.advance(226);
    await failing;
    // Every address has had its turn.
    const tos = new Set(stage.packets.sent.map(({ to }) => to.hostname));
    assertEquals([...tos].sort(), [...both].sort());
  });
});

Deno.test("UdpTracker fails in one way", async (t) => {
  await t.step("without an address", async () => {
    using stage = new Stage(new NetworkError("Cannot find the address"));
    const error = await assertRejects(
      () => stage.announce().next(),
      TrackerError,
    );
    assertMatch(
      error.message,
      /^udp:\/\/tracker\.example:6969 cannot be asked: Cannot find/,
    );
    await assertRejects(
      () => stage.tracker.scrape([REQUEST.infoHash], { signal: NEVER }),
      TrackerError,
    );
  });
  await t.step("when nothing can be sent", async () => {
    using stage = new Stage(["192.0.2.1"]);
    stage.packets.failure = new NetworkError("No way");
    await assertRejects(() => stage.announce().next(), TrackerError, "No way");
  });
  await t.step("but not when it is aborted", async () => {
    using stage = new Stage(["192.0.2.1"], { silent: ["192.0.2.1"] });
    const abort = new AbortController();
    const failing = assertRejects(
      () => stage.announce(abort.signal).next(),
      Error,
      "enough",
    );
    await settled();
    abort.abort(new Error("enough"));
    await failing;
  });
});

Deno.test("UdpTracker.scrape() asks about many torrents, in packets of 74", async () => {
  using stage = new Stage(["192.0.2.1"]);
  const hashes = Array.from({ length: 150 }, () => REQUEST.infoHash);
  const counts = await stage.tracker.scrape(hashes, { signal: NEVER });
  assertEquals(counts.length, 150);
  assertEquals(
    counts.map(({ completed }) => completed),
    [...Array(74).fill(74), ...Array(74).fill(74), 2, 2],
  );
  assertEquals(
    [0, 73, 74, 149].map((i) => counts[i]!.seeders),
    [0, 73, 0, 1],
  );
  assertEquals(await stage.tracker.scrape([], { signal: NEVER }), []);
});

Deno.test("UdpTracker.scrape() takes the family that answers, and does not wait long", async () => {
  const both = ["2001:db8::5", "192.0.2.1"];
  using stage = new Stage(both, { silent: ["192.0.2.1"] });
  const [counts] = await stage.tracker.scrape([REQUEST.infoHash], {
    signal: NEVER,
  });
  assertEquals(counts, { seeders: 0, completed: 1, leechers: 6 });
  using dead = new Stage(both, { silent: both });
  const failing = assertRejects(
    () => dead.tracker.scrape([REQUEST.infoHash], { signal: NEVER }),
    TrackerError,
    "does not answer",
  );
  await dead.clock.advance(15);
  await failing;
});
