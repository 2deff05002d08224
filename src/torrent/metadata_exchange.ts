/**
 * `MetadataExchange`: the info dictionary from peers and to peers (BEP 9), over
 * the extension protocol.
 *
 * @module
 */

import type { Peer } from "../peer/peer.ts";
import {
  decodeMetadataMessage,
  encodeMetadataMessage,
  type MetadataMessage,
  UT_METADATA,
} from "../wire/ut_metadata.ts";
import { MetadataFetcher, type MetadataProgress } from "./metadata.ts";
import { MetadataServer } from "./metadata_server.ts";

/** What an exchange is made of. */
export interface MetadataExchangeOptions {
  /** The SHA-1 of the metadata, or its whole SHA-256 (BEP 52). */
  infoHash: Uint8Array;
  /** The metadata, if it is here. */
  metadata: Uint8Array | undefined;
  /** A peer gave what is not the metadata. */
  onLiar: (peer: Peer) => void;
}

/** Fetches the metadata of one torrent, and serves it once it is here. */
export class MetadataExchange {
  readonly #fetcher: MetadataFetcher<Peer>;
  readonly #found = Promise.withResolvers<Uint8Array>();
  #server: MetadataServer<Peer>;
  #length: number | undefined;

  /**
   * An exchange with nobody.
   *
   * @param options What it is about, and who hears of it.
   */
  constructor({ infoHash, metadata, onLiar }: MetadataExchangeOptions) {
    this.#server = new MetadataServer(undefined);
    this.#fetcher = new MetadataFetcher({
      infoHash,
      handler: { onLiar, onMetadata: (bytes) => this.#have(bytes) },
    });
    if (metadata) this.#have(metadata);
  }

  /** How long the metadata is, in bytes, once it is here. */
  get length(): number | undefined {
    return this.#length;
  }

  /** The metadata, as soon as it is here. */
  get found(): Promise<Uint8Array> {
    return this.#found.promise;
  }

  /** How far it has come. */
  get progress(): MetadataProgress<Peer> {
    return this.#fetcher.progress;
  }

  /**
   * A peer has said what it speaks.
   *
   * @param peer The peer.
   * @param now The time in milliseconds.
   */
  greeted(peer: Peer, now: number): void {
    const { state } = peer;
    if (this.#length !== undefined) return;
    if (state.extensionId(UT_METADATA) === undefined) return;
    if (state.metadataSize === undefined) return;
    this.#fetcher.join(peer, state.metadataSize);
    this.tick(now);
  }

  /**
   * A peer has gone.
   *
   * @param peer The peer.
   */
  left(peer: Peer): void {
    this.#fetcher.leave(peer);
  }

  /**
   * A peer asks for metadata, or answers.
   *
   * @param peer The peer.
   * @param options What it says, and the time in milliseconds.
   * @throws {ProtocolError} If that is no message of BEP 9.
   */
  receive(
    peer: Peer,
    { payload, now }: { payload: Uint8Array; now: number },
  ): void {
    const message = decodeMetadataMessage(payload);
    if (message?.type === "request") {
      const answer = this.#server.request(peer, message.piece);
      if (answer) this.#send(peer, answer);
      else peer.wake();
    } else if (message) {
      this.#fetcher.receive(peer, message, now);
      this.tick(now);
    }
  }

  /**
   * A peer has taken all that was said to it.
   *
   * @param peer The peer.
   */
  serve(peer: Peer): void {
    const answer = this.#server.next(peer);
    if (answer) this.#send(peer, answer);
  }

  /**
   * Asks for what is missing; at least once a second.
   *
   * @param now The time in milliseconds.
   */
  tick(now: number): void {
    for (const { peer, piece } of this.#fetcher.tick(now)) {
      this.#send(peer, { type: "request", piece });
    }
  }

  #have(bytes: Uint8Array): void {
    this.#length = bytes.length;
    this.#server = new MetadataServer(bytes);
    this.#found.resolve(bytes);
  }

  #send(peer: Peer, message: MetadataMessage): void {
    const id = peer.state.extensionId(UT_METADATA);
    if (id === undefined) return;
    const payload = encodeMetadataMessage(message);
    peer.send({ type: "extended", id, payload });
  }
}
