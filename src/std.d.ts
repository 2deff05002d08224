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

declare module "@std/encoding/base32" {
  export function decodeBase32(b32: string): Uint8Array<ArrayBuffer>;
}

declare module "@std/encoding/hex" {
  export function encodeHex(src: string | Uint8Array | ArrayBuffer): string;
  export function decodeHex(src: string): Uint8Array<ArrayBuffer>;
}

declare module "@std/path" {
  export function basename(path: string, suffix?: string): string;
  export function dirname(path: string): string;
  export function globToRegExp(
    glob: string,
    options?: { extended?: boolean; globstar?: boolean; os?: string },
  ): RegExp;
  export function isAbsolute(path: string): boolean;
  export function join(...paths: string[]): string;
  export function relative(from: string, to: string): string;
  export function resolve(...paths: string[]): string;
}

declare module "@std/bytes/concat" {
  export function concat(
    buffers: readonly Uint8Array[],
  ): Uint8Array<ArrayBuffer>;
}

declare module "@std/fmt/bytes" {
  export function format(
    num: number,
    options?: {
      binary?: boolean;
      minimumFractionDigits?: number;
      maximumFractionDigits?: number;
    },
  ): string;
}

declare module "@std/streams" {
  export class LimitedBytesTransformStream
    extends TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
    constructor(size: number, options?: { error?: boolean });
  }
  export function toBytes(
    stream: ReadableStream<Uint8Array>,
  ): Promise<Uint8Array<ArrayBuffer>>;
}

declare module "@std/cli/parse-args" {
  export function parseArgs(
    args: string[],
    options?: {
      alias?: Record<string, string>;
      boolean?: string[];
      string?: string[];
      collect?: string[];
      unknown?: (arg: string, key?: string, value?: unknown) => unknown;
    },
  ): Record<string, unknown> & { _: (string | number)[] };
}

declare module "@std/fmt/duration" {
  export function format(
    ms: number,
    options?: {
      style?: "narrow" | "digital" | "full";
      ignoreZero?: boolean;
    },
  ): string;
}

declare module "@std/text" {
  export function closestString(
    givenWord: string,
    possibleWords: readonly string[],
  ): string;
  export function levenshteinDistance(a: string, b: string): number;
}
