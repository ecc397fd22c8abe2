"""Which link each ENI is, and what that link should be like."""

from collections.abc import Sequence
from dataclasses import dataclass

from agent.eni import Eni, EniTree
from agent.model import Unknown
from agent.rtnl import Link

# Inside a VPC every path takes 9001; only the primary is told so, by DHCP.
MTU = 9001
# Other kinds (vlan, macvlan, bond, bridge …) may carry an ENI's MAC, but never are one.
_KINDS = {None, "veth"}


@dataclass(frozen=True, slots=True)
class Interface:
    """An ENI, the link that it is (None where there is none), and whether it is the primary."""

    eni: Eni
    link: Link | None
    primary: bool | Unknown


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a link should be like; `mtu` is None where that is not ours to say."""

    up: bool
    mtu: int | None
    altnames: frozenset[str]


def interfaces(tree: EniTree, links: Sequence[Link]) -> tuple[Interface, ...]:
    """Pair each ENI with its link, in (card, device) order; none where the ENIs are unknown."""
    if isinstance(tree.enis, Unknown):
        return ()
    paired = (Interface(eni, _link_of(eni, links), _is_primary(eni, tree.primary_mac)) for eni in tree.enis)
    return tuple(sorted(paired, key=_place))


def wanted(interface: Interface) -> Wanted:
    """Return what the interface's link should be like, as far as it is known by now.

    The primary is systemd-networkd's, so that it works while nothing of ours does; we only give it its names.
    """
    ours = interface.primary is False
    return Wanted(up=ours, mtu=MTU if ours else None, altnames=_altnames(interface))


def sysctls(interface: Interface) -> dict[str, str]:
    """Return the interface's sysctls: a packet may come in by one ENI and be answered by another."""
    return {} if interface.link is None else {f"net.ipv4.conf.{interface.link.name}.rp_filter": "2"}


def pending(interface: Interface) -> str | None:
    """Return why the interface cannot be finished yet, or None where nothing is missing."""
    eni = interface.eni
    needed = (interface.primary, device_number(interface), eni.eni_id, eni.network_card)
    addresses = (eni.ipv4s, eni.ipv6s, eni.ipv4_prefixes, eni.ipv6_prefixes)
    reasons = (value.reason for value in (*needed, *addresses) if isinstance(value, Unknown))
    return next(reasons, None if interface.link else f"no link has the MAC {eni.mac}")


def is_used(interface: Interface) -> bool:
    """Return whether the interface is for IP at all: one for EFA only has no address, and often no link."""
    return (interface.eni.ipv4s, interface.eni.ipv6s) != (None, None)


def device_number(interface: Interface) -> int | Unknown | None:
    """Return the device number, if it is one: IMDS says 0 until it has the number of a secondary ENI."""
    eni = interface.eni
    if eni.device_number == 0 and not eni.network_card and interface.primary is not True:
        return Unknown(f"IMDS does not have the device number of {eni.mac} yet")
    return eni.device_number


def _link_of(eni: Eni, links: Sequence[Link]) -> Link | None:
    """Return the link with the ENI's MAC: the permanent one where there is one, as others can be set by anybody."""
    found = [link for link in links if link.kind in _KINDS and (link.permanent_mac or link.mac) == eni.mac]
    return min(found, key=lambda link: (link.kind is not None, link.index), default=None)


def _is_primary(eni: Eni, primary_mac: str | Unknown) -> bool | Unknown:
    return primary_mac if isinstance(primary_mac, Unknown) else eni.mac == primary_mac


def _place(interface: Interface) -> tuple[bool, int, int, str]:
    number, card = device_number(interface), interface.eni.network_card
    if not isinstance(number, int) or isinstance(card, Unknown):
        return (True, 0, 0, interface.eni.mac)
    return (False, card or 0, number, interface.eni.mac)


def _altnames(interface: Interface) -> frozenset[str]:
    eni, number = interface.eni, device_number(interface)
    names = {eni.eni_id} if isinstance(eni.eni_id, str) else set()
    if isinstance(number, int) and not isinstance(eni.network_card, Unknown):
        card = "" if eni.network_card is None else f".{eni.network_card}"
        names.add(f"device-number-{number}{card}")
    return frozenset(names)
