import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Endpoint, parseEndpoint } from "../../src/bytes/endpoint.ts";
import { NetworkError, TrackerError } from "../../src/errors.ts";
import { ACTION, encodeScrape } from "../../src/tracker/udp_packet.ts";
import { encodeResponse } from "../../src/tracker/udp_server_packet.ts";
import { UdpTrackerClient } from "../../src/tracker/udp_tracker_client.ts";
import { FakePackets } from "../support/fake_packets.ts";
import { FakeClock, settled } from "../support/fake_tracker.ts";
import { decodeHex, encodeHex } from "@std/encoding/hex";
import vectors from "../../testdata/udp_tracker_vectors.json" with {
  type: "json",
};

const TRACKER = { hostname: "192.0.2.1", port: 6969 };
const HASH = new Uint8Array(20).fill(7);
const COUNTS = [{ seeders: 1, completed: 2, leechers: 3 }];

/** What a test wants a tracker to answer. */
interface Answer {
  type: "connect" | "scrape" | "error";
  transaction?: number;
  connection?: bigint;
  message?: string;
}

/** A client whose tracker is the test. */
class Stage implements Disposable {
  readonly clock = new FakeClock();
  readonly packets = new FakePackets();
  readonly client = new UdpTrackerClient({
    socket: () => {
      this.socketsOpened++;
      return this.packets;
    },
    clock: this.clock,
  });
  readonly abort = new AbortController();
  socketsOpened = 0;
  /** The connection that the tracker gives next. */
  connection = 1n;

  /** Asks how a torrent stands: any question will do. */
  ask(
    addresses: readonly Endpoint[] = [TRACKER],
    options: { tries?: number } = {},
  ): Promise<Uint8Array> {
    return this.client.ask(addresses, {
      action: ACTION.scrape,
      minLength: 20,
      encode: (connection, transaction) =>
        encodeScrape([HASH], { connection, transaction }),
      signal: this.abort.signal,
      ...options,
    });
  }

  /** The transaction of the packet that was sent last. */
  get transaction(): number {
    return this.packets.sent.at(-1)!.request.transaction;
  }

  /** Answers as a tracker; what is not said is right. */
  async answer(answer: Answer, from = TRACKER): Promise<void> {
    const { transaction, connection } = this;
    const response = {
      ...{ transaction, connection, counts: COUNTS, message: "" },
      ...answer,
    };
    this.packets.deliver(encodeResponse(response), from);
    await settled();
  }

  /** From now on the tracker answers at once. */
  serve(): void {
    this.packets.onSent = ({ request, to }) => {
      const { type, transaction } = request;
      const response = type === "connect"
        ? { type, transaction, connection: this.connection++ }
        : { type: "scrape" as const, transaction, counts: COUNTS };
      this.packets.deliver(encodeResponse(response), to);
    };
  }

  /** Which connections the packets say, and "connect" for those that have none. */
  get connections(): string {
    return this.packets.sent.splice(0).map(({ request }) =>
      request.type === "connect" ? "connect" : `${request.connection}`
    ).join(" ");
  }

  [Symbol.dispose](): void {
    this.client[Symbol.dispose]();
    assertEquals(this.packets.subscribers, 0);
    assertEquals(this.clock.waiting, 0);
  }
}

Deno.test("UdpTrackerClient.ask() connects, then asks", async () => {
  using stage = new Stage();
  assertEquals(stage.socketsOpened, 0);
  const asking = stage.ask();
  await settled();
  await stage.answer({ type: "connect", connection: 0xabcdn });
  const [connect, scrape, ...more] = stage.packets.sent;
  assertEquals(connect!.to, TRACKER);
  assertEquals(connect!.request.type, "connect");
  assertEquals(scrape!.to, TRACKER);
  assertEquals(scrape!.request, {
    type: "scrape",
    connection: 0xabcdn,
    transaction: stage.transaction,
    infoHashes: [HASH],
  });
  assertEquals(more, []);
  await stage.answer({ type: "scrape" });
  assertEquals((await asking).length, 20);
});

Deno.test("UdpTrackerClient.ask() gives the packet that answers, as its own", async () => {
  using stage = new Stage();
  stage.serve();
  const packet = await stage.ask();
  const [, { request }] = stage.packets.sent as [unknown, {
    request: { transaction: number };
  }];
  const counts = COUNTS;
  assertEquals(
    packet,
    encodeResponse({
      type: "scrape",
      transaction: request.transaction,
      counts,
    }),
  );
  assertEquals(stage.socketsOpened, 1);
});

