"""One file on its way into a bundle: secrets cut, kept within its limit, sent on as it comes."""

import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Protocol

from agent.outputs import Keep, Opened, Outcome, Status
from agent.redactor import Redactor

_CHUNK = 1 << 18


class Sender(Protocol):
    """Where the file goes."""

    def open(self, opened: Opened) -> None: ...

    def send(self, data: bytes | memoryview) -> None: ...

    def alive(self) -> None:
        """Say that the work goes on although nothing comes of it: whoever waits gives silence up one day."""
        ...

    def close(self, outcome: Outcome) -> None: ...


@dataclass(frozen=True, slots=True)
class Bounds:
    """At most `limit` bytes; a tail of what has no known length is kept on disk, in `folder`, until it has ended."""

    limit: int
    keep: Keep
    folder: Path


@dataclass(frozen=True, slots=True)
class Ending:
    """What a source says of itself; without a status the content decides."""

    status: Status | None = None
    exit_code: int | None = None
    error: str = ""
    left_behind: int = 0


USUAL = Ending()


class Flow:
    """A stream that passes through; its first or its last bytes stay.

    The last bytes are kept in a ring: the disk never holds more than the limit, however long the stream.
    """

    def __init__(self, opened: Opened, bounds: Bounds, sender: Sender) -> None:
        self.bytes_read = 0
        self.modified = opened.modified
        self._opened = opened
        self._limit = max(bounds.limit, 1)
        self._sender = sender
        self._redactor = Redactor()
        self._passed = 0
        self._sent = 0
        self._started = time.monotonic()
        self._ring = _unnamed(bounds.folder) if bounds.keep is Keep.TAIL else None

    @property
    def truncated(self) -> bool:
        return self._passed > self._limit

    def write(self, data: bytes) -> bool:
        """Take a piece of the stream, and say whether more of it can be of use."""
        self.bytes_read += len(data)
        for piece in self._redactor.feed(data):
            self._pass(memoryview(piece))
        return self._ring is not None or not self.truncated

    def finish(self, ending: Ending = USUAL) -> None:
        """End the file; what it was cut to is said, where the source says nothing worse."""
        for piece in self._redactor.close():
            self._pass(memoryview(piece))
        if self._ring is not None:
            self._empty(self._ring)
        cut = f"cut to the {'first' if self._ring is None else 'last'} {self._limit} bytes" if self.truncated else ""
        outcome = Outcome(
            path=self._opened.path,
            source=self._opened.source,
            status=ending.status or self._found(),
            exit_code=ending.exit_code,
            seconds=round(time.monotonic() - self._started, 3),
            bytes_read=self.bytes_read,
            error=ending.error or cut,
            redactions=self._redactor.count,
            left_behind=ending.left_behind,
        )
        self._sender.close(outcome)

    def _found(self) -> Status:
        if self.truncated:
            return Status.TRUNCATED
        return Status.OK if self._passed else Status.EMPTY

    def _pass(self, view: memoryview) -> None:
        if self._ring is None:
            room = max(0, self._limit - self._passed)
            self._passed += len(view)
            self._send(view[:room])
            return
        while view:
            place = self._passed % self._limit
            written = os.pwrite(self._ring, view[: self._limit - place], place)
            self._passed += written
            view = view[written:]

    def _empty(self, ring: int) -> None:
        start = self._passed % self._limit if self.truncated else 0
        line = self.truncated
        for chunk in chain(_read(ring, start, min(self._passed, self._limit)), _read(ring, 0, start)):
            # A tail begins with a whole line, where it has one.
            self._send(memoryview(chunk)[chunk.find(b"\n") + 1 :] if line else memoryview(chunk))
            line = False
        os.close(ring)

    def _send(self, view: memoryview) -> None:
        if not view:
            return
        if not self._sent:
            self._sender.open(Opened(self._opened.path, self._opened.source, self.modified))
        self._sent += len(view)
        self._sender.send(view)


def _unnamed(folder: Path) -> int:
    """Return a file without a name: it is gone with the process, however that ends."""
    with tempfile.TemporaryFile(dir=folder) as file:
        return os.dup(file.fileno())


def _read(handle: int, start: int, end: int) -> Iterator[bytes]:
    while start < end and (chunk := os.pread(handle, min(_CHUNK, end - start), start)):
        start += len(chunk)
        yield chunk
