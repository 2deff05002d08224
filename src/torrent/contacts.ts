/**
 * `Contacts`: everybody we know of for one torrent: the trackers, who could be
 * dialled, and the connected peers. It finds them and keeps them; what they say
 * is for its owner.
 *
 * @module
 */

import { formatEndpoint } from "../bytes/endpoint.ts";
import { NetworkError } from "../errors.ts";
import type { OpenConnection } from "../peer/connect.ts";
import type { Peer } from "../peer/peer.ts";
import { PeerList } from "../policy/peer_list.ts";
import { TaskGroup } from "../task_group.ts";
import {
  type AnnounceOutcome,
  Announcer,
  type TransferTotals,
} from "../tracker/announcer.ts";
import { clientName } from "../wire/client_name.ts";
import type { Message } from "../wire/message.ts";
import type { TorrentEvent } from "./events.ts";
import { ourHandshake } from "./introduction.ts";
import type { TransferLimits, TransferServices } from "./options.ts";
import { Swarm } from "./swarm.ts";

/** What the owner of contacts hears of them. */
export interface ContactsHandler {
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
  /** The torrent. */
  infoHash: Uint8Array;
  /** How many pieces it has, if that is known. */
  pieceCount: number;
  /** Whether only its own trackers may hear of it (BEP 27). */
  isPrivate: boolean;
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
  readonly announcer: Announcer;

  readonly #options: ContactsOptions;
  readonly #trackersAnswered = new Set<string>();
  #trackerError: string | undefined;
  #wasConnected = false;

  /**
   * Contacts to nobody yet.
   *
   * @param options Whom to ask, and who hears of it.
   */
  constructor(options: ContactsOptions) {
    const { infoHash, limits, services, handler } = options;
    this.#options = options;
    this.swarm = new Swarm({
      candidates: this.candidates,
      dial: services.dial,
      handshake: ourHandshake(infoHash, services.peerId),
      pieceCount: options.pieceCount,
      maxPeers: limits.maxPeers,
      seats: services.seats,
      handler: {
        onConnected: (peer) => this.#onConnected(peer),
        onDisconnected: (peer, error) => this.#onDisconnected(peer, error),
        onUnreachable: (endpoint, error) =>
          options.emit({
            type: "peer_unreachable",
            peer: formatEndpoint(endpoint),
            message: error.message,
          }),
        onMessages: (peer, messages) => handler.onMessages(peer, messages),
        onIdle: (peer) => handler.onIdle(peer),
      },
    });
    this.announcer = new Announcer({
      tiers: limits.trackers,
      others: limits.extraTrackers,
      isPrivate: options.isPrivate,
      slots: services.announceSlots,
      identity: {
        infoHash,
        peerId: services.peerId,
        port: services.port,
        key: services.trackerKey,
      },
      totals: options.totals,
      wantsPeers: () => this.swarm.peers.size < limits.maxPeers,
      handler: {
        onAnnounce: (outcome) => this.#onAnnounce(outcome),
        onSwitch: () => this.#onSwitch(),
      },
      random: Math.random,
    });
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
   * Lets a peer go for good: it gave what it should not.
   *
   * @param peer The peer.
   */
  ban(peer: Peer): void {
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
    await tasks.join();
  }

  #onConnected(peer: Peer): void {
    this.#wasConnected = true;
    this.#options.handler.onConnected(peer);
    this.#options.emit({
      type: "peer_connected",
      peer: formatEndpoint(peer.endpoint),
      client: clientName(peer.peerId),
    });
  }

  #onDisconnected(peer: Peer, error: Error): void {
    this.#options.handler.onDisconnected(peer);
    this.#options.emit({
      type: "peer_disconnected",
      peer: formatEndpoint(peer.endpoint),
      message: error.message,
    });
  }

  /** BEP 27: who leaves the tracker of a private torrent leaves its peers. */
  #onSwitch(): void {
    this.candidates.forgetTracked();
    const reason = new NetworkError("The tracker of a private torrent changed");
    for (const peer of this.swarm.peers) peer.close(reason);
  }

  #onAnnounce(outcome: AnnounceOutcome): void {
    const { tracker } = outcome;
    const { emit } = this.#options;
    if (outcome.type === "failed") {
      const { message } = outcome.error;
      this.#trackerError = message;
      return emit({ type: "tracker_failed", tracker, message });
    }
    const { peers, warning, externalAddress } = outcome.response;
    this.#trackersAnswered.add(tracker);
    if (externalAddress !== undefined) {
      const { port } = this.#options.services;
      this.candidates.seenAt({ hostname: externalAddress, port });
    }
    for (const { endpoint, peerId } of peers) {
      this.candidates.add(endpoint, { source: "tracker", peerId });
    }
    this.swarm.candidatesAdded();
    emit({ type: "tracker_answered", tracker, peers: peers.length });
    if (warning !== undefined) {
      emit({ type: "tracker_warning", tracker, message: warning });
    }
  }
}
