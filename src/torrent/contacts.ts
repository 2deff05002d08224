/**
 * `Contacts`: everybody we know of for one torrent: the trackers, who could be
 * dialled, and the connected peers. It finds them and keeps them; what they say
 * is for its owner.
 *
 * @module
 */

import type { Bitfield } from "../bytes/bitfield.ts";
import { type Endpoint, formatEndpoint } from "../bytes/endpoint.ts";
import { DhtAnnouncer } from "../dht/dht_announcer.ts";
import { NetworkError } from "../errors.ts";
import type { Metainfo } from "../metainfo/metainfo.ts";
import type { OpenConnection } from "../peer/connect.ts";
import type { Peer } from "../peer/peer.ts";
import { PeerList, type PeerSource } from "../policy/peer_list.ts";
import { PeerExchange, type PexNeighbour } from "../policy/pex.ts";
import { TaskGroup } from "../task_group.ts";
import type { AnnounceOutcome, TransferTotals } from "../tracker/announcer.ts";
import { clientName } from "../wire/client_name.ts";
import { EXTENSION_HANDSHAKE_ID } from "../wire/extension_handshake.ts";
import { type WireHashes, wireHashesOf } from "../wire/handshake.ts";
import type { Message } from "../wire/message.ts";
import { encodePexMessage, PEX_FLAG, UT_PEX } from "../wire/ut_pex.ts";
import { Announcers } from "./announcers.ts";
import type { TorrentEvent } from "./events.ts";
import { OUR_EXTENSIONS, ourHandshake } from "./introduction.ts";
import type { DhtPart, TransferLimits, TransferServices } from "./options.ts";
import { Swarm, type SwarmIdentity } from "./swarm.ts";
import { delay } from "@std/async/delay";

/**
 * What trackers are told when nobody can connect to us: they refuse 0, and
 * nobody is reached at 1.
 */
const NO_PORT = 1;

/** How often it is looked whom to tell of whom. */
const EXCHANGE_INTERVAL_MS = 5_000;

/** Who downloads from fewer peers than that asks the DHT again soon. */
const FEW_PEERS = 5;

/** Who may name peers of a torrent that is not private. */
const BEYOND_TRACKERS: readonly PeerSource[] = ["dht", "pex", "lsd"];

/** What the owner of contacts hears of them. */
export interface ContactsHandler {
  /** The pieces that peers are told we have. */
  readonly shown: Bitfield;
  /** A peer has come. */
  onConnected(peer: Peer): void;
  /** A peer has gone. */
  onDisconnected(peer: Peer): void;
  /** Messages have arrived; a promise slows the peer down. */
  onMessages(peer: Peer, messages: readonly Message[]): Promise<void> | void;
  /** A peer has taken all that was said to it. */
  onIdle(peer: Peer): void;
}

/** What contacts are made of. */
export interface ContactsOptions {
  /** The info hashes of the torrent, as far as they are known. */
  hashes: WireHashes;
  /** What the torrent is, if that is known. */
  metainfo: Metainfo | undefined;
  /** Nodes of the DHT that the torrent names. */
  nodes: readonly Endpoint[];
  /** Whether we have everything. */
  isSeed: () => boolean;
  /** What the user wants. */
  limits: TransferLimits;
  /** What the session provides. */
  services: TransferServices;
  /** How far it has come, for the trackers. */
  totals: () => TransferTotals;
  /** Who hears of the peers. */
  handler: ContactsHandler;
  /** Hears of what happens. */
  emit: (event: TorrentEvent) => void;
}

/** Everybody who may help, or be helped. */
export class Contacts {
  /** The connected peers. */
  readonly swarm: Swarm;
  /** Who could be dialled. */
  readonly candidates: PeerList = new PeerList({ random: Math.random });
  /** What keeps the trackers informed. */
  readonly announcer: Announcers;

