"""QEMU's machine protocol: commands with their answers, and events in between."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from world.waiting import WaitError, until

Message = dict[str, Any]

TIMEOUT = 30.0


class QmpError(Exception):
    """QEMU refused a command or is gone."""


class Monitor:
    """A connection to one QEMU; used by one thread at a time."""

    def __init__(self, path: Path, alive: Callable[[], bool]) -> None:
        self._socket = _connect(path, alive)
        self._lines = self._socket.makefile("rb")
        self._events: list[Message] = []
        self._receive(time.monotonic() + TIMEOUT)  # the greeting
        self.execute("qmp_capabilities")

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

    def execute(self, command: str, **arguments: object) -> Any:
        """Run a command and return its result."""
        request = {"execute": command, "arguments": {name.replace("_", "-"): arguments[name] for name in arguments}}
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        deadline = time.monotonic() + TIMEOUT
        while True:
            message = self._receive(deadline)
            if "event" in message:
                self._events.append(message)
            elif "error" in message:
                raise QmpError(f"{command}: {message['error']['desc']}")
            else:
                return message["return"]

    def wait_event(self, name: str, timeout: float, **data: object) -> Message:
        """Wait for an event that has this data among its own; events before the last command count too."""
        deadline = time.monotonic() + timeout
        seen = 0
        while True:
            for event in self._events[seen:]:
                if event["event"] == name and data.items() <= event.get("data", {}).items():
                    self._events.remove(event)
                    return event
            seen = len(self._events)
            message = self._receive(deadline)
            if "event" in message:
                self._events.append(message)

    def forget_events(self) -> None:
        """Drop events seen so far, before something is done whose event is awaited."""
        self._events.clear()

    def _receive(self, deadline: float) -> Message:
        self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            line = self._lines.readline()
        except TimeoutError as error:
            raise WaitError("QEMU said nothing in time") from error
        if not line:
            raise QmpError("QEMU has ended")
        message: Message = json.loads(line)
        return message


def _connect(path: Path, alive: Callable[[], bool]) -> socket.socket:
    def attempt() -> socket.socket | None:
        if not alive():
            raise QmpError("QEMU ended before its monitor answered; see its log")
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            return None
        return connection

    return until(attempt, TIMEOUT, f"QEMU's monitor answers at {path}")
