/**
 * `LocalDiscovery`: finds peers in the local network, and lets them find us, by
 * messages to everybody there (BEP 14). One for all torrents of a session.
 *
 * Where the system does not let us join the groups it does nothing, without a
 * word: other ways to find peers remain.
 *
 * @module
 */

import type { Endpoint } from "../bytes/endpoint.ts";
import { NetworkError } from "../errors.ts";
import { type MulticastOptions, MulticastSocket } from "../net/multicast.ts";
import { encodeAnnouncement, LSD_GROUPS } from "./announcement.ts";
import { LocalSwarms } from "./local_swarms.ts";
import { delay } from "@std/async/delay";
import { encodeHex } from "@std/encoding/hex";

/** How long to wait at most: a timer takes no more than 24 days. */
const MAX_PAUSE_MS = 60 * 60_000;

/** A member of one of the groups. */
export interface GroupMember extends AsyncDisposable {
  /** The group. */
  readonly group: Endpoint;
  /**
   * Sends a packet to the group.
   *
   * @param packet What to send.
   * @throws {NetworkError} If the system does not take it.
   */
  send(packet: Uint8Array): Promise<void>;
}

/** What the owner of a discovery hears of it. */
export interface LocalDiscoveryHandler {
  /**
   * Somebody in the local network takes part in a torrent.
   *
   * @param infoHash The torrent, one of those that are announced.
   * @param endpoint Where he says that he listens.
   */
  onPeer(infoHash: Uint8Array, endpoint: Endpoint): void;
}

/** What a discovery is made of. */
export interface LocalDiscoveryOptions {
  /** The port at which we listen for peers. */
  port: number;
  /** Who hears of it. */
  handler: LocalDiscoveryHandler;
  /** Our address, where the system shall not choose; only its family is used. */
  hostname?: string | undefined;
  /** Joins a group; the system's way if not given. */
  join?: (options: MulticastOptions) => Promise<GroupMember | undefined>;
}

/** Finds peers in the local network. */
export class LocalDiscovery {
  readonly #options: LocalDiscoveryOptions;
  readonly #cookie = encodeHex(crypto.getRandomValues(new Uint8Array(8)));
  readonly #swarms = new LocalSwarms({
    cookie: this.#cookie,
    random: Math.random,
  });
  #wake: (() => void) | undefined;

  /**
   * A discovery that announces nothing.
   *
   * @param options The port, and who hears of peers.
   */
  constructor(options: LocalDiscoveryOptions) {
    this.#options = options;
  }

  /**
   * Takes part in a torrent: it is announced, and peers are heard of.
   *
   * @param infoHash The torrent; never a private one (BEP 27).
   * @returns What ends it.
   */
  announce(infoHash: Uint8Array): Disposable {
    this.#swarms.add(infoHash, performance.now());
    this.#wake?.();
    return { [Symbol.dispose]: () => this.#swarms.delete(infoHash) };
  }

  /**
   * Announces and listens until stopped; ends at once where the system lets us
   * join no group.
   *
   * @param options What stops it.
   */
  async run({ signal }: { signal: AbortSignal }): Promise<void> {
    await using members = new AsyncDisposableStack();
    const joined: GroupMember[] = [];
    for (const group of this.#groups()) {
      const { join = MulticastSocket.join } = this.#options;
      const member = await join({
        group,
        hostname: this.#options.hostname,
        onPacket: (packet, from) => this.#receive(packet, from),
      });
      if (member) joined.push(members.use(member));
    }
    while (joined.length > 0) {
      signal.throwIfAborted();
      const infoHashes = this.#swarms.take(performance.now());
      if (infoHashes.length > 0) {
        await Promise.all(
          joined.map((member) => this.#tell(member, infoHashes)),
        );
      }
      await this.#pause(signal);
    }
  }

  #groups(): readonly Endpoint[] {
    const { hostname } = this.#options;
    return LSD_GROUPS.filter((group) =>
      hostname === undefined ||
      hostname.includes(":") === group.hostname.includes(":")
    );
  }

  async #tell(
    member: GroupMember,
    infoHashes: readonly Uint8Array[],
  ): Promise<void> {
    const { port } = this.#options;
    const cookie = this.#cookie;
    try {
      await member.send(
        encodeAnnouncement({ port, infoHashes, cookie }, member.group),
      );
    } catch (error) {
      // The network may be back in five minutes.
      if (!(error instanceof NetworkError)) throw error;
    }
  }

  #receive(packet: Uint8Array, from: Endpoint): void {
    const { handler } = this.#options;
    const now = performance.now();
    for (const peer of this.#swarms.receive(packet, from, now)) {
      handler.onPeer(peer.infoHash, peer.endpoint);
    }
  }

  /** Waits until a message may be due. */
  async #pause(signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    // Rounded up: a moment too early would be one more turn for nothing.
    const ms = Math.ceil(this.#swarms.nextAt - performance.now());
    try {
      await delay(Math.min(Math.max(ms, 0), MAX_PAUSE_MS), {
        signal: AbortSignal.any([signal, woken.signal]),
      });
    } catch (error) {
      if (!woken.signal.aborted || signal.aborted) throw error;
    } finally {
      this.#wake = undefined;
    }
  }
}
