"""Instances that are played by network namespaces: quick where no operating system is needed."""

from __future__ import annotations

from world import namespaces
from world.eni import MTU, Eni
from world.processes import run
from world.region import Region
from world.vpc import BRIDGE, ROUTER6


def plug(region: Region, netns: str, eni: Eni) -> None:
    """Make a primary interface the eth0 of a namespace, with the addresses that DHCP would give.

    Where systemd-networkd manages a link the kernel takes no router advertisements: a route that a test takes away
    must not come back with the next.
    """
    add(region, netns, "eth0", eni)
    run(["sysctl", "-q", "-w", "net.ipv6.conf.eth0.accept_ra=0"], netns=netns)
    readdress(netns, eni)


def add(region: Region, netns: str, link: str, eni: Eni) -> None:
    """Give a namespace the link of an interface, as a hot plug does."""
    namespaces.join(netns, link, region.vpc.netns, eni.port, mtu=MTU, bridge=BRIDGE)
    _ip(netns, f"link set dev {link} address {eni.mac}")
    region.vpc.admit(eni)


def readdress(netns: str, eni: Eni) -> None:
    """Give the interface of a namespace what DHCP would; what is there already stays."""
    _ip(netns, "link set dev eth0 up")
    _ip(netns, f"address replace {eni.addresses[0]}/{eni.subnet.cidr.prefixlen} dev eth0")
    _ip(netns, f"address replace {eni.addresses6[0]}/128 dev eth0 nodad")
    _ip(netns, f"route replace default via {eni.subnet.gateway}")
    _ip(netns, f"route replace default via {ROUTER6} dev eth0")


def forward(host: str, pod: str) -> None:
    """Put a pod's namespace behind a bridge of an instance, which masquerades for it."""
    _ip(host, "link add name bridge up type bridge")
    namespaces.join(pod, "eth0", host, "pod0", mtu=MTU, bridge="bridge")
    for side, last in ((host, 1), (pod, 2)):
        link = "bridge" if side == host else "eth0"
        _ip(side, f"address add 10.88.0.{last}/24 dev {link}")
        _ip(side, f"address add fd88::{last}/64 dev {link} nodad")
    _ip(pod, "route add default via 10.88.0.1")
    _ip(pod, "route add default via fd88::1")
    run(["sysctl", "-q", "-w", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"], netns=host)
    masquerade = 'chain out {\n type nat hook postrouting priority 100;\n iifname "bridge" masquerade\n}'
    run(["nft", "-f", "-"], stdin=f"table inet pods {{\n{masquerade}\n}}\n", netns=host)


def _ip(netns: str, words: str) -> None:
    run(["ip", "-n", netns, *words.split()])
