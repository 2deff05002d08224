/**
 * `Lookup`: the search for the nodes nearest to an id (BEP 5): whom to ask
 * next, and when there is nothing left to ask. Pure.
 *
 * ```
 *   add() ──▶ next() ──▶ ask ──▶ answered() │ failed() ──▶ next() ··· isDone
 * ```
 *
 * Two searches go on side by side. The open one takes every node for what it
 * says it is, as BEP 5 has it. The strict one takes only nodes whose ids fit
 * their addresses (BEP 42), and only from such nodes: however many sit down
 * beside the target with ids that they chose, and however long the chains that
 * they invent, the strict search never hears of them.
 *
 * Each ends when the 8 nearest nodes that it knows have answered, or after so
 * many questions.
 *
 * @module
 */

import { type Endpoint, formatEndpoint } from "../bytes/endpoint.ts";
import { hashesEqual } from "../bytes/hash.ts";
import { isLocal } from "../bytes/local_host.ts";
import type { NodeContact } from "./node_contact.ts";
import { compareDistance, idFitsAddress, networkOf } from "./node_id.ts";
import { BUCKET_SIZE } from "./routing_table.ts";

/** Kademlia's α: how many questions are open at a time, of each search. */
const CONCURRENCY = 3;

/** Honest lookups in the large DHT end after 20 to 40. */
const MAX_QUESTIONS = { strict: 100, open: 60 } as const;

/** Many more than are ever asked: those farthest away are forgotten. */
const MAX_CANDIDATES = 128;

/**
 * Where many are gone, those who are left name the gone: as many more answers
 * are waited for as there were silences, up to this.
 */
const MAX_MORE = 16;

/** One answer names 8 (BEP 5), or a few more. */
const MAX_NAMED = 16;

/** A node that a lookup knows of. */
export interface LookupNode extends NodeContact {
  /** How many answers led to it: 1 for those known before. */
  readonly round: number;
}

/** What a node has answered. */
export interface LookupAnswer {
  /** The id that it says it has. */
  id: Uint8Array;
  /** The nodes that it names. */
  nodes: readonly NodeContact[];
  /** What allows announcing there, if it says so. */
  token?: Uint8Array | undefined;
}

/** A node that has answered, and may be told something. */
export interface LookupResult extends NodeContact {
  /** What allows announcing there, if it said so. */
  readonly token: Uint8Array | undefined;
}

type State = "new" | "asked" | "slow" | "answered" | "failed";

/** What is known of a node, whichever search asked it. */
interface Question {
  state: State;
  token: Uint8Array | undefined;
}

interface Candidate extends LookupNode {
  readonly key: string;
  /** Of which only one counts; nothing for neighbours, who are few. */
  readonly network: string | undefined;
}

/** The search for the nodes nearest to an id. */
export class Lookup {
  /** What is looked for. */
  readonly target: Uint8Array;
  readonly #ownId: Uint8Array | undefined;
  readonly #questions = new Map<string, Question>();
  readonly #strict: Search;
  readonly #open: Search;

