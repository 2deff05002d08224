import { sha256, SHA256_LENGTH } from "../../src/bytes/hash.ts";
import { BLOCK_LENGTH } from "../../src/metainfo/layout.ts";
import {
  checkProof,
  LeafHasher,
  leavesOf,
  makeProof,
  merkleRoot,
  padNode,
  pieceLevel,
  rowAbove,
  treeHeight,
} from "../../src/metainfo/merkle.ts";
import vectors from "../../testdata/merkle_vectors.json" with { type: "json" };
import { assert, assertEquals, assertThrows } from "@std/assert";
import { concat } from "@std/bytes/concat";
import { decodeHex, encodeHex } from "@std/encoding/hex";

const { nodes } = vectors;
const LEAVES = nodes.leaves.map((hex) => decodeHex(hex));

/** A row of the leaves with these letters. */
function row(letters: string): Uint8Array {
  return concat(letters.split("").map((l) => LEAVES["abcdefgh".indexOf(l)]!));
}

function content(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => i % 251);
}

/** A file of so many blocks that all differ. */
function leavesOfBlocks(count: number): Uint8Array {
  return concat(Array.from(
    { length: count },
    (_, i) => sha256(Uint8Array.of(i, i >> 8)),
  ));
}

Deno.test("merkleRoot() hashes two children to a node", () => {
  assertEquals(encodeHex(merkleRoot(row("ab"))), nodes.ab);
  assertEquals(encodeHex(merkleRoot(row("cd"))), nodes.cd);
  assertEquals(encodeHex(merkleRoot(row("abcd"))), nodes.abcd);
  assertEquals(encodeHex(merkleRoot(row("efgh"))), nodes.efgh);
  assertEquals(encodeHex(merkleRoot(row("abcdefgh"))), nodes.root8);
  const second = concat([nodes.abcd, nodes.efgh].map((hex) => decodeHex(hex)));
  assertEquals(encodeHex(merkleRoot(second, { level: 2 })), nodes.root8);
});

Deno.test("merkleRoot() fills a row up with pads of its level", () => {
  assertEquals(encodeHex(merkleRoot(row("abcde"))), nodes.root5);
  const above = rowAbove(row("abcde"), 0);
  assertEquals(above.length, 3 * SHA256_LENGTH);
  assertEquals(encodeHex(merkleRoot(above, { level: 1 })), nodes.root5);
});

Deno.test("merkleRoot() of one node is that node, or one that is higher", () => {
  assertEquals(merkleRoot(row("a")), row("a"));
  assertEquals(
    merkleRoot(row("a"), { height: 2 }),
    merkleRoot(concat([row("a"), new Uint8Array(3 * SHA256_LENGTH)])),
  );
});

Deno.test("padNode() is the node over nothing but zeros", () => {
  vectors.pads.forEach((pad, level) => {
    assertEquals(encodeHex(padNode(level)), pad);
  });
  assertThrows(() => padNode(54), RangeError);
});

Deno.test("treeHeight() and pieceLevel() count levels above the blocks", () => {
  assertEquals(
    [1, 16_384, 16_385, 32_768, 32_769, 65_536, 65_537, 2 ** 53].map(
      treeHeight,
    ),
    [0, 0, 1, 1, 2, 2, 3, 39],
  );
  assertEquals([16_384, 32_768, 2 ** 24].map(pieceLevel), [0, 1, 10]);
});

Deno.test("leavesOf() and merkleRoot() give the roots and layers of files", () => {
  for (const { size, root, torrents } of vectors.contents) {
    const leaves = leavesOf(content(size));
    assertEquals(
      leaves.length,
      Math.ceil(size / BLOCK_LENGTH) * SHA256_LENGTH,
    );
    if (root === null) continue;
    assertEquals(encodeHex(merkleRoot(leaves)), root, `size ${size}`);
    for (const { pieceLength, layerLength, layer } of torrents) {
      if (size <= pieceLength) {
        assertEquals(layerLength, 0);
        continue;
      }
      const top = pieceLevel(pieceLength);
      let layerRow = leaves;
      for (let level = 0; level < top; level++) {
        layerRow = rowAbove(layerRow, level);
      }
      assertEquals(layerRow.length, layerLength);
      assertEquals(encodeHex(sha256(layerRow)), layer);
      assertEquals(encodeHex(merkleRoot(layerRow, { level: top })), root);
    }
  }
});

