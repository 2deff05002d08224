/**
 * Tries to reach the network with whatever permissions this process has, and
 * says what came of it.
 *
 * @module
 */

import { NetworkError } from "../../../src/errors.ts";
import { httpGet } from "../../../src/net/http.ts";
import { resolve } from "../../../src/net/resolve.ts";
import { dialTcp, listenTcp } from "../../../src/net/tcp.ts";
import { UdpSocket } from "../../../src/net/udp.ts";

const port = Number(Deno.args[0]);
const signal = AbortSignal.timeout(10_000);

async function outcomeOf(action: () => Promise<string>): Promise<string> {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof NetworkError)) throw error;
    return error.message;
  }
}

const outcomes = {
  dial: await outcomeOf(async () => {
    const endpoint = { hostname: "127.0.0.1", port };
    const connection = await dialTcp(endpoint, { signal });
    connection.close();
    return "connected";
  }),
  get: await outcomeOf(async () => {
    const url = new URL(`http://127.0.0.1:${port}/announce?passkey=secret`);
    await httpGet(url, { maxBytes: 100, timeoutMs: 10_000, signal });
    return "answered";
  }),
  listen: await outcomeOf(() => {
    using listener = listenTcp({ ports: [0] });
    using onlyHere = listenTcp({ ports: [0], hostname: "127.0.0.1" });
    return Promise.resolve([listener, onlyHere].map(Boolean).join());
  }),
  lookUp: await outcomeOf(async () => {
    await resolve({ hostname: "localhost", port }, { signal });
    return "found";
  }),
  send: await outcomeOf(async () => {
    await using socket = UdpSocket.open({ ports: [0] });
    await socket.send(Uint8Array.of(1), { hostname: "127.0.0.1", port });
    return "sent";
  }),
};
// deno-lint-ignore no-console
console.log(JSON.stringify(outcomes));
