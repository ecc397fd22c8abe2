"""The changes that turn a link into what it should be; none where it is that already."""

from agent.network.desired import Interface, Wanted, wanted
from agent.rtnl import AddAltname, Change, Link, SetMtu, SetUp


def changes(interface: Interface) -> tuple[Change, ...]:
    """Return the changes for one interface; nothing is ever taken away here."""
    return () if interface.link is None else _changes(interface.link, wanted(interface))


def _changes(link: Link, want: Wanted) -> tuple[Change, ...]:
    mtu = want.mtu if link.largest_mtu is None or want.mtu is None else min(want.mtu, link.largest_mtu)
    names = sorted(want.altnames - link.altnames - {link.name})
    return (
        *([SetMtu(link.index, mtu)] if mtu is not None and mtu != link.mtu else []),
        *([SetUp(link.index)] if want.up and not link.up else []),
        *(AddAltname(link.index, name) for name in names),
    )
