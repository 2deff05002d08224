/**
 * Theorems:
 *
 * - Whatever files there are, in whatever order they are found, the torrent
 *   made of them is read again, says the same of each, and has the same bytes
 *   from any order.
 * - Whatever is damaged in a torrent for v2, `parseMetainfo()` gives a sound
 *   metainfo or throws `MetainfoError` or `BencodeError`, and nothing else; and
 *   so does `findLints()` after it.
 * - Whatever nodes of a tree are asked for, `makeProof()` makes a proof that
 *   `checkProof()` takes, and a proof with a byte changed it does not take.
 */

import { SHA256_LENGTH } from "../../src/bytes/hash.ts";
import { BencodeError, MetainfoError } from "../../src/errors.ts";
import {
  createTorrent,
  type NewFile,
  planTorrent,
  type TorrentForm,
} from "../../src/metainfo/create.ts";
import { editTorrent } from "../../src/metainfo/edit.ts";
import { findLints } from "../../src/metainfo/lints.ts";
import {
  checkProof,
  makeProof,
  merkleRoot,
  rowAbove,
} from "../../src/metainfo/merkle.ts";
import { type Metainfo, parseMetainfo } from "../../src/metainfo/metainfo.ts";
import { PieceHashes } from "../../src/metainfo/piece_hashes.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";
import { assert, assertEquals } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";

const FORMS: readonly TorrentForm[] = ["v1", "v2", "hybrid"];
const NAMES = ["a", "b", "a.b", "a-", "A", "é", "\u{1f600}", "\u{ff5e}", "z z"];
const LENGTHS = [0, 1, 16_383, 16_384, 16_385, 65_536, 65_537, 200_000];

class Draw {
  constructor(readonly random: () => number) {}

  below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  shuffled<T>(items: readonly T[]): T[] {
    return items.map((item) => [this.random(), item] as const)
      .sort(([a], [b]) => a - b).map(([, item]) => item);
  }

  /** Files that can lie in one folder: no name is a file and a folder. */
  files(): NewFile[] {
    if (this.below(8) === 0) {
      return [{ path: [], length: this.of(LENGTHS), isExecutable: false }];
    }
    const taken = new Set<string>();
    return Array.from({ length: 1 + this.below(9) }, () => {
      const folders = Array.from(
        { length: this.below(3) },
        () => `d${this.of(NAMES)}`,
      );
      return [...folders, this.of(NAMES)];
    }).filter((path) => {
      const key = path.join("/");
      return !taken.has(key) && taken.add(key);
    }).map((path) => ({
      path,
      length: this.of(LENGTHS),
      isExecutable: this.below(5) === 0,
    }));
  }

  torrent(form: TorrentForm, files: readonly NewFile[]): Uint8Array {
    const pieceLength = this.of([16_384, 32_768, 65_536]);
    const plan = planTorrent(files, { form, pieceLength });
    const random = (length: number) =>
      randomBytes(plan.layout.pieceCount * length, seededRandom(9));
    return createTorrent(plan, {
      name: "n",
      hashes: form === "v2" ? undefined : random(20),
      nodes: form === "v1" ? undefined : random(32),
    });
  }
}

