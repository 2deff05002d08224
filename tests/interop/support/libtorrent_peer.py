"""Seeds or leeches a torrent with libtorrent until it is killed; talks to
loopback only.

    libtorrent_peer.py seed|leech TORRENT FOLDER ADDRESS PORT BYTES_PER_SECOND

0 bytes per second stands for no limit.
"""

import sys
import time

import libtorrent as lt

role, torrent, folder, address, port, rate = sys.argv[1:]

session = lt.session({
    "listen_interfaces": f"{address}:{port}",
    # Otherwise it would dial and announce from another address.
    "outgoing_interfaces": address,
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_incoming_utp": False,
    "enable_outgoing_utp": False,
    # Everybody here has an address of the same network.
    "allow_multiple_connections_per_ip": True,
    "ssrf_mitigation": False,
    "listen_system_port_fallback": False,
})

# All peers are local ones, which no limit holds for unless this says so:
# 1 is the bit of the class that every peer of the session is in.
classes = lt.ip_filter()
classes.add_rule("0.0.0.0", "255.255.255.255", 1)
session.set_peer_class_filter(classes)

wanted = lt.add_torrent_params()
wanted.ti = lt.torrent_info(torrent)
wanted.save_path = folder
if role == "seed":
    wanted.flags |= lt.torrent_flags.seed_mode
wanted.flags &= ~(lt.torrent_flags.paused | lt.torrent_flags.auto_managed)
handle = session.add_torrent(wanted)
handle.set_upload_limit(int(rate))

while True:
    time.sleep(3600)
