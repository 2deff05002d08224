/**
 * `MetadataGroup`: the peers that name the same length for the metadata
 * (BEP 9): whom of them to ask for what, together or each alone. Pure.
 *
 * @module
 */

import { hashesEqual } from "../bytes/hash.ts";
import type { MetadataMessage } from "../wire/ut_metadata.ts";
import { MetadataAttempt, type MetadataEvidence } from "./metadata_attempt.ts";

/** Clients answer a few requests at a time, and reject a flood. */
const MAX_ASKED_PER_PEER = 4;

/** A piece is 16 KiB: who needs longer is too slow to wait for. */
const ANSWER_TIMEOUT_MS = 10_000;

/** The pause after the first answer that was none; it doubles with each. */
const FIRST_PAUSE_MS = 10_000;

/** What the pause grows to: some reject until they have the metadata. */
const MAX_PAUSE_MS = 5 * 60_000;

/** Peers that are tried alone at the same time. */
const MAX_ALONE = 2;

/** What to ask whom. */
export interface MetadataRequest<Peer> {
  /** Whom to ask. */
  readonly peer: Peer;
  /** The piece. */
  readonly piece: number;
}

/** How a peer has behaved, which it takes along to another group. */
export interface MetadataRecord {
  /** Answers in a row that were none. */
  failures: number;
  /** Not to be asked before. */
  notBefore: number;
}

interface Source<Peer> extends MetadataRecord {
  readonly peer: Peer;
  /** What it was asked for, and when. */
  readonly asked: Map<number, Asked<Peer>>;
  /** When it is tried alone. */
  alone: MetadataAttempt<Peer> | undefined;
  hasGiven: boolean;
}

interface Asked<Peer> {
  readonly attempt: MetadataAttempt<Peer>;
  readonly at: number;
  isOverdue: boolean;
}

/** Peers that name the same length. */
export class MetadataGroup<Peer> {
  readonly #sources = new Map<Peer, Source<Peer>>();
  /** What all of them give together, while nobody is doubted. */
  #together: MetadataAttempt<Peer> | undefined;
  /** What they gave together when it was wrong: from then on each is alone. */
  #evidence: MetadataEvidence<Peer>[] | undefined;

  /**
   * A group of nobody.
   *
   * @param length The length of the metadata that they name.
   */
  constructor(readonly length: number) {}

  /** How many peers there are. */
  get size(): number {
    return this.#sources.size;
  }

