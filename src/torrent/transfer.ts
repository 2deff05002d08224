/**
 * `Transfer`: a torrent while it moves: peers, trackers and pieces, from the
 * first missing piece to the last one that somebody else wants. It routes what
 * happens between the parts, and gives up when nothing comes any more.
 *
 * @module
 */

import type { Bitfield } from "../bytes/bitfield.ts";
import { NetworkError, StorageError } from "../errors.ts";
import type { Metainfo } from "../metainfo/metainfo.ts";
import type { Peer } from "../peer/peer.ts";
import { CHOKE_INTERVAL_MS } from "../policy/choker.ts";
import { PiecePicker } from "../policy/piece_picker.ts";
import { PieceStore } from "../storage/piece_store.ts";
import { SideWriter } from "../storage/side_writer.ts";
import { VerifiedReader } from "../storage/verified_reader.ts";
import { TaskGroup } from "../task_group.ts";
import type { TransferTotals } from "../tracker/announcer.ts";
import type { Message } from "../wire/message.ts";
import type { Contacts, ContactsHandler } from "./contacts.ts";
import { Download } from "./download.ts";
import type { TorrentEvent } from "./events.ts";
import type { HashExchange } from "./hash_exchange.ts";
import { tell } from "./introduction.ts";
import { LeafReader } from "./leaf_reader.ts";
import type {
  SeedingGoal,
  TransferLimits,
  TransferServices,
} from "./options.ts";
import { News } from "./news.ts";
import { Patience } from "./patience.ts";
import type { TorrentFiles } from "./torrent_files.ts";
import { Upload } from "./upload.ts";
import { WebSeeds } from "./web_seeds.ts";
import { delay } from "@std/async/delay";

/** How often late blocks, idle windows and the patience are looked after. */
const TICK_INTERVAL_MS = 100;

/** How often it is looked whether enough was given. */
const GOAL_INTERVAL_MS = 250;

/** What a transfer is made of. */
export interface TransferOptions {
  /** What the user wants. */
  limits: TransferLimits;
  /** What the session provides. */
  services: TransferServices;
  /** Whom we know; what they say from now on is for the transfer. */
  contacts: Contacts;
  /** Where pieces lie and go; they have been checked. */
  files: TorrentFiles;
  /** Who may know what the blocks of a bad piece must be (BEP 52). */
  hashes: Pick<HashExchange, "wantLeaves" | "serveFrom" | "settled">;
  /** Hears of what happens. */
  emit: (event: TorrentEvent) => void;
}

/** The moving part of one torrent. */
export class Transfer implements ContactsHandler {
  /** Where pieces gather. */
  readonly store: PieceStore;
  /** The receiving side. */
  readonly download: Download;
  /** The giving side. */
  readonly upload: Upload;
  /** Who gives beside the peers. */
  readonly webSeeds: WebSeeds;

  readonly #metainfo: Metainfo;
  readonly #options: TransferOptions;
  readonly #picker: PiecePicker;
  readonly #sideWriter: SideWriter | undefined;
  readonly #reader: VerifiedReader | undefined;
  readonly #patience: Patience;
  readonly #news = new News();
  readonly #downloaded = Promise.withResolvers<void>();
  #tasks: TaskGroup | undefined;
  #choseAt = -Infinity;
  #mismatches = 0;
  #hasLost = false;

