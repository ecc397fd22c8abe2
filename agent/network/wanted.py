"""What the kernel should have of one ENI: addresses, routes, rules and sysctls, from a few numbers of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_interface, ip_network
from typing import TypeVar

from agent.model import Unknown
from agent.network.interfaces import Interface, device_number
from agent.network.numbers import FROM_HOST, FROM_POD, LAST_RESORT, MARK, MARKED, TO_POD, metric, table
from agent.rtnl import MAIN_TABLE, Address, Host, Network, Route, Rule

T = TypeVar("T")

# Inside a VPC every path takes 9001; only the primary is told so, by DHCP.
MTU = 9001
# Every subnet's router answers here; no advertisement is needed.
IPV6_GATEWAY = IPv6Address("fe80:ec2::1")
# What holds for the node as a whole: pods are routed, by way of any link, and there are many of them.
NODE_SYSCTLS = {
    "net.ipv4.ip_forward": "1",
    "net.ipv4.conf.lo.rp_filter": "2",
    "net.ipv6.conf.all.forwarding": "1",
    **{
        f"net.{family}.neigh.default.gc_thresh{number}": value
        for family in ("ipv4", "ipv6")
        for number, value in ((3, "16384"), (2, "15360"), (1, "0"))
    },
}
EVERYWHERE: Mapping[int, Network] = {4: ip_network("0.0.0.0/0"), 6: ip_network("::/0")}


@dataclass(frozen=True, slots=True)
class Holding:
    """What an ENI holds, by numbers alone: all that is made of it in the kernel can be found again from this.

    `table` is None where it is not known yet; `hosts` are its own addresses, `prefixes` and `singles` are for pods.
    """

    mac: str
    primary: bool
    table: int | None
    hosts: tuple[Host, ...] = ()
    gateways: tuple[Host, ...] = ()
    prefixes: tuple[Network, ...] = ()
    singles: tuple[Network, ...] = ()

    @property
    def pods(self) -> tuple[Network, ...]:
        return self.prefixes + self.singles


def holding(interface: Interface) -> Holding:
    """Return what the ENI holds, as far as it is known."""
    eni = interface.eni
    primary = interface.primary is not False
    empty = Holding(eni.mac, primary, _table(interface))
    if not interface.is_ours:
        return empty
    ipv4s, ipv6s = _known(eni.ipv4s), _known(eni.ipv6s)
    prefixes: tuple[Network, ...] = (*_known(eni.ipv4_prefixes), *_known(eni.ipv6_prefixes))
    singles: tuple[Host, ...] = (*ipv4s[1:], *ipv6s[1:])
    return Holding(
        mac=eni.mac,
        primary=primary,
        table=empty.table,
        hosts=(*ipv4s[:1], *ipv6s[:1]),
        gateways=() if primary else _gateways(interface),
        prefixes=prefixes if interface.offers_pods else (),
        singles=tuple(ip_network(host) for host in singles) if interface.offers_pods else (),
    )


def gateway4(interface: Interface) -> Host | None:
    """Return the IPv4 router of the ENI's subnet: the address after the subnet's own."""
    subnet = interface.eni.subnet_ipv4_cidr
    return None if subnet is None or isinstance(subnet, Unknown) else subnet[1]


def addresses(held: Holding, index: int) -> tuple[Address, ...]:
    """Return the link's addresses: each alone in its network, so that none brings a route of a subnet into main."""
    return () if held.primary else tuple(Address(index, ip_interface(host)) for host in held.hosts)


# A pass asks for the routes and rules of each ENI several times, and they seldom change.
@lru_cache(maxsize=128)
def routes(held: Holding, index: int) -> tuple[Route, ...]:
    """Return the routes of the ENI's table in the order in which they depend on each other, and those in main."""
    found: list[Route] = []
    for gateway in held.gateways if held.table is not None else ():
        version = gateway.version
        found += [
            Route(held.table or 0, ip_network(gateway), index, metric=metric(version)),
            Route(held.table or 0, EVERYWHERE[version], index, gateway, metric(version)),
            last_resort(held.table or 0, version),
        ]
    return (*found, *catchers(held.prefixes))


def last_resort(number: int, version: int) -> Route:
    """Return the route that refuses what a table has no other route for."""
    return Route(number, EVERYWHERE[version], metric=LAST_RESORT, unreachable=True)


def catchers(prefixes: Sequence[Network]) -> tuple[Route, ...]:
    """Return what refuses packets to addresses that no pod has: they would bounce between node and router."""
    return tuple(Route(MAIN_TABLE, each, metric=metric(each.version), unreachable=True) for each in prefixes)


@lru_cache(maxsize=128)
def rules(held: Holding) -> tuple[Rule, ...]:
    """Return the rules that lead to the ENI's pods, and from them and itself to its table."""
    found = [Rule(pod.version, TO_POD, MAIN_TABLE, dst=pod) for pod in held.pods]
    if held.primary:
        # Rules from the primary's own address would break replies of other programs' bridges.
        versions = sorted({host.version for host in held.hosts})
        return (*found, *(Rule(version, MARKED, MAIN_TABLE, mark=MARK, mask=MARK) for version in versions))
    if held.table is None:
        return ()
    # A rule to a table without routes would only refuse, so a family without a router has none.
    routed = {gateway.version for gateway in held.gateways}
    found += [Rule(pod.version, FROM_POD, held.table, src=pod) for pod in held.pods if pod.version in routed]
    own = [Rule(host.version, FROM_HOST, held.table, src=ip_network(host)) for host in held.hosts]
    return (*found, *(rule for rule in own if rule.version in routed))


def sysctls(interface: Interface, name: str) -> dict[str, str]:
    """Return the link's sysctls; in their keys a slash stands for a dot of the name, as in sysctl.d(5)."""
    if not interface.is_ours:
        return {}
    name = name.replace(".", "/")
    values = {
        # A packet may come in by one ENI and be answered by another.
        f"net.ipv4.conf.{name}.rp_filter": "2",
        # The VPC knows each address once; a probe would only keep it from being used for a second or two.
        f"net.ipv6.conf.{name}.accept_dad": "0",
        # systemd-networkd reads advertisements itself, and only those of the primary count.
        f"net.ipv6.conf.{name}.accept_ra": "0",
    }
    return values if interface.primary is not False else {**values, f"net.ipv6.conf.{name}.autoconf": "0"}


def _table(interface: Interface) -> int | None:
    if interface.primary is True:
        return MAIN_TABLE
    number, card = device_number(interface), interface.eni.network_card
    if interface.primary is not False or not isinstance(number, int) or isinstance(card, Unknown):
        return None
    return table(card or 0, number)


def _gateways(interface: Interface) -> tuple[Host, ...]:
    eni, router = interface.eni, gateway4(interface)
    has_ipv6 = bool(_known(eni.ipv6s) or _known(eni.ipv6_prefixes))
    return (*([router] if router and _known(eni.ipv4s) else []), *([IPV6_GATEWAY] if has_ipv6 else []))


def _known(values: tuple[T, ...] | Unknown | None) -> tuple[T, ...]:
    return () if values is None or isinstance(values, Unknown) else values
