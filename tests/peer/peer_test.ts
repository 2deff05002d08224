import { assert, assertEquals } from "@std/assert";
import { concat } from "@std/bytes/concat";
import { delay } from "@std/async/delay";
import { encodeHex } from "@std/encoding/hex";
import { NetworkError, ProtocolError } from "../../src/errors.ts";
import { throttle } from "../../src/net/throttle.ts";
import { Peer, type PeerHandler } from "../../src/peer/peer.ts";
import { TokenBucket } from "../../src/policy/token_bucket.ts";
import { encodeMessages, type Message } from "../../src/wire/message.ts";
import { FakeTime } from "../support/fake_time.ts";
import {
  type MemoryConnection,
  type MemoryConnectionOptions,
  memoryConnections,
} from "../support/memory_connection.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";

const PIECES = 9;

const SECOND = 1000;
const MINUTE = 60 * SECOND;

/** A peer, and the connection as seen from its side. */
function peerOf(options?: MemoryConnectionOptions) {
  const [ours, theirs] = memoryConnections(options);
  const peer = new Peer({
    connection: ours,
    peerId: new Uint8Array(20).fill(20),
    reserved: new Uint8Array(8),
    pieceCount: PIECES,
    isIncoming: false,
  });
  return { peer, ours, theirs };
}

/** Keeps what it hears, as the bytes that say it. */
class Listener implements PeerHandler {
  readonly batches: string[][] = [];

  onMessages(_: Peer, messages: readonly Message[]): void {
    this.batches.push(
      messages.map((message) => encodeHex(encodeMessages([message]))),
    );
  }

  get heard(): string[] {
    return this.batches.flat();
  }
}

interface Life {
  /** Fulfilled with why it ended. */
  ended: Promise<unknown>;
  owner: AbortController;
}

function live(peer: Peer, handler: PeerHandler = new Listener()): Life {
  const owner = new AbortController();
  const ended = peer.run(handler, { signal: owner.signal })
    .then(() => undefined, (error) => error);
  return { ended, owner };
}

/** Lets everything happen that needs no time. */
function settle(): Promise<void> {
  return delay(0);
}

function writesOf(connection: MemoryConnection): string[] {
  return connection.writes.map((bytes) => encodeHex(bytes));
}

const CHOKE = "0000000100";
const UNCHOKE = "0000000101";
const INTERESTED = "0000000102";
const KEEP_ALIVE = "00000000";

function bytesOf(...messages: Message[]): Uint8Array {
  return encodeMessages(messages);
}

Deno.test("Peer knows who is at the other end", () => {
  const { peer, ours } = peerOf();
  assertEquals(peer.endpoint, ours.remote);
  assertEquals(peer.peerId, new Uint8Array(20).fill(20));
  assertEquals(peer.isIncoming, false);
  assertEquals(peer.state.have.length, PIECES);
});

Deno.test("Peer.run() hands over what one read completes in one go", async () => {
  const { peer, theirs } = peerOf();
  const listener = new Listener();
  const { ended, owner } = live(peer, listener);
  await theirs.write(
    bytesOf({ type: "choke" }, { type: "unchoke" }, { type: "interested" }),
  );
  await settle();
  await theirs.write(bytesOf({ type: "choke" }));
  await settle();
  assertEquals(listener.batches, [[CHOKE, UNCHOKE, INTERESTED], [CHOKE]]);
  owner.abort();
  await ended;
});

Deno.test("Peer.run() hands over the same however it arrives", async () => {
  const blocks = Array.from(
    { length: 20 },
    (_, i) => randomBytes(i * 700, seededRandom(i)),
  );
  const messages = blocks.map((block, index): Message => ({
    type: "piece",
    index,
    begin: 0,
    block,
  }));
  for (const maxRead of [1, 5, 1000, 16_384, 100_000]) {
    const { peer, theirs } = peerOf({ maxRead, capacity: 1 << 20 });
    const listener = new Listener();
    const { ended } = live(peer, listener);
    await theirs.write(encodeMessages(messages));
    theirs.close();
    assert(await ended instanceof NetworkError);
    assertEquals(listener.heard.join(""), encodeHex(encodeMessages(messages)));
  }
});

Deno.test("Peer.run() keeps the bytes of messages until the handler is done", async () => {
  const messages = Array.from({ length: 60 }, (_, index): Message => ({
    type: "piece",
    index,
    begin: 0,
    block: randomBytes(16_384 - index, seededRandom(index)),
  }));
  const sent = encodeHex(encodeMessages(messages));
  const { peer, theirs } = peerOf({ maxRead: 20_000, capacity: 1 << 21 });
  const heard: string[] = [];
  const { ended } = live(peer, {
    async onMessages(_, messages) {
      // Meanwhile more has arrived, and is read ahead.
      await settle();
      for (const message of messages) {
        heard.push(encodeHex(encodeMessages([message])));
      }
    },
  });
  await theirs.write(encodeMessages(messages));
  theirs.close();
  await ended;
  assertEquals(heard.join(""), sent);
});

