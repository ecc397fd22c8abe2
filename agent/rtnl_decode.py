"""What the kernel's rtnetlink messages say, as values (linux/rtnetlink.h, if_link.h, if_addr.h, fib_rules.h)."""

import struct
from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import ip_address, ip_interface, ip_network
from typing import TypeVar

from agent.nlmsg import Buffer, attributes, number, pairs, string
from agent.rtnl import Address, Host, HostInterface, Link, Network, Route, Rule

T = TypeVar("T")
Decode = Callable[[Buffer], T]

_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBI")
_ROUTE = struct.Struct("=BBBBBBBBI")
_RULE = struct.Struct("=BBBBBBBBI")

_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_LINKINFO = 1, 3, 4, 18
_IFLA_MAX_MTU, _IFLA_PROP_LIST, _IFLA_ALT_IFNAME, _IFLA_PERM_ADDRESS = 51, 52, 53, 54
_INFO_KIND = 1
_IFF_UP, _IFF_LOWER_UP = 0x1, 0x10000
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_IFA_F_DADFAILED, _IFA_F_PERMANENT, _IFA_F_NOPREFIXROUTE = 0x8, 0x80, 0x200
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_PREFSRC, _RTA_METRICS, _RTA_TABLE = 1, 4, 5, 6, 7, 8, 15
_RTN_UNREACHABLE = 7
_FRA_DST, _FRA_SRC, _FRA_PRIORITY, _FRA_FWMARK, _FRA_TABLE, _FRA_FWMASK, _FRA_PROTOCOL = 1, 2, 6, 10, 15, 16, 21
_FRA_SUPPRESS_PREFIXLEN = 14
# The attributes that a rule of ours may have; the kernel always tells the table, and "suppress nothing" as all ones.
_PLAIN = {_FRA_DST, _FRA_SRC, _FRA_PRIORITY, _FRA_FWMARK, _FRA_TABLE, _FRA_FWMASK, _FRA_PROTOCOL}
_NOTHING = 0xFFFFFFFF
_FIB_RULE_INVERT = 0x2
_VERSIONS = {2: 4, 10: 6}  # AF_INET, AF_INET6


def link(body: Buffer) -> Link:
    """Return the link of an RTM_NEWLINK message."""
    _, _, index, flags, _ = _LINK.unpack_from(body)
    found = attributes(body[_LINK.size :])
    permanent = found.get(_IFLA_PERM_ADDRESS)
    return Link(
        index=index,
        name=string(found[_IFLA_IFNAME]),
        mac=_mac(found.get(_IFLA_ADDRESS)),
        permanent_mac=_mac(permanent) or None,
        kind=_kind(found),
        up=bool(flags & _IFF_UP),
        mtu=number(found.get(_IFLA_MTU)),
        largest_mtu=number(found.get(_IFLA_MAX_MTU)) or None,
        altnames=frozenset(
            string(value) for kind, value in pairs(found.get(_IFLA_PROP_LIST, _EMPTY)) if kind == _IFLA_ALT_IFNAME
        ),
        carrier=bool(flags & _IFF_LOWER_UP),
    )


def address(body: Buffer) -> Address | None:
    """Return the address of an RTM_NEWADDR message; None for one that is neither IPv4 nor IPv6."""
    family, length, short_flags, _, index = _ADDRESS.unpack_from(body)
    found = attributes(body[_ADDRESS.size :])
    # A peer's address stands in IFA_ADDRESS, then our own in IFA_LOCAL.
    value = found.get(_IFA_LOCAL, found.get(_IFA_ADDRESS))
    if family not in _VERSIONS or value is None:
        return None
    flags = number(found.get(_IFA_FLAGS), short_flags)
    lasting = bool(flags & _IFA_F_PERMANENT) and not flags & _IFA_F_DADFAILED
    alone = bool(flags & _IFA_F_NOPREFIXROUTE) or length == 8 * len(value)
    return Address(index, _interface(bytes(value), length), lasting, alone)


def route(body: Buffer) -> Route | None:
    """Return the route of an RTM_NEWROUTE message; None for one that is neither IPv4 nor IPv6."""
    return _route(bytes(body))


def rule(body: Buffer) -> Rule | None:
    """Return the rule of an RTM_NEWRULE message; None for one that is neither IPv4 nor IPv6."""
    return _rule(bytes(body))


_EMPTY = memoryview(b"")
_DEFAULTS = {2: bytes(4), 10: bytes(16)}


# The same hundreds of routes and rules stand in dump after dump, and to read one takes twenty times as long as to find
# it again.
@lru_cache(maxsize=2048)
def _route(body: bytes) -> Route | None:
    family, length, _, _, table, protocol, _, kind, _ = _ROUTE.unpack_from(body)
    if family not in _VERSIONS:
        return None
    found = attributes(memoryview(body)[_ROUTE.size :])
    gateway, source = found.get(_RTA_GATEWAY), found.get(_RTA_PREFSRC)
    unreachable = kind == _RTN_UNREACHABLE
    return Route(
        table=number(found.get(_RTA_TABLE), table),
        dst=_network(family, found.get(_RTA_DST), length),
        # The kernel shows an IPv6 route to nowhere as one by way of the loopback link.
        index=None if unreachable else number(found.get(_RTA_OIF)) or None,
        gateway=_host(bytes(gateway)) if gateway else None,
        metric=number(found.get(_RTA_PRIORITY)),
        protocol=protocol,
        unreachable=unreachable,
        source=_host(bytes(source)) if source else None,
        tuned=bool(found.get(_RTA_METRICS)),
    )


@lru_cache(maxsize=2048)
def _rule(body: bytes) -> Rule | None:
    family, dst_length, src_length, tos, table, _, _, action, flags = _RULE.unpack_from(body)
    if family not in _VERSIONS:
        return None
    found = attributes(memoryview(body)[_RULE.size :])
    suppress = number(found.pop(_FRA_SUPPRESS_PREFIXLEN, None), _NOTHING)
    return Rule(
        version=_VERSIONS[family],
        priority=number(found.get(_FRA_PRIORITY)),
        table=number(found.get(_FRA_TABLE), table),
        src=_network(family, found.get(_FRA_SRC), src_length) if src_length else None,
        dst=_network(family, found.get(_FRA_DST), dst_length) if dst_length else None,
        mark=number(found.get(_FRA_FWMARK)),
        mask=number(found.get(_FRA_FWMASK)),
        action=action,
        protocol=number(found.get(_FRA_PROTOCOL)),
        plain=not tos and not flags & _FIB_RULE_INVERT and suppress == _NOTHING and found.keys() <= _PLAIN,
    )


def _mac(value: Buffer | None) -> str:
    return "" if value is None else bytes(value).hex(":")


def _kind(found: Mapping[int, Buffer]) -> str | None:
    kind = attributes(found.get(_IFLA_LINKINFO, _EMPTY)).get(_INFO_KIND)
    return None if kind is None else string(kind)


def _network(family: int, value: Buffer | None, length: int) -> Network:
    return _network_of(_DEFAULTS[family] if value is None else bytes(value), length)


# A prefix stands in three rules and a route, and ipaddress takes several microseconds to make one.
@lru_cache(maxsize=1024)
def _network_of(value: bytes, length: int) -> Network:
    return ip_network((value, length), strict=False)


@lru_cache(maxsize=1024)
def _interface(value: bytes, length: int) -> HostInterface:
    return ip_interface((value, length))


@lru_cache(maxsize=1024)
def _host(value: bytes) -> Host:
    return ip_address(value)
