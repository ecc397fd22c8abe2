"""Which link each ENI is, which of them is the primary, what it is for, and what is still missing of it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent.eni import Eni, EniTree
from agent.model import Unknown
from agent.rtnl import Link

# Other kinds (vlan, macvlan, bond, bridge …) may carry an ENI's MAC, but never are one.
_KINDS = {None, "veth"}
_NO_PRIMARY = Unknown("IMDS has not told yet of which account the primary interface is")
_NUMBERED = re.compile(r"device-number-[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Interface:
    """An ENI, the link that it is (None where there is none), whether it is the primary, and its role.

    The role is `node`, `pod`, `node+pod`, or `ignored` for one that is brought up and nothing more. `owned`: whether it
    is of the account that the primary is of.
    """

    eni: Eni
    link: Link | None
    primary: bool | Unknown
    role: str
    owned: bool | Unknown = True

    @property
    def is_ours(self) -> bool:
        """Whether anything is made of it: not of another account's, nor of one that may turn out to be one."""
        if self.primary is False:
            return self.role != "ignored" and self.owned is True
        return self.primary is True

    @property
    def offers_pods(self) -> bool:
        """Whether its prefixes and further addresses are for pods."""
        return "pod" in self.role


def pair(tree: EniTree, links: Sequence[Link], *, pod_subnet_mode: bool = False) -> tuple[Interface, ...]:
    """Pair each ENI with its link, in (card, device) order; none where the ENIs are unknown."""
    if isinstance(tree.enis, Unknown):
        return ()
    owner = next((eni.owner_id for eni in tree.enis if eni.mac == tree.primary_mac), _NO_PRIMARY)
    paired = []
    for eni in tree.enis:
        primary, owned = _is_primary(eni, tree.primary_mac), _is_owned(eni, owner)
        role = _role(eni, primary=primary, owned=owned, pod_subnet_mode=pod_subnet_mode)
        paired.append(Interface(eni, link_of(eni.mac, links), primary, role, owned))
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
    addresses = (eni.ipv4s, eni.ipv6s, eni.ipv4_prefixes, eni.ipv6_prefixes, eni.subnet_ipv4_cidr)
    values = (*needed, *addresses, eni.owner_id, interface.owned)
    return next((value.reason for value in values if isinstance(value, Unknown)), None) or _unlisted(interface)


def _unlisted(interface: Interface) -> str | None:
    """Return what a secondary cannot be without, and IMDS does not list: keys of an ENI appear one after another."""
    eni = interface.eni
    if interface.primary is not False or interface.role == "ignored" or not (eni.ipv4s or eni.ipv4_prefixes):
        return None
    keys = {"local-ipv4s": eni.ipv4s, "subnet-ipv4-cidr-block": eni.subnet_ipv4_cidr}
    absent = [key for key, value in keys.items() if value is None]
    return f"IMDS does not list {', '.join(absent)} of {eni.mac} yet" if absent else None


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


def _is_owned(eni: Eni, owner: str | Unknown | None) -> bool | Unknown:
    unknown = next((each for each in (owner, eni.owner_id) if isinstance(each, Unknown)), None)
    return eni.owner_id == owner if unknown is None else unknown


def _role(eni: Eni, *, primary: bool | Unknown, owned: bool | Unknown, pod_subnet_mode: bool) -> str:
    if primary is True:
        return "node" if pod_subnet_mode else "node+pod"
    # One for EFA only has no address, and often no link; one of another account is a service's that put it there.
    is_efa_only = (eni.ipv4s, eni.ipv6s) == (None, None)
    return "ignored" if is_efa_only or owned is False else "pod"


def _order(interface: Interface) -> tuple[bool, int, int, str]:
    number, card = device_number(interface), interface.eni.network_card
    if not isinstance(number, int) or isinstance(card, Unknown):
        return (True, 0, 0, interface.eni.mac)
    return (False, card or 0, number, interface.eni.mac)