Deno.test("Peer.run() slows the peer down as long as the handler wishes", async () => {
  const { peer, ours, theirs } = peerOf({ capacity: 1000 });
  const gate = Promise.withResolvers<void>();
  let heard = 0;
  const { ended } = live(peer, {
    onMessages(_, messages) {
      heard += messages.length;
      return gate.promise;
    },
  });
  const have = bytesOf({ type: "have", index: 1 });
  const writing = theirs.write(concat(Array(100_000).fill(have)))
    .then(() => theirs.close());
  await settle();
  const [readAtFirst, heardAtFirst] = [ours.bytesRead, heard];
  await settle();
  // One read is with the handler, one was made ahead, and no more.
  assertEquals([ours.bytesRead, heard], [readAtFirst, heardAtFirst]);
  assert(readAtFirst <= 2 * 16_384, `${readAtFirst} bytes were read`);
  gate.resolve();
  await writing;
  await ended;
  assertEquals(heard, 100_000);
});

Deno.test("Peer.send() says before the next write goes out with it", async () => {
  const { peer, ours, theirs } = peerOf();
  peer.send({ type: "choke" });
  peer.send();
  peer.send({ type: "unchoke" }, { type: "interested" });
  const { ended, owner } = live(peer);
  await settle();
  assertEquals(writesOf(ours), [CHOKE + UNCHOKE + INTERESTED]);
  peer.send({ type: "choke" });
  peer.send({ type: "choke" });
  await settle();
  peer.send({ type: "unchoke" });
  await settle();
  assertEquals(writesOf(ours).slice(1), [CHOKE + CHOKE, UNCHOKE]);
  owner.abort();
  await ended;
  assertEquals(
    encodeHex(await theirs.readAll()),
    CHOKE + UNCHOKE + INTERESTED + CHOKE + CHOKE + UNCHOKE,
  );
});

Deno.test("Peer.send() gathers what is said while a write waits", async () => {
  const { peer, ours, theirs } = peerOf({ capacity: 4 });
  const { ended, owner } = live(peer);
  for (let i = 0; i < 50; i++) {
    peer.send({ type: "choke" });
    await settle();
  }
  const before = ours.writes.length;
  assert(before <= 2, `${before} writes were begun`);
  const reading = theirs.readAll();
  await settle();
  assertEquals(writesOf(ours).join(""), CHOKE.repeat(50));
  assert(ours.writes.length <= 3, `${ours.writes.length} writes`);
  owner.abort();
  await ended;
  assertEquals(encodeHex(await reading), CHOKE.repeat(50));
});

Deno.test("Peer.send() lets a peer go that does not read what is said", async () => {
  const { peer, ours } = peerOf({ capacity: 10 });
  const { ended } = live(peer);
  const request: Message = { type: "request", index: 0, begin: 0, length: 1 };
  // One batch is being written; what comes then is counted.
  peer.send(request);
  await settle();
  for (let bytes = 0; bytes <= 4 * 1024 * 1024; bytes += 17) {
    assert(!ours.isClosed);
    peer.send(request);
  }
  await settle();
  assert(ours.isClosed);
  const error = await ended;
  assert(error instanceof NetworkError);
  assertEquals(error.message, "The peer does not read what we send");
  assert(ours.isClosed);
});

Deno.test("Peer.run() says that it is alive when there is nothing to say", async () => {
  using time = new FakeTime();
  const { peer, ours, theirs } = peerOf();
  const { ended, owner } = live(peer);
  const theyLive = async () => {
    await theirs.write(bytesOf({ type: "keep_alive" }));
    await time.settle();
  };
  await time.advance(110 * SECOND);
  assertEquals(ours.writes, []);
  await time.advance(5 * SECOND);
  assertEquals(writesOf(ours), [KEEP_ALIVE]);
  await theyLive();
  // Two minutes are what BEP 3 has; what is said in between counts.
  await time.advance(100 * SECOND);
  peer.send({ type: "choke" });
  await time.advance(100 * SECOND);
  await theyLive();
  assertEquals(writesOf(ours), [KEEP_ALIVE, CHOKE]);
  await time.advance(20 * SECOND);
  assertEquals(writesOf(ours), [KEEP_ALIVE, CHOKE, KEEP_ALIVE]);
  owner.abort();
  await ended;
});

