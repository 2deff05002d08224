/**
 * `Choker`: whom to serve. Pure.
 *
 * While downloading, those who give most are served, so that giving pays
 * (BEP 3, "tit-for-tat"); while seeding, those who take most, so that pieces
 * spread. One slot in a few is optimistic: it goes round among the others,
 * newcomers first, for whoever has nothing cannot give, and may turn out to be
 * the best.
 *
 * A round every ten seconds, and the optimistic slots only every third, leave
 * TCP the time to get up to speed: to choke and unchoke all the time
 * ("fibrillation") would serve nobody.
 *
 * @module
 */

/** The time between two rounds (BEP 3). */
export const CHOKE_INTERVAL_MS = 10_000;

/** An optimistic slot stays with a peer for so many rounds (BEP 3: 30 s). */
const OPTIMISTIC_ROUNDS = 3;

/** One slot in so many is optimistic. */
const SLOTS_PER_OPTIMISTIC = 5;

/** Fewer slots would make a swarm of favourites. */
const MIN_SLOTS = 4;

/** More slots than this give nobody enough. */
const MAX_SLOTS = 100;

/** A peer is new for so long: then it is three times as likely to be drawn. */
const NEW_PEER_MS = 60_000;
const NEW_PEER_LOTS = 3;

/**
 * Who is served keeps its place against those who are better by less than
 * this: two peers of one speed must not take turns.
 */
const LOYALTY = 1.1;

/** What a choker knows of a peer. */
export interface ChokerPeer {
  /** Whether the peer wants something that we have. */
  readonly isInterested: boolean;
  /** Whether it is served now. */
  readonly isUnchoked: boolean;
  /** Whether it owes us blocks and does not send them. */
  readonly isSnubbing: boolean;
  /** How fast it gives, in bytes per second. */
  readonly givesPerSecond: number;
  /** How fast it takes, in bytes per second. */
  readonly takesPerSecond: number;
  /** When it came, in milliseconds. */
  readonly connectedAt: number;
}

/** What a round is about. */
export interface ChokeRound {
  /** The time in milliseconds. */
  now: number;
  /** Whether we have everything. */
  isSeeding: boolean;
  /** How fast we give altogether, in bytes per second. */
  sentPerSecond: number;
}

/** Decides whom to serve. */
export class Choker<Peer extends ChokerPeer> {
  readonly #random: () => number;
  #optimistic = new Set<Peer>();
  #round = 0;

  /**
   * A choker that serves nobody yet.
   *
   * @param random A number from 0 to less than 1.
   */
  constructor(random: () => number) {
    this.#random = random;
  }

  /**
   * How many peers are served at a time: the faster we give, the more.
   *
   * @param sentPerSecond How fast we give, in bytes per second.
   * @returns The number of slots.
   */
  static slots(sentPerSecond: number): number {
    // The rule of the first client: each of n peers gets a share of √n.
    const slots = Math.round(Math.sqrt(sentPerSecond / 1024 * 0.6));
    return Math.max(MIN_SLOTS, Math.min(MAX_SLOTS, slots));
  }

  /**
   * Decides whom to serve until the next round.
   *
   * @param peers Everybody who is connected.
   * @param round What the round is about.
   * @returns Whom to serve; the others are choked.
   */
  choose(peers: Iterable<Peer>, round: ChokeRound): Set<Peer> {
    const wanting = [...peers].filter((peer) => peer.isInterested);
    const slots = Choker.slots(round.sentPerSecond);
    const optimisticSlots = Math.ceil(slots / SLOTS_PER_OPTIMISTIC);
    const rank = (peer: Peer) => {
      const rate = round.isSeeding ? peer.takesPerSecond : peer.givesPerSecond;
      return peer.isUnchoked ? rate * LOYALTY : rate;
    };
    // Who snubs us has only the optimistic slots.
    const deserving = wanting
      .filter((peer) => round.isSeeding || !peer.isSnubbing)
      .map((peer) => ({ peer, rank: rank(peer), lot: this.#random() }))
      .sort((a, b) => b.rank - a.rank || a.lot - b.lot)
      .map(({ peer }) => peer);
    const chosen = new Set(deserving.slice(0, slots - optimisticSlots));
    this.#drawOptimistic(wanting, {
      ...round,
      chosen,
      count: slots - chosen.size,
    });
    return chosen;
  }

  /** Adds the optimistic ones: those of the last rounds, or new ones. */
  #drawOptimistic(
    wanting: readonly Peer[],
    options: ChokeRound & { chosen: Set<Peer>; count: number },
  ): void {
    const { chosen, count, now } = options;
    const isTurn = this.#round++ % OPTIMISTIC_ROUNDS === 0;
    const staying = isTurn
      ? []
      : wanting.filter((peer) => this.#optimistic.has(peer));
    this.#optimistic = new Set(
      staying.filter((peer) => !chosen.has(peer)).slice(0, count),
    );
    const before = new Set(
      isTurn ? wanting.filter((peer) => peer.isUnchoked) : [],
    );
    const waiting = wanting
      .filter((peer) => !chosen.has(peer) && !this.#optimistic.has(peer))
      // Who had the slot waits until the others have had it.
      .sort((a, b) => Number(before.has(a)) - Number(before.has(b)));
    while (this.#optimistic.size < count && waiting.length > 0) {
      const fresh = waiting.filter((peer) => !before.has(peer));
      const drawn = this.#draw(fresh.length > 0 ? fresh : waiting, now);
      waiting.splice(waiting.indexOf(drawn), 1);
      this.#optimistic.add(drawn);
    }
    for (const peer of this.#optimistic) chosen.add(peer);
  }

  /** Draws one; newcomers have more lots. */
  #draw(peers: readonly Peer[], now: number): Peer {
    const lots = peers.flatMap((peer) =>
      now - peer.connectedAt < NEW_PEER_MS
        ? Array<Peer>(NEW_PEER_LOTS).fill(peer)
        : [peer]
    );
    return lots[Math.floor(this.#random() * lots.length)]!;
  }
}
