/**
 * Nodes and their compact form (BEP 5, 32). Pure.
 *
 * @module
 */

import {
  type AddressFamily,
  decodeCompactEndpoints,
  encodeCompactEndpoint,
  type Endpoint,
  familyOf,
} from "../bytes/endpoint.ts";
import { HASH_LENGTH } from "../bytes/hash.ts";

/** BEP 5 has 8; some send twice as many. */
const MAX_NODES = 16;

/** A node: its id, and where it is. */
export interface NodeContact {
  /** 20 bytes. */
  readonly id: Uint8Array;
  /** An IP address and a port. */
  readonly endpoint: Endpoint;
}

/**
 * Writes nodes in compact form.
 *
 * @param nodes The nodes, all of one family.
 * @returns 26 bytes each for IPv4, 38 for IPv6.
 */
export function encodeNodes(nodes: readonly NodeContact[]): Uint8Array {
  return Uint8Array.from(
    nodes.flatMap(({ id, endpoint }) => [
      ...id,
      ...encodeCompactEndpoint(endpoint),
    ]),
  );
}

/**
 * Reads nodes in compact form.
 *
 * @param bytes The nodes.
 * @param options Their family, and how many are wanted at most.
 * @returns Those that can be reached; none at all if the length is wrong.
 */
export function decodeNodes(
  bytes: Uint8Array,
  { family, limit = MAX_NODES }: { family: AddressFamily; limit?: number },
): NodeContact[] {
  const size = HASH_LENGTH + (family === 4 ? 6 : 18);
  if (bytes.length % size !== 0) return [];
  const nodes: NodeContact[] = [];
  const count = Math.min(bytes.length / size, limit);
  for (let i = 0; i < count; i++) {
    const entry = bytes.subarray(i * size, (i + 1) * size);
    const [endpoint] = decodeCompactEndpoints(entry.subarray(HASH_LENGTH), {
      family,
      limit: 1,
    });
    // IPv4 in IPv6 belongs to the other network.
    if (!endpoint || familyOf(endpoint) !== family) continue;
    nodes.push({ id: entry.slice(0, HASH_LENGTH), endpoint });
  }
  return nodes;
}
