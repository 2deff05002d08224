/**
 * Downloads a torrent with the parts that the program has, as it does.
 *
 * @module
 */

import { Session } from "../../../src/mod.ts";
import type { ReceivingJob } from "../receiving.ts";
import { evenTorrent } from "../support/even_torrent.ts";
import { Meter } from "../support/meter.ts";
import { addDownload } from "../support/add_download.ts";

const { folder, ports, ...recipe } = JSON.parse(Deno.args[0]!) as ReceivingJob;
const metainfo = evenTorrent(recipe);
const meter = new Meter();
await using session = new Session({ listenPorts: [], maxPeers: ports.length });
const torrent = addDownload(session, metainfo, { folder, ports });
const listening = (async () => {
  let connected = 0;
  for await (const { type } of torrent.events) {
    // The seeder begins when it has greeted everybody.
    if (type === "peer_connected" && ++connected === ports.length) {
      meter.begin();
    } else if (type === "phase" && torrent.stats().phase === "complete") {
      const { wastedBytes, receivedBytes } = torrent.stats();
      meter.end(wastedBytes / receivedBytes);
    }
  }
})();
await torrent.run({ signal: new AbortController().signal });
await listening;
