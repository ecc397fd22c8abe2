"""The VPC: a bridge with EC2's addresses in a network namespace, ports for interfaces, veths for the control plane."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Self

from world import eni as enis
from world import firewall, imds, namespaces, resolver
from world.eni import MTU, Eni
from world.ownership import Home
from world.processes import run

BRIDGE = "vpc"
ROUTER6 = "fe80:ec2::1"
# Without one of its own a bridge takes its lowest port's, and a detach would make the gateway and IMDS move.
ROUTER_MAC = "02:ec:ff:ff:ff:01"
# TEST-NET-3 stands for the public addresses of AWS's own services.
PUBLIC = "203.0.113.10"
SYSCTLS = (
    "net.ipv4.ip_forward=1",
    "net.ipv6.conf.all.forwarding=1",
    "net.ipv4.conf.all.rp_filter=0",
    "net.ipv4.conf.default.rp_filter=0",
    "net.ipv4.conf.all.send_redirects=0",
    "net.ipv4.conf.default.send_redirects=0",
    "net.ipv6.conf.default.accept_dad=0",  # the gateway's addresses answer at once
)


class Vpc:
    """One VPC; everything of it is in one namespace and ends with it."""

    def __init__(self, home: Home) -> None:
        self.netns = home.namespace("vpc")
        self.subnets = enis.subnets()
        self._numbers = itertools.count(1)
        self._links = itertools.count(1)
        self._ports: dict[str, Eni] = {}
        namespaces.make(self.netns)
        self._set_up()
        self._resolver = resolver.start(self.netns, home.path / "vpc", BRIDGE, self.subnets[0])

    def close(self) -> None:
        self._resolver.process.stop()
        namespaces.delete(self.netns)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def create(
        self, device_number: int, *, subnet: int = 0, addresses: int = 1, prefixes: int = 0, prefixes6: int = 0
    ) -> Eni:
        """Make an interface with addresses of a subnet; it is not plugged in yet."""
        number = next(self._numbers)
        made = enis.make(self.subnets[subnet], number, device_number, addresses=addresses)
        return made.delegate(prefixes=prefixes, prefixes6=prefixes6)

    def plug(self, eni: Eni) -> None:
        """Give the interface its port: a tap device, and the check of what it sends."""
        run(["ip", "-n", self.netns, "tuntap", "add", "dev", eni.port, "mode", "tap"])
        self.admit(eni)

    def admit(self, eni: Eni) -> None:
        """Make a link of the interface's port name, which must be there, a port of the bridge."""
        self.route(eni)  # first: it must not be heard unchecked
        self._ip("link", "set", "dev", eni.port, "mtu", str(MTU), "master", BRIDGE, "up")

    def route(self, eni: Eni) -> None:
        """Check and deliver by what the interface has now; prefixes that it had before are nobody's."""
        before = self._ports.get(eni.port)
        self._ports[eni.port] = eni
        firewall.apply(self.netns, self._ports.values())
        for prefix in sorted(_delegated(before) - _delegated(eni)) if before else ():
            self._ip("route", "delete", prefix)
        for prefix in eni.prefixes:
            self._ip("route", "replace", str(prefix), "via", str(eni.addresses[0]))
        for prefix6 in eni.prefixes6:
            self._ip("route", "replace", str(prefix6), "via", str(eni.addresses6[0]), "dev", BRIDGE)

    def unplug(self, eni: Eni) -> None:
        """Take the port away; its addresses are not given out again."""
        self._ip("link", "delete", "dev", eni.port)
        for prefix in sorted(_delegated(self._ports.pop(eni.port))):
            self._ip("route", "delete", prefix)
        firewall.apply(self.netns, self._ports.values())

    def refused(self, eni: Eni) -> int:
        """Return how many packets the source check has refused from this interface since the ports last changed."""
        return firewall.refused(self.netns, eni)

    def passed(self, eni: Eni) -> int:
        """Return how many packets from its own addresses this interface has sent since the ports last changed."""
        return firewall.passed(self.netns, eni)

    def serve_dhcp(self, instance_id: str, eni: Eni) -> None:
        self._resolver.serve(instance_id, eni)

    def know(self, names: Mapping[str, str]) -> None:
        """Resolve host names for every node."""
        self._resolver.know(names)

    def attach(self, netns: str, *addresses: str) -> None:
        """Attach a machine that is no instance, inside the VPC or beyond it; what it sends goes by the gateway."""
        gateway = str(self.subnets[0].gateway)
        namespaces.join(netns, "eth0", self.netns, f"cp{next(self._links)}", mtu=MTU, bridge=BRIDGE)
        for address in addresses:
            self._ip("route", "replace", address, "dev", BRIDGE)
            run(["ip", "-n", netns, "address", "add", address, "dev", "eth0", *(["nodad"] if ":" in address else [])])
        run(["ip", "-n", netns, "route", "add", gateway, "dev", "eth0", "scope", "link"])
        run(["ip", "-n", netns, "route", "add", "default", "via", gateway, "dev", "eth0"])
        # A router advertisement may have been first.
        run(["ip", "-n", netns, "route", "replace", "default", "via", ROUTER6, "dev", "eth0"])

    def _set_up(self) -> None:
        run(["sysctl", "--quiet", "--write", *SYSCTLS], netns=self.netns)
        self._ip("link", "add", "name", BRIDGE, "address", ROUTER_MAC, "mtu", str(MTU), "type", "bridge")
        self._ip("link", "set", "dev", BRIDGE, "addrgenmode", "none")  # before it is up: fe80:ec2::1 is its only one
        self._ip("link", "set", "dev", BRIDGE, "up")
        for subnet in self.subnets:
            self._ip("address", "add", f"{subnet.gateway}/{subnet.cidr.prefixlen}", "dev", BRIDGE)
            self._ip("address", "add", f"{subnet.cidr6[1]}/{subnet.cidr6.prefixlen}", "dev", BRIDGE)
        self._ip("address", "add", f"{ROUTER6}/10", "dev", BRIDGE)
        for address in (*imds.ADDRESSES, *resolver.ADDRESSES, str(self.subnets[0].cidr[2]), PUBLIC):
            self._ip("address", "add", address, "dev", BRIDGE)

    def _ip(self, *words: str) -> None:
        run(["ip", "-n", self.netns, *words])


def _delegated(eni: Eni) -> set[str]:
    return {str(prefix) for prefix in (*eni.prefixes, *eni.prefixes6)}
