"""The network interfaces of the instance as IMDS tells of them; every value is present, absent (None) or unknown.

Only a listing proves an absence: a 404 alone may mean "not yet" or "no longer" as well.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeVar

from agent.model import Unknown

T = TypeVar("T")
# Reads a path below latest/ of IMDS.
Lookup = Callable[[str], str | Unknown | None]

MACS = "meta-data/network/interfaces/macs/"
# Until all of these are listed the interface is still being propagated, and nothing is known to be absent.
CORE = frozenset({"device-number", "interface-id", "mac", "owner-id", "subnet-id", "vpc-id"})
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_ENI_ID = re.compile(r"eni-[0-9a-f]{8,17}")


@dataclass(frozen=True, slots=True)
class Eni:
    """An elastic network interface; it is known by its MAC, as it has one before it has anything else."""

    mac: str
    eni_id: str | Unknown | None
    device_number: int | Unknown | None
    network_card: int | Unknown | None
    owner_id: str | Unknown | None
    subnet_id: str | Unknown | None
    security_group_ids: tuple[str, ...] | Unknown | None
    ipv4s: tuple[IPv4Address, ...] | Unknown | None
    ipv6s: tuple[IPv6Address, ...] | Unknown | None
    ipv4_prefixes: tuple[IPv4Network, ...] | Unknown | None
    ipv6_prefixes: tuple[IPv6Network, ...] | Unknown | None
    subnet_ipv4_cidr: IPv4Network | Unknown | None
    subnet_ipv6_cidrs: tuple[IPv6Network, ...] | Unknown | None
    vpc_ipv4_cidrs: tuple[IPv4Network, ...] | Unknown | None
    vpc_ipv6_cidrs: tuple[IPv6Network, ...] | Unknown | None


@dataclass(frozen=True, slots=True)
class EniTree:
    """All interfaces in the order of their MACs; which is the primary only `meta-data/mac` says, not the order."""

    primary_mac: str | Unknown
    enis: tuple[Eni, ...] | Unknown


def read_tree(look: Lookup) -> EniTree:
    """Read the whole tree: two requests, one for each interface, and one for each of its keys that is listed."""
    primary, macs = read_primary(look), read_macs(look)
    if isinstance(macs, Unknown):
        return EniTree(primary, macs)
    return EniTree(primary, tuple(read_eni(mac, look) for mac in macs))


def read_primary(look: Lookup) -> str | Unknown:
    """Read which MAC is the primary's."""
    value = look("meta-data/mac")
    if value is None:
        return Unknown("IMDS does not say which MAC is the primary's")
    return value if isinstance(value, Unknown) else _parsed("mac", value, _mac)


def read_macs(look: Lookup) -> tuple[str, ...] | Unknown:
    """Read which interfaces there are, in the order of their MACs."""
    listing = look(MACS)
    if isinstance(listing, Unknown):
        return listing
    # An instance has a primary interface: an empty listing is one that is not there yet.
    macs = _parsed(MACS, listing or "", _MACS)
    return macs if isinstance(macs, Unknown) else tuple(sorted(macs))


def read_eni(mac: str, look: Lookup, before: Eni | None = None, *, details: bool = True) -> Eni:
    """Read one interface; with `before` only its addresses are read anew, and what was not known then.

    Without `details` no more is read than its configuration takes.
    """
    keys, old = _Keys(mac, look), before or unread(mac, "not read yet")
    detail = keys.value if details else keys.left_out
    return Eni(
        mac=mac,
        eni_id=keys.value("interface-id", _eni_id, old.eni_id),
        device_number=keys.value("device-number", _number, old.device_number or None),
        network_card=keys.value("network-card", _number, old.network_card),
        owner_id=keys.value("owner-id", _word, old.owner_id),
        subnet_id=detail("subnet-id", _word, old.subnet_id),
        security_group_ids=detail("security-group-ids", _WORDS, old.security_group_ids),
        ipv4s=keys.value("local-ipv4s", _IPV4S),
        ipv6s=keys.value("ipv6s", _IPV6S),
        ipv4_prefixes=keys.value("ipv4-prefix", _IPV4_NETWORKS),
        ipv6_prefixes=keys.value("ipv6-prefix", _IPV6_NETWORKS),
        subnet_ipv4_cidr=keys.value("subnet-ipv4-cidr-block", IPv4Network, old.subnet_ipv4_cidr),
        subnet_ipv6_cidrs=detail("subnet-ipv6-cidr-blocks", _IPV6_NETWORKS, old.subnet_ipv6_cidrs),
        vpc_ipv4_cidrs=detail("vpc-ipv4-cidr-blocks", _IPV4_NETWORKS, old.vpc_ipv4_cidrs),
        vpc_ipv6_cidrs=detail("vpc-ipv6-cidr-blocks", _IPV6_NETWORKS, old.vpc_ipv6_cidrs),
    )


