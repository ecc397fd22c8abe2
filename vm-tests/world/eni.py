"""Subnets and network interfaces of the simulated VPC, as values."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

VPC_ID = "vpc-0d1e2f3a4b5c6d7e8"
VPC_CIDR = IPv4Network("10.0.0.0/16")
VPC_CIDR6 = IPv6Network("2001:db8:ec2::/56")
MTU = 9001
# EC2 keeps the first four addresses of a subnet; the world keeps the first hundred for the control plane.
FIRST_HOST = 100
# Prefixes are taken from the upper half of a subnet, so that they never meet single addresses.
FIRST_PREFIX = 2048


@dataclass(frozen=True)
class Subnet:
    """A subnet with its gateway at .1; counters hand out what is free."""

    subnet_id: str
    cidr: IPv4Network
    cidr6: IPv6Network
    _hosts: Iterator[int] = field(default_factory=lambda: itertools.count(FIRST_HOST), compare=False, repr=False)
    _prefixes: Iterator[int] = field(default_factory=itertools.count, compare=False, repr=False)
    _prefixes6: Iterator[int] = field(default_factory=lambda: itertools.count(1), compare=False, repr=False)

    @property
    def gateway(self) -> IPv4Address:
        return self.cidr[1]

    def take_hosts(self, count: int) -> tuple[tuple[IPv4Address, ...], tuple[IPv6Address, ...]]:
        taken = list(itertools.islice(self._hosts, count))
        return tuple(self.cidr[host] for host in taken), (self.cidr6[taken[0]],)

    def take_prefixes(self, count: int) -> tuple[IPv4Network, ...]:
        base = int(self.cidr[FIRST_PREFIX])
        return tuple(IPv4Network((base + 16 * next(self._prefixes), 28)) for _ in range(count))

    def take_prefixes6(self, count: int) -> tuple[IPv6Network, ...]:
        """Take /80s; the first of a subnet is where its single addresses are."""
        base = int(self.cidr6.network_address)
        return tuple(IPv6Network((base + (next(self._prefixes6) << 48), 80)) for _ in range(count))


def subnets() -> tuple[Subnet, Subnet]:
    """Return the VPC's two subnets with nothing taken from them."""
    blocks = list(zip(VPC_CIDR.subnets(new_prefix=20), VPC_CIDR6.subnets(new_prefix=64), strict=False))
    first, second = (
        Subnet(f"subnet-0aa0000000000000{number}", cidr, cidr6)
        for number, (cidr, cidr6) in enumerate(blocks[:2], start=1)
    )
    return first, second


@dataclass(frozen=True)
class Eni:
    """An elastic network interface: what may be sent from it, and the port of the bridge that it is."""

    eni_id: str
    mac: str
    port: str
    subnet: Subnet
    device_number: int
    addresses: tuple[IPv4Address, ...]
    addresses6: tuple[IPv6Address, ...]
    prefixes: tuple[IPv4Network, ...] = ()
    prefixes6: tuple[IPv6Network, ...] = ()

    @property
    def primary(self) -> bool:
        return self.device_number == 0

    @property
    def networks(self) -> list[str]:
        """All IPv4 addresses and prefixes, for a firewall."""
        return [str(each) for each in (*self.addresses, *self.prefixes)]

    @property
    def networks6(self) -> list[str]:
        """All IPv6 addresses and prefixes, for a firewall."""
        return [str(each) for each in (*self.addresses6, *self.prefixes6)]

    def delegate(self, *, prefixes: int = 0, prefixes6: int = 0) -> Eni:
        """Return the interface with more prefixes of its subnet."""
        return replace(
            self,
            prefixes=self.prefixes + self.subnet.take_prefixes(prefixes),
            prefixes6=self.prefixes6 + self.subnet.take_prefixes6(prefixes6),
        )

    def withdraw(self) -> Eni:
        """Return the interface without prefixes."""
        return replace(self, prefixes=(), prefixes6=())


def make(subnet: Subnet, number: int, device_number: int, *, addresses: int = 1) -> Eni:
    """Make the VPC's n-th interface."""
    addresses4, addresses6 = subnet.take_hosts(addresses)
    return Eni(
        eni_id=f"eni-{secrets.token_hex(8)}{number % 16:x}",
        mac=f"02:ec:{number >> 8:02x}:{number & 0xFF:02x}:{secrets.randbelow(256):02x}:{device_number:02x}",
        port=f"eni{number}",
        subnet=subnet,
        device_number=device_number,
        addresses=addresses4,
        addresses6=addresses6,
    )
