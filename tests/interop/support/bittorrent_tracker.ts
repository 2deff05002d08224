/**
 * The tracker of npm's bittorrent-tracker, as a child process.
 *
 * @module
 */

import { join } from "@std/path";
import { TempFolder } from "../../support/temp_folder.ts";
import { missingProgram } from "../../support/conditional.ts";
import { Child, waitUntil } from "./child.ts";
import { freePort } from "./loopback.ts";
import { missingModule, modulePath } from "./node_modules.ts";

/** Only the server: the client wants WebRTC, which is not for every machine. */
const SCRIPT = `
  const [path, hostname, port] = process.argv.slice(1);
  const { default: Server } = await import(path);
  const server = new Server({ http: true, udp: true, ws: false, stats: false });
  server.on("error", (error) => console.error(error));
  server.on("warning", (error) => console.error(error));
  server.listen(Number(port), { http: hostname, udp: "127.0.0.1", udp6: hostname },
    () => console.log("listening"));
`;

/**
 * Looks for the tracker.
 *
 * @returns Nothing if it is there, or why not.
 */
export function missingBittorrentTracker(): string[] {
  return [...missingProgram("node"), ...missingModule("bittorrent-tracker")];
}

/** A tracker that runs on `::1`, and nowhere else. */
export class BittorrentTracker implements AsyncDisposable {
  /** The port, for HTTP and UDP. */
  readonly port: number = freePort("::1");
  readonly #folder = new TempFolder();
  #child: Child | undefined;

  /** Starts it. */
  async start(): Promise<void> {
    const path = join(modulePath("bittorrent-tracker"), "server.js");
    const child = this.#child = new Child("bittorrent-tracker", {
      command: [
        "node",
        ...["--input-type=module", "--eval", SCRIPT],
        ...["--", path, "::1", String(this.port)],
      ],
      cwd: this.#folder.path,
      env: { PATH: Deno.env.get("PATH") ?? "", HOME: this.#folder.path },
    });
    await waitUntil(() => {
      if (child.hasExited) throw new Error(child.log);
      return child.stdout.includes("listening");
    }, { what: "bittorrent-tracker", seconds: 20 });
  }

  /**
   * The URL for torrents.
   *
   * @param protocol How to ask.
   * @returns The URL.
   */
  announceUrl(protocol: "http" | "udp"): string {
    return `${protocol}://[::1]:${this.port}/announce`;
  }

  /** What it has written. */
  get log(): string {
    return this.#child?.log ?? "";
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child?.[Symbol.asyncDispose]();
    this.#folder[Symbol.dispose]();
  }
}