  /**
   * A search that knows of nobody.
   *
   * @param target What is looked for.
   * @param options Our own id, which is not asked.
   */
  constructor(target: Uint8Array, options: { ownId?: Uint8Array } = {}) {
    this.target = target;
    this.#ownId = options.ownId;
    const state = (key: string) => this.#questions.get(key)?.state ?? "new";
    this.#strict = new Search(target, {
      state,
      maxQuestions: MAX_QUESTIONS.strict,
    });
    this.#open = new Search(target, {
      state,
      maxQuestions: MAX_QUESTIONS.open,
    });
  }

  /** Whether all has been asked, and answered or not. */
  get isDone(): boolean {
    return this.#strict.isDone && this.#open.isDone;
  }

  /** How many nodes have been asked. */
  get questions(): number {
    return this.#questions.size;
  }

  /** How many nodes have answered. */
  get answers(): number {
    return [...this.#questions.values()]
      .filter(({ state }) => state === "answered").length;
  }

  /**
   * Begins with nodes that are known.
   *
   * @param nodes The nodes, which are what they say they are.
   */
  add(nodes: Iterable<NodeContact>): void {
    for (const node of nodes) this.#name(node, { round: 1, isTrusted: true });
  }

  /**
   * Whom to ask now; they count as asked.
   *
   * @returns The nodes, none if others must answer first.
   */
  next(): LookupNode[] {
    const nodes: LookupNode[] = [];
    for (const search of [this.#strict, this.#open]) {
      for (let node = search.next(); node; node = search.next()) {
        this.#questions.set(node.key, { state: "asked", token: undefined });
        nodes.push(node);
      }
    }
    return nodes;
  }

  /**
   * A node takes long: another may be asked beside it.
   *
   * @param node The node.
   */
  slow(node: LookupNode): void {
    const question = this.#questions.get(formatEndpoint(node.endpoint));
    if (question?.state === "asked") question.state = "slow";
  }

  /**
   * A node does not answer.
   *
   * @param node The node.
   */
  failed(node: LookupNode): void {
    this.#question(node.endpoint).state = "failed";
    for (const search of [this.#strict, this.#open]) {
      if (search.forget(node.endpoint)) search.silences++;
    }
  }

  /**
   * A node has answered.
   *
   * @param node The node.
   * @param answer What it says.
   */
  answered(node: LookupNode, { id, nodes, token }: LookupAnswer): void {
    const { endpoint, round } = node;
    const question = this.#question(endpoint);
    question.state = "answered";
    question.token = token;
    const isFitting = idFitsAddress(id, endpoint.hostname);
    const isTrusted = isFitting && this.#strict.knows(endpoint);
    if (!hashesEqual(id, node.id)) {
      // Whoever named it was wrong: it stands where it says.
      this.#strict.forget(endpoint);
      this.#open.forget(endpoint);
    }
    this.#name({ id, endpoint }, { round, isTrusted });
    for (const named of nodes.slice(0, MAX_NAMED)) {
      this.#name(named, { round: round + 1, isTrusted });
    }
  }

  /**
   * The nodes nearest to the target that have answered: those of the strict
   * search and those of the open one.
   *
   * @returns The nodes, no more than 16.
   */
  closest(): LookupResult[] {
    const found = new Map<string, LookupResult>();
    for (const search of [this.#strict, this.#open]) {
      for (const { key, id, endpoint } of search.closest()) {
        found.set(key, {
          id,
          endpoint,
          token: this.#questions.get(key)?.token,
        });
      }
    }
    return [...found.values()];
  }

  #question(endpoint: Endpoint): Question {
    return this.#questions.get(formatEndpoint(endpoint))!;
  }

  #name(
    { id, endpoint }: NodeContact,
    { round, isTrusted }: { round: number; isTrusted: boolean },
  ): void {
    if (this.#ownId && hashesEqual(id, this.#ownId)) return;
    const { hostname } = endpoint;
    const candidate = {
      id,
      endpoint,
      round,
      key: formatEndpoint(endpoint),
      network: isLocal(hostname) ? undefined : networkOf(hostname),
    };
    this.#open.add(candidate);
    if (isTrusted && idFitsAddress(id, endpoint.hostname)) {
      this.#strict.add(candidate);
    }
  }
}

/** One of the two searches. */
class Search {
  readonly #target: Uint8Array;
  readonly #state: (key: string) => State;
  readonly #maxQuestions: number;
  #questions = 0;
  /** How many have not answered. */
  silences = 0;
  /** The nearest first. */
  #candidates: Candidate[] = [];

  constructor(
    target: Uint8Array,
    options: { state: (key: string) => State; maxQuestions: number },
  ) {
    this.#target = target;
    this.#state = options.state;
    this.#maxQuestions = options.maxQuestions;
  }

  get isDone(): boolean {
    const nearest = this.#nearest();
    return nearest.every(({ key }) => this.#state(key) === "answered") ||
      this.#questions >= this.#maxQuestions &&
        !nearest.some(({ key }) => this.#isWaiting(key));
  }

  add(candidate: Candidate): void {
    if (this.#state(candidate.key) === "failed") return;
    const known = this.#candidates
      .findIndex(({ key }) => key === candidate.key);
    if (known >= 0) {
      // Whoever asks us to look farther away for it must not hide it.
      const isSettled = this.#state(candidate.key) !== "new";
      const isNearer = this.#compare(candidate, this.#candidates[known]!) < 0;
      if (isSettled || !isNearer) return;
      this.#candidates.splice(known, 1);
    }
    const at = this.#candidates
      .findIndex((other) => this.#compare(candidate, other) < 0);
    this.#candidates.splice(at < 0 ? Infinity : at, 0, candidate);
    if (this.#candidates.length > MAX_CANDIDATES) this.#candidates.pop();
  }

  knows(endpoint: Endpoint): boolean {
    const wanted = formatEndpoint(endpoint);
    return this.#candidates.some(({ key }) => key === wanted);
  }

  forget(endpoint: Endpoint): boolean {
    const wanted = formatEndpoint(endpoint);
    const at = this.#candidates.findIndex(({ key }) => key === wanted);
    if (at >= 0) this.#candidates.splice(at, 1);
    return at >= 0;
  }

  next(): Candidate | undefined {
    if (this.#questions >= this.#maxQuestions) return undefined;
    const nearest = this.#nearest();
    const open = nearest.filter(({ key }) => this.#state(key) === "asked");
    if (open.length >= CONCURRENCY) return undefined;
    const candidate = nearest.find(({ key }) => this.#state(key) === "new");
    if (candidate) this.#questions++;
    return candidate;
  }

  closest(): Candidate[] {
    return this.#candidates
      .filter(({ key }) => this.#state(key) === "answered")
      .slice(0, BUCKET_SIZE);
  }

  /**
   * The nearest that may still count: of a network only one, so that nobody
   * takes all places with neighbouring addresses. If it fails, the next of the
   * network has its turn.
   */
  #nearest(): Candidate[] {
    const nearest: Candidate[] = [];
    const networks = new Set<string>();
    const isNew = ({ key }: Candidate) => this.#state(key) === "new";
    for (const candidate of this.#candidates) {
      const { network } = candidate;
      if (network !== undefined && !isNew(candidate)) networks.add(network);
    }
    const wanted = BUCKET_SIZE + Math.min(this.silences, MAX_MORE);
    for (const candidate of this.#candidates) {
      if (nearest.length === wanted) break;
      const { network } = candidate;
      if (network !== undefined && isNew(candidate)) {
        if (networks.has(network)) continue;
        networks.add(network);
      }
      nearest.push(candidate);
    }
    return nearest;
  }

  #isWaiting(key: string): boolean {
    const state = this.#state(key);
    return state === "asked" || state === "slow";
  }

  #compare(a: Candidate, b: Candidate): number {
    return compareDistance(this.#target, { a: a.id, b: b.id });
  }
}
