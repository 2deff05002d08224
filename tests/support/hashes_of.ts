/**
 * The hashes that an honest peer gives of a made torrent (BEP 52).
 *
 * @module
 */

import { hashesEqual, SHA256_LENGTH } from "../../src/bytes/hash.ts";
import {
  leavesOf,
  makeProof,
  padNode,
  rowAbove,
  treeHeight,
} from "../../src/metainfo/merkle.ts";
import { type HashRange, uncleCount } from "../../src/wire/hash_range.ts";
import type { MadeTorrent } from "./make_torrent.ts";
import { concat } from "@std/bytes/concat";

/**
 * What an honest peer answers to a request for hashes.
 *
 * @param made The torrent.
 * @param range What is asked for: of the piece layer, or leaves.
 * @returns The hashes, and the uncles that prove them.
 */
export function hashesOf(made: MadeTorrent, range: HashRange): Uint8Array {
  const { metainfo: { files, layout }, payload } = made;
  const file = files.findIndex(({ piecesRoot }) =>
    piecesRoot && hashesEqual(piecesRoot, range.piecesRoot)
  );
  const begin = layout.fileOffset(file);
  const length = layout.fileLength(file);
  let row = leavesOf(payload.subarray(begin, begin + length));
  for (let level = 0; level < range.baseLayer; level++) {
    row = rowAbove(row, level);
  }
  const nodes = Array.from({ length: range.length }, (_, i) => {
    const at = (range.index + i) * SHA256_LENGTH;
    return at < row.length
      ? row.subarray(at, at + SHA256_LENGTH)
      : padNode(range.baseLayer);
  });
  const proof = makeProof(row, {
    level: range.baseLayer,
    index: range.index,
    count: range.length,
    height: treeHeight(length),
  });
  return concat([
    ...nodes,
    proof.subarray(0, uncleCount(range) * SHA256_LENGTH),
  ]);
}
