import { assert, assertEquals, assertRejects } from "@std/assert";
import { NetworkError } from "../../src/errors.ts";
import type { Connection } from "../../src/net/connection.ts";
import { dialTcp, listenTcp, TcpListener } from "../../src/net/tcp.ts";

const HERE = "127.0.0.1";

function listen(hostname = HERE): TcpListener {
  return listenTcp({ ports: [0], hostname })!;
}

function dial(port: number, hostname = HERE): Promise<Connection> {
  const { signal } = new AbortController();
  return dialTcp({ hostname, port }, { signal });
}

/** Both ends of a connection. */
async function pair(): Promise<[Connection, Connection]> {
  using listener = listen();
  const arriving = listener.connections().next();
  const ours = await dial(listener.port);
  return [ours, (await arriving).value as Connection];
}

async function readAll(connection: Connection): Promise<number> {
  const buffer = new Uint8Array(65_536);
  let total = 0;
  for (;;) {
    const count = await connection.read(buffer);
    if (count === null) return total;
    total += count;
  }
}

Deno.test("dialTcp() connects, and knows whom to", async () => {
  const [ours, theirs] = await pair();
  assertEquals(theirs.remote.hostname, HERE);
  await ours.write(new TextEncoder().encode("hello"));
  const buffer = new Uint8Array(10);
  assertEquals(await theirs.read(buffer), 5);
  assertEquals(new TextDecoder().decode(buffer.subarray(0, 5)), "hello");
  ours.close();
  assertEquals(await theirs.read(buffer), null);
  theirs.close();
});

Deno.test("Connection.writingSince is when the other end last took something", async () => {
  const [ours, theirs] = await pair();
  assertEquals([ours.writingSince, ours.heldMs], [undefined, 0]);
  const length = 32 * 1024 * 1024;
  const before = performance.now();
  const writing = ours.write(new Uint8Array(length));
  const begun = ours.writingSince!;
  assert(begun >= before && begun <= performance.now());
  const buffer = new Uint8Array(1 << 20);
  let read = 0;
  while (ours.writingSince === begun) read += (await theirs.read(buffer))!;
  assert(ours.writingSince! > begun, "part of it is gone");
  while (read < length) read += (await theirs.read(buffer))!;
  await writing;
  assertEquals(ours.writingSince, undefined);
  ours.close();
  theirs.close();
});

Deno.test("dialTcp() fails where nobody listens", async () => {
  const listener = listen();
  const { port } = listener;
  listener[Symbol.dispose]();
  await assertRejects(() => dial(port), NetworkError, "Cannot connect: ");
});

Deno.test("dialTcp() fails for a name that nobody can have", async () => {
  const name = "a".repeat(64);
  await assertRejects(() => dial(1, name), NetworkError, "Cannot connect: ");
});

Deno.test("dialTcp() throws the reason when it is aborted", async (t) => {
  const reason = new Error("enough");

  await t.step("before", async () => {
    using listener = listen();
    const error = await assertRejects(() =>
      dialTcp({ hostname: HERE, port: listener.port }, {
        signal: AbortSignal.abort(reason),
      })
    );
    assertEquals(error, reason);
  });

  await t.step("while it dials", async () => {
    // The queue of this listener is full after two; the third hangs.
    const listener = Deno.listen({ hostname: HERE, port: 0, tcpBacklog: 1 });
    const { port } = listener.addr;
    const queued = [await dial(port), await dial(port)];
    const abort = new AbortController();
    const dialling = dialTcp({ hostname: HERE, port }, {
      signal: abort.signal,
    });
    queueMicrotask(() => abort.abort(reason));
    assertEquals(await assertRejects(() => dialling), reason);
    for (const connection of queued) connection.close();
    listener.close();
  });
});

Deno.test("A connection is closed by its owner, at any moment", async (t) => {
  await t.step("any number of times", async () => {
    const [ours, theirs] = await pair();
    for (const connection of [ours, theirs, ours, theirs]) connection.close();
  });

  await t.step("while it reads", async () => {
    const [ours, theirs] = await pair();
    const reading = ours.read(new Uint8Array(1));
    ours.close();
    await assertRejects(() => reading, NetworkError, "Cannot receive: ");
    theirs.close();
  });

  await t.step("while it writes", async () => {
    const [ours, theirs] = await pair();
    const writing = ours.write(new Uint8Array(64 * 1024 * 1024));
    ours.close();
    await assertRejects(() => writing, NetworkError, "Cannot send: ");
    theirs.close();
  });

  await t.step("and is of no use then", async () => {
    const [ours, theirs] = await pair();
    ours.close();
    await assertRejects(() => ours.read(new Uint8Array(1)), NetworkError);
    await assertRejects(() => ours.write(new Uint8Array(1)), NetworkError);
    theirs.close();
  });
});

Deno.test("A connection fails when the other side goes", async () => {
  const [ours, theirs] = await pair();
  theirs.close();
  assertEquals(await ours.read(new Uint8Array(1)), null);
  await assertRejects(
    async () => {
      for (;;) await ours.write(new Uint8Array(1000));
    },
    NetworkError,
    "Cannot send: ",
  );
  ours.close();
});

