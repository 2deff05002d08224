/**
 * Asks Deno whether something is permitted, so that the program never stops at
 * a prompt.
 *
 * @module
 */

/**
 * Whether a host may be connected to, or listened on.
 *
 * @param host A host name or address with its port, IPv6 in brackets.
 * @returns Whether that needs no prompt.
 */
export function mayUseHost(host: string): boolean {
  return Deno.permissions.querySync({ name: "net", host }).state === "granted";
}
