/**
 * The nodes that are kept between two runs, and the bytes of that file (BEP 5:
 * "The routing table should be saved between invocations"). Pure.
 *
 * @module
 */

import { bytesAt, decodeBencode, encodeBencode } from "../bytes/bencode.ts";
import type { AddressFamily } from "../bytes/endpoint.ts";
import { HASH_LENGTH } from "../bytes/hash.ts";
import { BencodeError } from "../errors.ts";
import { decodeNodes, encodeNodes, type NodeContact } from "./node_contact.ts";

/** Nobody needs more to find in again. */
const MAX_SAVED_NODES = 200;

/** Both families in full have 12,880 bytes and a few more. */
const MAX_FILE_LENGTH = 64 * 1024;

/** What is kept of one family. */
export interface SavedNetwork {
  /** Our own id. */
  id: Uint8Array | undefined;
  /** Nodes that answered. */
  nodes: readonly NodeContact[];
}

/** What is kept. */
export type SavedNodes = Readonly<Record<AddressFamily, SavedNetwork>>;

/**
 * Writes what is to be kept.
 *
 * @param saved What.
 * @returns The bytes of the file.
 */
export function encodeSavedNodes(saved: SavedNodes): Uint8Array {
  const nodes = (family: AddressFamily) =>
    encodeNodes(saved[family].nodes.slice(0, MAX_SAVED_NODES));
  return encodeBencode({
    id: saved[4].id,
    id6: saved[6].id,
    nodes: nodes(4),
    nodes6: nodes(6),
  });
}

/**
 * Reads what was kept.
 *
 * @param bytes The bytes of the file, whatever they are by now.
 * @returns What it says; nothing if it is broken.
 */
export function decodeSavedNodes(bytes: Uint8Array): SavedNodes {
  const nothing = { id: undefined, nodes: [] };
  if (bytes.length > MAX_FILE_LENGTH) return { 4: nothing, 6: nothing };
  try {
    const file = decodeBencode(bytes.slice());
    if (!(file instanceof Map)) return { 4: nothing, 6: nothing };
    const network = (family: AddressFamily): SavedNetwork => {
      const suffix = family === 4 ? "" : "6";
      const id = bytesAt(file, `id${suffix}`);
      const nodes = bytesAt(file, `nodes${suffix}`) ?? new Uint8Array();
      const limit = MAX_SAVED_NODES;
      return {
        id: id?.length === HASH_LENGTH ? id.slice() : undefined,
        nodes: decodeNodes(nodes, { family, limit }),
      };
    };
    return { 4: network(4), 6: network(6) };
  } catch (error) {
    if (!(error instanceof BencodeError)) throw error;
    return { 4: nothing, 6: nothing };
  }
}
