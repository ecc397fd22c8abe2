"""What the kernel tells of changes to links, addresses, routes and rules: who made each, and whether it took away."""

from __future__ import annotations

import select
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyroute2.netlink.rtnl.iprsocket import MarshalRtnl

from world import namespaces

# link, IPv4 address, route and rule, IPv6 address and route (linux/rtnetlink.h), and the group of IPv6's rules.
GROUPS = 0x1 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400
GROUP_IPV6_RULES = 19
ADD_MEMBERSHIP = 1
NETLINK = 270
SO_RCVBUFFORCE = 33
BUFFER = 64 << 20
# The kernel tells of a link's carrier up to a second after the change that caused it.
QUIET = 1.2


@dataclass(frozen=True)
class Event:
    """One message; the writer is the netlink port of the program that asked for the change, 0 for the kernel itself."""

    name: str
    writer: int
    text: str

    @property
    def removes(self) -> bool:
        return self.name.startswith("RTM_DEL")

    def __str__(self) -> str:
        return f"{self.name} {self.text} by {self.writer}"


class News:
    """Everything that happens in a namespace from now on; one that was missed fails the test."""

    def __init__(self, namespace: str) -> None:
        with namespaces.entered(namespace):
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        self._socket.bind((0, GROUPS))
        self._socket.setsockopt(NETLINK, ADD_MEMBERSHIP, GROUP_IPV6_RULES)
        self._marshal = MarshalRtnl()

    def close(self) -> None:
        self._socket.close()

    def wait(self, seconds: float) -> bool:
        """Return whether anything happened within so many seconds."""
        return bool(select.select([self._socket], [], [], seconds)[0])

    def take(self) -> list[Event]:
        """Return what has happened since the last call."""
        events: list[Event] = []
        while True:
            try:
                data = self._socket.recv(1 << 20)
            except BlockingIOError:
                return events
            events += [_event(message) for message in self._marshal.parse(data)]

    def settle(self) -> None:
        """Wait until nothing happens any more, and forget what did."""
        self.take()
        while self.wait(QUIET):
            self.take()


def ports(pid: int) -> set[int]:
    """Return the netlink ports of a process, by which the kernel names it as a writer."""
    opened = {_inode(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    rows = [line.split() for line in Path(f"/proc/{pid}/net/netlink").read_text().splitlines()[1:]]
    return {int(row[2]) for row in rows if row[9] in opened}


def _inode(entry: Path) -> str:
    try:
        return str(entry.readlink()).removeprefix("socket:[").removesuffix("]")
    except FileNotFoundError:  # closed meanwhile
        return ""


def _event(message: Any) -> Event:
    attributes = {key: value for key, value in message["attrs"] if key not in _DULL}
    kept = {key.partition("_")[2].lower(): value for key, value in attributes.items() if not isinstance(value, dict)}
    return Event(message["event"], message["header"]["pid"], f"family {message['family']} {kept}")


# Counters and layers of a link: long, and never what a test is about.
_DULL = {"IFLA_STATS", "IFLA_STATS64", "IFLA_AF_SPEC", "IFLA_MAP", "RTA_CACHEINFO", "IFA_CACHEINFO"}
