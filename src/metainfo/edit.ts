/**
 * Changes in a .torrent file, which leave every other byte of its values as it
 * is: above all the info dictionary, whose hash is the torrent's identity. Pure.
 *
 * @module
 */

import {
  bencodedLength,
  type BencodeInput,
  dictionaryEntries,
  encodeBencode,
  fromLatin1,
} from "../bytes/bencode.ts";
import { MetainfoError } from "../errors.ts";
import { concat } from "@std/bytes/concat";

/** What to change; what is not given stays. */
export interface TorrentChanges {
  /** Trackers in their tiers (BEP 12); none removes all. */
  announceTiers?: readonly (readonly string[])[] | undefined;
  /** Web seeds (BEP 19); none removes all. */
  webSeeds?: readonly string[] | undefined;
  /** A remark; an empty one is removed. */
  comment?: string | undefined;
  /** Whether it is private (BEP 27): that makes it another torrent. */
  isPrivate?: boolean | undefined;
}

/**
 * Changes a .torrent file.
 *
 * @param bytes The file; what follows its dictionary goes.
 * @param changes What to change.
 * @returns The new file: its keys sorted, each there once.
 * @throws {MetainfoError} If it is none.
 * @throws {BencodeError} If it is not bencoded.
 */
export function editTorrent(
  bytes: Uint8Array,
  changes: TorrentChanges,
): Uint8Array {
  const entries = entriesOf(bytes.subarray(0, bencodedLength(bytes)));
  const { announceTiers, webSeeds, comment, isPrivate } = changes;
  if (announceTiers) {
    const trackers = announceTiers.flat();
    set(entries, "announce", trackers[0]);
    set(
      entries,
      "announce-list",
      trackers.length > 1 ? announceTiers.map((tier) => [...tier]) : undefined,
    );
  }
  if (webSeeds) {
    set(entries, "url-list", webSeeds.length > 0 ? [...webSeeds] : undefined);
  }
  if (comment !== undefined) set(entries, "comment", comment || undefined);
  if (isPrivate !== undefined) {
    const info = entries.get("info");
    if (!info) throw new MetainfoError("info", "is missing");
    const inside = entriesOf(info);
    set(inside, "private", isPrivate ? 1 : undefined);
    entries.set("info", written(inside));
  }
  return written(entries);
}

/** The values of a dictionary as they are written; of two the first counts. */
function entriesOf(bytes: Uint8Array): Map<string, Uint8Array> {
  const entries = new Map<string, Uint8Array>();
  const found = dictionaryEntries(bytes);
  if (!found) throw new MetainfoError("the file", "is not a dictionary");
  for (const { key, bytes } of found) {
    if (!entries.has(key)) entries.set(key, bytes);
  }
  return entries;
}

function set(
  entries: Map<string, Uint8Array>,
  key: string,
  value: BencodeInput | undefined,
): void {
  if (value === undefined) entries.delete(key);
  else entries.set(key, encodeBencode(value));
}

function written(entries: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const sorted = [...entries].sort(([a], [b]) => a < b ? -1 : 1);
  return concat([
    fromLatin1("d"),
    ...sorted.flatMap((
      [key, value],
    ) => [encodeBencode(fromLatin1(key)), value]),
    fromLatin1("e"),
  ]);
}