  readonly #options: ContactsOptions;
  readonly #exchange: PeerExchange<Peer>;
  /** Ends what goes beyond trackers: a private torrent has nothing of it. */
  readonly #withdrawn = new AbortController();
  readonly #trackersAnswered = new Set<string>();
  readonly #banned = new WeakSet<Peer>();
  #dht: DhtPart | undefined;
  #trackerError: string | undefined;
  #wasConnected = false;
  #tried = 0;

  /**
   * Contacts to nobody yet.
   *
   * @param options Whom to ask, and who hears of it.
   */
  constructor(options: ContactsOptions) {
    const { hashes, limits, services, handler } = options;
    this.#options = options;
    this.swarm = new Swarm({
      candidates: this.candidates,
      dial: services.dial,
      identity: this.#identity(hashes),
      pieceCount: options.metainfo?.layout.pieceCount,
      maxPeers: limits.maxPeers,
      seats: services.seats,
      handler: {
        onConnected: (peer) => this.#onConnected(peer),
        onDisconnected: (peer, error) => this.#onDisconnected(peer, error),
        onUnreachable: (endpoint, error) =>
          this.#onUnreachable(endpoint, error),
        onMessages: (peer, messages) => this.#onMessages(peer, messages),
        onIdle: (peer) => handler.onIdle(peer),
      },
    });
    const isPrivate = options.metainfo?.isPrivate ?? false;
    if (isPrivate) this.#withdrawn.abort();
    this.#exchange = new PeerExchange({ isPrivate, describe: neighbourOf });
    this.announcer = new Announcers({
      hashes,
      tiers: limits.trackers,
      others: limits.extraTrackers,
      isPrivate,
      slots: services.announceSlots,
      identity: {
        peerId: services.peerId,
        port: services.port ?? NO_PORT,
        key: services.trackerKey,
      },
      totals: options.totals,
      wantsPeers: () => this.swarm.peers.size < limits.maxPeers,
      handler: {
        onAnnounce: (outcome, isV2) => this.#onAnnounce(outcome, isV2),
        onSwitch: () => this.#onSwitch(),
      },
      random: Math.random,
    });
  }

  #identity(hashes: WireHashes): SwarmIdentity {
    const handshake = ourHandshake(hashes, this.#options.services);
    return { handshake, hashes };
  }

  /** The connected peers; to be read only. */
  get peers(): ReadonlySet<Peer> {
    return this.swarm.peers;
  }

  /** How many trackers have answered. */
  get trackersAnswered(): number {
    return this.#trackersAnswered.size;
  }

  /** Why the last tracker that failed did, if one has. */
  get trackerError(): string | undefined {
    return this.#trackerError;
  }

  /** How many peers were dialled, or came. */
  get tried(): number {
    return this.#tried;
  }

  /** How many nodes of the DHT are known. */
  get dhtNodes(): number {
    if (!this.#dht) return 0;
    const { ipv4, ipv6 } = this.#dht.node.stats();
    return ipv4.nodes + ipv6.nodes;
  }

  /** Whether any peer was ever connected. */
  get wasConnected(): boolean {
    return this.#wasConnected;
  }

  /**
   * Takes a peer that has connected to us and shaken hands.
   *
   * @param open The connection.
   */
  accept(open: OpenConnection): void {
    this.swarm.accept(open);
  }

  /**
   * What the torrent is has become known.
   *
   * @param metainfo The torrent.
   */
  learn(metainfo: Metainfo): void {
    const { pieceCount } = metainfo.layout;
    this.swarm.learn(pieceCount, this.#identity(wireHashesOf(metainfo)));
    if (metainfo.isPrivate) this.#withdraw();
  }

  /** BEP 27: only trackers may name the peers of a private torrent. */
  #withdraw(): void {
    this.#withdrawn.abort();
    this.#exchange.forbid();
    this.announcer.leaveOthers();
    const reason = new NetworkError("The torrent turned out to be private");
    for (const peer of this.swarm.peers) {
      const source = this.candidates.sourceOf(peer.endpoint);
      if (BEYOND_TRACKERS.some((other) => other === source)) peer.close(reason);
    }
    this.candidates.forget(...BEYOND_TRACKERS);
  }

  /**
   * Somebody names peers.
   *
   * @param endpoints Where they listen.
   * @param source Who names them.
   * @param isV2 Whether they are of the swarm of v2, as far as is known.
   */
  add(
    endpoints: Iterable<Endpoint>,
    source: PeerSource,
    isV2 = false,
  ): void {
    if (
      this.#withdrawn.signal.aborted && BEYOND_TRACKERS.includes(source)
    ) return;
    for (const endpoint of endpoints) {
      this.candidates.add(endpoint, { source, isV2 });
    }
    this.swarm.candidatesAdded();
  }

  /**
   * Lets a peer go for good: it gave what it should not.
   *
   * @param peer The peer.
   */
  ban(peer: Peer): void {
    // Who lies about several things is one offender.
    if (this.#banned.has(peer)) return;
    this.#banned.add(peer);
    this.swarm.ban(peer);
    this.#options.emit({
      type: "peer_banned",
      peer: formatEndpoint(peer.endpoint),
    });
  }

