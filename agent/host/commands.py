"""Processes: the one door through which the agent runs a command."""

import errno
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import IO, Self, TypeAlias

from agent.errors import FailedError

# Commands see neither the daemon's proxy settings nor its locale: their output is parsed, or read by an operator.
ENVIRONMENT: Mapping[str, str] = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "SYSTEMD_COLORS": "0",
    "SYSTEMD_PAGER": "",
}
# A killed child that blocks in the kernel (a dead NFS mount) is left to init after this many seconds.
_REAP_SECONDS = 2.0
_SAID_LIMIT = 16 << 10

# Takes a piece of output, and says whether it wants more.
Sink: TypeAlias = Callable[[bytes], bool]


class LeftBehindError(FailedError):
    """What was to end a command as well could not: it blocks in the kernel, and goes on."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended; `status` is None where it did not run, was ended at its time limit, or by a signal.

    A command that blocks in the kernel cannot be ended: it is left behind, and init reaps it one day.
    """

    status: int | None
    output: bytes
    error: str = ""
    truncated: bool = False
    timed_out: bool = False
    missing: bool = False
    left_behind: bool = False

    @property
    def ok(self) -> bool:
        return self.status == 0

    @property
    def text(self) -> str:
        return self.output.decode(errors="replace")


def run(
    argv: Sequence[str],
    *,
    timeout: float,
    limit: int = 1 << 20,
    stdin: bytes = b"",
    environment: Mapping[str, str] = ENVIRONMENT,
) -> Finished:
    """Run a command without a shell, for at most `timeout` seconds, and keep the first `limit` bytes of its output.

    Output is standard output and standard error together. A program that is not there is an outcome, not an error.
    `run_for_tail` keeps the last bytes.
    """
    output = bytearray()

    def keep(chunk: bytes) -> bool:
        output.extend(chunk)
        return len(output) <= limit

    finished = stream(argv, keep, timeout=timeout, stdin=stdin, environment=environment)
    return replace(finished, output=bytes(output[:limit]))


def run_for_tail(argv: Sequence[str], *, timeout: float, limit: int = 1 << 20) -> Finished:
    """Run a command as `run` does to its end, and keep the last whole lines of its output: at most `limit` bytes."""
    output = bytearray()
    length = 0

    def keep(chunk: bytes) -> bool:
        nonlocal length
        length += len(chunk)
        output.extend(chunk)
        # Not at every chunk: what stays is copied.
        if len(output) > 2 * limit:
            del output[:-limit]
        return True

    finished = stream(argv, keep, timeout=timeout)
    last = bytes(output[-limit:])
    if length <= limit:
        return replace(finished, output=last)
    return replace(finished, output=last.partition(b"\n")[2] or last, truncated=True)


def stream(
    argv: Sequence[str],
    sink: Sink,
    *,
    timeout: float,
    stdin: bytes = b"",
    environment: Mapping[str, str] = ENVIRONMENT,
) -> Finished:
    """Run a command as `run` does, and hand its output to `sink` as it comes; the result's `output` is empty."""
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=True,
        )
    except OSError as error:
        return Finished(None, b"", f"cannot run {argv[0]}: {os.strerror(error.errno or 0)}", missing=_is_missing(error))
    gone = True
    with process:
        _feed(process.stdin, stdin)
        try:
            truncated, timed_out = _drain(process, sink, time.monotonic() + timeout)
        except BaseException as error:
            if not _end(process):
                raise LeftBehindError(f"{argv[0]} is blocked in the kernel, and was left behind") from error
            raise
        if timed_out or truncated:
            gone = _end(process)
            status = None
        else:
            status = process.wait()
    if timed_out:
        why = f"{argv[0]} did not end within {timeout:g} s"
        why += "" if gone else ", is blocked in the kernel, and was left behind"
        return Finished(None, b"", why, truncated, timed_out=True, left_behind=not gone)
    if status is not None and status < 0:
        return Finished(None, b"", f"{argv[0]} was ended by {signal.Signals(-status).name}", truncated)
    return Finished(0 if truncated else status, b"", "", truncated, left_behind=not gone)


class Running:
    """A command that goes on beside us; what it says to its standard error is kept, up to a limit."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._said = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self.running:
            _end(self._process)
        if self._process.stderr is not None:
            self._process.stderr.close()

    @property
    def running(self) -> bool:
        self._listen()
        return self._process.poll() is None

    def wait(self, seconds: float) -> bool:
        """Wait for its end, and say whether that came."""
        return _has_ended(self._process, seconds)

    def terminate(self, grace: float) -> None:
        """Ask it to end, and end it after the grace period."""
        self._process.terminate()
        if not self.wait(grace):
            _end(self._process)

    def said(self) -> str:
        self._listen()
        return self._said.decode(errors="replace")

    def _listen(self) -> None:
        """Take in what it has said, so that it never waits for us to read."""
        assert self._process.stderr is not None  # noqa: S101 - PIPE was asked for
        while chunk := self._process.stderr.read(_SAID_LIMIT):
            self._said = (self._said + chunk)[-_SAID_LIMIT:]


def start(argv: Sequence[str], *, environment: Mapping[str, str] = ENVIRONMENT) -> Running:
    """Start a command that is followed while it runs; FileNotFoundError where it is not there."""
    process = subprocess.Popen(
        list(argv),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=dict(environment),
        start_new_session=True,
        bufsize=0,
    )
    assert process.stderr is not None  # noqa: S101 - PIPE was asked for
    os.set_blocking(process.stderr.fileno(), False)
    return Running(process)


def _is_missing(error: OSError) -> bool:
    return error.errno in {errno.ENOENT, errno.ENOTDIR}


def _feed(pipe: IO[bytes] | None, data: bytes) -> None:
    if pipe is None:
        return
    try:
        pipe.write(data)
        pipe.close()
    except BrokenPipeError:
        pass  # the command did not want its input; its status says whether that matters


def _drain(process: subprocess.Popen[bytes], sink: Sink, deadline: float) -> tuple[bool, bool]:
    """Read until the command closes its output and ends: whether the sink had enough, whether time ran out."""
    assert process.stdout is not None  # noqa: S101 - PIPE was asked for
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while selector.select(max(0.0, deadline - time.monotonic())):
            chunk = os.read(process.stdout.fileno(), 1 << 16)
            if not chunk:
                return False, not _has_ended(process, max(0.0, deadline - time.monotonic()))
            if not sink(chunk):
                return True, False
    return False, True


def _end(process: subprocess.Popen[bytes]) -> bool:
    """End a command and what it started, and say whether it is gone."""
    os.killpg(process.pid, signal.SIGKILL)
    if _has_ended(process, _REAP_SECONDS):
        return True
    # Popen's own wait on exit from the `with` block would hang with the child; it is no longer ours to wait for.
    process.returncode = -signal.SIGKILL
    return False


def _has_ended(process: subprocess.Popen[bytes], within: float) -> bool:
    try:
        process.wait(within)
    except subprocess.TimeoutExpired:
        return False
    return True
