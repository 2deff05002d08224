/**
 * The ceiling: receives, hashes and writes as many bytes, without a protocol,
 * the cheapest way that Deno has.
 *
 * @module
 */

import { sha1 } from "../../../src/bytes/hash.ts";
import type { ReceivingJob } from "../receiving.ts";
import { Meter } from "../support/meter.ts";
import { join } from "@std/path";

const { ports, folder, length, pieceLength } = JSON.parse(
  Deno.args[0]!,
) as ReceivingJob;
const meter = new Meter();
using file = Deno.openSync(join(folder, "plain"), {
  write: true,
  createNew: true,
});
let written = 0;
await Promise.all(ports.map(async (port) => {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const buffer = new Uint8Array(pieceLength);
  let filled = 0;
  for (let left = Math.floor(length / ports.length); left > 0;) {
    const room = buffer.subarray(
      filled,
      Math.min(buffer.length, filled + left),
    );
    const count = await conn.read(room);
    if (count === null) throw new Error("The seeder has hung up");
    meter.begin();
    filled += count;
    left -= count;
    if (filled < buffer.length && left > 0) continue;
    const piece = buffer.subarray(0, filled);
    sha1(piece);
    file.seekSync(written, Deno.SeekMode.Start);
    file.writeSync(piece);
    written += filled;
    filled = 0;
  }
}));
meter.end();
