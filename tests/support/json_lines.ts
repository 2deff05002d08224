/**
 * What `--progress=json` promises: every record and its fields. A change here
 * is a change for the programs of others; where a field gets another meaning,
 * the version in the record `start` grows.
 *
 * @module
 */

import { assertEquals } from "@std/assert";

/** What a field may hold. */
type FieldType =
  | "bytes"
  | "count"
  | "index"
  | "seconds"
  | "text"
  | "texts"
  | "infoHash"
  | "phase"
  | "exitCode";

/** A field's type; with `null` where there may be nothing to say. */
type Field = FieldType | [FieldType, null];

/** Every record by its `type`; the type itself is the first field of each. */
export const JSON_LINES: Readonly<
  Record<string, Readonly<Record<string, Field>>>
> = {
  start: { version: "count" },
  listening: { port: "count" },
  torrent: {
    infoHash: "infoHash",
    name: "text",
    path: "text",
    totalBytes: "bytes",
    pieceCount: "count",
    fileCount: "count",
  },
  magnet: { infoHash: "infoHash", name: "text" },
  phase: { infoHash: "infoHash", phase: "phase" },
  progress: {
    infoHash: "infoHash",
    phase: "phase",
    totalBytes: "bytes",
    verifiedBytes: "bytes",
    gatheringBytes: "bytes",
    pieceCount: "count",
    verifiedPieces: "count",
    metadataBytes: "bytes",
    metadataTotalBytes: "bytes",
    metadataPeers: "count",
    metadataFrom: "texts",
    hashBytes: "bytes",
    hashTotalBytes: "bytes",
    checkedBytes: "bytes",
    bytesToCheck: "bytes",
    receivedBytes: "bytes",
    wastedBytes: "bytes",
    bytesPerSecond: "bytes",
    sentBytes: "bytes",
    sentPerSecond: "bytes",
    secondsLeft: ["count", null],
    peers: "count",
    seeds: "count",
    serving: "count",
    served: "count",
    webSeeds: "count",
    webSeedsServing: "count",
    candidates: "count",
    tried: "count",
    banned: "count",
    hashMismatches: "count",
    trackers: "count",
    trackersAnswered: "count",
    dhtNodes: "count",
  },
  piece: { infoHash: "infoHash", index: "index" },
  "hash_mismatch": { infoHash: "infoHash", index: "index" },
  "tracker_answered": { infoHash: "infoHash", tracker: "text", peers: "count" },
  "tracker_warning": { infoHash: "infoHash", tracker: "text", message: "text" },
  "tracker_failed": { infoHash: "infoHash", tracker: "text", message: "text" },
  "peer_connected": { infoHash: "infoHash", peer: "text", client: "text" },
  "peer_unreachable": { infoHash: "infoHash", peer: "text", message: "text" },
  "peer_disconnected": { infoHash: "infoHash", peer: "text", message: "text" },
  "peer_banned": { infoHash: "infoHash", peer: "text" },
  "web_seed_failed": {
    infoHash: "infoHash",
    webSeed: "text",
    message: "text",
  },
  "web_seed_banned": { infoHash: "infoHash", webSeed: "text" },
  "piece_lost": { infoHash: "infoHash", index: "index" },
  notice: { infoHash: ["infoHash", null], message: "text" },
  result: {
    infoHash: ["infoHash", null],
    source: "text",
    name: ["text", null],
    exitCode: "exitCode",
    message: ["text", null],
    seconds: "seconds",
  },
  summary: {
    exitCode: "exitCode",
    complete: "count",
    incomplete: "count",
    seconds: "seconds",
  },
};

/** A record, after its type. */
export type JsonRecord = { type: string } & Record<string, unknown>;

/**
 * Reads what the program wrote, and checks that it keeps every promise: a
 * record a line, in ASCII that no terminal obeys, the first a `start`, the last
 * a `summary`, each with its fields and no others.
 *
 * @param text What was written.
 * @returns The records.
 */
export function parseJsonLines(text: string): JsonRecord[] {
  assertEquals(/[^\n\x20-\x7e]/.exec(text), null);
  assertEquals(text.at(-1), "\n");
  const records = text.trimEnd().split("\n").map((line) => JSON.parse(line));
  for (const record of records) checkRecord(record);
  assertEquals(records[0].type, "start");
  assertEquals(records.at(-1).type, "summary");
  assertEquals(records.filter(({ type }) => type === "summary").length, 1);
  return records;
}

function checkRecord(record: JsonRecord): void {
  const fields = JSON_LINES[record.type];
  assertEquals(
    Object.keys(record),
    ["type", ...Object.keys(fields ?? {})],
    `The fields of ${JSON.stringify(record)}`,
  );
  for (const [name, field] of Object.entries(fields!)) {
    const value = record[name];
    const isRight = Array.isArray(field)
      ? value === null || isOf(field[0], value)
      : isOf(field, value);
    assertEquals(isRight, true, `${name} of ${JSON.stringify(record)}`);
  }
}

function isOf(type: FieldType, value: unknown): boolean {
  switch (type) {
    case "bytes":
    case "count":
    case "index":
    case "exitCode":
      return Number.isSafeInteger(value) && (value as number) >= 0;
    case "seconds":
      return Number.isFinite(value) && (value as number) >= 0;
    case "texts":
      return Array.isArray(value) &&
        value.every((text) => typeof text === "string");
    case "text":
      return typeof value === "string";
    case "infoHash":
      return typeof value === "string" && /^[0-9a-f]{40}$/.test(value);
    case "phase":
      return [
        "finding",
        "checking",
        "downloading",
        "complete",
        "seeding",
        "stopped",
      ]
        .some((phase) => phase === value);
  }
}
