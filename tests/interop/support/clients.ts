/**
 * The clients that btget downloads from: how each is started.
 *
 * Whatever could leave this machine is switched off, where a client has a
 * switch for it. Each has an address and a folder of its own; what it keeps
 * there is removed with the folder.
 *
 * @module
 */

import { basename, join } from "@std/path";
import { type Endpoint, formatEndpoint } from "../../../src/bytes/endpoint.ts";
import { isMagnet } from "../../../src/metainfo/magnet.ts";
import { missingProgram } from "../../support/conditional.ts";
import { freePort } from "./loopback.ts";
import { missingModule, modulePath } from "./node_modules.ts";

/** What a client is told. */
export interface ClientSite {
  /** The torrent's file, or a magnet link to it. */
  source: string;
  /** Where the payload lies, or shall be downloaded. */
  payload: string;
  /** Whether it lies there. */
  isSeeder: boolean;
  /** A folder for whatever the client keeps. */
  home: string;
  /** Its address. */
  address: string;
  /** The port for peers. */
  port: number;
  /**
   * How fast a seeder may send, or libtorrent's leecher receive, in KiB per
   * second; 0 stands for no limit.
   */
  maxRate: number;
  /** The node by which it finds into the DHT; it stays away if not given. */
  bootstrap?: Endpoint | undefined;
  /** A peer that it knows; for libtorrent only. */
  knows?: Endpoint | undefined;
}

/** A kind of client. */
export interface ClientKind {
  /** Its name, as btget shows it to users. */
  name: string;
  /** Whether it must be dialled, since it will not dial btget here. */
  mustBeDialled?: true;
  /** Says what of it is not installed. */
  missing: () => string[];
  /** Prepares its home, and gives the program with its arguments. */
  command: (site: ClientSite) => [program: string, ...args: string[]];
  /** Gives it the link when it runs, if it takes none at its start. */
  giveLink?: (site: ClientSite) => Promise<void>;
}

/** Where Transmission can be told what to do, at its own address. */
const TRANSMISSION_RPC_PORT = 9091;

/**
 * Transmission. It unchokes on a timer of 10 s: nothing moves before. It dials
 * nobody on loopback, and takes one peer from an address.
 */
export const TRANSMISSION: ClientKind = {
  name: "Transmission",
  mustBeDialled: true,
  missing: () => missingProgram("transmission-daemon"),
  command({ source, payload, home, address, port, maxRate }) {
    const watched = `${home}/watched`;
    const settings = {
      "bind-address-ipv4": address,
      "bind-address-ipv6": "::1",
      "peer-port": port,
      "peer-port-random-on-start": false,
      "port-forwarding-enabled": false,
      "dht-enabled": false,
      "lpd-enabled": false,
      "pex-enabled": false,
      "utp-enabled": false,
      "rpc-enabled": isMagnet(source),
      "rpc-bind-address": address,
      "rpc-port": TRANSMISSION_RPC_PORT,
      "rpc-whitelist-enabled": false,
      "blocklist-enabled": false,
      "download-dir": payload,
      "incomplete-dir-enabled": false,
      "watch-dir": watched,
      "watch-dir-enabled": true,
      "start-added-torrents": true,
      "speed-limit-up-enabled": maxRate > 0,
      "speed-limit-up": maxRate,
    };
    Deno.mkdirSync(watched, { recursive: true });
    if (!isMagnet(source)) {
      Deno.copyFileSync(source, `${watched}/${basename(source)}`);
    }
    Deno.writeTextFileSync(`${home}/settings.json`, JSON.stringify(settings));
    return [
      "transmission-daemon",
      ...["--foreground", "--log-error", "--config-dir", home],
    ];
  },
  async giveLink({ source, address }) {
    const url = `http://${address}:${TRANSMISSION_RPC_PORT}/transmission/rpc`;
    const body = JSON.stringify({
      method: "torrent-add",
      arguments: { filename: source },
    });
    // It answers the first request with what the second must have.
    const refused = await fetch(url, { method: "POST", body });
    await refused.body?.cancel();
    const name = "X-Transmission-Session-Id";
    const headers = { [name]: refused.headers.get(name)! };
    const answer = await fetch(url, { method: "POST", body, headers });
    const { result } = await answer.json();
    if (result !== "success") throw new Error(`Transmission says: ${result}`);
  },
};

/** aria2. */
export const ARIA2: ClientKind = {
  name: "aria2",
  missing: () => missingProgram("aria2c"),
  command: (site) => [
    "aria2c",
    "--no-conf",
    `--dir=${site.payload}`,
    `--interface=${site.address}`,
    `--listen-port=${site.port}`,
    `--max-upload-limit=${site.maxRate}K`,
    "--disable-ipv6=true",
    ...aria2Dht(site),
    "--enable-dht6=false",
    "--bt-enable-lpd=false",
    "--enable-peer-exchange=false",
    `--bt-seed-unverified=${site.isSeeder}`,
    "--allow-overwrite=true",
    // For ever.
    "--seed-ratio=0",
    "--summary-interval=0",
    "--console-log-level=warn",
    site.source,
  ],
};

