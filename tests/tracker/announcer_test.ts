import { assert, assertEquals, assertRejects } from "@std/assert";
import { TrackerError } from "../../src/errors.ts";
import { AnnounceSlots } from "../../src/tracker/announce_slots.ts";
import {
  Announcer,
  type AnnouncerOptions,
} from "../../src/tracker/announcer.ts";
import {
  type FakeAnswer,
  FakeClock,
  FakeTracker,
  settled,
} from "../support/fake_tracker.ts";

const IDENTITY = {
  infoHash: new Uint8Array(20).fill(1),
  peerId: new Uint8Array(20).fill(2),
  port: 6881,
  key: "abcd",
};

const DOWN = new TrackerError("Down");

/** Somebody is there: the interval counts. */
const PEERS = [{ endpoint: { hostname: "192.0.2.1", port: 1 } }];

/** An announcer that runs until its block is left, and what it does. */
class Stage implements AsyncDisposable {
  readonly clock = new FakeClock();
  /** Who was told what, in order. */
  readonly diary: string[] = [];
  /** Who answered or failed, in order. */
  readonly outcomes: string[] = [];
  readonly trackers = new Map<string, FakeTracker>();
  readonly announcer: Announcer;
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;

  /**
   * @param tiers Each tier's trackers, such as `["a b", "c"]`.
   * @param answers What they do; they answer with a peer if it is not said.
   * @param options What differs; `beside` are the user's trackers.
   */
  constructor(
    tiers: string[],
    answers: Record<string, FakeAnswer> = {},
    { beside = "", ...options }: Partial<AnnouncerOptions> & {
      beside?: string;
    } = {},
  ) {
    const trackerOf = (name: string) => {
      const answer = answers[name] ?? { peers: PEERS };
      const tracker = new FakeTracker(name, answer, this.diary);
      this.trackers.set(name, tracker);
      return tracker;
    };
    this.announcer = new Announcer({
      tiers: tiers.map((tier) => tier.split(" ").map(trackerOf)),
      others: beside.split(" ").filter(Boolean).map(trackerOf),
      identity: IDENTITY,
      totals: () => ({ uploaded: 1, downloaded: 2, left: 3 }),
      wantsPeers: () => true,
      handler: {
        onAnnounce: ({ tracker, type }) =>
          this.outcomes.push(`${tracker} ${type}`),
        onSwitch: () => this.outcomes.push("switch"),
      },
      // Keeps the order of a tier.
      random: () => 0.999999,
      clock: this.clock,
      ...options,
    });
  }

  async start(): Promise<void> {
    this.#running = this.announcer.run({ signal: this.#abort.signal });
    await settled();
  }

