/**
 * Announces to the tracker that the first argument names, and prints the
 * families of addresses over which it has answered. The second argument is how
 * many answers to wait for: nobody knows how long the last may take.
 *
 * @module
 */

import { sha1 } from "../../../src/bytes/hash.ts";
import { familyOf } from "../../../src/bytes/endpoint.ts";
import { Session } from "../../../src/torrent/session.ts";
import { HttpTracker } from "../../../src/tracker/http_tracker.ts";
import { UdpTracker } from "../../../src/tracker/udp_tracker.ts";

const REQUEST = {
  peerId: new Uint8Array(20),
  port: 6881,
  uploaded: 0,
  downloaded: 0,
  left: 1,
  numWant: 50,
  key: "0",
};

if (import.meta.main) {
  await using session = new Session({ listenPorts: [] });
  const { signal } = new AbortController();
  const [url = "", count] = Deno.args;
  const tracker = HttpTracker.at(url) ??
    UdpTracker.at(url, { client: session.udpTrackers })!;
  // Other trackers at the same port must not mix up what they are told.
  const infoHash = sha1(new TextEncoder().encode(url));
  const families: number[] = [];
  // The second announce hears of the first over the same family.
  for (const port of [6881, 6882]) {
    const request = { ...REQUEST, infoHash, port };
    let answers = 0;
    for await (const { peers } of tracker.announce(request, { signal })) {
      families.push(...peers.map(({ endpoint }) => familyOf(endpoint)!));
      if (++answers === Number(count)) break;
    }
  }
  // deno-lint-ignore no-console
  console.log(families.sort().join(" "));
}
