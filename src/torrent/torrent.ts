/**
 * `Torrent`: one torrent, from a file or a link to the last verified piece, and
 * on until enough was given to others. It builds the parts and routes what
 * happens between them.
 *
 * ```
 *   finding ──► checking ──► downloading ──► complete ──► seeding
 *      └────────────┴──────────────┴────────────────────────┴──────► stopped
 * ```
 *
 * @module
 */

import type { Endpoint } from "../bytes/endpoint.ts";
import { StorageError } from "../errors.ts";
import type { Magnet } from "../metainfo/magnet.ts";
import type { Metainfo } from "../metainfo/metainfo.ts";
import type { NameRules } from "../metainfo/safe_path.ts";
import type { OpenConnection } from "../peer/connect.ts";
import type { Peer } from "../peer/peer.ts";
import type { DownloadPlaces } from "../storage/places.ts";
import { TaskGroup } from "../task_group.ts";
import type { Handshake, WireHashes } from "../wire/handshake.ts";
import type { Message } from "../wire/message.ts";
import { UT_PEX } from "../wire/ut_pex.ts";
import { Contacts, type ContactsHandler } from "./contacts.ts";
import type { TorrentEvent, TorrentPhase, TorrentStats } from "./events.ts";
import { Finding } from "./finding.ts";
import { Identity } from "./identity.ts";
import {
  introduce,
  ourAnswer,
  ourHandshake,
  tell,
  tellHave,
} from "./introduction.ts";
import type {
  SeedingGoal,
  TransferLimits,
  TransferServices,
} from "./options.ts";
import type { Sought } from "./patience.ts";
import { search } from "./search.ts";
import { takeStats } from "./stats.ts";
import { type FileRights, TorrentFiles } from "./torrent_files.ts";
import { Transfer } from "./transfer.ts";
import { delay } from "@std/async/delay";

/** Events that wait for a reader; when nobody reads, the newer ones are lost. */
const MAX_WAITING_EVENTS = 10_000;

/** How often it is looked whom to ask for hashes. */
const HASHES_INTERVAL_MS = 250;

/** A .torrent file of a hybrid torrent is of use without piece layers too. */
const HYBRID_LAYERS_MS = 10_000;

/** What the user wants of a torrent. */
export interface TorrentOptions extends TransferLimits, FileRights {
  /**
   * Where the files of a torrent go, once it is known.
   *
   * @param metainfo The torrent.
   */
  places: (metainfo: Metainfo) => DownloadPlaces;
  /** What the file systems of this machine make of names. */
  names?: NameRules | undefined;
  /** Whether only what the torrent is has to be found out. */
  isMetadataOnly?: boolean | undefined;
}

/** One torrent of a session. */
export class Torrent implements ContactsHandler {
  /** The info hash by which it was asked for: 20 bytes. */
  readonly infoHash: Uint8Array;
  /** What happens, for one reader. */
  readonly events: ReadableStream<TorrentEvent>;

  readonly #options: TorrentOptions;
  readonly #services: TransferServices;
  readonly #contacts: Contacts;
  readonly #identity: Identity;
  #files: TorrentFiles | undefined;
  #transfer: Transfer | undefined;
  /** Whom peers talk to now. */
  #listener: ContactsHandler = new Finding();
  #isInContact = false;
  #emitter: ReadableStreamDefaultController<TorrentEvent> | undefined;
  #phase: TorrentPhase = "checking";

