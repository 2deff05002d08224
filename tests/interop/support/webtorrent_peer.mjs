/**
 * Seeds or leeches a torrent with WebTorrent until it is killed; talks to
 * loopback only.
 *
 *     webtorrent_peer.mjs LIBRARY TORRENT FOLDER PORT BYTES_PER_SECOND
 *                         [BOOTSTRAP_ADDRESS:PORT]
 *
 * TORRENT is a file or a magnet link. 0 bytes per second stands for no limit.
 * Without a node to bootstrap from there is no DHT.
 */

import process from "node:process";

const [library, torrent, folder, port, rate, bootstrap] = process.argv.slice(2);
const { default: WebTorrent } = await import(library);

const client = new WebTorrent({
  torrentPort: Number(port),
  uploadLimit: Number(rate) || -1,
  dht: bootstrap ? { bootstrap: [bootstrap] } : false,
  lsd: false,
  natUpnp: false,
  natPmp: false,
  utp: false,
  utPex: false,
});
client.on("error", (error) => {
  // deno-lint-ignore no-console
  console.error(error);
  process.exit(1);
});
client.add(torrent, { path: folder });
