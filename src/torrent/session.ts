/**
 * `Session`: what all torrents share: who we are, and the door for others.
 *
 * @module
 */

import { createPeerId, hashesEqual } from "../bytes/hash.ts";
import type { Endpoint } from "../bytes/endpoint.ts";
import { DhtNode } from "../dht/dht_node.ts";
import { NetworkError, ProtocolError, SelfConnectionError } from "../errors.ts";
import { LocalDiscovery } from "../lsd/local_discovery.ts";
import type { Magnet } from "../metainfo/magnet.ts";
import type { Metainfo } from "../metainfo/metainfo.ts";
import type { Connection } from "../net/connection.ts";
import { dialTcp, listenTcp, type TcpListener } from "../net/tcp.ts";
import { type Limits, throttle } from "../net/throttle.ts";
import { UdpSocket } from "../net/udp.ts";
import { acceptConnection } from "../peer/connect.ts";
import { ConnectionBudget } from "../policy/connection_budget.ts";
import { TokenBucket } from "../policy/token_bucket.ts";
import { TaskGroup } from "../task_group.ts";
import { wireHashesOf } from "../wire/handshake.ts";
import { AnnounceSlots } from "../tracker/announce_slots.ts";
import { UdpTrackerClient } from "../tracker/udp_tracker_client.ts";
import type { DhtPart } from "./options.ts";
import { Torrent, type TorrentOptions } from "./torrent.ts";
import { encodeHex } from "@std/encoding/hex";

/** Connections that have not said anything yet; the oldest goes for a new one. */
const MAX_SILENT = 64;

/** As many as other clients have for all torrents. */
const DEFAULT_MAX_PEERS = 200;

/** How to take part in the DHT. */
export interface DhtOptions {
  /** Where to find in; well-known hosts if not given. */
  bootstrap?: readonly Endpoint[] | undefined;
  /** What an earlier run has kept; nothing happens if it is broken. */
  savedNodes?: Uint8Array | undefined;
}

/** Options for {@linkcode Session}. */
export interface SessionOptions {
  /** The ports to try to listen on, in order; none to not listen. */
  listenPorts: readonly number[];
  /** Our part in the DHT; none if not given. */
  dht?: DhtOptions | undefined;
  /** Whether peers are looked for in the local network. */
  usesLocalDiscovery?: boolean | undefined;
  /** How many peers all torrents may have together; 200 if not given. */
  maxPeers?: number | undefined;
  /** How fast all peers may send to us, in bytes per second, if limited. */
  maxDownloadRate?: number | undefined;
  /** How fast we may send to all peers, in bytes per second, if limited. */
  maxUploadRate?: number | undefined;
}

/** A running program's part in all its swarms. */
export class Session implements AsyncDisposable {
  /** What sends the packets of UDP trackers. */
  readonly udpTrackers: UdpTrackerClient = new UdpTrackerClient({
    socket: () => this.udpSocket(),
  });
  readonly #peerId = createPeerId(crypto.getRandomValues(new Uint8Array(12)));
  readonly #trackerKey = encodeHex(crypto.getRandomValues(new Uint8Array(4)));
  readonly #torrents = new Set<Torrent>();
  readonly #listener: TcpListener | undefined;
  readonly #announceSlots = new AnnounceSlots();
  readonly #connections: ConnectionBudget<string>;
  readonly #tasks = new TaskGroup();
  readonly #limits: Limits;
  readonly #maxDownloadRate: number | undefined;
  /** Connections that have not shaken hands yet, the oldest first. */
  readonly #silent = new Set<Connection>();
  readonly #dhtOptions: DhtOptions | undefined;
  #udpSocket: UdpSocket | undefined;
  readonly #usesLocalDiscovery: boolean;
  #dht: DhtNode | undefined;
  #lsd: LocalDiscovery | undefined;

