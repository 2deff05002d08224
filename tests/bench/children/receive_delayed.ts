/**
 * Receives over a long path for a while, a torrent or a plain stream, and
 * prints how fast that was after its beginning.
 *
 * @module
 */

import { Session } from "../../../src/mod.ts";
import type { DelayedJob, DelayedRate } from "../delayed_paths.ts";
import { evenTorrent } from "../support/even_torrent.ts";
import { addDownload } from "../support/add_download.ts";
import { delay } from "@std/async/delay";

const { folder, ports, isPlain, fromMs, toMs, ...recipe } = JSON.parse(
  Deno.args[0]!,
) as DelayedJob;

/** Takes the time from the first byte on. */
async function measure(
  bytes: () => { useful: number; wasted: number },
  began: Promise<void>,
): Promise<void> {
  await began;
  await delay(fromMs);
  const [from, start] = [bytes(), performance.now()];
  await delay(toMs - fromMs);
  const [to, seconds] = [bytes(), (performance.now() - start) / 1000];
  const rate: DelayedRate = {
    begin: from.useful / (fromMs / 1000),
    rate: (to.useful - from.useful) / seconds,
    wasted: to.wasted / (to.useful + to.wasted),
  };
  // deno-lint-ignore no-console
  console.log(JSON.stringify(rate));
  Deno.exit(0);
}

async function receivePlain(): Promise<void> {
  let useful = 0;
  const began = Promise.withResolvers<void>();
  const measured = measure(() => ({ useful, wasted: 0 }), began.promise);
  for (const port of ports) {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    (async () => {
      const buffer = new Uint8Array(256 * 1024);
      while (true) {
        useful += await conn.read(buffer) ?? 0;
        began.resolve();
      }
    })();
  }
  await measured;
}

async function receiveTorrent(): Promise<void> {
  const metainfo = evenTorrent(recipe);
  await using session = new Session({
    listenPorts: [],
    maxPeers: ports.length,
  });
  const torrent = addDownload(session, metainfo, { folder, ports });
  const began = Promise.withResolvers<void>();
  const measured = measure(() => {
    const { receivedBytes, wastedBytes } = torrent.stats();
    return { useful: receivedBytes - wastedBytes, wasted: wastedBytes };
  }, began.promise);
  let connected = 0;
  (async () => {
    for await (const { type } of torrent.events) {
      if (type === "peer_connected" && ++connected === ports.length) {
        began.resolve();
      }
    }
  })();
  await Promise.all([
    torrent.run({ signal: new AbortController().signal }),
    measured,
  ]);
}

await (isPlain ? receivePlain() : receiveTorrent());
