/**
 * Bytes as they stand in URLs (RFC 3986). Pure.
 *
 * @module
 */

/**
 * Escapes bytes one by one, as BEP 3 wants it: the unreserved characters stand
 * for themselves, so that nothing has a meaning of its own in a URL.
 *
 * @param bytes Any bytes.
 * @returns The text.
 */
export function percentEncode(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => {
    const character = String.fromCharCode(byte);
    return /[0-9A-Za-z._~-]/.test(character)
      ? character
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");
}
