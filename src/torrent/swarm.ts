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
import type { Handshake, WireHashes } from "../wire/handshake.ts";
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

/** Who has said nothing for so long makes room for somebody who knocks. */
const SILENT_MS = 5_000;

/**
 * Two peers that dial each other at once have two connections within such a
 * time. A second one that comes later tells that the first is dead.
 */
const SIMULTANEOUS_MS = 10_000;

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
  /** A peer has taken all that was said to it. */
  onIdle(peer: Peer): void;
}

/** A torrent's part of the connections that all torrents may have. */
export interface Seats {
  /** Asks for one more; it is released in the end. */
  take(): boolean;
  /** A connection has ended, or has not come about. */
  release(): void;
  /** Whether another torrent is owed one of ours. */
  isOverdrawn(): boolean;
  /** No more will be asked for: what we have goes back. */
  close(): void;
}

/** What we say of ourselves and of the torrent. */
export interface SwarmIdentity {
  /** What we say when we dial. */
  handshake: Handshake;
  /** The info hashes of the torrent, as far as they are known. */
  hashes: WireHashes;
}

/** What a swarm is made of. */
export interface SwarmOptions {
  /** Who could be dialled. */
  candidates: PeerList;
  /** What opens connections. */
  dial: Dialer;
  /** Who we are. */
  identity: SwarmIdentity;
  /** The number of pieces of the torrent, if it is known. */
  pieceCount: number | undefined;
  /** How many peers may be connected. */
  maxPeers: number;
  /** How many of them all torrents together permit. */
  seats: Seats;
  /** Who hears of it. */
  handler: SwarmHandler;
}

/** The peers of one torrent. */
export class Swarm {
  readonly #options: SwarmOptions;
  readonly #peers = new Set<Peer>();
  #identity: SwarmIdentity;
  #pieceCount: number | undefined;
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
    this.#identity = options.identity;
    this.#pieceCount = options.pieceCount;
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
   * What the torrent is is known now. Who has said what is not true of so many
   * pieces has to go.
   *
   * @param pieceCount The number of pieces.
   * @param identity The same as before, or with one more info hash.
   */
  learn(pieceCount: number, identity: SwarmIdentity): void {
    this.#identity = identity;
    this.#pieceCount = pieceCount;
    for (const peer of this.#peers) {
      try {
        peer.learn(pieceCount);
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        peer.close(error);
      }
    }
  }

