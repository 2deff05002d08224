"""Seeds or leeches a torrent with libtorrent until it is killed; talks to
loopback only.

    libtorrent_peer.py seed|leech TORRENT FOLDER ADDRESS PORT BYTES_PER_SECOND
                       [PEER_ADDRESS PEER_PORT]

0 bytes per second stands for no limit. A leecher says when it has everything,
and how many seconds that took.
"""

import sys
import time

import libtorrent as lt

role, torrent, folder, address, port, rate, *peer = sys.argv[1:]

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
    "alert_mask": lt.alert.category_t.status_notification,
    # connect_peer() would try encryption first, and come back a second later.
    **({"out_enc_policy": 2} if peer else {}),
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
    # Without this it would hash each piece when it is first asked for it.
    wanted.flags |= lt.torrent_flags.no_verify_files
    wanted.have_pieces = [True] * wanted.ti.num_pieces()
wanted.flags &= ~(lt.torrent_flags.paused | lt.torrent_flags.auto_managed)
handle = session.add_torrent(wanted)
handle.set_upload_limit(int(rate))
if peer:
    handle.connect_peer((peer[0], int(peer[1])))

start = time.monotonic()
while True:
    session.wait_for_alert(1000)
    for alert in session.pop_alerts():
        if role == "leech" and isinstance(alert, lt.torrent_finished_alert):
            print(f"finished {time.monotonic() - start:.3f}", flush=True)
