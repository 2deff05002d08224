/**
 * Local discovery and libtorrent in one local network: says where each has
 * found the other.
 *
 * @module
 */

import { formatEndpoint } from "../../../src/bytes/endpoint.ts";
import { LocalDiscovery } from "../../../src/lsd/local_discovery.ts";
import { MulticastSocket } from "../../../src/net/multicast.ts";
import { encodeHex } from "@std/encoding/hex";

const [program, script, address] = Deno.args as [string, string, string];

const infoHash = crypto.getRandomValues(new Uint8Array(20));
const stop = new AbortController();
const { signal } = stop;

/** Runs a discovery until it has joined, and waits until it finds somebody. */
async function discover(port: number) {
  const joined = Promise.withResolvers<void>();
  const found = Promise.withResolvers<string>();
  const discovery = new LocalDiscovery({
    port,
    handler: {
      onPeer: (_, endpoint) => found.resolve(formatEndpoint(endpoint)),
    },
    async join(options) {
      const member = await MulticastSocket.join(options);
      joined.resolve();
      return member;
    },
  });
  discovery.announce(infoHash);
  const ended = Promise.allSettled([discovery.run({ signal })]);
  await joined.promise;
  return { found: found.promise, ended };
}

const early = await discover(7777);
const libtorrent = new Deno.Command(program, {
  args: [script, encodeHex(infoHash), address, "6881"],
  stdin: "null",
  stdout: "piped",
}).spawn();
const weFound = await early.found;
// What was said before libtorrent ran, it has not heard.
const late = await discover(8888);
let theyFound = "";
for await (
  const text of libtorrent.stdout.pipeThrough(new TextDecoderStream())
) {
  theyFound += text;
  if (theyFound.includes(":8888 ")) break;
}
stop.abort();
libtorrent.kill("SIGKILL");
await Promise.all([early.ended, late.ended, libtorrent.status]);
// deno-lint-ignore no-console
console.log(JSON.stringify({ weFound, theyFound }));
