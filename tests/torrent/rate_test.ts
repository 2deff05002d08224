import { assertGreaterOrEqual, assertLessOrEqual } from "@std/assert";
import { delay } from "@std/async/delay";
import { encodeBencode } from "../../src/bytes/bencode.ts";
import { sha1 } from "../../src/bytes/hash.ts";
import { parseMetainfo } from "../../src/metainfo/metainfo.ts";
import { placeFiles, Session, type TorrentStats } from "../../src/mod.ts";
import { dialTcp, listenTcp } from "../../src/net/tcp.ts";
import { throttle } from "../../src/net/throttle.ts";
import { TokenBucket } from "../../src/policy/token_bucket.ts";
import { FakePeer } from "../support/fake_peer.ts";
import type { MadeTorrent } from "../support/make_torrent.ts";
import { TempFolder } from "../support/temp_folder.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

const RATES = [10 * KIB, 100 * KIB, MIB, 10 * MIB, 100 * MIB];

/** What the limit may be missed by. */
const TOLERANCE = 0.05;

const MEASURED_MS = 10_000;

/** A torrent of zeros, which need no memory. */
function zeros(length: number): MadeTorrent {
  const pieceLength = 256 * KIB;
  const count = Math.ceil(length / pieceLength);
  const hash = sha1(new Uint8Array(pieceLength));
  const pieces = new Uint8Array(count * hash.length);
  for (let i = 0; i < count; i++) pieces.set(hash, i * hash.length);
  const bytes = encodeBencode({
    info: {
      name: "zeros",
      "piece length": pieceLength,
      pieces,
      length: count * pieceLength,
    },
  });
  return {
    bytes,
    metainfo: parseMetainfo(bytes),
    payload: new Uint8Array(),
    files: new Map(),
  };
}

/** Checks what went through in ten seconds, the first moments included. */
function judge(
  rate: number,
  { bytes, ms, underWay = 0 }: { bytes: number; ms: number; underWay?: number },
): void {
  const wanted = rate * ms / 1000;
  // deno-lint-ignore no-console
  console.log(`${(100 * bytes / wanted).toFixed(1)} %`);
  assertLessOrEqual(bytes, wanted * (1 + TOLERANCE));
  assertGreaterOrEqual(bytes + underWay, wanted * (1 - TOLERANCE));
}

/** What a session downloads from so many peers, each faster than its limit. */
async function download(rate: number, peers: number): Promise<void> {
  const made = zeros(rate * 13);
  const block = new Uint8Array(16 * KIB);
  using folder = new TempFolder();
  await using session = new Session({
    listenPorts: [0],
    maxDownloadRate: rate,
  });
  const seeds = Array.from(
    { length: peers },
    () => new FakePeer(made, { serve: () => block }),
  );
  const torrent = session.add(made.metainfo, {
    places: (metainfo) => placeFiles(metainfo, { folder: folder.path }),
    trackers: [],
    peers: seeds.map(({ endpoint }) => endpoint),
    maxPeers: 50,
    canRead: true,
    canWrite: true,
    mustCheckAll: false,
    mayOverwrite: false,
    isCheckOnly: false,
  })!;
  const stop = new AbortController();
  const running = torrent.run({ signal: stop.signal }).catch((error) => {
    if (!stop.signal.aborted) throw error;
  });
  const { bytes, ms } = await measure(() => torrent.stats());
  stop.abort();
  await running;
  for (const seed of seeds) await seed[Symbol.asyncDispose]();
  // Whole blocks are counted, and each peer has one under way.
  judge(rate, { bytes, ms, underWay: peers * 16 * KIB });
}

async function measure(
  stats: () => TorrentStats,
): Promise<{ bytes: number; ms: number }> {
  while (stats().serving === 0) await delay(1);
  const startedAt = performance.now();
  await delay(MEASURED_MS);
  const { receivedBytes } = stats();
  return { bytes: receivedBytes, ms: performance.now() - startedAt };
}

/** What so many connections send that share a limit. */
async function upload(rate: number, count: number): Promise<void> {
  const limits = { download: [], upload: [new TokenBucket(rate)] };
  using listener = listenTcp({ ports: [0], hostname: "127.0.0.1" })!;
  const { signal } = new AbortController();
  let bytes = 0;
  let hasEnded = false;
  const tasks: Promise<void>[] = [];
  const accepted = listener.connections();
  const startedAt = performance.now();
  for (let i = 0; i < count; i++) {
    const endpoint = { hostname: "127.0.0.1", port: listener.port };
    const ours = throttle(await dialTcp(endpoint, { signal }), limits);
    const theirs = (await accepted.next()).value!;
    tasks.push(
      (async () => {
        // Blocks with their headers, four at a time.
        const chunk = new Uint8Array(4 * (16 * KIB + 13));
        while (!hasEnded) await ours.write(chunk);
      })().catch(() => ours.close()),
    );
    tasks.push(
      (async () => {
        const buffer = new Uint8Array(256 * KIB);
        for (;;) {
          const length = await theirs.read(buffer);
          if (length === null || hasEnded) return theirs.close();
          bytes += length;
        }
      })().catch(() => theirs.close()),
    );
    tasks.push(
      delay(MEASURED_MS).then(() => {
        hasEnded = true;
        ours.close();
      }),
    );
  }
  await delay(MEASURED_MS - (performance.now() - startedAt));
  judge(rate, { bytes, ms: performance.now() - startedAt });
  await Promise.all(tasks);
}

// Three minutes and a half of waiting: the clock of the others is a number.
if (Deno.env.get("BTGET_TEST_SOAK") === "1") {
  Deno.test("A session receives at the rate it is limited to", async (t) => {
    for (const rate of RATES) {
      for (const peers of [1, 8]) {
        await t.step(
          `${rate / KIB} KiB/s from ${peers} peers`,
          () => download(rate, peers),
        );
      }
    }
  });

  Deno.test("Connections send at the rate they are limited to", async (t) => {
    for (const rate of RATES) {
      for (const count of [1, 8]) {
        await t.step(
          `${rate / KIB} KiB/s over ${count} connections`,
          () => upload(rate, count),
        );
      }
    }
  });
}
