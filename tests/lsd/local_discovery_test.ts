import { assertEquals, assertRejects } from "@std/assert";
import { latin1 } from "../../src/bytes/bencode.ts";
import { type Endpoint, formatEndpoint } from "../../src/bytes/endpoint.ts";
import { NetworkError } from "../../src/errors.ts";
import { encodeAnnouncement, LSD_GROUPS } from "../../src/lsd/announcement.ts";
import {
  type GroupMember,
  LocalDiscovery,
  type LocalDiscoveryOptions,
} from "../../src/lsd/local_discovery.ts";
import type { MulticastOptions } from "../../src/net/multicast.ts";
import { runChild } from "../support/child.ts";
import { FakeTime } from "../support/fake_time.ts";
import { conditionalTest } from "../support/conditional.ts";
import { LAN_WRAPPER, missingLan, NO_LAN_WRAPPER } from "../support/lan.ts";

const TORRENT = new Uint8Array(20).fill(0xa1);

const FROM: Endpoint = { hostname: "10.0.0.2", port: 6771 };

/** The groups, where the network is a test. */
class FakeGroups {
  /** What was said to each group. */
  readonly sent: { group: string; text: string }[] = [];
  /** How many are joined now. */
  members = 0;
  /** Says something to the members of all groups. */
  readonly listeners: MulticastOptions["onPacket"][] = [];

  constructor(
    readonly options: { canJoin?: (group: Endpoint) => boolean; fails?: true } =
      {},
  ) {}

  readonly join = (options: MulticastOptions): Promise<
    GroupMember | undefined
  > => {
    const { group, onPacket } = options;
    const { canJoin = () => true, fails } = this.options;
    if (!canJoin(group)) return Promise.resolve(undefined);
    this.members++;
    this.listeners.push(onPacket);
    return Promise.resolve({
      group,
      send: (packet) => {
        this.sent.push({ group: formatEndpoint(group), text: latin1(packet) });
        return fails
          ? Promise.reject(new NetworkError("Network is down"))
          : Promise.resolve();
      },
      [Symbol.asyncDispose]: () => {
        this.members--;
        return Promise.resolve();
      },
    });
  };
}

function discoveryIn(
  groups: FakeGroups,
  options: Partial<LocalDiscoveryOptions> = {},
) {
  const found: string[] = [];
  const discovery = new LocalDiscovery({
    port: 6881,
    handler: {
      onPeer: (infoHash, endpoint) =>
        found.push(`${infoHash[0]} ${formatEndpoint(endpoint)}`),
    },
    join: groups.join,
    ...options,
  });
  return { discovery, found };
}

Deno.test("LocalDiscovery.run() announces to both groups, and leaves them", async () => {
  using time = new FakeTime();
  const groups = new FakeGroups();
  const { discovery } = discoveryIn(groups);
  const stop = new AbortController();
  const running = discovery.run({ signal: stop.signal });
  using _torrent = discovery.announce(TORRENT);
  await time.advance(1_000);
  assertEquals(groups.members, 2);
  stop.abort();
  await assertRejects(() => running, DOMException);
  assertEquals(groups.members, 0);
  assertEquals(groups.sent.map(({ group }) => group), [
    "239.192.152.143:6771",
    "[ff15::efc0:988f]:6771",
  ]);
  for (const { text, group } of groups.sent) {
    assertEquals(
      text.replace(/cookie: [0-9a-f]{16}/, "cookie: c"),
      `BT-SEARCH * HTTP/1.1\r\nHost: ${group}\r\nPort: 6881\r\nInfohash: ${
        "a1".repeat(20)
      }\r\ncookie: c\r\n\r\n\r\n`,
    );
  }
});

