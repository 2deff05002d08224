import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  NetworkError,
  ProtocolError,
  SelfConnectionError,
} from "../../src/errors.ts";
import type { Dialer } from "../../src/net/connection.ts";
import {
  acceptConnection,
  type AcceptOptions,
  type OpenConnection,
  openConnection,
  type OpenOptions,
} from "../../src/peer/connect.ts";
import { encodeHandshake, type Handshake } from "../../src/wire/handshake.ts";
import { arrivals } from "../support/chunks.ts";
import { FakeTime } from "../support/fake_time.ts";
import {
  type MemoryConnection,
  memoryConnections,
} from "../support/memory_connection.ts";

const ENDPOINT = { hostname: "192.0.2.2", port: 6882 };

function handshakeOf(infoHash: number, peerId: number): Handshake {
  return {
    infoHash: new Uint8Array(20).fill(infoHash),
    peerId: new Uint8Array(20).fill(peerId),
    reserved: new Uint8Array(8),
  };
}

const OURS = handshakeOf(1, 10);
const THEIRS = handshakeOf(1, 20);

const never = new AbortController().signal;

type Way = (
  connection: MemoryConnection,
  options?: Partial<OpenOptions & AcceptOptions>,
) => Promise<OpenConnection>;

/** The two ways to a connection; what is said differs, the rules do not. */
const WAYS: Record<string, Way> = {
  "openConnection()": (connection, options) =>
    openConnection(ENDPOINT, {
      dial: () => Promise.resolve(connection),
      ours: OURS,
      signal: never,
      ...options,
    }),
  "acceptConnection()": (connection, options) =>
    acceptConnection(connection, {
      answer: () => OURS,
      signal: never,
      ...options,
    }),
};

/** What a way comes to, so that nothing is left without a handler. */
function outcomeOf(opening: Promise<OpenConnection>): Promise<unknown> {
  return opening.catch((error) => error);
}

Deno.test("openConnection() and acceptConnection() learn of each other", async () => {
  for (const maxRead of [1, 7, 67, 1000]) {
    const [ours, theirs] = memoryConnections({ maxRead });
    const asked: Uint8Array[] = [];
    const [opened, accepted] = await Promise.all([
      openConnection(ENDPOINT, {
        dial: () => Promise.resolve(ours),
        ours: OURS,
        expectedPeerId: THEIRS.peerId,
        signal: never,
      }),
      acceptConnection(theirs, {
        answer: (theirs) => {
          asked.push(theirs.infoHash);
          return THEIRS;
        },
        signal: never,
      }),
    ]);
    const { infoHash } = THEIRS;
    assertEquals(opened, { connection: ours, theirs: THEIRS, infoHash });
    assertEquals(accepted, { connection: theirs, theirs: OURS, infoHash });
    assertEquals(asked, [OURS.infoHash]);
    assert(!ours.isClosed && !theirs.isClosed);
  }
});

Deno.test("openConnection() dials the endpoint", async () => {
  const [ours, theirs] = memoryConnections();
  await theirs.write(encodeHandshake(THEIRS));
  const dialled: unknown[] = [];
  await openConnection(ENDPOINT, {
    dial: (endpoint) => {
      dialled.push(endpoint);
      return Promise.resolve(ours);
    },
    ours: OURS,
    signal: never,
  });
  assertEquals(dialled, [ENDPOINT]);
});

Deno.test("openConnection() passes on why nobody could be dialled", async () => {
  const dial: Dialer = () => Promise.reject(new NetworkError("Refused"));
  await assertRejects(
    () => openConnection(ENDPOINT, { dial, ours: OURS, signal: never }),
    NetworkError,
    "Refused",
  );
});