function aria2Dht({ bootstrap, port, home }: ClientSite): string[] {
  if (!bootstrap) return ["--enable-dht=false"];
  return [
    "--enable-dht=true",
    `--dht-listen-port=${port}`,
    `--dht-entry-point=${formatEndpoint(bootstrap)}`,
    `--dht-file-path=${home}/dht.dat`,
  ];
}

/** Debian's libtorrent has a binding for Debian's Python only. */
export const PYTHON = "/usr/bin/python3";

/** libtorrent (rasterbar), by a script of ours. */
export const LIBTORRENT: ClientKind = {
  name: "libtorrent",
  missing() {
    try {
      const { success } = new Deno.Command(PYTHON, {
        args: ["-c", "import libtorrent"],
        stderr: "null",
      }).outputSync();
      if (success) return [];
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    return ["python3-libtorrent is not installed"];
  },
  command: (site) => [
    PYTHON,
    // No compiled modules in this folder.
    "-B",
    join(import.meta.dirname!, "libtorrent_peer.py"),
    site.isSeeder ? "seed" : "leech",
    ...[site.source, site.payload, site.address, `${site.port}`],
    `${site.maxRate * 1024}`,
    ...site.knows ? ["--peer", formatEndpoint(site.knows)] : [],
    ...site.bootstrap ? ["--bootstrap", formatEndpoint(site.bootstrap)] : [],
  ],
};

/** rTorrent. */
export const RTORRENT: ClientKind = {
  name: "rTorrent",
  missing: () => missingProgram("rtorrent"),
  command({ source, payload, home, address, port, maxRate }) {
    const session = `${home}/session`;
    const settings = [
      // Without it, it wants a terminal.
      "system.daemon.set = true",
      `session.path.set = ${session}`,
      `directory.default.set = ${payload}`,
      `network.bind_address.set = ${address}`,
      `network.local_address.set = ${address}`,
      `network.port_range.set = ${port}-${port}`,
      "network.port_random.set = no",
      `throttle.global_up.max_rate.set_kb = ${maxRate}`,
      "dht.mode.set = disable",
      "protocol.pex.set = no",
      `load.start = ${source}`,
    ];
    Deno.mkdirSync(session, { recursive: true });
    Deno.writeTextFileSync(`${home}/rtorrent.rc`, `${settings.join("\n")}\n`);
    return ["rtorrent", "-n", "-o", `import=${home}/rtorrent.rc`];
  },
};

/** qBittorrent. */
export const QBITTORRENT: ClientKind = {
  name: "qBittorrent",
  missing: () => missingProgram("qbittorrent-nox"),
  command(
    { source, payload, isSeeder, home, address, port, maxRate },
  ) {
    const folder = `${home}/qBittorrent/config`;
    const settings = String.raw`
[LegalNotice]
Accepted=true
[BitTorrent]
Session\Port=${port}
Session\InterfaceAddress=${address}
Session\BTProtocol=TCP
Session\DHTEnabled=false
Session\LSDEnabled=false
Session\PeXEnabled=false
Session\QueueingSystemEnabled=false
Session\MultiConnectionsPerIp=true
Session\SSRFMitigation=false
Session\GlobalUPSpeedLimit=${maxRate}
[Network]
PortForwardingEnabled=false
[Preferences]
Connection\UPnP=false
Connection\ResolvePeerCountries=false
WebUI\Address=${address}
WebUI\Port=${freePort(address)}
`;
    Deno.mkdirSync(folder, { recursive: true });
    Deno.writeTextFileSync(`${folder}/qBittorrent.conf`, settings);
    return [
      "qbittorrent-nox",
      `--profile=${home}`,
      `--save-path=${payload}`,
      "--skip-dialog=true",
      ...(isSeeder ? ["--skip-hash-check"] : []),
      source,
    ];
  },
};

/**
 * WebTorrent, by a script of ours. It listens on every address, and dials with
 * encryption only.
 */
export const WEBTORRENT: ClientKind = {
  name: "WebTorrent",
  mustBeDialled: true,
  missing() {
    return [...missingProgram("node"), ...missingModule("webtorrent")];
  },
  command: (site) => [
    "node",
    join(import.meta.dirname!, "webtorrent_peer.mjs"),
    `${modulePath("webtorrent")}/index.js`,
    ...[site.source, site.payload, `${site.port}`],
    `${site.maxRate * 1024}`,
    ...site.bootstrap ? [formatEndpoint(site.bootstrap)] : [],
  ],
};

/** All of them that can have an address of their own. */
export const ALL_CLIENTS: readonly ClientKind[] = [
  TRANSMISSION,
  ARIA2,
  LIBTORRENT,
  RTORRENT,
  QBITTORRENT,
];
