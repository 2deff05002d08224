/**
 * `PeerExchange`: what to tell each peer of the others, and what to believe of
 * what they tell (BEP 11). Pure.
 *
 * A list of peers is a stranger's word: he may want us to dial a victim, or to
 * fill our candidates with nobodies. So one peer's lists count rarely, name few
 * of one host and few altogether, and nothing that lies in another network.
 *
 * @module
 */

import {
  type AddressScope,
  isInScopeOf,
  scopeOf,
} from "../bytes/address_scope.ts";
import { type Endpoint, formatEndpoint } from "../bytes/endpoint.ts";
import { ProtocolError } from "../errors.ts";
import {
  decodePexMessage,
  MAX_PEX_CONTACTS,
  type PexContact,
  type PexMessage,
} from "../wire/ut_pex.ts";

/** BEP 11: "no more than 1 PEX message per minute". */
const SEND_INTERVAL_MS = 60_000;

/** Their minute may be a little shorter than ours, and messages bunch up. */
const RECEIVE_INTERVAL_MS = 45_000;

/** BEP 11: "may disconnect peers that egregiously violate these constraints". */
const MAX_EARLY_MESSAGES = 20;

/** More than a client has peers; in a day another one would have told the rest. */
const MAX_CONTACTS_FROM_PEER = 1_000;

/**
 * BEP 11: "Duplicate IP addresses (e.g. with different ports) should be
 * ignored". Behind one address of a provider there may be a few.
 */
const MAX_CONTACTS_PER_HOST = 3;

/** What is to be known of a connected peer. */
export interface PexNeighbour {
  /** Its address as we see it: decides which other addresses concern it. */
  readonly endpoint: Endpoint;
  /** Where it listens, to be told to others; nothing if we do not know that. */
  readonly contact: PexContact | undefined;
  /** Whether it takes `ut_pex` messages. */
  readonly takesPex: boolean;
}

/** What a peer exchange is made of. */
export interface PeerExchangeOptions<Peer> {
  /** Says what is to be known of a peer now. */
  describe: (peer: Peer) => PexNeighbour;
  /** Whether peers may come from trackers only (BEP 27); `false` if not given. */
  isPrivate?: boolean;
}

/** A message and for whom it is. */
export interface PexLetter<Peer> {
  /** To whom. */
  readonly peer: Peer;
  /** What to tell. */
  readonly message: PexMessage;
}

/** A contact to be told of, and how far its address reaches. */
interface Known {
  readonly contact: PexContact;
  readonly scope: AddressScope;
}

interface Conversation {
  /** What the peer believes that we are connected to, by its text. */
  readonly told: Map<string, Endpoint>;
  nextSendAt: number;
  /** What the peer has told us, by its text. */
  readonly heard: Set<string>;
  readonly hosts: Map<string, number>;
  nextReceiveAt: number;
  early: number;
}

/** The peer exchange of one torrent. */
export class PeerExchange<Peer extends object> {
  readonly #describe: (peer: Peer) => PexNeighbour;
  readonly #conversations = new WeakMap<Peer, Conversation>();
  #isPrivate: boolean;

  /**
   * Nobody has been told anything.
   *
   * @param options How to know a peer.
   */
  constructor(options: PeerExchangeOptions<Peer>) {
    this.#describe = options.describe;
    this.#isPrivate = options.isPrivate ?? false;
  }

  /** The metadata says that the torrent is private: that is the end of it. */
  forbid(): void {
    this.#isPrivate = true;
  }

