"""Where a control plane lives: its folder, its network namespace and the name nodes call it by."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from world.facts import SERVICES, SERVICES6, Services
from world.pki import Identity
from world.processes import Process, ProcessError
from world.waiting import until

# The state column of /proc/PID/net/tcp and tcp6: TCP_LISTEN of the kernel's include/net/tcp_states.h.
LISTEN = "0A"


@dataclass(frozen=True)
class Site:
    """One machine of the control plane: what its programs share."""

    folder: Path
    netns: str
    address: str
    endpoint: str

    @property
    def server(self) -> str:
        """The API server's URL, as nodes and kubeconfigs have it."""
        return f"https://{self.endpoint}"

    @property
    def services(self) -> Services:
        """A cluster is of one family: that of its API server."""
        return SERVICES6 if is_ipv6(self.address) else SERVICES

    def log(self, program: str) -> Path:
        return self.folder / f"{program}.log"

    def path(self, name: str) -> Path:
        """The path of a file of this name; its folder is made if need be."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def keep(self, name: str, identity: Identity) -> tuple[Path, Path]:
        """Write a certificate and its key for a program to read."""
        return identity.write(self.path(f"pki/{name}").parent, name)


def is_ipv6(address: str) -> bool:
    return ":" in address


def in_url(address: str) -> str:
    """The address as a URL's host: IPv6 in brackets."""
    return f"[{address}]" if is_ipv6(address) else address


def wait_listening(process: Process, netns: str, address: str, port: int, timeout: float = 30.0) -> None:
    """Wait until the program's namespace has a listener there; fail at once when the program ends."""
    wanted = _socket_name(address, port)

    def probe() -> bool:
        _must_run(process)
        return _is_inside(process, netns) and wanted in _listeners(process)

    until(probe, timeout, f"{process.name} listens on {address}:{port}; see {process.log}")


def wait_ready(process: Process, ready: Callable[[], bool], timeout: float) -> None:
    """Wait until the program says that it is ready; fail at once when it ends."""

    def probe() -> bool:
        _must_run(process)
        return ready()

    until(probe, timeout, f"{process.name} becomes ready; see {process.log}", interval=0.3)


def _must_run(process: Process) -> None:
    if not process.running:
        raise ProcessError(f"{process.name} ended with {process.wait(0)}:\n{process.tail()}")


def _is_inside(process: Process, netns: str) -> bool:
    own = Path(f"/proc/{process.pid}/ns/net").stat()
    return own.st_ino == Path("/run/netns", netns).stat().st_ino


def _listeners(process: Process) -> set[str]:
    tables = (Path(f"/proc/{process.pid}/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6"))
    columns = [row.split() for rows in tables for row in rows]
    return {row[1] for row in columns if row[3] == LISTEN}


def _socket_name(address: str, port: int) -> str:
    """The kernel prints an address as numbers of 32 bits in the machine's byte order."""
    packed = socket.inet_pton(socket.AF_INET6 if is_ipv6(address) else socket.AF_INET, address)
    numbers = struct.unpack(f"={len(packed) // 4}I", packed)
    return "".join(f"{number:08X}" for number in numbers) + f":{port:04X}"
