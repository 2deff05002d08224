/**
 * Endpoints: where a peer listens, their text and their compact forms (BEP 5,
 * 7, 23, 32). Pure.
 *
 * @module
 */

/** A host and a port. */
export interface Endpoint {
  /** An IP address in its canonical text, or a host name. */
  readonly hostname: string;
  /** From 1 to 65535. */
  readonly port: number;
}

/** The families of addresses, as the compact forms tell them apart. */
export type AddressFamily = 4 | 6;

/**
 * An endpoint as text, IPv6 in brackets: also its identity in maps.
 *
 * @param endpoint The endpoint.
 * @returns `192.0.2.1:6881` or `[2001:db8::1]:6881`.
 */
export function formatEndpoint({ hostname, port }: Endpoint): string {
  return hostname.includes(":")
    ? `[${hostname}]:${port}`
    : `${hostname}:${port}`;
}

/**
 * Reads `HOST:PORT`, IPv6 in brackets.
 *
 * @param text What somebody wrote.
 * @returns The endpoint, or `undefined` if it is none that can be dialled.
 */
export function parseEndpoint(text: string): Endpoint | undefined {
  const match = /^(\[[^:\]]*:[^\]]*\]|[^\s:/@?#\[\]]+):(\d{1,5})$/.exec(text);
  if (!match) return undefined;
  return endpointOf(match[1]!.replace(/^\[|\]$/g, ""), Number(match[2]));
}

/**
 * The endpoint of a host and a port that a stranger gave.
 *
 * @param host An IP address in any text form, or a host name.
 * @param port Any number.
 * @returns The endpoint with its address in canonical text, or `undefined` if
 * nobody can be reached there.
 */
export function endpointOf(host: string, port: number): Endpoint | undefined {
  if (!Number.isInteger(port) || port < 1 || port > 65535) return undefined;
  const hostname = canonicalHostname(host);
  if (hostname === undefined || !isUnicast(hostname)) return undefined;
  return { hostname, port };
}

/**
 * Reads a list of compact endpoints: address, then port, both big-endian.
 *
 * @param bytes The list; a rest that is not a whole entry is left out.
 * @param options The family of all entries, and how many are wanted at most.
 * @returns The endpoints that can be dialled.
 */
export function decodeCompactEndpoints(
  bytes: Uint8Array,
  options: { family: AddressFamily; limit: number },
): Endpoint[] {
  const addressLength = options.family === 4 ? 4 : 16;
  const size = addressLength + 2;
  const count = Math.min(Math.floor(bytes.length / size), options.limit);
  const endpoints: Endpoint[] = [];
  for (let i = 0; i < count; i++) {
    const entry = bytes.subarray(i * size, (i + 1) * size);
    const port = entry[addressLength]! * 256 + entry[addressLength + 1]!;
    const hostname = formatAddress(entry.subarray(0, addressLength));
    // The text of four bytes is canonical: nothing of it need be looked at.
    const endpoint = options.family === 6
      ? endpointOf(hostname, port)
      : port > 0 && isUnicastByte(entry[0]!)
      ? { hostname, port }
      : undefined;
    if (endpoint) endpoints.push(endpoint);
  }
  return endpoints;
}

/**
 * Writes an endpoint in compact form.
 *
 * @param endpoint An endpoint with an IP address.
 * @returns 6 bytes for IPv4, 18 for IPv6.
 */
export function encodeCompactEndpoint(endpoint: Endpoint): Uint8Array {
  const address = parseAddress(endpoint.hostname);
  const bytes = new Uint8Array(address.length + 2);
  bytes.set(address);
  new DataView(bytes.buffer).setUint16(address.length, endpoint.port);
  return bytes;
}

/**
 * The family of an endpoint.
 *
 * @param endpoint The endpoint.
 * @returns 4 or 6, or `undefined` for a host name.
 */
export function familyOf(endpoint: Endpoint): AddressFamily | undefined {
  if (endpoint.hostname.includes(":")) return 6;
  return IPV4.test(endpoint.hostname) ? 4 : undefined;
}

/**
 * The bytes of an IP address.
 *
 * @param text The address in canonical text.
 * @returns 4 or 16 bytes.
 */
export function parseAddress(text: string): Uint8Array {
  if (!text.includes(":")) {
    const [a, b, c, d] = text.split(".");
    return Uint8Array.of(Number(a), Number(b), Number(c), Number(d));
  }
  const [head = "", tail = ""] = text.split("::");
  const groups = (part: string) => part === "" ? [] : part.split(":");
  const zeros = 8 - groups(head).length - groups(tail).length;
  const all = text.includes("::")
    ? [...groups(head), ...Array(zeros).fill("0"), ...groups(tail)]
    : groups(text);
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  all.forEach((group, i) => view.setUint16(i * 2, parseInt(group, 16)));
  return bytes;
}

/**
 * The text of an IP address.
 *
 * @param bytes 4 or 16 bytes.
 * @returns The address, not yet in canonical text.
 */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const groups = Array.from(
    { length: 8 },
    (_, i) => view.getUint16(i * 2).toString(16),
  );
  return groups.join(":");
}

const IPV4 = /^\d+\.\d+\.\d+\.\d+$/;

/** What an IPv6 address may consist of. */
const IPV6 = /^[0-9a-fA-F:.]+$/;

/** IPv4 in IPv6 (RFC 4291 2.5.5.2), as the URL standard writes it. */
const MAPPED = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/;

/** A name that a resolver may be asked for; also keeps URL syntax out. */
const NAME = /^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9_.])?$/;

/** No name ends so, and resolvers take 127.1 and 2130706433 for addresses. */
const NUMBER_AT_END = /(^|\.)(\d+|0x[0-9a-f]*)\.?$/i;

function canonicalHostname(host: string): string | undefined {
  if (host.includes(":")) {
    // The URL standard has the canonical text of an address, but takes more.
    if (!IPV6.test(host)) return undefined;
    const url = URL.parse(`http://[${host}]/`);
    if (!url) return undefined;
    const text = url.hostname.slice(1, -1);
    const mapped = MAPPED.exec(text);
    if (!mapped) return text;
    const [high, low] = [parseInt(mapped[1]!, 16), parseInt(mapped[2]!, 16)];
    return [high >> 8, high & 255, low >> 8, low & 255].join(".");
  }
  if (IPV4.test(host)) {
    const parts = host.split(".").map(Number);
    return parts.every((part) => part <= 255) ? parts.join(".") : undefined;
  }
  return NAME.test(host) && !NUMBER_AT_END.test(host)
    ? host.toLowerCase()
    : undefined;
}

/** Whether one host answers there: not "any", broadcast or multicast. */
function isUnicast(hostname: string): boolean {
  if (hostname.includes(":")) return hostname !== "::" && !/^ff/.test(hostname);
  if (!IPV4.test(hostname)) return true;
  return isUnicastByte(Number(hostname.split(".")[0]));
}

/** The same of an IPv4 address, by its first byte. */
function isUnicastByte(first: number): boolean {
  return first !== 0 && first < 224;
}
