import { assert, assertEquals, assertRejects } from "@std/assert";
import { NetworkError, TrackerError } from "../../src/errors.ts";
import { UdpSocket } from "../../src/net/udp.ts";
import { AnnouncedSwarms } from "../../src/tracker/announced_swarms.ts";
import { HttpTracker } from "../../src/tracker/http_tracker.ts";
import { TrackerServer } from "../../src/tracker/tracker_server.ts";
import type { AnnounceRequest } from "../../src/tracker/tracker.ts";
import { ACTION, encodeScrape } from "../../src/tracker/udp_packet.ts";
import { UdpTracker } from "../../src/tracker/udp_tracker.ts";
import { UdpTrackerClient } from "../../src/tracker/udp_tracker_client.ts";
import { UdpTrackerServer } from "../../src/tracker/udp_tracker_server.ts";
import { firstAnswer } from "../support/first_answer.ts";

const { signal } = new AbortController();

const REQUEST: AnnounceRequest = {
  infoHash: new Uint8Array(20).fill(1),
  peerId: new Uint8Array(20).fill(2),
  port: 6881,
  uploaded: 0,
  downloaded: 0,
  left: 1,
  numWant: 50,
  key: "abcd",
};

/** A client with a real socket. */
class Caller implements AsyncDisposable {
  readonly socket = UdpSocket.open({ ports: [0] });
  readonly client = new UdpTrackerClient({ socket: () => this.socket });

  async announce(
    url: string,
    change: Partial<AnnounceRequest> = {},
  ): Promise<{ ports: number[]; seeders?: number; leechers?: number }> {
    const tracker = UdpTracker.at(url, { client: this.client })!;
    const request = { ...REQUEST, ...change };
    const { peers, seeders, leechers } = await firstAnswer(
      tracker.announce(request, { signal }),
    );
    const ports = peers.map(({ endpoint }) => endpoint.port);
    return { ports, seeders: seeders!, leechers: leechers! };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client[Symbol.dispose]();
    await this.socket[Symbol.asyncDispose]();
  }
}

for (const hostname of ["127.0.0.1", "::1"]) {
  Deno.test(`UdpTrackerServer introduces those who announce at ${hostname}`, async () => {
    await using server = new UdpTrackerServer({ hostname });
    await using caller = new Caller();
    const url = server.announceUrl;
    const announce = (change: Partial<AnnounceRequest>) =>
      caller.announce(url, change);
    assertEquals((await announce({ port: 1 })).ports, []);
    assertEquals((await announce({ port: 2 })).ports, [1]);
    assertEquals(await announce({ port: 3, left: 0 }), {
      ports: [1, 2],
      seeders: 1,
      leechers: 2,
    });
    assertEquals((await announce({ port: 1, numWant: 0 })).ports, []);
    await announce({ port: 2, event: "stopped" });
    assertEquals((await announce({ port: 1 })).ports, [3]);
    await announce({ port: 1, left: 0, event: "completed" });
    const tracker = UdpTracker.at(url, { client: caller.client })!;
    const hashes = [REQUEST.infoHash, new Uint8Array(20)];
    assertEquals(await tracker.scrape(hashes, { signal }), [
      { seeders: 2, completed: 1, leechers: 0 },
      { seeders: 0, completed: 0, leechers: 0 },
    ]);
  });
}

Deno.test("UdpTrackerServer can know the same as a TrackerServer", async () => {
  const swarms = new AnnouncedSwarms();
  await using udp = new UdpTrackerServer({ swarms });
  await using http = new TrackerServer({ swarms });
  await using caller = new Caller();
  await caller.announce(udp.announceUrl, { port: 1 });
  const tracker = HttpTracker.at(http.announceUrl)!;
  const answer = await firstAnswer(tracker.announce(REQUEST, { signal }));
  assertEquals(answer.peers.map(({ endpoint }) => endpoint.port), [1]);
});

Deno.test("UdpTrackerServer names no peers of the other family", async () => {
  const swarms = new AnnouncedSwarms();
  await using four = new UdpTrackerServer({ swarms });
  await using six = new UdpTrackerServer({ swarms, hostname: "::1" });
  await using caller = new Caller();
  await caller.announce(four.announceUrl, { port: 4 });
  assertEquals((await caller.announce(six.announceUrl, { port: 6 })).ports, []);
  assertEquals((await caller.announce(six.announceUrl, { port: 7 })).ports, [
    6,
  ]);
});

Deno.test("UdpTrackerServer refuses what it cannot use", async (t) => {
  await using server = new UdpTrackerServer();
  await using caller = new Caller();
  const url = server.announceUrl;

  await t.step("a port that nobody can have", async () => {
    await assertRejects(
      () => caller.announce(url, { port: 0 }),
      TrackerError,
      "The tracker says: port must be from 1 to 65535",
    );
  });

  await t.step("a connection that it did not give", async () => {
    const to = { hostname: "127.0.0.1", port: Number(new URL(url).port) };
    await assertRejects(
      () =>
        caller.client.ask([to], {
          action: ACTION.scrape,
          minLength: 8,
          encode: (_connection, transaction) =>
            encodeScrape([], { connection: 1n, transaction }),
          signal,
        }),
      TrackerError,
      "Connection ID mismatch",
    );
  });

  await t.step("but goes on after garbage", async () => {
    const to = { hostname: "127.0.0.1", port: Number(new URL(url).port) };
    for (const length of [0, 1, 15, 16, 98, 2000]) {
      await caller.socket.send(new Uint8Array(length).fill(length), to);
    }
    assertEquals((await caller.announce(url)).ports, []);
  });
});

Deno.test("UdpTrackerServer says where it cannot listen", async () => {
  await using server = new UdpTrackerServer();
  const port = Number(new URL(server.announceUrl).port);
  assert(port > 0);
  await assertRejects(
    async () => {
      await using _other = new UdpTrackerServer({ port });
    },
    NetworkError,
    "No socket",
  );
});
