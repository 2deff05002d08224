/**
 * `RoutingTable`: the nodes that we know, in buckets by the distance of their
 * ids to ours (BEP 5). Pure. A table has nodes of one family of addresses
 * (BEP 32).
 *
 * ```
 *   bucket 0: ids that differ from ours in the first bit
 *   bucket 1: ids that differ in the second bit
 *   ···
 *   the last: all that are nearer; it is divided when it is full
 * ```
 *
 * Only who has answered a question of ours gets in. So that nobody fills the
 * table alone, a host has one place in it and a network one in a bucket; and
 * who has an id that its address may not have (BEP 42) makes room for others.
 *
 * @module
 */

import { formatEndpoint } from "../bytes/endpoint.ts";
import { hashesEqual } from "../bytes/hash.ts";
import { isLocal } from "../bytes/local_host.ts";
import type { NodeContact } from "./node_contact.ts";
import {
  commonPrefixLength,
  compareDistance,
  hostOf,
  ID_BITS,
  idAtDistance,
  idFitsAddress,
  networkOf,
} from "./node_id.ts";

/** BEP 5: "K, currently eight". */
export const BUCKET_SIZE = 8;

/** Who waits for a place; more would be too old when one is free. */
const MAX_REPLACEMENTS = 8;

/** BEP 5: "After 15 minutes of inactivity, a node becomes questionable". */
const QUESTIONABLE_AFTER_MS = 15 * 60_000;

/** BEP 5: "try once more before discarding the node". */
const MAX_FAILURES = 2;

/** BEP 5: how a node stands. */
export type NodeStatus = "good" | "questionable" | "bad";

/** A node of a table. */
export interface TableNode extends NodeContact {
  /** Whether its id is one that its address may have (BEP 42). */
  readonly isFitting: boolean;
}

interface Entry extends TableNode {
  /** Its endpoint as text. */
  readonly key: string;
  /** Of which one has a place in the table; nothing for neighbours. */
  readonly host: string | undefined;
  /** Of which one has a place in a bucket; nothing for neighbours. */
  readonly network: string | undefined;
  /** When it last answered or asked, in milliseconds. */
  seenAt: number;
  /** How many questions in a row it has not answered. */
  failures: number;
}

interface Bucket {
  /** The one that was seen longest ago need not be the first. */
  nodes: Entry[];
  /** They have answered, too; the newest last. */
  replacements: Entry[];
  changedAt: number;
}

/** Nodes by the distance of their ids to ours. */
export class RoutingTable {
  #id: Uint8Array;
  #buckets: Bucket[];

  /**
   * A table without nodes.
   *
   * @param id Our own id.
   * @param now The time in milliseconds.
   */
  constructor(id: Uint8Array, now: number) {
    this.#id = id;
    this.#buckets = [emptyBucket(now)];
  }

  /** Our own id. */
  get id(): Uint8Array {
    return this.#id;
  }

  /** How many nodes it has. */
  get size(): number {
    return this.#buckets.reduce((sum, { nodes }) => sum + nodes.length, 0);
  }

