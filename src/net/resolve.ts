/**
 * Names → addresses, as the system resolves them.
 *
 * @module
 */

import { type Endpoint, endpointOf, familyOf } from "../bytes/endpoint.ts";
import { NetworkError } from "../errors.ts";
import { mayUseHost } from "./permission.ts";
import { lookup } from "node:dns/promises";

/** A name with more addresses than this wants to make us busy. */
const MAX_ADDRESSES = 8;

/** Finds the addresses of a host. */
export type Resolver = (
  endpoint: Endpoint,
  options: { signal: AbortSignal },
) => Promise<Endpoint[]>;

/**
 * Finds the addresses of a host.
 *
 * @param endpoint A host name or an address, and a port.
 * @param options What gives up waiting; the system goes on for itself.
 * @returns Endpoints with addresses, in the order of the system's preference;
 * one at least.
 * @throws {NetworkError} If the name has no address, or may not be asked for.
 */
export async function resolve(
  endpoint: Endpoint,
  { signal }: { signal: AbortSignal },
): Promise<Endpoint[]> {
  if (familyOf(endpoint) !== undefined) return [endpoint];
  const { hostname, port } = endpoint;
  if (!mayUseHost(hostname)) {
    throw new NetworkError(
      `${hostname} may not be looked up: run again with --allow-net=${hostname}`,
    );
  }
  const aborted = Promise.withResolvers<never>();
  const giveUp = () => aborted.reject(signal.reason);
  signal.throwIfAborted();
  signal.addEventListener("abort", giveUp);
  try {
    const found = await Promise.race([
      lookup(hostname, { all: true, order: "verbatim" }),
      aborted.promise,
    ]);
    const endpoints = found.slice(0, MAX_ADDRESSES)
      .flatMap(({ address }) => endpointOf(address, port) ?? []);
    if (endpoints.length > 0) return endpoints;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof TypeError || error instanceof RangeError) throw error;
    throw new NetworkError(`Cannot find the address of ${hostname}`, {
      cause: error,
    });
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
  throw new NetworkError(`${hostname} has no address that can be used`);
}
