/**
 * `Metainfo` → the bytes of a .torrent file (BEP 3, 5, 12, 17, 19, 52). Pure.
 *
 * The info dictionary goes in as it is written: any other bytes would be
 * another torrent.
 *
 * @module
 */

import { type BencodeInput, encodeBencode, latin1 } from "../bytes/bencode.ts";
import type { Metainfo } from "./metainfo.ts";
import { concat } from "@std/bytes/concat";
import { decodeHex } from "@std/encoding/hex";

/**
 * Writes a .torrent file.
 *
 * @param metainfo What it says.
 * @returns The file.
 */
export function encodeTorrent(metainfo: Metainfo): Uint8Array {
  const { announceTiers, webSeeds, httpSeeds, nodes, pieceLayers } = metainfo;
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
    httpseeds: httpSeeds.length > 0 ? [...httpSeeds] : undefined,
  };
  const after: Record<string, BencodeInput | undefined> = {
    nodes: nodes.length > 0
      ? nodes.map(({ hostname, port }) => [hostname, port])
      : undefined,
    "piece layers": metainfo.metaVersion === 2
      ? new Map(
        [...pieceLayers].map(([root, layer]) =>
          [latin1(decodeHex(root)), layer] as const
        ),
      )
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
