/**
 * A source as the user names it → the bytes of a .torrent file, and a clear
 * word when it is something else.
 *
 * @module
 */

import { httpGet } from "../net/http.ts";
import { closestSubcommand } from "./options.ts";
import { shownUrl } from "./text.ts";
import { delay } from "@std/async/delay";
import { LimitedBytesTransformStream, toBytes } from "@std/streams";

/** Two million pieces are 40 MiB of hashes. */
const MAX_TORRENT_BYTES = 64 * 1024 * 1024;

/** A slow server may take its time for a large torrent, but not for ever. */
const HTTP_TIMEOUT_MS = 120_000;

/** A pipe into which nobody writes anything for so long will not end. */
const SILENCE_TIMEOUT_MS = 60_000;

/** What is wrong with a source, by the name of its exit status. */
export type SourceProblem =
  | "sourceNotFound"
  | "network"
  | "denied"
  | "badTorrent"
  | "badMagnet"
  | "notBencoded";

/** A source that cannot be read, or is no torrent. */
export class SourceError extends Error {
  /** The name of the class. */
  override readonly name = "SourceError";

  /**
   * Names the problem.
   *
   * @param kind What is wrong.
   * @param message The same in a sentence.
   * @param options The error it came from.
   */
  constructor(
    readonly kind: SourceProblem,
    message: string,
    options: ErrorOptions = {},
  ) {
    super(message, options);
  }
}

/** Options for {@linkcode readSource}. */
export interface ReadSourceOptions {
  /** Standard input, for `-`. */
  stdin: ReadableStream<Uint8Array>;
  /** Gives up. */
  signal: AbortSignal;
  /** How long a pipe may say nothing; a minute if not given. */
  silenceMs?: number;
  /** How long a server may take for everything; two minutes if not given. */
  httpTimeoutMs?: number;
}

/**
 * A source as it may be shown: a URL without the secrets that it can hold.
 *
 * @param source A path, an http(s) URL, or `-`.
 * @returns What messages call it.
 */
export function shownSource(source: string): string {
  if (source === "-") return "Standard input";
  return isUrl(source) ? shownUrl(source) : source;
}

/**
 * Reads a source.
 *
 * @param source A path, an http(s) URL, or `-`.
 * @param options Standard input, and what gives up.
 * @returns Bytes that look like a .torrent file.
 * @throws {SourceError} If they do not, or cannot be had.
 * @throws {NetworkError} If a URL does not answer.
 */
export async function readSource(
  source: string,
  options: ReadSourceOptions,
): Promise<Uint8Array> {
  const bytes = await readAny(source, options);
  const kind = kindOf(bytes);
  if (kind === undefined) return bytes;
  throw new SourceError(
    "notBencoded",
    `${shownSource(source)} is ${kind}, not a torrent`,
  );
}

async function readAny(
  source: string,
  options: ReadSourceOptions,
): Promise<Uint8Array> {
  if (source === "-") {
    const name = shownSource(source);
    return await readStream(options.stdin, { name, ...options });
  }
  if (isUrl(source)) return await readUrl(source, options);
  return await readPath(source, options);
}

function isUrl(source: string): boolean {
  return /^https?:\/\//i.test(source);
}

async function readUrl(
  source: string,
  options: ReadSourceOptions,
): Promise<Uint8Array> {
  const name = shownSource(source);
  const url = URL.parse(source);
  if (!url) throw new SourceError("sourceNotFound", `${name} is not a URL`);
  const { status, body } = await httpGet(url, {
    maxBytes: MAX_TORRENT_BYTES,
    timeoutMs: options.httpTimeoutMs ?? HTTP_TIMEOUT_MS,
    signal: options.signal,
  });
  if (status >= 200 && status < 300) return body;
  const kind = status === 404 || status === 410 ? "sourceNotFound" : "network";
  throw new SourceError(kind, `${name} answers with HTTP status ${status}`);
}

