/**
 * Parts of files by HTTP (RFC 9110, 14), from servers that may lie: what comes
 * is taken only if it is the part that was asked for, and not a byte of it
 * beyond that.
 *
 * @module
 */

import { NetworkError, WebSeedError } from "../errors.ts";
import { displayUrl, openHttp, type OpenHttpOptions } from "./http.ts";

/** As much as the system has ready at a time, and seldom more. */
const MAX_CHUNK_LENGTH = 256 * 1024;

/**
 * A server that knows no ranges sends the file from its start: what comes
 * before the wanted part is thrown away, if it is no more than this.
 */
const MAX_SKIPPED_BYTES = 16 * 1024 * 1024;

/** Servers that are busy for longer are asked again all the same. */
const MAX_RETRY_MS = 10 * 60_000;

/** And nobody is asked again at once. */
const MIN_RETRY_MS = 1000;

/** A number of seconds (BEP 17) is shorter; the rest is a page for people. */
const MAX_WISH_LENGTH = 16;

/** What to ask for. */
export interface RangeRequest {
  /** The URL of the file, or of the part alone. */
  url: URL;
  /** Where the part begins in the file. */
  begin: number;
  /** How long it is; more than 0. */
  length: number;
  /** How long the file must be; not given if the URL stands for the part. */
  total?: number | undefined;
}

/** Takes the bytes of a part, in order. */
export interface RangeSink {
  /** Whether more of them are of use. */
  readonly isWanted: boolean;
  /**
   * Lends memory for what is read next, so that it need not be copied. It is
   * gone if reading fails.
   *
   * @returns Room for at least a byte, if there is any to lend.
   */
  room?(): Uint8Array<ArrayBuffer> | undefined;
  /**
   * Takes some.
   *
   * @param bytes The bytes, which hold until it returns; none if what came
   * was thrown away. If room was lent for them they are its start, and their
   * buffer is the whole of its memory, under a new name.
   * @returns A promise to slow the server down.
   */
  write(bytes: Uint8Array<ArrayBuffer>): Promise<void> | undefined;
}

/** Options for {@linkcode readRange}. */
export interface ReadRangeOptions extends Omit<OpenHttpOptions, "headers"> {
  /** Takes what comes. */
  sink: RangeSink;
  /** The most bytes that the sink takes at a time. */
  chunkLength: number;
}

/**
 * Fetches a part of a file. It ends early when no more is wanted.
 *
 * @param request The part.
 * @param options Where the bytes go, and what gives up.
 * @throws {WebSeedError} If the server does not give it.
 */
export async function readRange(
  request: RangeRequest,
  options: ReadRangeOptions,
): Promise<void> {
  const { url, length } = request;
  const { sink, signal } = options;
  const cause = { url, signal };
  const answer = await blamed(open(request, options), cause);
  const { reader, isExact } = answer;
  let [left, skipped] = [length, answer.skipped];
  const chunkLength = Math.min(MAX_CHUNK_LENGTH, options.chunkLength);
  let buffer = new ArrayBuffer(Math.min(chunkLength, skipped + length));
  while (left > 0 && sink.isWanted) {
    const room = skipped === 0 ? sink.room?.() : undefined;
    const view = room ?? new Uint8Array(buffer);
    const most = Math.min(view.length, chunkLength, skipped + left);
    const { value } = await blamed(
      reader.read(view.subarray(0, most)),
      cause,
    );
    if (!value || value.length === 0) {
      throw failure(url, `sent ${length - left} of ${length} bytes`);
    }
    if (!room) buffer = value.buffer;
    const bytes = value.subarray(Math.min(skipped, value.length));
    skipped -= value.length - bytes.length;
    left -= bytes.length;
    const pause = sink.write(bytes);
    if (pause) await pause;
  }
  // A connection whose answer was read to its end can be used again.
  if (left > 0 || !isExact) await blamed(reader.cancel(), cause);
  else await blamed(reader.read(new Uint8Array(1)), cause);
}

/** The server is to blame for what it, or the way there, makes fail. */
async function blamed<T>(
  attempt: Promise<T>,
  { url, signal }: { url: URL; signal: AbortSignal },
): Promise<T> {
  try {
    return await attempt;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof NetworkError) {
      throw new WebSeedError("failed", error.message, { cause: error });
    }
    // That is what `fetch` makes of a broken body.
    if (error instanceof TypeError) {
      throw failure(url, "broke off in the middle of its answer");
    }
    throw error;
  }
}

