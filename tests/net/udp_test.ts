import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type Endpoint, formatEndpoint } from "../../src/bytes/endpoint.ts";
import { NetworkError } from "../../src/errors.ts";
import { UdpSocket } from "../../src/net/udp.ts";

/** The packets that a socket gets, one at a time. */
class Inbox {
  readonly #waiting: string[] = [];
  #wake: (() => void) | undefined;

  readonly handler = (packet: Uint8Array, from: Endpoint): boolean => {
    this.#waiting.push(`${[...packet]} ${formatEndpoint(from)}`);
    this.#wake?.();
    return true;
  };

  async next(): Promise<string> {
    while (this.#waiting.length === 0) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    return this.#waiting.shift()!;
  }
}

Deno.test("UdpSocket sends and receives over both families", async (t) => {
  for (const hostname of ["127.0.0.1", "::1"]) {
    await t.step(hostname, async () => {
      await using here = UdpSocket.open({ ports: [0] });
      await using there = UdpSocket.open({ ports: [0], hostname });
      const [mine, theirs] = [new Inbox(), new Inbox()];
      here.subscribe(mine.handler);
      there.subscribe(theirs.handler);
      await here.send(Uint8Array.of(1, 2), { hostname, port: there.port });
      const from = formatEndpoint({ hostname, port: here.port });
      assertEquals(await theirs.next(), `1,2 ${from}`);
      await there.send(Uint8Array.of(3), { hostname, port: here.port });
      const back = formatEndpoint({ hostname, port: there.port });
      // IPv4 is IPv4, though the socket is for both.
      assertEquals(await mine.next(), `3 ${back}`);
    });
  }
});

Deno.test("UdpSocket receives the largest datagram whole", async () => {
  await using here = UdpSocket.open({ ports: [0], hostname: "127.0.0.1" });
  const { promise, resolve } = Promise.withResolvers<number>();
  here.subscribe(({ length }) => {
    resolve(length);
    return true;
  });
  const to = { hostname: "127.0.0.1", port: here.port };
  await here.send(new Uint8Array(65_507), to);
  assertEquals(await promise, 65_507);
  await assertRejects(
    () => here.send(new Uint8Array(65_508), to),
    NetworkError,
    "Cannot send to 127.0.0.1:",
  );
});

Deno.test("UdpSocket gives each packet to the first who knows it", async () => {
  await using socket = UdpSocket.open({ ports: [0], hostname: "127.0.0.1" });
  const to = { hostname: "127.0.0.1", port: socket.port };
  const [first, second] = [new Inbox(), new Inbox()];
  const subscription = socket.subscribe((packet, from) =>
    first.handler(packet, from) && packet[0] === 1
  );
  socket.subscribe(second.handler);
  await socket.send(Uint8Array.of(1), to);
  await socket.send(Uint8Array.of(2), to);
  assertEquals(await first.next(), `1 127.0.0.1:${socket.port}`);
  assertEquals(await second.next(), `2 127.0.0.1:${socket.port}`);
  assertEquals(await first.next(), `2 127.0.0.1:${socket.port}`);
  subscription[Symbol.dispose]();
  await socket.send(Uint8Array.of(1), to);
  assertEquals(await second.next(), `1 127.0.0.1:${socket.port}`);
});

Deno.test("UdpSocket.open() takes the first port that is free", async () => {
  await using taken = UdpSocket.open({ ports: [0] });
  await using other = UdpSocket.open({ ports: [taken.port, 0] });
  assert(other.port !== taken.port);
  assertThrows(
    () => UdpSocket.open({ ports: [taken.port] }),
    NetworkError,
    "No socket for UDP can be had",
  );
  assertThrows(() => UdpSocket.open({ ports: [] }), NetworkError);
});

Deno.test("UdpSocket is closed once and for all", async () => {
  const socket = UdpSocket.open({ ports: [0] });
  await socket[Symbol.asyncDispose]();
  await socket[Symbol.asyncDispose]();
});
