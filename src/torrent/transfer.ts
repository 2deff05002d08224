/**
 * `Transfer`: a torrent while it moves: peers, trackers and pieces, from the
 * first missing piece to the last verified one. It routes what happens between
 * the parts, and gives up when nothing comes any more.
 *
 * @module
 */

import type { Bitfield } from "../bytes/bitfield.ts";
import { type Endpoint, formatEndpoint } from "../bytes/endpoint.ts";
import { GaveUpError } from "../errors.ts";
import type { Metainfo } from "../metainfo/metainfo.ts";
import type { Dialer } from "../net/connection.ts";
import type { OpenConnection } from "../peer/connect.ts";
import type { Peer } from "../peer/peer.ts";
import { PeerList } from "../policy/peer_list.ts";
import { PiecePicker } from "../policy/piece_picker.ts";
import type { FileStorage } from "../storage/file_storage.ts";
import { PieceStore } from "../storage/piece_store.ts";
import { TaskGroup } from "../task_group.ts";
import type { AnnounceSlots } from "../tracker/announce_slots.ts";
import { type AnnounceOutcome, Announcer } from "../tracker/announcer.ts";
import type { Tracker } from "../tracker/tracker.ts";
import { clientName } from "../wire/client_name.ts";
import type { Handshake } from "../wire/handshake.ts";
import { Download } from "./download.ts";
import type { TorrentEvent } from "./events.ts";
import { Swarm } from "./swarm.ts";
import { delay } from "@std/async/delay";

/** How often late blocks, idle windows and the patience are looked after. */
const TICK_INTERVAL_MS = 100;

/** What a transfer gets from its session. */
export interface TransferServices {
  /** Who we are. */
  peerId: Uint8Array;
  /** What proves to trackers that we are who we were. */
  trackerKey: string;
  /** The port that trackers are told. */
  port: number;
  /** What opens connections. */
  dial: Dialer;
  /** Room for announces. */
  announceSlots: AnnounceSlots;
}

/** What the user wants of a transfer. */
export interface TransferLimits {
  /** The trackers to ask, in their tiers. */
  trackers: readonly (readonly Tracker[])[];
  /** Trackers that are asked beside them, each for itself. */
  extraTrackers?: readonly Tracker[] | undefined;
  /** Peers to dial whatever trackers say. */
  peers: readonly Endpoint[];
  /** How many peers may be connected. */
  maxPeers: number;
  /** After how long without any progress to give up; never if not given. */
  stallTimeoutMs?: number | undefined;
}

/** What a transfer is made of. */
export interface TransferOptions {
  /** What the user wants. */
  limits: TransferLimits;
  /** What the session provides. */
  services: TransferServices;
  /** Where pieces go. */
  storage: FileStorage;
  /** The pieces that are there; it fills up. */
  have: Bitfield;
  /** Hears of what happens. */
  emit: (event: TorrentEvent) => void;
}

/** The moving part of one torrent. */
export class Transfer {
  /** Where pieces gather. */
  readonly store: PieceStore;
  /** The receiving side. */
  readonly download: Download;
  /** The connected peers. */
  readonly swarm: Swarm;
  /** Who could be dialled. */
  readonly candidates: PeerList = new PeerList({ random: Math.random });
  /** What keeps the trackers informed. */
  readonly announcer: Announcer;

  readonly #options: TransferOptions;
  readonly #picker: PiecePicker;
  readonly #done = Promise.withResolvers<void>();
  readonly #trackersAnswered = new Set<string>();
  #lastTrackerError: string | undefined;
  #wasConnected = false;
  #mismatches = 0;
  #lastProgressAt = 0;
  #lastProgress = -1;

