"""Waiting: retries with jitter and a deadline, and "run a pass now and again" until SIGTERM."""

import contextlib
import os
import random
import select
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from agent.errors import TemporaryError

T = TypeVar("T")
Wait = Callable[[float], object]
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Backoff:
    """Growing delays in seconds: `first`, doubled each time up to `cap`, each shortened at random by up to half."""

    first: float = 0.25
    cap: float = 5.0

    def delay(self, attempt: int) -> float:
        """Return the delay after the `attempt`-th failure, counted from 0."""
        # The exponent is bounded, as 2.0**1024 overflows in a loop that has run for days.
        longest = min(self.cap, self.first * 2.0 ** min(attempt, 30))
        return longest * random.uniform(0.5, 1.0)


USUAL = Backoff()
# A server that is to be asked again in a day is asked all the same.
_LONGEST_WISH = 300
_LONGEST_WISH_DIGITS = 9


def retry(
    call: Callable[[], T],
    *,
    within: float,
    backoff: Backoff = USUAL,
    wait: Wait = time.sleep,
    clock: Clock = time.monotonic,
) -> T:
    """Call until it returns, for at most `within` seconds; the last TemporaryError is raised when they are over.

    A server's `Retry-After` is honoured where it is longer than our own delay.
    """
    deadline = clock() + within
    attempt = 0
    while True:
        try:
            return call()
        except TemporaryError as error:
            delay = max(backoff.delay(attempt), error.retry_after or 0.0)
            if clock() + delay >= deadline:
                raise
        wait(delay)
        attempt += 1


def wish(retry_after: str) -> float | None:
    """Return the seconds of a Retry-After header, bounded; None where it has none (a date is not taken)."""
    known = retry_after.isascii() and retry_after.isdigit() and len(retry_after) <= _LONGEST_WISH_DIGITS
    return float(min(int(retry_after), _LONGEST_WISH)) if known else None


def jittered(seconds: float, share: float = 0.2) -> float:
    """Return `seconds` changed at random by up to `share`, so that a fleet does not act in step."""
    return seconds * random.uniform(1.0 - share, 1.0 + share)


class Stop:
    """Whether SIGTERM or SIGINT has come, or SIGUSR1 as a kick, and a wait that they end."""

    def __init__(self, reader: int) -> None:
        self.requested = False
        self.kicked = False
        self._reader = reader

    def wait(self, seconds: float, *readers: int) -> bool:
        """Sleep until `seconds` are over, a descriptor of `readers` can be read, or a stop is requested.

        Returns whether a stop was requested.
        """
        if not self.requested:
            ready, _, _ = select.select([self._reader, *readers], [], [], max(0.0, seconds))
            if self._reader in ready:
                os.read(self._reader, 64)
        return self.requested


@contextlib.contextmanager
def until_stopped() -> Iterator[Stop]:
    """Give a `Stop` that SIGTERM and SIGINT set, and SIGUSR1 kicks; only the main thread may use it.

    The wake-up descriptor, not an event object, ends the wait: a handler that took a lock could meet it taken.
    """
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    stop = Stop(reader)

    def request(_number: int, _frame: object) -> None:
        stop.requested = True

    def kick(_number: int, _frame: object) -> None:
        stop.kicked = True

    before = {number: signal.signal(number, request) for number in (signal.SIGTERM, signal.SIGINT)}
    before[signal.SIGUSR1] = signal.signal(signal.SIGUSR1, kick)
    previous = signal.set_wakeup_fd(writer)
    try:
        yield stop
    finally:
        signal.set_wakeup_fd(previous)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)
