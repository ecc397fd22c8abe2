"""Instances that are played by network namespaces: quick where no operating system is needed."""

from __future__ import annotations

from world import namespaces
from world.eni import MTU, Eni
from world.processes import run
from world.region import Region
from world.vpc import BRIDGE, ROUTER6


def plug(region: Region, netns: str, eni: Eni) -> None:
    """Make a primary interface the eth0 of a namespace, with the addresses that DHCP would give."""
    namespaces.join(netns, "eth0", region.vpc.netns, eni.port, mtu=MTU, bridge=BRIDGE)
    _ip(netns, f"link set dev eth0 address {eni.mac}")
    region.vpc.admit(eni)
    _ip(netns, f"address add {eni.addresses[0]}/{eni.subnet.cidr.prefixlen} dev eth0")
    _ip(netns, f"address add {eni.addresses6[0]}/128 dev eth0 nodad")
    _ip(netns, f"route add default via {eni.subnet.gateway}")
    _ip(netns, f"route add default via {ROUTER6} dev eth0")


def _ip(netns: str, words: str) -> None:
    run(["ip", "-n", netns, *words.split()])
