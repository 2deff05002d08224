/**
 * `Swarm`: the connected peers of one torrent. It fills itself from the
 * candidates, at a bounded rate, and lets peers go that are of no use.
 *
 * @module
 */

import type { Endpoint } from "../bytes/endpoint.ts";
import { hashesEqual } from "../bytes/hash.ts";
import { NetworkError, ProtocolError, SelfConnectionError } from "../errors.ts";
import type { Dialer } from "../net/connection.ts";
import { type OpenConnection, openConnection } from "../peer/connect.ts";
import { Peer } from "../peer/peer.ts";
import type { Candidate, PeerList } from "../policy/peer_list.ts";
import { TaskGroup } from "../task_group.ts";
import type { Handshake } from "../wire/handshake.ts";
import type { Message } from "../wire/message.ts";
import { delay } from "@std/async/delay";

/** Connections that are being opened at a time; more would look like a flood. */
const MAX_DIALLING = 20;

/** At most fifty connections a second are begun. */
const DIAL_INTERVAL_MS = 20;

/** How often the candidates are looked through when nothing else happens. */
const FILL_INTERVAL_MS = 1_000;

/** A peer that gave nothing for so long makes room for a candidate. */
const USELESS_MS = 120_000;

/** Connections from outside that are taken when the swarm is full of ours. */
const SPARE_FOR_INCOMING = 8;

/** What the owner of a swarm hears of it. */
export interface SwarmHandler {
  /** A peer has come. */
  onConnected(peer: Peer): void;
  /** A peer has gone. */
  onDisconnected(peer: Peer, error: Error): void;
  /** A candidate could not be reached. */
  onUnreachable(endpoint: Endpoint, error: Error): void;
  /** Messages have arrived; a promise slows the peer down. */
  onMessages(peer: Peer, messages: readonly Message[]): Promise<void> | void;
}

/** What a swarm is made of. */
export interface SwarmOptions {
  /** Who could be dialled. */
  candidates: PeerList;
  /** What opens connections. */
  dial: Dialer;
  /** What we say of ourselves. */
  handshake: Handshake;
  /** The number of pieces of the torrent. */
  pieceCount: number;
  /** How many peers may be connected. */
  maxPeers: number;
  /** Who hears of it. */
  handler: SwarmHandler;
}

/** The peers of one torrent. */
export class Swarm {
  readonly #options: SwarmOptions;
  readonly #peers = new Set<Peer>();
  readonly #connectedAt = new WeakMap<Peer, number>();
  #tasks: TaskGroup | undefined;
  #dialling = 0;
  #banned = 0;
  #wake: (() => void) | undefined;

  /**
   * A swarm without peers.
   *
   * @param options The candidates, and how to reach them.
   */
  constructor(options: SwarmOptions) {
    this.#options = options;
  }

  /** The connected peers; to be read only. */
  get peers(): ReadonlySet<Peer> {
    return this.#peers;
  }

  /** How many peers were banned. */
  get banned(): number {
    return this.#banned;
  }

  /** Candidates have come: whoever waits for one may go on. */
  candidatesAdded(): void {
    this.#wake?.();
  }