  /** Ends the run; the announcer can still say goodbye. */
  async end(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  /** What was said since the last time. */
  news(): string[] {
    return this.diary.splice(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
    assertEquals(this.clock.waiting, 0);
    for (const { pending } of this.trackers.values()) assertEquals(pending, 0);
  }
}

Deno.test("Announcer asks tier after tier until one answers", async (t) => {
  const rows: [tiers: string[], down: string, asked: string][] = [
    [["a"], "", "a"],
    [["a b", "c"], "", "a"],
    [["a b", "c"], "a", "a b"],
    [["a b", "c"], "ab", "a b c"],
    [["a", "b", "c"], "ab", "a b c"],
    [["a b", "c"], "abc", "a b c"],
  ];
  for (const [tiers, down, asked] of rows) {
    await t.step(`${tiers.join(" | ")}, down: ${down}`, async () => {
      const answers = Object.fromEntries([...down].map((name) => [name, DOWN]));
      await using stage = new Stage(tiers, answers);
      await stage.start();
      const names = asked.split(" ");
      assertEquals(stage.news(), names.map((name) => `${name} started`));
      assertEquals(
        stage.outcomes,
        names.map((name) =>
          `${name} ${down.includes(name) ? "failed" : "answered"}`
        ),
      );
    });
  }
});

Deno.test("Announcer shuffles within a tier, never between them", async () => {
  const orders = new Set<string>();
  for (let i = 0; i < 6; i++) {
    const draws = [i % 3 / 3, Math.floor(i / 3) / 2];
    const answers = { a: DOWN, b: DOWN, c: DOWN, d: DOWN };
    await using stage = new Stage(["a b c", "d"], answers, {
      random: () => draws.shift() ?? 0,
    });
    await stage.start();
    const order = stage.news().map((line) => line[0]).join("");
    assertEquals(order[3], "d");
    orders.add(order);
  }
  assertEquals([...orders].sort(), [
    "abcd",
    "acbd",
    "bacd",
    "bcad",
    "cabd",
    "cbad",
  ]);
});

Deno.test("Announcer keeps to the tracker that answered, within its tier", async () => {
  const answers: Record<string, FakeAnswer> = { a: DOWN, b: DOWN };
  await using stage = new Stage(["a", "b c d"], answers);
  await stage.start();
  assertEquals(stage.news(), ["a started", "b started", "c started"]);
  await stage.clock.advance(1800);
  // The higher tier has its chance every time (BEP 12).
  assertEquals(stage.news(), ["a started", "c again"]);
  stage.trackers.get("c")!.answer = DOWN;
  await stage.clock.advance(1800);
  assertEquals(stage.news(), [
    "a started",
    "c again",
    "b started",
    "d started",
  ]);
  await stage.clock.advance(1800);
  assertEquals(stage.news(), ["a started", "d again"]);
});

Deno.test("Announcer does not wait long for a tracker that is silent", async () => {
  await using stage = new Stage(["a", "b c", "d"], {
    a: "silence",
    b: "silence",
  });
  await stage.start();
  assertEquals(stage.news(), ["a started"]);
  await stage.clock.advance(1.9);
  assertEquals(stage.news(), []);
  await stage.clock.advance(0.1);
  assertEquals(stage.news(), ["b started"]);
  await stage.clock.advance(2);
  assertEquals(stage.news(), ["c started"]);
  // Who is too late is not waited for any more.
  assertEquals(stage.trackers.get("a")!.pending, 0);
  assertEquals(stage.outcomes, ["c answered"]);
  await stage.clock.advance(1800);
  assertEquals(stage.news(), ["a started"]);
});

Deno.test("Announcer takes an answer that comes while others are asked", async () => {
  await using stage = new Stage(["a", "b"], { b: "silence" });
  const { promise, resolve: answerA } = Promise.withResolvers<void>();
  const a = stage.trackers.get("a")!;
  const { announce } = a;
  a.announce = async function* (request, options) {
    for await (const answer of announce.call(a, request, options)) {
      await promise;
      yield answer;
    }
  };
  await stage.start();
  await stage.clock.advance(3);
  assertEquals(stage.news(), ["a started", "b started"]);
  answerA();
  await settled();
  assertEquals(stage.outcomes, ["a answered"]);
  assertEquals(stage.trackers.get("b")!.pending, 0);
});

Deno.test("Announcer tries again when nobody answers, less and less often", async () => {
  await using stage = new Stage(["a b"], { a: DOWN, b: DOWN }, {
    random: () => 0,
  });
  await stage.start();
  const pauses = [5, 10, 20, 40, 80, 160, 320, 640, 1280, 1800, 1800];
  for (const pause of pauses) {
    assertEquals(stage.news().length, 2);
    await stage.clock.advance(pause - 0.001);
    assertEquals(stage.news(), []);
    await stage.clock.advance(0.001);
  }
  // An answer makes it begin anew.
  stage.trackers.get("b")!.answer = { peers: PEERS, interval: 60 };
  await stage.clock.advance(1800);
  stage.trackers.get("b")!.answer = DOWN;
  await stage.clock.advance(60);
  stage.news();
  await stage.clock.advance(5);
  assertEquals(stage.news().length, 2);
});

Deno.test("Announcer spreads what many would do at once", async () => {
  await using stage = new Stage(["a"], { a: DOWN }, { random: () => 0.8 });
  await stage.start();
  await stage.clock.advance(5.999);
  assertEquals(stage.news().length, 1);
  await stage.clock.advance(0.001);
  assertEquals(stage.news().length, 1);
});

Deno.test("Announcer asks when the tracker wants it to, within reason", async (t) => {
  const rows: [answer: FakeAnswer, wantsPeers: boolean, seconds: number][] = [
    [{ peers: PEERS, interval: 440 }, true, 440],
    [{ peers: PEERS, interval: 1200 }, false, 1200],
    [{ peers: PEERS }, true, 1800],
    [{ peers: PEERS, interval: 0 }, true, 60],
    [{ peers: PEERS, interval: -1 }, true, 60],
    [{ peers: PEERS, interval: 2 ** 52 }, true, 3600],
    [{ peers: PEERS, interval: 600, minInterval: 900 }, true, 900],
    [{ peers: PEERS, interval: 600, minInterval: -5 }, true, 600],
    [{ peers: PEERS, minInterval: 2 ** 52 }, true, 3600],
    // While nobody is there it asks as often as it may.
    [{ peers: [], interval: 1200 }, true, 60],
    [{ peers: [], interval: 1200, minInterval: 300 }, true, 300],
    [{ peers: [], interval: 1200, minInterval: 300 }, false, 1200],
    [{ peers: [], interval: 1200, minInterval: 10 }, true, 60],
  ];
  for (const [answer, wantsPeers, seconds] of rows) {
    await t.step(`${JSON.stringify(answer)}, ${wantsPeers}`, async () => {
      await using stage = new Stage(["a"], { a: answer }, {
        wantsPeers: () => wantsPeers,
      });
      await stage.start();
      assertEquals(stage.news(), ["a started"]);
      await stage.clock.advance(seconds - 0.001);
      assertEquals(stage.news(), []);
      await stage.clock.advance(0.001);
      assertEquals(stage.news(), ["a again"]);
    });
  }
});

Deno.test("Announcer leaves a tracker alone for as long as it says", async (t) => {
  await t.step("and asks the others", async () => {
    const refusal = new TrackerError("Later", { retryIn: 600 });
    await using stage = new Stage(["a", "b"], {
      a: refusal,
      b: { peers: PEERS, interval: 250 },
    });
    await stage.start();
    assertEquals(stage.news(), ["a started", "b started"]);
    await stage.clock.advance(500);
    assertEquals(stage.news(), ["b again", "b again"]);
    await stage.clock.advance(250);
    assertEquals(stage.news(), ["a started", "b again"]);
  });

  await t.step("also when there is no other", async () => {
    const refusal = new TrackerError("Later", { retryIn: 600 });
    await using stage = new Stage(["a"], { a: refusal }, { random: () => 0 });
    await stage.start();
    stage.news();
    await stage.clock.advance(599);
    assertEquals(stage.news(), []);
    await stage.clock.advance(100);
    assertEquals(stage.news(), ["a started"]);
  });

  await t.step("for ever", async () => {
    const refusal = new TrackerError("Never", { retryIn: Infinity });
    await using stage = new Stage(["a"], { a: refusal });
    await stage.start();
    stage.news();
    await stage.clock.advance(1_000_000);
    assertEquals(stage.news(), []);
  });
});

Deno.test("Announcer says what has happened, once and in order", async (t) => {
  await t.step("complete while it waits", async () => {
    await using stage = new Stage(["a"]);
    await stage.start();
    await stage.clock.advance(1800);
    stage.announcer.completed();
    await settled();
    stage.announcer.completed();
    await stage.clock.advance(3600);
    await stage.end();
    await stage.announcer.stop();
    await stage.announcer.stop();
    assertEquals(stage.news(), [
      "a started",
      "a again",
      "a completed",
      "a again",
      "a again",
      "a stopped",
    ]);
  });

  await t.step("complete while the tracker hears of the start", async () => {
    await using stage = new Stage(["a"]);
    stage.trackers.get("a")!.answer = () => {
      stage.announcer.completed();
      return { peers: PEERS };
    };
    await stage.start();
    assertEquals(stage.news(), ["a started", "a completed"]);
    await stage.end();
    await stage.announcer.stop();
    assertEquals(stage.news(), ["a stopped"]);
  });

  await t.step("complete while nobody answers", async () => {
    await using stage = new Stage(["a"], { a: DOWN });
    await stage.start();
    stage.announcer.completed();
    await settled();
    stage.trackers.get("a")!.answer = { peers: PEERS };
    await stage.clock.advance(20);
    assertEquals(stage.news().slice(-2), ["a started", "a completed"]);
  });

  await t.step("complete, and over", async () => {
    await using stage = new Stage(["a"]);
    await stage.start();
    await stage.end();
    stage.announcer.completed();
    await stage.announcer.stop();
    assertEquals(stage.news(), ["a started", "a completed", "a stopped"]);
  });

  await t.step("over before it is complete", async () => {
    await using stage = new Stage(["a"]);
    await stage.start();
    await stage.end();
    await stage.announcer.stop();
    assertEquals(stage.news(), ["a started", "a stopped"]);
  });

  await t.step(
    "to every tracker that knows of us, and to no other",
    async () => {
      await using stage = new Stage(["a", "b", "c"], { b: DOWN });
      await stage.start();
      stage.trackers.get("a")!.answer = DOWN;
      await stage.clock.advance(1800);
      stage.announcer.completed();
      await settled();
      stage.news();
      await stage.end();
      await stage.announcer.stop();
      assertEquals(stage.news().sort(), [
        "a completed",
        "a stopped",
        "c stopped",
      ]);
    },
  );

  await t.step("nothing to trackers that never answered", async () => {
    await using stage = new Stage(["a", "b"], { a: "silence", b: DOWN });
    await stage.start();
    await stage.clock.advance(10);
    stage.news();
    await stage.end();
    await stage.announcer.stop();
    assertEquals(stage.news(), []);
  });
});

Deno.test("Announcer.completed() at the very end leaves nobody waiting", async () => {
  // Whatever the announce has come to when the end comes.
  for (let turns = 0; turns < 20; turns++) {
    const stage = new Stage(["a"]);
    await stage.start();
    stage.trackers.get("a")!.answer = "silence";
    stage.announcer.completed();
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    await stage[Symbol.asyncDispose]();
  }
});

Deno.test("Announcer.stop() takes two seconds at most", async (t) => {
  for (const silent of ["completed", "stopped"]) {
    await t.step(`when a tracker does not take "${silent}"`, async () => {
      await using stage = new Stage(["a", "b"]);
      await stage.start();
      stage.trackers.get("a")!.answer = DOWN;
      await stage.clock.advance(1800);
      await stage.end();
      stage.announcer.completed();
      const a = stage.trackers.get("a")!;
      a.answer = () => a.requests.at(-1)!.event === silent ? "silence" : {};
      stage.news();
      let isOver = false;
      const stopping = stage.announcer.stop().then(() => isOver = true);
      await stage.clock.advance(1.999);
      // Who answers hears all of it meanwhile.
      assert(stage.news().includes("b stopped"));
      assert(!isOver);
      await stage.clock.advance(0.001);
      assert(isOver);
      await stopping;
    });
  }

  await t.step("and none when all answer, however they do", async () => {
    await using stage = new Stage(["a"]);
    await stage.start();
    await stage.end();
    stage.trackers.get("a")!.answer = DOWN;
    await stage.announcer.stop();
    assertEquals(stage.news(), ["a started", "a stopped"]);
  });

  await t.step("but does not hide a bug", async () => {
    await using stage = new Stage(["a"]);
    await stage.start();
    await stage.end();
    stage.trackers.get("a")!.answer = new RangeError("A bug");
    await assertRejects(() => stage.announcer.stop(), RangeError, "A bug");
  });
});

Deno.test("Announcer tells a tracker again what it asked for", async () => {
  const id = Uint8Array.of(0xff, 0, 0x26);
  await using stage = new Stage(["a", "b"], {
    a: { trackerId: id, peers: PEERS },
  });
  await stage.start();
  const [a, b] = ["a", "b"].map((name) => stage.trackers.get(name)!);
  a!.answer = { peers: PEERS };
  await stage.clock.advance(1800);
  await stage.clock.advance(1800);
  a!.answer = DOWN;
  await stage.clock.advance(1800);
  await stage.end();
  await stage.announcer.stop();
  assertEquals(
    a!.requests.map(({ trackerId }) => trackerId),
    [undefined, id, id, id, id],
  );
  assertEquals(
    b!.requests.map(({ trackerId }) => trackerId),
    [undefined, undefined],
  );
});

Deno.test("Announcer tells how the download stands at that moment", async () => {
  let left = 100;
  let wantsPeers = true;
  await using stage = new Stage(["a"], {}, {
    totals: () => ({ uploaded: 1, downloaded: 200 - left, left }),
    wantsPeers: () => wantsPeers,
  });
  await stage.start();
  left = 50;
  wantsPeers = false;
  await stage.clock.advance(1800);
  await stage.end();
  left = 7;
  wantsPeers = true;
  await stage.announcer.stop();
  assertEquals(stage.trackers.get("a")!.requests, [
    {
      ...IDENTITY,
      uploaded: 1,
      downloaded: 100,
      left: 100,
      event: "started",
      numWant: 50,
      trackerId: undefined,
    },
    {
      ...IDENTITY,
      uploaded: 1,
      downloaded: 150,
      left: 50,
      event: undefined,
      numWant: 0,
      trackerId: undefined,
    },
    {
      ...IDENTITY,
      uploaded: 1,
      downloaded: 193,
      left: 7,
      event: "stopped",
      numWant: 0,
      trackerId: undefined,
    },
  ]);
});

Deno.test("Announcer.run() ends at once when it is aborted", async (t) => {
  const moments: Record<string, [FakeAnswer, seconds: number]> = {
    "while it waits": [{ peers: PEERS }, 100],
    "while it asks": ["silence", 1],
    "while others have their turn": ["silence", 3],
    "while it pauses after a failure": [DOWN, 1],
  };
  for (const [name, [answer, seconds]] of Object.entries(moments)) {
    await t.step(name, async () => {
      const answers = { a: answer, b: answer, c: answer };
      await using stage = new Stage(["a b", "c"], answers);
      await stage.start();
      await stage.clock.advance(seconds);
      await stage.end();
      assertEquals(stage.clock.waiting, 0);
      const { length } = stage.news();
      await stage.clock.advance(10_000);
      assertEquals(stage.news(), []);
      assert(length >= 1);
    });
  }

  await t.step("before it begins", async () => {
    await using stage = new Stage(["a"]);
    await stage.announcer.run({ signal: AbortSignal.abort() });
    assertEquals(stage.news(), []);
  });
});

Deno.test("Announcer.run() has nothing to do without trackers", async () => {
  const { signal } = new AbortController();
  await using stage = new Stage([]);
  assertEquals(stage.announcer.size, 0);
  await stage.announcer.run({ signal });
  await stage.announcer.stop();
});

Deno.test("Announcer.run() does not hide a bug", async () => {
  const { signal } = new AbortController();
  await using stage = new Stage(["a", "b"], { a: new RangeError("A bug") });
  assertEquals(stage.announcer.size, 2);
  await assertRejects(
    () => stage.announcer.run({ signal }),
    RangeError,
    "A bug",
  );
});

Deno.test("Announcer asks a hundred trackers at bounded speed", async () => {
  const names = Array.from({ length: 100 }, (_, i) => `t${i}`);
  const answers = Object.fromEntries(
    names.map((name) => [name, "silence" as const]),
  );
  await using stage = new Stage([names.join(" ")], answers);
  await stage.start();
  await stage.clock.advance(20);
  assertEquals(stage.news().length, 11);
});

Deno.test("Announcer asks the user's trackers at once, beside the torrent's own", async (t) => {
  await t.step("all of them", async () => {
    await using stage = new Stage(["a b", "c"], {}, { beside: "x y" });
    assertEquals(stage.announcer.size, 5);
    await stage.start();
    assertEquals(stage.news(), ["a started", "x started", "y started"]);
    await stage.clock.advance(1800);
    assertEquals(stage.news().sort(), ["a again", "x again", "y again"]);
    stage.announcer.completed();
    await settled();
    assertEquals(stage.news().sort(), [
      "a completed",
      "x completed",
      "y completed",
    ]);
    await stage.end();
    await stage.announcer.stop();
    assertEquals(stage.news().sort(), ["a stopped", "x stopped", "y stopped"]);
  });

  await t.step("each with its own interval", async () => {
    await using stage = new Stage(["a"], {
      a: { peers: PEERS, interval: 600 },
      x: { peers: PEERS, interval: 900 },
      y: DOWN,
    }, { beside: "x y", random: () => 0 });
    await stage.start();
    assertEquals(stage.news(), ["a started", "x started", "y started"]);
    await stage.clock.advance(5);
    assertEquals(stage.news(), ["y started"]);
    stage.trackers.get("y")!.answer = { peers: PEERS };
    await stage.clock.advance(595);
    assertEquals(stage.news(), ["y started", "a again"]);
    await stage.clock.advance(300);
    assertEquals(stage.news(), ["x again"]);
  });

  await t.step("and the dead delay nobody", async () => {
    await using stage = new Stage(["a", "b"], {
      a: "silence",
      x: "silence",
    }, { beside: "x y" });
    await stage.start();
    assertEquals(stage.outcomes, ["y answered"]);
    await stage.clock.advance(2);
    assertEquals(stage.outcomes, ["y answered", "b answered"]);
  });

  await t.step("also when the torrent has none", async () => {
    await using stage = new Stage([], {}, { beside: "x" });
    await stage.start();
    assertEquals(stage.news(), ["x started"]);
  });
});

Deno.test("Announcer uses one tracker of a private torrent at a time (BEP 27)", async (t) => {
  await t.step("it waits for the first to fail", async () => {
    await using stage = new Stage(["a b", "c"], { a: "silence" }, {
      isPrivate: true,
    });
    await stage.start();
    await stage.clock.advance(100);
    assertEquals(stage.news(), ["a started"]);
  });

  await t.step("it keeps to the one that answers until it fails", async () => {
    const answers: Record<string, FakeAnswer> = { a: DOWN };
    await using stage = new Stage(["a", "b"], answers, { isPrivate: true });
    await stage.start();
    assertEquals(stage.news(), ["a started", "b started"]);
    stage.trackers.get("a")!.answer = { peers: PEERS };
    await stage.clock.advance(1800);
    assertEquals(stage.news(), ["b again"]);
    assertEquals(stage.outcomes, ["a failed", "b answered", "b answered"]);
    stage.trackers.get("b")!.answer = DOWN;
    await stage.clock.advance(1800);
    assertEquals(stage.news(), ["b again", "a started"]);
    // Whoever it knows from the old one must go before the new one's come.
    assertEquals(stage.outcomes.slice(3), [
      "b failed",
      "switch",
      "a answered",
    ]);
  });

  await t.step("a public torrent switches without a word", async () => {
    await using stage = new Stage(["a", "b"], { a: DOWN });
    await stage.start();
    stage.trackers.get("a")!.answer = { peers: PEERS };
    await stage.clock.advance(1800);
    assertEquals(stage.outcomes, ["a failed", "b answered", "a answered"]);
  });
});

Deno.test("Announcer tells a seed's trackers what a seed has to tell", async (t) => {
  await t.step("never that it has become complete", async () => {
    await using stage = new Stage(["a"], {}, {
      totals: () => ({ uploaded: 9, downloaded: 0, left: 0 }),
    });
    await stage.start();
    stage.announcer.completed();
    await stage.clock.advance(1800);
    await stage.end();
    await stage.announcer.stop();
    assertEquals(stage.news(), ["a started", "a again", "a stopped"]);
    const { requests } = stage.trackers.get("a")!;
    assertEquals(requests.map(({ left }) => left), [0, 0, 0]);
  });

  await t.step(
    "what it has sent, when a download goes on as a seed",
    async () => {
      const totals = { uploaded: 0, downloaded: 0, left: 5 };
      await using stage = new Stage(["a"], {}, {
        totals: () => ({ ...totals }),
      });
      await stage.start();
      Object.assign(totals, { downloaded: 5, left: 0 });
      stage.announcer.completed();
      await settled();
      totals.uploaded = 7;
      await stage.clock.advance(1800);
      await stage.end();
      totals.uploaded = 8;
      await stage.announcer.stop();
      assertEquals(stage.news(), [
        "a started",
        "a completed",
        "a again",
        "a stopped",
      ]);
      const { requests } = stage.trackers.get("a")!;
      assertEquals(requests.map(({ uploaded }) => uploaded), [0, 0, 7, 8]);
    },
  );

  await t.step("and not more often because nobody wants anything", async () => {
    await using stage = new Stage(["a"], { a: { peers: [] } }, {
      totals: () => ({ uploaded: 0, downloaded: 0, left: 0 }),
    });
    await stage.start();
    await stage.clock.advance(1799);
    assertEquals(stage.news(), ["a started"]);
  });

  await t.step("without asking for peers when it has enough", async () => {
    let wantsPeers = true;
    await using stage = new Stage(["a"], {}, {
      totals: () => ({ uploaded: 0, downloaded: 0, left: 0 }),
      wantsPeers: () => wantsPeers,
    });
    await stage.start();
    wantsPeers = false;
    await stage.clock.advance(1800);
    const { requests } = stage.trackers.get("a")!;
    assertEquals(requests.map(({ numWant }) => numWant), [50, 0]);
  });
});

Deno.test("Announcer hears of both families of addresses (BEP 7)", async (t) => {
  await t.step("the slower one does not delay anything", async () => {
    await using stage = new Stage(["a"]);
    const late = Promise.withResolvers<Record<string, never>>();
    stage.trackers.get("a")!.otherFamily = late.promise;
    await stage.start();
    assertEquals(stage.outcomes, ["a answered"]);
    await stage.clock.advance(10);
    late.resolve({});
    await settled();
    assertEquals(stage.outcomes, ["a answered", "a answered"]);
    assertEquals(stage.news(), ["a started"]);
  });

  await t.step("and is given up when the tracker is asked again", async () => {
    await using stage = new Stage(["a"]);
    const late = Promise.withResolvers<Record<string, never>>();
    stage.trackers.get("a")!.otherFamily = late.promise;
    await stage.start();
    await stage.clock.advance(1800);
    assertEquals(stage.news(), ["a started", "a again"]);
    late.resolve({});
    await settled();
    assertEquals(stage.outcomes, Array(3).fill("a answered"));
  });

  await t.step("or when we leave", async () => {
    await using stage = new Stage(["a"]);
    stage.trackers.get("a")!.otherFamily = new Promise(() => {});
    await stage.start();
    await stage.end();
    const stopping = stage.announcer.stop();
    await stage.clock.advance(2);
    await stopping;
    assertEquals(stage.news(), ["a started", "a stopped"]);
  });
});

Deno.test("Announcer learns our own address, and knows it again (BEP 24)", async () => {
  const endpoints = [
    { hostname: "198.51.100.1", port: 6881 },
    { hostname: "198.51.100.1", port: 6882 },
    { hostname: "2001:db8::1", port: 6881 },
  ];
  const peers = endpoints.map((endpoint) => ({ endpoint }));
  const found: number[] = [];
  await using stage = new Stage(["a"], {
    a: { peers, externalAddress: "198.51.100.1" },
  }, {
    handler: {
      onAnnounce: (outcome) => {
        if (outcome.type === "failed") return;
        found.push(outcome.response.peers.length);
      },
    },
  });
  assertEquals(stage.announcer.externalAddresses, []);
  await stage.start();
  assertEquals(stage.announcer.externalAddresses, ["198.51.100.1"]);
  stage.trackers.get("a")!.answer = { peers, externalAddress: "2001:db8::1" };
  await stage.clock.advance(1800);
  assertEquals(stage.announcer.externalAddresses, [
    "198.51.100.1",
    "2001:db8::1",
  ]);
  assertEquals(found, [2, 1]);
  // Alone with ourselves we are alone.
  stage.trackers.get("a")!.answer = { peers: peers.slice(0, 1) };
  await stage.clock.advance(1800);
  stage.news();
  await stage.clock.advance(60);
  assertEquals(stage.news(), ["a again"]);
});

Deno.test("Announcers of many torrents share the room for announces (T17)", async () => {
  const clock = new FakeClock();
  const slots = new AnnounceSlots({ clock });
  let asked = 0;
  let most = 0;
  const answer: FakeAnswer = () => {
    asked++;
    most = Math.max(most, pending() + 1);
    return asked % 3 === 0 ? DOWN : "silence";
  };
  const names = Array.from({ length: 20 }, (_, i) => `t${i}`);
  const stages = Array.from({ length: 100 }, () =>
    new Stage(
      names.slice(0, 10),
      Object.fromEntries(names.map((name) => [name, answer])),
      { beside: names.slice(10).join(" "), slots, clock },
    ));
  const pending = () =>
    stages.flatMap(({ trackers }) => [...trackers.values()])
      .reduce((sum, { pending }) => sum + pending, 0);
  for (const stage of stages) await stage.start();
  await settled();
  assertEquals(pending(), 50);
  await clock.advance(14);
  assertEquals(pending(), 50);
  assertEquals(most, 50);
  // The silent wait on, but without a place.
  await clock.advance(1);
  assertEquals(pending(), 100);
  for (const stage of stages) await stage.end();
  assertEquals(pending(), 0);
  assertEquals(clock.waiting, 0);
});

Deno.test("Announcer.leaveOthers() takes leave of those beside the tiers", async () => {
  await using stage = new Stage(["a", "b"], { y: "silence", z: DOWN }, {
    beside: "x y z",
  });
  await stage.start();
  assertEquals(stage.news(), [
    "a started",
    "x started",
    "y started",
    "z started",
  ]);
  stage.announcer.leaveOthers();
  await settled();
  assertEquals(stage.news(), ["x stopped"]);
  await stage.clock.advance(1800);
  assertEquals(stage.news(), ["a again"]);
  await stage.end();
  await stage.announcer.stop();
  assertEquals(stage.news(), ["a stopped"]);
});