  /** How many have ids that their addresses may have (BEP 42). */
  get fittingNodes(): number {
    return this.#buckets.reduce(
      (sum, { nodes }) => sum + nodes.filter((node) => node.isFitting).length,
      0,
    );
  }

  /** How many buckets it has. */
  get depth(): number {
    return this.#buckets.length;
  }

  /** Its nodes. */
  get nodes(): TableNode[] {
    return this.#buckets.flatMap(({ nodes }) => nodes);
  }

  /**
   * Counts the good nodes.
   *
   * @param now The time in milliseconds.
   * @returns How many there are.
   */
  goodNodes(now: number): number {
    return this.#buckets.flatMap(({ nodes }) => nodes)
      .filter((node) => status(node, now) === "good").length;
  }

  /**
   * How long nobody has been heard of.
   *
   * @param now The time in milliseconds.
   * @returns Milliseconds; `Infinity` if nobody is known.
   */
  silentFor(now: number): number {
    const seen = this.#buckets
      .flatMap(({ nodes }) => nodes.map(({ seenAt }) => seenAt));
    return seen.length === 0 ? Infinity : now - Math.max(...seen);
  }

  /**
   * A node has answered a question of ours.
   *
   * @param contact The node.
   * @param now The time in milliseconds.
   */
  replied({ id, endpoint }: NodeContact, now: number): void {
    if (hashesEqual(id, this.#id)) return;
    const there = this.#at(endpoint);
    if (there && !hashesEqual(there.id, id)) {
      // It has changed its id: neither can be relied on now.
      this.#remove(there, now);
      return;
    }
    if (there) {
      there.seenAt = now;
      there.failures = 0;
      this.#bucketOf(id).changedAt = now;
      return;
    }
    this.#insert(newEntry({ id, endpoint }, now), now);
  }

  /**
   * A node has asked us something.
   *
   * @param contact The node.
   * @param now The time in milliseconds.
   * @returns Whether it would get in if it answered a question.
   */
  queried({ id, endpoint }: NodeContact, now: number): boolean {
    if (hashesEqual(id, this.#id)) return false;
    const there = this.#at(endpoint);
    if (there) {
      const isIt = hashesEqual(there.id, id);
      // BEP 5: good is also who "has ever responded" and sends queries now.
      if (isIt && there.failures === 0) there.seenAt = now;
      return false;
    }
    const entry = newEntry({ id, endpoint }, now);
    const bucket = this.#bucketOf(id);
    return this.#mayEnter(entry, bucket) &&
      (bucket.nodes.length < BUCKET_SIZE || this.#canSplit(bucket) ||
        bucket.nodes.some((node) => mustYield(node, entry)) ||
        bucket.replacements.length < MAX_REPLACEMENTS);
  }

  /**
   * A node has not answered a question.
   *
   * @param endpoint Where it is.
   * @param now The time in milliseconds.
   */
  failed(endpoint: NodeContact["endpoint"], now: number): void {
    const node = this.#at(endpoint);
    if (!node) return;
    node.failures++;
    if (isBad(node)) this.#replace(node, now);
  }

  /**
   * The nodes nearest to an id: those with ids that their addresses may have
   * (BEP 42) before all others.
   *
   * @param target The id.
   * @param options How many at most, the time, whether only good ones, and
   * which others are left out.
   * @returns The nodes.
   */
  closest(
    target: Uint8Array,
    { count = BUCKET_SIZE, now, isGood = true, isFitting, isOutside }: {
      count?: number;
      now: number;
      isGood?: boolean;
      isFitting?: boolean;
      isOutside?: boolean;
    },
  ): TableNode[] {
    return this.#buckets.flatMap(({ nodes }) => nodes)
      .filter((node) =>
        (isGood ? status(node, now) === "good" : !isBad(node)) &&
        (isFitting === undefined || node.isFitting === isFitting) &&
        !(isOutside && node.host === undefined)
      )
      .sort((a, b) =>
        Number(b.isFitting) - Number(a.isFitting) ||
        compareDistance(target, { a: a.id, b: b.id })
      )
      .slice(0, count);
  }

  /**
   * Whom to ask whether they are still there, because others wait for their
   * places (BEP 5): in each bucket the one seen longest ago.
   *
   * @param now The time in milliseconds.
   * @returns The nodes.
   */
  doubtful(now: number): TableNode[] {
    return this.#buckets.flatMap(({ nodes, replacements }) => {
      if (replacements.length === 0) return [];
      const oldest = nodes
        .filter((node) => status(node, now) === "questionable")
        .sort((a, b) => a.seenAt - b.seenAt);
      return oldest.slice(0, 1);
    });
  }

  /**
   * What to look for so that the table stays fresh: an id in each bucket that
   * has not changed for 15 minutes (BEP 5). They count as changed now.
   *
   * @param now The time in milliseconds.
   * @param options Gives random bytes.
   * @returns The ids.
   */
  stale(
    now: number,
    { randomBytes }: { randomBytes: (length: number) => Uint8Array },
  ): Uint8Array[] {
    return this.#buckets.flatMap((bucket, prefix) => {
      if (now - bucket.changedAt < QUESTIONABLE_AFTER_MS) return [];
      bucket.changedAt = now;
      const random = randomBytes(this.#id.length);
      return [idAtDistance(this.#id, { prefix, random })];
    });
  }

  /**
   * What to look for to get to know more: an id in each bucket that has room.
   * The last one is for those around ourselves, who are looked for anyway.
   *
   * @param options Gives random bytes.
   * @returns The ids.
   */
  sparse(
    { randomBytes }: { randomBytes: (length: number) => Uint8Array },
  ): Uint8Array[] {
    return this.#buckets.flatMap(({ nodes }, prefix) => {
      if (nodes.length >= BUCKET_SIZE || prefix === this.depth - 1) return [];
      const random = randomBytes(this.#id.length);
      return [idAtDistance(this.#id, { prefix, random })];
    });
  }

  /**
   * Takes another id of our own; the nodes find new places as far as there are.
   *
   * @param id Our new id.
   * @param now The time in milliseconds.
   */
  moveTo(id: Uint8Array, now: number): void {
    const nodes = this.#buckets
      .flatMap(({ nodes, replacements }) => [...nodes, ...replacements]);
    this.#id = id;
    this.#buckets = [emptyBucket(now)];
    for (const node of nodes) this.#insert(node, now);
  }

  #insert(entry: Entry, now: number): void {
    const bucket = this.#bucketOf(entry.id);
    if (!this.#mayEnter(entry, bucket)) return;
    if (bucket.nodes.length < BUCKET_SIZE) {
      bucket.nodes.push(entry);
      bucket.changedAt = now;
    } else if (this.#canSplit(bucket)) {
      this.#split(now);
      this.#insert(entry, now);
    } else {
      const yielding = bucket.nodes.findIndex((node) => mustYield(node, entry));
      if (yielding >= 0) {
        bucket.nodes[yielding] = entry;
        bucket.changedAt = now;
      } else {
        keepAsReplacement(bucket, entry);
      }
    }
  }

  /** Whether a place would not be the second of a host, an id or a network. */
  #mayEnter(entry: Entry, bucket: Bucket): boolean {
    if (bucket.nodes.some(({ id }) => hashesEqual(id, entry.id))) return false;
    const { host, network } = entry;
    if (host === undefined) return true;
    return bucket.nodes.every((node) => node.network !== network) &&
      this.#buckets.every(({ nodes }) =>
        nodes.every((node) => node.host !== host)
      );
  }

  /** A node is bad: who waits takes its place, if anybody does (BEP 5). */
  #replace(node: Entry, now: number): void {
    const bucket = this.#bucketOf(node.id);
    // While nobody waits, it may come back: the line may have been cut.
    if (bucket.replacements.length === 0) return;
    this.#remove(node, now);
  }

  #remove(node: Entry, now: number): void {
    const bucket = this.#bucketOf(node.id);
    bucket.nodes.splice(bucket.nodes.indexOf(node), 1);
    for (
      let next = bucket.replacements.pop();
      next && bucket.nodes.length < BUCKET_SIZE;
      next = bucket.replacements.pop()
    ) {
      if (this.#mayEnter(next, bucket)) {
        bucket.nodes.push(next);
        bucket.changedAt = now;
        return;
      }
    }
  }

  #canSplit(bucket: Bucket): boolean {
    return bucket === this.#buckets.at(-1) && this.#buckets.length < ID_BITS;
  }

  #split(now: number): void {
    const old = this.#buckets.pop()!;
    const prefix = this.#buckets.length;
    const [far, near] = [emptyBucket(now), emptyBucket(now)];
    far.changedAt = near.changedAt = old.changedAt;
    this.#buckets.push(far, near);
    for (const kind of ["nodes", "replacements"] as const) {
      for (const node of old[kind]) {
        const isNear = commonPrefixLength(node.id, this.#id) > prefix;
        (isNear ? near : far)[kind].push(node);
      }
    }
  }

  #bucketOf(id: Uint8Array): Bucket {
    const prefix = commonPrefixLength(id, this.#id);
    return this.#buckets[Math.min(prefix, this.#buckets.length - 1)]!;
  }

  #at(endpoint: NodeContact["endpoint"]): Entry | undefined {
    const key = formatEndpoint(endpoint);
    for (const { nodes } of this.#buckets) {
      const node = nodes.find((node) => node.key === key);
      if (node) return node;
    }
    return undefined;
  }
}

