import { assert, assertEquals } from "@std/assert";
import type { Endpoint } from "../../src/bytes/endpoint.ts";
import { NetworkError } from "../../src/errors.ts";
import { Bitfield } from "../../src/bytes/bitfield.ts";
import type { Metainfo } from "../../src/metainfo/metainfo.ts";
import { AnnounceSlots } from "../../src/tracker/announce_slots.ts";
import { Contacts } from "../../src/torrent/contacts.ts";
import { OUR_EXTENSIONS } from "../../src/torrent/introduction.ts";
import {
  encodeHandshake,
  ourReserved,
  type WireHashes,
  wireHashesOf,
} from "../../src/wire/handshake.ts";
import { encodeMessages, type Message } from "../../src/wire/message.ts";
import { MessageDecoder } from "../../src/wire/message_stream.ts";
import {
  decodePexMessage,
  encodePexMessage,
  UT_PEX,
} from "../../src/wire/ut_pex.ts";
import { FakeDht } from "../support/fake_dht.ts";
import { FakeTime } from "../support/fake_time.ts";
import { makeTorrent } from "../support/make_torrent.ts";
import { makeForm } from "../support/make_form.ts";
import {
  type MemoryConnection,
  memoryConnections,
} from "../support/memory_connection.ts";
import { extensionHandshake } from "../support/offers_metadata.ts";

const MINUTE_MS = 60_000;

const { metainfo: PUBLIC } = makeTorrent({ files: 100_000 });
const { metainfo: PRIVATE } = makeTorrent({
  files: 100_000,
  info: { private: 1 },
});

/** Where the peer of that number listens. */
function at(port: number): Endpoint {
  return { hostname: "127.0.0.9", port };
}

/** The other end of a connection. */
class FarEnd {
  /** What was said to it, after the handshake. */
  readonly heard: Message[] = [];
  readonly #connection: MemoryConnection;

  constructor(connection: MemoryConnection) {
    this.#connection = connection;
    void this.#listen();
  }

  async say(...messages: Message[]): Promise<void> {
    await this.#connection.write(encodeMessages(messages));
  }

  async #listen(): Promise<void> {
    const decoder = new MessageDecoder(PUBLIC.layout.pieceCount);
    const buffer = new Uint8Array(4096);
    let handshakeBytes = 68;
    while (true) {
      let count: number | null;
      try {
        count = await this.#connection.read(
          buffer.subarray(0, handshakeBytes || 4096),
        );
      } catch (error) {
        if (error instanceof NetworkError) return;
        throw error;
      }
      if (count === null) return;
      if (handshakeBytes > 0) {
        handshakeBytes -= count;
        continue;
      }
      for (const message of decoder.push(buffer.slice(0, count))) {
        this.heard.push(message);
      }
    }
  }
}

/** Contacts in a world where time and network are a test's. */
class Scene implements AsyncDisposable {
  readonly time = new FakeTime();
  readonly contacts: Contacts;
  /** Everybody who was dialled, with the number of times. */
  readonly dialled = new Map<number, number>();
  /** Who was reached, by the port. */
  readonly far = new Map<number, FarEnd>();
  isSeed = false;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor({
    dht,
    metainfo,
    hashes = wireHashesOf(PUBLIC),
    port = 6881,
    users = [],
    isDhtNode = true,
  }: {
    dht: FakeDht;
    metainfo?: Metainfo;
    hashes?: WireHashes;
    port?: number | undefined;
    users?: number[];
    isDhtNode?: boolean;
  }) {
    this.contacts = new Contacts({
      hashes,
      metainfo,
      nodes: [at(7)],
      isSeed: () => this.isSeed,
      limits: { trackers: [], peers: users.map(at), maxPeers: 50 },
      services: {
        peerId: new Uint8Array(20),
        trackerKey: "key",
        port: port === 0 ? undefined : port,
        dial: async (remote) => {
          const times = this.dialled.get(remote.port) ?? 0;
          this.dialled.set(remote.port, times + 1);
          // These are nowhere.
          if (remote.port >= 200) throw new NetworkError("Nobody is there");
          const [ours, theirs] = memoryConnections({ remote });
          await theirs.write(encodeHandshake({
            infoHash: PUBLIC.infoHash,
            peerId: new Uint8Array(20).fill(remote.port),
            reserved: ourReserved({ isDhtNode }),
          }));
          this.far.set(remote.port, new FarEnd(theirs));
          return ours;
        },
        dht: () => ({ node: dht, port: 6900 }),
        seats: {
          take: () => true,
          release: () => {},
          isOverdrawn: () => false,
          close: () => {},
        },
        announceSlots: new AnnounceSlots(),
      },
      totals: () => ({ uploaded: 0, downloaded: 0, left: 1 }),
      handler: {
        shown: new Bitfield(0),
        onConnected: () => {},
        onDisconnected: () => {},
        onMessages: () => {},
        onIdle: () => {},
      },
      emit: () => {},
    });
    this.#running = this.contacts.run({ signal: this.#stop.signal });
  }

