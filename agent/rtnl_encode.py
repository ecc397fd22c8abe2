"""Requests to rtnetlink: changes, and dumps of what the kernel has (linux/rtnetlink.h)."""

import struct
from typing import assert_never

from agent.nlmsg import ACK, CREATE, DUMP, EXCLUSIVE, REPLACE, REQUEST, attribute, pack, u32
from agent.rtnl import (
    AddAltname,
    Address,
    AddRule,
    Change,
    Host,
    Network,
    PutAddress,
    PutRoute,
    RemoveAddress,
    RemoveAltname,
    RemoveRoute,
    RemoveRule,
    Route,
    Rule,
    SetMtu,
    SetUp,
)

NEWLINK, DELLINK, GETLINK, SETLINK = 16, 17, 18, 19
NEWADDR, DELADDR, GETADDR = 20, 21, 22
NEWROUTE, DELROUTE, GETROUTE = 24, 25, 26
NEWRULE, DELRULE, GETRULE = 32, 33, 34
NEWLINKPROP, DELLINKPROP = 108, 109

_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBI")
_ROUTE = struct.Struct("=BBBBBBBBI")
_RULE = struct.Struct("=BBBBBBBBI")

_IFF_UP = 1
_IFLA_MTU, _IFLA_EXT_MASK, _IFLA_PROP_LIST, _IFLA_ALT_IFNAME = 4, 29, 52, 53
_NESTED = 0x8000
_SKIP_STATISTICS = 1 << 3
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_IFA_F_NODAD, _IFA_F_NOPREFIXROUTE = 0x2, 0x200
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_PREFSRC, _RTA_TABLE = 1, 4, 5, 6, 7, 15
_RTN_UNICAST, _RTN_UNREACHABLE = 1, 7
_SCOPE_UNIVERSE, _SCOPE_LINK = 0, 253
_FRA_DST, _FRA_SRC, _FRA_PRIORITY, _FRA_FWMARK, _FRA_TABLE, _FRA_FWMASK, _FRA_PROTOCOL = 1, 2, 6, 10, 15, 16, 21
_FAMILIES = {4: 2, 6: 10}
_KINDS = {
    PutAddress: (NEWADDR, CREATE | REPLACE),
    RemoveAddress: (DELADDR, 0),
    PutRoute: (NEWROUTE, CREATE | REPLACE),
    RemoveRoute: (DELROUTE, 0),
    AddRule: (NEWRULE, CREATE | EXCLUSIVE),
    RemoveRule: (DELRULE, 0),
}


def change(wanted: Change, sequence: int) -> bytes:
    """Return the request that makes a change and is answered in any case."""
    kind, flags, body = _request(wanted)
    return pack(kind, REQUEST | ACK | flags, sequence, body)


def links(sequence: int) -> bytes:
    """Return the request for every link, without its counters."""
    return pack(GETLINK, REQUEST | DUMP, sequence, _LINK.pack(0, 0, 0, 0, 0) + u32(_IFLA_EXT_MASK, _SKIP_STATISTICS))


def addresses(sequence: int, index: int) -> bytes:
    """Return the request for the addresses of one link."""
    return pack(GETADDR, REQUEST | DUMP, sequence, _ADDRESS.pack(0, 0, 0, 0, index))


def routes(sequence: int, version: int, *, protocol: int = 0, table: int = 0, index: int = 0) -> bytes:
    """Return the request for a family's routes: those of a protocol, of a table, by way of a link, or all."""
    header = _ROUTE.pack(_FAMILIES[version], 0, 0, 0, 0, protocol, 0, 0, 0)
    filters = [u32(kind, value) for kind, value in ((_RTA_OIF, index), (_RTA_TABLE, table)) if value]
    return pack(GETROUTE, REQUEST | DUMP, sequence, header + b"".join(filters))


def rules(sequence: int, version: int) -> bytes:
    """Return the request for a family's rules."""
    return pack(GETRULE, REQUEST | DUMP, sequence, _RULE.pack(_FAMILIES[version], 0, 0, 0, 0, 0, 0, 0, 0))


