/**
 * The types of what we use of `@std`. The npm package behind these names (see
 * `imports` in deno.json) carries none; with JSR at hand this file goes.
 */

declare module "@std/async/delay" {
  export function delay(
    ms: number,
    options?: { signal?: AbortSignal; persistent?: boolean },
  ): Promise<void>;
}

declare module "@std/crypto/timing-safe-equal" {
  export function timingSafeEqual(
    a: Uint8Array | DataView | ArrayBuffer,
    b: Uint8Array | DataView | ArrayBuffer,
  ): boolean;
}

declare module "@std/encoding/hex" {
  export function encodeHex(src: string | Uint8Array | ArrayBuffer): string;
  export function decodeHex(src: string): Uint8Array<ArrayBuffer>;
}
