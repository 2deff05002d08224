/**
 * What a run of the program happens in: a folder with a torrent, a place for
 * its downloads, and peers.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { type Endpoint, formatEndpoint } from "../../src/bytes/endpoint.ts";
import type { Behaviour } from "./fake_peer.ts";
import type { MadeTorrent } from "./make_torrent.ts";
import { TempFolder } from "./temp_folder.ts";

/** A seed that takes its time, so that something happens in the middle. */
export const SLOW: Behaviour = {
  serve: async (_, right) => {
    await delay(5);
    return right;
  },
};

/** A folder with a torrent in it, and the arguments of a download from peers. */
export class Scene implements Disposable {
  /** Everything. */
  readonly folder: TempFolder = new TempFolder();
  /** The .torrent file. */
  readonly torrentPath: string = this.folder.join("x.torrent");
  /** The download folder, which does not exist yet. */
  readonly downloads: string = this.folder.join("downloads");

  /**
   * Writes the .torrent file.
   *
   * @param made The torrent.
   */
  constructor(readonly made: MadeTorrent) {
    Deno.writeFileSync(this.torrentPath, made.bytes);
  }

  /**
   * The arguments of a download.
   *
   * @param peers The peers to dial.
   * @returns The arguments; more can follow.
   */
  args(...peers: { endpoint: Endpoint }[]): string[] {
    return [
      this.torrentPath,
      `--dir=${this.downloads}`,
      "--listen-port=0",
      // Nobody but those that the test names.
      "--no-dht",
      "--no-lsd",
      // No test waits for ever.
      "--stall-timeout=30",
      ...peers.map(({ endpoint }) => `--peer=${formatEndpoint(endpoint)}`),
    ];
  }

  /** Removes everything. */
  [Symbol.dispose](): void {
    this.folder[Symbol.dispose]();
  }
}

/**
 * The names in a folder, in order.
 *
 * @param folder The folder.
 * @returns The names.
 */
export function namesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}
