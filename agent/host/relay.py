"""Gathering in child processes: reading and redaction use the second core, and what blocks costs only its output.

A read of a dead file server cannot be ended, not even by SIGKILL. It is done by a child, which is left behind then; the
parent goes on with the next output.
"""

import fcntl
import json
import os
import select
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass

from agent.host.flow import Sender
from agent.outputs import Event, Opened, Outcome, Status

_FRAME = struct.Struct("<BI")
_DATA, _OPENED, _OUTCOME, _DONE = range(4)
_MOST = 1 << 18
_PIPE = 1 << 20
# How long a child has to end by itself once it was heard out, and by a signal before it is left behind.
_BY_ITSELF = 0.2
_REAP_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds a child may say nothing, and how many it may take in all."""

    silence: float
    total: float


class _Pipe:
    """Writes frames: the child's end."""

    def __init__(self, handle: int) -> None:
        self._file = os.fdopen(handle, "wb", buffering=_MOST)

    def open(self, opened: Opened) -> None:
        self._frame(_OPENED, json.dumps(asdict(opened)).encode())

    def send(self, data: bytes | memoryview) -> None:
        for start in range(0, len(data), _MOST):
            self._frame(_DATA, data[start : start + _MOST])

    def close(self, outcome: Outcome) -> None:
        self._frame(_OUTCOME, json.dumps(asdict(outcome)).encode())
        self._file.flush()

    def done(self) -> None:
        self._frame(_DONE, b"")
        self._file.flush()

    def _frame(self, kind: int, data: bytes | memoryview) -> None:
        self._file.write(_FRAME.pack(kind, len(data)))
        self._file.write(data)


class _LostError(Exception):
    """The child will say nothing more."""

    def __init__(self, status: Status, why: str) -> None:
        super().__init__(why)
        self.status = status


class _Source:
    """Reads frames, as long as patience lasts: the parent's end."""

    def __init__(self, handle: int, patience: Patience) -> None:
        self._handle = handle
        self._buffer = memoryview(bytearray(_MOST))
        self._poll = select.poll()
        self._poll.register(handle, select.POLLIN)
        self._patience = patience
        self._deadline = time.monotonic() + patience.total

    def frames(self) -> Iterator[tuple[int, memoryview]]:
        while True:
            kind, size = _FRAME.unpack(self._read(_FRAME.size))
            if kind == _DONE:
                return
            yield kind, self._read(size)

    def _read(self, size: int) -> memoryview:
        filled = 0
        while filled < size:
            left = self._deadline - time.monotonic()
            if not self._poll.poll(max(0.0, min(self._patience.silence, left)) * 1000):
                raise _LostError(Status.TIMEOUT, "it blocks" if left > self._patience.silence else "its time was over")
            count = os.readv(self._handle, [self._buffer[filled:size]])
            if count == 0:
                raise _LostError(Status.FAILED, "the process that read it ended early; see the journal")
            filled += count
        return self._buffer[:size]


def gather(work: Callable[[Sender], None], blank: Outcome, patience: Patience) -> Generator[Event, None, None]:
    """Have a child do the work, and give what it sends; where it is lost, the outcome of what it was at.

    `blank` says whose outcome that is as long as no file has begun. A view is valid until the next event is asked for.
    """
    reader, child = _fork(work)
    began, at = time.monotonic(), blank
    try:
        for kind, data in _Source(reader, patience).frames():
            if kind == _DATA:
                yield data
            elif kind == _OPENED:
                opened = Opened(**json.loads(bytes(data)))
                at = Outcome(opened.path, opened.source, Status.FAILED)
                yield opened
            else:
                body = json.loads(bytes(data))
                yield Outcome(**{**body, "status": Status(body["status"])})
                at = blank
    except _LostError as lost:
        gone = child.end()
        why = str(lost) if gone else f"{lost}; its process is blocked in the kernel and was left behind"
        taken = round(time.monotonic() - began, 3)
        yield Outcome(at.path, at.source, lost.status, seconds=taken, error=why, left_behind=0 if gone else 1)
    finally:
        os.close(reader)
        child.end()


class _Child:
    """A child process, held by a descriptor: its number may be another's once it was waited for."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._handle = os.pidfd_open(number)
        self._gone: bool | None = None

    def end(self) -> bool:
        """End the child, once, and say whether it is gone."""
        if self._gone is None:
            self._gone = any(self._ended_by(number) for number in (None, signal.SIGTERM, signal.SIGKILL))
            os.close(self._handle)
        return self._gone

    def _ended_by(self, number: signal.Signals | None) -> bool:
        if number is not None:
            signal.pidfd_send_signal(self._handle, number)
        if not select.select([self._handle], [], [], _BY_ITSELF if number is None else _REAP_SECONDS)[0]:
            return False
        os.waitpid(self._number, 0)
        return True


def _fork(work: Callable[[Sender], None]) -> tuple[int, _Child]:
    """Return the end to read from, and the child."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, _PIPE)
    number = os.fork()
    if number:
        os.close(writer)
        return reader, _Child(number)
    status = 1
    try:
        os.close(reader)
        # An exception, so that a command which runs is ended as well.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        pipe = _Pipe(writer)
        work(pipe)
        pipe.done()
        status = 0
    except (BrokenPipeError, SystemExit, KeyboardInterrupt):
        pass  # nobody wants the rest
    except BaseException:  # noqa: BLE001 - whatever it is, the child must not go on with what the parent does
        traceback.print_exc()
    finally:
        os._exit(status)