  /** How much memory its attempts may take. */
  get maxHeld(): number {
    return this.length * (this.#evidence ? MAX_ALONE : 1);
  }

  /** The attempts that are being made. */
  get attempts(): MetadataAttempt<Peer>[] {
    const alone = [...this.#sources.values()].flatMap(({ alone }) =>
      alone ?? []
    );
    return this.#together ? [this.#together, ...alone] : alone;
  }

  /**
   * A peer joins.
   *
   * @param peer The peer.
   * @param record How it has behaved in another group, if it was in one.
   */
  join(peer: Peer, record?: MetadataRecord): void {
    this.#sources.set(peer, {
      peer,
      asked: new Map(),
      alone: undefined,
      hasGiven: false,
      failures: record?.failures ?? 0,
      notBefore: record?.notBefore ?? 0,
    });
  }

  /**
   * A peer leaves. What it gave to all stays.
   *
   * @param peer The peer.
   * @returns How it has behaved.
   */
  leave(peer: Peer): MetadataRecord | undefined {
    const source = this.#sources.get(peer);
    for (const piece of source?.asked.keys() ?? []) forget(source!, piece);
    this.#sources.delete(peer);
    return source;
  }

  /**
   * A peer of the group answers. What was not asked for is ignored.
   *
   * @param peer The peer.
   * @param message The answer; its bytes are copied.
   * @param now The time in milliseconds.
   * @returns The attempt that the answer completes, if it does.
   */
  receive(
    peer: Peer,
    message: MetadataMessage,
    now: number,
  ): MetadataAttempt<Peer> | undefined {
    const source = this.#sources.get(peer);
    const asked = source?.asked.get(message.piece);
    if (!source || !asked || message.type === "request") return undefined;
    forget(source, message.piece);
    const { attempt } = asked;
    const isUsable = message.type === "data" &&
      (message.totalSize ?? this.length) === this.length &&
      attempt.put(message.piece, { bytes: message.bytes, giver: peer });
    if (!isUsable) {
      fail(source, now);
      return undefined;
    }
    source.hasGiven = true;
    source.failures = 0;
    return attempt.isComplete ? attempt : undefined;
  }

  /**
   * What all gave together is wrong: from now on each is tried alone.
   *
   * @param attempt What they gave.
   */
  doubt(attempt: MetadataAttempt<Peer>): void {
    this.#evidence = attempt.evidence();
    this.release();
  }

  /**
   * An attempt to which one peer gave everything came to nothing. If others
   * could have given some of it, they begin again.
   *
   * @param attempt The attempt.
   */
  end(attempt: MetadataAttempt<Peer>): void {
    if (this.#together === attempt) this.release();
  }

  /** Ends all attempts, and frees their memory. */
  release(): void {
    this.#together = undefined;
    for (const source of this.#sources.values()) endAlone(source);
  }

  /**
   * Who gave what is not right.
   *
   * @param right The metadata, now that it is here.
   * @returns The liars; some may have left.
   */
  liars(right: MetadataAttempt<Peer>): Set<Peer> {
    const evidence = this.#evidence ?? [];
    if (right.length !== this.length) {
      const givers = [...this.#sources.values()]
        .filter(({ hasGiven }) => hasGiven).map(({ peer }) => peer);
      return new Set([...givers, ...evidence.map(({ giver }) => giver)]);
    }
    const truth = right.evidence();
    return new Set(
      evidence
        .filter(({ digest }, i) => !hashesEqual(digest, truth[i]!.digest))
        .map(({ giver }) => giver),
    );
  }

  /**
   * Gives up on who has not answered.
   *
   * @param now The time in milliseconds.
   */
  lookAfter(now: number): void {
    for (const source of this.#sources.values()) {
      const isPaused = source.notBefore > now;
      let isLate = false;
      for (const [piece, request] of source.asked) {
        if (request.isOverdue) {
          if (!isPaused) source.asked.delete(piece);
        } else if (now - request.at >= ANSWER_TIMEOUT_MS) {
          // It may still come, but others are asked meanwhile.
          request.attempt.answered(piece);
          request.isOverdue = true;
          isLate = true;
        }
      }
      if (isLate) fail(source, now);
    }
  }

  /**
   * Asks whoever can be asked, and begins the attempts for it.
   *
   * @param now The time in milliseconds.
   * @returns The requests to send.
   */
  ask(now: number): MetadataRequest<Peer>[] {
    if (this.#evidence) this.#chooseAlone(now);
    else this.#together ??= new MetadataAttempt(this.length);
    const requests: MetadataRequest<Peer>[] = [];
    // Everybody is asked for one piece before anybody is for a second.
    let count: number;
    do {
      count = requests.length;
      for (const source of this.#willing(now)) {
        const { peer, asked } = source;
        const attempt = this.#together ?? source.alone;
        const piece = attempt?.next((piece) => asked.has(piece), now);
        if (!attempt || piece === undefined) continue;
        attempt.asked(piece, now);
        asked.set(piece, { attempt, at: now, isOverdue: false });
        requests.push({ peer, piece });
      }
    } while (requests.length > count);
    return requests;
  }

  /** Those who can be asked for more, the most reliable first. */
  #willing(now: number): Source<Peer>[] {
    return [...this.#sources.values()]
      .filter(({ asked, notBefore }) =>
        notBefore <= now && asked.size < MAX_ASKED_PER_PEER
      )
      .sort((a, b) => a.failures - b.failures);
  }

  /** Chooses whom to try alone, of those who are willing. */
  #chooseAlone(now: number): void {
    let count = 0;
    for (const source of this.#sources.values()) {
      if (source.alone && source.notBefore > now) endAlone(source);
      if (source.alone) count++;
    }
    for (const source of this.#willing(now)) {
      if (count >= MAX_ALONE) return;
      if (source.alone) continue;
      source.alone = new MetadataAttempt(this.length);
      count++;
    }
  }
}

function endAlone<Peer>(source: Source<Peer>): void {
  source.alone = undefined;
  source.asked.clear();
}

function forget<Peer>(source: Source<Peer>, piece: number): void {
  const { attempt, isOverdue } = source.asked.get(piece)!;
  if (!isOverdue) attempt.answered(piece);
  source.asked.delete(piece);
}

/** A peer did not answer as asked: it is left in peace for a while. */
function fail<Peer>(source: Source<Peer>, now: number): void {
  const pause = FIRST_PAUSE_MS * 2 ** source.failures++;
  source.notBefore = now + Math.min(pause, MAX_PAUSE_MS);
}