  /**
   * Opens the door.
   *
   * @param options Where, and how wide.
   */
  constructor(options: SessionOptions) {
    this.#connections = new ConnectionBudget(
      options.maxPeers ?? DEFAULT_MAX_PEERS,
    );
    this.#dhtOptions = options.dht;
    this.#usesLocalDiscovery = options.usesLocalDiscovery ?? false;
    this.#maxDownloadRate = options.maxDownloadRate;
    this.#limits = {
      download: bucketsOf(options.maxDownloadRate),
      upload: bucketsOf(options.maxUploadRate),
    };
    this.#listener = listenTcp({ ports: options.listenPorts });
    if (this.#listener) {
      const listener = this.#listener;
      this.#tasks.spawn((signal) => this.#listen(listener, signal));
    }
  }

  /** The port that others can connect to, if there is one. */
  get port(): number | undefined {
    return this.#listener?.port;
  }

  /**
   * The datagram socket, which is opened when it is first asked for: on the
   * number of the port that we listen on, if it is free, so that a router needs
   * to let in one number only.
   *
   * @returns The socket; everybody gets the same.
   * @throws {NetworkError} If none can be had.
   */
  udpSocket(): UdpSocket {
    const ports = this.port === undefined ? [0] : [this.port, 0];
    return this.#udpSocket ??= UdpSocket.open({ ports });
  }

  /** What of the DHT should be kept for the next run, if we had a part in it. */
  get savedNodes(): Uint8Array | undefined {
    return this.#dht?.saveNodes();
  }

  /**
   * Takes a torrent in; it does nothing before it is run.
   *
   * @param source What it is, or a link that names it.
   * @param options What is wanted of it.
   * @returns The torrent, or `undefined` if the session has it already.
   */
  add(
    source: Metainfo | Magnet,
    options: TorrentOptions,
  ): Torrent | undefined {
    const { v1, v2 } = wireHashesOf(source);
    if ([v1, v2].some((hash) => hash && this.#torrentOf(hash))) {
      return undefined;
    }
    const key = encodeHex(source.infoHash);
    const dht = isPrivate(source) ? undefined : this.#dhtOptions;
    const torrent = new Torrent(source, {
      ...options,
      services: {
        peerId: this.#peerId,
        trackerKey: this.#trackerKey,
        port: this.port,
        dial: async (endpoint, options) =>
          throttle(await dialTcp(endpoint, options), this.#limits),
        dht: dht && (() => this.#joinDht(dht)),
        lsd: isPrivate(source) ? undefined : () => this.#lookAround(),
        maxDownloadRate: this.#maxDownloadRate,
        downloadLimits: this.#limits.download,
        announceSlots: this.#announceSlots,
        seats: {
          take: () => this.#connections.take(key),
          release: () => this.#connections.release(key),
          isOverdrawn: () => this.#connections.isOverdrawn(key),
          close: () => this.#connections.close(key),
        },
      },
    });
    this.#torrents.add(torrent);
    return torrent;
  }

  /** Closes the door, and every connection that nobody has taken. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener?.[Symbol.dispose]();
    await this.#tasks[Symbol.asyncDispose]();
    this.udpTrackers[Symbol.dispose]();
    await this.#udpSocket?.[Symbol.asyncDispose]();
  }

  /** Our part in the DHT, which begins when somebody first wants it. */
  #joinDht({ bootstrap, savedNodes }: DhtOptions): DhtPart | undefined {
    let socket: UdpSocket;
    try {
      socket = this.udpSocket();
    } catch (error) {
      if (error instanceof NetworkError) return undefined;
      throw error;
    }
    if (!this.#dht) {
      const node = new DhtNode({ socket, ...(bootstrap ? { bootstrap } : {}) });
      if (savedNodes) node.loadNodes(savedNodes);
      this.#tasks.spawn((signal) => node.run({ signal }));
      this.#dht = node;
    }
    return { node: this.#dht, port: socket.port };
  }

  /** What finds peers nearby; it begins when somebody first wants it. */
  #lookAround(): LocalDiscovery | undefined {
    const { port } = this;
    if (this.#lsd || !this.#usesLocalDiscovery || port === undefined) {
      return this.#lsd;
    }
    const lsd = new LocalDiscovery({
      port,
      handler: {
        onPeer: (infoHash, endpoint) =>
          this.#torrentOf(infoHash)?.foundNearby(endpoint, infoHash),
      },
    });
    this.#tasks.spawn((signal) => lsd.run({ signal }));
    return this.#lsd = lsd;
  }

  /** The torrent that somebody means; a hybrid one has two info hashes. */
  #torrentOf(infoHash: Uint8Array): Torrent | undefined {
    for (const torrent of this.#torrents) {
      const { v1, v2 } = torrent.hashes;
      const isIt = [v1, v2].some((own) => own && hashesEqual(own, infoHash));
      if (isIt) return torrent;
    }
    return undefined;
  }

  async #listen(listener: TcpListener, signal: AbortSignal): Promise<void> {
    const makeRoom = () => this.#dropSilent();
    for await (const accepted of listener.connections({ makeRoom })) {
      const connection = throttle(accepted, this.#limits);
      if (signal.aborted) return connection.close();
      if (this.#silent.size >= MAX_SILENT) this.#dropSilent();
      this.#silent.add(connection);
      this.#tasks.spawn((signal) => this.#welcome(connection, signal));
    }
  }

  /** Who has been silent for longest goes, if there is one. */
  #dropSilent(): boolean {
    const [oldest] = this.#silent;
    if (!oldest) return false;
    this.#silent.delete(oldest);
    oldest.close();
    return true;
  }

  async #welcome(connection: Connection, signal: AbortSignal): Promise<void> {
    try {
      const open = await acceptConnection(connection, {
        answer: (theirs) => this.#torrentOf(theirs.infoHash)?.answer(theirs),
        signal,
      });
      this.#torrentOf(open.theirs.infoHash)!.accept(open);
    } catch (error) {
      // A stranger who does not behave is no news.
      if (
        !(error instanceof NetworkError) &&
        !(error instanceof ProtocolError) &&
        !(error instanceof SelfConnectionError)
      ) throw error;
    } finally {
      this.#silent.delete(connection);
    }
  }
}

function bucketsOf(bytesPerSecond: number | undefined): TokenBucket[] {
  return bytesPerSecond === undefined ? [] : [new TokenBucket(bytesPerSecond)];
}

function isPrivate(source: Metainfo | Magnet): boolean {
  return "isPrivate" in source && source.isPrivate;
}
