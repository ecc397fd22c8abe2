"""Packet captures: tcpdump in a sandbox of its own, and chunks of packets in the spool for the daemon that uploads."""
