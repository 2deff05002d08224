/**
 * `Metainfo` → the bytes of a .torrent file (BEP 3, 5, 12, 19). Pure.
 *
 * The info dictionary goes in as it is written: any other bytes would be
 * another torrent.
 *
 * @module
 */

import { type BencodeInput, encodeBencode } from "../bytes/bencode.ts";
import type { Metainfo } from "./metainfo.ts";
import { concat } from "@std/bytes/concat";

/**
 * Writes a .torrent file.
 *
 * @param metainfo What it says.
 * @returns The file.
 */
export function encodeTorrent(metainfo: Metainfo): Uint8Array {
  const { announceTiers, webSeeds, nodes } = metainfo;
  const [first] = announceTiers.flat();
  const isList = announceTiers.flat().length > 1;
  // The keys stand in the order that BEP 3 wants.
  const before: Record<string, BencodeInput | undefined> = {
    announce: first,
    "announce-list": isList
      ? announceTiers.map((tier) => [...tier])
      : undefined,
    comment: metainfo.comment,
    "created by": metainfo.createdBy,
    "creation date": metainfo.creationDate,
  };
  const after: Record<string, BencodeInput | undefined> = {
    nodes: nodes.length > 0
      ? nodes.map(({ hostname, port }) => [hostname, port])
      : undefined,
    "url-list": webSeeds.length > 0 ? [...webSeeds] : undefined,
  };
  return concat([
    // A dictionary without its last byte goes on, without its first it ends.
    encodeBencode(before).subarray(0, -1),
    encodeBencode("info"),
    metainfo.infoBytes,
    encodeBencode(after).subarray(1),
  ]);
}