/** Every proof of a file of so many blocks. */
function* proofs(blocks: number) {
  let nodes = leavesOfBlocks(blocks);
  const root = merkleRoot(nodes);
  const height = treeHeight(blocks * BLOCK_LENGTH);
  for (let level = 0; level <= height; level++) {
    if (level > 0) nodes = rowAbove(nodes, level - 1);
    const width = 2 ** (height - level);
    const padded = concat([
      nodes,
      ...Array.from(
        { length: width - nodes.length / SHA256_LENGTH },
        () => padNode(level),
      ),
    ]);
    for (let count = 1; count <= width; count *= 2) {
      for (let index = 0; index < width; index += count) {
        const where = { level, index, height };
        const uncles = makeProof(nodes, { ...where, count });
        const some = padded.slice(
          index * SHA256_LENGTH,
          (index + count) * SHA256_LENGTH,
        );
        yield { root, proof: { ...where, nodes: some, uncles } };
      }
    }
  }
}

Deno.test("makeProof() makes what checkProof() takes, for every subtree", () => {
  let count = 0;
  for (const blocks of [1, 2, 3, 4, 5, 7, 8, 9, 16, 17]) {
    for (const { root, proof } of proofs(blocks)) {
      assert(checkProof(root, proof), JSON.stringify([blocks, proof.index]));
      count++;
    }
  }
  assert(count > 300);
});

Deno.test("checkProof() refuses what does not lead to the root", () => {
  for (const { root, proof } of proofs(11)) {
    const { nodes, uncles, index, level, height } = proof;
    const refuse = (wrong: Partial<typeof proof>, why: string) =>
      assert(!checkProof(root, { ...proof, ...wrong }), why);
    const damaged = (bytes: Uint8Array, at: number) =>
      bytes.with(at, bytes[at]! ^ 1);
    refuse({ nodes: damaged(nodes, nodes.length - 1) }, "a wrong node");
    refuse({ nodes: nodes.subarray(1) }, "a part of a node");
    refuse({ nodes: new Uint8Array() }, "no node");
    refuse(
      { nodes: concat([nodes, nodes, nodes]) },
      "nodes that are no subtree",
    );
    for (let at = 0; at < uncles.length; at += SHA256_LENGTH) {
      refuse({ uncles: damaged(uncles, at) }, "a wrong uncle");
    }
    refuse({ uncles: concat([uncles, padNode(0)]) }, "too many uncles");
    if (uncles.length > 0) {
      refuse({ uncles: uncles.subarray(1) }, "a part of an uncle");
      refuse({ uncles: uncles.subarray(SHA256_LENGTH) }, "too few uncles");
    }
    if (nodes.some((byte) => byte !== 0)) {
      refuse({ nodes: new Uint8Array(nodes.length) }, "zeros");
    }
    refuse({ index: 2 ** (height - level) + index }, "beyond the file");
    if (nodes.length > SHA256_LENGTH) {
      refuse({ index: index + 1 }, "nodes of two subtrees");
    }
    assert(!checkProof(padNode(height), proof), "another root");
  }
});

Deno.test("LeafHasher makes the leaves of leavesOf(), however it is fed", () => {
  const lengths = [0, 1, 16_383, 16_384, 16_385, 32_768, 50_000];
  const steps = [1000, 16_383, 16_384, 16_385, 32_768, 100_000];
  for (const length of lengths) {
    const bytes = content(length);
    for (const step of steps) {
      const hasher = new LeafHasher(length);
      for (let at = 0; at < length; at += step) {
        const part = bytes.slice(at, at + step);
        hasher.update(part);
        part.fill(0);
        // Nothing is told of a leaf before it is complete.
        const end = Math.min(at + step, length);
        const whole = end === length ? end : end - end % BLOCK_LENGTH;
        assertEquals(hasher.leaves, leavesOf(bytes.subarray(0, whole)));
      }
      // A pad follows, and is no part of the file.
      hasher.update(new Uint8Array(20_000));
      assertEquals(hasher.leaves, leavesOf(bytes), `${length} by ${step}`);
    }
  }
});
