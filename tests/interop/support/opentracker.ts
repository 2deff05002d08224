/**
 * opentracker, as a child process.
 *
 * @module
 */

import { encodeHex } from "@std/encoding/hex";
import { decodeBencode, latin1 } from "../../../src/bytes/bencode.ts";
import { TempFolder } from "../../support/temp_folder.ts";
import { Child, waitUntil } from "./child.ts";
import { freePort, freshAddress, isListening } from "./loopback.ts";

/** The program. */
export const OPENTRACKER = "opentracker";

/** What a tracker knows of a torrent (BEP 48). */
export interface Scrape {
  /** How many peers have everything. */
  complete: number;
  /** How many peers do not. */
  incomplete: number;
  /** How many downloads became complete. */
  downloaded: number;
}

/** A tracker that runs on an address of its own. */
export class OpenTracker implements AsyncDisposable {
  /** Where it listens. */
  readonly hostname: string = freshAddress();
  /** The port, for HTTP and UDP. */
  readonly port: number = freePort(this.hostname);
  readonly #folder = new TempFolder();
  #child: Child | undefined;

  /** The URL for torrents. */
  get announceUrl(): string {
    return `http://${this.hostname}:${this.port}/announce`;
  }

  /** The URL for torrents, for UDP. */
  get udpAnnounceUrl(): string {
    return `udp://${this.hostname}:${this.port}/announce`;
  }

  /** What it has written. */
  get log(): string {
    return this.#child?.log ?? "";
  }

  /**
   * Starts it. It takes no other torrents than these.
   *
   * @param infoHashes The torrents.
   */
  async start(infoHashes: readonly Uint8Array[]): Promise<void> {
    const { hostname, port } = this;
    // As root it becomes "nobody", and this folder the root of all it sees.
    Deno.chmodSync(this.#folder.path, 0o755);
    const hashes = infoHashes.map((hash) => `${encodeHex(hash)}\n`);
    Deno.writeTextFileSync(this.#folder.join("whitelist"), hashes.join(""));
    this.#child = new Child(OPENTRACKER, {
      command: [
        OPENTRACKER,
        ...["-i", hostname, "-p", `${port}`, "-P", `${port}`],
        ...["-d", this.#folder.path, "-w", "whitelist"],
      ],
      cwd: this.#folder.path,
      env: { PATH: Deno.env.get("PATH") ?? "" },
    });
    // Whoever announces too early comes again only after a minute.
    await waitUntil(() => this.#isListening(), {
      what: `opentracker at ${hostname}:${port}`,
      seconds: 20,
    });
  }

  /**
   * Asks what it knows of a torrent.
   *
   * @param infoHash The torrent.
   * @returns What it knows; zeros if nothing.
   */
  async scrape(infoHash: Uint8Array): Promise<Scrape> {
    const escaped = encodeHex(infoHash).replace(/../g, "%$&");
    const url = new URL(`scrape?info_hash=${escaped}`, this.announceUrl);
    const response = await fetch(url);
    const answer = decodeBencode(await response.bytes());
    const files = answer instanceof Map ? answer.get("files") : undefined;
    const file = files instanceof Map ? files.get(latin1(infoHash)) : undefined;
    const count = (key: string) => {
      const value = file instanceof Map ? file.get(key) : undefined;
      return Number(value ?? 0);
    };
    return {
      complete: count("complete"),
      incomplete: count("incomplete"),
      downloaded: count("downloaded"),
    };
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child?.[Symbol.asyncDispose]();
    this.#folder[Symbol.dispose]();
  }

  async #isListening(): Promise<boolean> {
    if (this.#child!.hasExited) {
      throw new Error(`opentracker has ended\n${this.#child!.log}`);
    }
    return await isListening(this);
  }
}
