"""Netlink: what the kernel has as values, changes to it, and news of it."""

import errno
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from types import TracebackType
from typing import Self, TypeVar

from agent import loop, nlmsg, rtnl_decode, rtnl_encode
from agent.errors import TemporaryError
from agent.nlmsg import Buffer, Message
from agent.rtnl import (
    BOOT,
    DHCP,
    KERNEL,
    MAIN_TABLE,
    OUR_PROTOCOL,
    RA,
    REMOVALS,
    STATIC,
    Address,
    AddRule,
    Change,
    Failure,
    Link,
    Route,
    Rule,
    State,
)

T = TypeVar("T")

# Who changes tables often spoils one dump or another; the next begins at once, as each takes but milliseconds.
_DUMP_WITHIN = 5.0
_DUMP_BACKOFF = loop.Backoff(first=0.002, cap=0.1)
_ANSWER_WITHIN = 5.0
_BUFFER = 1 << 16  # the kernel makes no datagram of a dump larger than 32 KiB
# The answers to one batch must find room in the socket's buffer: each takes about 1 KiB of its 200.
_BATCH = 64
_SOL_NETLINK, _NETLINK_CAP_ACK, _NETLINK_GET_STRICT_CHK = 270, 10, 12
_FLAGS = socket.SOCK_RAW | socket.SOCK_CLOEXEC
# RTMGRP_*, linux/rtnetlink.h: links, addresses, routes, rules and interface settings of both families.
_GROUPS = sum(1 << (group - 1) for group in (1, 5, 7, 8, 9, 11, 19, 24, 25))
# A family that the kernel was built without has nothing to dump.
_NONE = {errno.EOPNOTSUPP, errno.EAFNOSUPPORT, errno.ENODEV}
# What the kernel says of an address, a route or a rule that is not there.
_GONE = {errno.ENOENT, errno.ESRCH, errno.EADDRNOTAVAIL}
# Our own routes, those of the VPC CNI and of people (who name no protocol, or `static`), and what DHCP or an
# advertisement brings in beside us.
_PROTOCOLS = (OUR_PROTOCOL, BOOT, STATIC, DHCP, RA)


class Netlink:
    """A socket that reads and changes the network namespace it was made in; `connect` is what makes the socket."""

    def __init__(self, connect: Callable[[int, int, int], socket.socket] = socket.socket) -> None:
        self._socket = connect(socket.AF_NETLINK, _FLAGS, socket.NETLINK_ROUTE)
        self._socket.settimeout(_ANSWER_WITHIN)
        # Filters of dumps are heeded only by a socket that asks for it, and unknown ones are refused.
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_GET_STRICT_CHK, 1)
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
        self._sequences = count(1)
        self._buffer = bytearray(_BUFFER)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def links(self) -> tuple[Link, ...]:
        """Return every link, in the order of their indexes."""
        found = self._dump(rtnl_encode.links, rtnl_decode.link)
        return tuple(sorted(found, key=lambda link: link.index))

    def state(self, indexes: Iterable[int], *, primary: int | None = None, main: bool = False) -> State:
        """Return the rest: addresses of the given links, routes of interest, rules.

        `primary` is the link whose routes in the main table are told, `main` asks for all of that table.
        """
        filters = [(version, protocol) for version in (4, 6) for protocol in _PROTOCOLS]
        return State(
            addresses=tuple(
                found if index == primary else self._checked(found)
                for index in indexes
                for found in self._addresses(index)
            ),
            routes=tuple(found for each, protocol in filters for found in self._routes(each, protocol=protocol)),
            rules=tuple(found for version in (4, 6) for found in self._rules(version)),
            primary=tuple(found for each in (4, 6) for found in self._routes(each, table=MAIN_TABLE, index=primary))
            if primary
            else (),
            main=tuple(found for each in (4, 6) for found in self._routes(each, table=MAIN_TABLE)) if main else (),
        )

    def apply(self, changes: Sequence[Change]) -> tuple[Failure, ...]:
        """Make the changes in their order, and return those that the kernel refused.

        To remove what has gone meanwhile, or to change a link that has, is no failure: there is nothing left to do.
        """
        batches = (changes[start : start + _BATCH] for start in range(0, len(changes), _BATCH))
        return tuple(failure for batch in batches for failure in self._apply(batch))

    def _addresses(self, index: int) -> Iterable[Address]:
        return self._dump(lambda sequence: rtnl_encode.addresses(sequence, index), rtnl_decode.address)

    def _checked(self, address: Address) -> Address:
        """Return the address with whether the route that it brought is still there: the VPC CNI deletes it."""
        if address.alone or address.value.is_link_local:
            return address
        network = address.value.network
        found = self._routes(network.version, protocol=KERNEL, table=MAIN_TABLE, index=address.index)
        return replace(address, alone=all(route.dst != network for route in found))

    def _routes(self, version: int, **filters: int) -> Iterable[Route]:
        return self._dump(lambda sequence: rtnl_encode.routes(sequence, version, **filters), rtnl_decode.route)

    def _rules(self, version: int) -> Iterable[Rule]:
        return self._dump(lambda sequence: rtnl_encode.rules(sequence, version), rtnl_decode.rule)

    def _dump(self, request: Callable[[int], bytes], decode: Callable[[Buffer], T | None]) -> list[T]:
        return loop.retry(lambda: self._dump_once(request, decode), within=_DUMP_WITHIN, backoff=_DUMP_BACKOFF)

    def _dump_once(self, request: Callable[[int], bytes], decode: Callable[[Buffer], T | None]) -> list[T]:
        sequence = next(self._sequences)
        self._socket.send(request(sequence))
        found: list[T] = []
        interrupted = False
        for message in self._received():
            if message.sequence != sequence:
                continue  # of an earlier dump that was given up
            interrupted = interrupted or bool(message.flags & nlmsg.INTERRUPTED)
            if message.kind in {nlmsg.DONE, nlmsg.ERROR}:
                _check(message)
                break
            value = decode(message.body)
            found += [] if value is None else [value]
        if interrupted:
            raise TemporaryError("the kernel's tables changed while they were read")
        return found

    def _apply(self, batch: Sequence[Change]) -> Iterator[Failure]:
        waiting = {next(self._sequences): change for change in batch}
        self._socket.send(b"".join(rtnl_encode.change(change, sequence) for sequence, change in waiting.items()))
        for message in self._received():
            change = waiting.pop(message.sequence, None)
            code = nlmsg.error(message)
            if change is not None and code and not _is_done(change, code):
                yield Failure(change, os.strerror(code))
            if not waiting:
                return

    def _received(self) -> Iterator[Message]:
        """Give messages as they come; a body is valid until the next one is asked for."""
        while True:
            size = self._socket.recv_into(self._buffer)
            yield from nlmsg.messages(memoryview(self._buffer)[:size])


class News:
    """Says when something changes. What changed is read anew: the news only wakes, so that none can be missed."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, _FLAGS | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
        self._socket.bind((0, _GROUPS))

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


def _check(message: Message) -> None:
    code = nlmsg.error(message)
    if code and code not in _NONE:
        raise TemporaryError(f"the kernel refuses a netlink dump: {os.strerror(code)}")


def _is_done(change: Change, code: int) -> bool:
    """Whether there is nothing left to do: the link or the object has gone, or the rule is there already."""
    if isinstance(change, REMOVALS) and code in _GONE:
        return True
    return code == errno.ENODEV or (isinstance(change, AddRule) and code == errno.EEXIST)
