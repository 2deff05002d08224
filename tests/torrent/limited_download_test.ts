import { assert, assertEquals } from "@std/assert";
import { Bitfield } from "../../src/bytes/bitfield.ts";
import { NetworkError } from "../../src/errors.ts";
import {
  type Block,
  BLOCK_LENGTH,
  PieceLayout,
} from "../../src/metainfo/layout.ts";
import { PieceHashes } from "../../src/metainfo/piece_hashes.ts";
import { throttle } from "../../src/net/throttle.ts";
import { Peer } from "../../src/peer/peer.ts";
import { PiecePicker } from "../../src/policy/piece_picker.ts";
import { TokenBucket } from "../../src/policy/token_bucket.ts";
import type { FileStorage } from "../../src/storage/file_storage.ts";
import { PieceStore } from "../../src/storage/piece_store.ts";
import { Download } from "../../src/torrent/download.ts";
import { encodeMessages, type Message } from "../../src/wire/message.ts";
import { MessageDecoder } from "../../src/wire/message_stream.ts";
import { FakeTime } from "../support/fake_time.ts";
import {
  type MemoryConnection,
  memoryConnections,
} from "../support/memory_connection.ts";
import { seededRandom } from "../support/seeded_random.ts";

const KIB = 1024;
const TICK_MS = 100;

/** Counts blocks, and keeps none. */
class CountingStore extends PieceStore {
  blocks = 0;

  constructor(layout: PieceLayout) {
    super(layout, {
      hashes: PieceHashes.ofV1(layout, new Uint8Array()),
      storage: {} as FileStorage,
      have: new Bitfield(layout.pieceCount),
      handler: { onPiece: () => {} },
    });
  }

  override add(): void {
    this.blocks++;
  }

  override discard(): void {}

  override drained(): undefined {}
}

/** The other end: a seed that answers at once, and notes what is asked. */
class Seed {
  readonly requests: Block[] = [];
  cancels = 0;
  readonly #connection: MemoryConnection;
  readonly #pieceCount: number;

  constructor(connection: MemoryConnection, pieceCount: number) {
    this.#connection = connection;
    this.#pieceCount = pieceCount;
  }

  async run(): Promise<void> {
    const all = new Bitfield(this.#pieceCount);
    all.fill();
    await this.#say({ type: "bitfield", bitfield: all.bytes });
    await this.#say({ type: "unchoke" });
    const decoder = new MessageDecoder(this.#pieceCount);
    const buffer = new Uint8Array(4096);
    for (;;) {
      const count = await this.#connection.read(buffer);
      if (count === null) return;
      for (const message of decoder.push(buffer.subarray(0, count))) {
        if (message.type === "cancel") this.cancels++;
        if (message.type !== "request") continue;
        this.requests.push(message);
        const block = new Uint8Array(message.length);
        await this.#say({ ...message, type: "piece", block });
      }
    }
  }

  async #say(message: Message): Promise<void> {
    await this.#connection.write(encodeMessages([message]));
  }
}

/** Lets a limited download run. */
async function run(
  options: { rate: number; seeds: number; ms: number },
): Promise<{ seeds: Seed[]; blocks: number }> {
  using time = new FakeTime();
  const layout = new PieceLayout(4 * BLOCK_LENGTH, [64 * KIB * KIB]);
  const wanted = new Bitfield(layout.pieceCount);
  wanted.fill();
  const store = new CountingStore(layout);
  const download = new Download(layout, {
    store,
    picker: new PiecePicker(layout, {
      wanted,
      maxOpen: 100,
      random: seededRandom(1),
    }),
    handler: {
      onPiece: () => {},
      onGained: () => {},
      onMismatch: () => {},
      onLiar: () => assert(false, "nobody lies"),
      onOtherLiar: () => {},
      onFailure: (error) => {
        throw error;
      },
    },
  });
  const limits = { download: [new TokenBucket(options.rate)], upload: [] };
  const stop = new AbortController();
  const ending: Promise<void>[] = [];
  const ignoreEnd = (error: unknown) => {
    if (error !== stop.signal.reason && !(error instanceof NetworkError)) {
      throw error;
    }
  };
  const seeds = Array.from({ length: options.seeds }, () => {
    const [inner, theirs] = memoryConnections({ capacity: KIB * KIB });
    const peer = new Peer({
      connection: throttle(inner, limits),
      peerId: new Uint8Array(20),
      reserved: new Uint8Array(8),
      pieceCount: layout.pieceCount,
      isIncoming: false,
    });
    const seed = new Seed(theirs, layout.pieceCount);
    download.join(peer);
    ending.push(seed.run().catch(ignoreEnd));
    ending.push(
      peer.run({
        onMessages: (peer, messages) => download.receive(peer, messages),
      }, { signal: stop.signal }).catch(ignoreEnd).finally(() =>
        theirs.close()
      ),
    );
    return seed;
  });
  for (let ms = 0; ms < options.ms; ms += TICK_MS) {
    await time.advance(TICK_MS);
    download.tick(time.now);
  }
  const { blocks } = store;
  stop.abort();
  await Promise.all(ending);
  return { seeds, blocks };
}

function assertAskedOnce(seeds: Seed[]): void {
  const asked = seeds.flatMap(({ requests }) =>
    requests.map(({ index, begin }) => `${index}:${begin}`)
  );
  assertEquals(new Set(asked).size, asked.length);
  assertEquals(seeds.map(({ cancels }) => cancels), seeds.map(() => 0));
}

Deno.test("A limited download asks for every block once", async () => {
  const [rate, seconds] = [20 * KIB, 22];
  const { seeds, blocks } = await run({ rate, seeds: 3, ms: seconds * 1000 });
  assertAskedOnce(seeds);
  // Whole blocks; from each seed one more is under way.
  const bytes = blocks * BLOCK_LENGTH;
  assert(bytes <= 1.05 * seconds * rate, `${bytes}`);
  assert(bytes + 3 * BLOCK_LENGTH >= 0.95 * seconds * rate, `${bytes}`);
});

Deno.test("A limited download blames no peer for what its limit keeps back", async () => {
  // A block takes 26 seconds from each: longer than a snub.
  const { seeds } = await run({ rate: 10 * KIB, seeds: 16, ms: 45_000 });
  assertAskedOnce(seeds);
});
