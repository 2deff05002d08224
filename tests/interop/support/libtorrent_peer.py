"""Seeds or leeches a torrent with libtorrent until it is killed; talks to
loopback only.

    libtorrent_peer.py seed|leech TORRENT FOLDER ADDRESS PORT BYTES_PER_SECOND
                       [--peer ADDRESS:PORT] [--bootstrap ADDRESS:PORT]

TORRENT is a file or a magnet link. The limit is for what a seeder sends and a
leecher receives; 0 stands for none. Without a node to bootstrap from there is
no DHT. A leecher says when it has everything, and how many seconds that took.
"""

import argparse
import time

import libtorrent as lt

from libtorrent_loopback import SETTINGS



def endpoint(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


parser = argparse.ArgumentParser()
for name in "role", "torrent", "folder", "address", "port":
    parser.add_argument(name)
parser.add_argument("rate", type=int)
parser.add_argument("--peer", type=endpoint)
parser.add_argument("--bootstrap", type=endpoint)
args = parser.parse_args()

session = lt.session({
    **SETTINGS,
    "listen_interfaces": f"{args.address}:{args.port}",
    # Otherwise it would dial and announce from another address.
    "outgoing_interfaces": args.address,
    "enable_dht": args.bootstrap is not None,
    "enable_incoming_utp": False,
    "enable_outgoing_utp": False,
    # Everybody here has an address of the same network.
    "allow_multiple_connections_per_ip": True,
    "ssrf_mitigation": False,
    "alert_mask": lt.alert.category_t.status_notification,
    # connect_peer() would try encryption first, and come back a second later.
    **({"out_enc_policy": 2} if args.peer else {}),
})

# All peers are local ones, which no limit holds for unless this says so:
# 1 is the bit of the class that every peer of the session is in.
classes = lt.ip_filter()
classes.add_rule("0.0.0.0", "255.255.255.255", 1)
session.set_peer_class_filter(classes)

if args.bootstrap:
    session.add_dht_node(args.bootstrap)
if args.torrent.startswith("magnet:"):
    wanted = lt.parse_magnet_uri(args.torrent)
else:
    wanted = lt.add_torrent_params()
    wanted.ti = lt.torrent_info(args.torrent)
wanted.save_path = args.folder
if args.role == "seed":
    # Without this it would hash each piece when it is first asked for it.
    wanted.flags |= lt.torrent_flags.no_verify_files
    wanted.have_pieces = [True] * wanted.ti.num_pieces()
wanted.flags &= ~(lt.torrent_flags.paused | lt.torrent_flags.auto_managed)
handle = session.add_torrent(wanted)
if args.role == "seed":
    handle.set_upload_limit(args.rate)
else:
    handle.set_download_limit(args.rate)
if args.peer:
    handle.connect_peer(args.peer)

start = announced_at = time.monotonic()
while True:
    session.wait_for_alert(1000)
    if args.bootstrap and time.monotonic() - announced_at > 2:
        # Its first announce is over before it knows anybody.
        announced_at = time.monotonic()
        handle.force_dht_announce()
    for alert in session.pop_alerts():
        if args.role == "leech" and isinstance(alert, lt.torrent_finished_alert):
            print(f"finished {time.monotonic() - start:.3f}", flush=True)
