"""A root shell in a node for tests: a unit that the firmware's strings add, on a virtio-serial port."""

from __future__ import annotations

import base64
import itertools
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path

PORT = "world.shell"
FOLDER = "/run/world-shell"
UNIT_NAME = "world-shell.service"
# The kernel names the port's device; the link by the port's own name needs udev, which an image may restrict.
UNIT = f"""[Unit]
DefaultDependencies=no
StartLimitIntervalSec=0
[Service]
Restart=always
RestartSec=1
ExecStart=/bin/bash -c 'mkdir -p {FOLDER}; cd /sys/class/virtio-ports; \\
  exec <>/dev/$$(grep --files-with-matches --line-regexp {PORT} */name | cut -d/ -f1) >&0; exec bash -s'
"""
# A boot takes 45 to 90 s under TCG, and several machines may boot on the same two processors.
BOOT_TIMEOUT = 600.0
# What the guest may need to answer after its own time-out, on a busy machine without KVM.
GRACE = 20.0


class ShellError(Exception):
    """The node did not answer."""


@dataclass(frozen=True)
class Completed:
    """What a script did; the output is both of its streams."""

    status: int
    output: str


def kernel_arguments() -> list[str]:
    """Return what starts the unit at boot."""
    return [f"systemd.wants={UNIT_NAME}"]


def smbios_strings() -> list[str]:
    """Return what gives systemd the unit, with the image as it is."""
    return [f"io.systemd.credential.binary:systemd.extra-unit.{UNIT_NAME}={base64.b64encode(UNIT.encode()).decode()}"]


class Shell:
    """The host's end of the port."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._numbers = itertools.count(1)
        self._guard = threading.Lock()
        self._socket: socket.socket | None = None
        self._rest = b""
        self._awake = False

    def run(self, script: str, timeout: float) -> Completed:
        """Run a script by bash, after the boot if need be; when it takes too long its status is 124."""
        with self._guard:
            if not self._awake:
                self._ask(":", timeout=BOOT_TIMEOUT)
                self._awake = True
            return self._ask(script, timeout)

    def expect_boot(self) -> None:
        """Wait for a boot before the next script."""
        self._awake = False

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()

    def _ask(self, script: str, timeout: float) -> Completed:
        mark = f"answer-{next(self._numbers)}"
        deadline = time.monotonic() + timeout + GRACE
        connection = self._connect()
        connection.settimeout(timeout + GRACE)
        try:
            connection.sendall(_request(script, mark, timeout))
            return self._answer(connection, mark, deadline)
        except TimeoutError as error:
            self._awake = False
            raise ShellError(f"the node's shell did not answer in {timeout + GRACE:g} s") from error

    def _connect(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.connect(str(self._path))
        return self._socket

    def _answer(self, connection: socket.socket, mark: str, deadline: float) -> Completed:
        """Skip what late answers left behind."""
        while True:
            words = self._line(connection, deadline).split()
            if words[:1] == [mark.encode()]:
                return Completed(int(words[1]), base64.b64decode(b"".join(words[2:])).decode(errors="replace"))

    def _line(self, connection: socket.socket, deadline: float) -> bytes:
        chunks = [self._rest]
        while b"\n" not in chunks[-1]:
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
            received = connection.recv(65536)
            if not received:
                raise ShellError("QEMU has ended")
            chunks.append(received)
        line, _, self._rest = b"".join(chunks).partition(b"\n")
        return line


def _request(script: str, mark: str, timeout: float) -> bytes:
    """The script travels as base64, so that nothing in it means anything to the shell that reads the port."""
    encoded = base64.b64encode(script.encode()).decode()
    steps = (
        f"printf %s {encoded} | base64 -d > {FOLDER}/script",
        f"timeout --kill-after=5 {timeout:g} bash {FOLDER}/script </dev/null >{FOLDER}/output 2>&1",
        f'printf "%s %d %s\\n" {mark} $? "$(base64 -w0 {FOLDER}/output)"',
    )
    return ("; ".join(steps) + "\n").encode()
