/**
 * HTTP as a stranger's server deserves it: the scheme is checked, redirects
 * are followed within rules, the body is capped while it arrives (`fetch`
 * inflates 50 KB into 50 MB without a word), and all of it has a time limit.
 *
 * @module
 */

import type { AddressFamily } from "../bytes/endpoint.ts";
import { isLocal } from "../bytes/local_host.ts";
import { NetworkError } from "../errors.ts";
import { CLIENT_NAME } from "../version.ts";
import { mayUseHost } from "./permission.ts";
import { LimitedBytesTransformStream, toBytes } from "@std/streams";

/** More than any honest chain needs. */
const MAX_REDIRECTS = 5;

/** What holds for whatever is asked of a server. */
export interface HttpOptions {
  /** Gives up. */
  signal: AbortSignal;
  /**
   * Whether a URL may be asked, the first and every one redirected to.
   *
   * @param url The URL.
   * @returns Why not, as a sentence, or `undefined` if it may.
   */
  refuse?: ((url: URL) => string | undefined) | undefined;
}

/** Options for {@linkcode openHttp}. */
export interface OpenHttpOptions extends HttpOptions {
  /** What the request says, beside who we are. */
  headers?: Readonly<Record<string, string>>;
  /** Whose connections to use. */
  client?: Deno.HttpClient | undefined;
}

/** Options for {@linkcode httpGet}. */
export interface HttpGetOptions extends HttpOptions {
  /** The body is refused beyond so many bytes, counted after inflation. */
  maxBytes: number;
  /** How long everything may take. */
  timeoutMs: number;
  /** The family of addresses to use; any if not given. */
  family?: AddressFamily | undefined;
}

/**
 * The address that a socket of a family has before it has one: with it the
 * system takes no way of the other family.
 */
const ANY_ADDRESS = { 4: "0.0.0.0", 6: "::" } as const;

/** An answer. */
export interface HttpAnswer {
  /** The status code. */
  status: number;
  /** The whole body. */
  body: Uint8Array;
}

/**
 * Fetches what a URL stands for.
 *
 * @param url The URL; user and password go into a header.
 * @param options The limits.
 * @returns The answer, whatever its status.
 * @throws {NetworkError} If there is no answer within the limits.
 */
export async function httpGet(
  url: URL,
  options: HttpGetOptions,
): Promise<HttpAnswer> {
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const signal = AbortSignal.any([options.signal, timeout]);
  using client = options.family &&
    Deno.createHttpClient({ localAddress: ANY_ADDRESS[options.family] });
  try {
    const response = await follow(url, {
      ...options,
      signal,
      client,
      // Who is asked so seldom need not keep it open.
      headers: { "connection": "close" },
    });
    const body = response.body
      ? await toBytes(
        response.body.pipeThrough(
          new LimitedBytesTransformStream(options.maxBytes, { error: true }),
        ),
      )
      : new Uint8Array();
    return { status: response.status, body };
  } catch (error) {
    options.signal.throwIfAborted();
    if (error instanceof NetworkError) throw error;
    const seconds = options.timeoutMs / 1000;
    const message = timeout.aborted
      ? `did not answer within ${seconds} s`
      : error instanceof RangeError
      ? `sends more than ${options.maxBytes} bytes`
      : `cannot be asked: ${reasonOf(error)}`;
    throw new NetworkError(`${displayUrl(url)} ${message}`, { cause: error });
  }
}

/**
 * Asks for what a URL stands for, and leaves the body to the caller, who caps
 * and ends it.
 *
 * @param url The URL; user and password go into a header.
 * @param options What to say, and what gives up.
 * @returns The answer, whatever its status, but no redirect.
 * @throws {NetworkError} If there is none.
 */
export async function openHttp(
  url: URL,
  options: OpenHttpOptions,
): Promise<Response> {
  try {
    return await follow(url, options);
  } catch (error) {
    options.signal.throwIfAborted();
    if (error instanceof NetworkError) throw error;
    const message = `cannot be asked: ${reasonOf(error)}`;
    throw new NetworkError(`${displayUrl(url)} ${message}`, { cause: error });
  }
}

/** Deno tells the reason together with the URL, and what is secret in it. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  const text = cause instanceof Error ? cause.message : message;
  const [, reason = text] = /client error \(\w+\): (.*)$/s.exec(text) ?? [];
  return reason.replace(/\S+:\/\/\S+/g, "…");
}

async function follow(
  start: URL,
  { signal, refuse, client, headers: given = {} }: OpenHttpOptions,
): Promise<Response> {
  let url = start;
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    check(url, { start, refuse });
    const headers = new Headers({ "user-agent": CLIENT_NAME, ...given });
    if (start.username !== "" && url.origin === start.origin) {
      headers.set("authorization", basicAuthorization(start));
    }
    const target = new URL(url);
    [target.username, target.password, target.hash] = ["", "", ""];
    const response = await fetch(target, {
      headers,
      redirect: "manual",
      signal,
      ...client && { client },
    });
    const location = response.headers.get("location");
    if (response.status < 300 || response.status > 399 || location === null) {
      return response;
    }
    await response.body?.cancel();
    const next = URL.parse(location, url);
    if (!next) {
      throw new NetworkError(`${displayUrl(url)} redirects to nowhere`);
    }
    url = next;
  }
  throw new NetworkError(
    `${displayUrl(start)} redirects more than ${MAX_REDIRECTS} times`,
  );
}

function check(
  url: URL,
  { start, refuse }: { start: URL; refuse: HttpOptions["refuse"] },
): void {
  const shown = displayUrl(url);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new NetworkError(`${shown} is not an http or https URL`);
  }
  if (isLocal(url.hostname) && !isLocal(start.hostname)) {
    // Whoever is outside must not send us to what only we can reach.
    throw new NetworkError(`${displayUrl(start)} redirects into this network`);
  }
  const reason = refuse?.(url);
  if (reason !== undefined) throw new NetworkError(`${shown} ${reason}`);
  const forbidden = whyForbidden(url);
  if (forbidden !== undefined) throw new NetworkError(`${shown} ${forbidden}`);
}

/**
 * Whether Deno permits to ask a URL.
 *
 * @param url An http or https URL.
 * @returns Why not and what to do, as a sentence without its subject, or
 * `undefined` if it may be asked.
 */
export function whyForbidden(url: URL): string | undefined {
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return mayUseHost(`${url.hostname}:${port}`)
    ? undefined
    : `may not be asked: run again with --allow-net=${url.host}`;
}

function basicAuthorization({ username, password }: URL): string {
  const pair = [username, password].map(decodeURIComponent).join(":");
  const bytes = new TextEncoder().encode(pair);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}

/**
 * A URL as it may be shown and logged: without the secrets that it can hold.
 *
 * @param url The URL.
 * @returns Scheme, host and path; what looks like a passkey is left out.
 */
export function displayUrl(url: URL): string {
  const path = url.pathname.replace(/[0-9A-Za-z_-]{20,}/g, "…");
  return `${url.protocol}//${url.host}${path}`;
}