function newEntry({ id, endpoint }: NodeContact, now: number): Entry {
  const { hostname } = endpoint;
  // Neighbours are few, and often share what is one address outside.
  const isNeighbour = isLocal(hostname);
  return {
    id,
    endpoint,
    isFitting: isNeighbour || idFitsAddress(id, hostname),
    key: formatEndpoint(endpoint),
    host: isNeighbour ? undefined : hostOf(hostname),
    network: isNeighbour ? undefined : networkOf(hostname),
    seenAt: now,
    failures: 0,
  };
}

function emptyBucket(now: number): Bucket {
  return { nodes: [], replacements: [], changedAt: now };
}

function keepAsReplacement(bucket: Bucket, entry: Entry): void {
  const { replacements } = bucket;
  const known = replacements.findIndex(({ key }) => key === entry.key);
  if (known >= 0) replacements.splice(known, 1);
  // Who breaks BEP 42 waits behind all others.
  if (entry.isFitting) replacements.push(entry);
  else replacements.unshift(entry);
  if (replacements.length > MAX_REPLACEMENTS) replacements.shift();
}

/** Whether a node loses its place to another, though the bucket is full. */
function mustYield(node: Entry, to: Entry): boolean {
  return isBad(node) || (to.isFitting && !node.isFitting);
}

function isBad({ failures }: Entry): boolean {
  return failures >= MAX_FAILURES;
}

function status(node: Entry, now: number): NodeStatus {
  if (isBad(node)) return "bad";
  const isFresh = now - node.seenAt < QUESTIONABLE_AFTER_MS;
  return isFresh && node.failures === 0 ? "good" : "questionable";
}