Deno.test("UdpTrackerClient.ask() uses a connection for a minute", async () => {
  using stage = new Stage();
  stage.serve();
  await stage.ask();
  assertEquals(stage.connections, "connect 1");
  await stage.clock.advance(59.999);
  await stage.ask();
  assertEquals(stage.connections, "1");
  await stage.clock.advance(0.001);
  await stage.ask();
  assertEquals(stage.connections, "connect 2");
  // Each address has a connection of its own.
  await stage.ask([{ ...TRACKER, port: 1 }]);
  assertEquals(stage.connections, "connect 3");
  await stage.ask([{ hostname: "2001:db8::1", port: 6969 }]);
  assertEquals(stage.connections, "connect 4");
  assertEquals(stage.socketsOpened, 1);
});

Deno.test("UdpTrackerClient counts the minute from before the connect", async () => {
  using stage = new Stage();
  const asking = stage.ask();
  await stage.clock.advance(10);
  await stage.answer({ type: "connect" });
  await stage.answer({ type: "scrape" });
  await asking;
  stage.serve();
  stage.packets.sent.length = 0;
  await stage.clock.advance(50);
  await stage.ask();
  assertEquals(stage.connections, "connect 1");
});

Deno.test("UdpTrackerClient.ask() repeats after 15, 30, 60 and 120 seconds, and gives up", async (t) => {
  await t.step("when nothing answers", async () => {
    using stage = new Stage();
    const asking = stage.ask();
    const failing = assertRejects(
      () => asking,
      NetworkError,
      "does not answer",
    );
    await settled();
    for (const seconds of [15, 30, 60]) {
      assertEquals(stage.packets.news().length, 1);
      await stage.clock.advance(seconds - 0.001);
      assertEquals(stage.packets.news().length, 0);
      await stage.clock.advance(0.001);
    }
    assertEquals(stage.packets.news().length, 1);
    await stage.clock.advance(120);
    await failing;
    assertEquals(stage.packets.news(), []);
  });

  await t.step("with a new connection, which it surely knows", async () => {
    using stage = new Stage();
    stage.packets.onSent = ({ request, to }) => {
      if (request.type !== "connect") return;
      const connection = stage.connection++;
      const { transaction } = request;
      const response = { type: "connect" as const, transaction, connection };
      stage.packets.deliver(encodeResponse(response), to);
    };
    const asking = stage.ask();
    const failing = assertRejects(
      () => asking,
      NetworkError,
      "does not answer",
    );
    for (const [i, seconds] of [15, 30, 60, 120].entries()) {
      await settled();
      assertEquals(stage.connections, `connect ${i + 1}`);
      await stage.clock.advance(seconds - 0.001);
      assertEquals(stage.connections, "");
      await stage.clock.advance(0.001);
    }
    await failing;
  });

  await t.step("as often as it should", async () => {
    using stage = new Stage();
    const asking = stage.ask([TRACKER], { tries: 1 });
    const failing = assertRejects(() => asking, NetworkError);
    await stage.clock.advance(15);
    await failing;
    assertEquals(stage.packets.news().length, 1);
  });

  await t.step("at another address every time", async () => {
    using stage = new Stage();
    const other = { hostname: "192.0.2.2", port: 6969 };
    const asking = stage.ask([TRACKER, other]);
    await stage.clock.advance(15);
    assertEquals(stage.packets.news(), [
      "connect 192.0.2.1:6969",
      "connect 192.0.2.2:6969",
    ]);
    stage.abort.abort();
    await assertRejects(() => asking, DOMException);
  });
});