  /**
   * A torrent that does nothing yet.
   *
   * @param source What it is, or a link that names it.
   * @param options What is wanted of it, and what the session provides.
   */
  constructor(
    source: Metainfo | Magnet,
    options: TorrentOptions & { services: TransferServices },
  ) {
    this.infoHash = source.infoHash;
    this.#identity = new Identity(source, {
      names: options.names,
      handler: {
        onLiar: (peer) => this.#contacts.ban(peer),
        onLeaves: (index, leaves) =>
          this.#transfer?.download.verdicts.proven(index, leaves),
        onNoLeaves: (index) =>
          this.#transfer?.download.verdicts.unproven(index),
      },
    });
    this.#options = options;
    this.#services = options.services;
    this.events = new ReadableStream(
      { start: (controller) => void (this.#emitter = controller) },
      { highWaterMark: MAX_WAITING_EVENTS },
    );
    this.#contacts = new Contacts({
      hashes: this.#identity.hashes,
      metainfo: this.#identity.metainfo,
      limits: options,
      services: options.services,
      totals: () => this.#totals(),
      nodes: source.nodes,
      isSeed: () => this.#transfer?.isComplete ?? false,
      handler: this,
      emit: (event) => this.#emit(event),
    });
  }

  /** What the torrent is, once that is known. */
  get metainfo(): Metainfo | undefined {
    return this.#identity.metainfo;
  }

  /** The info hashes under which peers know it, as far as we know them. */
  get hashes(): WireHashes {
    return this.#identity.hashes;
  }

  /** What to call it, as far as is known; strangers chose it. */
  get name(): string {
    return this.#identity.name;
  }

  /**
   * Finds out what the torrent is and what of it lies on disk, downloads what
   * is missing, and serves others as long as is wanted. What stops it while it
   * serves is no error: that has no end of its own.
   *
   * @param options What stops it; what was verified stays on disk.
   * @throws {MetainfoError} If it is none that can be used.
   * @throws {StorageError} If the disk refuses.
   * @throws {GaveUpError} If nothing came for too long.
   */
  async run({ signal }: { signal: AbortSignal }): Promise<void> {
    const { isCheckOnly, isMetadataOnly, seeding } = this.#options;
    const tasks = new TaskGroup({ signal });
    await using ending = new AsyncDisposableStack();
    ending.defer(() => this.#end());
    try {
      const metainfo = this.metainfo ?? await this.#find(tasks);
      await this.#findLayers(metainfo, tasks);
      if (isMetadataOnly) return this.#setPhase("complete");
      const files = this.#files = ending.use(this.#filesOf(metainfo));
      this.#setPhase("checking");
      await files.check({ signal: tasks.signal });
      if (isCheckOnly) return;
      if (files.have.isFull && !seeding) return await this.#complete(files);
      const transfer = this.#transfer = new Transfer(metainfo, {
        limits: this.#options,
        services: this.#services,
        contacts: this.#contacts,
        files,
        hashes: this.#identity.trees,
        emit: (event) => this.#emit(event),
      });
      ending.use(transfer.start({ signal: tasks.signal }));
      this.#handOver(transfer);
      this.#contact(tasks);
      if (!transfer.isComplete) this.#setPhase("downloading");
      await transfer.downloaded();
      await this.#complete(files);
      if (!seeding) return;
      this.#setPhase("seeding");
      await this.#seed(transfer, { seeding, signal });
    } finally {
      // Peers go first: nobody must be served when the files are closed.
      await tasks[Symbol.asyncDispose]();
      await Promise.all([this.#record(), this.#contacts.announcer.stop()]);
    }
  }

  /**
   * Somebody in the local network takes part in the torrent.
   *
   * @param endpoint Where it listens.
   * @param infoHash By which info hash it knows the torrent.
   */
  foundNearby(endpoint: Endpoint, infoHash: Uint8Array): void {
    this.#contacts.add([endpoint], "lsd", this.#identity.isV2(infoHash));
  }

  /**
   * What we say to somebody who has dialled us for this torrent.
   *
   * @param theirs What it said.
   * @returns Our handshake.
   */
  answer(theirs: Handshake): Handshake {
    const { hashes } = this.#identity;
    const ours = ourHandshake(hashes, this.#services);
    return ourAnswer(theirs, { ours, hashes });
  }

  /**
   * Takes a peer that has connected to us and shaken hands.
   *
   * @param open The connection.
   */
  accept(open: OpenConnection): void {
    this.#contacts.accept(open);
  }

  /**
   * A peer has come.
   *
   * @param peer The peer.
   */
  onConnected(peer: Peer): void {
    introduce(peer, {
      have: this.#listener.shown,
      port: this.#services.port,
      metadataSize: this.#identity.metadata.length,
      exchangesPeers: this.metainfo?.isPrivate !== true,
    });
    this.#identity.joined(peer);
    this.#listener.onConnected(peer);
  }

  /**
   * A peer has gone.
   *
   * @param peer The peer.
   */
  onDisconnected(peer: Peer): void {
    this.#identity.left(peer);
    this.#listener.onDisconnected(peer);
  }

  /**
   * A peer has said something.
   *
   * @param peer The peer.
   * @param messages What it said.
   * @returns A promise to slow the peer down.
   */
  onMessages(
    peer: Peer,
    messages: readonly Message[],
  ): Promise<void> | void {
    this.#identity.receive(peer, messages);
    return this.#listener.onMessages(peer, messages);
  }

  /**
   * A peer has taken all that was said to it.
   *
   * @param peer The peer.
   */
  onIdle(peer: Peer): void {
    this.#identity.serve(peer);
    this.#listener.onIdle(peer);
  }

  /** What peers are told that we have. */
  get shown(): ContactsHandler["shown"] {
    return this.#listener.shown;
  }

  /**
   * How the torrent stands.
   *
   * @returns A snapshot.
   */
  stats(): TorrentStats {
    return takeStats({
      phase: this.#phase,
      identity: this.#identity,
      files: this.#files,
      contacts: this.#contacts,
      transfer: this.#transfer,
    });
  }

  #totals() {
    if (this.#transfer) return this.#transfer.totals;
    // Who needs the metadata is no seed, and nobody knows how much is missing.
    const left = this.metainfo?.layout.dataLength ?? 1;
    return { uploaded: 0, downloaded: 0, left };
  }

  #filesOf(metainfo: Metainfo): TorrentFiles {
    return new TorrentFiles(metainfo, {
      places: this.#options.places(metainfo),
      rights: this.#options,
      hashes: this.#identity.pieceHashes!,
    });
  }

  /** Begins to look for peers and to talk to them, if that has not begun. */
  #contact(tasks: TaskGroup): void {
    if (this.#isInContact) return;
    this.#isInContact = true;
    tasks.spawn((signal) => this.#contacts.run({ signal }));
    tasks.spawn(async (signal) => {
      while (this.metainfo?.metaVersion !== 1) {
        await delay(HASHES_INTERVAL_MS, { signal });
        this.#identity.trees.tick(performance.now());
      }
    });
  }

  /** Finds out what the torrent is that a link names. */
  async #find(tasks: TaskGroup): Promise<Metainfo> {
    const { metadata } = this.#identity;
    this.#setPhase("finding");
    const bytes = await this.#search(tasks, {
      what: "metadata",
      found: metadata.found,
    });
    const read = this.#identity.read(bytes);
    // Only then it is clear what peers have.
    this.#contacts.learn(read);
    const metainfo = this.#identity.learn(read);
    for (const peer of this.#contacts.peers) {
      tell(peer, {
        metadataSize: metadata.length,
        // What was offered is taken back (BEP 10, 27).
        messages: new Map(metainfo.isPrivate ? [[UT_PEX, 0]] : []),
      });
    }
    this.#emit({ type: "metadata" });
    if (metainfo.isPrivate) {
      const message = "it is private: only its trackers are asked from now on";
      this.#emit({ type: "notice", message });
    }
    return metainfo;
  }

  /**
   * Gets the piece layers of a torrent that came without. One for v1 too can do
   * without them: then they come while it is downloaded.
   */
  async #findLayers(
    { hasV1, metaVersion }: Metainfo,
    tasks: TaskGroup,
  ): Promise<void> {
    const { isCheckOnly, isMetadataOnly } = this.#options;
    const { trees } = this.#identity;
    if (metaVersion === 1 || trees.isComplete || isCheckOnly) return;
    if (!hasV1) {
      if (this.#phase !== "finding") this.#setPhase("finding");
      const found = trees.complete;
      await this.#search(tasks, { what: "piece hashes", found });
    } else if (isMetadataOnly && trees.peerCount > 0) {
      await using waiting = new TaskGroup({ signal: tasks.signal });
      waiting.spawn((signal) => delay(HYBRID_LAYERS_MS, { signal }));
      await Promise.race([trees.complete, waiting.join()]);
    }
  }

  /** Waits for something that peers have, as long as there is patience. */
  async #search<Found>(
    tasks: TaskGroup,
    { what, found }: { what: Sought; found: Promise<Found> },
  ): Promise<Found> {
    this.#contact(tasks);
    return await search({
      what,
      found,
      stallTimeoutMs: this.#options.stallTimeoutMs,
      tick: (now) => this.#identity.metadata.tick(now),
      situation: () => ({
        ...this.stats(),
        usesDht: this.#services.dht !== undefined,
        wasConnected: this.#contacts.wasConnected,
        trackerError: this.#contacts.trackerError,
        hashPeers: this.#identity.trees.peerCount,
      }),
      signal: tasks.signal,
    });
  }

  /** From now on peers talk to the transfer; who is here has to catch up. */
  #handOver(transfer: Transfer): void {
    this.#listener = transfer;
    for (const peer of this.#contacts.peers) {
      transfer.onConnected(peer);
      tellHave(peer, transfer.shown);
    }
  }

  async #seed(
    transfer: Transfer,
    { seeding, signal }: { seeding: SeedingGoal; signal: AbortSignal },
  ): Promise<void> {
    try {
      await transfer.seeded(seeding);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #complete(files: TorrentFiles): Promise<void> {
    for (const message of await files.complete()) {
      this.#emit({ type: "notice", message });
    }
    this.#setPhase("complete");
  }

  async #record(): Promise<void> {
    try {
      await this.#files?.record();
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      this.#emit({
        type: "notice",
        message:
          `Cannot note what is verified; it will be checked at the next start (${error.message})`,
      });
    }
  }

  #end(): void {
    if (this.#phase !== "complete") this.#setPhase("stopped");
    this.#emitter?.close();
    this.#emitter = undefined;
  }

  #setPhase(phase: TorrentPhase): void {
    this.#phase = phase;
    this.#emit({ type: "phase", phase });
  }

  #emit(event: TorrentEvent): void {
    const room = this.#emitter?.desiredSize ?? 0;
    if (room > 0) this.#emitter!.enqueue(event);
  }
}
