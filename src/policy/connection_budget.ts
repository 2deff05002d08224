/**
 * `ConnectionBudget`: how many connections all torrents have together, and
 * whose turn it is for the next one. Pure.
 *
 * While there is enough, each takes what it wants. A torrent that asked in vain
 * and has less than an equal share is owed: what comes free is kept for it, and
 * who has most gives up one after the other until it has its share. So a
 * torrent with many peers cannot starve another.
 *
 * @module
 */

/** One torrent's part of the budget. */
interface Account {
  /** Connections that it has. */
  count: number;
  /** Whether it asked in vain since it got one last. */
  isOwed: boolean;
}

/** Shares connections out among torrents, which are named by keys. */
export class ConnectionBudget<Key> {
  readonly #limit: number;
  readonly #accounts = new Map<Key, Account>();
  #used = 0;

  /**
   * A budget of which nothing is spent.
   *
   * @param limit How many connections there may be.
   */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many connections there are. */
  get used(): number {
    return this.#used;
  }

  /**
   * How many connections a torrent has.
   *
   * @param key The torrent.
   * @returns The number.
   */
  usedBy(key: Key): number {
    return this.#accounts.get(key)?.count ?? 0;
  }

  /**
   * Asks for a connection; it is asked for before it is opened or kept.
   *
   * @param key The torrent.
   * @returns Whether it may be; then it is {@linkcode release}d in the end.
   */
  take(key: Key): boolean {
    const account = this.#accounts.get(key) ?? { count: 0, isOwed: false };
    this.#accounts.set(key, account);
    account.isOwed = !this.#mayTake(account);
    if (account.isOwed) return false;
    account.count++;
    this.#used++;
    return true;
  }

  /**
   * A connection has ended.
   *
   * @param key The torrent.
   */
  release(key: Key): void {
    const account = this.#accounts.get(key);
    if (!account || account.count === 0) return;
    account.count--;
    this.#used--;
  }

  /**
   * Whether a torrent should let a connection go, because another one is
   * owed; it is the one that has most.
   *
   * @param key The torrent.
   * @returns Whether one of its connections should end.
   */
  isOverdrawn(key: Key): boolean {
    const account = this.#accounts.get(key);
    if (!account || this.#used < this.#limit) return false;
    const isMost = this.#all.every(({ count }) => count <= account.count);
    return isMost && account.count > this.#share &&
      this.#all.some((other) => this.#isShort(other));
  }

  /**
   * A torrent needs no connections any more: what it has is released.
   *
   * @param key The torrent.
   */
  close(key: Key): void {
    this.#used -= this.usedBy(key);
    this.#accounts.delete(key);
  }

  get #all(): Account[] {
    return [...this.#accounts.values()];
  }

  /** What each has if all have the same; one at least. */
  get #share(): number {
    return Math.max(1, Math.floor(this.#limit / this.#accounts.size));
  }

  /** Whether it asked in vain, and has less than its share. */
  #isShort(account: Account): boolean {
    return account.isOwed && account.count < this.#share;
  }

  #mayTake(account: Account): boolean {
    const free = this.#limit - this.#used;
    if (free <= 0) return false;
    if (account.count < this.#share) return true;
    // What others are owed is not for who has its share.
    const owed = this.#all
      .filter((other) => other !== account && this.#isShort(other)).length;
    return free > owed;
  }
}