  /**
   * Finds peers and keeps them until stopped.
   *
   * @param options What stops it.
   */
  async run({ signal }: { signal: AbortSignal }): Promise<void> {
    for (const endpoint of this.#options.limits.peers) {
      this.candidates.add(endpoint, { source: "user" });
    }
    await using tasks = new TaskGroup({ signal });
    tasks.spawn((signal) => this.swarm.run({ signal }));
    tasks.spawn((signal) => this.announcer.run({ signal }));
    tasks.spawn((signal) => this.#beyondTrackers(signal));
    await tasks.join();
  }

  /** Asks the DHT, other peers and who is near, as long as that is permitted. */
  async #beyondTrackers(signal: AbortSignal): Promise<void> {
    const withdrawn = this.#withdrawn.signal;
    await using tasks = new TaskGroup({
      signal: AbortSignal.any([signal, withdrawn]),
    });
    if (withdrawn.aborted) return;
    const { hashes, nodes, services } = this.#options;
    const { dht, lsd } = services;
    using announced = new DisposableStack();
    const part = this.#dht = dht?.();
    for (const node of nodes) part?.node.addNode(node);
    for (const infoHash of [hashes.v1, hashes.v2]) {
      if (!infoHash) continue;
      const nearby = lsd?.()?.announce(infoHash);
      if (nearby) announced.use(nearby);
      if (!part) continue;
      const announcer = this.#dhtAnnouncer(part, infoHash);
      tasks.spawn((signal) => announcer.run({ signal }));
      tasks.spawn((signal) => this.#hurry(announcer, signal));
    }
    tasks.spawn((signal) => this.#exchangePeers(signal));
    await tasks.join();
  }

  #dhtAnnouncer({ node }: DhtPart, infoHash: Uint8Array): DhtAnnouncer {
    const { hashes, services: { port }, isSeed } = this.#options;
    const isV2 = infoHash === hashes.v2;
    return new DhtAnnouncer({
      node,
      infoHash,
      port: () => port,
      isSeed,
      handler: { onPeers: (peers) => this.add(peers, "dht", isV2) },
      random: Math.random,
    });
  }

  async #hurry(announcer: DhtAnnouncer, signal: AbortSignal): Promise<void> {
    while (true) {
      await delay(EXCHANGE_INTERVAL_MS, { signal });
      if (this.#options.isSeed()) continue;
      if (this.swarm.peers.size < FEW_PEERS) announcer.wake();
    }
  }

  async #exchangePeers(signal: AbortSignal): Promise<void> {
    while (true) {
      await delay(EXCHANGE_INTERVAL_MS, { signal });
      const letters = this.#exchange.tick(this.swarm.peers, performance.now());
      for (const { peer, message } of letters) {
        const id = peer.state.extensionId(UT_PEX)!;
        const payload = encodePexMessage(message);
        peer.send({ type: "extended", id, payload });
      }
    }
  }

