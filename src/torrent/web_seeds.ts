/**
 * `WebSeeds`: the web seeds of a torrent (BEP 17, 19). They are sources beside
 * the peers, from the first moment on and for as long as anything is missing:
 * each is asked for runs of pieces over a few connections, and is given up when
 * it has lied or has nothing.
 *
 * @module
 */

import { WebSeedError } from "../errors.ts";
import type { Block } from "../metainfo/layout.ts";
import type { Metainfo } from "../metainfo/metainfo.ts";
import { webSeedPlaces } from "../metainfo/web_seed_url.ts";
import { displayUrl, whyForbidden } from "../net/http.ts";
import type { PickerPeer } from "../policy/piece_picker.ts";
import type { TaskGroup } from "../task_group.ts";
import { Download } from "./download.ts";
import type { TorrentEvent } from "./events.ts";
import { WebSeed, WebSeedFetch, type WebSeedParts } from "./web_seed.ts";

/** To one server; more than a browser opens would be rude. */
const MAX_CONNECTIONS_PER_ORIGIN = 3;

/** To all of them: a torrent may name a hundred. */
const MAX_CONNECTIONS = 12;

/** Runs are short enough that so many of them can be fetched at a time. */
const MIN_RUNS = 4;

/** The part of the open pieces that they may have; the rest is for peers. */
const ASKED_SHARE = 1 / 2;

/** A server that sends nothing for so long is asked anew, later. */
const STALL_MS = 20_000;

/** What nobody wants any more is waited for only as long as it may be there. */
const UNWANTED_MS = 500;

/** How long the endgame waits before it asks for what a peer was asked for. */
const PATIENCE_MS = 2000;

/** A URL that is none may be anything. */
const MAX_SHOWN_LENGTH = 100;

/** Connections that have nothing to do are closed after so long. */
const IDLE_MS = 15_000;

/** What the web seeds of a torrent need. */
export interface WebSeedsOptions extends WebSeedParts {
  /** URLs that the user names, beside those of the torrent. */
  extra: readonly string[];
  /** Hears of what happens. */
  emit: (event: TorrentEvent) => void;
}

/** The web seeds of one torrent. */
export class WebSeeds {
  readonly #metainfo: Metainfo;
  readonly #options: WebSeedsOptions;
  readonly #seeds: readonly WebSeed[];
  /** How many blocks they may be asked for at a time, and one of them. */
  readonly #maxAsked: number;
  readonly #maxRun: number;
  readonly #unusable: readonly string[];
  #lastFailure: string | undefined;
  #connections: { client: Deno.HttpClient; tasks: TaskGroup } | undefined;

