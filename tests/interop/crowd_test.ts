import { assert, assertLess } from "@std/assert";
import { delay } from "@std/async/delay";
import type { Endpoint } from "../../src/bytes/endpoint.ts";
import { conditionalTest, missingProgram } from "../support/conditional.ts";
import type { MadeTorrent } from "../support/make_torrent.ts";
import { ScriptedPeer } from "../support/scripted_peer.ts";
import { type BtgetProgram, FROM_SOURCE } from "./support/btget.ts";
import { ARIA2, LIBTORRENT } from "./support/clients.ts";
import { SINGLE_FILE } from "./support/downloads.ts";
import { freePort } from "./support/loopback.ts";
import { OPENTRACKER } from "./support/opentracker.ts";
import { withSwarm } from "./support/swarm.ts";

const MIB = 1024 * 1024;

const SILENT = 480;

const LEECHERS = [...Array(18).fill(LIBTORRENT), ARIA2, ARIA2];

const MAX_MEMORY = 300 * MIB;

/** Who has just come may still say something: it makes no room yet. */
const PATIENCE_MS = 5_500;

type Connect = (
  made: MadeTorrent,
  options: { endpoint: Endpoint },
) => Promise<Disposable>;

interface Crowd {
  connect: Connect;
  /** How long it is alone with btget. */
  waitMs: number;
  args?: string[];
  program?: BtgetProgram;
}

/** The crowd takes them all, and files need some too. */
const FEW_DESCRIPTORS: BtgetProgram = {
  ...FROM_SOURCE,
  command: (scope) => [
    "sh",
    ...["-c", 'ulimit -n 64; exec "$@"', "sh"],
    ...FROM_SOURCE.command(scope),
  ],
};

const CROWDS: Record<string, Crowd> = {
  "say nothing at all": {
    connect: (_, { endpoint }) => Deno.connect(endpoint),
    waitMs: 0,
  },
  "say nothing but their handshake": {
    connect: ScriptedPeer.connect,
    waitMs: PATIENCE_MS,
  },
  "say nothing but their handshake, and all may stay": {
    connect: ScriptedPeer.connect,
    waitMs: 0,
    args: ["--max-peers=500"],
  },
  "say nothing, and take every descriptor": {
    connect: (_, { endpoint }) => Deno.connect(endpoint),
    waitMs: 0,
    program: FEW_DESCRIPTORS,
  },
};

for (const [name, crowd] of Object.entries(CROWDS)) {
  const { connect, waitMs, ...options } = crowd;
  conditionalTest({
    name: `btget serves ${LEECHERS.length} leechers beside ${SILENT} ` +
      `connections that ${name}`,
    missing: [
      ...missingProgram(OPENTRACKER),
      ...LIBTORRENT.missing(),
      ...ARIA2.missing(),
    ],
    async fn() {
      await withSwarm({ recipe: SINGLE_FILE, seeders: [] }, async (swarm) => {
        using silent = new DisposableStack();
        const listenPort = freePort("0.0.0.0");
        const btget = await swarm.seed({ ...options, listenPort });
        const endpoint = { hostname: "127.0.0.1", port: listenPort };
        for (let i = 0; i < SILENT; i++) {
          silent.use(await connect(swarm.made, { endpoint }));
        }
        await delay(waitMs);
        await swarm.leech(...LEECHERS);
        await swarm.completed({ seconds: 60 });
        const memory = peakMemory(btget.pid);
        assertLess(memory, MAX_MEMORY);
        btget.kill("SIGTERM");
        await btget.finished();
        const { sentBytes, totalBytes } = btget.progress!;
        // deno-lint-ignore no-console
        console.log(
          `${(memory / MIB).toFixed(0)} MiB of memory, ` +
            `${(sentBytes / totalBytes).toFixed(1)} copies sent`,
        );
        assert(sentBytes >= totalBytes);
      });
    },
  });
}

/** The most memory that a process has had. */
function peakMemory(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const [, kib] = /^VmHWM:\s*(\d+) kB$/m.exec(status)!;
  return Number(kib) * 1024;
}