Deno.test("Peer.run() lets a peer go that falls silent", async () => {
  using time = new FakeTime();
  const { peer, ours, theirs } = peerOf();
  const { ended } = live(peer);
  for (let i = 0; i < 5; i++) {
    await time.advance(3 * MINUTE);
    await theirs.write(bytesOf({ type: "keep_alive" }));
    await time.settle();
  }
  assert(!ours.isClosed);
  await time.advance(4 * MINUTE);
  assert(!ours.isClosed);
  await time.advance(5 * SECOND);
  const error = await ended;
  assert(error instanceof NetworkError);
  assertEquals(error.message, "The peer has fallen silent");
  assert(ours.isClosed);
});

Deno.test("Peer.run() lets a peer go that sends no whole message for minutes", async () => {
  using time = new FakeTime();
  const { peer, ours, theirs } = peerOf();
  const { ended } = live(peer);
  // A byte of one long message now and then.
  await theirs.write(Uint8Array.of(0, 0, 0x40, 9, 7));
  for (let i = 0; i < 49; i++) {
    await theirs.write(Uint8Array.of(0));
    await time.advance(5 * SECOND);
  }
  assert(await ended instanceof NetworkError);
  assert(ours.isClosed);
});

Deno.test("Peer.run() lets a peer go that takes nothing for a minute", async () => {
  using time = new FakeTime();
  const { peer, ours, theirs } = peerOf({ capacity: 8 });
  const { ended } = live(peer);
  const request: Message = { type: "request", index: 0, begin: 0, length: 1 };
  peer.send(request);
  await time.settle();
  peer.send(request);
  await time.advance(MINUTE);
  assert(!ours.isClosed);
  await time.advance(6 * SECOND);
  const error = await ended;
  assert(error instanceof NetworkError);
  assertEquals(error.message, "The peer does not read what we send");
  assert(ours.isClosed);
  theirs.close();
});

Deno.test("Peer.run() keeps a peer that takes little by little", async () => {
  using time = new FakeTime();
  const { peer, theirs } = peerOf({ capacity: 8 });
  const { ended, owner } = live(peer);
  const sent = Array<Message>(20).fill({ type: "have", index: 7 });
  peer.send(...sent);
  const taken: Uint8Array[] = [];
  for (let bytes = 0; bytes < 180;) {
    await time.advance(30 * SECOND);
    // It lives; only what we say waits.
    await theirs.write(bytesOf({ type: "keep_alive" }));
    const buffer = new Uint8Array(8);
    bytes += (await theirs.read(buffer))!;
    taken.push(buffer);
  }
  assertEquals(concat(taken).subarray(0, 180), encodeMessages(sent));
  owner.abort();
  await ended;
});

Deno.test("Peer.run() blames no peer for what our own limits keep back", async () => {
  using time = new FakeTime();
  const [inner, theirs] = memoryConnections();
  const connection = throttle(inner, {
    download: [],
    upload: [new TokenBucket(10)],
  });
  const peer = new Peer({
    connection,
    peerId: new Uint8Array(20).fill(20),
    reserved: new Uint8Array(8),
    pieceCount: PIECES,
    isIncoming: false,
  });
  const { ended, owner } = live(peer);
  // For 512 bytes it takes 51 s.
  peer.send(...Array<Message>(200).fill({ type: "have", index: 7 }));
  for (let i = 0; i < 5; i++) {
    await time.advance(MINUTE);
    await theirs.write(bytesOf({ type: "keep_alive" }));
  }
  assert(!inner.isClosed);
  owner.abort();
  await ended;
});

Deno.test("Peer.run() ends with a NetworkError when the peer hangs up", async () => {
  const { peer, ours, theirs } = peerOf();
  const listener = new Listener();
  const { ended } = live(peer, listener);
  await theirs.write(bytesOf({ type: "choke" }));
  theirs.close();
  const error = await ended;
  assert(error instanceof NetworkError);
  assertEquals(error.message, "The peer hung up");
  assertEquals(listener.heard, [CHOKE]);
  assert(ours.isClosed);
});

Deno.test("Peer.run() ends with a NetworkError when the peer ends its half", async () => {
  const { peer, ours, theirs } = peerOf();
  const { ended } = live(peer);
  theirs.endWriting();
  assert(await ended instanceof NetworkError);
  assert(ours.isClosed);
  assertEquals(await theirs.readAll(), new Uint8Array());
});

Deno.test("Peer.run() ends with a NetworkError when the connection breaks", async () => {
  for (const isWriting of [false, true]) {
    const { peer, ours, theirs } = peerOf({ capacity: 4 });
    const { ended } = live(peer);
    if (isWriting) peer.send({ type: "have", index: 1 });
    await settle();
    theirs.reset();
    const error = await ended;
    assert(error instanceof NetworkError);
    assertEquals(error.message, "Cannot receive: connection reset");
    assert(ours.isClosed);
  }
});

