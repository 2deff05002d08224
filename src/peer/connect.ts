/**
 * An endpoint, or a connection that was accepted → a connection whose both
 * ends have shaken hands (BEP 3).
 *
 * @module
 */

import type { Endpoint } from "../bytes/endpoint.ts";
import { hashesEqual } from "../bytes/hash.ts";
import { NetworkError, ProtocolError, SelfConnectionError } from "../errors.ts";
import {
  type Connection,
  type Dialer,
  readExactly,
} from "../net/connection.ts";
import {
  decodeHandshake,
  encodeHandshake,
  type Handshake,
  HANDSHAKE_LENGTH,
} from "../wire/handshake.ts";

/** Longer than any SYN retry that succeeds in practice. */
const DIAL_TIMEOUT_MS = 10_000;

/** libtorrent's and rain's limit: who is silent that long has nothing to say. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** A connection over which both ends have introduced themselves. */
export interface OpenConnection {
  /** The byte stream, at the first message. */
  readonly connection: Connection;
  /** What the other end said. */
  readonly theirs: Handshake;
  /**
   * The torrent that the answer named: of a hybrid one perhaps by its other
   * info hash (BEP 52).
   */
  readonly infoHash: Uint8Array;
}

/** Options for {@linkcode openConnection}. */
export interface OpenOptions {
  /** What opens the byte stream. */
  dial: Dialer;
  /** What we say. */
  ours: Handshake;
  /**
   * The info hash of v2 that a hybrid torrent has too: by answering with it
   * the peer makes the connection one of v2 (BEP 52, "Upgrade Path").
   */
  upgrade?: Uint8Array | undefined;
  /** The peer id that a tracker promised, if any. */
  expectedPeerId?: Uint8Array | undefined;
  /** Gives up. */
  signal: AbortSignal;
}

/**
 * Dials a peer and shakes hands.
 *
 * @param endpoint Where the peer listens.
 * @param options How, and what to say.
 * @returns The connection.
 * @throws {NetworkError} If nobody answers in time.
 * @throws {ProtocolError} If somebody else answers than was looked for.
 * @throws {SelfConnectionError} If we do.
 */
export async function openConnection(
  endpoint: Endpoint,
  options: OpenOptions,
): Promise<OpenConnection> {
  const { dial, ours, upgrade, expectedPeerId, signal } = options;
  const connection = await withDeadline(
    (signal) => dial(endpoint, { signal }),
    { signal, timeoutMs: DIAL_TIMEOUT_MS },
  );
  return await shake(connection, signal, async () => {
    await connection.write(encodeHandshake(ours));
    const theirs = await readHandshake(connection);
    if (
      !hashesEqual(theirs.infoHash, ours.infoHash) &&
      !(upgrade && hashesEqual(theirs.infoHash, upgrade))
    ) {
      throw new ProtocolError("The peer answered for another torrent");
    }
    if (hashesEqual(theirs.peerId, ours.peerId)) {
      throw new SelfConnectionError("The address is our own");
    }
    if (expectedPeerId && !hashesEqual(theirs.peerId, expectedPeerId)) {
      throw new ProtocolError("The peer is not the one the tracker named");
    }
    return { theirs, infoHash: theirs.infoHash };
  });
}

/** Options for {@linkcode acceptConnection}. */
export interface AcceptOptions {
  /**
   * Finds what we say to somebody who asks for a torrent.
   *
   * @param theirs What was said to us, with the torrent that is asked for.
   * @returns Our handshake, or `undefined` if we do not have that torrent.
   */
  answer: (theirs: Handshake) => Handshake | undefined;
  /** Gives up. */
  signal: AbortSignal;
}

/**
 * Shakes hands with a peer that has connected to us.
 *
 * @param connection The connection as it was accepted.
 * @param options What to say.
 * @returns The connection.
 * @throws {NetworkError} If the peer is silent or leaves.
 * @throws {ProtocolError} If it wants what we do not have.
 * @throws {SelfConnectionError} If it is us.
 */
export async function acceptConnection(
  connection: Connection,
  { answer, signal }: AcceptOptions,
): Promise<OpenConnection> {
  return await shake(connection, signal, async () => {
    const theirs = await readHandshake(connection);
    const ours = answer(theirs);
    if (!ours) throw new ProtocolError("The peer wants an unknown torrent");
    // Our own outgoing end learns of it by this answer, so it comes first.
    await connection.write(encodeHandshake(ours));
    if (hashesEqual(theirs.peerId, ours.peerId)) {
      throw new SelfConnectionError("The address is our own");
    }
    return { theirs, infoHash: ours.infoHash };
  });
}

async function readHandshake(connection: Connection): Promise<Handshake> {
  return decodeHandshake(await readExactly(connection, HANDSHAKE_LENGTH));
}

/** Runs an exchange of handshakes; when it fails the connection is closed. */
async function shake(
  connection: Connection,
  signal: AbortSignal,
  exchange: () => Promise<Omit<OpenConnection, "connection">>,
): Promise<OpenConnection> {
  const close = () => connection.close();
  try {
    const agreed = await withDeadline(async (signal) => {
      signal.throwIfAborted();
      signal.addEventListener("abort", close);
      try {
        return await exchange();
      } finally {
        signal.removeEventListener("abort", close);
      }
    }, { signal, timeoutMs: HANDSHAKE_TIMEOUT_MS });
    return { connection, ...agreed };
  } catch (error) {
    close();
    throw error;
  }
}

/** Runs something that must not take long; being late is a `NetworkError`. */
async function withDeadline<T>(
  run: (signal: AbortSignal) => Promise<T>,
  { signal, timeoutMs }: { signal: AbortSignal; timeoutMs: number },
): Promise<T> {
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    return await run(AbortSignal.any([signal, timeout]));
  } catch (error) {
    signal.throwIfAborted();
    if (!timeout.aborted) throw error;
    throw new NetworkError(
      `The peer did not answer within ${timeoutMs / 1000} s`,
      { cause: error },
    );
  }
}
