/**
 * Hosts that mean something only here: this machine and its neighbours. Pure.
 *
 * @module
 */

import { endpointOf } from "./endpoint.ts";

const IPV4 = /^\d+(\.\d+){3}$/;

/** Without zeros in front, which would make it another text. */
const CANONICAL_IPV4 = /^(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){3}$/;

/** RFC 1918, 3927 and 6598. */
const LOCAL_IPV4 =
  /^(10|169\.254|192\.168|172\.(1[6-9]|2\d|3[01])|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\./;

/** RFC 4193 and 4291. */
const LOCAL_IPV6 = /^(f[cd][0-9a-f]{2}|fe[89ab][0-9a-f]):/;

/** A name without a dot means nothing outside. */
const LOCAL_NAME = /^[^.:]+$|\.local$/;

/**
 * Whether a host is this machine or on a link of its own.
 *
 * @param hostname As in a URL, IPv6 in brackets.
 * @returns Whether only this machine or its neighbours can mean it.
 */
export function isLocal(hostname: string): boolean {
  const host = canonical(hostname);
  return isLoopback(host) || LOCAL_NAME.test(host) ||
    (IPV4.test(host) ? LOCAL_IPV4 : LOCAL_IPV6).test(host);
}

/**
 * Whether a host is this machine.
 *
 * @param hostname As in a URL, IPv6 in brackets.
 * @returns Whether it is.
 */
export function isLoopback(hostname: string): boolean {
  const host = canonical(hostname);
  return host === "localhost" || host.endsWith(".localhost") ||
    host === "::1" || host === "::" || host === "::ffff:0:0" ||
    (IPV4.test(host) && /^(0|127)\./.test(host));
}

/** Without brackets and the root's dot; IPv4 in IPv6 as what it is. */
function canonical(hostname: string): string {
  if (CANONICAL_IPV4.test(hostname)) return hostname;
  const host = hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
  return endpointOf(host, 1)?.hostname ?? host;
}