def _request(wanted: Change) -> tuple[int, int, bytes]:
    match wanted:
        case SetUp() | SetMtu() | AddAltname() | RemoveAltname():
            return _link_request(wanted)
        case PutAddress(address) | RemoveAddress(address):
            body = _address(address)
        case PutRoute(route) | RemoveRoute(route):
            body = _route(route)
        case AddRule(rule) | RemoveRule(rule):
            body = _rule(rule)
        case _:
            assert_never(wanted)
    return *_KINDS[type(wanted)], body


def _link_request(wanted: SetUp | SetMtu | AddAltname | RemoveAltname) -> tuple[int, int, bytes]:
    match wanted:
        case SetUp(index):
            return SETLINK, 0, _LINK.pack(0, 0, index, _IFF_UP, _IFF_UP)
        case SetMtu(index, mtu):
            return SETLINK, 0, _LINK.pack(0, 0, index, 0, 0) + u32(_IFLA_MTU, mtu)
        case AddAltname(index, altname):
            return NEWLINKPROP, CREATE | EXCLUSIVE, _altname(index, altname)
        case RemoveAltname(index, altname):
            return DELLINKPROP, 0, _altname(index, altname)


def _altname(index: int, altname: str) -> bytes:
    name = attribute(_IFLA_ALT_IFNAME, altname.encode() + b"\0")
    return _LINK.pack(0, 0, index, 0, 0) + attribute(_IFLA_PROP_LIST | _NESTED, name)


def _address(address: Address) -> bytes:
    value = address.value
    header = _ADDRESS.pack(_FAMILIES[value.version], value.network.prefixlen, 0, 0, address.index)
    packed = value.ip.packed
    # A /128 would else bring a route of its own into the main table.
    flags = u32(_IFA_FLAGS, _IFA_F_NODAD | _IFA_F_NOPREFIXROUTE) if value.version == 6 else b""
    return header + attribute(_IFA_LOCAL, packed) + attribute(_IFA_ADDRESS, packed) + flags


def _route(route: Route) -> bytes:
    kind = _RTN_UNREACHABLE if route.unreachable else _RTN_UNICAST
    scope = _SCOPE_LINK if route.on_link and route.dst.version == 4 else _SCOPE_UNIVERSE
    family = _FAMILIES[route.dst.version]
    header = _ROUTE.pack(family, route.dst.prefixlen, 0, 0, 0, route.protocol, scope, kind, 0)
    return b"".join(
        (
            header,
            _destination(_RTA_DST, route.dst),
            u32(_RTA_TABLE, route.table),
            u32(_RTA_PRIORITY, route.metric) if route.metric else b"",
            u32(_RTA_OIF, route.index) if route.index else b"",
            _host(_RTA_GATEWAY, route.gateway),
            _host(_RTA_PREFSRC, route.source),
        )
    )


def _rule(rule: Rule) -> bytes:
    lengths = (rule.dst.prefixlen if rule.dst else 0, rule.src.prefixlen if rule.src else 0)
    header = _RULE.pack(_FAMILIES[rule.version], *lengths, 0, 0, 0, 0, rule.action, 0)
    marked = u32(_FRA_FWMARK, rule.mark) + u32(_FRA_FWMASK, rule.mask) if rule.mask else b""
    return b"".join(
        (
            header,
            u32(_FRA_PRIORITY, rule.priority),
            _destination(_FRA_SRC, rule.src) if rule.src else b"",
            _destination(_FRA_DST, rule.dst) if rule.dst else b"",
            marked,
            u32(_FRA_TABLE, rule.table),
            attribute(_FRA_PROTOCOL, bytes([rule.protocol])),
        )
    )


def _destination(kind: int, network: Network) -> bytes:
    return attribute(kind, network.network_address.packed) if network.prefixlen else b""


def _host(kind: int, host: Host | None) -> bytes:
    return attribute(kind, host.packed) if host else b""
