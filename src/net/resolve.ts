/**
 * Names → addresses, as the system resolves them.
 *
 * @module
 */

import { type Endpoint, endpointOf, familyOf } from "../bytes/endpoint.ts";
import { NetworkError } from "../errors.ts";
import { lookup } from "node:dns/promises";

/** A name with more addresses than this wants to make us busy. */
const MAX_ADDRESSES = 8;

/**
 * Finds the addresses of a host.
 *
 * @param endpoint A host name or an address, and a port.
 * @returns Endpoints with addresses, in the order of the system's preference.
 * @throws {NetworkError} If the name has no address, or may not be asked for.
 */
export async function resolve(endpoint: Endpoint): Promise<Endpoint[]> {
  if (familyOf(endpoint) !== undefined) return [endpoint];
  const { hostname, port } = endpoint;
  try {
    const addresses = await lookup(hostname, { all: true });
    return addresses.slice(0, MAX_ADDRESSES)
      .flatMap(({ address }) => endpointOf(address, port) ?? []);
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) throw error;
    throw new NetworkError(`Cannot find the address of ${hostname}`, {
      cause: error,
    });
  }
}
