"""Looks for a torrent in the local network with libtorrent until it is killed,
and prints what it says of those whom it finds.

    libtorrent_lsd.py INFO_HASH ADDRESS PORT
"""

import sys

import libtorrent as lt

info_hash, address, port = sys.argv[1:]

session = lt.session({
    "listen_interfaces": f"{address}:{port}",
    "outgoing_interfaces": address,
    "enable_dht": False,
    "enable_lsd": True,
    "enable_upnp": False,
    "enable_natpmp": False,
    "listen_system_port_fallback": False,
    "alert_mask": lt.alert.category_t.all_categories,
})

wanted = lt.parse_magnet_uri(f"magnet:?xt=urn:btih:{info_hash}")
wanted.save_path = "."
wanted.flags &= ~(lt.torrent_flags.paused | lt.torrent_flags.auto_managed)
session.add_torrent(wanted)

while True:
    session.wait_for_alert(1000)
    for alert in session.pop_alerts():
        if alert.what() == "lsd_peer":
            print(alert.message(), flush=True)
