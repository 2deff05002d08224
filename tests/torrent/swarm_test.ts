import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Peer } from "../../src/peer/peer.ts";
import { PeerList } from "../../src/policy/peer_list.ts";
import { Swarm } from "../../src/torrent/swarm.ts";
import {
  decodeHandshake,
  encodeHandshake,
  type Handshake,
  ourReserved,
} from "../../src/wire/handshake.ts";
import { FakeTime } from "../support/fake_time.ts";
import {
  type MemoryConnection,
  memoryConnections,
} from "../support/memory_connection.ts";

const INFO_HASH = new Uint8Array(20).fill(1);

/** The other info hash, as if the torrent were a hybrid one. */
const V2_HASH = new Uint8Array(20).fill(2);

function handshakeOf(id: number): Handshake {
  return {
    infoHash: INFO_HASH,
    peerId: new Uint8Array(20).fill(id),
    reserved: ourReserved(),
  };
}

/** A swarm of the peer 5, and what is seen of it. */
class Scene implements AsyncDisposable {
  readonly candidates = new PeerList({ random: () => 0 });
  readonly swarm: Swarm;
  /** Peers that answer with another info hash. */
  readonly answers = new Map<number, Uint8Array>();
  /** The other ends of connections to who was dialled. */
  readonly dialled = new Map<number, MemoryConnection>();
  /** Who came and who went, as `+9in -9in`. */
  story = "";
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  /** Only so many connections a second are begun. */
  readonly time = new FakeTime();
  #port = 1000;

  constructor({ maxPeers = 50 } = {}) {
    const say = (sign: string, peer: Peer) => {
      const way = peer.isIncoming ? "in" : "out";
      this.story += `${sign}${peer.peerId[0]}${way} `;
    };
    this.swarm = new Swarm({
      candidates: this.candidates,
      // Whoever is dialled is the peer of that number.
      dial: async (remote) => {
        const [ours, theirs] = memoryConnections({ remote });
        const infoHash = this.answers.get(remote.port) ?? INFO_HASH;
        const handshake = { ...handshakeOf(remote.port), infoHash };
        await theirs.write(encodeHandshake(handshake));
        this.dialled.set(remote.port, theirs);
        return ours;
      },
      identity: {
        handshake: handshakeOf(5),
        hashes: { v1: INFO_HASH, v2: V2_HASH },
      },
      pieceCount: 9,
      maxPeers,
      seats: {
        take: () => true,
        release: () => {},
        isOverdrawn: () => false,
        close: () => {},
      },
      handler: {
        onConnected: (peer) => say("+", peer),
        onDisconnected: (peer) => say("-", peer),
        onUnreachable: () => {},
        onMessages: () => {},
        onIdle: () => {},
      },
    });
    this.#running = this.swarm.run({ signal: this.#stop.signal });
  }

  async dial(id: number, { isV2 = false } = {}): Promise<void> {
    const endpoint = { hostname: "127.0.0.9", port: id };
    this.candidates.add(endpoint, { source: "tracker", isV2 });
    this.swarm.candidatesAdded();
    await this.time.advance(100);
  }

  async accept(id: number, hostname = "127.0.0.9"): Promise<void> {
    const remote = { hostname, port: this.#port++ };
    const [connection] = memoryConnections({ remote });
    const theirs = handshakeOf(id);
    const { infoHash } = theirs;
    this.swarm.accept({ connection, theirs, infoHash });
    await this.time.settle();
    await this.time.settle();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    using _time = this.time;
    await this.#running;
  }
}

Deno.test("Swarm keeps the connection that the greater peer id began, of two at once", async (t) => {
  const cases: [id: number, first: "dial" | "accept", story: string][] = [
    // The other side does the same with its own: both keep the same one.
    [9, "dial", "+9out -9out +9in "],
    [9, "accept", "+9in "],
    [2, "dial", "+2out "],
    [2, "accept", "+2in -2in +2out "],
  ];
  for (const [id, first, story] of cases) {
    await t.step(`5 and ${id}, ${first} first`, async () => {
      await using scene = new Scene();
      await scene[first](id);
      await scene[first === "dial" ? "accept" : "dial"](id);
      assertEquals(sorted(scene.story), sorted(story));
      assertEquals(scene.swarm.peers.size, 1);
    });
  }
});

Deno.test("Swarm keeps the first of two connections that began the same way", async () => {
  await using scene = new Scene();
  await scene.accept(9);
  await scene.accept(9);
  assertEquals(scene.story, "+9in ");
  await scene.accept(8);
  assertEquals(scene.story, "+9in +8in ");
});

Deno.test("Swarm takes the new connection of a peer whose old one must be dead", async () => {
  await using scene = new Scene();
  await scene.accept(9);
  await scene.time.advance(11_000);
  // Somebody else could have seen its peer id.
  await scene.accept(9, "127.0.0.8");
  assertEquals(scene.story, "+9in ");
  await scene.accept(9);
  assertEquals(sorted(scene.story), sorted("+9in -9in +9in "));
});

Deno.test("Swarm lets who is silent make room for who knocks", async () => {
  await using scene = new Scene({ maxPeers: 2 });
  for (let id = 10; id < 20; id++) await scene.accept(id);
  assertEquals(scene.swarm.peers.size, 10);
  await scene.accept(20);
  assertEquals(scene.swarm.peers.size, 10);

  const [, interested, hasPiece] = scene.swarm.peers;
  interested!.state.peerInterested = true;
  hasPiece!.state.receiveHave(3);
  await scene.time.advance(6_000);
  scene.story = "";
  for (let id = 30; id < 45; id++) await scene.accept(id);
  assertEquals(scene.swarm.peers.size, 10);
  assert(scene.swarm.peers.has(interested!));
  assert(scene.swarm.peers.has(hasPiece!));
  assertMatch(scene.story, /^(?=.*-10in )(?=.*\+37in )(?!.*\+38in )/);
});

Deno.test("Swarm names a hybrid torrent by the info hash that a peer is known to have", async () => {
  await using scene = new Scene();
  await scene.dial(8);
  scene.answers.set(9, V2_HASH);
  await scene.dial(9, { isV2: true });
  for (const [id, hash] of [[8, INFO_HASH], [9, V2_HASH]] as const) {
    const said = new Uint8Array(68);
    await scene.dialled.get(id)!.read(said);
    assertEquals(decodeHandshake(said).infoHash, hash);
  }
});

Deno.test("Swarm asks for hashes whoever has named the torrent by the info hash of v2", async () => {
  await using scene = new Scene();
  await scene.dial(8);
  // Dialled by that of v1, it answers with the other.
  scene.answers.set(9, V2_HASH);
  await scene.dial(9);
  await scene.accept(10);
  assertEquals(
    [...scene.swarm.peers].map(({ peerId, supportsHashes }) => [
      peerId[0],
      supportsHashes,
    ]),
    [[8, false], [9, true], [10, false]],
  );
});

/** What happened, in no order: who goes and who comes do so side by side. */
function sorted(story: string): string[] {
  return story.trim().split(" ").sort();
}
