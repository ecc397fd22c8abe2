"""The console: writes that a port which nobody reads can delay, but not hold."""

import contextlib
import errno
import fcntl
import os
import select
import struct
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.errors import FailedError, TemporaryError

STALLED_SECONDS = 5.0
WITHIN_SECONDS = 15.0
# Small writes, so that a slow port shows progress often: at 9600 baud this many bytes take half a second.
_CHUNK = 512
_DRAIN_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Patience:
    """For how long a port may take nothing, and for how long the whole write may last, in seconds."""

    stalled: float = STALLED_SECONDS
    within: float = WITHIN_SECONDS


@dataclass(frozen=True, slots=True)
class Port:
    """An open console or file; `line_end` is how many bytes a line end takes where the text arrives."""

    path: Path
    descriptor: int
    line_end: int

    def write(self, text: str, patience: Patience = Patience()) -> None:
        """Write all of the text, or say how far it came before patience ended."""
        data = memoryview(text.encode())
        end = time.monotonic() + patience.within
        sent = 0
        try:
            while sent < len(data):
                sent += self._write_some(data[sent : sent + _CHUNK], min(end, time.monotonic() + patience.stalled))
            self._await_drain(min(end, time.monotonic() + patience.stalled))
        except TimeoutError as error:
            self._discard()
            raise TemporaryError(
                f"{self.path} took {sent} of {len(data)} bytes, then nothing", hint="see what reads the port"
            ) from error
        except OSError as error:
            raise FailedError(f"cannot write {self.path}: {os.strerror(error.errno or 0)}") from error

    def _write_some(self, chunk: memoryview, deadline: float) -> int:
        poller = select.poll()
        poller.register(self.descriptor, select.POLLOUT)
        while (left := deadline - time.monotonic()) > 0 and poller.poll(left * 1000):
            with contextlib.suppress(BlockingIOError):
                return os.write(self.descriptor, chunk)
        raise TimeoutError

    def _await_drain(self, deadline: float) -> None:
        """Wait until the port has sent everything: its driver would block in close(2), by default for 30 s."""
        while self._unsent():
            if time.monotonic() >= deadline:
                raise TimeoutError
            select.select([], [], [], _DRAIN_POLL_SECONDS)  # no event tells that a terminal has drained

    def _unsent(self) -> int:
        try:
            packed = fcntl.ioctl(self.descriptor, termios.TIOCOUTQ, b"\0" * 4)
        except OSError:
            return 0  # not a terminal
        return int(struct.unpack("i", packed)[0])

    def _discard(self) -> None:
        with contextlib.suppress(termios.error):
            termios.tcflush(self.descriptor, termios.TCOFLUSH)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Port]:
    """Open a console, pipe or file to append to; a terminal adds a CR to each LF."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        hint = "nothing reads it" if error.errno == errno.ENXIO else "run as root, or name another --output"
        raise FailedError(f"cannot open {path}: {os.strerror(error.errno or 0)}", hint=hint) from error
    try:
        yield Port(path, descriptor, 2 if os.isatty(descriptor) else 1)
    finally:
        os.close(descriptor)