Deno.test("Peer.run() ends with a ProtocolError when the peer breaks the framing", async () => {
  const { peer, ours, theirs } = peerOf();
  const listener = new Listener();
  const { ended } = live(peer, listener);
  await theirs.write(bytesOf({ type: "choke" }));
  await settle();
  await theirs.write(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 7));
  assert(await ended instanceof ProtocolError);
  assertEquals(listener.heard, [CHOKE]);
  assert(ours.isClosed);
});

Deno.test("Peer.run() ends with what the handler throws", async () => {
  const broken = new ProtocolError("not so");
  const handlers: PeerHandler["onMessages"][] = [
    () => {
      throw broken;
    },
    () => Promise.reject(broken),
    async () => {
      await settle();
      throw broken;
    },
  ];
  for (const onMessages of handlers) {
    const { peer, ours, theirs } = peerOf();
    const { ended } = live(peer, { onMessages });
    await theirs.write(bytesOf({ type: "choke" }));
    assertEquals(await ended, broken);
    assert(ours.isClosed);
  }
});

Deno.test("Peer.close() ends it with its reason", async () => {
  const reason = new ProtocolError("The peer gave wrong data");
  const { peer, ours, theirs } = peerOf();
  const { ended } = live(peer);
  await settle();
  peer.close(reason);
  peer.close(new Error("too late"));
  assertEquals(await ended, reason);
  assert(ours.isClosed);
  await theirs.readAll();
});

Deno.test("Peer.close() ends it from within the handler", async () => {
  const reason = new ProtocolError("The peer gave wrong data");
  const { peer, ours, theirs } = peerOf();
  const { ended } = live(peer, {
    onMessages: (peer) => peer.close(reason),
  });
  await theirs.write(bytesOf({ type: "choke" }));
  assertEquals(await ended, reason);
  assert(ours.isClosed);
});

Deno.test("Peer.close() ends it from within the handler of idleness", async () => {
  const reason = new NetworkError("A piece that it waits for is lost");
  const { peer, ours } = peerOf();
  const { ended } = live(peer, {
    onMessages: () => {},
    onIdle: (peer) => peer.close(reason),
  });
  assertEquals(await ended, reason);
  assert(ours.isClosed);
});

Deno.test("Peer.close() before it runs ends it at once", async () => {
  const reason = new NetworkError("no more");
  const { peer, ours } = peerOf();
  peer.send({ type: "choke" });
  peer.close(reason);
  assertEquals(await live(peer).ended, reason);
  assert(ours.isClosed);
  assertEquals(ours.writes, []);
});

Deno.test("Peer.run() ends with the reason of an abort, whatever it waits for", async (t) => {
  const waits: Record<string, (peer: Peer, theirs: MemoryConnection) => void> =
    {
      "for a message": () => {},
      "for the peer to read": (peer) =>
        peer.send({ type: "bitfield", bitfield: new Uint8Array(100) }),
      "for the rest of a message": (_, theirs) =>
        void theirs.write(Uint8Array.of(0, 0)),
    };
  for (const [name, wait] of Object.entries(waits)) {
    await t.step(name, async () => {
      const { peer, ours, theirs } = peerOf({ capacity: 10 });
      const { ended, owner } = live(peer);
      wait(peer, theirs);
      await settle();
      const reason = new Error("enough");
      owner.abort(reason);
      assertEquals(await ended, reason);
      assert(ours.isClosed);
      await theirs.readAll();
    });
  }
});

Deno.test("Peer.run() waits for the handler when it is aborted", async () => {
  const { peer, theirs } = peerOf();
  const gate = Promise.withResolvers<void>();
  const { ended, owner } = live(peer, { onMessages: () => gate.promise });
  await theirs.write(bytesOf({ type: "choke" }));
  await settle();
  owner.abort();
  let hasEnded = false;
  void ended.then(() => hasEnded = true);
  await settle();
  assert(!hasEnded);
  gate.resolve();
  assert(await ended instanceof DOMException);
});

Deno.test("Peer.run() does not begin when it was aborted before", async () => {
  const { peer, ours } = peerOf();
  const reason = new Error("enough");
  const error = await peer.run(new Listener(), {
    signal: AbortSignal.abort(reason),
  }).catch((error) => error);
  assertEquals(error, reason);
  assert(ours.isClosed);
});

Deno.test("Peer.send() after the end says nothing, and harms nobody", async () => {
  const { peer, ours, theirs } = peerOf();
  const { ended } = live(peer);
  theirs.close();
  await ended;
  peer.send({ type: "choke" });
  peer.close(new Error("too late"));
  await settle();
  assertEquals(ours.writes, []);
});