/** An answer that has begun as it should. */
interface Answer {
  reader: ReadableStreamBYOBReader;
  /** How many bytes come before the wanted ones. */
  skipped: number;
  /** Whether it ends with the wanted ones. */
  isExact: boolean;
}

async function open(
  request: RangeRequest,
  options: OpenHttpOptions,
): Promise<Answer> {
  const { url, begin, length, total } = request;
  const response = await openHttp(url, {
    ...options,
    headers: {
      // A part of what is packed is no part of the file.
      "accept-encoding": "identity",
      ...(total === undefined
        ? {}
        : { range: `bytes=${begin}-${begin + length - 1}` }),
    },
  });
  const body = response.body ?? new Blob([]).stream();
  try {
    const skipped = await beginOf(response, request);
    const bodyLength = response.headers.get("content-length");
    return {
      reader: body.getReader({ mode: "byob" }),
      skipped,
      isExact: bodyLength === `${length}`,
    };
  } catch (error) {
    // What else it says is of no use, and may have no end.
    if (!body.locked) await body.cancel();
    throw error;
  }
}

/** How many bytes of the answer come before the wanted ones. */
async function beginOf(
  response: Response,
  { url, begin, length, total }: RangeRequest,
): Promise<number> {
  const { status, headers } = response;
  if (status !== 200 && status !== 206) {
    throw await refusalOf(response, url);
  }
  const encoding = headers.get("content-encoding") ?? "identity";
  if (encoding.toLowerCase() !== "identity") {
    throw missing(url, `sends it packed (${encoding.slice(0, 20)})`);
  }
  const bodyLength = headers.get("content-length");
  if (status === 206 && total !== undefined) {
    const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/
      .exec(headers.get("content-range") ?? "");
    if (range && range[3] !== "*" && Number(range[3]) !== total) {
      throw missing(url, `has ${range[3]} bytes there, and not ${total}`);
    }
    const last = begin + length - 1;
    if (!range || Number(range[1]) !== begin || Number(range[2]) !== last) {
      throw failure(url, "sends another part than it was asked for");
    }
    if (bodyLength !== null && Number(bodyLength) !== length) {
      throw failure(url, `sends ${bodyLength} bytes for a part of ${length}`);
    }
    return 0;
  }
  const whole = total ?? length;
  if (bodyLength !== null && Number(bodyLength) !== whole) {
    throw missing(url, `has ${bodyLength} bytes there, and not ${whole}`);
  }
  if (total !== undefined && begin > MAX_SKIPPED_BYTES) {
    throw missing(url, "sends whole files only, and this one is too long");
  }
  return total === undefined ? 0 : begin;
}

async function refusalOf(response: Response, url: URL): Promise<WebSeedError> {
  const { status, headers } = response;
  const message = `answers with status ${status}`;
  if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
    return missing(url, message);
  }
  const wish = headers.get("retry-after") ??
    (status === 503 ? await textOf(response) : "");
  return new WebSeedError("failed", `${displayUrl(url)} ${message}`, {
    retryInMs: retryInMs(wish, Date.now()),
  });
}

/** The first word of a body (BEP 17: when to come again). */
async function textOf({ body }: Response): Promise<string> {
  if (!body) return "";
  const reader = body.getReader({ mode: "byob" });
  const { value } = await reader.read(new Uint8Array(MAX_WISH_LENGTH));
  await reader.cancel();
  return new TextDecoder().decode(value);
}

/**
 * How long a busy server wants to be left alone.
 *
 * @param wish What it says: seconds, or a date (RFC 9110, 10.2.3).
 * @param now The time in milliseconds since 1970.
 * @returns The milliseconds, within bounds, or `undefined` if it says nothing.
 */
export function retryInMs(wish: string, now: number): number | undefined {
  const text = wish.trim();
  const ms = /^\d+$/.test(text)
    ? Number(text) * 1000
    // Programs take many texts for a date; this is how all of them begin.
    : /^[A-Z][a-z]+, /.test(text)
    ? Date.parse(text) - now
    : NaN;
  if (Number.isNaN(ms)) return undefined;
  return Math.min(MAX_RETRY_MS, Math.max(MIN_RETRY_MS, ms));
}

function missing(url: URL, what: string): WebSeedError {
  return new WebSeedError("missing", `${displayUrl(url)} ${what}`);
}

function failure(url: URL, what: string): WebSeedError {
  return new WebSeedError("failed", `${displayUrl(url)} ${what}`);
}
