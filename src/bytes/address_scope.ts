/**
 * How far an IP address reaches (RFC 1122, 1918, 3927, 4193, 4291, 6598): what
 * a stranger tells of addresses may concern his network and not ours. Pure.
 *
 * @module
 */

import { parseAddress } from "./endpoint.ts";

/**
 * How far an address reaches: within the machine, on one line, within a network
 * of its own, or everywhere.
 */
export type AddressScope = "loopback" | "link" | "private" | "global";

/** Prefixes of IPv4 and where they lead; `none` is for examples and tests. */
const IPV4: readonly Prefix[] = [
  [[127, 0, 0, 0], 8, "loopback"],
  [[169, 254, 0, 0], 16, "link"],
  [[10, 0, 0, 0], 8, "private"],
  [[172, 16, 0, 0], 12, "private"],
  [[192, 168, 0, 0], 16, "private"],
  // A provider's own network behind its NAT.
  [[100, 64, 0, 0], 10, "private"],
  [[0, 0, 0, 0], 8, "none"],
  [[192, 0, 2, 0], 24, "none"],
  [[198, 18, 0, 0], 15, "none"],
  [[198, 51, 100, 0], 24, "none"],
  [[203, 0, 113, 0], 24, "none"],
  [[224, 0, 0, 0], 3, "none"],
  [[0, 0, 0, 0], 0, "global"],
];

/** Prefixes of IPv6; of the global ones only 2000::/3 has been handed out. */
const IPV6: readonly Prefix[] = [
  [[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 128, "loopback"],
  [[0xfe, 0x80], 10, "link"],
  [[0xfc], 7, "private"],
  [[0x20, 0x01, 0x0d, 0xb8], 32, "none"],
  [[0x20], 3, "global"],
  [[0], 0, "none"],
];

type Prefix = readonly [
  bytes: readonly number[],
  bits: number,
  scope: AddressScope | "none",
];

/**
 * How far an IP address reaches.
 *
 * @param hostname An IP address in canonical text.
 * @returns Its scope, or `undefined` if nobody can be reached there, or it is
 * no IP address.
 */
export function scopeOf(hostname: string): AddressScope | undefined {
  const isIpv6 = hostname.includes(":");
  if (!isIpv6 && !/^\d+\.\d+\.\d+\.\d+$/.test(hostname)) return undefined;
  const address = parseAddress(hostname);
  const [, , scope] = (isIpv6 ? IPV6 : IPV4)
    .find(([bytes, bits]) => startsWith(address, { bytes, bits }))!;
  return scope === "none" ? undefined : scope;
}

function startsWith(
  address: Uint8Array,
  { bytes, bits }: { bytes: readonly number[]; bits: number },
): boolean {
  return Array.from({ length: Math.ceil(bits / 8) }, (_, i) => i).every((i) => {
    const mask = 0xff << Math.max(0, 8 * (i + 1) - bits) & 0xff;
    return ((address[i]! ^ bytes[i]!) & mask) === 0;
  });
}

/**
 * Whether somebody's word about an address can be true for us: it leads to the
 * same place from everywhere, or as near to him as he is to us.
 *
 * @param hostname The address that he tells of.
 * @param teller His own address, as we see it.
 * @returns Whether to believe him.
 */
export function isInScopeOf(hostname: string, teller: string): boolean {
  const scope = scopeOf(hostname);
  return scope !== undefined &&
    (scope === "global" || scope === scopeOf(teller));
}