Deno.test("LocalDiscovery tells of others, and not of itself", async () => {
  using time = new FakeTime();
  const groups = new FakeGroups();
  const { discovery, found } = discoveryIn(groups);
  const stop = new AbortController();
  const running = discovery.run({ signal: stop.signal });
  const torrent = discovery.announce(TORRENT);
  await time.advance(1_000);
  const [listener] = groups.listeners;
  const theirs = encodeAnnouncement(
    { port: 7000, infoHashes: [TORRENT], cookie: undefined },
    LSD_GROUPS[0]!,
  );
  listener!(new TextEncoder().encode(groups.sent[0]!.text), FROM);
  listener!(new Uint8Array(9), FROM);
  listener!(theirs, FROM);
  assertEquals(found, ["161 10.0.0.2:7000"]);
  torrent[Symbol.dispose]();
  listener!(theirs, FROM);
  assertEquals(found.length, 1);
  await time.advance(3_600_000);
  assertEquals(groups.sent.length, 2);
  stop.abort();
  await assertRejects(() => running, DOMException);
});

Deno.test("LocalDiscovery.run() goes on when the network takes nothing", async () => {
  using time = new FakeTime();
  const groups = new FakeGroups({ fails: true });
  const { discovery } = discoveryIn(groups);
  const stop = new AbortController();
  const running = discovery.run({ signal: stop.signal });
  discovery.announce(TORRENT);
  await time.advance(12 * 60_000);
  assertEquals(groups.sent.length, 6);
  stop.abort();
  // Stopped, not failed.
  await assertRejects(() => running, DOMException);
});

Deno.test("LocalDiscovery.run() ends at once where no group can be joined", async () => {
  const groups = new FakeGroups({ canJoin: () => false });
  const { discovery } = discoveryIn(groups);
  discovery.announce(TORRENT);
  await discovery.run({ signal: new AbortController().signal });
  assertEquals(groups.sent, []);
});

Deno.test("LocalDiscovery.run() uses the family of its own address", async (t) => {
  for (
    const [hostname, group] of [["10.0.0.1", "239.192.152.143"], [
      "::1",
      "ff15::efc0:988f",
    ]]
  ) {
    await t.step(`${hostname}`, async () => {
      const asked: (string | undefined)[] = [];
      const { discovery } = discoveryIn(new FakeGroups(), {
        hostname,
        join: (options) => {
          asked.push(options.group.hostname, options.hostname);
          return Promise.resolve(undefined);
        },
      });
      await discovery.run({ signal: new AbortController().signal });
      assertEquals(asked, [group, hostname]);
    });
  }
});

const PROGRAM = new URL("children/find_each_other.ts", import.meta.url);

interface Outcome {
  groups: string[];
  found: string[][];
  ends: string[];
}

conditionalTest({
  name: "LocalDiscovery finds itself in a local network",
  missing: missingLan(),
  async fn() {
    const { groups, found, ends } = await runChild<Outcome>(PROGRAM, {
      permissions: ["--allow-net"],
      wrapper: LAN_WRAPPER,
      args: [1],
    });
    assertEquals(groups.slice(0, 2), Array(2).fill("239.192.152.143:6771"));
    assertEquals(found.map(([first]) => first), [
      "1 10.9.8.7:2222",
      "1 10.9.8.7:1111",
    ]);
    assertEquals(ends, ["rejected", "rejected"]);
  },
});

conditionalTest({
  name: "LocalDiscovery does nothing without a network or a permission",
  missing: missingLan(),
  async fn(t) {
    const nothing: Outcome = {
      groups: [],
      found: [[], []],
      ends: ["fulfilled", "fulfilled"],
    };
    const table: [
      what: string,
      permission: string,
      wrapper: typeof LAN_WRAPPER,
    ][] = [
      ["no network", "--allow-net", NO_LAN_WRAPPER],
      ["no permission", "--allow-net=127.0.0.1", LAN_WRAPPER],
      ["half a permission", "--allow-net=239.192.152.143:6771", LAN_WRAPPER],
    ];
    for (const [what, permission, wrapper] of table) {
      await t.step(what, async () => {
        const permissions = [permission];
        const options = { permissions, wrapper, args: [1] };
        assertEquals(await runChild<Outcome>(PROGRAM, options), nothing);
      });
    }
  },
});
