/**
 * Addresses and ports on this machine for programs that must be told theirs.
 *
 * @module
 */

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
