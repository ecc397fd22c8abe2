"""A namespace with veths as ENIs, an IMDS that does as it is told, and the network daemon on them.

The daemon runs in a process with CAP_NET_ADMIN alone, as its unit gives it.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from network.behaviour import kernel
from network.behaviour.card import GATEWAY6, MACS, MAIN, Card
from network.behaviour.news import Event, News, ports

from agent.network import daemon
from world import imds, namespaces
from world.metadata import Metadata
from world.processes import run
from world.waiting import WaitError, until

PROTOCOL = 157
CONFLIST = Path("etc/cni/net.d/10-node-agent.conflist")
SETTINGS = Path("etc/node-agent/network.json")
WITHIN = 20.0
NOTHING: dict[str, list[str]] = {"addresses": [], "routes": [], "rules": []}
NUMBERS = itertools.count()
CAP_NET_ADMIN = ["setpriv", "--bounding-set=-all,+net_admin", "--inh-caps=-all,+net_admin", "--no-new-privs", "--"]
SCRIPT = (
    "import sys; from pathlib import Path; from agent.network import daemon\n"
    "daemon.run(sys.argv[1], Path(sys.argv[2]), once=False, root=Path(sys.argv[3]))"
)


class Ground:
    """A node as far as its network goes; the far ends of the veths are in a namespace of their own."""

    def __init__(self, name: str, root: Path, url: str, metadata: Metadata) -> None:
        self.name = name
        self.root = root
        self.url = url
        self.metadata = metadata
        self.state = root / "run/node-agent/enis.json"
        self.news = News(name)

    @property
    def fabric(self) -> str:
        return f"{self.name}-f"

    def ip(self, *words: str) -> None:
        run(["ip", "-n", self.name, *words])

    def fabric_ip(self, *words: str) -> None:
        run(["ip", "-n", self.fabric, *words])

    def batch(self, *lines: str) -> None:
        """Do many changes in one go, those of IPv6 after the others."""
        for option in ([], ["-6"]):
            chosen = [line.removeprefix("-6 ") for line in lines if _is_ipv6(line) is bool(option)]
            if chosen:
                run(["ip", "-n", self.name, *option, "-batch", "-"], stdin="\n".join(chosen) + "\n")

    def plug(self, card: Card, name: str | None = None) -> str:
        """Let the card's link appear; returns its name."""
        name = name or f"eth{card.place}"
        far = ["peer", "name", f"far-{card.place}", "mtu", "9216", "netns", self.fabric]
        self.ip("link", "add", "name", name, "address", card.mac, "type", "veth", *far)
        self.fabric_ip("link", "set", "dev", f"far-{card.place}", "up")
        return name

    def unplug(self, card: Card, name: str | None = None) -> None:
        self.ip("link", "delete", "dev", name or f"eth{card.place}")

    def attach(self, card: Card) -> str:
        """Attach an ENI as EC2 does when nothing is late."""
        self.metadata.update(card.metadata())
        return self.plug(card)

    def lease(self, card: Card) -> None:
        """Do what systemd-networkd does for the primary."""
        name = f"eth{card.place}"
        self.batch(
            f"link set dev {name} mtu 9001 up",
            f"address add {card.address4}/{card.subnet4.prefixlen} dev {name}",
            f"route add default via {card.gateway4} dev {name} proto dhcp metric 1024",
        )
        if card.ipv6:
            self.batch(
                f"address add {card.address6}/128 dev {name} nodad",
                f"-6 route add default via {GATEWAY6} dev {name} proto ra metric 1024",
            )

    def detach(self, card: Card, name: str | None = None) -> None:
        self.unplug(card, name)
        self.metadata.remove(card.folder)

    def wipe(self) -> None:
        """Make the node as bare as a new one: no ENI, nothing of anybody, and nothing known to IMDS or the daemon."""
        for link in sorted(kernel.links(self.name) - {"lo"}):
            run(["ip", "-n", self.name, "link", "delete", "dev", link], check=False)  # its peer takes it along
        left = [*kernel.rules(self.name), *kernel.routes(self.name)]
        self.batch(*(kernel.command("del", line) for line in left))
        self.metadata.remove(MACS)
        shutil.rmtree(self.root / "run", ignore_errors=True)

    def once(self) -> None:
        """Make one pass, in this process."""
        with namespaces.entered(self.name):
            daemon.run(self.url, self.state, once=True, root=self.root)

    def snapshot(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.state.read_text()) if self.state.exists() else {"enis": []}
        return body

    def entry(self, card: Card) -> dict[str, Any]:
        """Return what is published of an ENI, {} where nothing is."""
        found = (entry for entry in self.snapshot()["enis"] if entry["mac"] == card.mac)
        return next(found, {})

    def status(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads((self.root / "run/node-agent/network.json").read_text())
        return body

    def conflist(self) -> dict[str, Any] | None:
        path = self.root / CONFLIST
        body: dict[str, Any] | None = json.loads(path.read_text()) if path.exists() else None
        return body

    def ranges(self) -> set[str]:
        """Return the subnets that pods are offered."""
        body = self.conflist()
        sets = body["plugins"][0]["ipam"]["ranges"] if body else []
        return {offered["subnet"] for family in sets for offered in family}

    def of(self, card: Card, name: str | None = None) -> dict[str, list[str]]:
        """Return what the kernel has of an ENI: everything that names its addresses, prefixes, table or link."""
        name = name or f"eth{card.place}"
        marks = [f" 10.{card.place}.", f" 2001:db8:1:{0x100 + card.place:x}:", f" dev {name} "]
        marks += [f"table {card.table} "] if card.number else []
        rules = [line for line in kernel.rules(self.name) if any(mark in line for mark in marks)]
        routes = [line for line in kernel.routes(self.name) if any(mark in f"{line} " for mark in marks)]
        present = name in kernel.links(self.name)
        return {
            "addresses": sorted(kernel.addresses(self.name, name)) if present else [],
            "routes": routes,
            "rules": rules,
        }

    def wait_for(self, card: Card, name: str | None = None, seconds: float = WITHIN) -> None:
        """Wait until the ENI is published as ready, and assert that the kernel has exactly what it must have."""
        until(lambda: self.entry(card).get("state") == "ready", seconds, f"{card} is ready: {self.entry(card)}", 0.02)
        self.assert_complete(card, name)

    def wait_until_complete(self, card: Card, name: str | None = None, seconds: float = WITHIN) -> None:
        """Wait until the kernel has exactly what it must have of an ENI."""
        with contextlib.suppress(WaitError):
            _within(seconds, lambda: self.of(card, name) == wanted(card, name))
        self.assert_complete(card, name)

    def assert_complete(self, card: Card, name: str | None = None, besides: Collection[str] = ()) -> None:
        """Assert that the kernel has exactly what it must have of an ENI, and maybe these lines of others."""
        there = self.of(card, name).items()
        found = {kind: [line for line in lines if line not in besides] for kind, lines in there}
        assert found == (expected := wanted(card, name)), difference(found, expected)

    def wait_until_gone(self, card: Card, seconds: float = WITHIN) -> None:
        """Wait until nothing of an ENI is left in the kernel, nor in what is published."""
        with contextlib.suppress(WaitError):
            _within(seconds, lambda: self.of(card) == NOTHING)
        assert (found := self.of(card)) == NOTHING, difference(found, NOTHING)
        until(lambda: self.entry(card).get("state") in {None, "gone"}, seconds, f"{self.entry(card)} goes", 0.02)

    def wait_until(self, condition: Callable[[], object], what: str, seconds: float = WITHIN) -> None:
        until(condition, seconds, what, 0.02)

    def reads(self, path: str) -> int:
        """Return how often IMDS has been asked for a key below latest/, or for anything below a folder."""
        return sum(request.path.startswith(f"/latest/{path}") for request in self.metadata.requests)

    def wait_for_reads(self, path: str, count: int = 3, *, after: int | None = None) -> None:
        """Wait until IMDS has been asked so many times from now on, or after so many reads."""
        needed = (self.reads(path) if after is None else after) + count
        until(lambda: self.reads(path) >= needed, 40.0, f"{count} reads of {path}", 0.02)


class Daemon:
    """The resident daemon in a process of its own, and what it tells the service manager.

    `before` are the words of a command that runs it.
    """

    def __init__(self, ground: Ground, before: Sequence[str] = ()) -> None:
        self._ground = ground
        self._address = ground.root / f"notify-{next(NUMBERS)}"
        self._notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notices.bind(str(self._address))
        self._heard: list[str] = []
        self._hearing = threading.Thread(target=self._hear, daemon=True)
        self._hearing.start()
        command = [
            *before,
            *CAP_NET_ADMIN,
            sys.executable,
            "-c",
            SCRIPT,
            ground.url,
            str(ground.state),
            str(ground.root),
        ]
        with namespaces.entered(ground.name):
            self._process = subprocess.Popen(command, env={"NOTIFY_SOCKET": str(self._address)})

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def wait_ready(self, seconds: float = WITHIN) -> None:
        """Wait until the service manager would have been told that the unit is up."""
        self.wait_for_notice("READY=1", seconds)

    def wait_for_notice(self, text: str, seconds: float = WITHIN) -> None:
        until(lambda: any(text in notice for notice in self._heard), seconds, f"it says {text}", 0.02)

    def _hear(self) -> None:
        """Take every notice at once, as a service manager does: the daemon waits where nobody takes them."""
        while notice := self._notices.recv(65536):
            self._heard.append(notice.decode())

    def kick(self) -> None:
        """Ask it to look at IMDS now and for a while, as an IPAM does whose pool is low."""
        self._process.send_signal(signal.SIGUSR1)

    def wrote(self, events: list[Event]) -> list[Event]:
        """Return those of the events that it caused."""
        own = ports(self.pid)
        return [event for event in events if event.writer in own]

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Let it run on only when all that is done meanwhile is done."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it as the kernel does when memory is short."""
        self._process.kill()
        self._process.wait()
        if self._hearing.is_alive():
            self._notices.sendto(b"", str(self._address))
            self._hearing.join()
            self._notices.close()

    def stop(self) -> int:
        """End it as the service manager does; returns its exit status."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(5.0)
        finally:
            self.kill()


def difference(found: dict[str, list[str]], expected: dict[str, list[str]]) -> str:
    """Say what is missing and what is too much, for a person."""
    before, after = ([line for lines in each.values() for line in lines] for each in (expected, found))
    missing, superfluous = Counter(before) - Counter(after), Counter(after) - Counter(before)
    return "\n".join(["missing:", *missing.elements(), "too much:", *superfluous.elements()])


def wanted(card: Card, name: str | None = None) -> dict[str, list[str]]:
    """Return what the kernel must have of an ENI; the primary's address and way out are systemd-networkd's."""
    name = name or f"eth{card.place}"
    routes = card.routes(name, PROTOCOL)
    if card.number == 0:
        addresses = {f"{card.address4}/{card.subnet4.prefixlen}"}
        routes |= {f"4 table {MAIN} default via {card.gateway4} dev {name} metric 1024 proto 16"}
        if card.ipv6:
            addresses |= {f"{card.address6}/128"}
            routes |= {f"6 table {MAIN} default via {GATEWAY6} dev {name} metric 1024 proto 9"}
    else:
        addresses = card.addresses()
    return {"addresses": sorted(addresses), "routes": sorted(routes), "rules": sorted(card.rules())}


@contextlib.contextmanager
def ground(root: Path, *cards: Card) -> Iterator[Ground]:
    """Give a node with these ENIs attached; the first is the primary, which IMDS always has."""
    name = f"natest-{os.getpid()}-{next(NUMBERS)}"
    metadata = Metadata({"meta-data/mac": cards[0].mac, "meta-data/instance-type": "m5.large"})
    with contextlib.ExitStack() as stack:
        stack.enter_context(_namespace(f"{name}-f"))
        stack.enter_context(_namespace(name))
        with namespaces.entered(name):
            url = stack.enter_context(imds.serving(metadata))
        made = Ground(name, root, url, metadata)
        stack.callback(made.news.close)
        for card in cards:
            made.attach(card)
        made.lease(cards[0])
        yield made


@contextlib.contextmanager
def running(made: Ground, before: Sequence[str] = ()) -> Iterator[Daemon]:
    """Give the resident daemon, ready."""
    started = Daemon(made, before)
    try:
        started.wait_ready()
        yield started
    finally:
        started.stop()


def key(card: Card, name: str) -> str:
    """Return the path of one of an ENI's keys below latest/."""
    return f"{MACS}/{card.mac}/{name}"


def _is_ipv6(line: str) -> bool:
    return line.startswith("-6 ") or (line.startswith(("route", "rule")) and ":" in line)


@contextlib.contextmanager
def _namespace(name: str) -> Iterator[None]:
    namespaces.make(name)
    try:
        yield
    finally:
        namespaces.delete(name)


def _within(seconds: float, condition: Callable[[], bool]) -> None:
    until(condition, seconds, "it comes true", 0.02)
