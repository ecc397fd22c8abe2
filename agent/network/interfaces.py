"""Which link each ENI is, which of them is the primary, what it is for, and what is still missing of it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent.eni import Eni, EniTree
from agent.model import Unknown
from agent.rtnl import Link

# Other kinds (vlan, macvlan, bond, bridge …) may carry an ENI's MAC, but never are one.
_KINDS = {None, "veth"}
_NUMBERED = re.compile(r"device-number-[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Interface:
    """An ENI, the link that it is (None where there is none), whether it is the primary, and its role.

    The role is `node`, `pod`, `node+pod`, or `ignored` for one that is brought up and nothing more.
    """

    eni: Eni
    link: Link | None
    primary: bool | Unknown
    role: str

    @property
    def is_ours(self) -> bool:
        """Whether anything is made of it: not of another account's, nor of one that may turn out to be one."""
        if self.primary is False:
            return self.role != "ignored" and not isinstance(self.eni.owner_id, Unknown)
        return self.primary is True

    @property
    def offers_pods(self) -> bool:
        """Whether its prefixes and further addresses are for pods."""
        return "pod" in self.role


def pair(tree: EniTree, links: Sequence[Link], *, pod_subnet_mode: bool = False) -> tuple[Interface, ...]:
    """Pair each ENI with its link, in (card, device) order; none where the ENIs are unknown."""
    if isinstance(tree.enis, Unknown):
        return ()
    owner = next((eni.owner_id for eni in tree.enis if eni.mac == tree.primary_mac), None)
    paired = (
        Interface(
            eni, link_of(eni.mac, links), primary, _role(eni, owner, primary=primary, pod_subnet_mode=pod_subnet_mode)
        )
        for eni, primary in ((eni, _is_primary(eni, tree.primary_mac)) for eni in tree.enis)
    )
    return tuple(sorted(paired, key=_order))


def link_of(mac: str, links: Sequence[Link]) -> Link | None:
    """Return the link with the ENI's MAC: the permanent one where there is one, as others can be set by anybody."""
    found = [link for link in links if is_candidate(link) and (link.permanent_mac or link.mac) == mac]
    return min(found, key=lambda link: (link.kind is not None, link.index), default=None)


def is_candidate(link: Link) -> bool:
    """Whether the link may be an ENI at all."""
    return link.kind in _KINDS and link.name != "lo"


def device_number(interface: Interface) -> int | Unknown | None:
    """Return the device number, if it is one: IMDS says 0 until it has the number of a secondary ENI."""
    eni = interface.eni
    if interface.primary is True:
        return eni.device_number
    if eni.device_number == 0 and not eni.network_card:
        return Unknown(f"IMDS does not have the device number of {eni.mac} yet")
    return eni.device_number


def missing(interface: Interface) -> str | None:
    """Return what IMDS has not told yet of the interface, or None where nothing is missing."""
    eni = interface.eni
    needed = (interface.primary, device_number(interface), eni.eni_id, eni.network_card)
    addresses = (eni.ipv4s, eni.ipv6s, eni.ipv4_prefixes, eni.ipv6_prefixes, eni.subnet_ipv4_cidr, eni.owner_id)
    return next((value.reason for value in (*needed, *addresses) if isinstance(value, Unknown)), None)


def altnames(interface: Interface) -> frozenset[str]:
    """Return the names that its link has beside its own."""
    eni, number = interface.eni, device_number(interface)
    names = {eni.eni_id} if isinstance(eni.eni_id, str) else set()
    if isinstance(number, int) and not isinstance(eni.network_card, Unknown):
        card = "" if eni.network_card is None else f".{eni.network_card}"
        names.add(f"device-number-{number}{card}")
    return frozenset(names)


def former_altnames(interface: Interface) -> frozenset[str]:
    """Return the names of its link that say another device number than it has; none where it is not known."""
    now = {name for name in altnames(interface) if _NUMBERED.fullmatch(name)}
    if interface.link is None or not now or not interface.is_ours:
        return frozenset()
    return frozenset(name for name in interface.link.altnames if _NUMBERED.fullmatch(name)) - now


def _is_primary(eni: Eni, primary_mac: str | Unknown) -> bool | Unknown:
    return primary_mac if isinstance(primary_mac, Unknown) else eni.mac == primary_mac


def _role(eni: Eni, owner: str | Unknown | None, *, primary: bool | Unknown, pod_subnet_mode: bool) -> str:
    if primary is True:
        return "node" if pod_subnet_mode else "node+pod"
    # One for EFA only has no address, and often no link; one of another account is a service's that put it there.
    is_efa_only = (eni.ipv4s, eni.ipv6s) == (None, None)
    is_foreign = isinstance(owner, str) and isinstance(eni.owner_id, str) and eni.owner_id != owner
    return "ignored" if is_efa_only or is_foreign else "pod"


def _order(interface: Interface) -> tuple[bool, int, int, str]:
    number, card = device_number(interface), interface.eni.network_card
    if not isinstance(number, int) or isinstance(card, Unknown):
        return (True, 0, 0, interface.eni.mac)
    return (False, card or 0, number, interface.eni.mac)