  /**
   * Web seeds that are not asked yet.
   *
   * @param metainfo The torrent.
   * @param options What they feed.
   */
  constructor(metainfo: Metainfo, options: WebSeedsOptions) {
    const { layout } = metainfo;
    this.#metainfo = metainfo;
    this.#options = options;
    const { places, unusable } = webSeedPlaces(metainfo, options.extra);
    this.#unusable = unusable;
    // They begin in different places, so that their runs stay long.
    const stride = layout.pieceCount / places.length;
    this.#seeds = places.map((place, i) =>
      new WebSeed(place, {
        metainfo,
        picker: options.picker,
        cursor: Math.floor(i * stride),
      })
    );
    const origins = new Set(places.map(({ url }) => url.origin));
    this.#maxAsked = Math.floor(
      Download.maxOpenPieces(layout.pieceLength) * layout.blocksPerPiece *
        ASKED_SHARE,
    );
    const runs = Math.min(
      MAX_CONNECTIONS,
      origins.size * MAX_CONNECTIONS_PER_ORIGIN,
    );
    this.#maxRun = Math.ceil(this.#maxAsked / Math.max(MIN_RUNS, runs));
  }

  /** How many may have something for us. */
  get usable(): number {
    return this.#seeds.filter(({ end }) => end === undefined).length;
  }

  /** How many of them give us something now. */
  get serving(): number {
    return this.#seeds.filter(({ fetches }) =>
      [...fetches].some(({ isServing }) => isServing)
    ).length;
  }

  /** Why the last one that failed did, if none has given anything since. */
  get lastFailure(): string | undefined {
    return this.#lastFailure;
  }

  /**
   * From now on they are asked.
   *
   * @param tasks Where connections are lived; it ends before what is returned
   * is disposed of.
   * @returns What closes connections, if there are web seeds.
   */
  start(tasks: TaskGroup): Disposable | undefined {
    this.#complain();
    if (this.#seeds.length === 0) return undefined;
    for (const seed of this.#seeds) {
      const why = whyForbidden(seed.place.url);
      if (why !== undefined) this.#end(seed, `${seed.name} ${why}`);
    }
    const client = Deno.createHttpClient({
      poolMaxIdlePerHost: MAX_CONNECTIONS_PER_ORIGIN,
      poolIdleTimeout: IDLE_MS,
    });
    this.#connections = { client, tasks };
    this.tick(performance.now());
    return client;
  }

  /**
   * Asks whoever can be asked for more, and gives up who does not answer.
   *
   * @param now The time in milliseconds.
   */
  tick(now: number): void {
    for (const { fetches, name } of this.#seeds) {
      for (const fetch of fetches) {
        const ms = now - (fetch.waitingSince ?? now);
        if (ms >= STALL_MS) {
          const message = `${name} sent nothing for ${STALL_MS / 1000} s`;
          fetch.abort(new WebSeedError("failed", message));
        } else if (ms >= UNWANTED_MS && !fetch.isWanted) {
          fetch.abort();
        }
      }
    }
    if (this.#options.picker.neededCount === 0) return;
    // Everybody has one connection before anybody has two.
    for (let count = 1; count <= MAX_CONNECTIONS_PER_ORIGIN; count++) {
      for (const seed of this.#seeds) {
        if (seed.fetches.size < count) this.#begin(seed, now);
      }
    }
  }

  /**
   * One of them gave what was wrong: it is not asked for anything any more.
   *
   * @param giver Which one, as the picker knows it.
   */
  ban(giver: PickerPeer): void {
    const seed = this.#seeds.find(({ seat }) => seat === giver);
    if (!seed || seed.end !== undefined) return;
    this.#close(seed, `${seed.name} gave wrong data`);
    this.#options.emit({ type: "web_seed_banned", webSeed: seed.name });
  }

  /** Says that some are none. */
  #complain(): void {
    const [first] = this.#unusable;
    if (first === undefined) return;
    const url = URL.parse(first);
    const shown = url ? displayUrl(url) : first.slice(0, MAX_SHOWN_LENGTH);
    const others = this.#unusable.length - 1;
    const message = `the web seed ${shown} cannot be asked` +
      (others > 0 ? `, nor can ${others} more` : "");
    this.#options.emit({ type: "notice", message });
  }

  /** Opens a connection, if there is room and something to ask for. */
  #begin(seed: WebSeed, now: number): void {
    if (seed.end !== undefined || !seed.pace.mayAsk(now)) return;
    let [count, sameOrigin] = [0, 0];
    for (const { fetches, place } of this.#seeds) {
      count += fetches.size;
      const isSame = place.url.origin === seed.place.url.origin;
      if (isSame) sameOrigin += fetches.size;
    }
    if (
      count >= MAX_CONNECTIONS || sameOrigin >= MAX_CONNECTIONS_PER_ORIGIN
    ) return;
    const blocks = this.#choose(seed, now);
    if (blocks.length === 0) return;
    const { tasks } = this.#connections!;
    const fetch = new WebSeedFetch(seed, {
      metainfo: this.#metainfo,
      parts: this.#options,
      signal: tasks.signal,
    });
    seed.fetches.add(fetch);
    tasks.spawn(() => this.#run(seed, { fetch, blocks }));
  }

  #choose(seed: WebSeed, now: number): Block[] {
    const { download } = this.#options;
    if (seed.end !== undefined || !seed.pace.mayAsk(now)) return [];
    const asked = this.#seeds.reduce(
      (sum, { seat }) => sum + seat.requests.size,
      0,
    );
    const count = Math.min(
      seed.pace.runBlocks,
      this.#maxRun,
      this.#maxAsked - asked,
    );
    if (count <= 0) return [];
    const blocks = download.choose(seed.seat, {
      count,
      now,
      patience: PATIENCE_MS + download.limitMs,
      from: seed.cursor,
    });
    const last = blocks.at(-1);
    if (last) {
      seed.cursor = (last.index + 1) % this.#metainfo.layout.pieceCount;
    }
    return blocks;
  }

  /** One connection: run after run, until there is none, or it fails. */
  async #run(
    seed: WebSeed,
    { fetch, blocks: first }: { fetch: WebSeedFetch; blocks: Block[] },
  ): Promise<void> {
    const { picker } = this.#options;
    try {
      for (
        let blocks = first;
        blocks.length > 0;
        blocks = this.#choose(seed, performance.now())
      ) {
        try {
          const startedAt = performance.now();
          const bytes = await fetch.bring(blocks, this.#connections!.client);
          seed.pace.succeeded(bytes, performance.now() - startedAt);
          this.#lastFailure = undefined;
        } catch (error) {
          if (error instanceof WebSeedError) {
            this.#failed(seed, { fetch, error });
          } else if (!fetch.signal.aborted) {
            throw error;
          }
        } finally {
          picker.withdraw(seed.seat, blocks);
        }
        if (fetch.signal.aborted) return;
      }
    } finally {
      seed.fetches.delete(fetch);
      if (seed.fetches.size === 0) this.#discard(picker.releaseAll(seed.seat));
    }
  }

  #failed(
    seed: WebSeed,
    { fetch, error }: { fetch: WebSeedFetch; error: WebSeedError },
  ): void {
    if (seed.end !== undefined) return;
    const { message, problem, options: { retryInMs } } = error;
    this.#lastFailure = message;
    if (problem === "missing" && fetch.file !== undefined) {
      seed.miss(fetch.file);
      seed.pace.missed();
      if (seed.have.count === 0 || seed.pace.isHopeless) {
        return this.#end(seed, message);
      }
      // One file that is not there tells all that is to be told.
      if (seed.hasMissed) return;
      seed.hasMissed = true;
    } else {
      const { hasGiven } = fetch;
      seed.pace.failed(performance.now(), { hasGiven, retryInMs });
    }
    this.#tell(seed, message);
  }

  #end(seed: WebSeed, message: string): void {
    this.#close(seed, message);
    this.#tell(seed, message);
  }

  #tell({ name }: WebSeed, message: string): void {
    this.#options.emit({ type: "web_seed_failed", webSeed: name, message });
  }

  #close(seed: WebSeed, message: string): void {
    seed.end = message;
    this.#lastFailure = message;
    this.#discard(this.#options.picker.leave(seed.seat));
    for (const fetch of seed.fetches) {
      fetch.abort(new WebSeedError("failed", message));
    }
  }

  #discard(pieces: readonly number[]): void {
    for (const index of pieces) this.#options.store.discard(index);
  }
}