  /**
   * Says what to tell whom now; to be called every few seconds.
   *
   * @param peers Who is connected.
   * @param now The time in milliseconds.
   * @returns What to send. It counts as sent.
   */
  tick(peers: Iterable<Peer>, now: number): PexLetter<Peer>[] {
    if (this.#isPrivate) return [];
    const neighbours = Array.from(
      peers,
      (peer) => ({ peer, ...this.#describe(peer) }),
    );
    const contacts = new Map<string, Known>();
    for (const { contact } of neighbours) {
      const scope = contact && scopeOf(contact.endpoint.hostname);
      if (!scope) continue;
      contacts.set(formatEndpoint(contact.endpoint), { contact, scope });
    }
    const letters: PexLetter<Peer>[] = [];
    for (const neighbour of neighbours) {
      const { peer, takesPex } = neighbour;
      const conversation = this.#conversation(peer);
      if (!takesPex || now < conversation.nextSendAt) continue;
      const message = news(conversation, { neighbour, contacts });
      if (!message) continue;
      conversation.nextSendAt = now + SEND_INTERVAL_MS;
      letters.push({ peer, message });
    }
    return letters;
  }

  /**
   * A peer tells us of others.
   *
   * @param peer The peer.
   * @param payload What follows the id of the extended message.
   * @param now The time in milliseconds.
   * @returns Those that could be dialled and are news from this peer.
   * @throws {ProtocolError} If it is no `ut_pex` message, or comes far too often.
   */
  receive(peer: Peer, payload: Uint8Array, now: number): PexContact[] {
    if (this.#isPrivate) return [];
    const conversation = this.#conversation(peer);
    if (now < conversation.nextReceiveAt) {
      // Not even read: that is what makes a flood cheap.
      if (++conversation.early <= MAX_EARLY_MESSAGES) return [];
      throw new ProtocolError("The peer tells of others far too often");
    }
    conversation.nextReceiveAt = now + RECEIVE_INTERVAL_MS;
    conversation.early = 0;
    const { endpoint } = this.#describe(peer);
    return decodePexMessage(payload).added
      .filter((contact) =>
        isInScopeOf(contact.endpoint.hostname, endpoint.hostname) &&
        isNews(conversation, contact)
      );
  }

  #conversation(peer: Peer): Conversation {
    let conversation = this.#conversations.get(peer);
    if (!conversation) {
      conversation = {
        told: new Map(),
        nextSendAt: 0,
        heard: new Set(),
        hosts: new Map(),
        nextReceiveAt: 0,
        early: 0,
      };
      this.#conversations.set(peer, conversation);
    }
    return conversation;
  }
}

/**
 * What has changed for a peer since it was told last. What does not fit into
 * one message is told in the next.
 */
function news(
  { told }: Conversation,
  { neighbour, contacts }: {
    neighbour: PexNeighbour;
    contacts: ReadonlyMap<string, Known>;
  },
): PexMessage | undefined {
  const { endpoint, contact: own } = neighbour;
  const self = own && formatEndpoint(own.endpoint);
  const scope = scopeOf(endpoint.hostname);
  const dropped = [...told]
    .filter(([key]) => !contacts.has(key)).slice(0, MAX_PEX_CONTACTS);
  for (const [key] of dropped) told.delete(key);
  const added: PexContact[] = [];
  for (const [key, known] of contacts) {
    if (added.length >= MAX_PEX_CONTACTS) break;
    const isOfUse = known.scope === "global" || known.scope === scope;
    if (key === self || told.has(key) || !isOfUse) continue;
    told.set(key, known.contact.endpoint);
    added.push(known.contact);
  }
  if (added.length + dropped.length === 0) return undefined;
  return { added, dropped: dropped.map(([, endpoint]) => endpoint) };
}

/** Whether a contact is to be taken; it counts as heard then. */
function isNews(
  { heard, hosts }: Conversation,
  { endpoint }: PexContact,
): boolean {
  const key = formatEndpoint(endpoint);
  if (heard.has(key) || heard.size >= MAX_CONTACTS_FROM_PEER) return false;
  const count = hosts.get(endpoint.hostname) ?? 0;
  // Machines of our own network may run a whole swarm on one address.
  const isGlobal = scopeOf(endpoint.hostname) === "global";
  if (isGlobal && count >= MAX_CONTACTS_PER_HOST) return false;
  heard.add(key);
  hosts.set(endpoint.hostname, count + 1);
  return true;
}
