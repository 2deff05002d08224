/**
 * KRPC messages → bytes (BEP 5, 32, 33, 42, 43). Pure. The other way:
 * `krpc_decoder.ts`.
 *
 * @module
 */

import { type BencodeInput, encodeBencode } from "../bytes/bencode.ts";
import {
  type AddressFamily,
  encodeCompactEndpoint,
  type Endpoint,
} from "../bytes/endpoint.ts";
import { encodeNodes, type NodeContact } from "./node_contact.ts";

/** Client and version (BEP 5, 20). */
const VERSION = Uint8Array.of(0x62, 0x67, 0, 1);

/** BEP 5: what went wrong. */
export const ERROR_CODE = {
  generic: 201,
  server: 202,
  protocol: 203,
  unknownMethod: 204,
} as const;

/** What a node is asked. */
export type KrpcQuery =
  | { method: "ping" }
  | {
    method: "find_node";
    target: Uint8Array;
    want?: readonly AddressFamily[] | undefined;
  }
  | {
    method: "get_peers";
    infoHash: Uint8Array;
    want?: readonly AddressFamily[] | undefined;
    /** Whether only peers that miss something are wanted (BEP 33). */
    noSeed?: boolean;
    /** Whether bloom filters are wanted (BEP 33). */
    scrape?: boolean;
  }
  | {
    method: "announce_peer";
    infoHash: Uint8Array;
    /** `undefined`: the port that the packet came from. */
    port: number | undefined;
    token: Uint8Array;
    /** Whether the peer has everything (BEP 33). */
    isSeed?: boolean;
  };

/** What a node answers; each field where it has something to say. */
export interface KrpcReturn {
  /** Nodes near the target, with IPv4 addresses. */
  nodes?: readonly NodeContact[] | undefined;
  /** The same with IPv6 addresses (BEP 32). */
  nodes6?: readonly NodeContact[] | undefined;
  /** Peers of the torrent. */
  values?: readonly Endpoint[] | undefined;
  /** What allows announcing. */
  token?: Uint8Array | undefined;
  /** The seeds of the torrent (BEP 33). */
  seeds?: Uint8Array | undefined;
  /** The other peers of the torrent (BEP 33). */
  downloaders?: Uint8Array | undefined;
}

/** A message and what all of its kind have. */
export type KrpcMessage =
  | {
    type: "query";
    transaction: Uint8Array;
    /** The id of who asks. */
    id: Uint8Array;
    /** Whether who asks answers nothing itself (BEP 43). */
    isReadOnly: boolean;
    query: KrpcQuery;
  }
  | {
    /** A query that cannot be served. */
    type: "bad_query";
    transaction: Uint8Array;
    code: number;
    reason: string;
  }
  | {
    type: "response";
    transaction: Uint8Array;
    /** The id of who answers. */
    id: Uint8Array;
    values: KrpcReturn;
    /** The address of the one who asked, as the answering node sees it. */
    address: string | undefined;
  }
  | {
    type: "error";
    transaction: Uint8Array;
    code: number;
    reason: string;
    address: string | undefined;
  };

/** An answer to a query. */
export type KrpcAnswer =
  | Omit<Extract<KrpcMessage, { type: "response" }>, "address">
  | Omit<Extract<KrpcMessage, { type: "error" }>, "address">;

/**
 * Whether a packet looks like KRPC, and like nothing else that uses UDP here.
 *
 * @param packet The packet.
 * @returns Whether it begins like a dictionary.
 */
export function isKrpc(packet: Uint8Array): boolean {
  return packet[0] === 0x64;
}

/**
 * Writes a query.
 *
 * @param query What to ask.
 * @param options What the answer must repeat, and who asks.
 * @returns The packet.
 */
export function encodeQuery(
  query: KrpcQuery,
  { transaction, id, isReadOnly }: {
    transaction: Uint8Array;
    id: Uint8Array;
    isReadOnly: boolean;
  },
): Uint8Array {
  return encodeBencode({
    t: transaction,
    y: "q",
    q: query.method,
    a: { id, ...encodeArguments(query) },
    v: VERSION,
    ro: isReadOnly ? 1 : undefined,
  });
}

function encodeArguments(
  query: KrpcQuery,
): { [key: string]: BencodeInput | undefined } {
  switch (query.method) {
    case "ping":
      return {};
    case "find_node":
      return { target: query.target, want: encodeWant(query.want) };
    case "get_peers":
      return {
        info_hash: query.infoHash,
        want: encodeWant(query.want),
        noseed: query.noSeed ? 1 : undefined,
        scrape: query.scrape ? 1 : undefined,
      };
    case "announce_peer":
      return {
        info_hash: query.infoHash,
        implied_port: query.port === undefined ? 1 : 0,
        // Who does not know `implied_port` shall at least have a number.
        port: query.port ?? 1,
        token: query.token,
        seed: query.isSeed ? 1 : undefined,
      };
    default:
      return query satisfies never;
  }
}

function encodeWant(
  want: readonly AddressFamily[] | undefined,
): string[] | undefined {
  return want?.map((family) => `n${family}`);
}

/**
 * Writes an answer.
 *
 * @param answer What to say.
 * @param to Who asked, who shall know its own address (BEP 42).
 * @returns The packet.
 */
export function encodeAnswer(answer: KrpcAnswer, to: Endpoint): Uint8Array {
  const { transaction: t } = answer;
  const common = { t, v: VERSION, ip: encodeCompactEndpoint(to) };
  if (answer.type === "error") {
    return encodeBencode({
      ...common,
      y: "e",
      e: [answer.code, answer.reason],
    });
  }
  const { id, values: { nodes, nodes6, values, token, seeds, downloaders } } =
    answer;
  const r = {
    id,
    nodes: nodes && encodeNodes(nodes),
    nodes6: nodes6 && encodeNodes(nodes6),
    values: values?.map(encodeCompactEndpoint),
    token,
    BFsd: seeds,
    BFpe: downloaders,
  };
  return encodeBencode({ ...common, y: "r", r });
}
