"""Gathering in child processes: reading and redaction use the second core, and what blocks costs only its output.

A read of a dead file server cannot be ended, not even by SIGKILL. It is done by a child, which is left behind then; the
parent goes on with the next output.
"""

import json
import mmap
import os
import select
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass

from agent.host.commands import LeftBehindError
from agent.host.flow import Sender
from agent.outputs import Event, Opened, Outcome, Status

_FRAME = struct.Struct("<BI")
_DATA, _OPENED, _OUTCOME, _ALIVE, _DONE = range(5)
# Data goes through memory that both share. On a busy node each side waits for its turn on a processor for tens of
# milliseconds: a pipe's megabyte would be filled and emptied once in such a turn.
_SLOTS, _SLOT = 32, 1 << 18
# How long a child has to end by itself once it was heard out, and by each signal before it is left behind. It ends
# its command as well, for which `commands` takes two seconds, and its exit status says whether it could.
_PATIENCE: Mapping[signal.Signals | None, float] = {None: 0.2, signal.SIGTERM: 4.0, signal.SIGKILL: 2.0}
_STRANDED = 3


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds a child may say nothing, and how many it may take in all."""

    silence: float
    total: float


class _Channel:
    """What parent and child have between them: frames one way, slots that are free again the other way."""

    def __init__(self) -> None:
        self.slots = memoryview(mmap.mmap(-1, _SLOTS * _SLOT))
        self.frames, self._frames_in = os.pipe2(os.O_CLOEXEC)
        self._free_out, self._free = os.pipe2(os.O_CLOEXEC)

    def for_parent(self) -> None:
        os.close(self._frames_in)
        os.close(self._free_out)

    def for_child(self) -> "_Pen":
        os.close(self.frames)
        os.close(self._free)
        return _Pen(self.slots, self._frames_in, self._free_out)

    def release(self) -> None:
        """Give the child the slot back that was taken first."""
        with suppress(BrokenPipeError):
            os.write(self._free, b"\0")

    def close(self) -> None:
        os.close(self.frames)
        os.close(self._free)


class _Pen:
    """Writes frames: the child's end."""

    def __init__(self, slots: memoryview, frames: int, free: int) -> None:
        self._slots = slots
        self._frames = frames
        self._free = free
        self._used = 0

    def open(self, opened: Opened) -> None:
        self._frame(_OPENED, json.dumps(asdict(opened)).encode())

    def send(self, data: bytes | memoryview) -> None:
        for start in range(0, len(data), _SLOT):
            piece = data[start : start + _SLOT]
            if self._used >= _SLOTS and not os.read(self._free, 1):
                raise BrokenPipeError
            place = self._used % _SLOTS * _SLOT
            self._slots[place : place + len(piece)] = piece
            self._used += 1
            self._write(_FRAME.pack(_DATA, len(piece)))

    def close(self, outcome: Outcome) -> None:
        self._frame(_OUTCOME, json.dumps(asdict(outcome)).encode())

    def alive(self) -> None:
        self._frame(_ALIVE, b"")

    def done(self) -> None:
        self._frame(_DONE, b"")

    def _frame(self, kind: int, data: bytes) -> None:
        self._write(_FRAME.pack(kind, len(data)) + data)

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._frames, data) :]


class _LostError(Exception):
    """The child will say nothing more."""

    def __init__(self, status: Status, why: str) -> None:
        super().__init__(why)
        self.status = status


class _Source:
    """Reads frames, as long as patience lasts: the parent's end."""

    def __init__(self, channel: _Channel, patience: Patience) -> None:
        self._channel = channel
        self._poll = select.poll()
        self._poll.register(channel.frames, select.POLLIN)
        self._patience = patience
        self._deadline = time.monotonic() + patience.total

    def frames(self) -> Iterator[tuple[int, memoryview]]:
        taken = 0
        while True:
            kind, size = _FRAME.unpack(self._read(_FRAME.size))
            if kind == _DONE:
                return
            if kind == _ALIVE:
                continue
            if kind != _DATA:
                yield kind, memoryview(self._read(size))
                continue
            place = taken % _SLOTS * _SLOT
            yield kind, self._channel.slots[place : place + size]
            self._channel.release()
            taken += 1

    def _read(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            left = self._deadline - time.monotonic()
            if not self._poll.poll(max(0.0, min(self._patience.silence, left)) * 1000):
                raise _LostError(Status.TIMEOUT, "it blocks" if left > self._patience.silence else "its time was over")
            piece = os.read(self._channel.frames, size - len(found))
            if not piece:
                raise _LostError(Status.FAILED, "the process that read it ended early; see the journal")
            found += piece
        return found


def gather(work: Callable[[Sender], None], blank: Outcome, patience: Patience) -> Generator[Event, None, None]:
    """Have a child do the work, and give what it sends; where it is lost, the outcome of what it was at.

    `blank` says whose outcome that is as long as no file has begun. A view is valid until the next event is asked for.
    """
    channel, child = _fork(work)
    began, at = time.monotonic(), blank
    try:
        for kind, data in _Source(channel, patience).frames():
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
        channel.close()
        child.end()


class _Child:
    """A child process, held by a descriptor: its number may be another's once it was waited for."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._handle = os.pidfd_open(number)
        self._gone: bool | None = None
        self._status = 0

    def end(self) -> bool:
        """End the child, once, and say whether it is gone, and its command with it."""
        if self._gone is None:
            self._gone = any(self._ended_by(number) for number in _PATIENCE) and self._status != _STRANDED
            os.close(self._handle)
        return self._gone

    def _ended_by(self, number: signal.Signals | None) -> bool:
        if number is not None:
            signal.pidfd_send_signal(self._handle, number)
        if not select.select([self._handle], [], [], _PATIENCE[number])[0]:
            return False
        self._status = os.waitstatus_to_exitcode(os.waitpid(self._number, 0)[1])
        return True


def _fork(work: Callable[[Sender], None]) -> tuple[_Channel, _Child]:
    """Return the parent's end of the channel, and the child."""
    channel = _Channel()
    number = os.fork()
    if number:
        channel.for_parent()
        return channel, _Child(number)
    status = 1
    try:
        pen = channel.for_child()
        # An exception, so that a command which runs is ended as well.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        work(pen)
        pen.done()
        status = 0
    except LeftBehindError:
        status = _STRANDED
    except (BrokenPipeError, SystemExit, KeyboardInterrupt):
        pass  # nobody wants the rest
    except BaseException:  # noqa: BLE001 - whatever it is, the child must not go on with what the parent does
        traceback.print_exc()
    finally:
        os._exit(status)