Deno.test("UdpTrackerClient.ask() leaves alone what is no answer, and takes the right one later", async (t) => {
  /** Whether what was asked is still open, and ends well. */
  const isStillOpen = async (stage: Stage, asking: Promise<Uint8Array>) => {
    stage.packets.sent.splice(0, stage.packets.sent.length - 1);
    if (stage.packets.sent[0]!.request.type === "connect") {
      await stage.answer({ type: "connect" });
    }
    await stage.answer({ type: "scrape" });
    assertEquals((await asking).length, 20);
  };

  for (const [name, hex] of Object.entries(vectors.ignored.connect)) {
    await t.step(`to a connect: ${name}`, async () => {
      using stage = new Stage();
      const asking = stage.ask();
      await settled();
      stage.packets.deliver(forged(hex, stage.transaction), TRACKER);
      await settled();
      assertEquals(stage.packets.sent.length, 1);
      await isStillOpen(stage, asking);
    });
  }

  for (const [name, hex] of Object.entries(vectors.ignored.announce)) {
    await t.step(`to a question: ${name}`, async () => {
      using stage = new Stage();
      const asking = stage.ask();
      await settled();
      await stage.answer({ type: "connect" });
      // What is said of announces holds for every question.
      const packet = forged(hex, stage.transaction);
      if (packet[3] === 1) packet[3] = ACTION.scrape;
      else if (packet[3] === 2) packet[3] = ACTION.announce;
      stage.packets.deliver(packet, TRACKER);
      await settled();
      await isStillOpen(stage, asking);
    });
  }

  const elsewhere: [name: string, endpoint: string][] = [
    ["another address", "192.0.2.2:6969"],
    ["another port", "192.0.2.1:6970"],
    ["another family", "[2001:db8::1]:6969"],
  ];
  for (const [name, text] of elsewhere) {
    await t.step(`the right answer from ${name}`, async () => {
      const from = parseEndpoint(text)!;
      using stage = new Stage();
      const asking = stage.ask();
      await settled();
      await stage.answer({ type: "connect", connection: 666n }, from);
      await stage.answer({ type: "error", message: "go away" }, from);
      assertEquals(stage.packets.sent.length, 1);
      await stage.answer({ type: "connect" });
      await stage.answer({ type: "scrape" }, from);
      await stage.answer({ type: "error", message: "go away" }, from);
      await isStillOpen(stage, asking);
    });
  }

  await t.step("an answer that comes twice", async () => {
    using stage = new Stage();
    const asking = stage.ask();
    await settled();
    const { transaction } = stage;
    await stage.answer({ type: "connect" });
    await stage.answer({ type: "connect", transaction, connection: 666n });
    await stage.answer({ type: "error", transaction, message: "go away" });
    assertEquals(stage.connections, "connect 1");
    stage.abort.abort();
    await assertRejects(() => asking, DOMException);
  });

  await t.step("an answer that comes too late", async () => {
    using stage = new Stage();
    const asking = stage.ask();
    await settled();
    const { transaction } = stage;
    await stage.clock.advance(15);
    await stage.answer({ type: "connect", transaction, connection: 666n });
    assertEquals(stage.packets.sent.length, 2);
    await isStillOpen(stage, asking);
  });
});

/** A packet of the vectors, as if it answered the open question. */
function forged(hex: string, transaction: number): Uint8Array {
  const ours = transaction.toString(16).padStart(8, "0");
  return decodeHex(hex.replace("3b9aca09", ours));
}

Deno.test("UdpTrackerClient knows which packets are for others", async () => {
  using stage = new Stage();
  const asking = stage.ask();
  await settled();
  const deliver = (hex: string) =>
    stage.packets.deliver(decodeHex(hex), TRACKER);
  assertEquals(deliver("64313a6164323a6964323a3a"), false);
  assertEquals(deliver(`2100${"00".repeat(18)}`), false);
  assertEquals(deliver(""), false);
  const ours = encodeHex(stage.packets.sent[0]!.packet.subarray(12));
  assertEquals(deliver(`00000001${ours}`), true);
  stage.abort.abort();
  await assertRejects(() => asking, DOMException);
});

Deno.test("UdpTrackerClient.ask() takes a refusal", async (t) => {
  await t.step("to connect", async () => {
    using stage = new Stage();
    const asking = stage.ask();
    const failing = assertRejects(() => asking, TrackerError, "says: go away");
    await settled();
    await stage.answer({ type: "error", message: "go away" });
    await failing;
  });

  await t.step("to answer", async () => {
    using stage = new Stage();
    const asking = stage.ask();
    const failing = assertRejects(() => asking, TrackerError, "says: unknown");
    await settled();
    await stage.answer({ type: "connect" });
    await stage.answer({ type: "error", message: "unknown" });
    await failing;
    assertEquals(stage.connections, "connect 1");
  });

  await t.step("and keeps it short", async () => {
    using stage = new Stage();
    const asking = stage.ask();
    const failing = assertRejects(() => asking, TrackerError);
    await settled();
    await stage.answer({ type: "error", message: "x".repeat(60_000) });
    assert((await failing).message.length < 550);
  });

  await t.step(
    "with a new connection if it may have lost the old one",
    async () => {
      using stage = new Stage();
      stage.serve();
      await stage.ask();
      stage.packets.onSent = undefined;
      stage.packets.sent.length = 0;
      const asking = stage.ask();
      await settled();
      await stage.answer({ type: "error", message: "Connection ID mismatch" });
      await stage.answer({ type: "connect", connection: 9n });
      await stage.answer({ type: "scrape" });
      await asking;
      assertEquals(stage.connections, "1 connect 9");
    },
  );
});