async function readPath(
  path: string,
  options: ReadSourceOptions,
): Promise<Uint8Array> {
  const { state } = Deno.permissions.querySync({ name: "read", path });
  if (state !== "granted") {
    throw new SourceError(
      "denied",
      `${path} may not be read: run again with --allow-read=${path}, or use 'btget - < ${path}'`,
    );
  }
  try {
    const info = await Deno.stat(path);
    if (info.isDirectory) {
      throw new SourceError("denied", `${path} is a folder, not a torrent`);
    }
    if (info.isFile && info.size > MAX_TORRENT_BYTES) throw tooLarge(path);
    const file = await openPatiently(path, options);
    return await readStream(file.readable, { name: path, ...options });
  } catch (error) {
    throw pathError(error, path);
  }
}

/** Opens a file; opening a pipe waits for somebody who writes into it. */
async function openPatiently(
  path: string,
  options: ReadSourceOptions,
): Promise<Deno.FsFile> {
  const opening = Deno.open(path);
  try {
    return await withinSilence(opening, { name: path, ...options });
  } catch (error) {
    // Whoever comes too late finds nobody.
    opening.then((file) => file.close(), () => {});
    throw error;
  }
}

/** What the system reports about a path, in words of ours; a bug stays one. */
function pathError(error: unknown, path: string): unknown {
  if (error instanceof Deno.errors.NotFound) {
    return new SourceError("sourceNotFound", missing(path), { cause: error });
  }
  if (error instanceof Deno.errors.NotCapable) {
    // Deno guards some places, such as /dev and /proc, beyond its flags.
    return new SourceError(
      "denied",
      `${path} may not be read by programs that run in Deno; try 'btget - < ${path}'`,
      { cause: error },
    );
  }
  const { code } = error as { code?: unknown };
  if (!(error instanceof Error) || typeof code !== "string") return error;
  return new SourceError(
    "denied",
    `${path} cannot be read (${error.message})`,
    { cause: error },
  );
}

function missing(path: string): string {
  const scheme = /^[a-z][a-z0-9+.-]*:(?=\/\/)/i.exec(path)?.[0];
  if (scheme !== undefined) {
    return `${path} cannot be read: of URLs only http: and https:, not ${scheme}`;
  }
  const word = /^\w+$/.test(path) ? closestSubcommand(path) : undefined;
  const suggestion = word === undefined
    ? ""
    : `; did you mean 'btget ${word}'?`;
  return `${path} does not exist${suggestion}`;
}

async function readStream(
  stream: ReadableStream<Uint8Array>,
  options: ReadSourceOptions & { name: string },
): Promise<Uint8Array> {
  const reader = stream.getReader();
  const impatient = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      const { done, value } = await withinSilence(reader.read(), options);
      if (done) controller.close();
      else controller.enqueue(value.slice());
    },
    cancel: (reason) => reader.cancel(reason),
  });
  try {
    return await toBytes(
      impatient.pipeThrough(
        new LimitedBytesTransformStream(MAX_TORRENT_BYTES, { error: true }),
      ),
    );
  } catch (error) {
    await reader.cancel();
    if (error instanceof RangeError) throw tooLarge(options.name);
    throw error;
  }
}

/** Waits for something that a silent pipe would delay for ever. */
async function withinSilence<T>(
  promise: Promise<T>,
  { name, signal, silenceMs = SILENCE_TIMEOUT_MS }: ReadSourceOptions & {
    name: string;
  },
): Promise<T> {
  const arrived = new AbortController();
  const silence = delay(silenceMs, {
    signal: AbortSignal.any([signal, arrived.signal]),
  }).then(() => {
    const seconds = silenceMs / 1000;
    throw new SourceError("denied", `${name} says nothing for ${seconds} s`);
  });
  try {
    return await Promise.race([promise, silence]);
  } finally {
    arrived.abort();
  }
}

function tooLarge(name: string): SourceError {
  const megabytes = MAX_TORRENT_BYTES / 1024 / 1024;
  return new SourceError(
    "badTorrent",
    `${name} is larger than ${megabytes} MiB, which no torrent is`,
  );
}

/** What bytes are that are surely no torrent, for the message. */
function kindOf(bytes: Uint8Array): string | undefined {
  const start = new TextDecoder("latin1").decode(bytes.subarray(0, 512));
  if (bytes.length === 0) return "empty";
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return "gzip (unpack it first)";
  if (start.startsWith("PK\u0003\u0004")) return "a zip archive";
  // The web page may have a byte order mark.
  if (/^(\xef\xbb\xbf)?\s*</.test(start)) return "a web page";
  return undefined;
}
