"""ENIs for the behaviour tests: what IMDS says of one, and what the kernel must then have of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

MACS = "meta-data/network/interfaces/macs"
# The last resort of each private table; the metric is what its owner documents.
FALLBACK = "unreachable default metric 4278198272"
GATEWAY6 = "fe80:ec2::1"
MAIN = 254
ACCOUNT = "123456789012"


@dataclass(frozen=True)
class Card:
    """An ENI with a subnet of its own, so that nothing of two of them can be mistaken for the other's."""

    number: int
    network_card: int | None = 0  # None where IMDS has no such key, which it takes four seconds to believe
    generation: int = 0  # another ENI under the same number has another one
    ipv4: bool = True
    ipv6: bool = True
    prefixes4: int = 0
    prefixes6: int = 0
    secondaries: int = 0
    owner: str = ACCOUNT

    @property
    def is_used(self) -> bool:
        """Whether it is for the node or its pods: one for EFA only has no address, one of others is a service's."""
        return (self.ipv4 or self.ipv6) and self.owner == ACCOUNT

    @property
    def place(self) -> int:
        """A number that no other card has."""
        return self.number + 16 * (self.network_card or 0) + 64 * self.generation

    @property
    def mac(self) -> str:
        return f"02:00:00:00:{self.generation:02x}:{self.number + 16 * (self.network_card or 0):02x}"

    @property
    def eni_id(self) -> str:
        return f"eni-0123456789ab{self.place:05x}"

    @property
    def subnet4(self) -> IPv4Network:
        return IPv4Network(f"10.{self.place}.0.0/20")

    @property
    def subnet6(self) -> IPv6Network:
        return IPv6Network(f"2001:db8:1:{0x100 + self.place:x}::/64")

    @property
    def address4(self) -> str:
        return f"10.{self.place}.0.100"

    @property
    def address6(self) -> str:
        return f"2001:db8:1:{0x100 + self.place:x}::64"

    @property
    def gateway4(self) -> str:
        return f"10.{self.place}.0.1"

    @property
    def spare(self) -> list[str]:
        """Further addresses: they are for pods, and never the link's own."""
        return [f"10.{self.place}.0.{101 + index}" for index in range(self.secondaries)]

    @property
    def delegated4(self) -> list[str]:
        return [f"10.{self.place}.8.{16 * index}/28" for index in range(self.prefixes4)]

    @property
    def delegated6(self) -> list[str]:
        return [f"2001:db8:1:{0x100 + self.place:x}:{index + 1:x}::/80" for index in range(self.prefixes6)]

    @property
    def delegated(self) -> list[str]:
        return [*self.delegated4, *self.delegated6]

    @property
    def table(self) -> int:
        if self.number == 0:
            return MAIN
        return self.number + 1 if not self.network_card else 10000 + 100 * self.network_card + self.number

    @property
    def folder(self) -> str:
        return f"{MACS}/{self.mac}"

    @property
    def altnames(self) -> set[str]:
        suffix = "" if self.network_card is None else f".{self.network_card}"
        return {self.eni_id, f"device-number-{self.number}{suffix}"}

    def metadata(self) -> dict[str, str | bytes]:
        """Return what IMDS has below the MAC; a value that the ENI has not has no key."""
        values: Mapping[str, str] = {
            "device-number": str(self.number),
            "interface-id": self.eni_id,
            "ipv4-prefix": "\n".join(self.delegated4),
            "ipv6-prefix": "\n".join(self.delegated6),
            "ipv6s": self.address6 if self.ipv6 else "",
            "local-ipv4s": "\n".join([self.address4, *self.spare]) if self.ipv4 else "",
            "mac": self.mac,
            "network-card": "" if self.network_card is None else str(self.network_card),
            "owner-id": self.owner,
            "security-group-ids": "sg-0123456789abcdef0",
            "subnet-id": f"subnet-{self.place:017x}",
            "subnet-ipv4-cidr-block": str(self.subnet4) if self.ipv4 else "",
            "subnet-ipv6-cidr-blocks": str(self.subnet6) if self.ipv6 else "",
            "vpc-id": "vpc-0123456789abcdef0",
            "vpc-ipv4-cidr-blocks": "10.0.0.0/8",
            "vpc-ipv6-cidr-blocks": "2001:db8:1::/48",
        }
        return {f"{self.folder}/{key}": value for key, value in values.items() if value}

    def addresses(self) -> set[str]:
        """Return the global addresses of the link."""
        if not self.is_used:
            return set()
        return {*([f"{self.address4}/32"] if self.ipv4 else []), *([f"{self.address6}/128"] if self.ipv6 else [])}

    def routes(self, name: str, protocol: int) -> set[str]:
        """Return the routes of the private table, and those in main that catch the prefixes' unused addresses."""
        return {f"{route} proto {protocol}" for route in self._routes(name)}

    def _routes(self, name: str) -> Iterator[str]:
        if not self.is_used:
            return
        for prefix in self.delegated:
            yield f"{_family(prefix)} table {MAIN} unreachable {prefix}" + _metric6(prefix)
        if self.number == 0:
            return
        if self.ipv4:
            yield f"4 table {self.table} {self.gateway4}/32 dev {name} scope link"
            yield f"4 table {self.table} default via {self.gateway4} dev {name}"
            yield f"4 table {self.table} {FALLBACK}"
        if self.ipv6:
            yield f"6 table {self.table} {GATEWAY6}/128 dev {name} metric 1024"
            yield f"6 table {self.table} default via {GATEWAY6} dev {name} metric 1024"
            yield f"6 table {self.table} {FALLBACK}"

    def rules(self) -> set[str]:
        """Return the rules that lead to the ENI and from it; the primary has no `from` rules."""
        pods = [*self.delegated, *(f"{address}/32" for address in self.spare)] if self.is_used else []
        own = {f"{_family(pod)} 512: to {pod} table {MAIN} proto 2" for pod in pods}
        if self.number == 0:
            return own
        own |= {f"{_family(pod)} 1536: from {pod} table {self.table} proto 2" for pod in pods}
        return own | {
            f"{_family(address)} 32765: from {address} table {self.table} proto 2" for address in self.addresses()
        }


def _family(text: str) -> int:
    return 6 if ":" in text else 4


def _metric6(prefix: str) -> str:
    """IPv6 knows no route without a metric: the kernel makes it 1024."""
    return " metric 1024" if ":" in prefix else ""