def without_details(eni: Eni) -> Eni:
    """Return an interface as it was read, without what may change while it is attached, its addresses apart."""
    due = Unknown(f"it is time to read it of {eni.mac} again")
    return replace(eni, security_group_ids=due, subnet_ipv6_cidrs=due, vpc_ipv4_cidrs=due, vpc_ipv6_cidrs=due)


def unread(mac: str, reason: str) -> Eni:
    """Return an interface of which only the MAC is known."""
    return Eni(mac, *[Unknown(reason)] * (len(fields(Eni)) - 1))


class _Keys:
    """The keys below one MAC, and what its listing proves of them."""

    def __init__(self, mac: str, look: Lookup) -> None:
        self.mac = mac
        self._look = look
        listing = look(f"{MACS}{mac}/")
        if listing is None:
            listing = Unknown(f"IMDS lists {mac} but nothing below it")
        self._listed = listing if isinstance(listing, Unknown) else frozenset(listing.split())

    def value(self, key: str, parse: Callable[[str], T], known: T | Unknown | None = None) -> T | Unknown | None:
        """Return a key's value; one that is `known` is not asked for again as long as it is listed."""
        if isinstance(self._listed, Unknown):
            return self._listed
        if key not in self._listed:
            missing = ", ".join(sorted(CORE - self._listed))
            return Unknown(f"IMDS does not list {missing} of {self.mac} yet") if missing else None
        if known is not None and not isinstance(known, Unknown):
            return known
        value = self._look(f"{MACS}{self.mac}/{key}")
        if value is None:
            return Unknown(f"IMDS lists {key} of {self.mac} but does not have it")
        return value if isinstance(value, Unknown) else _parsed(key, value, parse)

    def left_out(self, key: str, _parse: Callable[[str], T], known: T | Unknown | None = None) -> T | Unknown | None:
        """Return what is known of a key that is not asked for."""
        return Unknown(f"IMDS has not been asked for {key} of {self.mac} yet") if known is None else known


def _parsed(key: str, value: str, parse: Callable[[str], T]) -> T | Unknown:
    try:
        return parse(value)
    except ValueError:
        return Unknown(f"IMDS gives {value[:100]!r} as {key}")


def _lines(parse: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    """Return a parser of values that stand one a line; none at all is an answer cut short, not an absence."""

    # Nearly every reading says what the one before it said.
    @lru_cache(maxsize=256)
    def parse_lines(value: str) -> tuple[T, ...]:
        return tuple(parse(_word(line)) for line in value.split("\n"))

    return parse_lines


def _word(value: str) -> str:
    if not value or value.split() != [value]:
        raise ValueError(value)
    return value


def _number(value: str) -> int:
    if not value.isascii() or not value.isdecimal():
        raise ValueError(value)
    return int(value)


def _mac(value: str) -> str:
    mac = value.lower()
    if not _MAC.fullmatch(mac):
        raise ValueError(value)
    return mac


def _eni_id(value: str) -> str:
    if not _ENI_ID.fullmatch(value):
        raise ValueError(value)
    return value


_MACS = _lines(lambda line: _mac(line.removesuffix("/")))
_WORDS = _lines(_word)
_IPV4S, _IPV6S = _lines(IPv4Address), _lines(IPv6Address)
_IPV4_NETWORKS, _IPV6_NETWORKS = _lines(IPv4Network), _lines(IPv6Network)
