/**
 * `Torrent`: one download, from what lies on disk to the last verified piece.
 *
 * ```
 *   checking ──► downloading ──► complete
 *       └────────────┴───────────────┴──────► stopped
 * ```
 *
 * @module
 */

import { Bitfield } from "../bytes/bitfield.ts";
import { StorageError } from "../errors.ts";
import type { Metainfo } from "../metainfo/metainfo.ts";
import type { OpenConnection } from "../peer/connect.ts";
import type { ControlFile } from "../storage/control_file.ts";
import { FileStorage } from "../storage/file_storage.ts";
import type { DownloadPlaces } from "../storage/places.ts";
import { recover, stampFiles } from "../storage/recover.ts";
import type { Handshake } from "../wire/handshake.ts";
import type { TorrentEvent, TorrentPhase, TorrentStats } from "./events.ts";
import {
  ourHandshake,
  Transfer,
  type TransferLimits,
  type TransferServices,
} from "./transfer.ts";
import { delay } from "@std/async/delay";

/** Leaving must not wait for a slow disk; then the next start checks anew. */
const RECORD_TIMEOUT_MS = 3_000;

/** Events that wait for a reader; when nobody reads, the newer ones are lost. */
const MAX_WAITING_EVENTS = 10_000;

/** What the user wants of a torrent. */
export interface TorrentOptions extends TransferLimits {
  /** Where its files go. */
  places: DownloadPlaces;
  /** Whether files may be read; without that nothing can be resumed. */
  canRead: boolean;
  /** Whether everything on disk is checked, whatever an earlier run noted. */
  mustCheckAll: boolean;
  /** Whether files that are not ours may be changed. */
  mayOverwrite: boolean;
  /** Whether what is on disk is checked, and nothing else done. */
  isCheckOnly: boolean;
}

/** One torrent of a session. */
export class Torrent {
  /** What the torrent is. */
  readonly metainfo: Metainfo;
  /** What happens, for one reader. */
  readonly events: ReadableStream<TorrentEvent>;
  /** What we say when we shake hands for this torrent. */
  readonly handshake: Handshake;

  readonly #options: TorrentOptions;
  readonly #services: TransferServices;
  readonly #storage: FileStorage;
  #emitter: ReadableStreamDefaultController<TorrentEvent> | undefined;
  #phase: TorrentPhase = "checking";
  #have: Bitfield;
  #transfer: Transfer | undefined;
  #checkedBytes = 0;
  #bytesToCheck = 0;