/** Runs one case after the other, and names the seed of the one that fails. */
function run(count: number, check: (draw: Draw) => void): void {
  for (let seed = 1; seed <= count; seed++) {
    try {
      check(new Draw(seededRandom(seed)));
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
}

Deno.test("createTorrent() makes what parseMetainfo() reads, from any order", () => {
  run(1500, (draw) => {
    const files = draw.files();
    const form = draw.of(FORMS);
    const state = draw.below(1000);
    const bytes = new Draw(seededRandom(state)).torrent(form, files);
    const again = new Draw(seededRandom(state))
      .torrent(form, draw.shuffled(files));
    assertEquals(encodeHex(again), encodeHex(bytes));
    const metainfo = parseMetainfo(bytes);
    const read = metainfo.files.filter(({ kind }) => kind === "file");
    const key = (path: readonly string[], length: number, x?: boolean) =>
      `${path.join("/")} ${length} ${x === true}`;
    assertEquals(
      read.map(({ path, length, isExecutable }) =>
        key(path.slice(metainfo.isMultiFile ? 1 : 0), length, isExecutable)
      ).sort(),
      files.map(({ path, length, isExecutable }) =>
        key(path.length > 0 ? path : ["n"], length, isExecutable)
      ).sort(),
    );
    if (metainfo.metaVersion === 2) {
      const long = read.filter(({ length }) =>
        length > metainfo.layout.pieceLength
      ).map(({ piecesRoot }) => encodeHex(piecesRoot!));
      assertEquals(metainfo.pieceLayers.size, new Set(long).size);
      for (const file of read) {
        assertEquals(file.piecesRoot !== undefined, file.length > 0);
        const at = metainfo.layout.fileOffset(metainfo.files.indexOf(file));
        if (file.length > 0) assert(at % metainfo.layout.pieceLength === 0);
      }
    }
    const edited = editTorrent(bytes, { comment: "x", announceTiers: [["u"]] });
    assertEquals(
      parseMetainfo(edited).infoBytes,
      metainfo.infoBytes,
    );
    assertEquals(editTorrent(bytes, {}), bytes);
  });
});

Deno.test("parseMetainfo() and findLints() stand damaged torrents for v2", () => {
  let [parsed, refused] = [0, 0];
  run(6000, (draw) => {
    const form = draw.of(FORMS.slice(1));
    const damaged = draw.torrent(form, draw.files()).slice();
    do {
      damaged[draw.below(damaged.length)] = draw.below(2) === 0
        ? draw.below(256)
        : draw.of([..."ilde0123456789:-"]).charCodeAt(0);
    } while (draw.below(3) > 0);
    try {
      const metainfo = parseMetainfo(damaged);
      const { layout, files } = metainfo;
      assertEquals(
        layout.length,
        files.reduce((sum, { length }) => sum + length, 0),
      );
      findLints(damaged, metainfo);
      checkHashes(metainfo, draw);
      parsed++;
    } catch (error) {
      if (!(error instanceof MetainfoError || error instanceof BencodeError)) {
        throw error;
      }
      refused++;
    }
  });
  assert(parsed > 300 && refused > 300, `${parsed} parsed, ${refused} refused`);
});

/** More pieces than this only take time. */
const MAX_CHECKED_PIECES = 1000;

/**
 * Of every piece it can be told whether it is right, or its layer is missing;
 * nothing is learned of garbage; and data is what files have.
 */
function checkHashes(metainfo: Metainfo, draw: Draw): void {
  const { layout, files } = metainfo;
  if (layout.pieceCount > MAX_CHECKED_PIECES) return;
  const hashes = PieceHashes.of(metainfo);
  let data = 0;
  for (let index = 0; index < layout.pieceCount; index++) {
    const [size, dataSize] = [layout.pieceSize(index), layout.dataSize(index)];
    assert(dataSize > 0 && dataSize <= size && size <= layout.pieceLength);
    assert(layout.servedSize(index) >= dataSize);
    data += dataSize;
    const isKnown = hashes.isKnown(index);
    assertEquals(hashes.unknown.has(index), !isKnown);
    if (isKnown) assertEquals(hashes.hasher(index).verdict(), "wrong");
  }
  assertEquals(layout.dataLength, data);
  assertEquals(
    files.reduce(
      (sum, { kind, length }) => sum + +(kind === "file") * length,
      0,
    ),
    data,
  );
  for (const file of hashes.filesWithoutLayer) {
    const { first, end } = layout.filePieces(file);
    assert(end - first > 1);
    const layer = randomBytes((end - first) * SHA256_LENGTH, draw.random);
    assertEquals(hashes.learn(files[file]!.piecesRoot!, layer), []);
  }
}

Deno.test("checkProof() takes what makeProof() makes, and nothing near it", () => {
  run(1500, (draw) => {
    const blocks = 1 + draw.below(40);
    const height = Math.ceil(Math.log2(blocks));
    let row = randomBytes(blocks * SHA256_LENGTH, draw.random);
    const root = merkleRoot(row);
    const level = draw.below(height + 1);
    for (let below = 0; below < level; below++) row = rowAbove(row, below);
    const nodes = row.length / SHA256_LENGTH;
    const count = 2 ** draw.below(Math.floor(Math.log2(nodes)) + 1);
    const index = draw.below(Math.floor(nodes / count)) * count;
    const where = { level, index, height };
    const uncles = makeProof(row, { ...where, count });
    const some = row.slice(
      index * SHA256_LENGTH,
      (index + count) * SHA256_LENGTH,
    );
    assert(checkProof(root, { ...where, nodes: some, uncles }));
    const wrong = draw.below(some.length + uncles.length);
    (wrong < some.length ? some : uncles)[
      wrong < some.length ? wrong : wrong - some.length
    ]! ^= 1 + draw.below(255);
    assert(!checkProof(root, { ...where, nodes: some, uncles }));
  });
});
