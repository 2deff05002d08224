"""What libtorrent must be told to find others on this machine alone."""

SETTINGS = {
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "listen_system_port_fallback": False,
    "dht_bootstrap_nodes": "",
    # All nodes are neighbours here, and have any id.
    "dht_restrict_routing_ips": False,
    "dht_restrict_search_ips": False,
    "dht_ignore_dark_internet": False,
    "dht_enforce_node_id": False,
    "dht_prefer_verified_node_ids": False,
}
