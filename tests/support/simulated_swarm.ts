/**
 * A drawn swarm on a clock of its own: everybody has a line, and whoever has
 * something gives it to those whom its own choker serves.
 *
 * @module
 */

import {
  CHOKE_INTERVAL_MS,
  Choker,
  type ChokerPeer,
} from "../../src/policy/choker.ts";

/** How finely time passes. */
const STEP_MS = 500;

/** From the unchoking to the first byte: a request has to come first. */
const START_MS = 500;

/** A part in a swarm. */
export interface Role {
  /** A name for pictures. */
  name: string;
  /** What it gives at most, in bytes per second; nothing: a free rider. */
  up: number;
  /** What it takes at most, in bytes per second. */
  down: number;
  /** Whether it has everything. */
  isSeed?: boolean;
  /** When it comes, in milliseconds; at the start if not given. */
  joinsAt?: number;
  /** At most so many are served, whatever the rate says. */
  maxSlots?: number;
}

/** What somebody sees of somebody else. */
class View implements ChokerPeer {
  isInterested = false;
  isAsking = false;
  isSnubbing = false;
  receivedBytes = 0;
  sentBytes = 0;
  unchokedAt: number | undefined;
}

/** Somebody in a swarm. */
export class Member {
  /** The bytes that came. */
  received = 0;
  /** How often it choked somebody. */
  chokes = 0;
  /** Most peers that it served at a time. */
  mostServed = 0;
  /** How fast it gives now. */
  sentPerSecond = 0;
  readonly views = new Map<Member, View>();
  readonly #choker: Choker<View>;
  #nextRoundAt: number;

  /**
   * Somebody who has just come.
   *
   * @param role Its part.
   * @param random A number from 0 to less than 1.
   */
  constructor(readonly role: Role, random: () => number) {
    this.#choker = new Choker(random);
    // Nobody's timer runs with anybody else's.
    this.#nextRoundAt = (role.joinsAt ?? 0) + random() * CHOKE_INTERVAL_MS;
  }

  /** Lets its choker choose, if it is time or if somebody has come. */
  choose(now: number, isNews: boolean): void {
    if (this.role.up === 0) return;
    if (now >= this.#nextRoundAt) this.#nextRoundAt += CHOKE_INTERVAL_MS;
    else if (!isNews) return;
    const chosen = this.#choker.choose(this.views.values(), {
      now,
      isSeeding: this.role.isSeed === true,
      sentPerSecond: this.sentPerSecond,
      maxSlots: this.role.maxSlots,
    });
    this.mostServed = Math.max(this.mostServed, chosen.size);
    for (const view of this.views.values()) {
      const isServed = chosen.has(view);
      if (isServed) view.unchokedAt ??= now;
      else if (view.unchokedAt !== undefined) {
        view.unchokedAt = undefined;
        this.chokes++;
      }
    }
  }
}

/** All who share one torrent without end: leechers always lack something. */
export class SimulatedSwarm {
  /** Who is there; grows as they join. */
  readonly members: Member[] = [];
  /** The time in milliseconds. */
  now = 0;
  readonly #random: () => number;
  readonly #later: Role[];

  /**
   * A swarm before anything has happened.
   *
   * @param roles Who takes part.
   * @param random A number from 0 to less than 1.
   */
  constructor(roles: readonly Role[], random: () => number) {
    this.#random = random;
    this.#later = [...roles];
  }

  /**
   * Lets time pass.
   *
   * @param ms How much.
   */
  run(ms: number): void {
    const end = this.now + ms;
    while (this.now < end) {
      const isNews = this.#join();
      for (const member of this.members) member.choose(this.now, isNews);
      this.#transfer();
      this.now += STEP_MS;
    }
  }

  /**
   * What the members of a name received, on average.
   *
   * @param name The name.
   * @returns Bytes.
   */
  received(name: string): number {
    const members = this.members.filter(({ role }) => role.name === name);
    return members.reduce((sum, { received }) => sum + received, 0) /
      members.length;
  }

  #join(): boolean {
    const due = this.#later.filter(({ joinsAt = 0 }) => joinsAt <= this.now);
    for (const role of due) {
      this.#later.splice(this.#later.indexOf(role), 1);
      const member = new Member(role, this.#random);
      for (const other of this.members) {
        member.views.set(other, new View());
        other.views.set(member, new View());
      }
      this.members.push(member);
    }
    if (due.length === 0) return false;
    for (const giver of this.members) {
      for (const [taker, view] of giver.views) {
        view.isInterested = !taker.role.isSeed;
        view.isAsking = view.isInterested;
      }
    }
    return true;
  }

  /** Every line is shared by those whom it serves, with some luck. */
  #transfer(): void {
    const room = new Map(this.members.map((member) => [
      member,
      member.role.down * STEP_MS / 1000,
    ]));
    // Who comes first is drawn: a full line would favour somebody otherwise.
    const givers = this.members
      .filter((giver) => giver.role.isSeed || giver.received > 0)
      .map((giver) => ({ giver, lot: this.#random() }))
      .sort((a, b) => a.lot - b.lot);
    for (const { giver } of givers) {
      const served = [...giver.views].filter(([taker, { unchokedAt }]) =>
        !taker.role.isSeed && unchokedAt !== undefined &&
        this.now - unchokedAt >= START_MS
      ).sort(([a], [b]) => room.get(a)! - room.get(b)!);
      const before = giver.role.up * STEP_MS / 1000;
      let line = before;
      const luck = served.map(() => 0.5 + this.#random());
      let sum = luck.reduce((a, b) => a + b, 0);
      served.forEach(([taker, view], i) => {
        const bytes = Math.min(line * luck[i]! / sum, room.get(taker)!);
        sum -= luck[i]!;
        line -= bytes;
        room.set(taker, room.get(taker)! - bytes);
        taker.received += bytes;
        view.sentBytes += bytes;
        taker.views.get(giver)!.receivedBytes += bytes;
      });
      giver.sentPerSecond = (before - line) * 1000 / STEP_MS;
    }
  }
}
