/**
 * `FileTrees`: where the hash trees of a torrent's files stand, and which parts
 * of them peers may ask each other for (BEP 52). Pure.
 *
 * @module
 */

import type { TorrentFile } from "./file_list.ts";
import { BLOCK_LENGTH, type PieceLayout } from "./layout.ts";
import { nodeLevel, pieceLevel, treeHeight } from "./merkle.ts";
import { encodeHex } from "@std/encoding/hex";

/** The tree of one file. Files that are the same have one tree. */
export interface FileTree {
  /** Its root. */
  readonly piecesRoot: Uint8Array;
  /** The position of the first file that has it. */
  readonly file: number;
  /** The first piece of that file. */
  readonly firstPiece: number;
  /** How many pieces that file has. */
  readonly pieceCount: number;
  /** How many blocks that file has. */
  readonly blockCount: number;
  /** The level of the root. */
  readonly height: number;
}

/** A piece, in the tree of its file. */
export interface PieceInTree {
  /** The tree. */
  readonly tree: FileTree;
  /** Which piece of the file it is, from 0. */
  readonly at: number;
  /** The level of the node that stands for it. */
  readonly level: number;
  /** How many blocks it has. */
  readonly blockCount: number;
}

/** The hash trees of one torrent. */
export class FileTrees {
  /** The level of the piece layers. */
  readonly pieceLevel: number;
  readonly #layout: PieceLayout;
  readonly #byRoot = new Map<string, FileTree>();
  readonly #byFile = new Map<number, FileTree>();

  /**
   * Finds the trees.
   *
   * @param layout Where the files lie; pieces are as long as v2 wants it.
   * @param files The files; those without a root have no tree.
   */
  constructor(layout: PieceLayout, files: readonly TorrentFile[]) {
    this.#layout = layout;
    this.pieceLevel = pieceLevel(layout.pieceLength);
    files.forEach(({ piecesRoot, length }, file) => {
      if (!piecesRoot || length === 0) return;
      const { first, end } = layout.filePieces(file);
      const tree = {
        piecesRoot,
        file,
        firstPiece: first,
        pieceCount: end - first,
        blockCount: Math.ceil(length / BLOCK_LENGTH),
        height: treeHeight(length),
      };
      this.#byFile.set(file, tree);
      const key = encodeHex(piecesRoot);
      // Of two lengths that claim one root, one is wrong: nobody can serve it.
      if (!this.#byRoot.has(key)) this.#byRoot.set(key, tree);
    });
  }

  /** Every tree, once. */
  get all(): Iterable<FileTree> {
    return this.#byRoot.values();
  }

  /**
   * The tree with a root.
   *
   * @param piecesRoot Any bytes.
   * @returns The tree, if the torrent has it.
   */
  of(piecesRoot: Uint8Array): FileTree | undefined {
    return this.#byRoot.get(encodeHex(piecesRoot));
  }

  /**
   * A piece, in the tree of its file.
   *
   * @param index The piece.
   * @returns Where it stands; nowhere if it is of no file.
   */
  pieceAt(index: number): PieceInTree | undefined {
    const layout = this.#layout;
    const [span] = layout.spans(layout.pieceOffset(index), 1);
    const tree = this.#byFile.get(span!.file);
    if (!tree) return undefined;
    const at = index - tree.firstPiece;
    const level = nodeLevel(layout.fileLength(span!.file), layout.pieceLength);
    const perPiece = 2 ** this.pieceLevel;
    const blockCount = Math.min(perPiece, tree.blockCount - at * perPiece);
    return { tree, at, level, blockCount };
  }
}
