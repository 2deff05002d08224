import { assert, assertEquals } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { Bitfield } from "../../src/bytes/bitfield.ts";
import { ProtocolError } from "../../src/errors.ts";
import { FileTrees } from "../../src/metainfo/file_trees.ts";
import { HashPicker, type HashRequest } from "../../src/policy/hash_picker.ts";
import type { HashRange } from "../../src/wire/hash_range.ts";
import { hashesOf } from "../support/hashes_of.ts";
import { makeForm } from "../support/make_form.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";

const RUNS = 5_000;
const KIB = 1024;

const MADE = makeForm({
  form: "v2",
  files: { a: 150 * KIB, b: 20 * KIB, c: 33 * KIB, d: 600 * KIB },
  pieceLength: 16 * KIB,
});

const { layout, files, pieceLayers } = MADE.metainfo;

/** The honest answers, which are the same in every run. */
const answers = new Map<string, Uint8Array>();

function answerTo(range: HashRange): Uint8Array {
  const { piecesRoot, ...numbers } = range;
  const key = encodeHex(piecesRoot) + JSON.stringify(numbers);
  const answer = answers.get(key) ?? hashesOf(MADE, range);
  answers.set(key, answer);
  return answer;
}

/** Honest, a liar, one that rejects, is silent, or says anything. */
const KINDS = ["honest", "liar", "rejecter", "silent", "babbler"] as const;

interface TestPeer {
  kind: typeof KINDS[number];
}

/**
 * Whoever comes, goes, lies, rejects, is silent or babbles: no layer is taken
 * that is not right, nobody honest is called a liar, nothing but `ProtocolError`
 * is thrown and only about who babbles; and with one honest peer all layers
 * come in the end.
 */
Deno.test("HashPicker takes what is right from anybody, and nothing else", () => {
  for (let seed = 1; seed <= RUNS; seed++) {
    const random = seededRandom(seed);
    const below = (limit: number) => Math.floor(random() * limit);
    const trees = new FileTrees(layout, files);
    const layers = new Map<string, Uint8Array>();
    const liars = new Set<TestPeer>();
    const picker = new HashPicker<TestPeer>(trees, {
      onLayer: ({ piecesRoot }, layer) => {
        assert(!layers.has(encodeHex(piecesRoot)), `seed ${seed}`);
        layers.set(encodeHex(piecesRoot), layer);
      },
      onLeaves: () => {},
      onNoLeaves: () => {},
      onLiar: (peer) => liars.add(peer),
    });
    for (const tree of trees.all) {
      if (tree.pieceCount > 1) picker.wantLayer(tree);
    }
    const peers = new Set<TestPeer>();
    const join = (peer: TestPeer) => {
      const have = new Bitfield(layout.pieceCount);
      const share = random();
      if (share < 0.5) have.fill();
      else if (share < 0.8) have.add(below(layout.pieceCount));
      peers.add(peer);
      picker.join(peer, have);
    };
    const leave = (peer: TestPeer) => {
      peers.delete(peer);
      picker.leave(peer);
    };
    let now = 0;
    let asked: HashRequest<TestPeer>[] = [];
    const reply = ({ peer, range }: HashRequest<TestPeer>) => {
      if (!peers.has(peer)) return;
      const right = answerTo(range);
      switch (peer.kind) {
        case "honest":
          return picker.received(peer, { ...range, hashes: right });
        case "liar": {
          const hashes = right.slice();
          hashes[below(hashes.length)]! ^= 1 << below(8);
          return picker.received(peer, { ...range, hashes });
        }
        case "rejecter":
          return picker.rejected(peer, { range, now });
        case "babbler": {
          const other = {
            ...range,
            index: below(64),
            length: 2 ** below(7),
            proofLayers: below(8),
          };
          const hashes = randomBytes(32 * below(20), random);
          if (random() < 0.5) {
            return picker.rejected(peer, { range: other, now });
          }
          return picker.received(peer, { ...other, hashes });
        }
      }
    };
    const step = () => {
      const rest: HashRequest<TestPeer>[] = [];
      for (const request of asked) {
        if (random() < 0.3) {
          rest.push(request);
          continue;
        }
        try {
          reply(request);
        } catch (error) {
          assert(error instanceof ProtocolError, `seed ${seed}: ${error}`);
          assertEquals(request.peer.kind, "babbler", `seed ${seed}`);
          leave(request.peer);
        }
      }
      for (const liar of liars) peers.delete(liar);
      now += below(3_000);
      asked = [...rest, ...picker.tick(now)];
      for (const { peer } of asked) {
        assert(!liars.has(peer) || !peers.has(peer));
      }
    };
    for (let i = 0; i < 30; i++) {
      if (random() < 0.4) join({ kind: KINDS[below(KINDS.length)]! });
      const [oldest] = peers;
      if (oldest && random() < 0.1) leave(oldest);
      step();
    }
    join({ kind: "honest" });
    for (let i = 0; i < 2_000 && layers.size < pieceLayers.size; i++) step();
    assertEquals(layers, pieceLayers, `seed ${seed}`);
    for (const liar of liars) {
      assert(liar.kind === "liar" || liar.kind === "babbler", `seed ${seed}`);
    }
  }
});
