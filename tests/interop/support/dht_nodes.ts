/**
 * DHT nodes of other programs, as child processes on this machine.
 *
 * @module
 */

import { join } from "@std/path";
import { type Endpoint, formatEndpoint } from "../../../src/bytes/endpoint.ts";
import { missingProgram } from "../../support/conditional.ts";
import { Child, waitUntil } from "./child.ts";
import { freshAddress } from "./loopback.ts";
import { encodeHex } from "@std/encoding/hex";

/** What a node does: nothing, announce itself, or look for peers. */
export type DhtRole = "stay" | "announce" | "seek";

/** How a node is started. */
export interface DhtNodeSite {
  /** Its address and port. */
  endpoint: Endpoint;
  /** Whom it knows. */
  bootstrap: Endpoint | undefined;
  /** What it does. */
  role: DhtRole;
  /** For which torrent. */
  infoHash: Uint8Array;
}

/** A kind of node. */
export interface DhtNodeKind {
  /** Its name. */
  name: string;
  /** Says what of it is not installed. */
  missing: () => string[];
  /** The program and its arguments. */
  command: (site: DhtNodeSite) => [program: string, ...args: string[]];
}

function args({ endpoint, bootstrap, role, infoHash }: DhtNodeSite): string[] {
  const known = bootstrap ? formatEndpoint(bootstrap) : "-";
  const { hostname, port } = endpoint;
  return [hostname, `${port}`, known, role, encodeHex(infoHash)];
}

/** libtorrent's node. */
export const LIBTORRENT_DHT: Pick<DhtNodeKind, "name" | "command"> = {
  name: "libtorrent",
  command: (site) => [
    "/usr/bin/python3",
    "-B",
    join(import.meta.dirname!, "libtorrent_dht.py"),
    ...args(site),
  ],
};

const MODULES = Deno.env.get("BTGET_NODE_MODULES");

/** WebTorrent's node, npm's bittorrent-dht. */
export const BITTORRENT_DHT: DhtNodeKind = {
  name: "bittorrent-dht",
  missing() {
    try {
      Deno.statSync(`${MODULES ?? "/nowhere"}/bittorrent-dht`);
      return missingProgram("node");
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      return ["BTGET_NODE_MODULES names no folder with npm's bittorrent-dht"];
    }
  },
  command: (site) => [
    "node",
    join(import.meta.dirname!, "bittorrent_dht.mjs"),
    join(MODULES!, "bittorrent-dht", "index.js"),
    ...args(site),
  ],
};

/** A node that runs. */
export class ForeignDhtNode implements AsyncDisposable {
  /** Where it is. */
  readonly endpoint: Endpoint;
  readonly #child: Child;

  /**
   * Starts a node.
   *
   * @param kind Its kind.
   * @param site What it does; it gets an address of its own.
   */
  constructor(
    { name, command }: Pick<DhtNodeKind, "name" | "command">,
    site: Omit<DhtNodeSite, "endpoint">,
  ) {
    this.endpoint = { hostname: freshAddress(), port: 20009 };
    this.#child = new Child(name, {
      command: command({ ...site, endpoint: this.endpoint }),
      cwd: Deno.cwd(),
      env: { PATH: Deno.env.get("PATH") ?? "" },
    });
  }

  /**
   * Waits until it has written something.
   *
   * @param line What its line begins with.
   */
  async said(line: string): Promise<void> {
    await waitUntil(() => {
      if (this.#child.hasExited) throw new Error(this.#child.log);
      return this.#child.stdout.includes(`${line}\n`);
    }, { what: `${this.#child.name} to say: ${line}`, seconds: 25 });
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]();
  }
}
