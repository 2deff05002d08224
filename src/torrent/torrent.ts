/**
 * `Torrent`: one torrent, from what lies on disk to the last verified piece,
 * and on until enough was given to others.
 *
 * ```
 *   checking ──► downloading ──► complete ──► seeding
 *       └────────────┴──────────────────────────┴──────► stopped
 * ```
 *
 * @module
 */

import { Bitfield } from "../bytes/bitfield.ts";
import { StorageError } from "../errors.ts";
import type { Metainfo } from "../metainfo/metainfo.ts";
import type { OpenConnection } from "../peer/connect.ts";
import type { ControlFile } from "../storage/control_file.ts";
import { type FileFacts, FileStorage } from "../storage/file_storage.ts";
import type { DownloadPlaces } from "../storage/places.ts";
import { recover, stampFiles } from "../storage/recover.ts";
import type { Handshake } from "../wire/handshake.ts";
import type { TorrentEvent, TorrentPhase, TorrentStats } from "./events.ts";
import { ourHandshake } from "./introduction.ts";
import type {
  SeedingGoal,
  TransferLimits,
  TransferServices,
} from "./options.ts";
import { Transfer } from "./transfer.ts";
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
  /** Whether files may be written; without that they can only be served. */
  canWrite: boolean;
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
  /** What each file was like before it was checked. */
  #facts: readonly (FileFacts | undefined)[] = [];
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
    this.handshake = ourHandshake(metainfo.infoHash, options.services.peerId);
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
   * Checks what lies on disk, downloads what is missing, and serves others as
   * long as is wanted. What stops it while it serves is no error: that has no
   * end of its own.
   *
   * @param options What stops it; what was verified stays on disk.
   * @throws {StorageError} If the disk refuses.
   * @throws {GaveUpError} If nothing came for too long.
   */
  async run({ signal }: { signal: AbortSignal }): Promise<void> {
    const { isCheckOnly, canWrite, seeding } = this.#options;
    let control: ControlFile | undefined;
    try {
      this.#setPhase("checking");
      control = await this.#check(signal);
      if (isCheckOnly) return;
      if (!this.#have.isFull && !canWrite) throw this.#incomplete();
      if (this.#have.isFull && !seeding) this.#complete(control);
      else await this.#transferAll({ control, signal });
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
    if (this.#transfer) this.#transfer.contacts.accept(open);
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
    const now = performance.now();
    const bytesPerSecond = transfer?.download.received.bytesPerSecond(now) ?? 0;
    const missing = layout.length - verifiedBytes - gatheringBytes;
    const peers = [...transfer?.contacts.swarm.peers ?? []];
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
      sentBytes: transfer?.upload.sent.total ?? 0,
      sentPerSecond: transfer?.upload.sent.bytesPerSecond(now) ?? 0,
      secondsLeft: bytesPerSecond > 0 ? missing / bytesPerSecond : undefined,
      peers: peers.length,
      seeds: peers.filter(({ state }) => state.have.isFull).length,
      serving: peers.filter(({ state }) => !state.peerChoking).length,
      served: peers.filter(({ state }) => !state.amChoking).length,
      candidates: transfer?.contacts.candidates.idleCount ?? 0,
      banned: transfer?.contacts.swarm.banned ?? 0,
      hashMismatches: transfer?.mismatches ?? 0,
      trackers: transfer?.contacts.announcer.size ?? 0,
      trackersAnswered: transfer?.contacts.trackersAnswered ?? 0,
    };
  }

  async #check(signal: AbortSignal): Promise<ControlFile | undefined> {
    const { infoHash, pieceHashes, layout } = this.metainfo;
    const { have, control, facts } = await recover(layout, {
      ...this.#options,
      infoHash,
      pieceHashes,
      storage: this.#storage,
      controlPath: this.#options.places.control,
      isReadOnly: this.#options.isCheckOnly || !this.#options.canWrite,
      onProgress: ({ checkedBytes, totalBytes }) => {
        this.#checkedBytes = checkedBytes;
        this.#bytesToCheck = totalBytes;
      },
      signal,
    });
    this.#have = have;
    this.#facts = facts;
    return control;
  }

  async #transferAll(
    { control, signal }: {
      control: ControlFile | undefined;
      signal: AbortSignal;
    },
  ): Promise<void> {
    const { seeding } = this.#options;
    const transfer = new Transfer(this.metainfo, {
      limits: this.#options,
      services: this.#services,
      storage: this.#storage,
      have: this.#have,
      facts: this.#facts,
      emit: (event) => this.#emit(event),
    });
    this.#transfer = transfer;
    try {
      await using _moving = transfer.start({ signal });
      if (!transfer.isComplete) this.#setPhase("downloading");
      await transfer.downloaded();
      this.#complete(control);
      if (!seeding) return;
      this.#setPhase("seeding");
      await this.#seed(transfer, { seeding, signal });
    } finally {
      await Promise.all([
        this.#record(control),
        transfer.contacts.announcer.stop(),
      ]);
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

  /** Pieces are missing, and may not be written. */
  #incomplete(): StorageError {
    const { folder } = this.#options.places;
    const { length, count } = this.#have;
    return new StorageError("denied", {
      message: `${length - count} of ${length} pieces are missing, and ` +
        `nothing may be written to ${folder}: run again with --allow-write=${folder}`,
      path: folder,
    });
  }

  /** Every piece is verified: the files get their final shape. */
  #complete(control: ControlFile | undefined): void {
    this.#storage.finish();
    control?.remove();
    this.#setPhase("complete");
  }

  /** Notes what is verified, so that the next start need not check it. */
  async #record(control: ControlFile | undefined): Promise<void> {
    if (!control || this.#transfer!.isComplete) return;
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