  #onConnected(peer: Peer): void {
    this.#wasConnected = true;
    this.#tried++;
    this.#options.handler.onConnected(peer);
    if (
      this.#dht && peer.supportsDht && !this.#withdrawn.signal.aborted
    ) peer.send({ type: "port", port: this.#dht.port });
    this.#options.emit({
      type: "peer_connected",
      peer: formatEndpoint(peer.endpoint),
      client: clientName(peer.peerId),
    });
  }

  #onUnreachable(endpoint: Endpoint, { message }: Error): void {
    this.#tried++;
    const peer = formatEndpoint(endpoint);
    this.#options.emit({ type: "peer_unreachable", peer, message });
  }

  #onDisconnected(peer: Peer, error: Error): void {
    this.#options.handler.onDisconnected(peer);
    this.#options.emit({
      type: "peer_disconnected",
      peer: formatEndpoint(peer.endpoint),
      message: error.message,
    });
  }

  #onMessages(
    peer: Peer,
    messages: readonly Message[],
  ): Promise<void> | void {
    for (const message of messages) this.#receive(peer, message);
    return this.#options.handler.onMessages(peer, messages);
  }

  /** What a peer says of itself and of others. */
  #receive(peer: Peer, message: Message): void {
    if (message.type === "port") {
      if (message.port === 0 || this.#withdrawn.signal.aborted) return;
      const { hostname } = peer.endpoint;
      this.#dht?.node.addNode({ hostname, port: message.port });
    } else if (message.type === "extended") {
      switch (message.id) {
        case EXTENSION_HANDSHAKE_ID:
          return peer.state.receiveExtensionHandshake(message.payload);
        case OUR_EXTENSIONS.ut_pex: {
          const now = performance.now();
          const contacts = this.#exchange.receive(peer, message.payload, now);
          return this.add(contacts.map(({ endpoint }) => endpoint), "pex");
        }
      }
    }
  }

  /** BEP 27: who leaves the tracker of a private torrent leaves its peers. */
  #onSwitch(): void {
    this.candidates.forget("tracker");
    const reason = new NetworkError("The tracker of a private torrent changed");
    for (const peer of this.swarm.peers) peer.close(reason);
  }

  #onAnnounce(outcome: AnnounceOutcome, isV2: boolean): void {
    const { tracker } = outcome;
    const { emit, hashes } = this.#options;
    if (outcome.type === "failed") {
      // A tracker that knows the torrent by the other info hash alone is fine.
      if (isV2 && hashes.v1) return;
      const { message } = outcome.error;
      this.#trackerError = message;
      return emit({ type: "tracker_failed", tracker, message });
    }
    const { peers, warning, externalAddress } = outcome.response;
    this.#trackersAnswered.add(tracker);
    if (externalAddress !== undefined) {
      const { port = NO_PORT } = this.#options.services;
      this.candidates.seenAt({ hostname: externalAddress, port });
    }
    for (const { endpoint, peerId } of peers) {
      this.candidates.add(endpoint, { source: "tracker", peerId, isV2 });
    }
    this.swarm.candidatesAdded();
    emit({ type: "tracker_answered", tracker, peers: peers.length });
    if (warning !== undefined) {
      emit({ type: "tracker_warning", tracker, message: warning });
    }
  }
}

/** What is to be known of a peer to tell others of it. */
function neighbourOf({ endpoint, isIncoming, state }: Peer): PexNeighbour {
  const { hostname } = endpoint;
  const port = isIncoming ? state.listenPort : endpoint.port;
  const isUploadOnly = state.peerUploadOnly || state.hasAll;
  const flags = (isUploadOnly ? PEX_FLAG.uploadOnly : 0) |
    (isIncoming ? 0 : PEX_FLAG.isReachable);
  return {
    endpoint,
    contact: port === undefined
      ? undefined
      : { endpoint: { hostname, port }, flags },
    takesPex: state.extensionId(UT_PEX) !== undefined,
  };
}
