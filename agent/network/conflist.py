"""The CNI configuration list: the standard ptp and host-local plug-ins on the primary's delegated prefixes."""

import json
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network

from agent.model import FileSpec, Unknown
from agent.network.desired import Interface

Family = tuple[IPv4Network, ...] | tuple[IPv6Network, ...]

PATH = "/etc/cni/net.d/10-node-agent.conflist"
# Without a prefix pods live behind the node's address, in a part of the benchmarking block (RFC 2544): no VPC routes
# it, and the API server takes it in Endpoints, which it refuses for link-local addresses.
NODE_LOCAL = IPv4Network("198.18.64.0/20")


def render(interfaces: Sequence[Interface]) -> FileSpec | None:
    """Return the file, or None where the primary or its prefixes are unknown: then what is there stays."""
    primary, families = _primary(interfaces), _families(interfaces)
    if primary is None or primary.link is None or isinstance(families, Unknown):
        return None
    offered: Sequence[Family] = families or [(NODE_LOCAL,)]
    ptp = {
        "type": "ptp",
        "mtu": primary.link.mtu,
        "ipMasq": not families,
        "ipam": {
            "type": "host-local",
            "ranges": [[_range(prefix) for prefix in family] for family in offered],
            "routes": [{"dst": "0.0.0.0/0" if family[0].version == 4 else "::/0"} for family in offered],
        },
    }
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    body = {"cniVersion": "1.0.0", "name": "node-agent", "plugins": [ptp, portmap]}
    return FileSpec(PATH, (json.dumps(body, indent=2, sort_keys=True) + "\n").encode())


def is_routable(interfaces: Sequence[Interface]) -> bool | Unknown:
    """Return whether pods get addresses that the VPC routes."""
    families = _families(interfaces)
    return families if isinstance(families, Unknown) else bool(families)


def _primary(interfaces: Sequence[Interface]) -> Interface | None:
    return next((each for each in interfaces if each.primary is True), None)


def _families(interfaces: Sequence[Interface]) -> Sequence[Family] | Unknown:
    """Return the primary's prefixes, those of one family together."""
    primary = _primary(interfaces)
    if primary is None:
        return Unknown("IMDS does not say which interface is the primary")
    known: list[Family] = []
    for family in (primary.eni.ipv4_prefixes, primary.eni.ipv6_prefixes):
        if isinstance(family, Unknown):
            return family
        known += [family] if family else []
    return known


def _range(prefix: IPv4Network | IPv6Network) -> dict[str, str]:
    """Return a range of host-local: every address of a delegated prefix is a pod's, but one for the gateway.

    The first is the gateway: a prefix never begins at its subnet's base, so it is no subnet's router.
    """
    if isinstance(prefix, IPv6Network):
        return {"subnet": str(prefix)}
    first, second, last = str(prefix[0]), str(prefix[1]), str(prefix[-1])
    return {"subnet": str(prefix), "gateway": first, "rangeStart": second, "rangeEnd": last}