Deno.test("UdpTrackerClient.ask() says when nothing can be sent", async (t) => {
  await t.step("at once", async () => {
    using stage = new Stage();
    stage.packets.failure = new NetworkError("No way");
    await assertRejects(() => stage.ask(), NetworkError, "No way");
  });

  await t.step("without a socket", async () => {
    const client = new UdpTrackerClient({
      socket: () => {
        throw new NetworkError("Not permitted");
      },
    });
    const question = {
      action: ACTION.scrape,
      minLength: 20,
      encode: () => new Uint8Array(16),
      signal: new AbortController().signal,
    };
    await assertRejects(
      () => client.ask([TRACKER], question),
      NetworkError,
      "Not permitted",
    );
    client[Symbol.dispose]();
  });

  await t.step("only after every address", async () => {
    using stage = new Stage();
    const { send } = stage.packets;
    const tried: string[] = [];
    stage.serve();
    stage.packets.send = (packet, to) => {
      tried.push(to.hostname);
      return to.hostname === "192.0.2.1"
        ? Promise.reject(new NetworkError("No way"))
        : send.call(stage.packets, packet, to);
    };
    await stage.ask([TRACKER, { hostname: "192.0.2.2", port: 1 }]);
    assertEquals(tried, ["192.0.2.1", "192.0.2.2", "192.0.2.2"]);
  });
});

Deno.test("UdpTrackerClient.ask() ends at once when it is aborted", async (t) => {
  const moments: Record<string, (stage: Stage) => Promise<void>> = {
    "while it connects": () => settled(),
    "while it asks": (stage) => stage.answer({ type: "connect" }),
    "while it tries again": (stage) => stage.clock.advance(20),
  };
  for (const [name, reach] of Object.entries(moments)) {
    await t.step(name, async () => {
      using stage = new Stage();
      const asking = stage.ask();
      const failing = assertRejects(() => asking, Error, "enough");
      await settled();
      await reach(stage);
      stage.abort.abort(new Error("enough"));
      await failing;
      await stage.clock.advance(1000);
    });
  }

  await t.step("before it begins", async () => {
    using stage = new Stage();
    stage.abort.abort(new Error("enough"));
    await assertRejects(() => stage.ask(), Error, "enough");
    assertEquals(stage.socketsOpened, 0);
  });
});

Deno.test("UdpTrackerClient asks several trackers at once, none for another", async () => {
  using stage = new Stage();
  const asking = [1, 2, 3].map((port) => stage.ask([{ ...TRACKER, port }]));
  await settled();
  const [first, second, third] = stage.packets.sent.splice(0);
  for (const { request, to } of [third!, first!]) {
    const { transaction } = request;
    const response = { type: "error" as const, transaction, message: "no" };
    stage.packets.deliver(encodeResponse(response), to);
  }
  await assertRejects(() => asking[0]!, TrackerError, "no");
  await assertRejects(() => asking[2]!, TrackerError, "no");
  stage.packets.sent.push(second!);
  const from = { ...TRACKER, port: 2 };
  await stage.answer({ type: "connect" }, from);
  await stage.answer({ type: "scrape" }, from);
  await asking[1];
});

Deno.test("UdpTrackerClient draws transactions that nobody can guess", async () => {
  using stage = new Stage();
  const count = 10_000;
  const asking = Array.from({ length: count }, () => stage.ask());
  const failing = Promise.allSettled(asking);
  await settled();
  const drawn = stage.packets.sent.map(({ request }) => request.transaction);
  stage.abort.abort();
  await failing;
  assertEquals(new Set(drawn).size, count);
  // Each bit is set in half of them: within six standard deviations.
  for (let bit = 0; bit < 32; bit++) {
    const set = drawn.filter((value) => value / 2 ** bit % 2 >= 1).length;
    assert(Math.abs(set - count / 2) < 300, `bit ${bit}: ${set}`);
  }
  // Neither is it a step from the one before.
  const steps = drawn.slice(1).map((value, i) => value - drawn[i]!);
  assert(new Set(steps).size > count - 50);
});
