/**
 * Addresses and ports on this machine for programs that must be told theirs.
 *
 * @module
 */

import type { Endpoint } from "../../../src/bytes/endpoint.ts";

/**
 * An address of 127.0.0.0/8 that surely nobody else uses: clients remember
 * each other by address, and refuse a second peer from the same one.
 *
 * @returns The address.
 */
export function freshAddress(): string {
  const [a, b, c] = crypto.getRandomValues(new Uint8Array(3));
  return `127.${1 + a! % 254}.${b}.${1 + c! % 254}`;
}

/**
 * A port that is free now.
 *
 * @param hostname The address it is for.
 * @returns The port.
 */
export function freePort(hostname: string): number {
  using listener = Deno.listen({ hostname, port: 0 });
  return listener.addr.port;
}

/**
 * Whether somebody takes connections.
 *
 * @param endpoint Where.
 * @returns Whether one could be opened; it is closed at once.
 */
export async function isListening(endpoint: Endpoint): Promise<boolean> {
  const { hostname, port } = endpoint;
  try {
    using _conn = await Deno.connect({ hostname, port });
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return false;
    throw error;
  }
}