  /**
   * A torrent that does nothing yet.
   *
   * @param metainfo What it is.
   * @param options What is wanted of it, and what the session provides.
   */
  constructor(
    metainfo: Metainfo,
    options: TorrentOptions & { services: TransferServices },
  ) {
    this.metainfo = metainfo;
    this.handshake = ourHandshake(metainfo, options.services);
    this.#options = options;
    this.#services = options.services;
    this.#have = new Bitfield(metainfo.layout.pieceCount);
    this.#storage = new FileStorage(metainfo.layout, {
      places: options.places.files,
      folder: options.places.folder,
      canRead: options.canRead,
      mayReplace: options.mayOverwrite,
    });
    this.events = new ReadableStream(
      { start: (controller) => void (this.#emitter = controller) },
      { highWaterMark: MAX_WAITING_EVENTS },
    );
  }

  /**
   * Checks what lies on disk, and downloads what is missing.
   *
   * @param options What stops it; what was verified stays on disk.
   * @throws {StorageError} If the disk refuses.
   * @throws {GaveUpError} If nothing came for too long.
   */
  async run({ signal }: { signal: AbortSignal }): Promise<void> {
    let control: ControlFile | undefined;
    try {
      this.#setPhase("checking");
      control = await this.#check(signal);
      if (this.#options.isCheckOnly) return;
      if (!this.#have.isFull) await this.#download({ control, signal });
      this.#storage.finish();
      control?.remove();
      this.#setPhase("complete");
    } finally {
      control?.[Symbol.dispose]();
      await this.#storage[Symbol.asyncDispose]();
      if (this.#phase !== "complete") this.#setPhase("stopped");
      this.#emitter?.close();
      this.#emitter = undefined;
    }
  }

  /**
   * Takes a peer that has connected to us and shaken hands.
   *
   * @param open The connection.
   */
  accept(open: OpenConnection): void {
    if (this.#transfer) this.#transfer.accept(open);
    else open.connection.close();
  }

  /**
   * How the torrent stands.
   *
   * @returns A snapshot.
   */
  stats(): TorrentStats {
    const { layout } = this.metainfo;
    const transfer = this.#transfer;
    const verifiedBytes = transfer?.store.verifiedBytes ??
      layout.bytesOf(this.#have);
    const gatheringBytes = transfer?.store.gatheringBytes ?? 0;
    const bytesPerSecond =
      transfer?.download.received.bytesPerSecond(performance.now()) ?? 0;
    const missing = layout.length - verifiedBytes - gatheringBytes;
    const peers = [...transfer?.swarm.peers ?? []];
    return {
      phase: this.#phase,
      totalBytes: layout.length,
      verifiedBytes,
      gatheringBytes,
      pieceCount: layout.pieceCount,
      verifiedPieces: this.#have.count,
      checkedBytes: this.#checkedBytes,
      bytesToCheck: this.#bytesToCheck,
      receivedBytes: transfer?.download.received.total ?? 0,
      wastedBytes: transfer?.download.wastedBytes ?? 0,
      bytesPerSecond,
      secondsLeft: bytesPerSecond > 0 ? missing / bytesPerSecond : undefined,
      peers: peers.length,
      seeds: peers.filter(({ state }) => state.have.isFull).length,
      serving: peers.filter(({ state }) => !state.peerChoking).length,
      candidates: transfer?.candidates.idleCount ?? 0,
      banned: transfer?.swarm.banned ?? 0,
      hashMismatches: transfer?.mismatches ?? 0,
      trackers: transfer?.announcer.size ?? 0,
      trackersAnswered: transfer?.trackersAnswered ?? 0,
    };
  }

  async #check(signal: AbortSignal): Promise<ControlFile | undefined> {
    const { infoHash, pieceHashes, layout } = this.metainfo;
    const { have, control } = await recover(layout, {
      ...this.#options,
      infoHash,
      pieceHashes,
      storage: this.#storage,
      controlPath: this.#options.places.control,
      isReadOnly: this.#options.isCheckOnly,
      onProgress: ({ checkedBytes, totalBytes }) => {
        this.#checkedBytes = checkedBytes;
        this.#bytesToCheck = totalBytes;
      },
      signal,
    });
    this.#have = have;
    return control;
  }

  async #download(
    { control, signal }: {
      control: ControlFile | undefined;
      signal: AbortSignal;
    },
  ): Promise<void> {
    const transfer = new Transfer(this.metainfo, {
      limits: this.#options,
      services: this.#services,
      storage: this.#storage,
      have: this.#have,
      emit: (event) => this.#emit(event),
    });
    this.#transfer = transfer;
    this.#setPhase("downloading");
    try {
      await transfer.run({ signal });
      transfer.announcer.completed();
    } finally {
      await Promise.all([this.#record(control), transfer.announcer.stop()]);
    }
  }

  /** Notes what is verified, so that the next start need not check it. */
  async #record(control: ControlFile | undefined): Promise<void> {
    if (!control || this.#have.isFull) return;
    const patience = new AbortController();
    const write = async () => {
      await this.#storage.sync();
      await control.write({
        have: this.#have,
        files: stampFiles(this.metainfo.layout, this.#storage),
      });
      patience.abort();
    };
    const wait = delay(RECORD_TIMEOUT_MS, { signal: patience.signal });
    try {
      await Promise.race([write(), wait]);
    } catch (error) {
      if (patience.signal.aborted) return;
      if (!(error instanceof StorageError)) throw error;
      this.#emit({
        type: "notice",
        message:
          `Cannot note what is verified; it will be checked at the next start (${error.message})`,
      });
    }
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
