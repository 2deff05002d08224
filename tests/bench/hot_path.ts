/**
 * What a download costs beyond the kernel's part of it: a peer in memory
 * answers at once, and nothing is written. Beside it the hash alone.
 *
 *     deno run --allow-env tests/bench/hot_path.ts [--runs=5] [--mib=1024]
 *       [--piece-kib=256] [--peers=1]
 *
 * @module
 */

import { Bitfield } from "../../src/bytes/bitfield.ts";
import { sha1 } from "../../src/bytes/hash.ts";
import { BLOCK_LENGTH } from "../../src/metainfo/layout.ts";
import { PieceHashes } from "../../src/metainfo/piece_hashes.ts";
import type { Connection } from "../../src/net/connection.ts";
import { Peer } from "../../src/peer/peer.ts";
import { PiecePicker } from "../../src/policy/piece_picker.ts";
import type { FileStorage } from "../../src/storage/file_storage.ts";
import { PieceStore } from "../../src/storage/piece_store.ts";
import { Download } from "../../src/torrent/download.ts";
import { ourReserved } from "../../src/wire/handshake.ts";
import {
  encodeMessages,
  PIECE_HEADER_LENGTH,
  PREFIX_LENGTH,
} from "../../src/wire/message.ts";
import { BLOCK, evenBytes, evenTorrent } from "./support/even_torrent.ts";
import { parseArgs } from "@std/cli/parse-args";
import process from "node:process";

const KIB = 1024;
const MIB = KIB * KIB;
const FRAME_LENGTH = PREFIX_LENGTH + PIECE_HEADER_LENGTH + BLOCK_LENGTH;
const REQUEST_LENGTH = 17;
const REQUEST_ID = 6;

/** A seed at the other end of nothing: what it is asked for is there at once. */
class MemorySeed implements Connection {
  readonly remote = { hostname: "127.0.0.1", port: 1 };
  readonly writingSince = undefined;
  readonly heldMs = 0;
  readonly #frame = encodeMessages([
    { type: "piece", index: 0, begin: 0, block: BLOCK },
  ]).slice();
  /** What was asked for: index and begin. */
  readonly #asked: Uint8Array[] = [];
  #at = 0;
  #sent = 0;
  #greeting: Uint8Array | undefined = encodeMessages([
    { type: "have_all" },
    { type: "unchoke" },
  ]).slice();
  #wake: (() => void) | undefined;
  #isClosed = false;

  async read(buffer: Uint8Array): Promise<number | null> {
    while (!this.#greeting && this.#at === this.#asked.length) {
      if (this.#isClosed) return null;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    if (this.#greeting) {
      const { length } = this.#greeting;
      buffer.set(this.#greeting);
      this.#greeting = undefined;
      return length;
    }
    let filled = 0;
    while (filled < buffer.length && this.#at < this.#asked.length) {
      this.#frame.set(this.#asked[this.#at]!, PREFIX_LENGTH + 1);
      const part = this.#frame.subarray(
        this.#sent,
        this.#sent + buffer.length - filled,
      );
      buffer.set(part, filled);
      filled += part.length;
      this.#sent += part.length;
      if (this.#sent < FRAME_LENGTH) break;
      this.#sent = 0;
      this.#at++;
    }
    if (this.#at === this.#asked.length) {
      this.#asked.length = 0;
      this.#at = 0;
    }
    return filled;
  }

  write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const length = PREFIX_LENGTH +
        new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(0);
      if (
        length === REQUEST_LENGTH && bytes[at + PREFIX_LENGTH] === REQUEST_ID
      ) {
        this.#asked.push(
          bytes.slice(at + PREFIX_LENGTH + 1, at + PREFIX_LENGTH + 9),
        );
      }
      at += length;
    }
    this.#wake?.();
    return Promise.resolve();
  }

  close(): void {
    this.#isClosed = true;
    this.#wake?.();
  }
}

async function download(
  hashes: PieceHashes,
  peers: number,
): Promise<void> {
  const { layout } = hashes;
  const have = new Bitfield(layout.pieceCount);
  const done = Promise.withResolvers<void>();
  const picker = new PiecePicker(layout, {
    wanted: have.complement(),
    maxOpen: Download.maxOpenPieces(layout.pieceLength),
    random: Math.random,
  });
  const storage = { write: () => undefined, queuedBytes: 0 };
  const store = new PieceStore(layout, {
    hashes,
    have,
    storage: storage as unknown as FileStorage,
    handler: { onPiece: (outcome) => it.verdicts.onPiece(outcome) },
  });
  const it = new Download(layout, {
    store,
    picker,
    handler: {
      onPiece: () => picker.neededCount === 0 && done.resolve(),
      onMismatch: () => done.reject(new Error("Mismatch")),
      onGained: () => {},
      onLiar: () => {},
      onOtherLiar: () => {},
      onFailure: (error) => done.reject(error),
    },
  });
  const stop = new AbortController();
  const lives = Array.from({ length: peers }, () => {
    const peer = new Peer({
      connection: new MemorySeed(),
      peerId: new Uint8Array(20),
      reserved: ourReserved(),
      pieceCount: layout.pieceCount,
      isIncoming: false,
    });
    it.join(peer);
    return peer.run({
      onMessages: (peer, messages) => it.receive(peer, messages),
    }, { signal: stop.signal }).catch(() => {});
  });
  await done.promise;
  stop.abort();
  await Promise.all(lives);
}

async function cpuOf(work: () => Promise<void> | void): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

const options = parseArgs(Deno.args, {
  string: ["runs", "mib", "piece-kib", "peers"],
});
const pieceLength = Number(options["piece-kib"] ?? 256) * KIB;
const length = Number(options.mib ?? 1024) * MIB;
const torrent = evenTorrent({ pieceLength, length });
const hashes = PieceHashes.of(torrent);
const piece = evenBytes(pieceLength);
const costs: number[][] = [[], []];
for (let run = 0; run < Number(options.runs ?? 5); run++) {
  costs[0]!.push(
    await cpuOf(() => {
      for (let i = 0; i < torrent.layout.pieceCount; i++) sha1(piece);
    }),
  );
  costs[1]!.push(
    await cpuOf(() => download(hashes, Number(options.peers ?? 1))),
  );
}
for (const [i, name] of ["hash alone", "download"].entries()) {
  const perGib = costs[i]!.map((cost) =>
    (cost / length * 1024 * MIB).toFixed(2)
  );
  // deno-lint-ignore no-console
  console.log(name.padEnd(12), "CPU s/GiB", ...perGib);
}