  /** The ports of who is connected. */
  get connected(): number[] {
    return [...this.contacts.peers].map(({ endpoint }) => endpoint.port).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    using _time = this.time;
    await this.#running.catch((error) => {
      if (!this.#stop.signal.aborted) throw error;
    });
  }
}

Deno.test("Contacts asks the DHT, tells it the port, and dials whom it names", async () => {
  const dht = new FakeDht(at(11), at(12));
  await using scene = new Scene({ dht });
  await scene.time.advance(1000);
  assertEquals(scene.connected, [11, 12]);
  const [search, ...others] = dht.searches;
  assertEquals([search?.announcePort, search?.isSeed], [6881, false]);
  assertEquals(others, []);
  // The torrent has named a node.
  assertEquals(dht.named, [at(7)]);
});

Deno.test("Contacts asks the DHT for both swarms of a hybrid torrent", async () => {
  const { metainfo } = makeForm({ form: "hybrid", files: { a: 5 } });
  const dht = new FakeDht();
  const hashes = wireHashesOf(metainfo);
  await using scene = new Scene({ dht, metainfo, hashes });
  await scene.time.advance(1000);
  assertEquals(dht.infoHashes, [hashes.v1, hashes.v2]);
});

Deno.test("Contacts is no peer for the DHT when nobody can connect to it", async () => {
  const dht = new FakeDht();
  await using scene = new Scene({ dht, port: 0 });
  await scene.time.advance(1000);
  assertEquals(dht.searches.map((search) => search.announcePort), [undefined]);
});

Deno.test("Contacts asks the DHT again soon as long as it has few peers", async (t) => {
  const searchesIn = async (
    minutes: number,
    { found, isSeed = false }: { found: number[]; isSeed?: boolean },
  ) => {
    const dht = new FakeDht(...found.map(at));
    await using scene = new Scene({ dht });
    scene.isSeed = isSeed;
    for (let i = 0; i < minutes; i++) await scene.time.advance(MINUTE_MS);
    return dht.searches.length;
  };
  await t.step("nobody", async () => {
    const count = await searchesIn(4, { found: [] });
    assert(count === 4 || count === 5, `${count}`);
  });
  await t.step("nobody who can be reached", async () => {
    const count = await searchesIn(4, { found: [201, 202, 203, 204, 205] });
    assert(count === 4 || count === 5, `${count}`);
  });
  await t.step("but not with enough of them", async () => {
    const found = [11, 12, 13, 14, 15];
    assertEquals(await searchesIn(4, { found }), 1);
  });
  await t.step("and not as a seed", async () => {
    assertEquals(await searchesIn(4, { found: [], isSeed: true }), 1);
  });
});

