/**
 * The error classes: one for each consequence, so that a `catch` names what it
 * is prepared to survive.
 *
 * A `TypeError` or `RangeError` of our own is a bug and is never caught; the
 * platform's become one of these at the line that calls.
 *
 * @module
 */

/** Bytes that are not bencoded (BEP 3); whoever decodes wraps it as `cause`. */
export class BencodeError extends SyntaxError {
  /** The name of the class. */
  override readonly name = "BencodeError";

  /**
   * Names the place where decoding stopped.
   *
   * @param message What is wrong there.
   * @param offset Where in the input, in bytes.
   */
  constructor(message: string, readonly offset: number) {
    super(`Cannot decode bencoding at byte ${offset}: ${message}`);
  }
}

/** A metainfo file that cannot be used: the user's source is wrong. */
export class MetainfoError extends SyntaxError {
  /** The name of the class. */
  override readonly name: string = "MetainfoError";

  /**
   * Names the field that is wrong.
   *
   * @param field The path of the field, such as `info.piece length`.
   * @param problem What is wrong with it.
   * @param source What it is a field of.
   */
  constructor(readonly field: string, problem: string, source = "torrent") {
    super(`Cannot use ${source}: ${field} ${problem}`);
  }
}

/** A magnet link that cannot be used: the user's source is wrong. */
export class MagnetError extends MetainfoError {
  /** The name of the class. */
  override readonly name = "MagnetError";

  /**
   * Names the parameter that is wrong.
   *
   * @param field The name of the parameter, such as `xt`.
   * @param problem What is wrong with it.
   */
  constructor(field: string, problem: string) {
    super(field, problem, "magnet link");
  }
}

/** The other side broke the protocol: drop that peer, node or reply. */
export class ProtocolError extends Error {
  /** The name of the class. */
  override readonly name = "ProtocolError";
}

/** Somebody cannot be reached, or a connection broke: back off, try others. */
export class NetworkError extends Error {
  /** The name of the class. */
  override readonly name = "NetworkError";
}

/** At the other end is this program itself: that address is never dialled. */
export class SelfConnectionError extends Error {
  /** The name of the class. */
  override readonly name = "SelfConnectionError";
}

/** A tracker did not answer as one should: try the next, and back off. */
export class TrackerError extends Error {
  /** The name of the class. */
  override readonly name = "TrackerError";

  /**
   * Names the tracker that failed.
   *
   * @param message What happened.
   * @param options `retryIn` is the tracker's own wish, in seconds, if any.
   */
  constructor(
    message: string,
    readonly options: ErrorOptions & { retryIn?: number | undefined } = {},
  ) {
    super(message, options);
  }
}

/**
 * What a web seed cannot do:
 *
 * - `missing`: it does not have the file, and is not asked for it again;
 * - `failed`: it may answer later.
 */
export type WebSeedProblem = "missing" | "failed";

/** A web seed did not give what it was asked for: others may have it. */
export class WebSeedError extends Error {
  /** The name of the class. */
  override readonly name = "WebSeedError";

  /**
   * Names the problem.
   *
   * @param problem What kind of failure it is.
   * @param message What happened.
   * @param options `retryInMs` is the web seed's own wish, if any.
   */
  constructor(
    readonly problem: WebSeedProblem,
    message: string,
    readonly options: ErrorOptions & { retryInMs?: number | undefined } = {},
  ) {
    super(message, options);
  }
}

/**
 * What became impossible with the disk:
 *
 * - `disk_full`: no room for the bytes;
 * - `exists`: something that is not ours lies where a file should go;
 * - `denied`: the system or Deno does not permit it;
 * - `locked`: another process is working on the same download;
 * - `io`: anything else the disk reports.
 */
export type StorageProblem =
  | "disk_full"
  | "exists"
  | "denied"
  | "locked"
  | "io";

/** The disk failed: the torrent stops with this as its reason. */
export class StorageError extends Error {
  /** The name of the class. */
  override readonly name = "StorageError";

  /**
   * Names the problem and the file.
   *
   * @param problem What kind of failure it is.
   * @param options The message, the file, and the error it came from.
   */
  constructor(
    readonly problem: StorageProblem,
    readonly options: { message: string; path: string; cause?: unknown },
  ) {
    super(options.message, { cause: options.cause });
  }
}

/**
 * Why a download was given up:
 *
 * - `stalled`: nothing came any more;
 * - `unreachable`: nobody could be reached at all;
 * - `mismatch`: what came was not what the torrent's hashes say.
 */
export type GiveUpReason = "stalled" | "unreachable" | "mismatch";

/** The download made no progress for as long as the user allowed. */
export class GaveUpError extends Error {
  /** The name of the class. */
  override readonly name = "GaveUpError";

  /**
   * Names the reason.
   *
   * @param reason Why.
   * @param message The same in a sentence.
   */
  constructor(readonly reason: GiveUpReason, message: string) {
    super(message);
  }
}