for (const [name, way] of Object.entries(WAYS)) {
  Deno.test(`${name} takes a handshake however it arrives`, async () => {
    for (const { name, chunks } of arrivals(encodeHandshake(THEIRS))) {
      const [ours, theirs] = memoryConnections();
      const opening = way(ours);
      for (const chunk of chunks) {
        await theirs.write(chunk);
        await Promise.resolve();
      }
      assertEquals((await opening).theirs, THEIRS, name);
    }
  });

  Deno.test(`${name} leaves what comes after the handshake`, async () => {
    const [ours, theirs] = memoryConnections();
    const message = Uint8Array.of(0, 0, 0, 1, 1);
    await theirs.write(Uint8Array.of(...encodeHandshake(THEIRS), ...message));
    theirs.endWriting();
    const { connection } = await way(ours);
    assertEquals(await (connection as MemoryConnection).readAll(), message);
  });

  Deno.test(`${name} rejects another protocol, and hangs up`, async () => {
    const http = new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n")
      .slice();
    const openings = [
      Uint8Array.of(...http, ...new Uint8Array(68 - http.length)),
      new Uint8Array(68),
      new Uint8Array(68).fill(0xff),
    ];
    for (const bytes of openings) {
      const [ours, theirs] = memoryConnections();
      await theirs.write(bytes);
      await assertRejects(() => way(ours), ProtocolError);
      assert(ours.isClosed);
      await theirs.readAll();
    }
  });

  Deno.test(`${name} recognises ourselves`, async () => {
    const [ours, theirs] = memoryConnections();
    await theirs.write(encodeHandshake(OURS));
    await assertRejects(() => way(ours), SelfConnectionError);
    assert(ours.isClosed);
    // The other end, which is us too, is to learn it by our handshake.
    assertEquals(await theirs.readAll(), encodeHandshake(OURS));
  });

  Deno.test(`${name} rejects a peer that hangs up in the middle`, async () => {
    for (let length = 0; length < 68; length++) {
      const [ours, theirs] = memoryConnections();
      await theirs.write(encodeHandshake(THEIRS).subarray(0, length));
      const opening = outcomeOf(way(ours));
      theirs.close();
      assert(await opening instanceof NetworkError, `after ${length} bytes`);
      assert(ours.isClosed);
    }
  });

  Deno.test(`${name} rejects a peer that ends its half in the middle`, async () => {
    const [ours, theirs] = memoryConnections();
    await theirs.write(encodeHandshake(THEIRS).subarray(0, 40));
    theirs.endWriting();
    await assertRejects(() => way(ours), NetworkError, "hung up");
    assert(ours.isClosed);
  });

  Deno.test(`${name} takes a peer that ends its half after the handshake`, async () => {
    const [ours, theirs] = memoryConnections();
    await theirs.write(encodeHandshake(THEIRS));
    theirs.endWriting();
    const { connection } = await way(ours);
    assertEquals(await connection.read(new Uint8Array(1)), null);
    await connection.write(Uint8Array.of(1));
  });

  Deno.test(`${name} rejects when the connection breaks in the middle`, async () => {
    for (const length of [0, 1, 40, 67]) {
      const [ours, theirs] = memoryConnections();
      await theirs.write(encodeHandshake(THEIRS).subarray(0, length));
      const opening = outcomeOf(way(ours));
      theirs.reset();
      assert(await opening instanceof NetworkError);
      assert(ours.isClosed);
    }
  });

  Deno.test(`${name} gives up a silent peer after ten seconds`, async () => {
    using time = new FakeTime();
    const [ours, theirs] = memoryConnections();
    const opening = outcomeOf(way(ours));
    await time.advance(9_999);
    assert(!ours.isClosed);
    await time.advance(1);
    const error = await opening;
    assert(error instanceof NetworkError);
    assertEquals(error.message, "The peer did not answer within 10 s");
    assert(ours.isClosed);
    await theirs.readAll();
  });

  Deno.test(`${name} gives up a peer that is slow in the same ten seconds`, async () => {
    using time = new FakeTime();
    const [ours, theirs] = memoryConnections();
    const opening = outcomeOf(way(ours));
    const handshake = encodeHandshake(THEIRS);
    for (let at = 0; at < 10; at++) {
      await theirs.write(handshake.subarray(at, at + 1));
      await time.advance(1_000);
    }
    assert(await opening instanceof NetworkError);
    assert(ours.isClosed);
  });

  Deno.test(`${name} sets no limit beyond the handshake`, async () => {
    using time = new FakeTime();
    const [ours, theirs] = memoryConnections();
    await theirs.write(encodeHandshake(THEIRS));
    await way(ours);
    await time.advance(60_000);
    assert(!ours.isClosed);
  });

  Deno.test(`${name} stops when it is told to, with the reason it was given`, async () => {
    const [ours] = memoryConnections();
    const owner = new AbortController();
    const opening = outcomeOf(way(ours, { signal: owner.signal }));
    await Promise.resolve();
    owner.abort(new Error("enough"));
    const error = await opening;
    assert(error instanceof Error && error.message === "enough");
    assert(ours.isClosed);
  });

  Deno.test(`${name} does not begin when it was told to stop before`, async () => {
    const [ours] = memoryConnections();
    await assertRejects(
      () => way(ours, { signal: AbortSignal.abort(new Error("enough")) }),
      Error,
      "enough",
    );
    assert(ours.isClosed);
    assertEquals(ours.writes, []);
  });

  Deno.test(`${name} is not stopped by an abort after the handshake`, async () => {
    const [ours, theirs] = memoryConnections();
    const owner = new AbortController();
    await theirs.write(encodeHandshake(THEIRS));
    await way(ours, { signal: owner.signal });
    owner.abort();
    assert(!ours.isClosed);
  });
}