  /**
   * A transfer that does nothing yet.
   *
   * @param metainfo The torrent.
   * @param options Its parts.
   */
  constructor(metainfo: Metainfo, options: TransferOptions) {
    const { layout, infoHash, pieceHashes } = metainfo;
    const { services, limits, storage, have } = options;
    this.#options = options;
    this.#picker = new PiecePicker(layout, {
      wanted: have.complement(),
      maxOpen: Download.maxOpenPieces(layout.pieceLength),
      random: Math.random,
    });
    this.store = new PieceStore(layout, {
      pieceHashes,
      storage,
      have,
      handler: { onPiece: (outcome) => this.download.onPiece(outcome) },
    });
    this.download = new Download(layout, {
      store: this.store,
      picker: this.#picker,
      handler: {
        onPiece: (index) => this.#onPiece(index),
        onMismatch: (index) => this.#onMismatch(index),
        onLiar: (peer) => this.#onLiar(peer),
        onFailure: (error) => this.#done.reject(error),
      },
    });
    this.swarm = new Swarm({
      candidates: this.candidates,
      dial: services.dial,
      handshake: ourHandshake(metainfo, services),
      pieceCount: layout.pieceCount,
      maxPeers: limits.maxPeers,
      handler: {
        onConnected: (peer) => this.#onConnected(peer),
        onDisconnected: (peer, error) => this.#onDisconnected(peer, error),
        onUnreachable: (endpoint, error) =>
          this.#options.emit({
            type: "peer_unreachable",
            peer: formatEndpoint(endpoint),
            message: error.message,
          }),
        onMessages: (peer, messages) => this.download.receive(peer, messages),
      },
    });
    this.announcer = new Announcer({
      tiers: limits.trackers,
      others: limits.extraTrackers,
      isPrivate: metainfo.isPrivate,
      slots: services.announceSlots,
      identity: {
        infoHash,
        peerId: services.peerId,
        port: services.port,
        key: services.trackerKey,
      },
      totals: () => ({
        uploaded: 0,
        downloaded: this.download.received.total,
        left: layout.length - this.store.verifiedBytes,
      }),
      wantsPeers: () => this.swarm.peers.size < limits.maxPeers,
      handler: { onAnnounce: (outcome) => this.#onAnnounce(outcome) },
      random: Math.random,
    });
  }

  /** How many trackers have answered. */
  get trackersAnswered(): number {
    return this.#trackersAnswered.size;
  }

  /** How many pieces had a wrong hash. */
  get mismatches(): number {
    return this.#mismatches;
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
   * Runs until every piece is verified and on disk.
   *
   * @param options What stops it before.
   * @throws {StorageError} If the disk refuses.
   * @throws {GaveUpError} If nothing came for too long.
   */
  async run({ signal }: { signal: AbortSignal }): Promise<void> {
    for (const endpoint of this.#options.limits.peers) {
      this.candidates.add(endpoint, { source: "user" });
    }
    this.#lastProgressAt = performance.now();
    {
      await using tasks = new TaskGroup({ signal });
      tasks.spawn((signal) => this.swarm.run({ signal }));
      tasks.spawn((signal) => this.announcer.run({ signal }));
      tasks.spawn((signal) => this.#tick(signal));
      await Promise.race([this.#done.promise, tasks.join()]);
    }
    await this.store.settled();
    signal.throwIfAborted();
  }

  async #tick(signal: AbortSignal): Promise<void> {
    while (true) {
      await delay(TICK_INTERVAL_MS, { signal });
      const now = performance.now();
      this.download.tick(now);
      this.#watchProgress(now);
    }
  }

  #watchProgress(now: number): void {
    const progress = this.store.verifiedBytes + this.store.gatheringBytes;
    if (progress > this.#lastProgress) {
      this.#lastProgress = progress;
      this.#lastProgressAt = now;
    }
    const { stallTimeoutMs } = this.#options.limits;
    if (
      stallTimeoutMs === undefined ||
      now - this.#lastProgressAt < stallTimeoutMs
    ) return;
    throw this.#giveUp(stallTimeoutMs / 1000);
  }

  #giveUp(seconds: number): GaveUpError {
    const peers = this.swarm.peers.size;
    const gaveUp = `Gave up after ${seconds} s without progress:`;
    if (
      this.#mismatches > 0 && this.download.received.total > 0 && peers === 0
    ) {
      return new GaveUpError(
        "mismatch",
        `${gaveUp} what came did not match its hash, and nobody else has it`,
      );
    }
    if (peers > 0) {
      const serving = [...this.swarm.peers]
        .filter(({ state }) => !state.peerChoking).length;
      const why = serving > 0 ? "sends what is missing" : "serves us";
      return new GaveUpError(
        "stalled",
        `${gaveUp} none of the connected peers (${peers}) ${why}`,
      );
    }
    if (this.#wasConnected || this.#trackersAnswered.size > 0) {
      return new GaveUpError("stalled", `${gaveUp} no peer is connected`);
    }
    const trackers = this.#lastTrackerError ??
      "there is no tracker to ask";
    return new GaveUpError(
      "unreachable",
      `${gaveUp} no peer could be reached, and ${trackers}`,
    );
  }

  #onConnected(peer: Peer): void {
    this.#wasConnected = true;
    this.download.join(peer);
    const { have } = this.#options;
    if (!have.isEmpty) {
      peer.send({ type: "bitfield", bitfield: have.bytes.slice() });
    }
    this.#options.emit({
      type: "peer_connected",
      peer: formatEndpoint(peer.endpoint),
      client: clientName(peer.peerId),
    });
  }

  #onDisconnected(peer: Peer, error: Error): void {
    this.download.leave(peer);
    this.#options.emit({
      type: "peer_disconnected",
      peer: formatEndpoint(peer.endpoint),
      message: error.message,
    });
  }

  #onPiece(index: number): void {
    for (const peer of this.swarm.peers) {
      // Who has the piece already need not know that we have it.
      if (!peer.state.have.has(index)) peer.send({ type: "have", index });
    }
    this.#options.emit({ type: "piece", index });
    if (this.#picker.neededCount === 0) this.#done.resolve();
  }

  #onMismatch(index: number): void {
    this.#mismatches++;
    this.#options.emit({ type: "hash_mismatch", index });
  }

  #onLiar(peer: Peer): void {
    this.swarm.ban(peer);
    this.#options.emit({
      type: "peer_banned",
      peer: formatEndpoint(peer.endpoint),
    });
  }

  #onAnnounce(outcome: AnnounceOutcome): void {
    const { tracker } = outcome;
    const { emit } = this.#options;
    if (outcome.type === "failed") {
      const { message } = outcome.error;
      this.#lastTrackerError = message;
      return emit({ type: "tracker_failed", tracker, message });
    }
    const { peers, warning } = outcome.response;
    this.#trackersAnswered.add(tracker);
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

/**
 * What we say when we shake hands.
 *
 * @param metainfo The torrent.
 * @param services Who we are.
 * @returns The handshake.
 */
export function ourHandshake(
  metainfo: Metainfo,
  services: TransferServices,
): Handshake {
  return {
    infoHash: metainfo.infoHash,
    peerId: services.peerId,
    reserved: new Uint8Array(8),
  };
}
