"""A DHT node of libtorrent, until it is killed; talks to loopback only.

    libtorrent_dht.py ADDRESS PORT BOOTSTRAP ROLE INFO_HASH

BOOTSTRAP is a node's ADDRESS:PORT, or "-" for none. ROLE is "stay", "announce"
(its own port, as a peer of the torrent) or "seek". Prints "ready" when it runs,
"nodes N" when it knows other nodes, and "peer ADDRESS:PORT" for each peer found.
"""

import sys
import time

import libtorrent as lt

from libtorrent_loopback import SETTINGS

address, port, bootstrap, role, info_hash = sys.argv[1:]

session = lt.session({
    **SETTINGS,
    "listen_interfaces": f"{address}:{port}",
    # Otherwise it would ask from another address.
    "outgoing_interfaces": address,
    "enable_dht": True,
    "alert_mask": lt.alert.category_t.dht_operation_notification
    | lt.alert.category_t.dht_notification,
})
if bootstrap != "-":
    # As a bootstrap node it would only name others, and not be one.
    host, _, bootstrap_port = bootstrap.rpartition(":")
    session.add_dht_node((host, int(bootstrap_port)))
print("ready", flush=True)

target = lt.sha1_hash(bytes.fromhex(info_hash))
if role == "announce":
    wanted = lt.parse_magnet_uri(f"magnet:?xt=urn:btih:{info_hash}")
    wanted.save_path = "."
    wanted.flags &= ~(lt.torrent_flags.paused | lt.torrent_flags.auto_managed)
    handle = session.add_torrent(wanted)
known, seen = 0, set()
asked_at = 0.0
while True:
    if role == "announce" and known and time.monotonic() - asked_at > 2:
        asked_at = time.monotonic()
        handle.force_dht_announce()
    if role == "seek" and known and time.monotonic() - asked_at > 1:
        asked_at = time.monotonic()
        session.dht_get_peers(target)
    session.post_dht_stats()
    for alert in session.pop_alerts():
        if isinstance(alert, lt.dht_stats_alert):
            nodes = sum(bucket["num_nodes"] for bucket in alert.routing_table)
            if nodes != known:
                known = nodes
                print("nodes", nodes, flush=True)
        elif isinstance(alert, lt.dht_get_peers_reply_alert):
            for peer in alert.peers():
                if peer not in seen:
                    seen.add(peer)
                    print(f"peer {peer[0]}:{peer[1]}", flush=True)
    time.sleep(0.1)