  /**
   * Takes a peer that has connected to us and shaken hands.
   *
   * @param open The connection.
   */
  accept(open: OpenConnection): void {
    const { candidates } = this.#options;
    const { remote } = open.connection;
    if (
      !this.#tasks || candidates.isBanned(remote) || !this.#seatFor(remote)
    ) return open.connection.close();
    this.#tasks.spawn((signal) =>
      this.#live(open, { isIncoming: true, signal })
    );
  }

  /** Takes a seat for somebody who knocks; another may have to go for that. */
  #seatFor(remote: Endpoint): boolean {
    const { candidates, maxPeers, seats } = this.#options;
    const isFull = () => this.#peers.size >= maxPeers + SPARE_FOR_INCOMING;
    if (!isFull() && seats.take()) return true;
    const now = performance.now();
    const goes = this.#silent(now) ??
      candidates.outranked(remote, this.#unused(now));
    if (!goes) return false;
    this.#forget(goes);
    goes.close(new NetworkError("The peer makes room for another one"));
    return !isFull() && seats.take();
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
    try {
      tasks.spawn((signal) => this.#fill(signal));
      await tasks.join();
    } finally {
      this.#tasks = undefined;
      this.#options.seats.close();
    }
  }

  async #fill(signal: AbortSignal): Promise<void> {
    const { candidates, maxPeers, seats } = this.#options;
    while (!signal.aborted) {
      const now = performance.now();
      if (this.#peers.size >= maxPeers) this.#dropUseless(now);
      if (seats.isOverdrawn()) this.#dropLeast(now);
      const room = this.#peers.size + this.#dialling < maxPeers &&
        this.#dialling < MAX_DIALLING && candidates.hasNext(now) &&
        seats.take();
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
    { endpoint, peerId, isV2 }: Candidate,
    signal: AbortSignal,
  ): Promise<void> {
    const { candidates, dial, handler, seats } = this.#options;
    const { handshake, hashes: { v2 } } = this.#identity;
    let open: OpenConnection;
    try {
      open = await openConnection(endpoint, {
        dial,
        ours: isV2 && v2 ? { ...handshake, infoHash: v2 } : handshake,
        upgrade: v2,
        expectedPeerId: peerId,
        signal,
      });
    } catch (error) {
      seats.release();
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
    { connection, theirs, infoHash }: OpenConnection,
    { isIncoming, signal }: { isIncoming: boolean; signal: AbortSignal },
  ): Promise<void> {
    const { candidates, handler } = this.#options;
    const { handshake, hashes } = this.#identity;
    const endpoint = connection.remote;
    const peer = new Peer({
      connection,
      peerId: theirs.peerId,
      reserved: handshake.reserved.map((bits, i) => bits & theirs.reserved[i]!),
      isV2: hashes.v2 !== undefined && hashesEqual(infoHash, hashes.v2),
      pieceCount: this.#pieceCount,
      isIncoming,
    });
    const twin = this.#twinOf(peer);
    const isWanted = !twin || this.#isToReplace(twin, peer);
    if (!isWanted || !candidates.connected(endpoint)) {
      candidates.failed(endpoint, performance.now());
      this.#options.seats.release();
      return connection.close();
    }
    twin?.close(new NetworkError("The peer has connected another way"));
    this.#peers.add(peer);
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
      this.#forget(peer);
      const now = performance.now();
      const wasUseful = !(reason instanceof ProtocolError) &&
        peer.received.total > 0;
      candidates.disconnected(endpoint, { wasUseful, now });
      handler.onDisconnected(peer, reason ?? new NetworkError("Stopped"));
      this.#wake?.();
    }
  }

  /** Who goes has no seat any more, even while it is still on its way out. */
  #forget(peer: Peer): void {
    if (this.#peers.delete(peer)) this.#options.seats.release();
  }

  /** Another connection to the same peer. */
  #twinOf({ peerId }: Peer): Peer | undefined {
    for (const peer of this.#peers) {
      if (hashesEqual(peer.peerId, peerId)) return peer;
    }
    return undefined;
  }

  /**
   * Which of two connections to one peer stays. When both sides have dialled
   * at once, both must keep the same: the one that the greater peer id began.
   */
  #isToReplace(old: Peer, young: Peer): boolean {
    if (young.connectedAt - old.connectedAt > SIMULTANEOUS_MS) {
      return young.isIncoming &&
        young.endpoint.hostname === old.endpoint.hostname;
    }
    if (old.isIncoming === young.isIncoming) return false;
    const { peerId } = this.#identity.handshake;
    return young.isIncoming === isLess(peerId, young.peerId);
  }

  /** When candidates wait, the peer that has been useless longest may go. */
  #dropUseless(now: number): void {
    if (this.#options.candidates.idleCount === 0) return;
    for (const peer of this.#unused(now)) {
      if (now - peer.connectedAt < USELESS_MS) return;
      return peer.close(new NetworkError("The peer is of no use"));
    }
  }

  /** Another torrent is owed a connection: the least useful one goes. */
  #dropLeast(now: number): void {
    const [unused = [...this.#peers].at(-1)] = this.#unused(now);
    unused?.close(new NetworkError("Another torrent needs the connection"));
  }

  /** Those who neither give nor take now; who came first is first. */
  #unused(now: number): Peer[] {
    return [...this.#peers].filter(({ received, sent }) =>
      received.bytesPerSecond(now) === 0 && sent.bytesPerSecond(now) === 0
    );
  }

  /** The peer that has said nothing for longest, if there is one. */
  #silent(now: number): Peer | undefined {
    for (const peer of this.#peers) {
      const { have, peerInterested } = peer.state;
      if (!have.isEmpty || peerInterested) continue;
      if (now - peer.connectedAt > SILENT_MS) return peer;
    }
    return undefined;
  }
}

function isLess(a: Uint8Array, b: Uint8Array): boolean {
  const at = a.findIndex((byte, i) => byte !== b[i]);
  return at >= 0 && a[at]! < b[at]!;
}
