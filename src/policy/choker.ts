/**
 * `Choker`: whom to serve. Pure.
 *
 * Of the slots, four in five are earned. While downloading they go to those
 * who give most, so that giving pays (BEP 3, "tit-for-tat"); while seeding
 * they go round, the more often to a peer the faster it takes, so that pieces
 * spread and nobody is forgotten. The fifth is optimistic: it goes round among
 * the others, who was never served first, for whoever has nothing cannot give,
 * and may turn out to be the best.
 *
 * Places are given anew every ten seconds, and an optimistic one is kept for
 * thirty: that leaves TCP the time to get up to speed. To choke and unchoke
 * all the time ("fibrillation") would serve nobody. In between only slots that
 * are free are filled, at once.
 *
 * @module
 */

import { UploadSlots } from "./upload_slots.ts";

/** The time between two rounds (BEP 3). */
export const CHOKE_INTERVAL_MS = 10_000;

/** A timer may go off a little early: what is due then is due. */
const TOLERANCE_MS = 500;

/** How long an optimistic place is kept (BEP 3). */
const OPTIMISTIC_MS = 30_000;

/**
 * How long a place is kept while seeding, when others wait for it; and how
 * long who made no use of its place does not earn another.
 */
const TURN_MS = 60_000;

/** One slot in so many is optimistic. */
const SLOTS_PER_OPTIMISTIC = 5;

/**
 * Who has earned a place keeps it against those who give more by less than
 * this: two peers of one speed must not take turns.
 */
const LOYALTY = 1.25;

/** Rates are taken over so many rounds; BEP 3 says 20 seconds. */
const RATE_ROUNDS = 2;

/** A rate over less than this is chance. */
const MIN_RATE_MS = 5_000;

/** What a choker knows of a peer. */
export interface ChokerPeer {
  /** Whether the peer wants something that we have. */
  readonly isInterested: boolean;
  /** Whether requests of it wait to be answered. */
  readonly isAsking: boolean;
  /** Whether it owes us blocks and does not send them. */
  readonly isSnubbing: boolean;
  /** The bytes of blocks that it gave us since it came. */
  readonly receivedBytes: number;
  /** The bytes of blocks that it took since it came. */
  readonly sentBytes: number;
}

/** What a choice is about. */
export interface ChokeRound {
  /** The time in milliseconds. */
  now: number;
  /** Whether we have everything. */
  isSeeding: boolean;
  /** How fast we give altogether, in bytes per second. */
  sentPerSecond: number;
  /** How many peers may be served, whatever the rate says. */
  maxSlots?: number | undefined;
}

/** The totals of a peer at a round. */
interface Mark {
  at: number;
  received: number;
  sent: number;
}

type Place = "earned" | "optimistic";

/** What is remembered of a peer. */
interface Standing {
  /** The last rounds, the oldest first. */
  marks: Mark[];
  /** How fast it gave in the last rounds, in bytes per second. */
  gives: number;
  /** How fast it took when it was served last, if it was. */
  takes: number | undefined;
  /** The place it has, and since when; who has none is choked. */
  place: { kind: Place; since: Mark } | undefined;
  /** Since when it has no place. */
  waitingSince: number;
  /** Whether it ever had a place. */
  wasServed: boolean;
  /** Whether it has a place and makes no use of it. */
  isIdle: boolean;
  /** When that was so last. */
  idleAt: number;
}

/** Decides whom to serve. */
export class Choker<Peer extends ChokerPeer> {
  readonly #random: () => number;
  readonly #slots = new UploadSlots();
  readonly #standings = new WeakMap<Peer, Standing>();
  #lastRoundAt = -Infinity;

  /**
   * A choker that serves nobody yet.
   *
   * @param random A number from 0 to less than 1.
   */
  constructor(random: () => number) {
    this.#random = random;
  }