Deno.test("Contacts tells DHT nodes the port of ours, and gets to know theirs", async (t) => {
  await t.step("who is a node", async () => {
    const dht = new FakeDht();
    await using scene = new Scene({ dht, users: [11] });
    await scene.time.advance(100);
    const far = scene.far.get(11)!;
    assertEquals(far.heard.filter(({ type }) => type === "port"), [
      { type: "port", port: 6900 },
    ]);
    await far.say({ type: "port", port: 4321 }, { type: "port", port: 0 });
    await scene.time.advance(100);
    assertEquals(dht.named, [at(7), at(4321)]);
    scene.contacts.learn(PRIVATE);
    await far.say({ type: "port", port: 4322 });
    await scene.time.advance(100);
    assertEquals(dht.named.length, 2);
  });
  await t.step("who is none", async () => {
    const dht = new FakeDht();
    await using scene = new Scene({ dht, users: [11], isDhtNode: false });
    await scene.time.advance(100);
    const heard = scene.far.get(11)!.heard.map(({ type }) => type);
    assertEquals(heard.includes("port"), false);
  });
});

/** A message that names peers. */
function pexMessage(...ports: number[]): Message {
  return {
    type: "extended",
    id: OUR_EXTENSIONS.ut_pex,
    payload: encodePexMessage({
      added: ports.map((port) => ({ endpoint: at(port), flags: 0 })),
      dropped: [],
    }),
  };
}

/** The ports that a peer was told of. */
function toldTo({ heard }: FarEnd): number[] {
  return heard.flatMap((message) =>
    message.type === "extended" && message.id === 9
      ? decodePexMessage(message.payload).added
        .map(({ endpoint }) => endpoint.port)
      : []
  );
}

const TAKES_PEX = extensionHandshake({ messages: new Map([[UT_PEX, 9]]) });

Deno.test("Contacts tells peers of each other, and dials whom they name", async () => {
  await using scene = new Scene({ dht: new FakeDht(), users: [11, 12] });
  await scene.time.advance(100);
  await scene.far.get(11)!.say(TAKES_PEX, pexMessage(13));
  await scene.time.advance(1000);
  assertEquals(scene.connected, [11, 12, 13]);
  await scene.time.advance(10_000);
  assertEquals(toldTo(scene.far.get(11)!).sort(), [12, 13]);
  assertEquals(toldTo(scene.far.get(12)!), []);
});

Deno.test("Contacts of a private torrent are those of its trackers", async () => {
  const dht = new FakeDht(at(11));
  await using scene = new Scene({ dht, metainfo: PRIVATE, users: [12] });
  await scene.time.advance(100);
  await scene.far.get(12)!.say(TAKES_PEX, pexMessage(13), {
    type: "port",
    port: 4321,
  });
  await scene.time.advance(3 * MINUTE_MS);
  assertEquals([...scene.dialled.keys()], [12]);
  assertEquals([dht.searches, dht.named], [[], []]);
  const heard = scene.far.get(12)!.heard.map(({ type }) => type);
  assertEquals(heard.includes("port") || heard.includes("extended"), false);
});

Deno.test("Contacts.learn() lets go whom only the DHT or peers had named, if it is private", async () => {
  const dht = new FakeDht(at(11));
  await using scene = new Scene({ dht, users: [12] });
  await scene.time.advance(100);
  await scene.far.get(12)!.say(TAKES_PEX, pexMessage(13, 201));
  await scene.time.advance(100);
  assertEquals(scene.connected, [11, 12, 13]);
  const [search] = dht.searches;
  scene.contacts.learn(PRIVATE);
  const before = new Map(scene.dialled);
  await scene.time.advance(3 * MINUTE_MS);
  assertEquals(scene.connected, [12]);
  assertEquals(search!.signal.aborted, true);
  assertEquals(dht.searches.length, 1);
  await scene.far.get(12)!.say(pexMessage(14));
  await scene.time.advance(10_000);
  assertEquals(scene.dialled, before);
  assertEquals(toldTo(scene.far.get(12)!), []);
});
