// A DHT node of npm's bittorrent-dht, until it is killed; talks to loopback
// only.
//
//   bittorrent_dht.mjs MODULE ADDRESS PORT BOOTSTRAP ROLE INFO_HASH
//
// The arguments and the lines that it prints are those of libtorrent_dht.py.

const [path, address, port, bootstrap, role, infoHash] = process.argv.slice(2);
const { Client } = await import(path);

const say = (line) => process.stdout.write(`${line}\n`);
const node = new Client({ bootstrap: bootstrap === "-" ? false : [bootstrap] });
const seen = new Set();
node.on("peer", ({ host, port }) => {
  const peer = `${host}:${port}`;
  if (seen.has(peer)) return;
  seen.add(peer);
  say(`peer ${peer}`);
});
node.on("error", (error) => say(error));
node.listen(Number(port), address, () => say("ready"));
setInterval(() => {
  if (node.nodes.count() === 0) return;
  if (role === "announce") node.announce(infoHash, Number(port), () => {});
  if (role === "seek") node.lookup(infoHash, () => {});
}, 500);
