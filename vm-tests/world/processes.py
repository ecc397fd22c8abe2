"""Start, watch and end the world's programs; none of them outlives the world's own process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import tools

# A proxy or a token of the caller's environment must not reach what plays a part in the world.
ENVIRONMENT = {
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
}

Binds = Sequence[Path]


class ProcessError(Exception):
    """A program failed, or did not do what was asked in time."""


@dataclass(frozen=True)
class Process:
    """A program in a session of its own, whose output goes to a log file."""

    name: str
    log: Path
    popen: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def running(self) -> bool:
        return self.popen.poll() is None

    def wait(self, timeout: float) -> int:
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise ProcessError(f"{self.name} still runs after {timeout:g} s; see {self.log}") from error

    def stop(self, grace: float = 10.0) -> None:
        """Ask it to end; end it when it has not after the grace period."""
        self._signal(signal.SIGTERM)
        try:
            self.popen.wait(grace)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        self.popen.wait()

    def tail(self, lines: int = 20) -> str:
        """Return the end of its log, for an error message."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _signal(self, number: signal.Signals) -> None:
        if self.popen.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it ended between the two calls
                os.killpg(self.popen.pid, number)


def spawn(
    argv: Sequence[str | Path],
    *,
    log: Path,
    netns: str | None = None,
    environment: Mapping[str, str] | None = None,
    tools_root: bool = False,
    binds: Binds = (),
    pass_fds: Iterable[int] = (),
) -> Process:
    """Start a program; the kernel kills it when the thread that called this ends, so call from one that lasts."""
    command = [str(word) for word in argv]
    name = Path(command[0]).name
    if tools_root:
        command = tools.enter_command(command, binds=binds)
    with log.open("ab") as output:
        popen = subprocess.Popen(
            _wrapped(command, netns),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**ENVIRONMENT, **(environment or {})},
            pass_fds=tuple(pass_fds),
            start_new_session=True,
        )
    return Process(name, log, popen)


def run(
    argv: Sequence[str | Path],
    *,
    stdin: str | None = None,
    netns: str | None = None,
    environment: Mapping[str, str] | None = None,
    tools_root: bool = False,
    binds: Binds = (),
    check: bool = True,
    timeout: float = 60.0,
) -> str:
    """Run a short command to its end and return what it printed; its error output is part of the exception."""
    command = [str(word) for word in argv]
    if tools_root:
        command = tools.enter_command(command, binds=binds)
    try:
        done = subprocess.run(
            _wrapped(command, netns),
            input=stdin,
            capture_output=True,
            text=True,
            env={**ENVIRONMENT, **(environment or {})},
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ProcessError(f"{' '.join(map(str, argv))}: no end after {timeout:g} s") from error
    if check and done.returncode != 0:
        raise ProcessError(f"{' '.join(map(str, argv))}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def _wrapped(command: list[str], netns: str | None) -> list[str]:
    """Each program here becomes the next one by exec; `ip netns exec` also lays /etc/netns/NAME over /etc."""
    inside = [] if netns is None else ["ip", "netns", "exec", netns]
    return ["setpriv", "--pdeathsig", "KILL", "--", *inside, *command]