  /**
   * A transfer that does nothing yet.
   *
   * @param metainfo The torrent.
   * @param options Its parts.
   */
  constructor(metainfo: Metainfo, options: TransferOptions) {
    const { layout } = metainfo;
    const { services, limits, files } = options;
    const { storage, hashes, have } = files;
    this.#metainfo = metainfo;
    this.#options = options;
    this.#patience = new Patience(limits.stallTimeoutMs);
    this.#picker = new PiecePicker(layout, {
      wanted: have.complement(),
      unknown: hashes.unknown,
      maxOpen: Download.maxOpenPieces(layout.pieceLength),
      random: Math.random,
    });
    this.#sideWriter = SideWriter.for(
      layout.dataLength - layout.bytesOf(have),
    );
    this.store = new PieceStore(layout, {
      hashes,
      storage,
      have,
      sideWriter: this.#sideWriter,
      handler: {
        onPiece: (outcome) => this.download.verdicts.onPiece(outcome),
      },
    });
    this.download = new Download(layout, {
      store: this.store,
      picker: this.#picker,
      maxRate: services.maxDownloadRate,
      handler: {
        onPiece: (index) => this.#onPiece(index),
        onMismatch: (index) => this.#onMismatch(index),
        asksForLeaves: (index) =>
          options.hashes.wantLeaves(index, performance.now()),
        onGained: (peer, pieces) => this.upload.gained(peer, pieces),
        onLiar: (peer) => options.contacts.ban(peer),
        onOtherLiar: (giver) => this.webSeeds.ban(giver),
        onFailure: (error) => this.#downloaded.reject(error),
      },
    });
    this.webSeeds = new WebSeeds(metainfo, {
      extra: limits.webSeeds ?? [],
      picker: this.#picker,
      store: this.store,
      download: this.download,
      limits: services.downloadLimits ?? [],
      emit: options.emit,
    });
    if (storage.canRead) {
      this.#reader = new VerifiedReader(layout, {
        storage,
        hashes,
        facts: files.facts,
        onLost: (index) => this.#onLost(index),
      });
      const reader = new LeafReader(layout, { reader: this.#reader, hashes });
      options.hashes.serveFrom({ have, reader });
    }
    this.upload = new Upload(layout, {
      have,
      reader: this.#reader,
      // What peers were told while we downloaded cannot be taken back.
      isSuper: have.isFull && limits.seeding?.isSuper === true,
      isSnubbing: (peer) => this.download.isSnubbing(peer),
      random: Math.random,
    });
  }

  /** How many pieces had a wrong hash. */
  get mismatches(): number {
    return this.#mismatches;
  }

  /** Whether every piece is verified and on disk. */
  get isComplete(): boolean {
    return this.#picker.neededCount === 0;
  }

  /**
   * Begins to talk to trackers and peers.
   *
   * @param options What stops it.
   * @returns What ends it, and waits for that.
   */
  start({ signal }: { signal: AbortSignal }): AsyncDisposable {
    this.#patience.begin(performance.now());
    const tasks = new TaskGroup({ signal });
    this.#tasks = tasks;
    const webSeeds = this.isComplete ? undefined : this.webSeeds.start(tasks);
    tasks.spawn((signal) => this.#tick(signal));
    return {
      [Symbol.asyncDispose]: async () => {
        await tasks[Symbol.asyncDispose]();
        webSeeds?.[Symbol.dispose]();
        await this.#sideWriter?.[Symbol.asyncDispose]();
        await this.upload.settled();
        await this.#options.hashes.settled();
        this.#options.hashes.serveFrom(undefined);
        this.#reader?.[Symbol.dispose]();
      },
    };
  }

  /**
   * Waits until every piece is verified and on disk.
   *
   * @throws {StorageError} If the disk refuses.
   * @throws {MetainfoError} If the torrent contradicts itself.
   * @throws {GaveUpError} If nothing came for too long.
   */
  async downloaded(): Promise<void> {
    if (this.isComplete) return;
    await Promise.race([this.#downloaded.promise, this.#tasks!.join()]);
    await this.store.settled();
    this.#tasks!.signal.throwIfAborted();
    this.#options.contacts.announcer.completed();
    this.#news.tell(this.#options.contacts.peers);
    for (const peer of this.#options.contacts.peers) {
      tell(peer, { uploadOnly: true });
      this.#partWithSeed(peer);
    }
  }

  /**
   * Waits until enough was given.
   *
   * @param goal How much that is.
   */
  async seeded({ ratio = Infinity, timeMs }: SeedingGoal): Promise<void> {
    const startedAt = performance.now();
    const { dataLength } = this.#metainfo.layout;
    const { signal } = this.#tasks!;
    while (this.upload.sent.total < ratio * dataLength) {
      const left = startedAt + (timeMs ?? Infinity) - performance.now();
      if (left <= 0) return;
      const pause = delay(Math.min(left, GOAL_INTERVAL_MS), { signal });
      await Promise.race([pause, this.#tasks!.join()]);
    }
  }

  async #tick(signal: AbortSignal): Promise<void> {
    while (true) {
      await delay(TICK_INTERVAL_MS, { signal });
      const now = performance.now();
      this.download.tick(now);
      const isSeeding = this.isComplete;
      if (now - this.#choseAt >= CHOKE_INTERVAL_MS) {
        this.#choseAt = now;
        this.upload.choose({ now, isSeeding });
      } else {
        this.upload.update({ now, isSeeding });
      }
      this.webSeeds.tick(now);
      if (!isSeeding) this.#watchProgress(now);
    }
  }

  #watchProgress(now: number): void {
    const progress = this.store.verifiedBytes + this.store.gatheringBytes;
    if (this.#patience.lasts(progress, now)) return;
    const peers = [...this.#options.contacts.peers];
    throw this.#patience.giveUp({
      peers: peers.length,
      serving: peers.filter(({ state }) => !state.peerChoking).length,
      receivedBytes: this.download.received.total,
      mismatches: this.#mismatches,
      webSeeds: this.webSeeds.usable,
      webSeedError: this.webSeeds.lastFailure,
      wasConnected: this.#options.contacts.wasConnected,
      trackersAnswered: this.#options.contacts.trackersAnswered,
      trackerError: this.#options.contacts.trackerError,
    });
  }

  /** How far it has come, for the trackers. */
  get totals(): TransferTotals {
    return {
      uploaded: this.upload.sent.total,
      downloaded: this.download.received.total,
      left: this.#metainfo.layout.dataLength - this.store.verifiedBytes,
    };
  }

  /** The pieces that peers are told we have. */
  get shown(): Bitfield {
    return this.upload.shown;
  }

  /**
   * A peer has come.
   *
   * @param peer The peer.
   */
  onConnected(peer: Peer): void {
    // Its introduction has told it of what the others do not know yet.
    this.#news.tell(this.#options.contacts.peers, peer);
    this.download.join(peer);
    this.upload.join(peer);
    this.upload.allowFast(peer, this.#metainfo.infoHash);
  }

  /**
   * A peer has said something.
   *
   * @param peer The peer.
   * @param messages What it said.
   * @returns A promise while the disk does not keep up.
   */
  onMessages(
    peer: Peer,
    messages: readonly Message[],
  ): Promise<void> | undefined {
    const pause = this.download.receive(peer, messages);
    this.upload.receive(peer, messages);
    if (this.isComplete) this.#partWithSeed(peer);
    return pause;
  }

  /**
   * A peer has taken all that was said to it.
   *
   * @param peer The peer.
   */
  onIdle(peer: Peer): void {
    this.upload.serve(peer);
  }

  /**
   * A peer has gone.
   *
   * @param peer The peer.
   */
  onDisconnected(peer: Peer): void {
    this.download.leave(peer);
    this.upload.leave(peer);
  }

  /** Two who want nothing have nothing to say to each other. */
  #partWithSeed(peer: Peer): void {
    const { have, peerUploadOnly } = peer.state;
    if (!have.isFull && !peerUploadOnly) return;
    peer.close(new NetworkError("Neither the peer nor we want anything"));
  }

  #onPiece(index: number): void {
    if (this.#news.add(index)) {
      this.#tasks?.spawn((signal) => this.#tellNews(signal));
    }
    const { emit, limits } = this.#options;
    if (limits.tellsPieces ?? true) emit({ type: "piece", index });
    if (this.#picker.neededCount === 0) this.#downloaded.resolve();
  }

  async #tellNews(signal: AbortSignal): Promise<void> {
    const { contacts } = this.#options;
    await delay(News.intervalMs(contacts.peers.size), { signal });
    this.#news.tell(contacts.peers);
  }

  /** A piece has gone from the disk: it is neither had nor given any more. */
  #onLost(index: number): void {
    this.store.lose(index);
    this.#news.delete(index);
    const gone = new NetworkError("A piece that it waits for is lost");
    for (const peer of this.upload.lose(index)) peer.close(gone);
    const { emit } = this.#options;
    emit({ type: "piece_lost", index });
    const message = "Another program has changed files; " +
      "what was lost is not served any more";
    if (!this.#hasLost) emit({ type: "notice", message });
    this.#hasLost = true;
    if (this.isComplete) return;
    // Who goes on writing would never be done.
    const path = this.#options.files.storage.folder;
    this.#downloaded.reject(
      new StorageError("io", {
        message: `Another program has changed files in ${path}; ` +
          "run the same command again to fetch what was lost",
        path,
      }),
    );
  }

  #onMismatch(index: number): void {
    this.#mismatches++;
    this.#options.emit({ type: "hash_mismatch", index });
  }
}
