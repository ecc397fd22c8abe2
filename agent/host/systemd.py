"""systemd: readiness and watchdog messages, and the few verbs of systemctl that the daemons use."""

import os
import socket
import time
from collections.abc import Callable, Sequence

from agent.errors import FailedError
from agent.host import commands

_TIMEOUT = 30.0
_SIGN_OF_LIFE = 30.0


def notify(*assignments: str) -> None:
    """Send assignments such as `READY=1` and `STATUS=…` to the service manager, if there is one (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    # "@" stands for the NUL of an abstract socket.
    name = "\0" + address[1:] if address.startswith("@") else address
    # A line is an assignment: words of others must not make one.
    lines = (" ".join(assignment.splitlines()) for assignment in assignments)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.connect(name)
        channel.sendall("\n".join(lines).encode())


def watchdog_seconds() -> float | None:
    """Return how often `WATCHDOG=1` is due (half of WatchdogSec=), or None without a watchdog."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 2e6 if microseconds.isdigit() else None


class Manager:
    """The service manager, told of what is new and that we live: it reads no faster than it must.

    `more` is what the status line ends in, asked for when something is said anyway.
    """

    def __init__(self, more: Callable[[], str] = str) -> None:
        self._more = more
        self._interval = watchdog_seconds() or _SIGN_OF_LIFE
        self._told = ""
        self._due = 0.0

    def tell(self, message: str) -> None:
        """Say that the daemon is ready, and how it is, where it said something else or is due."""
        if message != self._told or self.left() == 0.0:
            notify("READY=1", "WATCHDOG=1", f"STATUS={message}{self._more()}")
            self._told, self._due = message, time.monotonic() + self._interval

    def reloading(self) -> None:
        """Say that the reload it may have asked for has begun; the next word ends it."""
        notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        self._due = 0.0

    def left(self) -> float:
        """Return how long nothing has to be said."""
        return max(0.0, self._due - time.monotonic())


def reload() -> None:
    """Have systemd read its unit files again."""
    _systemctl("daemon-reload")


def start(unit: str, *, wait: bool = True, timeout: float = _TIMEOUT) -> None:
    """Start a unit, and wait until it has started for at most `timeout` seconds; without `wait` only queue the job."""
    _systemctl("start", *(() if wait else ("--no-block",)), "--", unit, timeout=timeout)


def stop(unit: str, *, wait: bool = True) -> None:
    """Stop a unit, and wait until it has stopped; without `wait` only queue the job."""
    _systemctl("stop", *(() if wait else ("--no-block",)), "--", unit)


def try_restart(*units: str) -> None:
    """Restart the units that are running, and leave those that are not."""
    _systemctl("try-restart", "--no-block", "--", *units)


def properties(unit: str, *names: str, timeout: float = _TIMEOUT) -> dict[str, str]:
    """Return the named properties of a unit; empty where systemd does not answer."""
    argv = ["systemctl", "show", f"--property={','.join(names)}", "--", unit]
    finished = commands.run(argv, timeout=timeout)
    pairs = (line.partition("=") for line in finished.text.splitlines()) if finished.ok else ()
    return {name: value for name, _, value in pairs}


def load_states(units: Sequence[str]) -> dict[str, str]:
    """Return the LoadState of each unit, by one call; empty where systemd does not answer."""
    finished = commands.run(["systemctl", "show", "--property=LoadState", "--", *units], timeout=_TIMEOUT)
    states = [line.partition("=")[2] for line in finished.text.splitlines() if line] if finished.ok else []
    return dict(zip(units, states, strict=True)) if len(states) == len(units) else {}


def failed_units(*, timeout: float = _TIMEOUT) -> tuple[str, ...]:
    """Return the names of the units that have failed."""
    argv = ["systemctl", "list-units", "--state=failed", "--plain", "--no-legend", "--full"]
    finished = commands.run(argv, timeout=timeout)
    if not finished.ok:
        raise FailedError(
            f"{argv[0]} {argv[1]}: {finished.error or finished.text.strip()}", hint="see systemctl status"
        )
    return tuple(line.split(maxsplit=1)[0] for line in finished.text.splitlines() if line.strip())


def _systemctl(*arguments: str, timeout: float = _TIMEOUT) -> None:
    finished = commands.run(["systemctl", *arguments], timeout=timeout)
    if not finished.ok:
        said = finished.error or finished.text.strip()
        raise FailedError(f"systemctl {' '.join(arguments)}: {said}", hint="see `systemctl status` of the unit")