  /**
   * Decides whom to serve. It is asked every {@linkcode CHOKE_INTERVAL_MS},
   * and may be asked at any time between: when a peer becomes interested, or
   * leaves. Then nobody who still wants its place loses it.
   *
   * @param peers Everybody who is connected.
   * @param round What the choice is about.
   * @returns Whom to serve; the others are choked.
   */
  choose(peers: Iterable<Peer>, round: ChokeRound): Set<Peer> {
    const { now, maxSlots = Infinity } = round;
    const all = [...peers];
    for (const peer of all) this.#meet(peer, now);
    const isRound = now - this.#lastRoundAt >= CHOKE_INTERVAL_MS - TOLERANCE_MS;
    if (isRound) {
      this.#lastRoundAt = now;
      for (const peer of all) this.#measure(peer, now);
    }
    const wanting = all.filter((peer) =>
      peer.isInterested && (peer.isAsking || !this.#of(peer).isIdle)
    );
    if (isRound) {
      const isShort = wanting.length > Math.min(this.#slots.count, maxSlots);
      this.#slots.next({ ...round, isShort });
    }
    const slots = Math.min(this.#slots.count, maxSlots);
    const toEarn = slots - Math.ceil(slots / SLOTS_PER_OPTIMISTIC);
    // Between rounds nobody who wants its place has to fear for it, unless
    // there are fewer slots than before.
    const placed = wanting.filter((peer) => this.#of(peer).place);
    const keep = isRound || placed.length > slots ? [] : placed;
    const earned = keep.filter((peer) =>
      this.#of(peer).place!.kind === "earned"
    );
    const chosen = new Set(keep);
    const rest = () => wanting.filter((peer) => !chosen.has(peer));
    const free = () => Math.max(0, slots - chosen.size);
    const count = Math.max(0, Math.min(toEarn - earned.length, free()));
    for (const peer of this.#earn(rest(), { ...round, count })) {
      this.#seat(peer, "earned", now);
      chosen.add(peer);
    }
    for (const peer of this.#try(rest(), { now, count: free() })) {
      this.#seat(peer, "optimistic", now);
      chosen.add(peer);
    }
    // Who wants nothing now may do so in a moment: it keeps a place that
    // nobody else wants.
    for (const peer of all) {
      if (free() === 0) break;
      if (this.#of(peer).place) chosen.add(peer);
    }
    for (const peer of all) if (!chosen.has(peer)) this.#unseat(peer, now);
    return chosen;
  }

  /** Those who have earned a place. */
  #earn(
    peers: readonly Peer[],
    { now, isSeeding, count }: ChokeRound & { count: number },
  ): Peer[] {
    const meritOf = isSeeding
      ? this.#meritOfTakers(peers, now)
      : (peer: Peer) => this.#meritOfGiver(peer);
    return peers
      .filter((peer) => now - this.#of(peer).idleAt >= TURN_MS)
      .map((peer) => ({ peer, merit: meritOf(peer), lot: this.#random() }))
      .filter(({ merit }) => merit > 0)
      .sort((a, b) => a.merit === b.merit ? a.lot - b.lot : b.merit - a.merit)
      .slice(0, count)
      .map(({ peer }) => peer);
  }

  /** While downloading: what it gives, but nothing for who snubs us. */
  #meritOfGiver(peer: Peer): number {
    const { gives, place } = this.#of(peer);
    if (peer.isSnubbing) return 0;
    return place?.kind === "earned" ? gives * LOYALTY : gives;
  }

  /**
   * While seeding: whose turn it is, then who takes fast and waits long. Who
   * is slow comes in by the optimistic slots, where the longest wait counts.
   */
  #meritOfTakers(
    peers: readonly Peer[],
    now: number,
  ): (peer: Peer) => number {
    const known = peers.flatMap((peer) => this.#of(peer).takes ?? []);
    const usual = known.reduce((sum, rate) => sum + rate, 0) /
        Math.max(1, known.length) || 1;
    return (peer) => {
      const { place, takes = usual, waitingSince } = this.#of(peer);
      if (!place) return takes * (1 + now - waitingSince);
      if (place.kind === "optimistic") return 0;
      const isTurn = now - place.since.at < TURN_MS - TOLERANCE_MS;
      // Whose turn is over stays if nobody waits.
      return isTurn ? Infinity : Number.MIN_VALUE;
    };
  }

  /** Those who keep their optimistic place, and who gets what is left. */
  #try(
    peers: readonly Peer[],
    { now, count }: { now: number; count: number },
  ): Peer[] {
    const since = (peer: Peer) => {
      const { place } = this.#of(peer);
      return place?.kind === "optimistic" ? place.since.at : -Infinity;
    };
    const staying = peers
      .filter((peer) => now - since(peer) < OPTIMISTIC_MS - TOLERANCE_MS)
      // When those who have earned it need the room, the latest may stay.
      .sort((a, b) => since(b) - since(a))
      .slice(0, count);
    // Whose term is over has waited for no time: it stays if nobody else does.
    const waitsSince = (peer: Peer) => {
      const { place, wasServed, waitingSince } = this.#of(peer);
      if (place) return now;
      return wasServed ? waitingSince : -Infinity;
    };
    const waiting = peers
      .filter((peer) => !staying.includes(peer))
      .map((peer) => ({ peer, since: waitsSince(peer), lot: this.#random() }))
      .sort((a, b) => a.since === b.since ? a.lot - b.lot : a.since - b.since)
      .map(({ peer }) => peer);
    return [...staying, ...waiting.slice(0, count - staying.length)];
  }

  #of(peer: Peer): Standing {
    return this.#standings.get(peer)!;
  }

  #meet(peer: Peer, now: number): void {
    if (this.#standings.has(peer)) return;
    this.#standings.set(peer, {
      marks: [markOf(peer, now)],
      gives: 0,
      takes: undefined,
      place: undefined,
      waitingSince: now,
      wasServed: false,
      isIdle: false,
      idleAt: -Infinity,
    });
  }

  /** A round begins: how fast is the peer? */
  #measure(peer: Peer, now: number): void {
    const standing = this.#of(peer);
    const { marks, place } = standing;
    const mark = markOf(peer, now);
    const elapsed = Math.max(now - marks[0]!.at, MIN_RATE_MS);
    standing.gives = (mark.received - marks[0]!.received) * 1000 / elapsed;
    if (place && now - place.since.at >= MIN_RATE_MS) {
      const taken = mark.sent - place.since.sent;
      standing.takes = taken * 1000 / (now - place.since.at);
    }
    // Served for a whole round, and nothing asked for: a dead slot.
    standing.isIdle = !peer.isAsking && place !== undefined &&
      now - place.since.at >= CHOKE_INTERVAL_MS - TOLERANCE_MS &&
      mark.sent === marks.at(-1)!.sent;
    if (standing.isIdle) standing.idleAt = now;
    marks.push(mark);
    if (marks.length > RATE_ROUNDS) marks.shift();
  }

  #seat(peer: Peer, kind: Place, now: number): void {
    const standing = this.#of(peer);
    standing.wasServed = true;
    if (standing.place) standing.place.kind = kind;
    else standing.place = { kind, since: markOf(peer, now) };
  }

  #unseat(peer: Peer, now: number): void {
    const standing = this.#of(peer);
    if (!standing.place) return;
    standing.place = undefined;
    standing.waitingSince = now;
    standing.isIdle = false;
  }
}

function markOf(peer: ChokerPeer, at: number): Mark {
  return { at, received: peer.receivedBytes, sent: peer.sentBytes };
}
