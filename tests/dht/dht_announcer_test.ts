import { assertEquals, assertRejects } from "@std/assert";
import type { Endpoint } from "../../src/bytes/endpoint.ts";
import { DhtAnnouncer, type PeerFinder } from "../../src/dht/dht_announcer.ts";
import type { GetPeersOptions } from "../../src/dht/dht_node.ts";
import { VirtualClock } from "../support/simulated_dht.ts";

const MINUTE_MS = 60_000;
const HASH = new Uint8Array(20).fill(1);
const PEER = { hostname: "198.51.100.1", port: 1 };

/** An announcer, and a node that finds what the test says. */
class Stage implements AsyncDisposable {
  readonly clock = new VirtualClock();
  readonly #start = this.clock.now();
  readonly searches: { minute: number; port: number | undefined }[] = [];
  readonly peers: Endpoint[] = [];
  answers = 8;
  announcedTo = 0;
  port: number | undefined = 6881;
  readonly announcer: DhtAnnouncer;
  readonly #end = new AbortController();
  readonly #running: Promise<void>;

  constructor(random = 0.5) {
    const node: PeerFinder = {
      getPeers: (infoHash, options) => this.#search(infoHash, options),
    };
    this.announcer = new DhtAnnouncer({
      node,
      infoHash: HASH,
      port: () => this.port,
      isSeed: () => false,
      handler: {
        onPeers: (peers) => this.peers.push(...peers),
        onSearched: ({ announcedTo }) => this.announcedTo += announcedTo,
      },
      random: () => random,
      clock: this.clock,
    });
    this.#running = this.announcer.run({ signal: this.#end.signal });
  }

  /** When searches began, in minutes. */
  get minutes(): number[] {
    return this.searches.map(({ minute }) => minute);
  }

  async *#search(infoHash: Uint8Array, { announcePort }: GetPeersOptions) {
    assertEquals(infoHash, HASH);
    const minute = (this.clock.now() - this.#start) / MINUTE_MS;
    this.searches.push({ minute, port: announcePort });
    await Promise.resolve();
    yield [PEER];
    return { answers: this.answers, announcedTo: this.answers };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new Error("over"));
    await assertRejects(() => this.#running, Error, "over");
    assertEquals(this.clock.waiting, 0);
  }
}

Deno.test("DhtAnnouncer announces every quarter of an hour", async () => {
  await using stage = new Stage();
  await stage.clock.advance(31 * MINUTE_MS);
  assertEquals(stage.minutes, [0, 15, 30]);
  assertEquals(stage.peers, [PEER, PEER, PEER]);
  assertEquals(stage.announcedTo, 24);
});

Deno.test("DhtAnnouncer does not announce together with others", async () => {
  for (const [random, minutes] of [[0, 13.5], [0.999_999, 16.5]] as const) {
    await using stage = new Stage(random);
    await stage.clock.advance(20 * MINUTE_MS);
    assertEquals(stage.minutes.map((at) => Math.round(at * 10) / 10), [
      ...[0, minutes],
    ]);
  }
});

Deno.test("DhtAnnouncer tries again soon when nobody answered", async () => {
  await using stage = new Stage();
  stage.answers = 0;
  await stage.clock.advance(20 * MINUTE_MS);
  assertEquals(stage.minutes, [0, 0.5, 1.5, 3.5, 7.5, 15.5]);
  stage.answers = 1;
  await stage.clock.advance(40 * MINUTE_MS);
  assertEquals(stage.minutes.slice(6), [30.5, 45.5]);
});

Deno.test("DhtAnnouncer.wake() has it search again, not more than once a minute", async () => {
  await using stage = new Stage();
  await stage.clock.advance(0.5 * MINUTE_MS);
  stage.announcer.wake();
  stage.announcer.wake();
  await stage.clock.advance(0.4 * MINUTE_MS);
  assertEquals(stage.minutes, [0]);
  await stage.clock.advance(0.1 * MINUTE_MS);
  assertEquals(stage.minutes, [0, 1]);
  await stage.clock.advance(4 * MINUTE_MS);
  stage.announcer.wake();
  await stage.clock.advance(1);
  assertEquals(stage.minutes, [0, 1, 5]);
  await stage.clock.advance(14 * MINUTE_MS);
  assertEquals(stage.minutes, [0, 1, 5]);
});

Deno.test("DhtAnnouncer announces the port that we have then, or none", async () => {
  await using stage = new Stage();
  await stage.clock.advance(MINUTE_MS);
  stage.port = undefined;
  await stage.clock.advance(15 * MINUTE_MS);
  assertEquals(stage.searches.map(({ port }) => port), [6881, undefined]);
});
