/**
 * A long path on one machine: what goes through takes its time, and no more
 * goes through than the line carries.
 *
 * Each direction is one line for all connections, as an access to the net is.
 * A connection has its own delay. The first line that this prints are its
 * ports, one for each port behind it.
 *
 * @module
 */

import type { RelayJob } from "../delayed_paths.ts";
import { delay } from "@std/async/delay";

/** What is read at a time: less than three milliseconds of the line. */
const CHUNK_LENGTH = 64 * 1024;

/**
 * What waits for the line beyond this is not taken in: the sender's socket
 * fills. It has to cover the time in which this process is not scheduled.
 */
const QUEUE_MS = 50;

const { ports, roundTripsMs, bytesPerSecond, hostname = "127.0.0.1" } = JSON
  .parse(
    Deno.args[0]!,
  ) as RelayJob;

/** One direction. */
class Line {
  #freeAt = 0;

  /** How long what comes next has to wait. */
  get waitMs(): number {
    return this.#freeAt - performance.now();
  }

  /** Sends bytes; tells when the last of them leaves the line. */
  send(length: number): number {
    const from = Math.max(this.#freeAt, performance.now());
    return this.#freeAt = from + length / bytesPerSecond * 1000;
  }
}

const [there, back] = [new Line(), new Line()];

/** Carries what one side says to the other. */
async function carry(
  [from, to]: readonly [Deno.Conn, Deno.Conn],
  { line, delayMs }: { line: Line; delayMs: number },
): Promise<void> {
  const travelling: { dueAt: number; bytes: Uint8Array }[] = [];
  let wake = () => {};
  let isOpen = true;
  const take = async () => {
    while (true) {
      const bytes = new Uint8Array(CHUNK_LENGTH);
      const count = await from.read(bytes);
      if (count === null) break;
      const dueAt = line.send(count) + delayMs;
      travelling.push({ dueAt, bytes: bytes.subarray(0, count) });
      wake();
      if (line.waitMs > QUEUE_MS) await delay(line.waitMs - QUEUE_MS);
    }
    isOpen = false;
    wake();
  };
  const give = async () => {
    while (true) {
      const next = travelling.shift();
      if (next) {
        const ms = next.dueAt - performance.now();
        if (ms > 0) await delay(ms);
        let sent = 0;
        while (sent < next.bytes.length) {
          sent += await to.write(next.bytes.subarray(sent));
        }
      } else if (isOpen) {
        await new Promise<void>((resolve) => wake = resolve);
      } else {
        return;
      }
    }
  };
  try {
    await Promise.all([take(), give()]);
  } catch (error) {
    // Either side may hang up at any time; the other one ends with this.
    if (
      !(error instanceof Deno.errors.ConnectionReset) &&
      !(error instanceof Deno.errors.BrokenPipe)
    ) throw error;
  }
}

const listeners = ports.map(() =>
  Deno.listen({ hostname: "127.0.0.1", port: 0 })
);
// deno-lint-ignore no-console
console.log(JSON.stringify(listeners.map(({ addr }) => addr.port)));
await Promise.all(listeners.map(async (listener, i) => {
  const near = await listener.accept();
  const far = await Deno.connect({ hostname, port: ports[i]! });
  for (const conn of [near, far]) conn.setNoDelay(true);
  const delayMs = roundTripsMs[i]! / 2;
  await Promise.all([
    carry([near, far], { line: there, delayMs }),
    carry([far, near], { line: back, delayMs }),
  ]);
}));