Deno.test("A connection sends all of it, however slowly it is read", async () => {
  const [ours, theirs] = await pair();
  const length = 8 * 1024 * 1024;
  const sending = ours.write(new Uint8Array(length)).then(() => ours.close());
  assertEquals(await readAll(theirs), length);
  await sending;
  theirs.close();
});

Deno.test("listenTcp() takes the next port that is free", () => {
  using first = listen();
  using second = listen();
  const taken = [first.port, second.port];
  using third = listenTcp({ ports: [...taken, 0], hostname: HERE });
  assert(third && !taken.includes(third.port));
  assertEquals(listenTcp({ ports: taken, hostname: HERE }), undefined);
  assertEquals(listenTcp({ ports: [] }), undefined);
  // Every address of the machine includes this one.
  assertEquals(listenTcp({ ports: taken }), undefined);
});

Deno.test("listenTcp() is reached by both families", {
  ignore: !hasIpv6(),
}, async () => {
  using listener = listenTcp({ ports: [0] })!;
  const connections = listener.connections();
  for (const hostname of [HERE, "::1"]) {
    const arriving = connections.next();
    const ours = await dial(listener.port, hostname);
    const theirs = (await arriving).value as Connection;
    // IPv4 in IPv6 would make two peers of one.
    assertEquals(theirs.remote.hostname, hostname);
    ours.close();
    theirs.close();
  }
});

function hasIpv6(): boolean {
  try {
    Deno.listen({ hostname: "::1", port: 0 }).close();
    return true;
  } catch {
    // deno-lint-ignore no-console
    console.log("SKIPPED: this machine has no IPv6");
    return false;
  }
}

Deno.test("listenTcp() makes do with IPv4", async () => {
  const { listen } = Deno;
  const asked: string[] = [];
  Object.assign(Deno, {
    listen: (options: Deno.TcpListenOptions) => {
      asked.push(options.hostname!);
      if (options.hostname === "::") {
        throw new Error("Address family not supported by protocol");
      }
      return listen(options);
    },
  });
  try {
    using listener = listenTcp({ ports: [0] });
    assertEquals(asked, ["::", "0.0.0.0"]);
    const ours = await dial(listener!.port);
    ours.close();
  } finally {
    Object.assign(Deno, { listen });
  }
});

/** The pauses that an action makes; none of them takes any time. */
async function pausesOf(action: () => Promise<void>): Promise<number[]> {
  const { setTimeout } = globalThis;
  const pauses: number[] = [];
  Object.assign(globalThis, {
    setTimeout: (callback: () => void, ms: number) => {
      pauses.push(ms);
      return setTimeout(callback, 0);
    },
  });
  try {
    await action();
  } finally {
    Object.assign(globalThis, { setTimeout });
  }
  return pauses;
}

Deno.test("TcpListener.connections() ends when the listener is closed", async () => {
  const listener = listen();
  const connections = listener.connections();
  const arriving = connections.next();
  listener[Symbol.dispose]();
  listener[Symbol.dispose]();
  const pauses = await pausesOf(async () => {
    assertEquals((await arriving).done, true);
    assertEquals((await connections.next()).done, true);
  });
  assertEquals(pauses, []);
});

Deno.test("TcpListener.connections() goes on after a failure, not at once", async () => {
  const real = Deno.listen({ hostname: HERE, port: 0 });
  const failures = ["Too many open files (os error 24)", "Connection aborted"];
  const faulty = {
    addr: real.addr,
    accept: () => {
      const message = failures.shift();
      return message ? Promise.reject(new Error(message)) : real.accept();
    },
    close: () => real.close(),
  };
  using listener = new TcpListener(faulty as Deno.TcpListener);
  const ours = await dial(listener.port);
  const pauses = await pausesOf(async () => {
    const theirs = (await listener.connections().next()).value as Connection;
    theirs.close();
  });
  assertEquals(failures, []);
  assert(pauses.length === 2 && pauses.every((ms) => ms >= 100), `${pauses}`);
  ours.close();
});

Deno.test("TcpListener.connections() goes on soon where room can be made", async () => {
  const real = Deno.listen({ hostname: HERE, port: 0 });
  let failures = 3;
  const faulty = {
    addr: real.addr,
    accept: () =>
      failures-- > 0
        ? Promise.reject(new Error("Too many open files (os error 24)"))
        : real.accept(),
    close: () => real.close(),
  };
  using listener = new TcpListener(faulty as Deno.TcpListener);
  const ours = await dial(listener.port);
  const toClose = ["silent", "silent"];
  const pauses = await pausesOf(async () => {
    const makeRoom = () => toClose.pop() !== undefined;
    const theirs = (await listener.connections({ makeRoom }).next()).value;
    (theirs as Connection).close();
  });
  assertEquals(pauses.map((ms) => ms < 100), [true, true, false]);
  ours.close();
});
