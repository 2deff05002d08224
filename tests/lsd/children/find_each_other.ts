/**
 * Two discoveries in one local network look for the same torrent, and say whom
 * they have found, or that they could not join anything.
 *
 * @module
 */

import { formatEndpoint } from "../../../src/bytes/endpoint.ts";
import { LocalDiscovery } from "../../../src/lsd/local_discovery.ts";
import { MulticastSocket } from "../../../src/net/multicast.ts";

/** Their ports, and how many times each must hear of the other. */
const [port, otherPort, times] = [1111, 2222, Number(Deno.args[0])];

const torrent = new Uint8Array(20).fill(1);
const stop = new AbortController();
const joined = Promise.withResolvers<void>();
const groups: string[] = [];
const found = new Map<number, string[]>();

function discoveryAt(port: number): LocalDiscovery {
  const heard: string[] = [];
  found.set(port, heard);
  return new LocalDiscovery({
    port,
    handler: {
      onPeer(infoHash, endpoint) {
        heard.push(`${infoHash[0]} ${formatEndpoint(endpoint)}`);
        const all = [...found.values()];
        if (all.every(({ length }) => length >= times)) stop.abort();
      },
    },
    async join(options) {
      const member = await MulticastSocket.join(options);
      if (member) groups.push(formatEndpoint(member.group));
      if (groups.length === 2 * times) joined.resolve();
      return member;
    },
  });
}

const [first, second] = [discoveryAt(port), discoveryAt(otherPort)];
const { signal } = stop;
const running = Promise.allSettled([
  first.run({ signal }),
  second.run({ signal }),
]);
// Whoever joins later misses what was said before.
await Promise.race([running, joined.promise]);
first.announce(torrent);
// What only one of them looks for, nobody is told of.
second.announce(new Uint8Array(20).fill(2));
second.announce(torrent);
const ends = (await running).map(({ status }) => status);
// deno-lint-ignore no-console
console.log(JSON.stringify({ groups, found: [...found.values()], ends }));
