import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Endpoint } from "../../src/bytes/endpoint.ts";
import { encodeAnswer } from "../../src/dht/krpc.ts";
import { decodeMessage } from "../../src/dht/krpc_decoder.ts";
import { KrpcExchange } from "../../src/dht/krpc_exchange.ts";
import { NetworkError } from "../../src/errors.ts";
import { SimulatedNetwork } from "../support/simulated_dht.ts";

const OWN = { hostname: "198.18.0.1", port: 6881 };
const NODE = { hostname: "198.18.1.1", port: 6881 };
const ID = new Uint8Array(20).fill(1);

/** An exchange, and what it sends. */
class Stage implements AsyncDisposable {
  readonly network = new SimulatedNetwork();
  readonly abort = new AbortController();
  readonly transactions: Uint8Array[] = [];
  readonly requests: string[] = [];
  failure: Error | undefined;
  readonly exchange: KrpcExchange;

  constructor() {
    const socket = this.network.socket(OWN);
    this.exchange = new KrpcExchange({
      socket: {
        subscribe: (handler) => socket.subscribe(handler),
        send: (packet) => {
          if (this.failure) return Promise.reject(this.failure);
          this.transactions.push(decodeMessage(packet).transaction);
          return Promise.resolve();
        },
      },
      clock: this.network.clock,
      randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
      handler: {
        onRequest: (request) => {
          this.requests.push(request.type);
          return undefined;
        },
      },
    });
    this.exchange.open();
  }

  ask(onSlow?: () => void) {
    const { signal } = this.abort;
    const said = { id: ID, isReadOnly: false, onSlow, signal };
    return this.exchange.ask(NODE, { method: "ping" }, said);
  }

  answer(transaction: Uint8Array, from: Endpoint = NODE): void {
    const answer = {
      type: "response",
      transaction,
      id: ID,
      values: {},
    } as const;
    this.deliver(encodeAnswer(answer, OWN), from);
  }

  deliver(packet: Uint8Array, from: Endpoint = NODE): void {
    this.network.send(packet, { from, to: OWN });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.exchange[Symbol.asyncDispose]();
    await this.network.clock.advance(100);
    assertEquals(this.network.clock.waiting, 0);
  }
}

Deno.test("KrpcExchange.ask() gives the answer", async () => {
  await using stage = new Stage();
  const asking = stage.ask();
  stage.answer(stage.transactions[0]!);
  const reply = await stage.network.clock.until(asking);
  assertEquals(reply?.type === "response" && reply.id, ID);
  const { queriesSent, repliesReceived, ignored } = stage.exchange.traffic;
  assertEquals([queriesSent, repliesReceived, ignored], [1, 1, 0]);
});

Deno.test("KrpcExchange.ask() waits five seconds, and says after one that it takes long", async () => {
  await using stage = new Stage();
  const { clock } = stage.network;
  const start = clock.now();
  let slowAt = 0;
  const reply = await clock.until(stage.ask(() => slowAt = clock.now()));
  assertEquals(reply, undefined);
  assertEquals([slowAt - start, clock.now() - start], [1000, 5000]);
  // Too late.
  stage.answer(stage.transactions[0]!);
  await clock.advance(100);
  assertEquals(stage.exchange.traffic.ignored, 1);
});

Deno.test("KrpcExchange.ask() takes only the right answer from the right node, once", async () => {
  await using stage = new Stage();
  const asking = stage.ask();
  const [right] = stage.transactions as [Uint8Array];
  assertEquals(right.length, 4);
  const wrong = right.slice();
  wrong[3] = wrong[3]! ^ 1;
  stage.answer(right, { ...NODE, port: 6882 });
  stage.answer(right, { ...NODE, hostname: "198.18.1.2" });
  stage.answer(wrong);
  stage.answer(right.subarray(1));
  stage.answer(new Uint8Array());
  await stage.network.clock.advance(100);
  assertEquals(stage.exchange.traffic.ignored, 5);
  stage.answer(right);
  stage.answer(right);
  assert(await stage.network.clock.until(asking));
  await stage.network.clock.advance(100);
  assertEquals(stage.exchange.traffic.repliesReceived, 1);
  assertEquals(stage.exchange.traffic.ignored, 6);
});

Deno.test("KrpcExchange.ask() takes an error that cannot be read", async () => {
  await using stage = new Stage();
  const asking = stage.ask();
  const [transaction] = stage.transactions as [Uint8Array];
  const text = "d1:e15:Malformed Error1:t4:____1:y1:ee";
  const packet = new TextEncoder().encode(text);
  packet.set(transaction, text.indexOf("____"));
  stage.deliver(packet);
  const reply = await stage.network.clock.until(asking);
  assertEquals(reply?.type, "error");
});

Deno.test("KrpcExchange.ask() says when nothing can be sent, and ends when aborted", async () => {
  await using stage = new Stage();
  stage.failure = new NetworkError("No way");
  await assertRejects(() => stage.ask(), NetworkError, "No way");
  stage.failure = undefined;
  const asking = stage.ask();
  stage.abort.abort(new Error("enough"));
  await assertRejects(() => asking, Error, "enough");
  await assertRejects(() => stage.ask(), Error, "enough");
});

Deno.test("KrpcExchange draws transactions that nobody can guess", async () => {
  await using stage = new Stage();
  const asking = Array.from({ length: 5000 }, () => stage.ask());
  const failing = Promise.allSettled(asking);
  const drawn = stage.transactions
    .map((bytes) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(0));
  stage.abort.abort();
  await failing;
  assertEquals(new Set(drawn).size, 5000);
  // Each bit is set in half of them: within six standard deviations.
  for (let bit = 0; bit < 32; bit++) {
    const set = drawn.filter((value) => value / 2 ** bit % 2 >= 1).length;
    assert(Math.abs(set - 2500) < 212, `bit ${bit}: ${set}`);
  }
});

Deno.test("KrpcExchange leaves to others what is no KRPC, and survives the rest", async () => {
  const network = new SimulatedNetwork();
  let left = 0;
  const socket = network.socket(OWN);
  const exchange = new KrpcExchange({
    socket,
    clock: network.clock,
    randomBytes: (length) => new Uint8Array(length),
    handler: { onRequest: () => undefined },
  });
  exchange.open();
  socket.subscribe(() => {
    left++;
    return true;
  });
  const packets = ["", "\0\0\0\0", "A\0", "le", "d", "de", "d".repeat(60_000)];
  for (const packet of packets) {
    network.send(new TextEncoder().encode(packet), { from: NODE, to: OWN });
  }
  await network.clock.advance(100);
  assertEquals(left, 4);
  assertEquals(exchange.traffic.ignored, 3);
  await exchange[Symbol.asyncDispose]();
});
