"""Network namespaces: make, enter and delete them, and join them by veth pairs."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from world.processes import run
from world.waiting import until

NAMES = Path("/run/netns")
FILES = Path("/etc/netns")
CLONE_NEWNET = 0x40000000

LIBC = ctypes.CDLL(None, use_errno=True)


def make(name: str, *, hosts: Mapping[str, str] | None = None, resolver: str | None = None) -> None:
    """Make a namespace whose programs see the given host names and resolver in /etc."""
    files = FILES / name
    files.mkdir(parents=True, exist_ok=True)
    write_hosts(name, hosts or {})
    if resolver is not None:
        (files / "resolv.conf").write_text(f"nameserver {resolver}\n")
    run(["ip", "netns", "add", name])
    run(["ip", "-n", name, "link", "set", "lo", "up"])


def write_hosts(name: str, hosts: Mapping[str, str]) -> None:
    """Set the host names that programs started in the namespace from now on know."""
    lines = ["127.0.0.1 localhost", "::1 localhost", *(f"{address} {host}" for host, address in hosts.items())]
    (FILES / name / "hosts").write_text("\n".join(lines) + "\n")


def delete(name: str) -> None:
    """End what still runs in the namespace and remove it and its files; a missing one is fine."""
    if (NAMES / name).exists():
        for pid in _pids(name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until(lambda: not _pids(name), 10, f"processes in namespace {name} end")
        run(["ip", "netns", "delete", name])
    shutil.rmtree(FILES / name, ignore_errors=True)


def names(prefix: str) -> list[str]:
    """Return the namespaces whose name starts with the prefix, also those of which only files are left."""
    folders = [folder for folder in (NAMES, FILES) if folder.is_dir()]
    return sorted({entry.name for folder in folders for entry in folder.iterdir() if entry.name.startswith(prefix)})


def join(inside: str, inside_link: str, outside: str, outside_link: str, *, mtu: int, bridge: str) -> None:
    """Lay a veth pair between two namespaces, both ends up, the outer one a port of a bridge."""
    run(
        [
            *("ip", "link", "add", "name", inside_link, "mtu", str(mtu), "netns", inside),
            *("type", "veth", "peer", "name", outside_link, "mtu", str(mtu), "netns", outside),
        ]
    )
    run(["ip", "-n", inside, "link", "set", "dev", inside_link, "up"])
    run(["ip", "-n", outside, "link", "set", "dev", outside_link, "master", bridge, "up"])


@contextlib.contextmanager
def entered(name: str) -> Iterator[None]:
    """Put the calling thread into the namespace; a socket made there stays there."""
    home = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        target = os.open(NAMES / name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(target)
        finally:
            os.close(target)
        try:
            yield
        finally:
            _setns(home)
    finally:
        os.close(home)


def _setns(descriptor: int) -> None:
    """Join a namespace; os.setns came with Python 3.12."""
    if LIBC.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "cannot enter the network namespace; run as root")


def _pids(name: str) -> list[int]:
    return [int(pid) for pid in run(["ip", "netns", "pids", name]).split()]
