"""Netlink: the kernel's links as values, changes to them, and news of them."""

import errno
import os
import socket
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from pyroute2.iproute.linux import IPRoute
from pyroute2.netlink.exceptions import NetlinkDumpInterrupted, NetlinkError

from agent import loop
from agent.errors import TemporaryError
from agent.rtnl import AddAltname, Change, Failure, Link, SetMtu, SetUp

_DUMP_WITHIN = 2.0
_RTMGRP_LINK = 1  # linux/rtnetlink.h
_IFF_UP = 1  # linux/if.h


class Netlink:
    """A socket that reads and changes the links of the network namespace it was made in."""

    def __init__(self) -> None:
        self._socket = IPRoute()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def links(self) -> tuple[Link, ...]:
        """Return every link, in the order of their indexes."""
        return loop.retry(self._dump, within=_DUMP_WITHIN)

    def apply(self, changes: Iterable[Change]) -> tuple[Failure, ...]:
        """Make the changes in their order, and return those that the kernel refused.

        A link that has gone meanwhile is no failure: there is nothing left to change.
        """
        outcomes = [(change, self._apply(change)) for change in changes]
        return tuple(Failure(change, reason) for change, reason in outcomes if reason is not None)

    def _dump(self) -> tuple[Link, ...]:
        try:
            found = [_link(message) for message in self._socket.get_links()]
        except NetlinkDumpInterrupted as error:
            raise TemporaryError("the kernel's links changed while they were read") from error
        return tuple(sorted(found, key=lambda link: link.index))

    def _apply(self, change: Change) -> str | None:
        try:
            match change:
                case SetUp(index):
                    self._socket.link("set", index=index, state="up")
                case SetMtu(index, mtu):
                    self._socket.link("set", index=index, mtu=mtu)
                case AddAltname(index, altname):
                    self._socket.link("property_add", index=index, altname=altname)
        except NetlinkError as error:
            return None if error.code == errno.ENODEV else os.strerror(error.code)
        return None


class LinkNews:
    """Says when links change. What changed is read anew: the news only wakes, so that none can be missed."""

    def __init__(self) -> None:
        flags = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        self._socket = socket.socket(socket.AF_NETLINK, flags, socket.NETLINK_ROUTE)
        self._socket.bind((0, _RTMGRP_LINK))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def fileno(self) -> int:
        """Return the descriptor that can be read when there is news."""
        return self._socket.fileno()

    def drain(self) -> bool:
        """Take all news there is, and return whether there was any."""
        news = False
        while True:
            try:
                self._socket.recv(1 << 16)
            except BlockingIOError:
                return news
            except OSError as error:
                # An overrun is news as well: the kernel had more than the socket could hold.
                if error.errno != errno.ENOBUFS:
                    raise
            news = True


def _link(message: Any) -> Link:
    permanent_mac = message.get("perm_address")
    return Link(
        index=message["index"],
        name=message.get("ifname"),
        mac=(message.get("address") or "").lower(),
        permanent_mac=permanent_mac.lower() if permanent_mac else None,
        kind=message.get(("linkinfo", "kind")),
        up=bool(message["flags"] & _IFF_UP),
        mtu=message.get("mtu"),
        largest_mtu=message.get("max_mtu") or None,
        altnames=frozenset(_altnames(message)),
    )


def _altnames(message: Any) -> list[str]:
    properties = message.get_attr("IFLA_PROP_LIST")
    return [] if properties is None else [value for name, value in properties["attrs"] if name == "IFLA_ALT_IFNAME"]