  /**
   * Takes a peer that has connected to us and shaken hands.
   *
   * @param open The connection.
   */
  accept(open: OpenConnection): void {
    const { candidates, maxPeers } = this.#options;
    const { connection, theirs } = open;
    if (
      !this.#tasks || candidates.isBanned(connection.remote) ||
      this.#isConnectedTo(theirs.peerId) ||
      this.#peers.size >= maxPeers + SPARE_FOR_INCOMING
    ) return connection.close();
    this.#tasks.spawn((signal) =>
      this.#live(open, { isIncoming: true, signal })
    );
  }

  /**
   * Lets a peer go for good: it gave what it should not.
   *
   * @param peer The peer.
   */
  ban(peer: Peer): void {
    this.#banned++;
    this.#options.candidates.ban(peer.endpoint);
    peer.close(new ProtocolError("The peer gave wrong data"));
  }

  /**
   * Keeps the swarm filled until stopped; then every connection is closed.
   *
   * @param options What stops it.
   */
  async run({ signal }: { signal: AbortSignal }): Promise<void> {
    await using tasks = new TaskGroup({ signal });
    this.#tasks = tasks;
    tasks.spawn((signal) => this.#fill(signal));
    await tasks.join();
  }

  async #fill(signal: AbortSignal): Promise<void> {
    const { candidates, maxPeers } = this.#options;
    while (!signal.aborted) {
      const now = performance.now();
      if (this.#peers.size >= maxPeers) this.#dropUseless(now);
      const room = this.#peers.size + this.#dialling < maxPeers &&
        this.#dialling < MAX_DIALLING;
      const candidate = room ? candidates.next(now) : undefined;
      if (candidate) {
        this.#dialling++;
        this.#tasks!.spawn((signal) => this.#dial(candidate, signal));
      }
      await this.#pause(candidate ? DIAL_INTERVAL_MS : undefined, signal);
    }
  }

  /** Waits a little, or until there may be somebody to dial. */
  async #pause(ms: number | undefined, signal: AbortSignal): Promise<void> {
    if (ms !== undefined) return await delay(ms, { signal });
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    try {
      await delay(FILL_INTERVAL_MS, {
        signal: AbortSignal.any([signal, woken.signal]),
      });
    } catch (error) {
      if (!woken.signal.aborted) throw error;
    }
  }

  async #dial(
    { endpoint, peerId }: Candidate,
    signal: AbortSignal,
  ): Promise<void> {
    const { candidates, dial, handler, handshake } = this.#options;
    let open: OpenConnection;
    try {
      open = await openConnection(endpoint, {
        dial,
        ours: handshake,
        expectedPeerId: peerId,
        signal,
      });
    } catch (error) {
      if (error instanceof SelfConnectionError) {
        candidates.isOurs(endpoint);
      } else if (
        error instanceof NetworkError || error instanceof ProtocolError
      ) {
        candidates.failed(endpoint, performance.now());
        handler.onUnreachable(endpoint, error);
      } else {
        throw error;
      }
      return;
    } finally {
      this.#dialling--;
      this.#wake?.();
    }
    await this.#live(open, { isIncoming: false, signal });
  }

  async #live(
    { connection, theirs }: OpenConnection,
    { isIncoming, signal }: { isIncoming: boolean; signal: AbortSignal },
  ): Promise<void> {
    const { candidates, handler, pieceCount } = this.#options;
    const endpoint = connection.remote;
    if (this.#isConnectedTo(theirs.peerId) || !candidates.connected(endpoint)) {
      candidates.failed(endpoint, performance.now());
      return connection.close();
    }
    const peer = new Peer({
      connection,
      peerId: theirs.peerId,
      pieceCount,
      isIncoming,
    });
    this.#peers.add(peer);
    this.#connectedAt.set(peer, performance.now());
    handler.onConnected(peer);
    let reason: Error | undefined;
    try {
      await peer.run(handler, { signal });
    } catch (error) {
      signal.throwIfAborted();
      if (
        !(error instanceof NetworkError) && !(error instanceof ProtocolError)
      ) throw error;
      reason = error;
    } finally {
      this.#peers.delete(peer);
      const now = performance.now();
      const wasUseful = !(reason instanceof ProtocolError) &&
        peer.received.total > 0;
      candidates.disconnected(endpoint, { wasUseful, now });
      handler.onDisconnected(peer, reason ?? new NetworkError("Stopped"));
      this.#wake?.();
    }
  }

  #isConnectedTo(peerId: Uint8Array): boolean {
    for (const peer of this.#peers) {
      if (hashesEqual(peer.peerId, peerId)) return true;
    }
    return false;
  }

  /** When candidates wait, the peer that has been useless longest may go. */
  #dropUseless(now: number): void {
    if (this.#options.candidates.idleCount === 0) return;
    for (const peer of this.#peers) {
      const age = now - this.#connectedAt.get(peer)!;
      if (age > USELESS_MS && peer.received.bytesPerSecond(now) === 0) {
        peer.close(new NetworkError("The peer is of no use"));
        return;
      }
    }
  }
}
