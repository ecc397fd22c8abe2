"""The pulse of the daemon: feeds the watchdog during every wait, and ends the wait when SIGTERM has come."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime


def now() -> datetime:
    """Return the time of day."""
    return datetime.now(UTC)


def now_text() -> str:
    """Return the time of day as the API has it (RFC 3339)."""
    return now().strftime("%Y-%m-%dT%H:%M:%SZ")


class StoppedError(Exception):
    """A stop was requested."""


class Pulse:
    """To be called at least once a second; `feed` is called each `interval` seconds."""

    def __init__(
        self,
        stop_requested: Callable[[], bool],
        feed: Callable[[], None],
        *,
        interval: float | None,
        clock: Callable[[], float],
    ) -> None:
        self.clock = clock
        self._stop_requested = stop_requested
        self._feed = feed
        self._interval = math.inf if interval is None else interval
        self._fed = clock()
        self._stopped_at: float | None = None
        self._grace = 0.0

    def __call__(self) -> None:
        now = self.clock()
        if now - self._fed >= self._interval:
            self._fed = now
            self._feed()
        if self._stop_requested():
            self._stopped_at = now if self._stopped_at is None else self._stopped_at
            if now >= self._stopped_at + self._grace:
                raise StoppedError

    @contextmanager
    def last_words(self, seconds: float) -> Iterator[None]:
        """Let what is being said be said to its end, for some seconds after a stop."""
        self._grace = seconds
        try:
            yield
        finally:
            self._grace = 0.0
