/**
 * CRC-32C (Castagnoli), which BEP 40 and BEP 42 hash addresses with. Pure.
 *
 * @module
 */

/** The polynomial of CRC-32C, its bits reversed. */
const CASTAGNOLI = 0x82f63b78;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) {
    crc = crc & 1 ? (crc >>> 1) ^ CASTAGNOLI : crc >>> 1;
  }
  return crc;
});

/**
 * CRC-32C (Castagnoli), as in RFC 3720.
 *
 * @param bytes What to hash.
 * @returns The checksum, unsigned.
 */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc = CRC_TABLE[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
