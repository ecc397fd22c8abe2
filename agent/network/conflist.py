"""The CNI configuration list: the standard ptp and host-local plug-ins on the delegated prefixes of the ENIs."""

import json
from collections.abc import Collection, Sequence
from ipaddress import IPv4Network, IPv6Network

from agent.model import FileSpec
from agent.network.wanted import MTU
from agent.rtnl import Host, Network

PATH = "/etc/cni/net.d/10-node-agent.conflist"
# Without a prefix pods live behind the node's address, in a part of the benchmarking block (RFC 2544): no VPC routes
# it, and the API server takes it in Endpoints, which it refuses for link-local addresses.
NODE_LOCAL = IPv4Network("198.18.64.0/20")


def render(prefixes: Sequence[Network], routers: Collection[Host], mtu: int = MTU, *, masquerade: bool) -> FileSpec:
    """Return the file that offers the prefixes, all of a family as alternatives to each other."""
    families = [[each for each in prefixes if each.version == version] for version in (4, 6)]
    offered = [family for family in families if family]
    ptp = {
        "type": "ptp",
        "mtu": mtu,
        "ipMasq": masquerade,
        "ipam": {
            "type": "host-local",
            "ranges": [[_range(prefix, routers) for prefix in family] for family in offered],
            "routes": [{"dst": "0.0.0.0/0" if family[0].version == 4 else "::/0"} for family in offered],
        },
    }
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    body = {"cniVersion": "1.0.0", "name": "node-agent", "plugins": [ptp, portmap]}
    return FileSpec(PATH, (json.dumps(body, indent=2, sort_keys=True) + "\n").encode())


def _range(prefix: Network, routers: Collection[Host]) -> dict[str, str]:
    """Return a range of host-local: every address of a delegated prefix is a pod's, but one for the gateway.

    The node takes the gateway's address for its own, so it must be no subnet's router: traffic to that would not leave.
    """
    if isinstance(prefix, IPv6Network):
        return {"subnet": str(prefix)}
    inside = [router for router in routers if router in prefix]
    if inside:
        return _alternative(prefix, max(inside) + 1, prefix[-2], gateway=prefix[-1])
    return _alternative(prefix, prefix[1], prefix[-1], gateway=prefix[0])


def _alternative(prefix: Network, start: Host, end: Host, *, gateway: Host) -> dict[str, str]:
    return {"subnet": str(prefix), "gateway": str(gateway), "rangeStart": str(start), "rangeEnd": str(end)}