Deno.test("openConnection() gives up a dial that takes more than ten seconds", async () => {
  using time = new FakeTime();
  const dial: Dialer = (_, { signal }) =>
    new Promise((_, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason))
    );
  const opening = outcomeOf(
    openConnection(ENDPOINT, { dial, ours: OURS, signal: never }),
  );
  await time.advance(10_000);
  assert(await opening instanceof NetworkError);
});

Deno.test("openConnection() rejects an answer for another torrent", async () => {
  const [ours, theirs] = memoryConnections();
  await theirs.write(encodeHandshake(handshakeOf(2, 20)));
  await assertRejects(
    () => WAYS["openConnection()"]!(ours),
    ProtocolError,
    "another torrent",
  );
  assert(ours.isClosed);
});

Deno.test("openConnection() takes the other info hash of a hybrid torrent for an answer", async () => {
  const upgrade = handshakeOf(2, 20);
  const options = { upgrade: upgrade.infoHash };
  for (const theirs of [upgrade, THEIRS]) {
    const [ours, other] = memoryConnections();
    await other.write(encodeHandshake(theirs));
    const { infoHash } = await WAYS["openConnection()"]!(ours, options);
    assertEquals(infoHash, theirs.infoHash);
  }
  const [ours, other] = memoryConnections();
  await other.write(encodeHandshake(handshakeOf(3, 20)));
  await assertRejects(
    () => WAYS["openConnection()"]!(ours, options),
    ProtocolError,
    "another torrent",
  );
});

Deno.test("acceptConnection() tells which info hash it has answered with", async () => {
  const [ours, theirs] = memoryConnections();
  await theirs.write(encodeHandshake(handshakeOf(1, 20)));
  const answer = handshakeOf(2, 10);
  const opened = await WAYS["acceptConnection()"]!(ours, {
    answer: () => answer,
  });
  assertEquals(opened.infoHash, answer.infoHash);
  assertEquals(opened.theirs.infoHash, handshakeOf(1, 20).infoHash);
});

Deno.test("openConnection() rejects a peer that is not the one promised", async () => {
  const [ours, theirs] = memoryConnections();
  await theirs.write(encodeHandshake(THEIRS));
  await assertRejects(
    () =>
      WAYS["openConnection()"]!(ours, {
        expectedPeerId: new Uint8Array(20).fill(99),
      }),
    ProtocolError,
    "the tracker named",
  );
  assert(ours.isClosed);
});

Deno.test("acceptConnection() says nothing to who wants an unknown torrent", async () => {
  const [ours, theirs] = memoryConnections();
  await theirs.write(encodeHandshake(handshakeOf(2, 20)));
  await assertRejects(
    () => WAYS["acceptConnection()"]!(ours, { answer: () => undefined }),
    ProtocolError,
    "unknown torrent",
  );
  assert(ours.isClosed);
  assertEquals(await theirs.readAll(), new Uint8Array());
});

Deno.test("acceptConnection() says nothing before the peer has", async () => {
  const [ours, theirs] = memoryConnections();
  const opening = WAYS["acceptConnection()"]!(ours);
  await theirs.write(encodeHandshake(THEIRS).subarray(0, 67));
  await Promise.resolve();
  assertEquals(ours.writes, []);
  await theirs.write(encodeHandshake(THEIRS).subarray(67));
  await opening;
  assertEquals(ours.writes, [encodeHandshake(OURS)]);
});
